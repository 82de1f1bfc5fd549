//! The part of schema step 3 that SQL cannot do: counts and sums of the buckets that rows left and came into.

use rusqlite::{Connection, params};
use sync_protocol::digest::Digest;
use sync_protocol::row::{Class, RowType, Ver};
use uuid::Uuid;

use super::Result;

/// The schema step that this belongs to.
pub(super) const STEP: i64 = 3;

/// Computes counts and sums anew, in every scope with notices.
pub(super) fn count_again(connection: &Connection) -> Result<()> {
    let scopes: Vec<Vec<u8>> = connection
        .prepare("SELECT scope FROM bucket WHERE class = ?1")?
        .query_map([Class::Notice as u8], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for scope in scopes {
        for class in [Class::Register as u8, Class::Notice as u8] {
            let mut digest = Digest::default();
            let mut statement =
                connection.prepare_cached("SELECT ty, id, ver FROM row WHERE scope = ?1 AND class = ?2")?;
            let mut rows = statement.query(params![scope, class])?;
            while let Some(row) = rows.next()? {
                let ver: i64 = row.get(2)?;
                digest.add(RowType(row.get(0)?), Uuid::from_bytes(row.get(1)?), Ver(ver.cast_unsigned()));
            }
            connection.execute(
                "UPDATE bucket SET cnt = ?3, sum = ?4 WHERE scope = ?1 AND class = ?2",
                params![scope, class, digest.count.cast_signed(), digest.sum.cast_signed()],
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sync_protocol::ids::ScopeId;
    use sync_protocol::row::BucketId;

    use super::super::{APPLICATION_ID, STEPS, SqliteStorage};
    use super::*;
    use crate::storage::Store;
    use crate::work::verify_digests;

    #[test]
    fn rows_that_became_notices_keep_their_positions_and_their_old_bucket_is_loaded_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.sqlite3");
        let raw = Connection::open(&path).unwrap();
        for (to, sql) in STEPS.iter().filter(|step| step.0 < STEP) {
            raw.execute_batch(sql).unwrap();
            raw.pragma_update(None, "user_version", to).unwrap();
        }
        raw.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        let put = |scope: u8, ty: u8, id: u8, seq: i64| {
            raw.execute(
                "INSERT INTO row VALUES (?1, ?2, ?3, 1, 0, ?4, 7, 0, x'a0')",
                params![[scope; 16], ty, [id; 16], seq],
            )
            .unwrap();
        };
        let (commune, village) = (1, 2);
        put(commune, RowType::REPORT.0, 10, 1);
        put(commune, RowType::CAMPAIGN.0, 11, 4);
        put(commune, RowType::MARKET.0, 12, 3);
        put(village, RowType::HOUSEHOLD.0, 13, 5);
        let mut digest = Digest::default();
        digest.add(RowType::HOUSEHOLD, Uuid::from_bytes([13; 16]), Ver(7));
        let sum = digest.sum.cast_signed();
        raw.execute("INSERT INTO bucket VALUES (?1, 1, 0, 6, 4, 0, 3, 0)", params![[commune; 16]]).unwrap();
        raw.execute("INSERT INTO bucket VALUES (?1, 1, 0, 6, 5, 0, 1, ?2)", params![[village; 16], sum]).unwrap();
        drop(raw);

        let store = Store(Arc::new(SqliteStorage::open(&path).unwrap()));
        let scope = |n: u8| ScopeId(Uuid::from_bytes([n; 16]));
        let bucket = |n: u8, class| BucketId { scope: scope(n), class, quarter: 0 };
        let found = |n: u8, class| store.read_blocking(|tx| tx.bucket(bucket(n, class))).unwrap();
        for n in [commune, village] {
            assert_eq!(store.read_blocking(|tx| verify_digests(tx, scope(n))).unwrap(), []);
        }
        let notices = found(commune, Class::Notice).unwrap();
        assert_eq!((notices.gen_, notices.head, notices.digest.count), (0, 4, 2));
        let registers = found(commune, Class::Register).unwrap();
        assert_eq!((registers.gen_, registers.head, registers.digest.count), (7, 4, 1));
        // Where nothing left, nothing is loaded again.
        assert_eq!(found(village, Class::Register).unwrap().gen_, 6);
        assert_eq!(found(village, Class::Notice), None);
        let rows = store.read_blocking(|tx| tx.rows_after(bucket(commune, Class::Notice), 0, 10_000)).unwrap();
        assert_eq!(rows.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3, 4]);
    }
}
