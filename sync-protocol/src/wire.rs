//! What crosses the network: frames of at most 32 KiB, each committable alone.
//!
//! A body is a row of frames: `length u16 big-endian ‖ kind u8 ‖ packing u8 ‖ payload`. The payload is one CBOR map,
//! stored or compressed. Source: docs/PROTOCOL.md, "Frames" and "Messages".

use std::sync::OnceLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, DParameter};

use crate::cbor::{self, Bytes, Cbor, Ext, Malformed, array_items, write_head};
use crate::ids::*;
use crate::int_map;
use crate::outcome::Outcome;
use crate::row::{BucketId, Class};

/// The protocol version that this code speaks.
pub const PROTO: u8 = 1;
/// The newest row schema that this code reads in full.
pub const SCHEMA: u16 = 2;
/// The oldest row schema that this code still writes in full.
pub const SCHEMA_MIN: u16 = 1;
/// The first row schema with notices. A phone that reads an older one gets no bucket of that class.
pub const SCHEMA_NOTICES: u16 = 2;
/// Longest payload of a frame, as it travels.
pub const FRAME_BYTES_MAX: usize = 32 * 1024;
/// Longest payload of a frame, unpacked.
pub const INFLATED_BYTES_MAX: usize = 1024 * 1024;
/// Largest ratio of unpacked to packed bytes.
pub const INFLATE_RATIO_MAX: usize = 100;
/// Longest request body.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Most ops in one request.
pub const BATCH_OPS_MAX: usize = 500;
/// Largest window that a compressed frame may ask for, as a power of two.
const WINDOW_LOG_MAX: u32 = 20;
/// Longest payload for which the compressor chooses the window itself.
const WINDOW_BYTES_CHOSEN: usize = 256 * 1024;
/// Bytes of a frame's head.
pub const FRAME_HEAD_BYTES: usize = 4;

/// Dictionary 1: trained on made-up ops and rows only, so that it holds nobody's name. Never edited: phones have it.
static DICTIONARY_1: &[u8] = include_bytes!("../data/dictionary-1.zdict");

/// What a frame holds. Numbers are never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameKind {
    /// Up: who is calling and how far they have read.
    Hello,
    /// Up: ops.
    Ops,
    /// Down: the server's answer as a whole.
    Header,
    /// Down: what became of ops.
    Outcomes,
    /// Down: what the caller may see.
    Control,
    /// Down: rows of one bucket.
    Rows,
    /// Down: scopes to forget.
    Drop,
    /// Down: the end, and the proof.
    Trailer,
    /// Down: the outbox has two histories.
    Fork,
    /// Down: a frame that was set aside.
    Problem,
}

impl FrameKind {
    /// The number that travels. 3 is reserved for ops sealed to the server's key.
    pub fn code(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Ops => 2,
            Self::Header => 16,
            Self::Outcomes => 17,
            Self::Control => 18,
            Self::Rows => 19,
            Self::Drop => 20,
            Self::Trailer => 21,
            Self::Fork => 22,
            Self::Problem => 23,
        }
    }

    /// Reads the number that travels.
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Hello,
            Self::Ops,
            Self::Header,
            Self::Outcomes,
            Self::Control,
            Self::Rows,
            Self::Drop,
            Self::Trailer,
            Self::Fork,
            Self::Problem,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }
}

/// Why a frame was set aside. The other frames of the body are not affected, unless its length cannot be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameFault {
    /// The body ends inside a frame.
    #[error("frame_truncated")]
    Truncated,
    /// Longer than `FRAME_BYTES_MAX`.
    #[error("frame_too_large")]
    TooLarge,
    /// A kind that this version does not know.
    #[error("frame_kind_unknown")]
    UnknownKind,
    /// A packing that this version does not know.
    #[error("frame_packing_unknown")]
    UnknownPacking,
    /// It does not unpack.
    #[error("frame_damaged")]
    Damaged,
    /// It unpacks to more than the limits allow.
    #[error("frame_inflates_too_much")]
    InflatesTooMuch,
    /// Its content is not what its kind says.
    #[error("{0}")]
    Malformed(#[from] Malformed),
}

