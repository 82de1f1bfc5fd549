//! The phone's SQLite file: the only connection, the only SQL.
//!
//! Everything that belongs together commits together, in WAL with full synchronisation: what `save` returns is on the
//! disk. Source of the settings: docs/SECURITY.md, "SQLite settings".

mod base;
mod counts;
mod drafts;
#[cfg(feature = "museum")]
mod exhibits;
mod figures;
mod index;
mod kv;
mod learning;
mod notices;
mod outbox;
mod overview;
mod pack;
mod practice;
mod quality;
mod queries;
mod registers;
mod rescue;
mod schema;
mod search;
mod subjects;
#[cfg(test)]
mod tests;
#[cfg(feature = "museum")]
mod trial;
mod view;
mod village;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use sync_protocol::ids::*;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::row::BucketId;

pub use base::{BucketReport, DigestCheck};
pub use counts::{Cell, CountTotals, Counts, ExplainedCell, Explanation};
pub use drafts::{Draft, DraftBody};
pub use figures::{FigureSheet, RowsOf};
pub use kv::{Enrolment, Held, Identity, SyncState};
pub use learning::{CourseView, Taken};
pub use notices::{AnnouncementView, CampaignLine, CampaignView, MarketView};
pub use outbox::{OpState, OutboxOp};
pub use overview::{MemberActivity, TargetProgress, TeamOverview};
pub use quality::SignalView;
pub use queries::*;
pub use registers::{BusinessView, PersonView, ProductView, TargetView};
pub use rescue::Rescue;
pub use schema::{Migration, SCHEMA};
pub use search::{HouseholdHit, NewHousehold, Similar};
pub use subjects::{SubjectFilter, SubjectView};
#[cfg(feature = "museum")]
pub use trial::Damage;
pub use view::{Saved, VisitEntry};
pub use village::{FieldCase, RecognitionView, StepView};

pub(crate) use base::Applied;
pub(crate) use kv::{OVERLAY_DIRTY, SYNC_RUNNING};
pub(crate) use outbox::Run;

use crate::error::{Error, Result};

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::StorageFull,
            Some(ErrorCode::NotADatabase) => Self::NotAStore,
            Some(ErrorCode::DatabaseCorrupt) => Self::StoreDamaged,
            _ => Self::Sqlite(Box::new(error)),
        }
    }
}

/// Where a store lives.
#[derive(Clone, Debug)]
pub enum Location {
    /// In a file.
    File(PathBuf),
    /// In memory, for tests and trials.
    Memory,
    /// In a browser: a file of the pool that a SQLite file system named `vfs` keeps in the origin's private storage.
    /// Named explicitly, because SQLite's default there is memory, which would forget everything.
    Pool {
        /// The file system, as it was registered.
        vfs: String,
        /// The file's name in the pool.
        name: String,
    },
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// The key of an encrypted file: 32 bytes of key and 16 of salt, as SQLCipher takes them raw. Never shown.
#[derive(Clone)]
pub struct StoreKey(pub [u8; 48]);

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(…)")
    }
}

/// Bytes kept free beside a store, so that a full disk can still deliver its outbox.
pub const BALLAST_BYTES: usize = 4 << 20;
/// Marks the file as ours: "ThSo".
const APPLICATION_ID: i32 = 0x5468_536f;
const BUSY_TIMEOUT_MS: u64 = 10_000;
const WAL_LIMIT_BYTES: i64 = 8 << 20;
const STATEMENTS_CACHED: usize = 128;

/// The phone's store.
pub struct Store {
    conn: Connection,
    cache: Cache,
    location: Location,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("location", &self.location).finish_non_exhaustive()
    }
}

/// What was read before and cannot have changed since: emptied when a transaction fails.
#[derive(Default)]
pub(crate) struct Cache {
    lids: HashMap<Vec<u8>, i64>,
    ids: HashMap<i64, Vec<u8>>,
    buckets: HashMap<i64, base::Bucket>,
    bucket_ids: HashMap<(BucketId, bool), i64>,
    cells: BTreeMap<sync_protocol::count::CountKey, i64>,
    rows: HashMap<(u8, uuid::Uuid), Option<(ScopeId, sync_protocol::row::Register)>>,
}

/// The store inside one transaction.
pub(crate) struct Db<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) cache: &'a mut Cache,
}

impl Store {
    /// Opens a store, or makes a new one.
    ///
    /// # Errors
    /// [`Error::StoreFromNewerApp`] and [`Error::NotAStore`] leave the file as it is; [`Error::StoreDamaged`] asks for
    /// [`Store::open_or_rescue`].
    pub fn open(location: impl Into<Location>, key: Option<&StoreKey>) -> Result<Self> {
        Self::open_telling(location, key, &mut |_| {})
    }

