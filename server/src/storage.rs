//! Storage: one trait, several engines, one set of promises (`conformance`).
//!
//! An engine promises: a write is wholly there or not at all; what was answered after `write` survives a crash; reads see
//! one snapshot; positions in a bucket appear in commit order; one failing job harms no other job of the same commit.
//! Rules live elsewhere: nothing here knows what a visit is for.

pub mod conformance;
pub mod memory;
pub mod sqlite;

use std::sync::Arc;

use sync_protocol::count::CountKey;
use sync_protocol::decide::{Grant, User};
use sync_protocol::digest::Digest;
use sync_protocol::ids::*;
use sync_protocol::op::Chain;
use sync_protocol::row::{BucketId, RowType, Ver};
use sync_protocol::workflow::VisitStatus;
use tokio::sync::oneshot;
use uuid::Uuid;

/// What an engine can fail with.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk is full. Nothing of the job was kept.
    #[error("the storage is full")]
    Full,
    /// The store has a schema that this version does not know; it was left alone.
    #[error("the store has schema {found}, this version knows up to {supported}")]
    FromNewerVersion {
        /// In the store.
        found: i64,
        /// Known here.
        supported: i64,
    },
    /// The store is damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Too much is waiting, or the engine is closing; try again later.
    #[error("the storage is busy")]
    Busy,
    /// The job gave up; nothing of it was kept. Why is the job's own business.
    #[error("given up: {0}")]
    GivenUp(Box<dyn std::error::Error + Send + Sync>),
    /// Anything else; the cause is in `source`.
    #[error("the storage failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Shorthand.
pub type Result<T> = std::result::Result<T, StorageError>;

/// A row with its place in a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRow {
    /// The bucket.
    pub bucket: BucketId,
    /// The position; moves forward when the row changes.
    pub seq: u64,
    /// The type.
    pub ty: RowType,
    /// The id.
    pub id: Uuid,
    /// The version.
    pub ver: Ver,
    /// Whether the row only says that it left.
    pub gone: bool,
    /// The row as it travels.
    pub body: Vec<u8>,
}

/// A bucket's counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BucketRow {
    /// Its own generation; the server's epoch is added on the wire.
    pub gen_: u16,
    /// Highest position.
    pub head: u64,
    /// Cursors below this must load the bucket afresh.
    pub floor: u64,
    /// What it holds.
    pub digest: Digest,
}

/// One outbox as the server knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outbox {
    /// Which one.
    pub epoch: Epoch,
    /// The device it lives on.
    pub device: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// The outbox before it, and the first number that is not part of its past.
    pub parent: Option<(Epoch, u64)>,
    /// Highest number held.
    pub last_n: u64,
    /// The chain at that number.
    pub chain: Chain,
    /// Highest number that is also in a backup.
    pub durable_upto: u64,
}

/// An op as it was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedOp {
    /// The outbox.
    pub epoch: Epoch,
    /// Its number.
    pub n: u64,
    /// What names it under any identity.
    pub uid: Option<OpUid>,
    /// The chain at it.
    pub chain: Chain,
    /// The outcome as it travels.
    pub outcome: Vec<u8>,
    /// The bytes as they came, kept while the op has no effect.
    pub body: Option<Vec<u8>>,
    /// When it was received.
    pub received: ServerMs,
}

/// A device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Which one.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// SEC1 bytes of its P-256 key.
    pub public_key: Vec<u8>,
    /// What its owner calls it.
    pub label: String,
    /// When it was enrolled.
    pub created: ServerMs,
    /// When it was revoked.
    pub revoked: Option<ServerMs>,
    /// When it was last heard.
    pub last_seen: ServerMs,
}

/// A session of a device or of a desk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Which one.
    pub id: u64,
    /// Whose.
    pub user: UserId,
    /// On which device; none at the desk.
    pub device: Option<DeviceId>,
    /// The generation of the refresh token that was last used.
    pub refresh_gen: u32,
    /// When it began.
    pub created: ServerMs,
    /// When it was last refreshed.
    pub last_used: ServerMs,
    /// When it was revoked.
    pub revoked: Option<ServerMs>,
}

/// A one-time code that brings a phone in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enrolment {
    /// BLAKE3 of the code, keyed with the server's secret.
    pub code_hash: [u8; 32],
    /// For whom.
    pub user: UserId,
    /// Who gave it out.
    pub by: UserId,
    /// When it ends.
    pub expires: ServerMs,
    /// When it was used.
    pub used: Option<ServerMs>,
}

/// One entry of a scope's audit chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// The scope.
    pub scope: ScopeId,
    /// Place in the scope's chain, from 1.
    pub seq: u64,
    /// `BLAKE3("thonso/audit/1" ‖ hash before ‖ body)`.
    pub hash: [u8; 32],
    /// The entry: deterministic CBOR with 16 random bytes.
    pub body: Vec<u8>,
}