const STORED: u8 = 0;
const ZSTD_PLAIN: u8 = 1;
const ZSTD_DICTIONARY_1: u8 = 2;

/// How hard to compress: phones pay per byte, the server per CPU second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effort {
    /// On a phone: small frames, every byte counts.
    Phone,
    /// On the server: many frames.
    Server,
}

fn encoder_dictionary(effort: Effort) -> &'static EncoderDictionary<'static> {
    static PHONE: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    static SERVER: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    match effort {
        Effort::Phone => PHONE.get_or_init(|| EncoderDictionary::copy(DICTIONARY_1, 19)),
        Effort::Server => SERVER.get_or_init(|| EncoderDictionary::copy(DICTIONARY_1, 3)),
    }
}

fn decoder_dictionary() -> &'static DecoderDictionary<'static> {
    static DICTIONARY: OnceLock<DecoderDictionary<'static>> = OnceLock::new();
    DICTIONARY.get_or_init(|| DecoderDictionary::copy(DICTIONARY_1))
}

fn compress(payload: &[u8], effort: Effort) -> Option<Vec<u8>> {
    let mut compressor = Compressor::with_prepared_dictionary(encoder_dictionary(effort)).ok()?;
    compressor.set_parameter(CParameter::ContentSizeFlag(false)).ok()?;
    compressor.set_parameter(CParameter::DictIdFlag(false)).ok()?;
    if payload.len() > WINDOW_BYTES_CHOSEN {
        // Left to itself, the compressor asks for a window of payload and dictionary together.
        compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG_MAX)).ok()?;
    }
    compressor.compress(payload).ok()
}

/// Reads how large a window a compressed frame asks for, before anything is done for it (RFC 8878, 3.1.1.1).
fn check_window(packed: &[u8]) -> Result<(), FrameFault> {
    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    let head = packed.strip_prefix(&MAGIC).ok_or(FrameFault::Damaged)?;
    let [descriptor, window, ..] = head else { return Err(FrameFault::Damaged) };
    let is_single_segment = descriptor & 0x20 != 0;
    // With a single segment there is no window; the content size stands there, and the limits on it follow.
    if !is_single_segment {
        let base = 1u64 << (10 + (window >> 3));
        if base + base / 8 * u64::from(window & 7) > 1 << WINDOW_LOG_MAX {
            return Err(FrameFault::InflatesTooMuch);
        }
    }
    Ok(())
}

fn inflate(packed: &[u8], with_dictionary: bool) -> Result<Vec<u8>, FrameFault> {
    check_window(packed)?;
    let mut decompressor = if with_dictionary {
        Decompressor::with_prepared_dictionary(decoder_dictionary())
    } else {
        Decompressor::new()
    }
    .map_err(|_| FrameFault::Damaged)?;
    decompressor.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(|_| FrameFault::Damaged)?;
    let limit = INFLATED_BYTES_MAX.min(packed.len().saturating_mul(INFLATE_RATIO_MAX));
    // A first try with the usual size keeps a hostile frame from costing a large buffer.
    let usual = limit.min(packed.len().saturating_mul(8).max(1024));
    match decompressor.decompress(packed, usual) {
        Ok(payload) => Ok(payload),
        Err(_) => decompressor.decompress(packed, limit).map_err(|error| {
            if error.to_string().contains("too small") || error.to_string().contains("too much memory") {
                FrameFault::InflatesTooMuch
            } else {
                FrameFault::Damaged
            }
        }),
    }
}