    /// Opens a store as [`Store::open`] does, and says how far it is while a store of an older app is brought to this one's
    /// schema. Each step commits whole: after an error or a power cut the next opening begins the step again.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_telling(
        location: impl Into<Location>,
        key: Option<&StoreKey>,
        tell: &mut dyn FnMut(Migration),
    ) -> Result<Self> {
        let location = location.into();
        match Self::open_once(location.clone(), key, tell).map_err(|error| with_cause(&location, error)) {
            // SQLite itself needs some room to begin; the reserve is there so that what waits can be seen and sent.
            Err(Error::StorageFull) if release_ballast(&location) => {
                Self::open_once(location.clone(), key, tell).map_err(|error| with_cause(&location, error))
            }
            opened => opened,
        }
    }

    fn open_once(location: Location, key: Option<&StoreKey>, tell: &mut dyn FnMut(Migration)) -> Result<Self> {
        let conn = connect(&location, key)?;
        let mut store = Self { conn, cache: Cache::default(), location };
        schema::migrate(&mut store.conn, tell)?;
        assert_settings(&store.conn, &store.location)?;
        if store.write(|db| db.kv_flag(OVERLAY_DIRTY))? {
            store.write(|db| db.rebuild_overlay())?;
        }
        // A power cut may have come between a purge and the emptying of the log: what was deleted is still in there (P10).
        if !museum::on(Exhibit::LogKeepsPurged) {
            match store.checkpoint() {
                // In a browser there is no reserve to give up. Who cannot open a full phone cannot send what waits on it
                // either: the log stays until there is room.
                Err(Error::StorageFull) if matches!(store.location, Location::Pool { .. }) => {}
                emptied => emptied?,
            }
        }
        store.restore_ballast();
        Ok(store)
    }

    /// Runs a piece of work in one transaction: all of it is on the disk afterwards, or none.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut Db<'_>) -> Result<T>) -> Result<T> {
        let done = (|| {
            let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&mut Db { conn: &tx, cache: &mut self.cache })?;
            tx.commit()?;
            Ok(result)
        })();
        self.cache.rows.clear();
        if done.is_err() {
            self.cache = Cache::default();
        }
        done.map_err(|error| with_cause(&self.location, error))
    }

    /// Runs a piece of work that a sync cannot do without: on a full disk the reserve is given up for it.
    pub(crate) fn write_with_reserve<T>(&mut self, mut work: impl FnMut(&mut Db<'_>) -> Result<T>) -> Result<T> {
        match self.write(&mut work) {
            Err(Error::StorageFull) if self.release_ballast() => self.write(work),
            done => done,
        }
    }

    /// Runs a piece of work that reads one state of the store. What it writes is thrown away.
    pub(crate) fn read<T>(&mut self, work: impl FnOnce(&mut Db<'_>) -> Result<T>) -> Result<T> {
        let tx = self.conn.transaction()?;
        let result = work(&mut Db { conn: &tx, cache: &mut self.cache });
        drop(tx);
        self.cache.rows.clear();
        result
    }

    /// Whether there is room to begin something new. Asked before a form is opened, not after it is filled.
    pub fn has_room(&mut self) -> bool {
        self.restore_ballast()
    }

    /// Gives the reserve back to the disk, so that what waits can still be sent. `true` when there was one.
    pub fn release_ballast(&mut self) -> bool {
        release_ballast(&self.location)
    }

    /// Makes the reserve when it is missing; `false` when there is no room for it.
    fn restore_ballast(&mut self) -> bool {
        let Location::File(path) = &self.location else { return true };
        let ballast = beside(path, "ballast");
        if std::fs::metadata(&ballast).is_ok_and(|found| found.len() == BALLAST_BYTES as u64) {
            return true;
        }
        // Not zeros: some file systems store those for nothing, and then give nothing back.
        let bytes: Vec<u8> = (0..BALLAST_BYTES as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let made = std::fs::write(&ballast, bytes).is_ok();
        if !made {
            drop(std::fs::remove_file(&ballast));
        }
        made
    }

    /// Empties the write-ahead log into the file and cuts it to nothing.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        let emptied = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        emptied.map_err(|error| with_cause(&self.location, error.into()))
    }

    /// Bytes that the data take up: pages in use.
    pub fn bytes_used(&mut self) -> Result<u64> {
        let pragma = |name| self.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = pragma("page_count")? - pragma("freelist_count")?;
        Ok((pages * pragma("page_size")?).unsigned_abs())
    }

    /// Looks for damage: SQLite's own check of every page and index. `Ok(vec![])` when there is none.
    pub fn integrity(&mut self) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare("PRAGMA integrity_check(20)")?;
        let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(if lines == ["ok"] { Vec::new() } else { lines })
    }
}

