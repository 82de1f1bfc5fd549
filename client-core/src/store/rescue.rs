//! A damaged file is set aside, never deleted, and what was not sent yet is saved from it: it exists nowhere else.

use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags, params};

use super::{Location, Store, StoreKey, kv};
use crate::Random;
use crate::error::{Error, Result};

/// What was saved from a damaged file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rescue {
    /// Where the damaged file is now: a path, or its name in a browser's pool.
    pub set_aside: PathBuf,
    /// How many ops were saved.
    pub ops: u64,
    /// How many drafts were saved.
    pub drafts: u64,
    /// Parts of the file that could not be read.
    pub unreadable: Vec<&'static str>,
}

impl Store {
    /// Opens a store; when the file is damaged, sets it aside, begins a new one and takes the outbox, the drafts and the
    /// enrolment over. The rows come again with the next sync.
    ///
    /// # Errors
    /// As [`Store::open`], but for [`Error::StoreDamaged`].
    pub fn open_or_rescue(
        location: impl Into<Location>,
        key: Option<&StoreKey>,
        random: &mut dyn Random,
    ) -> Result<(Self, Option<Rescue>)> {
        let location = location.into();
        let damage = match Self::open(location.clone(), key) {
            Ok(mut store) => match store.quick_check() {
                Ok(()) => return Ok((store, None)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let (Location::File(path), true) = (&location, damage.is_damage()) else { return Err(damage) };
        let mut number = 1;
        let aside = loop {
            let aside = super::beside(path, &format!("damaged-{number}"));
            if !aside.exists() {
                break aside;
            }
            number += 1;
        };
        for ending in ["", "-wal", "-shm"] {
            let with = |base: &std::path::Path| {
                let mut name = base.as_os_str().to_owned();
                name.push(ending);
                PathBuf::from(name)
            };
            if with(path).exists() {
                std::fs::rename(with(path), with(&aside)).map_err(Error::File)?;
            }
        }
        let mut store = Self::open(location.clone(), key)?;
        let rescue = store.take_over(&Location::File(aside), key, random)?;
        Ok((store, Some(rescue)))
    }

    /// Begins a new store and takes over what a damaged one still holds, as [`Store::open_or_rescue`] does where files
    /// cannot be renamed: the damaged one stays under its name, untouched.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn rescue_from(
        damaged: &Location,
        new: impl Into<Location>,
        key: Option<&StoreKey>,
        random: &mut dyn Random,
    ) -> Result<(Self, Rescue)> {
        let mut store = Self::open(new, key)?;
        let rescue = store.take_over(damaged, key, random)?;
        Ok((store, rescue))
    }

    /// Looks for damage that opening a store does not meet.
    ///
    /// # Errors
    /// [`Error::StoreDamaged`].
    pub fn check_pages(&mut self) -> Result<()> {
        self.quick_check()
    }

    fn quick_check(&mut self) -> Result<()> {
        let answer: String = self.conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if answer == "ok" { Ok(()) } else { Err(Error::StoreDamaged) }
    }

    fn take_over(&mut self, aside: &Location, key: Option<&StoreKey>, random: &mut dyn Random) -> Result<Rescue> {
        let (old, set_aside) = match aside {
            Location::File(path) => {
                (Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?, path.to_owned())
            }
            Location::Pool { vfs, name } => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
                (Connection::open_with_flags_and_vfs(name, flags, vfs.as_str())?, PathBuf::from(name))
            }
            Location::Memory => return Err(Error::NotFound),
        };
        if let Some(key) = key {
            let hex: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
            old.pragma_update(None, "key", format!("x'{hex}'"))?;
        }
        if matches!(aside, Location::Pool { .. }) {
            old.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        }
        let mut rescue = Rescue { set_aside, ops: 0, drafts: 0, unreadable: Vec::new() };
        self.write(|db| {
            for (part, columns, table) in PARTS {
                let places: Vec<String> = (1..=columns.split(", ").count()).map(|at| format!("?{at}")).collect();
                let insert = format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({})", places.join(", "));
                // Row by row, and behind an unreadable page from the other end: a page costs what lies on it and no more.
                let mut put = |values: Values| {
                    db.conn.prepare_cached(&insert)?.execute(rusqlite::params_from_iter(values))?;
                    Ok(())
                };
                if copy(&old, &format!("SELECT {columns} FROM {table} ORDER BY 1"), &mut put).is_err() {
                    rescue.unreadable.push(part);
                    drop(copy(&old, &format!("SELECT {columns} FROM {table} ORDER BY 1 DESC"), &mut put));
                }
            }
            // The rows are gone: everything is asked for again.
            let mut link = db.link()?;
            link.cursors_known = false;
            (link.server_epoch, link.staged_epoch, link.consistent_ms) = (0, 0, 0);
            db.set_link(&link)?;
            // An outbox with a hole cannot go on under its numbers; under new ones, each op still counts once.
            if db.identity_row().is_ok() && !db.outbox_is_whole()? {
                db.open_epoch(random, None)?;
            }
            let count =
                |sql: &str| -> Result<u64> { Ok(db.conn.query_row(sql, params![], |r| r.get::<_, i64>(0))? as u64) };
            rescue.ops = count("SELECT count(*) FROM op")?;
            rescue.drafts = count("SELECT count(*) FROM draft")?;
            db.set_kv_flag(kv::OVERLAY_DIRTY, true)
        })?;
        Ok(rescue)
    }
}

/// What is taken over, most precious first.
const PARTS: [(&str, &str, &str); 6] = [
    ("outbox", "epoch, parent_epoch, parent_n, last_n, last_chain, floor_n, floor_chain, device", "outbox"),
    ("ops", "seq, epoch, n, uid, bytes, chain, state, verdict, outcome, decided, durable, dismissed", "op"),
    ("sealed ops", "epoch, n, key_id, bytes", "sealed_op"),
    ("drafts", "id, salt, at, scope, changed, body", "draft"),
    ("settings", "key, value", "kv"),
    ("purged scopes", "scope, cnt", "purged"),
];

type Values = Vec<rusqlite::types::Value>;

fn copy(old: &Connection, sql: &str, put: &mut dyn FnMut(Values) -> Result<()>) -> Result<()> {
    let mut statement = old.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        put((0..columns).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?)?;
    }
    Ok(())
}