/// A version of a report as it was handed in, or as it stood when its period was closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportSnapshot {
    /// The report's row (`entity::report_id`).
    pub report: Uuid,
    /// 1, 2, 3, …
    pub version: u32,
    /// The unit.
    pub scope: ScopeId,
    /// The server's clock.
    pub at: ServerMs,
    /// Who handed it in or closed the period.
    pub by: UserId,
    /// `submitted` or `closed`.
    pub event: String,
    /// `ReportDocument::figures_hash` of the Vietnamese document.
    pub figures: [u8; 32],
    /// `report::snapshot_hash` of the bytes.
    pub hash: [u8; 32],
    /// `report::freeze`; empty in a list.
    pub body: Vec<u8>,
}

/// A visit as the desk lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VisitSummary {
    /// The scope.
    pub scope: ScopeId,
    /// The visit.
    pub visit: VisitId,
    /// The team.
    pub team: TeamId,
    /// Who recorded it.
    pub author: UserId,
    /// At whose house.
    pub household: Option<HouseholdId>,
    /// The day of the visit.
    pub day: Day,
    /// The status.
    pub status: VisitStatus,
    /// Declared void.
    pub is_void: bool,
    /// People disagree about its content.
    pub is_disputed: bool,
    /// Bits of `row::flag`.
    pub flags: u32,
    /// Kinds of its activities.
    pub kinds: Vec<String>,
    /// When it was received.
    pub received: ServerMs,
    /// When it last changed.
    pub changed: ServerMs,
    /// The event that holds its content.
    pub content: EventId,
    /// What an approval binds to.
    pub hash: [u8; 16],
    /// The version of its state.
    pub ver: Ver,
}

/// Which visits the desk wants. All conditions must hold; results come oldest received first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VisitFilter {
    /// In these scopes only.
    pub scopes: Vec<ScopeId>,
    /// In this status.
    pub status: Option<VisitStatus>,
    /// By this team.
    pub team: Option<TeamId>,
    /// By this member.
    pub author: Option<UserId>,
    /// At one of these households; empty for all.
    pub households: Vec<HouseholdId>,
    /// With an activity of this kind.
    pub kind: Option<String>,
    /// With all of these flags.
    pub flags: u32,
    /// From this day.
    pub from: Option<Day>,
    /// Up to and with this day.
    pub to: Option<Day>,
    /// Behind this place.
    pub after: Option<(ServerMs, VisitId)>,
    /// At most so many.
    pub limit: usize,
}

impl VisitFilter {
    /// Whether a visit passes, apart from scope, place and limit.
    pub fn passes(&self, visit: &VisitSummary) -> bool {
        self.status.is_none_or(|status| visit.status == status)
            && self.team.is_none_or(|team| visit.team == team)
            && self.author.is_none_or(|author| visit.author == author)
            && (self.households.is_empty() || visit.household.is_some_and(|id| self.households.contains(&id)))
            && self.kind.as_ref().is_none_or(|kind| visit.kinds.contains(kind))
            && visit.flags & self.flags == self.flags
            && self.from.is_none_or(|from| visit.day >= from)
            && self.to.is_none_or(|to| visit.day <= to)
    }
}

