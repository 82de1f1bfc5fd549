//! The schema and its steps. A step and its `user_version` commit together; a store of a newer app is left alone.

use rusqlite::{Connection, TransactionBehavior};

use super::APPLICATION_ID;
use crate::error::{Error, Result};

/// How far a store is on its way to this app's schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Migration {
    /// Steps that are done.
    pub steps_done: u32,
    /// Steps that this store needs, those that are done included.
    pub steps: u32,
    /// Rows that the present step has been through; 0 where it does not go row by row.
    pub rows_done: u64,
    /// Rows that the present step has to go through; 0 where it does not go row by row.
    pub rows: u64,
}

/// Hears how far a migration is.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Migration);

/// Brings a store from the schema before it to `to`, whole or not at all.
struct Step<'a> {
    to: u32,
    sql: &'a str,
    /// What SQL alone cannot do, after `sql`.
    rows: Option<Rows<'a>>,
}

/// Work that goes through the rows in slices, so that it can say how far it is. All slices of a step commit together.
struct Rows<'a> {
    /// Counts the rows before the first slice.
    count: &'a str,
    /// Does the next slice; gives how many rows it went through, 0 when none is left.
    slice: &'a dyn Fn(&Connection) -> Result<u64>,
}

/// Every step ever released, oldest first. Append; never edit one that phones have run.
const STEPS: &[Step<'static>] = &[Step { to: 1, sql: include_str!("sql/0001_init.sql"), rows: None }];

/// The schema that this app writes.
pub const SCHEMA: u32 = 1;

fn number(conn: &Connection, pragma: &str) -> Result<i64> {
    Ok(conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?)
}

fn found(conn: &Connection) -> Result<u32> {
    Ok(u32::try_from(number(conn, "user_version")?).unwrap_or(u32::MAX))
}

/// Refuses a file that this app must not touch: another program's, or a newer app's. Reads only.
pub(super) fn refuse_foreign(conn: &Connection) -> Result<()> {
    let found = found(conn)?;
    let id = number(conn, "application_id")?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (id != 0 || tables > 0) && id != i64::from(APPLICATION_ID) {
        return Err(Error::NotAStore);
    }
    if found > SCHEMA {
        return Err(Error::StoreFromNewerApp { found, supported: SCHEMA });
    }
    Ok(())
}

/// Runs the steps that the store has not seen. A new store is made without a word; one with data in it is told step by
/// step, and within a step slice by slice.
pub(super) fn migrate(conn: &mut Connection, tell: Tell<'_>) -> Result<()> {
    run(conn, STEPS, tell)
}

fn run(conn: &mut Connection, steps: &[Step<'_>], tell: Tell<'_>) -> Result<()> {
    let from = found(conn)?;
    let missing = || steps.iter().filter(|step| step.to > from);
    let mut now = Migration { steps_done: 0, steps: missing().count() as u32, rows_done: 0, rows: 0 };
    let mut tell = |now: Migration| {
        if from > 0 {
            tell(now);
        }
    };
    for step in missing() {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tell(now);
        tx.execute_batch(step.sql)?;
        if let Some(work) = &step.rows {
            now.rows = tx.query_row(work.count, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
            loop {
                tell(now);
                match (work.slice)(&tx)? {
                    0 => break,
                    done => now.rows_done = (now.rows_done + done).min(now.rows),
                }
            }
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", step.to)?;
        tx.commit()?;
        now = Migration { steps_done: now.steps_done + 1, rows_done: 0, rows: 0, ..now };
    }
    if now.steps > 0 {
        tell(now);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;
    use std::path::Path;

    use super::*;

    const ROWS: i64 = 1_000;
    const SLICE: i64 = 300;
    const FIRST: Step<'static> =
        Step { to: 1, sql: "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;", rows: None };

    /// Folds the case of the next notes, as a step would that SQL alone cannot do.
    fn fold(db: &Connection) -> Result<u64> {
        let mut found = db.prepare("SELECT id, text FROM note WHERE folded = '' ORDER BY id LIMIT ?1")?;
        let rows = found.query_map([SLICE], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
        for (id, text) in &rows {
            db.execute("UPDATE note SET folded = ?2 WHERE id = ?1", (id, text.to_lowercase()))?;
        }
        Ok(rows.len() as u64)
    }

    fn steps<'a>(slice: &'a dyn Fn(&Connection) -> Result<u64>) -> [Step<'a>; 3] {
        let rows = Rows { count: "SELECT count(*) FROM note", slice };
        [
            FIRST,
            Step { to: 2, sql: "ALTER TABLE note ADD COLUMN folded TEXT NOT NULL DEFAULT '';", rows: Some(rows) },
            Step { to: 3, sql: "CREATE INDEX note_folded ON note (folded);", rows: None },
        ]
    }

    fn quiet() -> impl FnMut(Migration) {
        |_| {}
    }

    fn open(path: &Path) -> Connection {
        let conn = Connection::open(path).unwrap();
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        // So little is kept in memory that changes of an open transaction reach the log.
        conn.pragma_update(None, "cache_size", 2).unwrap();
        conn
    }

    /// A store of the first app, with notes in it.
    fn old_store(path: &Path) -> Connection {
        let mut conn = open(path);
        run(&mut conn, &[FIRST], &mut quiet()).unwrap();
        for id in 0..ROWS {
            conn.execute("INSERT INTO note VALUES (?1, ?2)", (id, format!("HỘ ÔNG ĐẶNG {id} {}", "x".repeat(200))))
                .unwrap();
        }
        conn
    }

    fn is_old_and_whole(conn: &Connection) -> bool {
        let columns = number(conn, "user_version").unwrap() == 1 && conn.prepare("SELECT folded FROM note").is_err();
        let notes: i64 = conn.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap();
        columns && notes == ROWS
    }

    fn is_new_and_whole(conn: &Connection) -> bool {
        let sql = "SELECT count(*) FROM note WHERE folded LIKE 'hộ ông đặng %'";
        number(conn, "user_version").unwrap() == 3
            && conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == ROWS
            && conn.query_row("PRAGMA quick_check", [], |row| row.get::<_, String>(0)).unwrap() == "ok"
    }

    #[test]
    fn the_schema_is_that_of_the_last_step_and_steps_follow_each_other() {
        let to: Vec<u32> = STEPS.iter().map(|step| step.to).collect();
        assert_eq!(to, (1..=SCHEMA).collect::<Vec<_>>());
    }

    #[test]
    fn a_migration_says_in_order_how_far_it_is_and_a_new_store_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        let mut new = open(&folder.path().join("new.db"));
        run(&mut new, &steps(&fold), &mut |now| told.push(now)).unwrap();
        assert_eq!((told.len(), number(&new, "user_version").unwrap()), (0, 3));

        let mut conn = old_store(&folder.path().join("old.db"));
        run(&mut conn, &steps(&fold), &mut |now| told.push(now)).unwrap();
        let at = |steps_done, rows_done, rows| Migration { steps_done, steps: 2, rows_done, rows };
        let rows = [0, 300, 600, 900, 1_000].map(|done| at(0, done, 1_000));
        let expected: Vec<_> = [at(0, 0, 0)].into_iter().chain(rows).chain([at(1, 0, 0), at(2, 0, 0)]).collect();
        assert_eq!(told, expected);
        assert!(is_new_and_whole(&conn));

        told.clear();
        run(&mut conn, &steps(&fold), &mut |now| told.push(now)).unwrap();
        assert!(told.is_empty(), "there is nothing to do a second time");
    }

    #[test]
    fn a_step_that_fails_in_the_middle_leaves_the_store_as_it_was_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = old_store(&folder.path().join("old.db"));
        let calls = Cell::new(0);
        let full = |db: &Connection| {
            calls.set(calls.get() + 1);
            if calls.get() == 3 { Err(Error::StorageFull) } else { fold(db) }
        };
        assert!(matches!(run(&mut conn, &steps(&full), &mut quiet()), Err(Error::StorageFull)));
        assert!(is_old_and_whole(&conn));
        let mut told = Vec::new();
        run(&mut conn, &steps(&full), &mut |now| told.push(now)).unwrap();
        assert_eq!(told[1].rows_done, 0, "the step begins from its first row");
        assert!(is_new_and_whole(&conn));

        // What an earlier step has done stays when a later one fails.
        let mut conn = old_store(&folder.path().join("later.db"));
        let mut broken = steps(&fold);
        broken[2].sql = "CREATE INDEX note_folded ON nowhere (folded);";
        assert!(run(&mut conn, &broken, &mut quiet()).is_err());
        assert_eq!(number(&conn, "user_version").unwrap(), 2);
        let mut told = Vec::new();
        run(&mut conn, &steps(&fold), &mut |now| told.push((now.steps_done, now.steps))).unwrap();
        assert_eq!(told, [(0, 1), (1, 1)], "what is done is not counted again");
        assert!(is_new_and_whole(&conn));
    }

    #[test]
    fn a_power_cut_at_any_moment_of_a_migration_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        let mut conn = old_store(&path);
        // What lies in the files at each moment is what a phone finds after its power went at that moment.
        let mut cuts = Vec::new();
        run(&mut conn, &steps(&fold), &mut |now| {
            let cut = folder.path().join(format!("cut-{}.db", cuts.len()));
            for ending in ["", "-wal"] {
                let with = |path: &Path| format!("{}{ending}", path.display());
                std::fs::copy(with(&path), with(&cut)).unwrap();
            }
            cuts.push((cut, now));
        })
        .unwrap();
        assert_eq!(cuts.len(), 8);
        for (cut, now) in cuts {
            let mut conn = open(&cut);
            match now.steps_done {
                0 => assert!(is_old_and_whole(&conn), "{now:?}"),
                done => assert_eq!(number(&conn, "user_version").unwrap(), 1 + i64::from(done)),
            }
            run(&mut conn, &steps(&fold), &mut quiet()).unwrap();
            assert!(is_new_and_whole(&conn), "{now:?}");
        }
    }
}
