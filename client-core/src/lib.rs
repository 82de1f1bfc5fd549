//! The phone's half of Thôn Số: the store, the outbox, drafts, search and the sync session.
//!
//! What a person saved is in the file and on the disk before they are told so; it leaves the phone in order, once, and
//! is kept until the server calls it durable. What is shown is the server's rows with the waiting ops replayed on top,
//! by the same `decide` that the server runs.
//!
//! The library has no clock and no random numbers: time comes as an argument, random bytes through [`Random`]. Files,
//! sockets and the terminal are behind the feature `host`. SQL lives in `store` and nowhere else.
//! Where to find what: docs/ARCHITECTURE.md. What travels: docs/PROTOCOL.md.

pub mod app;
mod error;
#[cfg(feature = "host")]
pub mod http;
pub mod store;
pub mod sync;

pub use error::{Error, Refused, Result};
pub use store::{Location, Store, StoreKey};
pub use sync_protocol::ids::ClaimedMs;

/// Where random bytes come from. A simulator gives the same ones for the same seed.
pub trait Random {
    /// Fills a buffer.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Draws a random number.
fn random_u64(random: &mut dyn Random) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}
