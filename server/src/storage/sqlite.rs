//! The embedded engine: one file, one writer thread with group commit, a few read-only connections.

mod notices;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, ToSql, params};
use sync_protocol::row::Class;

use super::*;

/// `PRAGMA application_id` of a server's file: "ThSv".
const APPLICATION_ID: i64 = 0x5468_5376;
/// Every step ever released, oldest first. Append; never edit one that a server has run.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("../../migrations/sqlite/0001_init.sql")),
    (2, include_str!("../../migrations/sqlite/0002_former_parent.sql")),
    (3, include_str!("../../migrations/sqlite/0003_notices.sql")),
    (4, include_str!("../../migrations/sqlite/0004_snapshots.sql")),
];
/// Most jobs in one commit.
const GROUP_MAX: usize = 256;
/// Most jobs that wait; one more is told `Busy`.
const QUEUE_MAX: usize = 4_096;
/// Read-only connections.
const READERS: usize = 3;

/// SQLite in one file.
pub struct SqliteStorage {
    jobs: Mutex<Option<SyncSender<(Job, Done)>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    path: PathBuf,
}

struct Readers {
    free: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            // A full file system shows as a failed write when a limit on file size is hit.
            Some(ErrorCode::SystemIoFailure) if error.to_string().contains("full") => Self::Full,
            _ => Self::Failed(Box::new(error)),
        }
    }
}

impl SqliteStorage {
    /// Opens the file, or makes it, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_limited(path, None)
    }

    /// Opens a file that may grow to so many pages, as if the disk ended there.
    pub(super) fn open_limited(path: &Path, pages_max: Option<u32>) -> Result<Self> {
        let mut connection = connect(path, false)?;
        migrate(&mut connection)?;
        if let Some(pages) = pages_max {
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        let free = (0..READERS).map(|_| connect(path, true)).collect::<Result<Vec<_>>>()?;
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let writer = std::thread::Builder::new()
            .name("storage-writer".into())
            .spawn(move || write_loop(connection, &receiver))
            .map_err(|error| StorageError::Failed(Box::new(error)))?;
        Ok(Self {
            jobs: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            readers: Arc::new(Readers { free: Mutex::new(free), returned: Condvar::new() }),
            path: path.to_owned(),
        })
    }
}

fn connect(path: &Path, read_only: bool) -> Result<Connection> {
    let access = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
         PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;",
    )?;
    if !read_only {
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
        )?;
        let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if synchronous != 2 || journal != "wal" {
            return Err(StorageError::Damaged("the file does not take WAL with full sync".into()));
        }
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, 16 * 1024 * 1024),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 50),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    ] {
        connection.set_limit(limit, value)?;
    }
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let supported = STEPS.last().map_or(0, |step| step.0);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if found > 0 && application != APPLICATION_ID {
        return Err(StorageError::Damaged("the file belongs to another application".into()));
    }
    if found > supported {
        return Err(StorageError::FromNewerVersion { found, supported });
    }
    for (to, sql) in STEPS.iter().filter(|step| step.0 > found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        if *to == notices::STEP {
            notices::count_again(&transaction)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Takes jobs as they come; what has gathered while the last commit was on its way to the disk shares the next one.
fn write_loop(connection: Connection, jobs: &Receiver<(Job, Done)>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = jobs.try_recv()
        {
            group.push(next);
        }
        commit_group(&connection, group);
    }
    // Closing: leave a tidy file behind. A failure here loses nothing, the WAL is read at the next start.
    drop(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
}

/// Runs the jobs of a group in one transaction. Where that cannot be committed as a whole (a full disk takes the whole
/// transaction back, neighbours included), each job gets a transaction of its own.
fn commit_group(connection: &Connection, mut group: Vec<(Job, Done)>) {
    let results = if group.len() > 1 { together(connection, &mut group) } else { None };
    match results {
        Some(results) => group.into_iter().zip(results).for_each(|((_, done), result)| done(result)),
        None => {
            for (mut job, done) in group {
                done(alone(connection, &mut job));
            }
        }
    }
}

/// One result per job, all of them on disk; `None` when nothing of the transaction was kept.
fn together(connection: &Connection, group: &mut [(Job, Done)]) -> Option<Vec<Result<()>>> {
    connection.execute_batch("BEGIN IMMEDIATE").ok()?;
    let mut results = Vec::with_capacity(group.len());
    for (job, _) in group {
        match in_savepoint(connection, job) {
            Ok(result) => results.push(result),
            Err(_) => {
                take_back(connection);
                return None;
            }
        }
    }
    if connection.execute_batch("COMMIT").is_err() {
        take_back(connection);
        return None;
    }
    Some(results)
}

/// Runs one job in a transaction of its own.
fn alone(connection: &Connection, job: &mut Job) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = guarded(connection, job).and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if result.is_err() {
        take_back(connection);
    }
    result
}

/// Ends a transaction, unless SQLite has ended it already.
fn take_back(connection: &Connection) {
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
}

/// Runs a job so that a panic in it is a failure of that job alone.
fn guarded(connection: &Connection, job: &mut Job) -> Result<()> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut SqliteTx { connection })))
        .unwrap_or_else(|_| Err(StorageError::Failed("a job panicked".into())))
}

