//! A rescue file: what a phone has not sent, as a file that somebody carries to the server by hand.
//!
//! Inside lies a request as it would be sent: a sealed hello and signed ops. Outside it is encrypted for the server alone:
//! the key comes from the session's key, which the phone keeps and the server derives anew, so nobody between can read it.
//! `magic ‖ session u64 big-endian ‖ nonce 24 ‖ XChaCha20-Poly1305(request)`. Source: docs/PROTOCOL.md, "Rescue files".

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

/// How a rescue file begins.
pub const MAGIC: &[u8; 16] = b"THONSO-RESCUE-1\n";
/// Bytes of the nonce.
pub const NONCE_BYTES: usize = 24;
/// Longest rescue file: a thousand times what a phone makes in a month.
pub const RESCUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What stands in front of the encrypted part.
const HEAD_BYTES: usize = MAGIC.len() + 8 + NONCE_BYTES;

/// Why a file is no rescue file of this server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RescueFault {
    /// It does not begin as one, or is too short or too long.
    #[error("this is not a rescue file")]
    NotOne,
    /// It was changed on the way, or made for another server.
    #[error("the rescue file was damaged on the way, or made for another server")]
    Unreadable,
}

fn cipher(sync_key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&blake3::derive_key("thonso 2026 rescue file", sync_key).into())
}

/// Encrypts a request for the server. `nonce`: drawn for this file alone.
pub fn seal(session: u64, sync_key: &[u8; 32], nonce: [u8; NONCE_BYTES], request: &[u8]) -> Option<Vec<u8>> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&session.to_be_bytes());
    file.extend_from_slice(&nonce);
    let sealed = cipher(sync_key).encrypt(&nonce.into(), Payload { msg: request, aad: &file }).ok()?;
    file.extend_from_slice(&sealed);
    Some(file)
}

/// The session whose key opens a file.
///
/// # Errors
/// [`RescueFault::NotOne`].
pub fn session_of(file: &[u8]) -> Result<u64, RescueFault> {
    if file.len() > RESCUE_BYTES_MAX || file.len() < HEAD_BYTES {
        return Err(RescueFault::NotOne);
    }
    let rest = file.strip_prefix(MAGIC.as_slice()).ok_or(RescueFault::NotOne)?;
    let (session, _) = rest.split_first_chunk().ok_or(RescueFault::NotOne)?;
    Ok(u64::from_be_bytes(*session))
}

/// Opens a file: the request inside.
///
/// # Errors
/// [`RescueFault`].
pub fn open(file: &[u8], sync_key: &[u8; 32]) -> Result<Vec<u8>, RescueFault> {
    session_of(file)?;
    let (head, sealed) = file.split_at(HEAD_BYTES);
    let nonce = <[u8; NONCE_BYTES]>::try_from(&head[HEAD_BYTES - NONCE_BYTES..]).map_err(|_| RescueFault::NotOne)?;
    cipher(sync_key).decrypt(&nonce.into(), Payload { msg: sealed, aad: head }).map_err(|_| RescueFault::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rescue_file_opens_with_its_sessions_key_only_and_unchanged_only() {
        let (key, nonce, request) = ([7; 32], [9; NONCE_BYTES], b"Thao Thi Mau, signed".as_slice());
        let file = seal(42, &key, nonce, request).unwrap_or_default();
        assert_eq!((session_of(&file), open(&file, &key).as_deref()), (Ok(42), Ok(request)));
        assert!(!file.windows(8).any(|bytes| bytes == b"Thao Thi"), "nothing of it can be read");
        assert_eq!(open(&file, &[8; 32]), Err(RescueFault::Unreadable));
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &key).is_err(), "byte {at}");
        }
        assert_eq!(session_of(&file[..HEAD_BYTES - 1]), Err(RescueFault::NotOne));
    }
}
