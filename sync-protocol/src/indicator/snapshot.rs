//! Frozen figures: what was reported stays what was reported.
//!
//! A snapshot is one canonical sequence of bytes with a hash. A later change makes the next version, which names the
//! hash of the one before; a snapshot is never changed in place.

use super::evaluate::Figure;
use crate::cbor::{Cbor, Malformed, check};
use crate::ids::{Day, UnitId};
use crate::int_map;

int_map! {
    /// The figures of a unit for a period, as they were frozen.
    pub struct Snapshot {
        /// The unit.
        0 => unit: req UnitId,
        /// The set of indicators.
        1 => set: req String,
        /// Version of the file that the set came from.
        2 => indicators: req String,
        /// First day of the period.
        3 => from: req Day,
        /// Last day of the period.
        4 => to: req Day,
        /// 1, 2, 3, …
        5 => version: req u32,
        /// The hash of the version before; left out in the first.
        6 => previous: opt [u8; 32],
        /// The figures, by code of the indicator.
        7 => figures: list Figure,
    }
}

impl Snapshot {
    /// The hash that names it: `BLAKE3("thonso/snapshot/1" ‖ bytes)`, 32 bytes.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"thonso/snapshot/1").update(&self.cbor());
        *hasher.finalize().as_bytes()
    }

    /// Reads a snapshot back.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are not the one way to write a snapshot.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        check(bytes)?;
        Self::from_cbor(bytes)
    }

    /// Whether this is the version that follows `earlier`, and names it.
    pub fn follows(&self, earlier: &Self) -> bool {
        self.is_about(earlier) && self.version == earlier.version + 1 && self.previous == Some(earlier.hash())
    }

    fn is_about(&self, other: &Self) -> bool {
        (self.unit, &self.set, self.from, self.to) == (other.unit, &other.set, other.from, other.to)
    }
}

/// What freezing came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frozen {
    /// A new version, to be kept.
    New(Snapshot),
    /// The last version says the same already.
    Unchanged,
    /// The last version is about another unit, set or period.
    NotTheSame,
}

/// Freezes figures as the version after `last`. Only how far the rows went may differ without making a new one.
pub fn freeze(draft: Snapshot, last: Option<&Snapshot>) -> Frozen {
    let mut draft = draft;
    draft.figures.sort_by(|a, b| a.indicator.cmp(&b.indicator));
    let Some(last) = last else {
        return Frozen::New(Snapshot { version: 1, previous: None, ..draft });
    };
    if !draft.is_about(last) {
        return Frozen::NotTheSame;
    }
    let without_position = |figures: &[Figure]| -> Vec<Figure> {
        figures.iter().map(|figure| Figure { position: None, ..figure.clone() }).collect()
    };
    if draft.indicators == last.indicators && without_position(&draft.figures) == without_position(&last.figures) {
        return Frozen::Unchanged;
    }
    Frozen::New(Snapshot { version: last.version + 1, previous: Some(last.hash()), ..draft })
}