/// The job's own result; the outer error means that the transaction is gone.
fn in_savepoint(connection: &Connection, job: &mut Job) -> Result<Result<()>> {
    connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    let result = guarded(connection, job);
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    connection.prepare_cached("RELEASE job")?.execute([])?;
    Ok(result)
}

impl Storage for SqliteStorage {
    fn submit(&self, job: Job, done: Done) {
        let sender = lock(&self.jobs).clone();
        let Some(sender) = sender else { return done(Err(StorageError::Busy)) };
        match sender.try_send((job, done)) {
            Ok(()) => {}
            Err(TrySendError::Full((_, done)) | TrySendError::Disconnected((_, done))) => done(Err(StorageError::Busy)),
        }
    }

    fn snapshot(&self, job: &mut dyn FnMut(&mut dyn Tx) -> Result<()>) -> Result<()> {
        let mut free = lock(&self.readers.free);
        let connection = loop {
            match free.pop() {
                Some(connection) => break connection,
                None => free = self.readers.returned.wait(free).unwrap_or_else(std::sync::PoisonError::into_inner),
            }
        };
        drop(free);
        let result = (|| {
            connection.execute_batch("BEGIN")?;
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                job(&mut SqliteTx { connection: &connection })
            }))
            .unwrap_or_else(|_| Err(StorageError::Failed("a job panicked".into())));
            // A read that failed may have ended the transaction itself; its own error is the one to tell.
            take_back(&connection);
            result
        })();
        lock(&self.readers.free).push(connection);
        self.readers.returned.notify_one();
        result
    }

    fn backup(&self, to: &Path) -> Result<()> {
        let source = connect(&self.path, true)?;
        let name = to.to_str().ok_or_else(|| StorageError::Failed("the path is not UTF-8".into()))?;
        // Copying attaches the new file for the while.
        source.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?;
        source.execute("VACUUM INTO ?1", [name])?;
        let copy = connect(to, true)?;
        let verdict: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if verdict == "ok" { Ok(()) } else { Err(StorageError::Damaged(verdict)) }
    }

    fn close(&self) {
        drop(lock(&self.jobs).take());
        if let Some(writer) = lock(&self.writer).take() {
            drop(writer.join());
        }
    }
}

impl Drop for SqliteStorage {
    fn drop(&mut self) {
        self.close()
    }
}

struct SqliteTx<'c> {
    connection: &'c Connection,
}

/// SQLite's integers are signed: unsigned numbers keep their bits.
fn int(number: u64) -> i64 {
    number as i64
}
fn unsigned(number: i64) -> u64 {
    number as u64
}

fn id16(row: &Row<'_>, at: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(at).map(Uuid::from_bytes)
}

fn ty_of(row: &Row<'_>, at: usize) -> rusqlite::Result<RowType> {
    row.get::<_, u8>(at).map(RowType)
}

fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(format!("unreadable {what} in the store").into())
}

fn class_of(number: u8) -> rusqlite::Result<Class> {
    Class::from_u8(number).ok_or_else(|| damaged("class"))
}

fn status_of(code: &str) -> rusqlite::Result<VisitStatus> {
    VisitStatus::from_code(code).ok_or_else(|| damaged("status"))
}

impl SqliteTx<'_> {
    fn one<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.connection.prepare_cached(sql)?.query_row(values, read).optional()?)
    }

    fn many<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(values, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn run(&self, sql: &str, values: &[&dyn ToSql]) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

fn read_bucket(row: &Row<'_>, at: usize) -> rusqlite::Result<BucketRow> {
    Ok(BucketRow {
        gen_: row.get(at)?,
        head: unsigned(row.get(at + 1)?),
        floor: unsigned(row.get(at + 2)?),
        digest: Digest { count: unsigned(row.get(at + 3)?), sum: unsigned(row.get(at + 4)?) },
    })
}

const OP_COLUMNS: &str = "epoch, n, chain, outcome, body, received";

fn read_op(row: &Row<'_>) -> rusqlite::Result<LoggedOp> {
    Ok(LoggedOp {
        epoch: Epoch(unsigned(row.get(0)?)),
        n: unsigned(row.get(1)?),
        uid: None,
        chain: Chain(row.get(2)?),
        outcome: row.get(3)?,
        body: row.get(4)?,
        received: ServerMs(unsigned(row.get(5)?)),
    })
}

fn read_user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(id16(row, 0)?),
        phone: row.get(1)?,
        display_name: row.get(2)?,
        unit: UnitId(id16(row, 3)?),
        grants_rev: unsigned(row.get(4)?),
        active: row.get(5)?,
    })
}

fn read_grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let ended_rev: Option<i64> = row.get(6)?;
    let ended_at: Option<i64> = row.get(7)?;
    Ok(Grant {
        id: GrantId(id16(row, 0)?),
        user: UserId(id16(row, 1)?),
        role: row.get(2)?,
        unit: UnitId(id16(row, 3)?),
        from: Day(row.get(4)?),
        to: row.get::<_, Option<u32>>(5)?.map(Day),
        ended: ended_rev.zip(ended_at).map(|(rev, at)| (unsigned(rev), ServerMs(unsigned(at)))),
        decision: row.get(8)?,
    })
}

