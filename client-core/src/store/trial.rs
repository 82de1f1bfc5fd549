//! Hooks of the simulator, in no product: what bad storage or another app could do to a file.

use rusqlite::{OptionalExtension, params};
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::ids::*;
use sync_protocol::op::Op;
use sync_protocol::row::BucketId;
use uuid::Uuid;

use super::Store;
use crate::error::Result;

/// What is done to a copy of the server's rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// A row is gone.
    DropRow,
    /// A row claims another version.
    ChangeVersion,
    /// A row is there that the server never sent.
    AddRow,
    /// A bucket's counters are wrong.
    WrongCounter,
}

impl Store {
    /// Puts bytes into the outbox as if an app had saved them. Gives their number.
    pub fn put_op_bytes(&mut self, bytes: Vec<u8>) -> Result<u64> {
        let uid = match Op::read(&bytes) {
            Ok(op) => op.uid(),
            // Bytes that are no op have no name; they get one for the while.
            Err(_) => {
                let mut salt = [0; 16];
                bytes.iter().enumerate().for_each(|(at, byte)| salt[at % 16] ^= byte.rotate_left((at / 16) as u32));
                let body = Raw(0u8.cbor());
                Op { code: 0, salt, at: ClaimedMs(bytes.len() as u64), grants_rev: 0, body, ext: Default::default() }
                    .uid()
            }
        };
        self.write(|db| db.append_bytes(uid, bytes))
    }

    /// Damages the copy. Gives what was hit, or nothing where there is nothing to hit.
    pub fn damage_base(&mut self, pick: u64, kind: Damage) -> Result<Option<(BucketId, Uuid)>> {
        self.write(|db| {
            let buckets: Vec<_> = db.buckets(false)?.into_iter().filter(|bucket| bucket.digest.count > 0).collect();
            let Some(mut bucket) = buckets.get(pick as usize % buckets.len().max(1)).copied() else { return Ok(None) };
            let at = (pick / 7) as i64 % bucket.digest.count.max(1) as i64;
            let row: Option<(u8, [u8; 16], i64)> = db
                .conn
                .query_row("SELECT ty, id, ver FROM base WHERE bucket = ?1 LIMIT 1 OFFSET ?2", params![bucket.lid, at], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            let Some((ty, id, ver)) = row else { return Ok(None) };
            match kind {
                Damage::DropRow => {
                    db.conn.execute("DELETE FROM base WHERE bucket = ?1 AND ty = ?2 AND id = ?3", params![bucket.lid, ty, id])?;
                }
                Damage::ChangeVersion => {
                    let sql = "UPDATE base SET ver = ?4 WHERE bucket = ?1 AND ty = ?2 AND id = ?3";
                    db.conn.execute(sql, params![bucket.lid, ty, id, ver - 1])?;
                }
                Damage::AddRow => {
                    let mut other = id;
                    other[15] ^= 0x55;
                    let sql = "INSERT OR IGNORE INTO base (ty, id, bucket, ver, gone, mark, row)
                               SELECT ty, ?4, bucket, ver, gone, mark, row FROM base WHERE bucket = ?1 AND ty = ?2 AND id = ?3";
                    db.conn.execute(sql, params![bucket.lid, ty, id, other])?;
                }
                Damage::WrongCounter => {
                    bucket.digest.sum = bucket.digest.sum.wrapping_add(pick | 1);
                    db.set_bucket(bucket)?;
                }
            }
            db.cache.rows.clear();
            Ok(Some((bucket.id, Uuid::from_bytes(id))))
        })
    }

    /// How far every bucket was read, of the live copy and of the one that waits for the swap.
    pub fn cursors_dump(&mut self) -> Result<Vec<(BucketId, u32, u64)>> {
        self.read(|db| {
            let mut cursors = Vec::new();
            for staged in [false, true] {
                cursors.extend(db.buckets(staged)?.iter().map(|bucket| (bucket.id, bucket.gen_, bucket.seq)));
            }
            Ok(cursors)
        })
    }
}