/// Appends a frame; `Err` when the payload does not fit into one even compressed.
pub fn write_frame(kind: FrameKind, payload: &[u8], effort: Effort, out: &mut Vec<u8>) -> Result<(), FrameFault> {
    let packed = if kind == FrameKind::Hello || payload.len() < 24 || payload.len() > INFLATED_BYTES_MAX {
        None
    } else {
        // What would break the reader's ratio limit travels as it is.
        compress(payload, effort)
            .filter(|packed| packed.len() < payload.len() && packed.len() * INFLATE_RATIO_MAX >= payload.len())
    };
    let (packing, bytes) = match &packed {
        Some(packed) => (ZSTD_DICTIONARY_1, packed.as_slice()),
        None => (STORED, payload),
    };
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameFault::TooLarge);
    }
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(&[kind.code(), packing]);
    out.extend_from_slice(bytes);
    Ok(())
}

/// One frame as read: what it is, or why it was set aside.
pub type ReadFrame = Result<(FrameKind, Vec<u8>), FrameFault>;

/// Reads the frames of a body, one after the other. A frame that cannot be read yields its fault; reading goes on with
/// the next, except behind a frame whose length cannot be believed.
pub struct Frames<'b> {
    rest: &'b [u8],
}

impl<'b> Frames<'b> {
    /// Starts at the front of a body.
    pub fn new(body: &'b [u8]) -> Self {
        Self { rest: body }
    }
}

impl Iterator for Frames<'_> {
    type Item = ReadFrame;

    fn next(&mut self) -> Option<ReadFrame> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((head, rest)) = self.rest.split_at_checked(FRAME_HEAD_BYTES) else {
            self.rest = &[];
            return Some(Err(FrameFault::Truncated));
        };
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        if length > FRAME_BYTES_MAX {
            self.rest = &[];
            return Some(Err(FrameFault::TooLarge));
        }
        let Some((packed, rest)) = rest.split_at_checked(length) else {
            self.rest = &[];
            return Some(Err(FrameFault::Truncated));
        };
        self.rest = rest;
        let Some(kind) = FrameKind::from_code(head[2]) else { return Some(Err(FrameFault::UnknownKind)) };
        Some(match head[3] {
            STORED => Ok((kind, packed.to_vec())),
            ZSTD_PLAIN => inflate(packed, false).map(|payload| (kind, payload)),
            ZSTD_DICTIONARY_1 => inflate(packed, true).map(|payload| (kind, payload)),
            _ => Err(FrameFault::UnknownPacking),
        })
    }
}

/// How far one bucket was read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cursor {
    /// Which bucket.
    pub bucket: BucketId,
    /// Its generation.
    pub gen_: u32,
    /// The highest position that is here with everything before it.
    pub seq: u64,
    /// The server's MAC over bucket, generation and position: a forged cursor cannot raise a false alarm.
    pub mac: [u8; 8],
}

/// How far all buckets were read, sorted by bucket. On the wire grouped by scope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cursors(pub Vec<Cursor>);

impl Cursors {
    /// What stands for the cursors when the server is expected to remember them.
    pub fn short(&self) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&blake3::hash(&self.cbor()).as_bytes()[..8]);
        short
    }
}

/// Most cursors in one request: a commune officer's phone holds about a hundred.
pub const CURSORS_MAX: usize = 4_000;

impl Cbor for Cursors {
    fn to_cbor(&self, out: &mut Vec<u8>) {
        let groups: Vec<&[Cursor]> = self.0.chunk_by(|a, b| a.bucket.scope == b.bucket.scope).collect();
        write_head(4, groups.len() as u64, out);
        for group in groups {
            write_head(4, 1 + group.len() as u64, out);
            group[0].bucket.scope.to_cbor(out);
            for cursor in group {
                write_head(4, 5, out);
                (cursor.bucket.class as u8).to_cbor(out);
                cursor.bucket.quarter.to_cbor(out);
                cursor.gen_.to_cbor(out);
                cursor.seq.to_cbor(out);
                cursor.mac.to_cbor(out);
            }
        }
    }

