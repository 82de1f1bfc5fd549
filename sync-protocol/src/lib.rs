//! The vocabulary and the rules that phone and server share.
//!
//! No I/O, no clock, no random numbers, no floats in rules: the same inputs give the same bytes on every machine (P19).
//! Where to find what: docs/ARCHITECTURE.md. What travels: docs/PROTOCOL.md.

pub mod ids;
pub mod value;
