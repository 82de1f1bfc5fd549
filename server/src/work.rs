//! One unit of work: the state that `decide` reads, the changes it makes, and everything that must be written with them.
//!
//! Decisions are taken on an overlay in memory; `finish` writes rows, positions, digests, projections, outcomes and audit
//! entries in one go, counters last. Whatever fails before `finish` leaves no trace.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::calendar::Report;
use sync_protocol::cbor::{Cbor, Ext};
use sync_protocol::count::{CountKey, contributions};
use sync_protocol::decide::{Change, Grant, ReportOf, State, User, initial_state};
use sync_protocol::entity::{
    PeriodStatus, ReportState, Review, UnitParent, VisitContent, VisitPointer, VisitStatusValue, period, report,
    report_id, unit, visit_state,
};
use sync_protocol::ids::*;
use sync_protocol::int_map;
use sync_protocol::museum::{self, Exhibit};
use sync_protocol::op::read_content;
use sync_protocol::report::snapshot_hash;
use sync_protocol::row::{BucketId, Event, Register, Row, RowType, Ver, read_row};
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

use crate::reading::reports::{FrozenReport, freeze_report};
use crate::storage::{AuditEntry, BucketRow, ReportSnapshot, Result, StorageError, StoredRow, Tx, VisitSummary};

int_map! {
    /// What an audit entry says. No names, no answers: ids and codes only.
    pub struct AuditBody {
        /// Random, so that the hash that outlives an erasure cannot be guessed.
        0 => salt: req [u8; 16],
        /// The server's clock.
        1 => at: req ServerMs,
        /// Who.
        2 => actor: req UserId,
        /// With which device; left out for the desk's own work and for commands.
        3 => device: opt DeviceId,
        /// What: an op's name, or the name of a reading.
        4 => action: req String,
        /// About which row.
        5 => object: opt Uuid,
        /// How it ended: a verdict or a code.
        6 => outcome: req String,
        /// Why, where a reason was asked.
        7 => reason: opt String,
    }
}

/// A row that waits to be written.
struct Pending {
    bucket: BucketId,
    ver: Ver,
    gone: bool,
    is_new: bool,
    body: Vec<u8>,
}

/// What a visit counted as before this unit of work touched it.
struct Before {
    summary: Option<VisitSummary>,
    cells: Vec<CountKey>,
}

type RowKey = (ScopeId, RowType, Uuid);

/// An audit entry that waits for its place in the chain.
struct PendingAudit {
    scope: ScopeId,
    body: AuditBody,
}

/// State, overlay and pending writes of one transaction.
pub struct Work<'t> {
    tx: &'t mut dyn Tx,
    received: ServerMs,
    registers: BTreeMap<(RowType, Uuid), Option<(ScopeId, Register)>>,
    events: BTreeMap<EventId, Option<(ScopeId, Event)>>,
    gone: BTreeSet<RowKey>,
    pending: BTreeMap<RowKey, Pending>,
    order: Vec<RowKey>,
    users: BTreeMap<UserId, Option<User>>,
    dirty_users: BTreeSet<UserId>,
    grants: BTreeMap<GrantId, Option<Grant>>,
    dirty_grants: BTreeSet<GrantId>,
    authors: BTreeMap<Epoch, Option<UserId>>,
    member_days: BTreeMap<(UserId, Day), (u32, u32)>,
    visits: BTreeMap<VisitId, Before>,
    audit: Vec<PendingAudit>,
    /// The report that was last made to be handed in, by its row's id.
    made: Option<(Uuid, FrozenReport)>,
    handed_in: Vec<(ScopeId, Uuid, UserId, FrozenReport)>,
    closed: Vec<(UnitId, Month, UserId)>,
}

fn unreadable(what: &str) -> StorageError {
    StorageError::Damaged(format!("an unreadable {what} in the store"))
}

