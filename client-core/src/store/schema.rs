//! The schema and its steps. A step and its `user_version` commit together; a store of a newer app is left alone.

use rusqlite::{Connection, TransactionBehavior};

use super::APPLICATION_ID;
use crate::error::{Error, Result};

struct Step {
    to: u32,
    sql: &'static str,
}

/// Every step ever released, oldest first. Append; never edit one that phones have run.
const STEPS: &[Step] = &[Step { to: 1, sql: include_str!("sql/0001_init.sql") }];

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

/// Runs the steps that the store has not seen.
pub(super) fn migrate(conn: &mut Connection) -> Result<()> {
    for step in STEPS {
        if found(conn)? >= step.to {
            continue;
        }
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step.sql)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", step.to)?;
        tx.commit()?;
    }
    Ok(())
}