    fn from_cbor(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursors = Vec::new();
        for group in array_items(bytes)? {
            let items = array_items(group)?;
            let (scope, entries) = items.split_first().ok_or(Malformed::WrongShape)?;
            let scope = ScopeId::from_cbor(scope)?;
            for entry in entries {
                let parts = array_items(entry)?;
                let [class, quarter, gen_, seq, mac] = parts[..] else { return Err(Malformed::WrongShape) };
                let class = Class::from_u8(u8::from_cbor(class)?).ok_or(Malformed::WrongShape)?;
                let bucket = BucketId { scope, class, quarter: u16::from_cbor(quarter)? };
                let (gen_, seq) = (u32::from_cbor(gen_)?, u64::from_cbor(seq)?);
                cursors.push(Cursor { bucket, gen_, seq, mac: <[u8; 8]>::from_cbor(mac)? });
                if cursors.len() > CURSORS_MAX {
                    return Err(Malformed::TooManyItems);
                }
            }
        }
        let read = Self(cursors);
        // One list, one spelling: no scope without cursors, none twice.
        if read.0.is_sorted_by(|a, b| a.bucket < b.bucket) && read.cbor() == bytes {
            Ok(read)
        } else {
            Err(Malformed::NotDeterministic)
        }
    }
}

int_map! {
    /// Up, first frame: who is calling, what they hold.
    pub struct Hello {
        /// Protocol version.
        0 => proto: req u8,
        /// The device.
        1 => device: req DeviceId,
        /// The session whose key seals this frame.
        2 => session: req u64,
        /// The outbox.
        3 => epoch: req Epoch,
        /// The outbox before it, and the first number that is not part of its past.
        4 => parent: opt (Epoch, u64),
        /// Highest number in the outbox; 0 while empty.
        5 => last_n: num u64,
        /// `Chain::short` at `last_n`.
        6 => chain: req [u8; 8],
        /// Lowest number that the phone still holds; 0 when it holds none.
        7 => oldest_n: num u64,
        /// `holdings_short` of the holdings that the phone knows.
        8 => holdings: req [u8; 8],
        /// `Cursors::short`, when the server is expected to remember them.
        9 => cursors_short: opt [u8; 8],
        /// The cursors.
        10 => cursors: opt Cursors,
        /// Most bytes of rows wanted in the answer.
        11 => budget_bytes: num u32,
        /// Highest class wanted, plus one; 0 for all.
        12 => classes: num u8,
        /// The newest row schema that the app reads in full.
        13 => schema: req u16,
        /// Version of the app, for the operator's statistics.
        14 => app: opt String,
        /// Numbers of ops that were deferred: is there news?
        15 => ask: list u64,
        /// The server epoch that the phone's rows belong to; 0 before the first contact.
        16 => server_epoch: num u16,
        /// Scopes that were forgotten since the last contact, with the number of rows.
        17 => purged: list (ScopeId, u64),
        /// Wants every bucket's head and digest in the trailer.
        18 => want_digests: flag bool,
        /// The newest `life` of the rows here; goes along with the cursors.
        19 => life: opt [u8; 16],
        /// Drawn for this request: two are never alike, so neither are their answers' `re`.
        20 => call: num u32,
    }
    /// Up: a run of ops without a gap.
    pub struct OpsFrame {
        /// Number of the first.
        0 => first_n: req u64,
        /// `Chain::short` before the first.
        1 => before: req [u8; 8],
        /// The ops, each exactly as it was chained.
        2 => ops: list Bytes,
        /// The device key's signature over `signing_input`: r ‖ s.
        3 => signature: req [u8; 64],
    }
    /// Down, first frame.
    pub struct Header {
        /// The server's epoch; a new one means it was restored.
        0 => server_epoch: req u16,
        /// The server's clock.
        1 => server_ms: req ServerMs,
        /// Highest number that the server holds of this outbox.
        2 => last_n: num u64,
        /// Highest number of this outbox that is also in a backup.
        3 => durable_upto: num u64,
        /// Not before so many milliseconds, unless a person presses "sync now".
        4 => next_after_ms: num u32,
        /// Bits of `header_flag`.
        5 => flags: num u8,
        /// `SealedHello::tag` of the hello that this answers.
        6 => re: req [u8; 4],
        /// In an answer with rows: which life of the server they were read in, and how far it had come. Opaque to the phone.
        7 => life: opt [u8; 16],
    }
    /// Down: what became of ops.
    pub struct Outcomes {
        /// In the order of their numbers.
        0 => outcomes: list Outcome,
    }
    /// Down: what the caller may see and do.
    pub struct Control {
        /// Revision of the grants.
        0 => grants_rev: num u64,
        /// The user.
        1 => user: req UserId,
        /// The user's name.
        2 => display_name: req String,
        /// What they hold now, sorted.
        3 => holdings: list HeldRole,
        /// The oldest row schema that the server still writes in full.
        4 => schema_min: num u16,
        /// The server's public key for sealing ops, when it has one.
        5 => seal_key: opt Bytes,
    }
    /// One role in one scope.
    pub struct HeldRole {
        /// Where.
        0 => scope: req ScopeId,
        /// Which.
        1 => role: req String,
    }
    /// Down: rows of one bucket, in the order of their positions.
    pub struct RowsFrame {
        /// Whose.
        0 => scope: req ScopeId,
        /// Which class.
        1 => class: num u8,
        /// Which quarter.
        2 => quarter: num u16,
        /// The bucket's generation.
        3 => gen_: num u32,
        /// The position that this continues from; 0 starts the bucket afresh.
        4 => from: num u64,
        /// The position that it reaches.
        5 => to: req u64,
        /// The server's MAC for a cursor at `to`.
        6 => mac: req [u8; 8],
        /// The rows.
        7 => rows: list Bytes,
    }
    /// Down: scopes that are no longer the caller's.
    pub struct DropFrame {
        /// Which.
        0 => scopes: list ScopeId,
    }
    /// Down, last frame.
    pub struct Trailer {
        /// This response reached every head in one snapshot.
        0 => complete: flag bool,
        /// `digest::fold` over the caller's buckets at those heads.
        1 => state: opt [u8; 8],
        /// There is more; ask again at once.
        2 => more: flag bool,
        /// Every bucket's head and digest, when wanted.
        3 => heads: list Head,
    }
    /// One bucket's head and digest.
    pub struct Head {
        /// Whose.
        0 => scope: req ScopeId,
        /// Which class.
        1 => class: num u8,
        /// Which quarter.
        2 => quarter: num u16,
        /// Generation.
        3 => gen_: num u32,
        /// Highest position.
        4 => head: req u64,
        /// Number of rows.
        5 => count: num u64,
        /// Sum of their hashes.
        6 => sum: num u64,
    }
    /// Down: the outbox that called is not the one that the server knows. Nothing of it was taken.
    pub struct Fork {
        /// Highest number that the server holds.
        0 => last_n: req u64,
        /// Number and `Chain::short` of what the server holds, from `oldest_n - 1` up.
        1 => chain: list (u64, [u8; 8]),
    }
    /// Down: a frame that was set aside.
    pub struct Problem {
        /// A stable code.
        0 => code: req String,
        /// Its place in the body, from 0.
        1 => frame: num u32,
        /// The op number expected next, when a run of ops did not fit.
        2 => expected_n: opt u64,
    }
}