fn read_device(row: &Row<'_>) -> rusqlite::Result<Device> {
    Ok(Device {
        id: DeviceId(id16(row, 0)?),
        user: UserId(id16(row, 1)?),
        public_key: row.get(2)?,
        label: row.get(3)?,
        created: ServerMs(unsigned(row.get(4)?)),
        revoked: row.get::<_, Option<i64>>(5)?.map(|at| ServerMs(unsigned(at))),
        last_seen: ServerMs(unsigned(row.get(6)?)),
    })
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: unsigned(row.get(0)?),
        user: UserId(id16(row, 1)?),
        device: row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId::from_bytes),
        refresh_gen: row.get(3)?,
        created: ServerMs(unsigned(row.get(4)?)),
        last_used: ServerMs(unsigned(row.get(5)?)),
        revoked: row.get::<_, Option<i64>>(6)?.map(|at| ServerMs(unsigned(at))),
    })
}

fn read_snapshot(row: &Row<'_>) -> rusqlite::Result<ReportSnapshot> {
    Ok(ReportSnapshot {
        report: id16(row, 0)?,
        version: row.get(1)?,
        scope: ScopeId(id16(row, 2)?),
        at: ServerMs(unsigned(row.get(3)?)),
        by: UserId(id16(row, 4)?),
        event: row.get(5)?,
        figures: row.get(6)?,
        hash: row.get(7)?,
        body: row.get(8)?,
    })
}

const VISIT_COLUMNS: &str = "scope, id, team, author, household, day, status, void, disputed, flags, kinds, received, \
                             changed, content, hash, ver";

fn read_visit(row: &Row<'_>) -> rusqlite::Result<VisitSummary> {
    let kinds: String = row.get(10)?;
    Ok(VisitSummary {
        scope: ScopeId(id16(row, 0)?),
        visit: VisitId(id16(row, 1)?),
        team: TeamId(id16(row, 2)?),
        author: UserId(id16(row, 3)?),
        household: row.get::<_, Option<[u8; 16]>>(4)?.map(HouseholdId::from_bytes),
        day: Day(row.get(5)?),
        status: status_of(&row.get::<_, String>(6)?)?,
        is_void: row.get(7)?,
        is_disputed: row.get(8)?,
        flags: row.get(9)?,
        kinds: kinds.split_terminator(' ').map(str::to_owned).collect(),
        received: ServerMs(unsigned(row.get(11)?)),
        changed: ServerMs(unsigned(row.get(12)?)),
        content: EventId(id16(row, 13)?),
        hash: row.get(14)?,
        ver: Ver(unsigned(row.get(15)?)),
    })
}

