//! The engine for tests: plain maps, one copy of everything per writing transaction. It keeps every promise but one: it
//! forgets when the process ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::RwLock;

use super::*;

/// Everything in memory.
#[derive(Default)]
pub struct MemoryStorage {
    state: RwLock<Tables>,
    closed: std::sync::atomic::AtomicBool,
}

#[derive(Clone, Default)]
struct Tables {
    rows: BTreeMap<(ScopeId, RowType, Uuid), StoredRow>,
    places: BTreeMap<(RowType, Uuid), ScopeId>,
    buckets: BTreeMap<BucketId, BucketRow>,
    outboxes: BTreeMap<Epoch, Outbox>,
    ops: BTreeMap<(Epoch, u64), LoggedOp>,
    uids: BTreeMap<OpUid, (Epoch, u64)>,
    users: BTreeMap<UserId, User>,
    secrets: BTreeMap<UserId, String>,
    grants: BTreeMap<GrantId, Grant>,
    devices: BTreeMap<DeviceId, Device>,
    sessions: BTreeMap<u64, Session>,
    enrolments: BTreeMap<[u8; 32], Enrolment>,
    audit: BTreeMap<(ScopeId, u64), AuditEntry>,
    visits: BTreeMap<VisitId, VisitSummary>,
    counts: BTreeMap<CountKey, i64>,
    member_days: BTreeMap<(UserId, Day), u32>,
    parents: BTreeMap<UnitId, UnitId>,
    former_parents: BTreeMap<UnitId, Vec<(UnitId, Day, Day)>>,
    meta: BTreeMap<String, Vec<u8>>,
    snapshots: BTreeMap<(Uuid, u32), ReportSnapshot>,
}

impl Storage for MemoryStorage {
    fn submit(&self, mut job: Job, done: Done) {
        if self.closed.load(std::sync::atomic::Ordering::SeqCst) {
            return done(Err(StorageError::Busy));
        }
        let result = {
            let mut state = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut copy = state.clone();
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut copy)))
                .unwrap_or_else(|_| Err(StorageError::Failed("a job panicked".into())));
            if result.is_ok() {
                *state = copy;
            }
            result
        };
        done(result);
    }

    fn snapshot(&self, job: &mut dyn FnMut(&mut dyn Tx) -> Result<()>) -> Result<()> {
        let mut copy = self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        job(&mut copy)
    }

    fn backup(&self, _to: &Path) -> Result<()> {
        Err(StorageError::Failed("what lives in memory has no backup".into()))
    }

    fn close(&self) {
        self.closed.store(true, std::sync::atomic::Ordering::SeqCst)
    }
}

fn behind<T: Clone>(rows: impl Iterator<Item = T>, limit: usize) -> Vec<T> {
    rows.take(limit).collect()
}

impl Tx for Tables {
    fn live(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Vec<u8>)>> {
        let Some(scope) = self.places.get(&(ty, id)) else { return Ok(None) };
        Ok(self.rows.get(&(*scope, ty, id)).map(|row| (*scope, row.body.clone())))
    }

