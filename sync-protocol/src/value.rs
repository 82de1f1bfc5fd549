//! Answers to the fields of an activity: typed values, never floats.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One answer. Which shape a field takes is said by its type in the activity catalogue.
///
/// On the wire: bool, int, text, array of text, byte string of 16 (a reference), array of byte strings of 32 (photos),
/// array of two ints (a place). See docs/PROTOCOL.md, "Answers".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// `int` and `money_vnd` (whole đồng).
    Int(i64),
    /// `text`, `code`, `url`, `enum`, `decimal` (plain digits, at most one dot), `date` (`YYYY-MM-DD`),
    /// `datetime` (RFC 3339 with offset), `period_month` (`YYYY-MM`).
    Text(String),
    /// `multi_enum`: codes in the order chosen.
    Codes(Vec<String>),
    /// `ref`: the id of the named entity.
    Ref(Uuid),
    /// `photo`: BLAKE3 content addresses.
    Photos(Vec<[u8; 32]>),
    /// `geo`: latitude and longitude in thousandths of a degree; finer positions are never stored.
    Place {
        /// Thousandths of a degree north.
        lat_e3: i32,
        /// Thousandths of a degree east.
        lon_e3: i32,
    },
}