/// One transaction. Everything is typed; nothing is decided here.
pub trait Tx {
    /// A live row with its scope.
    fn live(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Vec<u8>)>>;
    /// A row, live or gone, in one scope: its bucket, version, and whether it is gone.
    fn row_in(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<Option<(BucketId, Ver, bool)>>;
    /// Writes a row, in place of the one with the same scope, type and id.
    fn put_row(&mut self, row: &StoredRow) -> Result<()>;
    /// Rows of a bucket behind a position, in order, until `bytes` are reached; at least one if there is one.
    fn rows_after(&mut self, bucket: BucketId, seq: u64, bytes: usize) -> Result<Vec<(u64, Vec<u8>)>>;
    /// Live rows of a type in a scope, by id, behind an id.
    fn rows_of(&mut self, scope: ScopeId, ty: RowType, after: Option<Uuid>, limit: usize) -> Result<Vec<Vec<u8>>>;
    /// How many live rows of a type a scope has.
    fn count_rows(&mut self, scope: ScopeId, ty: RowType) -> Result<u64>;
    /// Bytes of all rows of a scope, as they travel.
    fn bytes_of(&mut self, scope: ScopeId) -> Result<u64>;
    /// Every row of a bucket as (type, id, version), for checking digests.
    fn row_versions(&mut self, bucket: BucketId) -> Result<Vec<(RowType, Uuid, Ver)>>;

    /// A bucket's counters. In a writing transaction the bucket is locked until the end.
    fn bucket(&mut self, bucket: BucketId) -> Result<Option<BucketRow>>;
    /// Writes a bucket's counters.
    fn put_bucket(&mut self, bucket: BucketId, row: &BucketRow) -> Result<()>;
    /// All buckets of a scope, sorted.
    fn buckets_of(&mut self, scope: ScopeId) -> Result<Vec<(BucketId, BucketRow)>>;

    /// An outbox.
    fn outbox(&mut self, epoch: Epoch) -> Result<Option<Outbox>>;
    /// Writes an outbox.
    fn put_outbox(&mut self, outbox: &Outbox) -> Result<()>;
    /// All outboxes with the highest number held of each.
    fn outboxes(&mut self) -> Result<Vec<(Epoch, u64)>>;
    /// Notes that an outbox is in a backup up to a number; never goes back.
    fn mark_durable(&mut self, epoch: Epoch, upto: u64) -> Result<()>;
    /// A decided op.
    fn op(&mut self, epoch: Epoch, n: u64) -> Result<Option<LoggedOp>>;
    /// Where an op was decided first.
    fn op_by_uid(&mut self, uid: OpUid) -> Result<Option<(Epoch, u64)>>;
    /// Writes a decided op.
    fn put_op(&mut self, op: &LoggedOp) -> Result<()>;
    /// Chain values of an outbox, from a number up to and with another.
    fn chains(&mut self, epoch: Epoch, from: u64, to: u64) -> Result<Vec<(u64, Chain)>>;
    /// Ops without effect whose bytes are kept, behind a place.
    fn kept_ops(&mut self, after: Option<(Epoch, u64)>, limit: usize) -> Result<Vec<LoggedOp>>;

    /// An account.
    fn user(&mut self, id: UserId) -> Result<Option<User>>;
    /// The account that signs in with a phone number.
    fn user_by_phone(&mut self, phone: &str) -> Result<Option<UserId>>;
    /// Writes an account.
    fn put_user(&mut self, user: &User) -> Result<()>;
    /// Accounts kept under a unit.
    fn users_of(&mut self, unit: UnitId) -> Result<Vec<User>>;
    /// The password hash of an account.
    fn secret(&mut self, user: UserId) -> Result<Option<String>>;
    /// Writes the password hash of an account.
    fn put_secret(&mut self, user: UserId, phc: &str) -> Result<()>;
    /// A grant.
    fn grant(&mut self, id: GrantId) -> Result<Option<Grant>>;
    /// Writes a grant.
    fn put_grant(&mut self, grant: &Grant) -> Result<()>;
    /// A user's grants, ended ones too.
    fn grants_of(&mut self, user: UserId) -> Result<Vec<Grant>>;
    /// Grants for a unit, ended ones too.
    fn grants_for(&mut self, unit: UnitId) -> Result<Vec<Grant>>;

    /// A device.
    fn device(&mut self, id: DeviceId) -> Result<Option<Device>>;
    /// Writes a device.
    fn put_device(&mut self, device: &Device) -> Result<()>;
    /// A user's devices.
    fn devices_of(&mut self, user: UserId) -> Result<Vec<Device>>;
    /// A session.
    fn session(&mut self, id: u64) -> Result<Option<Session>>;
    /// Writes a session.
    fn put_session(&mut self, session: &Session) -> Result<()>;
    /// A user's sessions.
    fn sessions_of(&mut self, user: UserId) -> Result<Vec<Session>>;
    /// An enrolment code.
    fn enrolment(&mut self, code_hash: &[u8; 32]) -> Result<Option<Enrolment>>;
    /// Writes an enrolment code.
    fn put_enrolment(&mut self, enrolment: &Enrolment) -> Result<()>;

    /// The last place and hash of a scope's audit chain.
    fn audit_head(&mut self, scope: ScopeId) -> Result<Option<(u64, [u8; 32])>>;
    /// Appends to an audit chain.
    fn put_audit(&mut self, entry: &AuditEntry) -> Result<()>;
    /// Entries of an audit chain behind a place.
    fn audit_after(&mut self, scope: ScopeId, seq: u64, limit: usize) -> Result<Vec<AuditEntry>>;
    /// The scopes that have an audit chain.
    fn audited_scopes(&mut self) -> Result<Vec<ScopeId>>;

    /// A visit as the desk lists it.
    fn visit(&mut self, id: VisitId) -> Result<Option<VisitSummary>>;
    /// Writes a visit as the desk lists it.
    fn put_visit(&mut self, visit: &VisitSummary) -> Result<()>;
    /// Visits that pass a filter.
    fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<VisitSummary>>;
    /// Adds to a cell of the count.
    fn add_count(&mut self, key: &CountKey, delta: i64) -> Result<()>;
    /// Cells of the count that are not zero, of villages and optionally one month.
    fn counts(&mut self, villages: &[UnitId], month: Option<Month>) -> Result<Vec<(CountKey, u64)>>;
    /// Empties all that can be computed again: visits as listed, counts, activities per day, the unit tree.
    fn clear_projections(&mut self) -> Result<()>;
    /// Events of all scopes in the order of their ids, behind one: for computing projections again.
    fn all_rows(&mut self, ty: RowType, after: Option<Uuid>, limit: usize) -> Result<Vec<(ScopeId, Vec<u8>)>>;
    /// How many activities a member has on a day.
    fn activities_on(&mut self, author: UserId, day: Day) -> Result<u32>;
    /// Adds to the activities of a member on a day.
    fn add_activities_on(&mut self, author: UserId, day: Day, delta: u32) -> Result<()>;
    /// The units directly below one.
    fn units_below(&mut self, parent: UnitId) -> Result<Vec<UnitId>>;
    /// The units that lay directly below one on a day; what lies there now counts for days of which nothing is known.
    fn units_below_on(&mut self, parent: UnitId, day: Day) -> Result<Vec<UnitId>>;
    /// Writes where a unit belongs, and where it belonged: the unit above, the first day, the first day of the next.
    fn put_unit_parent(&mut self, unit: UnitId, parent: UnitId, former: &[(UnitId, Day, Day)]) -> Result<()>;

    /// Keeps a version of a report. One that is there is never replaced.
    fn put_snapshot(&mut self, snapshot: &ReportSnapshot) -> Result<()>;
    /// A version of a report.
    fn snapshot(&mut self, report: Uuid, version: u32) -> Result<Option<ReportSnapshot>>;
    /// The versions of a report in order, without their bytes.
    fn snapshots(&mut self, report: Uuid) -> Result<Vec<ReportSnapshot>>;

    /// A small named value.
    fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Writes a small named value.
    fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<()>;
}

/// A piece of work inside a transaction. It may run more than once (an engine may retry), so it starts from nothing.
pub type Job = Box<dyn FnMut(&mut dyn Tx) -> Result<()> + Send>;
/// What is told when the transaction has ended, one way or the other.
pub type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// An engine.
pub trait Storage: Send + Sync {
    /// Runs a job in a writing transaction, perhaps together with others; answers after the commit is on disk.
    fn submit(&self, job: Job, done: Done);
    /// Runs a job on one snapshot. Blocks the calling thread.
    fn snapshot(&self, job: &mut dyn FnMut(&mut dyn Tx) -> Result<()>) -> Result<()>;
    /// Writes a consistent copy of everything into a file.
    fn backup(&self, to: &std::path::Path) -> Result<()>;
    /// Finishes what was submitted and closes. Later jobs are `Busy`.
    fn close(&self);
}

/// A handle on an engine, with the two calls that the rest of the server uses.
#[derive(Clone)]
pub struct Store(pub Arc<dyn Storage>);

impl Store {
    /// Runs `work` in a writing transaction and gives its result once it is on disk.
    pub async fn write<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let slot = Arc::new(std::sync::Mutex::new(None));
        let filled = Arc::clone(&slot);
        let job: Job = Box::new(move |tx| {
            let value = work(tx)?;
            *lock(&filled) = Some(value);
            Ok(())
        });
        let done: Done = Box::new(move |result| {
            let answer = result.and_then(|()| lock(&slot).take().ok_or(StorageError::Busy));
            // Nobody waits any more: the connection is gone, the work is done all the same.
            drop(sender.send(answer));
        });
        self.0.submit(job, done);
        receiver.await.unwrap_or(Err(StorageError::Busy))
    }

    /// Like `write`, for threads that may block: commands and tests.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let slot = Arc::new(std::sync::Mutex::new(None));
        let filled = Arc::clone(&slot);
        let mut work = work;
        let job: Job = Box::new(move |tx| {
            let value = work(tx)?;
            *lock(&filled) = Some(value);
            Ok(())
        });
        let done: Done = Box::new(move |result| {
            drop(sender.send(result.and_then(|()| lock(&slot).take().ok_or(StorageError::Busy))));
        });
        self.0.submit(job, done);
        receiver.recv().unwrap_or(Err(StorageError::Busy))
    }

    /// Runs `work` on one snapshot, away from the async workers.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let storage = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || Self(storage).read_blocking(work));
        task.await.unwrap_or(Err(StorageError::Busy))
    }

    /// Like `read`, for threads that may block.
    pub fn read_blocking<T>(&self, mut work: impl FnMut(&mut dyn Tx) -> Result<T>) -> Result<T> {
        let mut answer = None;
        self.0.snapshot(&mut |tx| {
            answer = Some(work(tx)?);
            Ok(())
        })?;
        answer.ok_or(StorageError::Busy)
    }
}

/// Locks a mutex; a panic of another holder leaves plain data behind, which is still good.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