    fn row_in(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<Option<(BucketId, Ver, bool)>> {
        Ok(self.rows.get(&(scope, ty, id)).map(|row| (row.bucket, row.ver, row.gone)))
    }

    fn put_row(&mut self, row: &StoredRow) -> Result<()> {
        let scope = row.bucket.scope;
        self.rows.insert((scope, row.ty, row.id), row.clone());
        if !row.gone {
            self.places.insert((row.ty, row.id), scope);
        } else if self.places.get(&(row.ty, row.id)) == Some(&scope) {
            self.places.remove(&(row.ty, row.id));
        }
        Ok(())
    }

    fn rows_after(&mut self, bucket: BucketId, seq: u64, bytes: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut rows: Vec<&StoredRow> =
            self.rows.values().filter(|row| row.bucket == bucket && row.seq > seq).collect();
        rows.sort_by_key(|row| row.seq);
        let mut sum = 0;
        let mut found = Vec::new();
        for row in rows {
            sum += row.body.len();
            if sum > bytes && !found.is_empty() {
                break;
            }
            found.push((row.seq, row.body.clone()));
        }
        Ok(found)
    }

    fn rows_of(&mut self, scope: ScopeId, ty: RowType, after: Option<Uuid>, limit: usize) -> Result<Vec<Vec<u8>>> {
        let rows = self.rows.values().filter(|row| {
            row.bucket.scope == scope && row.ty == ty && !row.gone && after.is_none_or(|after| row.id > after)
        });
        Ok(behind(rows.map(|row| row.body.clone()), limit))
    }

    fn count_rows(&mut self, scope: ScopeId, ty: RowType) -> Result<u64> {
        let rows = self.rows.range((scope, ty, Uuid::nil())..=(scope, ty, Uuid::max()));
        Ok(rows.filter(|(_, row)| !row.gone).count() as u64)
    }

    fn bytes_of(&mut self, scope: ScopeId) -> Result<u64> {
        let rows = self.rows.range((scope, RowType(0), Uuid::nil())..=(scope, RowType(u8::MAX), Uuid::max()));
        Ok(rows.map(|(_, row)| row.body.len() as u64).sum())
    }

    fn row_versions(&mut self, bucket: BucketId) -> Result<Vec<(RowType, Uuid, Ver)>> {
        let mut rows: Vec<&StoredRow> = self.rows.values().filter(|row| row.bucket == bucket).collect();
        rows.sort_by_key(|row| row.seq);
        Ok(rows.into_iter().map(|row| (row.ty, row.id, row.ver)).collect())
    }

    fn bucket(&mut self, bucket: BucketId) -> Result<Option<BucketRow>> {
        Ok(self.buckets.get(&bucket).copied())
    }

    fn put_bucket(&mut self, bucket: BucketId, row: &BucketRow) -> Result<()> {
        self.buckets.insert(bucket, *row);
        Ok(())
    }

    fn buckets_of(&mut self, scope: ScopeId) -> Result<Vec<(BucketId, BucketRow)>> {
        Ok(self.buckets.iter().filter(|(id, _)| id.scope == scope).map(|(id, row)| (*id, *row)).collect())
    }

    fn outbox(&mut self, epoch: Epoch) -> Result<Option<Outbox>> {
        Ok(self.outboxes.get(&epoch).cloned())
    }

    fn put_outbox(&mut self, outbox: &Outbox) -> Result<()> {
        let durable_upto = self.outboxes.get(&outbox.epoch).map_or(outbox.durable_upto, |known| known.durable_upto);
        self.outboxes.insert(outbox.epoch, Outbox { durable_upto, ..outbox.clone() });
        Ok(())
    }

    fn outboxes(&mut self) -> Result<Vec<(Epoch, u64)>> {
        Ok(self.outboxes.values().map(|outbox| (outbox.epoch, outbox.last_n)).collect())
    }

    fn mark_durable(&mut self, epoch: Epoch, upto: u64) -> Result<()> {
        if let Some(outbox) = self.outboxes.get_mut(&epoch) {
            outbox.durable_upto = outbox.durable_upto.max(upto.min(outbox.last_n));
        }
        Ok(())
    }

    fn op(&mut self, epoch: Epoch, n: u64) -> Result<Option<LoggedOp>> {
        Ok(self.ops.get(&(epoch, n)).map(|op| LoggedOp { uid: None, ..op.clone() }))
    }

    fn op_by_uid(&mut self, uid: OpUid) -> Result<Option<(Epoch, u64)>> {
        Ok(self.uids.get(&uid).copied())
    }

    fn put_op(&mut self, op: &LoggedOp) -> Result<()> {
        if let Some(uid) = op.uid {
            self.uids.entry(uid).or_insert((op.epoch, op.n));
        }
        self.ops.insert((op.epoch, op.n), op.clone());
        Ok(())
    }

    fn chains(&mut self, epoch: Epoch, from: u64, to: u64) -> Result<Vec<(u64, Chain)>> {
        if from > to {
            return Ok(Vec::new());
        }
        Ok(self.ops.range((epoch, from)..=(epoch, to)).map(|((_, n), op)| (*n, op.chain)).collect())
    }

    fn kept_ops(&mut self, after: Option<(Epoch, u64)>, limit: usize) -> Result<Vec<LoggedOp>> {
        let rows = self.ops.iter().filter(|(key, op)| op.body.is_some() && after.is_none_or(|after| **key > after));
        Ok(behind(rows.map(|(_, op)| LoggedOp { uid: None, ..op.clone() }), limit))
    }

    fn user(&mut self, id: UserId) -> Result<Option<User>> {
        Ok(self.users.get(&id).cloned())
    }

    fn user_by_phone(&mut self, phone: &str) -> Result<Option<UserId>> {
        Ok(self.users.values().find(|user| user.phone == phone).map(|user| user.id))
    }

    fn put_user(&mut self, user: &User) -> Result<()> {
        if self.users.values().any(|other| other.phone == user.phone && other.id != user.id) {
            return Err(StorageError::Failed("two accounts with one phone number".into()));
        }
        self.users.insert(user.id, user.clone());
        Ok(())
    }

    fn users_of(&mut self, unit: UnitId) -> Result<Vec<User>> {
        Ok(self.users.values().filter(|user| user.unit == unit).cloned().collect())
    }

    fn secret(&mut self, user: UserId) -> Result<Option<String>> {
        Ok(self.secrets.get(&user).cloned())
    }

    fn put_secret(&mut self, user: UserId, phc: &str) -> Result<()> {
        if self.users.contains_key(&user) {
            self.secrets.insert(user, phc.to_owned());
        }
        Ok(())
    }

    fn grant(&mut self, id: GrantId) -> Result<Option<Grant>> {
        Ok(self.grants.get(&id).cloned())
    }

    fn put_grant(&mut self, grant: &Grant) -> Result<()> {
        self.grants.insert(grant.id, grant.clone());
        Ok(())
    }

    fn grants_of(&mut self, user: UserId) -> Result<Vec<Grant>> {
        Ok(self.grants.values().filter(|grant| grant.user == user).cloned().collect())
    }

    fn grants_for(&mut self, unit: UnitId) -> Result<Vec<Grant>> {
        Ok(self.grants.values().filter(|grant| grant.unit == unit).cloned().collect())
    }

    fn device(&mut self, id: DeviceId) -> Result<Option<Device>> {
        Ok(self.devices.get(&id).cloned())
    }

    fn put_device(&mut self, device: &Device) -> Result<()> {
        self.devices.insert(device.id, device.clone());
        Ok(())
    }

    fn devices_of(&mut self, user: UserId) -> Result<Vec<Device>> {
        Ok(self.devices.values().filter(|device| device.user == user).cloned().collect())
    }

    fn session(&mut self, id: u64) -> Result<Option<Session>> {
        Ok(self.sessions.get(&id).cloned())
    }

    fn put_session(&mut self, session: &Session) -> Result<()> {
        self.sessions.insert(session.id, session.clone());
        Ok(())
    }

    fn sessions_of(&mut self, user: UserId) -> Result<Vec<Session>> {
        Ok(self.sessions.values().filter(|session| session.user == user).cloned().collect())
    }

    fn enrolment(&mut self, code_hash: &[u8; 32]) -> Result<Option<Enrolment>> {
        Ok(self.enrolments.get(code_hash).cloned())
    }

    fn put_enrolment(&mut self, enrolment: &Enrolment) -> Result<()> {
        self.enrolments.insert(enrolment.code_hash, enrolment.clone());
        Ok(())
    }

    fn audit_head(&mut self, scope: ScopeId) -> Result<Option<(u64, [u8; 32])>> {
        let last = self.audit.range((scope, 0)..=(scope, u64::MAX)).next_back();
        Ok(last.map(|((_, seq), entry)| (*seq, entry.hash)))
    }

    fn put_audit(&mut self, entry: &AuditEntry) -> Result<()> {
        if self.audit.insert((entry.scope, entry.seq), entry.clone()).is_some() {
            return Err(StorageError::Failed("an audit entry is never written twice".into()));
        }
        Ok(())
    }

    fn audit_after(&mut self, scope: ScopeId, seq: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        let rows = self.audit.range((scope, seq + 1)..=(scope, u64::MAX));
        Ok(behind(rows.map(|(_, entry)| entry.clone()), limit))
    }

    fn audited_scopes(&mut self) -> Result<Vec<ScopeId>> {
        let mut scopes: Vec<ScopeId> = self.audit.keys().map(|(scope, _)| *scope).collect();
        scopes.dedup();
        Ok(scopes)
    }

    fn visit(&mut self, id: VisitId) -> Result<Option<VisitSummary>> {
        Ok(self.visits.get(&id).cloned())
    }

    fn put_visit(&mut self, visit: &VisitSummary) -> Result<()> {
        self.visits.insert(visit.visit, visit.clone());
        Ok(())
    }

    fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<VisitSummary>> {
        let mut found: Vec<VisitSummary> = self
            .visits
            .values()
            .filter(|visit| {
                filter.scopes.contains(&visit.scope)
                    && filter.passes(visit)
                    && filter.after.is_none_or(|after| (visit.received, visit.visit) > after)
            })
            .cloned()
            .collect();
        found.sort_by_key(|visit| (visit.received, visit.visit));
        found.truncate(filter.limit);
        Ok(found)
    }

    fn add_count(&mut self, key: &CountKey, delta: i64) -> Result<()> {
        *self.counts.entry(key.clone()).or_default() += delta;
        Ok(())
    }

    fn counts(&mut self, villages: &[UnitId], month: Option<Month>) -> Result<Vec<(CountKey, u64)>> {
        let cells = self.counts.iter().filter(|(key, n)| {
            **n != 0 && villages.contains(&key.village) && month.is_none_or(|month| key.month == month)
        });
        Ok(cells.map(|(key, n)| (key.clone(), *n as u64)).collect())
    }

    fn clear_projections(&mut self) -> Result<()> {
        self.visits.clear();
        self.counts.clear();
        self.member_days.clear();
        self.parents.clear();
        self.former_parents.clear();
        Ok(())
    }

    fn all_rows(&mut self, ty: RowType, after: Option<Uuid>, limit: usize) -> Result<Vec<(ScopeId, Vec<u8>)>> {
        let places = self.places.range((ty, Uuid::nil())..=(ty, Uuid::max()));
        let rows = places
            .filter(|((_, id), _)| after.is_none_or(|after| *id > after))
            .filter_map(|((_, id), scope)| self.rows.get(&(*scope, ty, *id)).map(|row| (*scope, row.body.clone())));
        Ok(behind(rows, limit))
    }

    fn activities_on(&mut self, author: UserId, day: Day) -> Result<u32> {
        Ok(self.member_days.get(&(author, day)).copied().unwrap_or(0))
    }

    fn add_activities_on(&mut self, author: UserId, day: Day, delta: u32) -> Result<()> {
        *self.member_days.entry((author, day)).or_default() += delta;
        Ok(())
    }

    fn units_below(&mut self, parent: UnitId) -> Result<Vec<UnitId>> {
        Ok(self.parents.iter().filter(|(_, above)| **above == parent).map(|(unit, _)| *unit).collect())
    }

    fn units_below_on(&mut self, parent: UnitId, day: Day) -> Result<Vec<UnitId>> {
        let on = |unit: &UnitId, now: UnitId| {
            let former = self.former_parents.get(unit).into_iter().flatten();
            former.into_iter().find(|(_, since, until)| *since <= day && day < *until).map_or(now, |span| span.0)
        };
        Ok(self.parents.iter().filter(|(unit, now)| on(unit, **now) == parent).map(|(unit, _)| *unit).collect())
    }

    fn put_unit_parent(&mut self, unit: UnitId, parent: UnitId, former: &[(UnitId, Day, Day)]) -> Result<()> {
        self.parents.insert(unit, parent);
        self.former_parents.insert(unit, former.to_vec());
        Ok(())
    }

    fn put_snapshot(&mut self, snapshot: &ReportSnapshot) -> Result<()> {
        if self.snapshots.insert((snapshot.report, snapshot.version), snapshot.clone()).is_some() {
            return Err(StorageError::Failed("a version of a report is never written twice".into()));
        }
        Ok(())
    }

    fn snapshot(&mut self, report: Uuid, version: u32) -> Result<Option<ReportSnapshot>> {
        Ok(self.snapshots.get(&(report, version)).cloned())
    }

    fn snapshots(&mut self, report: Uuid) -> Result<Vec<ReportSnapshot>> {
        let kept = self.snapshots.range((report, 0)..=(report, u32::MAX));
        Ok(kept.map(|(_, kept)| ReportSnapshot { body: Vec::new(), ..kept.clone() }).collect())
    }

    fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.meta.get(key).cloned())
    }

    fn put_meta(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.meta.insert(key.to_owned(), value.to_vec());
        Ok(())
    }
}