/// Bits of `Header::flags`.
pub mod header_flag {
    /// The cursors are not remembered: send them in full.
    pub const NEED_CURSORS: u8 = 1;
    /// The device was revoked: push, then forget everything that was received.
    pub const WIPE: u8 = 2;
    /// A newer app exists.
    pub const UPDATE_ADVISED: u8 = 4;
}

impl Head {
    /// The bucket, if its class is known.
    pub fn bucket(&self) -> Option<BucketId> {
        Some(BucketId { scope: self.scope, class: Class::from_u8(self.class)?, quarter: self.quarter })
    }
}

impl RowsFrame {
    /// The bucket, if its class is known.
    pub fn bucket(&self) -> Option<BucketId> {
        Some(BucketId { scope: self.scope, class: Class::from_u8(self.class)?, quarter: self.quarter })
    }
}

/// 8 bytes that stand for a list of holdings.
pub fn holdings_short(grants_rev: u64, holdings: &[HeldRole]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/holdings/1");
    hasher.update(&grants_rev.to_be_bytes());
    for held in holdings {
        hasher.update(held.scope.as_bytes());
        hasher.update(&[held.role.len() as u8]);
        hasher.update(held.role.as_bytes());
    }
    let mut short = [0; 8];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    short
}

/// Bytes of the seal behind a hello.
pub const SEAL_BYTES: usize = 16;

