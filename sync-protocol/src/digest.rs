//! Proof that a copy is a copy: count and 64-bit sum per bucket, folded into 8 bytes for the wire.
//!
//! The sum covers versions, not bytes, so that an old app that stores a row in another shape still agrees.
//! Source: docs/PROTOCOL.md, "Digests".

use uuid::Uuid;

use crate::row::{BucketId, RowType, Ver};

/// First 8 bytes of `BLAKE3("thonso/row/1" ‖ type ‖ id ‖ ver)`, as a big-endian number.
pub fn row_hash(ty: RowType, id: Uuid, ver: Ver) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/row/1");
    hasher.update(&[ty.0]);
    hasher.update(id.as_bytes());
    hasher.update(&ver.0.to_be_bytes());
    first_8(&hasher)
}

fn first_8(hasher: &blake3::Hasher) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// Count and sum of the rows of a bucket. Tombstones are rows too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest {
    /// How many rows.
    pub count: u64,
    /// Wrapping sum of their hashes.
    pub sum: u64,
}

impl Digest {
    /// Takes a row in.
    pub fn add(&mut self, ty: RowType, id: Uuid, ver: Ver) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(row_hash(ty, id, ver));
    }

    /// Takes a row out.
    pub fn remove(&mut self, ty: RowType, id: Uuid, ver: Ver) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(row_hash(ty, id, ver));
    }
}

/// A bucket as both sides see it at the same position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketState {
    /// Which one.
    pub bucket: BucketId,
    /// Its generation.
    pub gen_: u32,
    /// Its head (server), or how far it was read (phone).
    pub head: u64,
    /// What it holds.
    pub digest: Digest,
}

/// Folds all buckets of a phone into 8 bytes: equal on both sides when every bucket is. `buckets` must be sorted by id;
/// buckets that never had a row are left out.
pub fn fold(buckets: &[BucketState]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/state/1");
    for state in buckets {
        hasher.update(state.bucket.scope.as_bytes());
        hasher.update(&[state.bucket.class as u8]);
        hasher.update(&state.bucket.quarter.to_be_bytes());
        hasher.update(&state.gen_.to_be_bytes());
        hasher.update(&state.head.to_be_bytes());
        hasher.update(&state.digest.count.to_be_bytes());
        hasher.update(&state.digest.sum.to_be_bytes());
    }
    first_8(&hasher).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_in_any_order_and_sees_every_difference() {
        let row = |n: u8, ver: u64| (RowType::HOUSEHOLD, Uuid::from_bytes([n; 16]), Ver(ver));
        let rows = [row(1, 1), row(2, 1), row(3, 4)];
        let of = |rows: &[(RowType, Uuid, Ver)]| {
            let mut digest = Digest::default();
            rows.iter().for_each(|(ty, id, ver)| digest.add(*ty, *id, *ver));
            digest
        };
        let whole = of(&rows);
        assert_eq!(whole, of(&[rows[2], rows[0], rows[1]]));
        assert_ne!(whole, of(&rows[..2]));
        assert_ne!(whole, of(&[rows[0], rows[1], row(3, 5)]));
        // Two wrong rows do not cancel out, as they would under XOR.
        assert_ne!(whole, of(&[rows[0], rows[1], rows[2], row(9, 9), row(9, 9)]));
        let mut undone = of(&rows);
        undone.remove(rows[2].0, rows[2].1, rows[2].2);
        assert_eq!(undone, of(&rows[..2]));
    }
}