impl Tx for SqliteTx<'_> {
    fn live(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Vec<u8>)>> {
        self.one(
            "SELECT place.scope, row.body FROM place JOIN row USING (scope, ty, id) WHERE ty = ?1 AND id = ?2",
            &[&ty.0, id.as_bytes()],
            |row| Ok((ScopeId(id16(row, 0)?), row.get(1)?)),
        )
    }

    fn row_in(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<Option<(BucketId, Ver, bool)>> {
        self.one(
            "SELECT class, quarter, ver, gone FROM row WHERE scope = ?1 AND ty = ?2 AND id = ?3",
            &[scope.as_bytes(), &ty.0, id.as_bytes()],
            |row| {
                let bucket = BucketId { scope, class: class_of(row.get(0)?)?, quarter: row.get(1)? };
                Ok((bucket, Ver(unsigned(row.get(2)?)), row.get(3)?))
            },
        )
    }

    fn put_row(&mut self, row: &StoredRow) -> Result<()> {
        let scope = row.bucket.scope;
        self.run(
            "INSERT INTO row (scope, ty, id, class, quarter, seq, ver, gone, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (scope, ty, id) DO UPDATE SET class = excluded.class, quarter = excluded.quarter,
               seq = excluded.seq, ver = excluded.ver, gone = excluded.gone, body = excluded.body",
            &[
                scope.as_bytes(),
                &row.ty.0,
                row.id.as_bytes(),
                &(row.bucket.class as u8),
                &row.bucket.quarter,
                &int(row.seq),
                &int(row.ver.0),
                &row.gone,
                &row.body,
            ],
        )?;
        if row.gone {
            self.run(
                "DELETE FROM place WHERE ty = ?1 AND id = ?2 AND scope = ?3",
                &[&row.ty.0, row.id.as_bytes(), scope.as_bytes()],
            )
        } else {
            self.run(
                "INSERT INTO place (ty, id, scope) VALUES (?1, ?2, ?3)
                 ON CONFLICT (ty, id) DO UPDATE SET scope = excluded.scope",
                &[&row.ty.0, row.id.as_bytes(), scope.as_bytes()],
            )
        }
    }

    fn rows_after(&mut self, bucket: BucketId, seq: u64, bytes: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, body FROM row WHERE scope = ?1 AND class = ?2 AND quarter = ?3 AND seq > ?4 ORDER BY seq",
        )?;
        let mut rows =
            statement.query(params![bucket.scope.as_bytes(), bucket.class as u8, bucket.quarter, int(seq)])?;
        let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut sum = 0;
        while let Some(row) = rows.next()? {
            let body: Vec<u8> = row.get(1)?;
            sum += body.len();
            if sum > bytes && !found.is_empty() {
                break;
            }
            found.push((unsigned(row.get(0)?), body));
        }
        Ok(found)
    }

    fn rows_of(&mut self, scope: ScopeId, ty: RowType, after: Option<Uuid>, limit: usize) -> Result<Vec<Vec<u8>>> {
        let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        self.many(
            "SELECT body FROM row WHERE scope = ?1 AND ty = ?2 AND id > ?3 AND gone = 0 ORDER BY id LIMIT ?4",
            &[scope.as_bytes(), &ty.0, &after, &(limit as i64)],
            |row| row.get(0),
        )
    }

    fn count_rows(&mut self, scope: ScopeId, ty: RowType) -> Result<u64> {
        let found = self.one(
            "SELECT count(*) FROM row WHERE scope = ?1 AND ty = ?2 AND gone = 0",
            &[scope.as_bytes(), &ty.0],
            |row| Ok(unsigned(row.get(0)?)),
        )?;
        Ok(found.unwrap_or(0))
    }

    fn bytes_of(&mut self, scope: ScopeId) -> Result<u64> {
        let found =
            self.one("SELECT coalesce(sum(length(body)), 0) FROM row WHERE scope = ?1", &[scope.as_bytes()], |row| {
                Ok(unsigned(row.get(0)?))
            })?;
        Ok(found.unwrap_or(0))
    }

    fn row_versions(&mut self, bucket: BucketId) -> Result<Vec<(RowType, Uuid, Ver)>> {
        self.many(
            "SELECT ty, id, ver FROM row WHERE scope = ?1 AND class = ?2 AND quarter = ?3 ORDER BY seq",
            &[bucket.scope.as_bytes(), &(bucket.class as u8), &bucket.quarter],
            |row| Ok((ty_of(row, 0)?, id16(row, 1)?, Ver(unsigned(row.get(2)?)))),
        )
    }

    fn bucket(&mut self, bucket: BucketId) -> Result<Option<BucketRow>> {
        self.one(
            "SELECT gen, head, floor, cnt, sum FROM bucket WHERE scope = ?1 AND class = ?2 AND quarter = ?3",
            &[bucket.scope.as_bytes(), &(bucket.class as u8), &bucket.quarter],
            |row| read_bucket(row, 0),
        )
    }

    fn put_bucket(&mut self, bucket: BucketId, row: &BucketRow) -> Result<()> {
        self.run(
            "INSERT INTO bucket (scope, class, quarter, gen, head, floor, cnt, sum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (scope, class, quarter) DO UPDATE SET gen = excluded.gen, head = excluded.head,
               floor = excluded.floor, cnt = excluded.cnt, sum = excluded.sum",
            &[
                bucket.scope.as_bytes(),
                &(bucket.class as u8),
                &bucket.quarter,
                &row.gen_,
                &int(row.head),
                &int(row.floor),
                &int(row.digest.count),
                &int(row.digest.sum),
            ],
        )
    }

    fn buckets_of(&mut self, scope: ScopeId) -> Result<Vec<(BucketId, BucketRow)>> {
        self.many(
            "SELECT class, quarter, gen, head, floor, cnt, sum FROM bucket WHERE scope = ?1 ORDER BY class, quarter",
            &[scope.as_bytes()],
            |row| {
                let bucket = BucketId { scope, class: class_of(row.get(0)?)?, quarter: row.get(1)? };
                Ok((bucket, read_bucket(row, 2)?))
            },
        )
    }

    fn outbox(&mut self, epoch: Epoch) -> Result<Option<Outbox>> {
        self.one(
            "SELECT device, user, parent, parent_at, last_n, chain, durable_upto FROM outbox WHERE epoch = ?1",
            &[&int(epoch.0)],
            |row| {
                let parent: Option<i64> = row.get(2)?;
                let at: Option<i64> = row.get(3)?;
                Ok(Outbox {
                    epoch,
                    device: DeviceId(id16(row, 0)?),
                    user: UserId(id16(row, 1)?),
                    parent: parent.zip(at).map(|(parent, at)| (Epoch(unsigned(parent)), unsigned(at))),
                    last_n: unsigned(row.get(4)?),
                    chain: Chain(row.get(5)?),
                    durable_upto: unsigned(row.get(6)?),
                })
            },
        )
    }

    fn put_outbox(&mut self, outbox: &Outbox) -> Result<()> {
        self.run(
            "INSERT INTO outbox (epoch, device, user, parent, parent_at, last_n, chain, durable_upto)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (epoch) DO UPDATE SET last_n = excluded.last_n, chain = excluded.chain",
            &[
                &int(outbox.epoch.0),
                outbox.device.as_bytes(),
                outbox.user.as_bytes(),
                &outbox.parent.map(|(epoch, _)| int(epoch.0)),
                &outbox.parent.map(|(_, at)| int(at)),
                &int(outbox.last_n),
                &outbox.chain.0,
                &int(outbox.durable_upto),
            ],
        )
    }

    fn outboxes(&mut self) -> Result<Vec<(Epoch, u64)>> {
        self.many("SELECT epoch, last_n FROM outbox ORDER BY epoch", &[], |row| {
            Ok((Epoch(unsigned(row.get(0)?)), unsigned(row.get(1)?)))
        })
    }

    fn mark_durable(&mut self, epoch: Epoch, upto: u64) -> Result<()> {
        self.run(
            "UPDATE outbox SET durable_upto = max(durable_upto, min(?2, last_n)) WHERE epoch = ?1",
            &[&int(epoch.0), &int(upto)],
        )
    }

    fn op(&mut self, epoch: Epoch, n: u64) -> Result<Option<LoggedOp>> {
        self.one(
            "SELECT epoch, n, chain, outcome, body, received FROM op WHERE epoch = ?1 AND n = ?2",
            &[&int(epoch.0), &int(n)],
            read_op,
        )
    }

    fn op_by_uid(&mut self, uid: OpUid) -> Result<Option<(Epoch, u64)>> {
        self.one("SELECT epoch, n FROM op_uid WHERE uid = ?1", &[uid.as_bytes()], |row| {
            Ok((Epoch(unsigned(row.get(0)?)), unsigned(row.get(1)?)))
        })
    }

    fn put_op(&mut self, op: &LoggedOp) -> Result<()> {
        self.run(
            "INSERT INTO op (epoch, n, chain, outcome, body, received) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (epoch, n) DO UPDATE SET outcome = excluded.outcome, body = excluded.body",
            &[&int(op.epoch.0), &int(op.n), &op.chain.0, &op.outcome, &op.body, &int(op.received.0)],
        )?;
        let Some(uid) = op.uid else { return Ok(()) };
        self.run(
            "INSERT INTO op_uid (uid, epoch, n) VALUES (?1, ?2, ?3) ON CONFLICT (uid) DO NOTHING",
            &[uid.as_bytes(), &int(op.epoch.0), &int(op.n)],
        )
    }

    fn chains(&mut self, epoch: Epoch, from: u64, to: u64) -> Result<Vec<(u64, Chain)>> {
        self.many(
            "SELECT n, chain FROM op WHERE epoch = ?1 AND n BETWEEN ?2 AND ?3 ORDER BY n",
            &[&int(epoch.0), &int(from), &int(to)],
            |row| Ok((unsigned(row.get(0)?), Chain(row.get(1)?))),
        )
    }

    fn kept_ops(&mut self, after: Option<(Epoch, u64)>, limit: usize) -> Result<Vec<LoggedOp>> {
        let (epoch, n) = after.map_or((i64::MIN, -1), |(epoch, n)| (int(epoch.0), int(n)));
        self.many(
            &format!(
                "SELECT {OP_COLUMNS} FROM op WHERE body IS NOT NULL AND (epoch, n) > (?1, ?2) ORDER BY epoch, n LIMIT ?3"
            ),
            &[&epoch, &n, &(limit as i64)],
            read_op,
        )
    }

    fn user(&mut self, id: UserId) -> Result<Option<User>> {
        self.one(
            "SELECT id, phone, display_name, unit, grants_rev, active FROM user WHERE id = ?1",
            &[id.as_bytes()],
            read_user,
        )
    }

    fn user_by_phone(&mut self, phone: &str) -> Result<Option<UserId>> {
        self.one("SELECT id FROM user WHERE phone = ?1", &[&phone], |row| Ok(UserId(id16(row, 0)?)))
    }

    fn put_user(&mut self, user: &User) -> Result<()> {
        self.run(
            "INSERT INTO user (id, phone, display_name, unit, grants_rev, active) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET phone = excluded.phone, display_name = excluded.display_name,
               unit = excluded.unit, grants_rev = excluded.grants_rev, active = excluded.active",
            &[
                user.id.as_bytes(),
                &user.phone,
                &user.display_name,
                user.unit.as_bytes(),
                &int(user.grants_rev),
                &user.active,
            ],
        )
    }

    fn users_of(&mut self, unit: UnitId) -> Result<Vec<User>> {
        self.many(
            "SELECT id, phone, display_name, unit, grants_rev, active FROM user WHERE unit = ?1 ORDER BY id",
            &[unit.as_bytes()],
            read_user,
        )
    }

    fn secret(&mut self, user: UserId) -> Result<Option<String>> {
        Ok(self.one("SELECT phc FROM user WHERE id = ?1", &[user.as_bytes()], |row| row.get(0))?.flatten())
    }

    fn put_secret(&mut self, user: UserId, phc: &str) -> Result<()> {
        self.run("UPDATE user SET phc = ?2 WHERE id = ?1", &[user.as_bytes(), &phc])
    }

    fn grant(&mut self, id: GrantId) -> Result<Option<Grant>> {
        self.one(
            "SELECT id, user, role, unit, valid_from, valid_to, ended_rev, ended_at, decision
             FROM role_grant WHERE id = ?1",
            &[id.as_bytes()],
            read_grant,
        )
    }

    fn put_grant(&mut self, grant: &Grant) -> Result<()> {
        self.run(
            "INSERT INTO role_grant (id, user, role, unit, valid_from, valid_to, ended_rev, ended_at, decision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET valid_to = excluded.valid_to, ended_rev = excluded.ended_rev,
               ended_at = excluded.ended_at",
            &[
                grant.id.as_bytes(),
                grant.user.as_bytes(),
                &grant.role,
                grant.unit.as_bytes(),
                &grant.from.0,
                &grant.to.map(|to| to.0),
                &grant.ended.map(|(rev, _)| int(rev)),
                &grant.ended.map(|(_, at)| int(at.0)),
                &grant.decision,
            ],
        )
    }

    fn grants_of(&mut self, user: UserId) -> Result<Vec<Grant>> {
        self.many(
            "SELECT id, user, role, unit, valid_from, valid_to, ended_rev, ended_at, decision
             FROM role_grant WHERE user = ?1 ORDER BY id",
            &[user.as_bytes()],
            read_grant,
        )
    }

    fn grants_for(&mut self, unit: UnitId) -> Result<Vec<Grant>> {
        self.many(
            "SELECT id, user, role, unit, valid_from, valid_to, ended_rev, ended_at, decision
             FROM role_grant WHERE unit = ?1 ORDER BY id",
            &[unit.as_bytes()],
            read_grant,
        )
    }

    fn device(&mut self, id: DeviceId) -> Result<Option<Device>> {
        self.one(
            "SELECT id, user, public_key, label, created, revoked, last_seen FROM device WHERE id = ?1",
            &[id.as_bytes()],
            read_device,
        )
    }

    fn put_device(&mut self, device: &Device) -> Result<()> {
        self.run(
            "INSERT INTO device (id, user, public_key, label, created, revoked, last_seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET label = excluded.label, revoked = excluded.revoked,
               last_seen = excluded.last_seen",
            &[
                device.id.as_bytes(),
                device.user.as_bytes(),
                &device.public_key,
                &device.label,
                &int(device.created.0),
                &device.revoked.map(|at| int(at.0)),
                &int(device.last_seen.0),
            ],
        )
    }

    fn devices_of(&mut self, user: UserId) -> Result<Vec<Device>> {
        self.many(
            "SELECT id, user, public_key, label, created, revoked, last_seen FROM device WHERE user = ?1 ORDER BY id",
            &[user.as_bytes()],
            read_device,
        )
    }

    fn session(&mut self, id: u64) -> Result<Option<Session>> {
        self.one(
            "SELECT id, user, device, refresh_gen, created, last_used, revoked FROM session WHERE id = ?1",
            &[&int(id)],
            read_session,
        )
    }

    fn put_session(&mut self, session: &Session) -> Result<()> {
        self.run(
            "INSERT INTO session (id, user, device, refresh_gen, created, last_used, revoked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET refresh_gen = excluded.refresh_gen, last_used = excluded.last_used,
               revoked = excluded.revoked",
            &[
                &int(session.id),
                session.user.as_bytes(),
                &session.device.map(|device| *device.as_bytes()),
                &session.refresh_gen,
                &int(session.created.0),
                &int(session.last_used.0),
                &session.revoked.map(|at| int(at.0)),
            ],
        )
    }

    fn sessions_of(&mut self, user: UserId) -> Result<Vec<Session>> {
        self.many(
            "SELECT id, user, device, refresh_gen, created, last_used, revoked FROM session WHERE user = ?1 ORDER BY id",
            &[user.as_bytes()],
            read_session,
        )
    }

    fn enrolment(&mut self, code_hash: &[u8; 32]) -> Result<Option<Enrolment>> {
        self.one("SELECT user, given_by, expires, used FROM enrolment WHERE code_hash = ?1", &[code_hash], |row| {
            Ok(Enrolment {
                code_hash: *code_hash,
                user: UserId(id16(row, 0)?),
                by: UserId(id16(row, 1)?),
                expires: ServerMs(unsigned(row.get(2)?)),
                used: row.get::<_, Option<i64>>(3)?.map(|at| ServerMs(unsigned(at))),
            })
        })
    }

    fn put_enrolment(&mut self, enrolment: &Enrolment) -> Result<()> {
        self.run(
            "INSERT INTO enrolment (code_hash, user, given_by, expires, used) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (code_hash) DO UPDATE SET used = excluded.used",
            &[
                &enrolment.code_hash,
                enrolment.user.as_bytes(),
                enrolment.by.as_bytes(),
                &int(enrolment.expires.0),
                &enrolment.used.map(|at| int(at.0)),
            ],
        )
    }

    fn audit_head(&mut self, scope: ScopeId) -> Result<Option<(u64, [u8; 32])>> {
        self.one("SELECT seq, hash FROM audit WHERE scope = ?1 ORDER BY seq DESC LIMIT 1", &[scope.as_bytes()], |row| {
            Ok((unsigned(row.get(0)?), row.get(1)?))
        })
    }

    fn put_audit(&mut self, entry: &AuditEntry) -> Result<()> {
        self.run(
            "INSERT INTO audit (scope, seq, hash, body) VALUES (?1, ?2, ?3, ?4)",
            &[entry.scope.as_bytes(), &int(entry.seq), &entry.hash, &entry.body],
        )
    }

    fn audit_after(&mut self, scope: ScopeId, seq: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        self.many(
            "SELECT seq, hash, body FROM audit WHERE scope = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            &[scope.as_bytes(), &int(seq), &(limit as i64)],
            |row| Ok(AuditEntry { scope, seq: unsigned(row.get(0)?), hash: row.get(1)?, body: row.get(2)? }),
        )
    }

    fn audited_scopes(&mut self) -> Result<Vec<ScopeId>> {
        self.many("SELECT DISTINCT scope FROM audit ORDER BY scope", &[], |row| Ok(ScopeId(id16(row, 0)?)))
    }

    fn visit(&mut self, id: VisitId) -> Result<Option<VisitSummary>> {
        self.one(
            "SELECT visit.scope, visit.id, team, author, household, day, status, void, disputed, flags, kinds, received,
                    changed, content, hash, ver
             FROM place JOIN visit ON visit.scope = place.scope AND visit.id = place.id
             WHERE place.ty = ?1 AND place.id = ?2",
            &[&RowType::VISIT_RECORDED.0, id.as_bytes()],
            read_visit,
        )
    }

    fn put_visit(&mut self, visit: &VisitSummary) -> Result<()> {
        self.run(
            "INSERT INTO visit (scope, id, team, author, household, day, status, void, disputed, flags, kinds, received,
               changed, content, hash, ver)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (scope, id) DO UPDATE SET team = excluded.team, household = excluded.household,
               day = excluded.day, status = excluded.status, void = excluded.void, disputed = excluded.disputed,
               flags = excluded.flags, kinds = excluded.kinds, changed = excluded.changed, content = excluded.content,
               hash = excluded.hash, ver = excluded.ver",
            &[
                visit.scope.as_bytes(),
                visit.visit.as_bytes(),
                visit.team.as_bytes(),
                visit.author.as_bytes(),
                &visit.household.map(|household| *household.as_bytes()),
                &visit.day.0,
                &visit.status.code(),
                &visit.is_void,
                &visit.is_disputed,
                &visit.flags,
                &visit.kinds.join(" "),
                &int(visit.received.0),
                &int(visit.changed.0),
                visit.content.as_bytes(),
                &visit.hash,
                &int(visit.ver.0),
            ],
        )
    }

    fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<VisitSummary>> {
        // One statement per scope walks the queue's index; the rest of the filter is tested row by row.
        let (received, id) = filter.after.map_or((-1, vec![]), |(at, visit)| (int(at.0), visit.as_bytes().to_vec()));
        let mut found = Vec::new();
        let statuses: Vec<VisitStatus> = filter.status.map_or(VisitStatus::ALL.to_vec(), |status| vec![status]);
        for scope in &filter.scopes {
            for status in &statuses {
                let mut statement = self.connection.prepare_cached(&format!(
                    "SELECT {VISIT_COLUMNS} FROM visit
                     WHERE scope = ?1 AND status = ?2 AND (received, id) > (?3, ?4) ORDER BY received, id"
                ))?;
                let mut rows = statement.query(params![scope.as_bytes(), status.code(), received, id])?;
                let mut taken = 0;
                while let Some(row) = rows.next()?
                    && taken < filter.limit
                {
                    let visit = read_visit(row)?;
                    if filter.passes(&visit) {
                        found.push(visit);
                        taken += 1;
                    }
                }
            }
        }
        found.sort_by_key(|visit| (visit.received, visit.visit));
        found.truncate(filter.limit);
        Ok(found)
    }

    fn add_count(&mut self, key: &CountKey, delta: i64) -> Result<()> {
        self.run(
            "INSERT INTO count (scope, month, team, kind, outcome, status, n) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (scope, month, team, kind, outcome, status) DO UPDATE SET n = n + excluded.n",
            &[
                key.village.as_bytes(),
                &key.month.0,
                key.team.as_bytes(),
                &key.kind,
                &key.outcome,
                &key.status.code(),
                &delta,
            ],
        )
    }

    fn counts(&mut self, villages: &[UnitId], month: Option<Month>) -> Result<Vec<(CountKey, u64)>> {
        let mut found = Vec::new();
        let (low, high) = month.map_or((0, i64::from(u32::MAX)), |month| (i64::from(month.0), i64::from(month.0)));
        for village in villages {
            found.extend(self.many(
                "SELECT month, team, kind, outcome, status, n FROM count
                 WHERE scope = ?1 AND month BETWEEN ?2 AND ?3 AND n <> 0
                 ORDER BY month, team, kind, outcome, status",
                &[village.as_bytes(), &low, &high],
                |row| {
                    let key = CountKey {
                        village: *village,
                        month: Month(row.get(0)?),
                        team: TeamId(id16(row, 1)?),
                        kind: row.get(2)?,
                        outcome: row.get(3)?,
                        status: status_of(&row.get::<_, String>(4)?)?,
                    };
                    Ok((key, unsigned(row.get(5)?)))
                },
            )?);
        }
        found.sort();
        Ok(found)
    }

    fn clear_projections(&mut self) -> Result<()> {
        for table in ["visit", "count", "member_day", "unit_parent", "former_parent"] {
            self.run(&format!("DELETE FROM {table}"), &[])?;
        }
        Ok(())
    }

    fn all_rows(&mut self, ty: RowType, after: Option<Uuid>, limit: usize) -> Result<Vec<(ScopeId, Vec<u8>)>> {
        let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        self.many(
            "SELECT place.scope, row.body FROM place JOIN row USING (scope, ty, id)
             WHERE ty = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            &[&ty.0, &after, &(limit as i64)],
            |row| Ok((ScopeId(id16(row, 0)?), row.get(1)?)),
        )
    }

    fn activities_on(&mut self, author: UserId, day: Day) -> Result<u32> {
        let found =
            self.one("SELECT n FROM member_day WHERE author = ?1 AND day = ?2", &[author.as_bytes(), &day.0], |row| {
                row.get(0)
            })?;
        Ok(found.unwrap_or(0))
    }

    fn add_activities_on(&mut self, author: UserId, day: Day, delta: u32) -> Result<()> {
        self.run(
            "INSERT INTO member_day (author, day, n) VALUES (?1, ?2, ?3)
             ON CONFLICT (author, day) DO UPDATE SET n = n + excluded.n",
            &[author.as_bytes(), &day.0, &delta],
        )
    }

    fn units_below(&mut self, parent: UnitId) -> Result<Vec<UnitId>> {
        self.many("SELECT unit FROM unit_parent WHERE parent = ?1 ORDER BY unit", &[parent.as_bytes()], |row| {
            Ok(UnitId(id16(row, 0)?))
        })
    }

    fn units_below_on(&mut self, parent: UnitId, day: Day) -> Result<Vec<UnitId>> {
        self.many(
            "SELECT unit FROM former_parent WHERE parent = ?1 AND since <= ?2 AND ?2 < until
             UNION
             SELECT unit FROM unit_parent WHERE parent = ?1 AND NOT EXISTS (
               SELECT 1 FROM former_parent AS former
               WHERE former.unit = unit_parent.unit AND former.since <= ?2 AND ?2 < former.until)
             ORDER BY unit",
            &[parent.as_bytes(), &day.0],
            |row| Ok(UnitId(id16(row, 0)?)),
        )
    }

    fn put_unit_parent(&mut self, unit: UnitId, parent: UnitId, former: &[(UnitId, Day, Day)]) -> Result<()> {
        self.run("DELETE FROM unit_parent WHERE unit = ?1", &[unit.as_bytes()])?;
        self.run("INSERT INTO unit_parent (parent, unit) VALUES (?1, ?2)", &[parent.as_bytes(), unit.as_bytes()])?;
        self.run("DELETE FROM former_parent WHERE unit = ?1", &[unit.as_bytes()])?;
        for (parent, since, until) in former {
            self.run(
                "INSERT INTO former_parent (parent, unit, since, until) VALUES (?1, ?2, ?3, ?4)",
                &[parent.as_bytes(), unit.as_bytes(), &since.0, &until.0],
            )?;
        }
        Ok(())
    }

    fn put_snapshot(&mut self, snapshot: &ReportSnapshot) -> Result<()> {
        self.run(
            "INSERT INTO report_snapshot (report, version, scope, at, by_user, event, figures, hash, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            &[
                snapshot.report.as_bytes(),
                &snapshot.version,
                snapshot.scope.as_bytes(),
                &int(snapshot.at.0),
                snapshot.by.as_bytes(),
                &snapshot.event,
                &snapshot.figures,
                &snapshot.hash,
                &snapshot.body,
            ],
        )
    }

    fn snapshot(&mut self, report: Uuid, version: u32) -> Result<Option<ReportSnapshot>> {
        self.one(
            "SELECT report, version, scope, at, by_user, event, figures, hash, body FROM report_snapshot
             WHERE report = ?1 AND version = ?2",
            &[report.as_bytes(), &version],
            read_snapshot,
        )
    }

    fn snapshots(&mut self, report: Uuid) -> Result<Vec<ReportSnapshot>> {
        self.many(
            "SELECT report, version, scope, at, by_user, event, figures, hash, x'' FROM report_snapshot
             WHERE report = ?1 ORDER BY version",
            &[report.as_bytes()],
            read_snapshot,
        )
    }

    fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        self.one("SELECT value FROM meta WHERE key = ?1", &[&key], |row| row.get(0))
    }

    fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.run(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &[&key, &value],
        )
    }
}