fn register_of(bytes: &[u8]) -> Result<Register> {
    Register::from_cbor(bytes).map_err(|_| unreadable("register"))
}

fn event_of(bytes: &[u8]) -> Result<Event> {
    Event::from_cbor(bytes).map_err(|_| unreadable("event"))
}

impl<'t> Work<'t> {
    /// Starts on a transaction. `received` is the server's clock for everything in it.
    pub fn new(tx: &'t mut dyn Tx, received: ServerMs) -> Self {
        Self {
            tx,
            received,
            registers: BTreeMap::new(),
            events: BTreeMap::new(),
            gone: BTreeSet::new(),
            pending: BTreeMap::new(),
            order: Vec::new(),
            users: BTreeMap::new(),
            dirty_users: BTreeSet::new(),
            grants: BTreeMap::new(),
            dirty_grants: BTreeSet::new(),
            authors: BTreeMap::new(),
            member_days: BTreeMap::new(),
            visits: BTreeMap::new(),
            audit: Vec::new(),
            made: None,
            handed_in: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// The transaction itself, for what is not decided: outboxes, logged ops, sessions.
    pub fn tx(&mut self) -> &mut dyn Tx {
        self.tx
    }

    /// Whose outbox an epoch is, known before it is stored.
    pub fn know_author(&mut self, epoch: Epoch, user: UserId) {
        self.authors.insert(epoch, Some(user));
    }

    /// Takes the changes of a decision over; later decisions see them.
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<()> {
        for change in changes {
            match change {
                Change::PutRegister { scope, register } => {
                    if register.ty == RowType::VISIT_STATE {
                        self.remember_visit(VisitId(register.id))?;
                    }
                    self.put_register(scope, register)?;
                }
                Change::Move { from, to, register } => {
                    let mut ver = register.ver;
                    if museum::on(Exhibit::DeletesTie) {
                        ver = self.tx.row_in(from, register.ty, register.id)?.map_or(ver, |(_, before, _)| before);
                    }
                    let tombstone = register.tombstone(ver);
                    self.gone.insert((from, register.ty, register.id));
                    self.enqueue(from, &Row::Register(tombstone), false);
                    self.gone.remove(&(to, register.ty, register.id));
                    self.put_register(to, register)?;
                }
                Change::PutEvent { scope, event } => {
                    self.remember_visit(event.visit_id())?;
                    if event.row_type() == RowType::VISIT_RECORDED {
                        let content = read_content(&event.body).map_err(|_| unreadable("content"))?;
                        let many = u32::try_from(content.activities.len()).unwrap_or(u32::MAX);
                        let day = self.member_day(event.author, content.day)?;
                        day.1 = day.1.saturating_add(many);
                    }
                    self.enqueue(scope, &Row::Event(event.clone()), true);
                    self.events.insert(event.id, Some((scope, event)));
                }
                Change::PutUser(user) => {
                    self.dirty_users.insert(user.id);
                    self.users.insert(user.id, Some(user));
                }
                Change::PutGrant(grant) => {
                    self.dirty_grants.insert(grant.id);
                    self.grants.insert(grant.id, Some(grant));
                }
            }
        }
        Ok(())
    }

    fn put_register(&mut self, scope: ScopeId, register: Register) -> Result<()> {
        if register.ty == RowType::UNIT
            && let Some(parent) = register.group::<UnitParent>(unit::PARENT)
        {
            self.tx.put_unit_parent(UnitId(register.id), parent.parent, &former(&parent))?;
        }
        self.note_report(scope, &register)?;
        let known = self.registers.get(&(register.ty, register.id));
        let is_new = matches!(known, Some(None)) && register.ver.0 & 0xffff_ffff_ffff == 1;
        self.enqueue(scope, &Row::Register(register.clone()), is_new);
        self.registers.insert((register.ty, register.id), Some((scope, register)));
        Ok(())
    }

    /// Notes what is to be kept: a report that is handed in, and those of a commune that closes a month.
    fn note_report(&mut self, scope: ScopeId, register: &Register) -> Result<()> {
        match register.ty {
            RowType::REPORT => {
                let state: Option<ReportState> = register.group(report::STATE);
                let Some(state) = state.filter(|state| state.status == "submitted") else { return Ok(()) };
                if let Some((id, made)) = self.made.take_if(|(id, _)| *id == register.id)
                    && state.snapshot == Some(made.figures)
                {
                    self.handed_in.push((scope, id, state.by, made));
                }
            }
            RowType::PERIOD => {
                let (Some(now), Some(group)) =
                    (register.group::<PeriodStatus>(period::STATUS), register.groups.get(&period::STATUS))
                else {
                    return Ok(());
                };
                let before = self.register(RowType::PERIOD, register.id)?;
                let was_open =
                    before.and_then(|(_, row)| row.group::<PeriodStatus>(period::STATUS)).is_none_or(|was| was.open);
                let by = group.stamps.first().map(|stamp| stamp.epoch);
                let by = by.map(|epoch| self.author_of(epoch)).transpose()?.flatten();
                if was_open && !now.open {
                    self.closed.push((now.commune, now.month, by.unwrap_or(UserId(Uuid::nil()))));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps versions of reports, when everything else is written.
    fn keep_reports(&mut self) -> Result<()> {
        for (scope, id, by, report) in std::mem::take(&mut self.handed_in) {
            self.keep_report((scope, id), by, "submitted", report)?;
        }
        for (commune, month, by) in std::mem::take(&mut self.closed) {
            let kind = Report::CommuneMonth;
            if let Some(report) = freeze_report(self.tx, self.received, (commune, kind, month), None)? {
                self.keep_report((commune.into(), report_id(commune, kind.code(), month)), by, "closed", report)?;
            }
        }
        Ok(())
    }

    fn keep_report(
        &mut self,
        (scope, id): (ScopeId, Uuid),
        by: UserId,
        event: &str,
        report: FrozenReport,
    ) -> Result<()> {
        let last = self.tx.snapshots(id)?.last().map_or(0, |last| last.version);
        self.tx.put_snapshot(&ReportSnapshot {
            report: id,
            version: last + 1,
            scope,
            at: self.received,
            by,
            event: event.to_owned(),
            figures: report.figures,
            hash: snapshot_hash(&report.body),
            body: report.body,
        })
    }

    fn enqueue(&mut self, scope: ScopeId, row: &Row, is_new: bool) {
        let key = (scope, row.ty(), row.id());
        let waiting = self.pending.get(&key);
        let is_new = waiting.map_or(is_new, |waiting| waiting.is_new);
        if waiting.is_none() {
            self.order.push(key);
        }
        let pending = Pending {
            bucket: BucketId::of(scope, row.ty(), self.received),
            ver: row.ver(),
            gone: row.is_tombstone(),
            is_new,
            body: row.cbor(),
        };
        self.pending.insert(key, pending);
    }

    fn member_day(&mut self, author: UserId, day: Day) -> Result<&mut (u32, u32)> {
        if !self.member_days.contains_key(&(author, day)) {
            let stored = self.tx.activities_on(author, day)?;
            self.member_days.insert((author, day), (stored, 0));
        }
        self.member_days.get_mut(&(author, day)).ok_or_else(|| unreadable("count"))
    }

    /// Notes what a visit counts as before it changes for the first time here.
    fn remember_visit(&mut self, visit: VisitId) -> Result<()> {
        if self.visits.contains_key(&visit) {
            return Ok(());
        }
        let before = match self.summarise(visit)? {
            Some((summary, content)) => {
                let cells = contributions(&content, summary.status, summary.is_void);
                Before { summary: Some(summary), cells }
            }
            None => Before { summary: None, cells: Vec::new() },
        };
        self.visits.insert(visit, before);
        Ok(())
    }

    /// A visit as it stands in this unit of work.
    pub fn summarise(&mut self, visit: VisitId) -> Result<Option<(VisitSummary, VisitContent)>> {
        let Some((scope, recorded)) = self.event(visit.into())? else { return Ok(None) };
        let state = match self.register(RowType::VISIT_STATE, visit.0)? {
            Some((_, state)) => state,
            None => initial_state(&recorded),
        };
        let pointer: VisitPointer = state.group(visit_state::CONTENT).ok_or_else(|| unreadable("visit state"))?;
        let status = state
            .group::<VisitStatusValue>(visit_state::STATUS)
            .and_then(|status| VisitStatus::from_code(&status.status))
            .ok_or_else(|| unreadable("visit status"))?;
        let held = if pointer.event == recorded.id {
            recorded.clone()
        } else {
            self.event(pointer.event)?.ok_or_else(|| unreadable("content event"))?.1
        };
        let content = read_content(&held.body).map_err(|_| unreadable("content"))?;
        let mut kinds: Vec<String> = content.activities.iter().map(|activity| activity.kind.clone()).collect();
        kinds.sort();
        kinds.dedup();
        // From the rows alone, so that computing it again gives the same.
        let reviewed = state.group::<Review>(visit_state::REVIEW).map_or(ServerMs(0), |review| review.at);
        let changed = recorded.received.max(held.received).max(reviewed);
        let summary = VisitSummary {
            scope,
            visit,
            team: content.team,
            author: recorded.author,
            household: content.household,
            day: content.day,
            status,
            is_void: pointer.voided_by.is_some(),
            is_disputed: state.groups.get(&visit_state::CONTENT).is_some_and(|group| group.case.is_some()),
            flags: recorded.flags | held.flags,
            kinds,
            received: recorded.received,
            changed,
            content: pointer.event,
            hash: pointer.hash,
            ver: state.ver,
        };
        Ok(Some((summary, content)))
    }

    /// Adds an entry to the audit chain of a scope, in the same transaction as what it tells of.
    pub fn audit(&mut self, scope: ScopeId, body: AuditBody) {
        self.audit.push(PendingAudit { scope, body })
    }

    /// Writes everything. Counters of buckets are taken last, in sorted order.
    pub fn finish(mut self) -> Result<()> {
        let touched: Vec<VisitId> = self.visits.keys().copied().collect();
        let mut deltas = BTreeMap::new();
        for visit in touched {
            self.project(visit, &mut deltas)?;
        }
        self.add_counts(deltas)?;
        for ((author, day), (_, more)) in std::mem::take(&mut self.member_days) {
            if more > 0 {
                self.tx.add_activities_on(author, day, more)?;
            }
        }
        for user in std::mem::take(&mut self.dirty_users) {
            if let Some(Some(user)) = self.users.get(&user) {
                self.tx.put_user(user)?;
            }
        }
        for grant in std::mem::take(&mut self.dirty_grants) {
            if let Some(Some(grant)) = self.grants.get(&grant) {
                self.tx.put_grant(grant)?;
            }
        }
        self.write_audit()?;
        let commits = commits_of(self.tx)? + 1;
        self.tx.put_meta(COMMITS_KEY, &commits.to_be_bytes())?;
        self.write_rows()?;
        self.keep_reports()
    }

    /// Writes a visit's line for the desk and adds up what changes in the counts.
    fn project(&mut self, visit: VisitId, deltas: &mut BTreeMap<CountKey, i64>) -> Result<()> {
        let Some((summary, content)) = self.summarise(visit)? else { return Ok(()) };
        let Some(before) = self.visits.remove(&visit) else { return Ok(()) };
        for cell in before.cells {
            *deltas.entry(cell).or_default() -= 1;
        }
        for cell in contributions(&content, summary.status, summary.is_void) {
            *deltas.entry(cell).or_default() += 1;
        }
        if before.summary.as_ref() != Some(&summary) {
            self.tx.put_visit(&summary)?;
        }
        Ok(())
    }

    fn add_counts(&mut self, deltas: BTreeMap<CountKey, i64>) -> Result<()> {
        for (cell, delta) in deltas {
            if delta != 0 {
                self.tx.add_count(&cell, delta)?;
            }
        }
        Ok(())
    }

    fn write_audit(&mut self) -> Result<()> {
        let mut heads: BTreeMap<ScopeId, (u64, [u8; 32])> = BTreeMap::new();
        for PendingAudit { scope, body } in std::mem::take(&mut self.audit) {
            let (seq, hash) = match heads.get(&scope) {
                Some(head) => *head,
                None => self.tx.audit_head(scope)?.unwrap_or((0, [0; 32])),
            };
            let entry = audit_entry(scope, seq + 1, &hash, body.cbor());
            heads.insert(scope, (entry.seq, entry.hash));
            self.tx.put_audit(&entry)?;
        }
        Ok(())
    }

    fn write_rows(&mut self) -> Result<()> {
        let mut by_bucket: BTreeMap<BucketId, Vec<RowKey>> = BTreeMap::new();
        for key in std::mem::take(&mut self.order) {
            if let Some(pending) = self.pending.get(&key) {
                by_bucket.entry(pending.bucket).or_default().push(key);
            }
        }
        for (id, keys) in by_bucket {
            let mut bucket = self.tx.bucket(id)?.unwrap_or_default();
            for key in keys {
                let Some(pending) = self.pending.remove(&key) else { continue };
                let (scope, ty, row_id) = key;
                if !pending.is_new
                    && let Some((old, ver, gone)) = self.tx.row_in(scope, ty, row_id)?
                    && !(gone && museum::on(Exhibit::TombstonePurged))
                {
                    // A row keeps its bucket: only events have quarters, and events do not change.
                    debug_assert_eq!(old, id);
                    bucket.digest.remove(ty, row_id, ver);
                }
                if !(pending.gone && museum::on(Exhibit::TombstonePurged)) {
                    bucket.digest.add(ty, row_id, pending.ver);
                }
                bucket.head += 1;
                self.tx.put_row(&StoredRow {
                    bucket: id,
                    seq: bucket.head,
                    ty,
                    id: row_id,
                    ver: pending.ver,
                    gone: pending.gone,
                    body: pending.body,
                })?;
            }
            self.tx.put_bucket(id, &bucket)?;
        }
        Ok(())
    }
}

/// What a unit lay in before; the first of it also on days before any that is known.
fn former(parent: &UnitParent) -> Vec<(UnitId, Day, Day)> {
    let spans = parent.spans().into_iter().enumerate();
    let since = |at: usize, from: Day| if at == 0 { Day(0) } else { from };
    spans.filter_map(|(at, (parent, from, until))| Some((parent, since(at, from), until?))).collect()
}

/// Where the store counts its units of work.
const COMMITS_KEY: &str = "commits";

/// How many units of work the store has seen. Kept also outside: a store that has seen fewer was restored.
pub fn commits_of(tx: &mut dyn Tx) -> Result<u64> {
    let bytes = tx.meta(COMMITS_KEY)?;
    Ok(bytes.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map_or(0, u64::from_be_bytes))
}

/// The next entry of an audit chain.
pub fn audit_entry(scope: ScopeId, seq: u64, before: &[u8; 32], body: Vec<u8>) -> AuditEntry {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/audit/1");
    hasher.update(before);
    hasher.update(&body);
    AuditEntry { scope, seq, hash: *hasher.finalize().as_bytes(), body }
}

/// Checks every audit chain from its first entry. Gives the first entry of each chain that does not follow.
pub fn verify_audit(tx: &mut dyn Tx) -> Result<Vec<(ScopeId, u64)>> {
    const PAGE: usize = 500;
    let mut broken = Vec::new();
    for scope in tx.audited_scopes()? {
        let (mut seq, mut hash) = (0, [0; 32]);
        'chain: loop {
            let page = tx.audit_after(scope, seq, PAGE)?;
            for entry in &page {
                let expected = audit_entry(scope, seq + 1, &hash, entry.body.clone());
                if *entry != expected {
                    broken.push((scope, seq + 1));
                    break 'chain;
                }
                (seq, hash) = (entry.seq, entry.hash);
            }
            if page.len() < PAGE {
                break;
            }
        }
    }
    Ok(broken)
}

/// Recounts every bucket of a scope from its rows. Gives those whose counters are wrong.
pub fn verify_digests(tx: &mut dyn Tx, scope: ScopeId) -> Result<Vec<BucketId>> {
    let mut wrong = Vec::new();
    for (id, row) in tx.buckets_of(scope)? {
        let mut digest = sync_protocol::digest::Digest::default();
        for (ty, row_id, ver) in tx.row_versions(id)? {
            digest.add(ty, row_id, ver);
        }
        if digest != row.digest {
            wrong.push(id);
        }
    }
    Ok(wrong)
}

/// Computes all projections again from the rows, in the writing transaction. The result is the same as before, or the
/// projections were wrong.
pub fn rebuild_projections(tx: &mut dyn Tx) -> Result<u64> {
    const PAGE: usize = 500;
    tx.clear_projections()?;
    let mut after = None;
    loop {
        let page = tx.all_rows(RowType::UNIT, after, PAGE)?;
        for (_, bytes) in &page {
            let register = register_of(bytes)?;
            after = Some(register.id);
            if let Some(parent) = register.group::<UnitParent>(unit::PARENT) {
                tx.put_unit_parent(UnitId(register.id), parent.parent, &former(&parent))?;
            }
        }
        if page.len() < PAGE {
            break;
        }
    }
    let (mut after, mut visits) = (None, 0);
    let mut deltas = BTreeMap::new();
    loop {
        let page = tx.all_rows(RowType::VISIT_RECORDED, after, PAGE)?;
        for (_, bytes) in &page {
            let event = event_of(bytes)?;
            after = Some(event.id.0);
            let content = read_content(&event.body).map_err(|_| unreadable("content"))?;
            let many = u32::try_from(content.activities.len()).unwrap_or(u32::MAX);
            tx.add_activities_on(event.author, content.day, many)?;
            let mut work = Work::new(tx, ServerMs(0));
            work.visits.insert(event.visit_id(), Before { summary: None, cells: Vec::new() });
            work.project(event.visit_id(), &mut deltas)?;
            visits += 1;
        }
        if page.len() < PAGE {
            Work::new(tx, ServerMs(0)).add_counts(deltas)?;
            return Ok(visits);
        }
    }
}

impl State for Work<'_> {
    type Error = StorageError;

    fn register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>> {
        if let Some(known) = self.registers.get(&(ty, id)) {
            return Ok(known.clone());
        }
        let found = match self.tx.live(ty, id)? {
            Some((scope, bytes)) => Some((scope, register_of(&bytes)?)),
            None => None,
        };
        self.registers.insert((ty, id), found.clone());
        Ok(found)
    }

    fn registers_in(&mut self, scope: ScopeId, ty: RowType) -> Result<Vec<Register>> {
        const PAGE: usize = 500;
        let (mut found, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.tx.rows_of(scope, ty, after, PAGE)?;
            for bytes in &page {
                let register = register_of(bytes)?;
                after = Some(register.id);
                found.insert(register.id, register);
            }
            if page.len() < PAGE {
                break;
            }
        }
        for ((_, id), known) in self.registers.iter().filter(|((of, _), _)| *of == ty) {
            match known {
                Some((at, register)) if *at == scope => drop(found.insert(*id, register.clone())),
                _ => drop(found.remove(id)),
            }
        }
        Ok(found.into_values().collect())
    }

    fn has_left(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<bool> {
        if self.gone.contains(&(scope, ty, id)) {
            return Ok(true);
        }
        Ok(self.tx.row_in(scope, ty, id)?.is_some_and(|(_, _, gone)| gone))
    }

    fn event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>> {
        if let Some(known) = self.events.get(&id) {
            return Ok(known.clone());
        }
        for ty in [RowType::VISIT_RECORDED, RowType::VISIT_CORRECTED, RowType::VISIT_VOIDED] {
            if let Some((scope, bytes)) = self.tx.live(ty, id.0)? {
                let found = Some((scope, event_of(&bytes)?));
                self.events.insert(id, found.clone());
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn report_figures(&mut self, of: &ReportOf<'_>) -> Result<Option<[u8; 32]>> {
        let asked = (of.unit, of.report, of.month);
        let made = freeze_report(self.tx, self.received, asked, Some(of.texts))?;
        let id = report_id(of.unit, of.report.code(), of.month);
        self.made = made.map(|made| (id, made));
        Ok(self.made.as_ref().map(|(_, made)| made.figures))
    }

    fn activities_on(&mut self, author: UserId, day: Day) -> Result<u32> {
        let (stored, more) = *self.member_day(author, day)?;
        Ok(stored.saturating_add(more))
    }

    fn author_of(&mut self, epoch: Epoch) -> Result<Option<UserId>> {
        if let Some(known) = self.authors.get(&epoch) {
            return Ok(*known);
        }
        let found = self.tx.outbox(epoch)?.map(|outbox| outbox.user);
        self.authors.insert(epoch, found);
        Ok(found)
    }

    fn user(&mut self, id: UserId) -> Result<Option<User>> {
        if let Some(known) = self.users.get(&id) {
            return Ok(known.clone());
        }
        let found = self.tx.user(id)?;
        self.users.insert(id, found.clone());
        Ok(found)
    }

    fn user_by_phone(&mut self, phone: &str) -> Result<Option<UserId>> {
        let waiting = self.users.values().flatten().find(|user| user.phone == phone).map(|user| user.id);
        match waiting {
            Some(user) => Ok(Some(user)),
            None => self.tx.user_by_phone(phone),
        }
    }

    fn grant(&mut self, id: GrantId) -> Result<Option<Grant>> {
        if let Some(known) = self.grants.get(&id) {
            return Ok(known.clone());
        }
        let found = self.tx.grant(id)?;
        self.grants.insert(id, found.clone());
        Ok(found)
    }

    fn grants_of(&mut self, user: UserId) -> Result<Vec<Grant>> {
        let mut grants: BTreeMap<GrantId, Grant> =
            self.tx.grants_of(user)?.into_iter().map(|grant| (grant.id, grant)).collect();
        for grant in self.grants.values().flatten().filter(|grant| grant.user == user) {
            grants.insert(grant.id, grant.clone());
        }
        Ok(grants.into_values().collect())
    }
}

/// Reads a stored row in full.
pub fn stored_row(bytes: &[u8]) -> Result<Row> {
    read_row(bytes).map_err(|_| unreadable("row"))
}

/// A bucket's generation on the wire: the server's epoch above the bucket's own.
pub fn wire_gen(server_epoch: u16, bucket: &BucketRow) -> u32 {
    (u32::from(server_epoch) << 16) | u32::from(bucket.gen_)
}

/// An audit body without optional parts.
pub fn audit_body(salt: [u8; 16], at: ServerMs, actor: UserId, action: &str, outcome: &str) -> AuditBody {
    AuditBody {
        salt,
        at,
        actor,
        device: None,
        action: action.to_owned(),
        object: None,
        outcome: outcome.to_owned(),
        reason: None,
        ext: Ext::default(),
    }
}