/// Seals a hello: `hello ‖ BLAKE3-keyed(sync key, "thonso/hello/1" ‖ hello)`, 16 bytes of it. No bearer secret travels.
pub fn seal_hello(hello: &Hello, sync_key: &[u8; 32]) -> Vec<u8> {
    let mut payload = hello.cbor();
    let seal = hello_seal(&payload, sync_key);
    payload.extend_from_slice(&seal);
    payload
}

fn hello_seal(hello: &[u8], sync_key: &[u8; 32]) -> [u8; SEAL_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(sync_key);
    hasher.update(b"thonso/hello/1");
    hasher.update(hello);
    let mut seal = [0; SEAL_BYTES];
    seal.copy_from_slice(&hasher.finalize().as_bytes()[..SEAL_BYTES]);
    seal
}

/// What names a sealed hello in its answer; the seal lies at the end of the payload.
pub fn hello_tag(sealed: &[u8]) -> [u8; 4] {
    let mut tag = [0; 4];
    let seal = &sealed[sealed.len().saturating_sub(SEAL_BYTES)..];
    seal.iter().zip(&mut tag).for_each(|(byte, tag)| *tag = *byte);
    tag
}

/// A hello as it arrived, not yet believed.
#[derive(Clone, Debug)]
pub struct SealedHello {
    /// What it claims.
    pub hello: Hello,
    signed: Vec<u8>,
    seal: [u8; SEAL_BYTES],
}

impl SealedHello {
    /// Splits and reads the payload of a hello frame.
    pub fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let at = payload.len().checked_sub(SEAL_BYTES).ok_or(Malformed::Truncated)?;
        let (signed, seal) = payload.split_at(at);
        let seal: [u8; SEAL_BYTES] = seal.try_into().map_err(|_| Malformed::WrongShape)?;
        Ok(Self { hello: cbor::read(signed)?, signed: signed.to_vec(), seal })
    }

    /// What names this hello in its answer: the first bytes of its seal. An answer that went astray (a proxy that mixes
    /// answers up, an old one repeated) names another, and is not taken for this one's (P8).
    pub fn tag(&self) -> [u8; 4] {
        hello_tag(&self.seal)
    }

    /// Whether the holder of the key sealed it. Compares in constant time.
    pub fn is_sealed_by(&self, sync_key: &[u8; 32]) -> bool {
        let expected = hello_seal(&self.signed, sync_key);
        expected.iter().zip(&self.seal).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// Writes one message as a frame.
pub fn write_message<T: Cbor>(
    kind: FrameKind,
    message: &T,
    effort: Effort,
    out: &mut Vec<u8>,
) -> Result<(), FrameFault> {
    write_frame(kind, &message.cbor(), effort, out)
}

/// An empty `Ext`, for building messages.
pub fn no_ext() -> Ext {
    Ext::default()
}