fn release_ballast(location: &Location) -> bool {
    match location {
        Location::File(path) => std::fs::remove_file(beside(path, "ballast")).is_ok(),
        // The browser gives an origin a quota and no file to hold back; the host looks at the quota instead.
        Location::Memory | Location::Pool { .. } => false,
    }
}

/// An I/O error that only says "failed" is a full disk when as much as SQLite's smallest file does not fit either.
fn with_cause(location: &Location, error: Error) -> Error {
    use rusqlite::ErrorCode;
    let Error::Sqlite(cause) = &error else { return error };
    let code = cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    if !matches!(code, Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)) {
        return error;
    }
    let path = match location {
        Location::File(path) => path,
        Location::Memory => return error,
        // The pool knows no "full": writing past the quota is an I/O error of the write like any other.
        Location::Pool { .. } => return if is_failed_write(cause.as_ref()) { Error::StorageFull } else { error },
    };
    let probe = beside(path, "probe");
    let written = std::fs::write(&probe, [0u8; 32 * 1024]);
    drop(std::fs::remove_file(&probe));
    let is_full = written.is_err_and(|error| {
        use std::io::ErrorKind;
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
    });
    if is_full { Error::StorageFull } else { error }
}

/// Whether SQLite could not write, grow or flush a file.
fn is_failed_write(cause: &(dyn std::error::Error + 'static)) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_FSYNC, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE};
    let Some(rusqlite::Error::SqliteFailure(failure, _)) = cause.downcast_ref::<rusqlite::Error>() else {
        return false;
    };
    [SQLITE_IOERR_WRITE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_FSYNC].contains(&failure.extended_code)
}

/// A file beside the store.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Opens a connection and sets what must hold before the first page is read.
fn connect(location: &Location, key: Option<&StoreKey>) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match location {
        Location::File(path) => Connection::open_with_flags(path, flags)?,
        Location::Memory => Connection::open_in_memory_with_flags(flags)?,
        Location::Pool { vfs, name } => Connection::open_with_flags_and_vfs(name, flags, vfs.as_str())?,
    };
    if let Some(key) = key {
        // A wrong key is an answer here, not something for the log.
        conn.pragma_update_and_check(None, "cipher_log_level", "NONE", |_| Ok(()))?;
        let hex: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        conn.pragma_update(None, "key", format!("x'{hex}'"))?;
    }
    if matches!(location, Location::Pool { .. }) {
        // There is no memory to share between connections; alone, a connection may keep the log's index to itself.
        // Said before the first page is read: a log that is there already cannot be read otherwise.
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    }
    // A file of a newer app is refused before anything is written to it.
    schema::refuse_foreign(&conn)?;
    conn.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.pragma_update(None, "secure_delete", "ON")?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    for (name, value) in PRAGMAS {
        conn.pragma_update(None, name, value)?;
    }
    conn.pragma_update_and_check(None, "journal_size_limit", WAL_LIMIT_BYTES, |_| Ok(()))?;
    for (limit, value) in LIMITS {
        conn.set_limit(limit, value)?;
    }
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(conn)
}

/// Settings with the number that SQLite answers when asked. FULL: with WAL and NORMAL the last commits may be lost.
const PRAGMAS: [(&str, i64); 6] = [
    ("synchronous", 2),
    ("foreign_keys", 1),
    ("mmap_size", 0),
    ("cell_size_check", 1),
    ("temp_store", 2),
    ("trusted_schema", 0),
];

const LIMITS: [(Limit, i32); 7] = [
    (Limit::SQLITE_LIMIT_LENGTH, 4 << 20),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 999),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 50),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
];

/// Asks for every setting again: what SQLite did not take must not go unnoticed.
fn assert_settings(conn: &Connection, location: &Location) -> Result<()> {
    for (name, value) in PRAGMAS {
        let found: Option<i64> = conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).optional()?;
        // An answer is missing where memory cannot be mapped at all.
        if found.is_some_and(|found| found != value) {
            return Err(Error::Setting(name));
        }
    }
    let secure: i64 = conn.query_row("PRAGMA secure_delete", [], |row| row.get(0))?;
    if secure != 1 {
        return Err(Error::Setting("secure_delete"));
    }
    let journal: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if !matches!(location, Location::Memory) && journal != "wal" {
        return Err(Error::Setting("journal_mode"));
    }
    if !conn.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE)? {
        return Err(Error::Setting("defensive"));
    }
    for (limit, value) in LIMITS {
        if conn.limit(limit)? != value {
            return Err(Error::Setting("limit"));
        }
    }
    Ok(())
}
