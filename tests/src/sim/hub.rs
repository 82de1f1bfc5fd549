//! The server of a world: the real store over a disk that fails, the real exchange and desk, and the judge who looks on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use faultdisk::{Disk, Faults, Files, Loss};
use server::desk::Desk;
use server::keys::{CursorKey, EpochFile};
use server::reading::Reading;
use server::reading::figures::{FigureQuery, FiguresView};
use server::startup::epoch_at_start;
use server::storage::sqlite::SqliteStorage;
use server::storage::{Device, Session, StorageError, Store, Tx, VisitFilter};
use server::sync::{SERVER_EPOCH_KEY, Secrets, SyncError, SyncService, server_epoch_of};
use server::work::{Work, commits_of, rebuild_projections, verify_audit, verify_digests};
use sync_protocol::cbor::{self, Cbor, Ext, Raw};
use sync_protocol::decide::Change;
use sync_protocol::entity::{
    CaseSides, CaseStatusValue, CaseSubject, PlanStatus, VisitPointer, case, plan, visit_state,
};
use sync_protocol::ids::*;
use sync_protocol::op::{Chain, Intent, Op};
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{BucketId, Class, Register, Row, RowType, Standing, Ver, read_row};
use sync_protocol::wire::{FrameKind, Frames, Hello, OpsFrame, Outcomes, RowsFrame, SealedHello};
use uuid::Uuid;

use super::model::{Made, Model, OpIx, RowKey, Side, Touched};
use super::report::{Stats, Stop};
use super::rng::Rng;

/// What every text of this world starts with; six digits and a small letter follow.
pub const MARK: &[u8] = b"Zq";
/// Bytes of a marker.
pub const MARK_BYTES: usize = 9;

/// The running half of the server.
struct Running {
    store: Store,
    sync: Arc<SyncService>,
    desk: Desk,
    reading: Reading,
}

/// What was put aside of the server, and the world as it was then.
#[derive(Clone)]
pub struct Backup {
    files: Files,
    beside: Option<EpochFile>,
    model: Model,
}

/// A row of a bucket, as the server would send it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its position.
    pub seq: u64,
    /// Its version.
    pub ver: Ver,
    /// Whether it only says that it left.
    pub gone: bool,
    /// The row.
    pub body: Vec<u8>,
}

/// Buckets with their generation on the wire, their head and their rows.
pub type Buckets = BTreeMap<BucketId, (u32, u64, Vec<Placed>)>;

/// The server and everything that is not on a phone.
pub struct Hub {
    /// Its disk.
    pub disk: Disk,
    running: Option<Running>,
    secrets: Secrets,
    clock: Arc<AtomicU64>,
    random: server::sync::Random,
    beside: Option<EpochFile>,
    raised: Arc<Mutex<Option<u16>>>,
    /// The judge.
    pub model: Model,
    /// Every op that anybody made.
    pub made: Vec<Made>,
    by_uid: BTreeMap<OpUid, OpIx>,
    /// What a version of a row stood for: the ops behind it. Kept over restores, because phones remember.
    known: BTreeMap<(u32, RowKey, Ver), BTreeSet<OpIx>>,
    /// Where each marker ever was.
    pub marks: BTreeMap<u32, BTreeSet<ScopeId>>,
    /// Which restore of the server this is.
    pub history: u32,
    /// Counters.
    pub stats: Stats,
    /// The fingerprint of everything that happened.
    pub trace: blake3::Hasher,
    /// Outboxes that were ever heard of.
    pub epochs: BTreeSet<Epoch>,
    /// When the world began.
    pub began: u64,
    by_row: BTreeMap<Uuid, OpIx>,
    offered: BTreeMap<(Epoch, u64), Vec<Vec<u8>>>,
    devices: BTreeMap<Epoch, DeviceId>,
    next_mark: u32,
    armed: bool,
    fired: faultdisk::Stats,
    frame_bytes: usize,
    wrong_counters: BTreeSet<BucketId>,
    /// Counters of the server were wrong at some time: repairs are no false alarm.
    pub was_spoilt: bool,
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O needs nothing");
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

impl Hub {
    /// A server with an empty store.
    pub fn new(seed: u64, now: u64, frame_bytes: usize, template: &Files) -> Result<Self, Stop> {
        let disk = Disk::new();
        disk.import(template);
        let chance = Mutex::new(Rng::new(seed ^ 0x5e12_7e12));
        let mut hub = Self {
            disk,
            running: None,
            secrets: Secrets::of(&CursorKey::from_bytes([5; 32])),
            clock: Arc::new(AtomicU64::new(now)),
            random: Arc::new(move |bytes| chance.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes)),
            beside: None,
            raised: Arc::default(),
            model: Model::default(),
            made: Vec::new(),
            by_uid: BTreeMap::new(),
            known: BTreeMap::new(),
            marks: BTreeMap::new(),
            history: 0,
            stats: Stats::default(),
            trace: blake3::Hasher::new(),
            epochs: BTreeSet::new(),
            began: now,
            by_row: BTreeMap::new(),
            offered: BTreeMap::new(),
            devices: BTreeMap::new(),
            next_mark: 0,
            armed: false,
            fired: faultdisk::Stats::default(),
            frame_bytes,
            wrong_counters: BTreeSet::new(),
            was_spoilt: false,
        };
        hub.open()?;
        Ok(hub)
    }

    /// The clock.
    pub fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// The clock itself.
    pub fn clock(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.clock)
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    /// Notes something in the fingerprint.
    pub fn note(&mut self, bytes: &[u8]) {
        self.trace.update(&(bytes.len() as u64).to_be_bytes());
        self.trace.update(bytes);
    }

    /// A text that occurs nowhere else, and where it may be read.
    pub fn mark(&mut self, scope: ScopeId) -> String {
        self.next_mark += 1;
        let mark = self.next_mark;
        self.marks.entry(mark).or_default().insert(scope);
        format!("Zq{mark:06}z")
    }

    fn store(&self) -> Store {
        self.running.as_ref().expect("the server runs between steps").store.clone()
    }

    fn open(&mut self) -> Result<(), Stop> {
        let storage = SqliteStorage::open(&self.disk.path("server.sqlite3"))?;
        let store = Store(Arc::new(storage));
        let (stored, commits) = store.read_blocking(|tx| Ok((server_epoch_of(tx)?, commits_of(tx)?)))?;
        let (server_epoch, is_new) = epoch_at_start(self.beside, stored, commits, ServerMs(self.now()));
        if server_epoch != stored {
            store.write_blocking(move |tx| tx.put_meta(SERVER_EPOCH_KEY, &server_epoch.to_be_bytes()))?;
        }
        if is_new {
            self.stats.reach("server_epoch_raised_at_start");
        }
        self.beside = Some(EpochFile { server_epoch, high_water: commits });
        let clock: server::sync::Clock = {
            let clock = Arc::clone(&self.clock);
            Arc::new(move || ServerMs(clock.load(Ordering::SeqCst)))
        };
        let told = Arc::clone(&self.raised);
        let sync = Arc::new(
            SyncService::new(
                store.clone(),
                self.secrets.clone(),
                server_epoch,
                Arc::clone(&clock),
                Arc::clone(&self.random),
                Box::new(move |epoch| *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(epoch)),
            )
            .with_frames_of(self.frame_bytes)
            .begin_life()?,
        );
        let desk = Desk::new(store.clone(), Arc::clone(&sync), Arc::clone(&clock), Arc::clone(&self.random));
        let reading = Reading::new(store.clone(), clock, Arc::clone(&self.random));
        self.running = Some(Running { store, sync, desk, reading });
        Ok(())
    }

    fn close(&mut self) {
        if let Some(running) = self.running.take() {
            drop((running.desk, running.sync, running.reading));
            running.store.0.close();
        }
    }

    /// The process ends and starts again; its disk keeps what it has.
    pub fn restart(&mut self) -> Result<(), Stop> {
        self.close();
        self.open()
    }

    /// The power went: what was not synced may be lost.
    pub fn recover(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        let stats = self.disk.stats();
        for (kind, times) in [
            ("server power cut", stats.power_cuts - self.fired.power_cuts),
            ("server disk full", stats.full - self.fired.full),
            ("server read error", stats.read_errors - self.fired.read_errors),
            ("server write error", stats.write_errors - self.fired.write_errors),
            ("server sync error", stats.sync_errors - self.fired.sync_errors),
        ] {
            (0..times).for_each(|_| self.stats.fault(kind));
        }
        self.disk.cut_power();
        self.fired = self.disk.stats();
        self.armed = false;
        self.close();
        self.disk.faults(Faults::default());
        self.disk.power_on(Loss::Random(chance.draw()));
        self.open()
    }

    /// The disk fails no more; if its power is gone, it stays gone.
    pub fn disarm(&mut self) {
        self.disk.faults(Faults::default());
    }

    /// Lets the disk fail from now on.
    pub fn arm(&mut self, faults: Faults) {
        self.armed = true;
        self.disk.faults(faults);
    }

    /// Enters changes as a command on the machine would.
    pub fn seed(&mut self, changes: Vec<Change>) -> Result<(), Stop> {
        let now = ServerMs(self.now());
        Ok(self.store().write_blocking(move |tx| {
            let mut work = Work::new(tx, now);
            work.apply(changes.clone())?;
            work.finish()
        })?)
    }

    /// Brings a device in. Gives the key that seals its hellos.
    pub fn enrol(&mut self, user: UserId, device: DeviceId, session: u64, key: [u8; 33]) -> Result<[u8; 32], Stop> {
        let now = ServerMs(self.now());
        self.store().write_blocking(move |tx| {
            tx.put_device(&Device {
                id: device,
                user,
                public_key: key.to_vec(),
                label: "máy".into(),
                created: now,
                revoked: None,
                last_seen: now,
            })?;
            tx.put_session(&Session {
                id: session,
                user,
                device: Some(device),
                refresh_gen: 0,
                created: now,
                last_used: now,
                revoked: None,
            })
        })?;
        Ok(self.secrets.sync_key(session))
    }

    /// Revokes a device.
    pub fn revoke(&mut self, device: DeviceId) -> Result<(), Stop> {
        let now = ServerMs(self.now());
        Ok(self.store().write_blocking(move |tx| match tx.device(device)? {
            Some(found) => tx.put_device(&Device { revoked: Some(now), ..found }),
            None => Ok(()),
        })?)
    }

    /// Makes a backup, tells the outboxes that they are safe, and gives it.
    pub fn backup(&mut self) -> Result<Backup, Stop> {
        let held = self.store().read_blocking(|tx| tx.outboxes())?;
        let name = "backup.sqlite3";
        self.store().0.backup(&self.disk.path(name))?;
        let mut all = self.disk.export();
        let mut files = Files::default();
        if let Some(bytes) = all.read(name) {
            files.put("server.sqlite3", &bytes);
        }
        all.remove(name);
        let backup = Backup { files, beside: self.beside, model: self.model.clone() };
        self.store()
            .write_blocking(move |tx| held.iter().try_for_each(|(epoch, upto)| tx.mark_durable(*epoch, *upto)))?;
        // The copy leaves the machine.
        self.close();
        let mut left = self.disk.export();
        left.remove(name);
        self.disk.import(&left);
        self.open()?;
        Ok(backup)
    }

    /// Puts a backup back, with what lay beside the store (then the server knows that it was restored) or with that from
    /// the time of the backup too (then only phones can tell).
    pub fn restore(&mut self, backup: &Backup, knows: bool) -> Result<(), Stop> {
        let (_, commits) = self.position()?;
        self.close();
        self.disk.import(&backup.files);
        self.beside = if knows {
            self.beside.map(|beside| EpochFile { high_water: commits.max(beside.high_water), ..beside })
        } else {
            backup.beside.map(|beside| EpochFile { high_water: 0, ..beside })
        };
        let opened = self.model.opened;
        self.model = Model { inexact: true, opened, ..backup.model.clone() };
        self.history += 1;
        self.open()
    }

    fn position(&self) -> Result<(u16, u64), Stop> {
        Ok(self.store().read_blocking(|tx| Ok((server_epoch_of(tx)?, commits_of(tx)?)))?)
    }

    /// Notes a new op.
    pub fn add(&mut self, made: Made) -> OpIx {
        let ix = self.made.len();
        if let Some(uid) = made.uid {
            self.by_uid.insert(uid, ix);
        }
        if !made.row.is_nil() {
            self.by_row.insert(made.row, ix);
        }
        self.made.push(made);
        self.stats.ops += 1;
        ix
    }

    /// The op of a name.
    pub fn op_of(&self, uid: OpUid) -> Option<OpIx> {
        self.by_uid.get(&uid).copied()
    }

    /// The ops whose effects somebody sees who looks at a version of a row.
    pub fn behind(&self, history: u32, row: RowKey, ver: Ver) -> BTreeSet<OpIx> {
        // A row that was not touched since an earlier restore has its version from then; a phone that is in the middle of
        // a conversation may already hold one from after the last.
        let lives = (0..=history).rev().chain(history + 1..=self.history);
        lives.into_iter().find_map(|history| self.known.get(&(history, row, ver)).cloned()).unwrap_or_default()
    }

    /// The figures of a village, as the desk answers.
    pub fn figures(&self, by: UserId, village: UnitId, month: Month) -> Result<FiguresView, Stop> {
        let running = self.running.as_ref().expect("the server runs between steps");
        let query = FigureQuery {
            unit: village.0,
            month: Some(month.to_string()),
            span: Some("year".to_owned()),
            view: Some("provisional".to_owned()),
            team: None,
        };
        wait(running.reading.figures(by, query)).map_err(|error| Stop::broken(format!("P2: no figures: {error}")))
    }

    /// Lets an officer do something at the desk.
    pub fn at_desk(&mut self, by: UserId, intent: Intent, made: Option<Made>) -> Result<Option<(Outcome, Uuid)>, Stop> {
        let running = self.running.as_ref().expect("the server runs between steps");
        let done = match wait(running.desk.perform(by, vec![intent])) {
            Ok(mut done) => done.pop(),
            Err(error) => {
                self.stats.reach("desk_failed");
                self.storage_failed(&error)?;
                return Ok(None);
            }
        };
        let Some((outcome, row)) = done else { return Ok(None) };
        self.stats.outcome(&outcome);
        self.note(&outcome.cbor());
        if let Some(made) = made {
            let ix = self.add(Made { row, ..made });
            let now = self.now();
            let touched = self.model.take(ix, &self.made, &outcome, now).map_err(Stop::broken)?;
            self.compare(&touched)?;
        }
        Ok(Some((outcome, row)))
    }

    fn storage_failed(&mut self, error: &StorageError) -> Result<(), Stop> {
        self.stats.reach(match error {
            StorageError::Full => "server_full",
            StorageError::Busy => "server_busy",
            _ => "server_failed",
        });
        if self.armed { Ok(()) } else { Err(Stop::broken(format!("P12: the server failed without a fault: {error}"))) }
    }

    /// One request to the server. Gives the whole answer, or the HTTP status of a refusal.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Result<Vec<u8>, u16>, Stop> {
        self.note(request);
        let Some(hello) = read_hello(request) else {
            // Cut in mid-frame: the server must refuse it, whole.
            let answer = self.ask(request);
            return match answer {
                Err(SyncError::NoHello(_)) => Ok(Err(400)),
                Err(SyncError::Storage(error)) => self.storage_failed(&error).map(|()| Err(503)),
                other => Err(Stop::broken(format!("P12: a cut hello was answered with {:?}", other.is_ok()))),
            };
        };
        self.epochs.insert(hello.epoch);
        self.remember_offer(&hello, request);
        let answer = self.ask(request);
        // The judge reads without faults.
        self.disarm();
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(epoch) = raised {
            self.stats.reach("server_epoch_raised_by_a_phone");
            self.model.inexact = true;
            self.beside = Some(EpochFile { server_epoch: epoch, high_water: 0 });
        }
        if !self.disk.is_on() {
            // Nothing can be read now; what was committed shows when the server is back.
            return Ok(Err(503));
        }
        self.observe(hello.epoch)?;
        match answer {
            Ok(body) => {
                self.note(&body);
                self.tap(hello.device, &body)?;
                Ok(Ok(body))
            }
            Err(SyncError::Session) => {
                self.stats.reach("session_refused");
                Ok(Err(401))
            }
            Err(SyncError::Storage(error)) => {
                self.storage_failed(&error)?;
                Ok(Err(if matches!(error, StorageError::Full) { 507 } else { 503 }))
            }
            Err(SyncError::NoHello(_)) => Ok(Err(400)),
            Err(SyncError::Version) => Ok(Err(426)),
            Err(SyncError::TooManyOps) => Ok(Err(413)),
        }
    }

    /// Remembers the ops that a request carries: the server's log has their chain only.
    fn remember_offer(&mut self, hello: &Hello, request: &[u8]) {
        for frame in Frames::new(request) {
            let Ok((FrameKind::Ops, payload)) = frame else { continue };
            let Ok(frame) = cbor::read::<OpsFrame>(&payload) else { continue };
            self.devices.insert(hello.epoch, hello.device);
            for (n, op) in (frame.first_n..).zip(&frame.ops) {
                let offers = self.offered.entry((hello.epoch, n)).or_default();
                if !offers.contains(&op.0) {
                    offers.push(op.0.clone());
                }
            }
        }
    }

    /// The bytes of an op that the server logged: those offered under its number that continue the chain.
    fn bytes_of(&self, epoch: Epoch, n: u64, before: Option<Chain>, chain: Chain) -> Option<&Vec<u8>> {
        let before = before.or_else(|| self.devices.get(&epoch).map(|device| Chain::start(*device, epoch)))?;
        self.offered.get(&(epoch, n))?.iter().find(|bytes| before.then(bytes) == chain)
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, SyncError> {
        let running = self.running.as_ref().expect("the server runs between steps");
        wait(running.sync.exchange(request))
    }

    /// Looks at what the server took in of an outbox since the last look, in its order.
    pub fn observe(&mut self, epoch: Epoch) -> Result<(), Stop> {
        let from = self.model.looked.get(&epoch).copied().unwrap_or(0);
        let news = self.store().read_blocking(|tx| {
            let last = tx.outbox(epoch)?.map_or(0, |outbox| outbox.last_n);
            let mut news = Vec::new();
            let mut before = if from == 0 { None } else { tx.op(epoch, from)?.map(|op| op.chain) };
            for n in from + 1..=last {
                let op = tx.op(epoch, n)?;
                let chain = op.as_ref().map(|op| op.chain);
                news.push((n, before, op));
                before = chain;
            }
            Ok(news)
        })?;
        let mut touched = Touched::new();
        for (n, before, op) in news {
            let op = op.ok_or_else(|| Stop::broken(format!("P7: op {n} of an outbox has no record")))?;
            let outcome: Outcome = cbor::read(&op.outcome).map_err(|_| Stop::broken("P2: an outcome does not read"))?;
            self.model.looked.insert(epoch, n);
            self.stats.decided += 1;
            self.stats.outcome(&outcome);
            let Some(bytes) = self.bytes_of(epoch, n, before, op.chain) else {
                return Err(Stop::broken(format!("P7: op {n} of an outbox is none of those offered under its number")));
            };
            let uid = Op::read(bytes).ok().map(|op| op.uid());
            match uid.and_then(|uid| self.op_of(uid)) {
                Some(ix) => {
                    if self.model.decided.contains_key(&ix) {
                        self.stats.reach("op_under_another_identity");
                    }
                    let now = self.now();
                    touched.extend(self.model.take(ix, &self.made, &outcome, now).map_err(Stop::broken)?);
                }
                None if matches!(outcome.verdict, Verdict::Rejected | Verdict::Deferred) && uid.is_none() => {
                    self.stats.reach("garbage_refused")
                }
                None => {
                    return Err(Stop::broken(format!("P2: the server decided an op that nobody made: {outcome:?}")));
                }
            }
        }
        self.compare(&touched)
    }

    /// Compares rows that ops touched with what the model says, and remembers what their versions stand for.
    fn compare(&mut self, touched: &Touched) -> Result<(), Stop> {
        for row in touched {
            let ver = self.check_row(row)?;
            let ops = self.model.history.get(row).cloned().unwrap_or_default();
            // Who has received only how a visit was recorded has seen that op, also if others came along with it.
            if let (RowType::VISIT_STATE, Some(first)) = (RowType(row.0), ops.first())
                && let Some((_, bytes)) = self.store().read_blocking(|tx| tx.live(RowType::VISIT_RECORDED, row.1))?
                && let Ok(event) = read_row(&bytes)
            {
                self.known.entry((self.history, *row, event.ver())).or_insert_with(|| BTreeSet::from([*first]));
            }
            self.known.insert((self.history, *row, ver), ops.into_iter().collect());
        }
        Ok(())
    }

    /// Checks one row against the model. Gives its version.
    fn check_row(&mut self, row: &RowKey) -> Result<Ver, Stop> {
        let (ty, id) = (RowType(row.0), row.1);
        if ty == RowType::VISIT_STATE {
            return self.check_visit(id);
        }
        let found = self.store().read_blocking(|tx| tx.live(ty, id))?;
        let wrong = |what: String| Err(Stop::broken(format!("P2: row {row:?}: {what}")));
        let Some((scope, bytes)) = found else { return wrong("is not at the server".into()) };
        let register = match read_row(&bytes) {
            Ok(Row::Register(register)) => register,
            other => return wrong(format!("does not read: {:?}", other.is_ok())),
        };
        let place = self.model.scope_of(row);
        if place != Some(scope) {
            return wrong(format!("lies in {scope:?} instead of {place:?}"));
        }
        for mark in marks_in(&bytes) {
            self.marks.entry(mark).or_default().insert(scope);
        }
        if ty == RowType::CASE {
            self.check_case(id, &register)?;
            return Ok(register.ver);
        }
        let Some(model) = self.model.registers.get(row) else { return wrong("is not in the model".into()) };
        let mut adopted = Vec::new();
        for (key, group) in &model.groups {
            let Some(held) = register.groups.get(key) else { return wrong(format!("group {key} is missing")) };
            if held.case.map(|case| case.0) != group.case {
                return wrong(format!("group {key} has case {:?} instead of {:?}", held.case, group.case));
            }
            if held.value != group.value {
                let open = group.case.and_then(|case| self.model.cases.get(&case));
                let is_side = open.is_some_and(|case| case.sides.contains(&Side::Value(held.value.clone())));
                if !(self.model.inexact && is_side) {
                    return wrong(format!("P11: group {key} holds {:?} instead of {:?}", held.value, group.value));
                }
                adopted.push((*key, held.value.clone()));
            }
        }
        if ty == RowType::PLAN {
            let status = register.group::<PlanStatus>(plan::STATUS).map(|status| status.status);
            if status.as_deref() != Some(model.status) {
                return wrong(format!("has status {status:?} instead of {}", model.status));
            }
        }
        for (key, value) in adopted {
            if let Some(group) = self.model.registers.get_mut(row).and_then(|row| row.groups.get_mut(&key)) {
                group.value = value;
            }
        }
        Ok(register.ver)
    }

    fn check_case(&self, id: Uuid, register: &Register) -> Result<(), Stop> {
        let wrong = |what: String| Err(Stop::broken(format!("P11: case {id}: {what}")));
        let Some(model) = self.model.cases.get(&id) else { return wrong("is not in the model".into()) };
        let subject: Option<CaseSubject> = register.group(case::SUBJECT);
        let about = subject.map(|subject| ((subject.ty, subject.id), subject.group));
        if about != Some(model.about) {
            return wrong(format!("is about {about:?} instead of {:?}", model.about));
        }
        let open = register.group::<CaseStatusValue>(case::STATUS).is_some_and(|status| status.status == "open");
        if open != model.open {
            return wrong(format!("is open: {open}"));
        }
        let sides: Vec<Raw> = register
            .group::<CaseSides>(case::SIDES)
            .map(|sides| sides.sides.into_iter().map(|side| side.value).collect())
            .unwrap_or_default();
        for side in &model.sides {
            let is_there = match side {
                Side::Value(value) => sides.contains(value),
                Side::Content(op) => sides.iter().any(|value| {
                    VisitPointer::from_cbor(&value.0).is_ok_and(|pointer| pointer.event.0 == self.made[*op].row)
                }),
            };
            if !is_there {
                return wrong(format!("lacks a value that was entered: {side:?}"));
            }
        }
        if !self.model.inexact && sides.len() != model.sides.len() {
            return wrong(format!("has {} sides instead of {}", sides.len(), model.sides.len()));
        }
        Ok(())
    }

    fn check_visit(&self, id: Uuid) -> Result<Ver, Stop> {
        let wrong = |what: String| Err(Stop::broken(format!("P2: visit {id}: {what}")));
        let (summary, state) = self.store().read_blocking(|tx| {
            let state = tx.live(RowType::VISIT_STATE, id)?;
            Ok((tx.visit(VisitId(id))?, state))
        })?;
        let Some(summary) = summary else { return wrong("is not listed at the desk".into()) };
        let Some(model) = self.model.visits.get(&id) else { return wrong("is not in the model".into()) };
        let content = self.made[model.content].row;
        if summary.scope != model.scope
            || summary.status != model.status
            || summary.is_void != model.void
            || summary.content.0 != content
            || summary.is_disputed != model.case.is_some()
        {
            return wrong(format!("is listed as {summary:?}, the model has {model:?} with content {content}"));
        }
        if let Some((_, bytes)) = state {
            let register = match read_row(&bytes) {
                Ok(Row::Register(register)) => register,
                _ => return wrong("its state does not read".into()),
            };
            let pointer: Option<VisitPointer> = register.group(visit_state::CONTENT);
            if pointer.as_ref().map(|pointer| pointer.event.0) != Some(content) || register.ver != summary.ver {
                return wrong(format!("points to {pointer:?} at {:?}, listed at {:?}", register.ver, summary.ver));
            }
        }
        Ok(summary.ver)
    }

    /// Looks for what the receiver may not read in an answer.
    fn tap(&mut self, device: DeviceId, body: &[u8]) -> Result<(), Stop> {
        let user =
            self.store().read_blocking(|tx| Ok(tx.device(device)?.map(|device| (device.user, device.revoked))))?;
        let Some((user, revoked)) = user else { return Ok(()) };
        let readable = if revoked.is_some() { BTreeSet::new() } else { self.model.readable(user) };
        let above = self.model.above(&readable);
        for frame in Frames::new(body) {
            let Ok((kind, payload)) = frame else {
                return Err(Stop::broken("P12: the server sent a frame that does not read"));
            };
            self.stats.frame(kind);
            let marks = marks_in(&payload);
            match kind {
                FrameKind::Rows => {
                    let rows: RowsFrame =
                        cbor::read(&payload).map_err(|_| Stop::broken("P12: the server sent rows that do not read"))?;
                    // Of the units above a person's own, notices and nothing else.
                    let is_notice = rows.class == Class::Notice as u8 && above.contains(&rows.scope);
                    if !readable.contains(&rows.scope) && !is_notice {
                        self.stats.leaked += 1;
                        return Err(Stop::broken(format!(
                            "P10: rows of {:?} went to a phone that does not hold it",
                            rows.scope
                        )));
                    }
                    for mark in marks {
                        if !self.marks.get(&mark).is_some_and(|scopes| scopes.contains(&rows.scope)) {
                            self.stats.leaked += 1;
                            return Err(Stop::broken(format!("P10: marker {mark} was in rows of {:?}", rows.scope)));
                        }
                    }
                    for row in &rows.rows {
                        self.right_place(rows.scope, &row.0)?;
                    }
                }
                FrameKind::Outcomes => {
                    let outcomes: Outcomes =
                        cbor::read(&payload).map_err(|_| Stop::broken("P12: outcomes that do not read"))?;
                    drop(outcomes);
                    if let Some(mark) = marks.first() {
                        self.stats.leaked += 1;
                        return Err(Stop::broken(format!("P10: marker {mark} was in outcomes")));
                    }
                }
                _ => {
                    if let Some(mark) = marks.first() {
                        self.stats.leaked += 1;
                        return Err(Stop::broken(format!("P10: marker {mark} was in a frame of kind {kind:?}")));
                    }
                }
            }
        }
        Ok(())
    }

    /// A live household is sent from the village in which it is now.
    fn right_place(&mut self, scope: ScopeId, row: &[u8]) -> Result<(), Stop> {
        if let Ok(Row::Register(register)) = read_row(row)
            && register.standing == Standing::Live
            && matches!(register.ty, RowType::HOUSEHOLD | RowType::CASE)
            && let Some(place) = self.model.scope_of(&(register.ty.0, register.id))
            && place != scope
        {
            self.stats.leaked += 1;
            return Err(Stop::broken(format!(
                "P10: {:?} {} is in {place:?} and came from {scope:?}",
                register.ty, register.id
            )));
        }
        Ok(())
    }

    /// Everything that lies in some places, by bucket, with the bucket's generation on the wire and its head.
    pub fn buckets(&self, scopes: &BTreeSet<ScopeId>) -> Result<Buckets, Stop> {
        let scopes = scopes.clone();
        Ok(self.store().read_blocking(|tx| {
            let server_epoch = server_epoch_of(tx)?;
            let mut all = BTreeMap::new();
            for scope in &scopes {
                for (id, bucket) in tx.buckets_of(*scope)? {
                    let mut rows = Vec::new();
                    let mut seq = 0;
                    loop {
                        let page = tx.rows_after(id, seq, 1 << 20)?;
                        let Some((last, _)) = page.last() else { break };
                        seq = *last;
                        rows.extend(page.into_iter().map(|(seq, body)| placed(seq, body)));
                    }
                    all.insert(id, (server::work::wire_gen(server_epoch, &bucket), bucket.head, rows));
                }
            }
            Ok(all)
        })?)
    }

    /// Makes a bucket's counters wrong, as a bug of the server would. Phones cannot repair that; they must stay calm.
    pub fn spoil_counter(&mut self, scope: ScopeId, pick: u64) -> Result<(), Stop> {
        let hit = self.store().write_blocking(move |tx| {
            let buckets = tx.buckets_of(scope)?;
            let Some((id, mut row)) = buckets.get(pick as usize % buckets.len().max(1)).copied() else {
                return Ok(None);
            };
            row.digest.sum = row.digest.sum.wrapping_add(pick | 1);
            tx.put_bucket(id, &row)?;
            Ok(Some(id))
        })?;
        self.was_spoilt |= hit.is_some();
        self.wrong_counters.extend(hit);
        Ok(())
    }

    /// Counts the spoilt buckets anew, as the operator's check does.
    pub fn repair_counters(&mut self) -> Result<(), Stop> {
        for id in std::mem::take(&mut self.wrong_counters) {
            self.store().write_blocking(move |tx| {
                let Some(mut row) = tx.bucket(id)? else { return Ok(()) };
                row.digest = sync_protocol::digest::Digest::default();
                for (ty, row_id, ver) in tx.row_versions(id)? {
                    row.digest.add(ty, row_id, ver);
                }
                tx.put_bucket(id, &row)
            })?;
        }
        Ok(())
    }

    /// How the desk lists visits.
    pub fn visits(&self, filter: VisitFilter) -> Result<Vec<server::storage::VisitSummary>, Stop> {
        Ok(self.store().read_blocking(|tx| tx.visits(&filter))?)
    }

    /// A register as the server has it.
    pub fn register(&self, ty: RowType, id: Uuid) -> Result<Option<Register>, Stop> {
        let found = self.store().read_blocking(|tx| tx.live(ty, id))?;
        Ok(found.and_then(|(_, bytes)| match read_row(&bytes) {
            Ok(Row::Register(register)) => Some(register),
            _ => None,
        }))
    }

    /// The server's epoch and how many units of work it has seen.
    pub fn epoch(&self) -> Result<u16, Stop> {
        Ok(self.position()?.0)
    }

    /// Keeps outside the store how far it has come, as the server does every few seconds.
    pub fn keep_high_water(&mut self) -> Result<(), Stop> {
        let (server_epoch, high_water) = self.position()?;
        self.beside = Some(EpochFile { server_epoch, high_water });
        Ok(())
    }

    /// How many outboxes, ops, rows and buckets there are.
    pub fn sizes(&self, scopes: &BTreeSet<ScopeId>) -> Result<(usize, u64, usize, usize), Stop> {
        let outboxes = self.store().read_blocking(|tx| tx.outboxes())?;
        let buckets = self.buckets(scopes)?;
        let rows = buckets.values().map(|bucket| bucket.2.len()).sum();
        Ok((outboxes.len(), outboxes.iter().map(|outbox| outbox.1).sum(), rows, buckets.len()))
    }

    /// Whether an op of that name was decided, and how.
    pub fn outcome_of(&self, uid: OpUid) -> Result<Option<Outcome>, Stop> {
        let found = self.store().read_blocking(|tx| {
            let Some((epoch, n)) = tx.op_by_uid(uid)? else { return Ok(None) };
            tx.op(epoch, n)
        })?;
        Ok(found.and_then(|op| cbor::read::<Outcome>(&op.outcome).ok()))
    }

    /// The whole server against the whole model, and against itself.
    pub fn check_all(&mut self, scopes: &BTreeSet<ScopeId>) -> Result<(), Stop> {
        let mut rows: BTreeSet<RowKey> = self.model.registers.keys().copied().collect();
        rows.extend(self.model.cases.keys().map(|id| (RowType::CASE.0, *id)));
        rows.extend(self.model.visits.keys().map(|id| (RowType::VISIT_STATE.0, *id)));
        for row in &rows {
            self.check_row(row)?;
        }
        let mut found: BTreeSet<RowKey> = BTreeSet::new();
        for (_, (_, _, placed)) in self.buckets(scopes)? {
            for row in placed.iter().filter(|row| !row.gone) {
                let Ok(row) = read_row(&row.body) else { return Err(Stop::broken("P2: a row does not read")) };
                let key = (row.ty().0, row.id());
                let is_ours =
                    matches!(row.ty(), RowType::HOUSEHOLD | RowType::PLAN | RowType::CASE | RowType::VISIT_RECORDED);
                if is_ours && !found.insert(key) {
                    return Err(Stop::doubled(format!("P2: row {key:?} is at two places")));
                }
            }
        }
        for (ty, id) in &found {
            let key = if *ty == RowType::VISIT_RECORDED.0 { (RowType::VISIT_STATE.0, *id) } else { (*ty, *id) };
            if !rows.contains(&key) {
                return Err(Stop::doubled(format!("P2: row {key:?} is at the server, and no op made it")));
            }
        }
        let counted = self.store().read_blocking(|tx| {
            let villages: Vec<UnitId> = scopes.iter().map(|scope| UnitId::from(*scope)).collect();
            tx.counts(&villages, None)
        })?;
        let counted: BTreeMap<_, _> = counted.into_iter().collect();
        let expected = self.model.counts(&self.made);
        if counted != expected {
            return Err(Stop::doubled(format!("P2: counts are {counted:?} instead of {expected:?}")));
        }
        self.check_itself(scopes)
    }

    /// What a server can say about itself: audit chains, digests, projections.
    fn check_itself(&mut self, scopes: &BTreeSet<ScopeId>) -> Result<(), Stop> {
        let (audit, digests) = self.store().read_blocking(|tx| {
            let mut wrong = Vec::new();
            for scope in scopes {
                wrong.extend(verify_digests(tx, *scope)?);
            }
            Ok((verify_audit(tx)?, wrong))
        })?;
        if !audit.is_empty() || !digests.is_empty() {
            return Err(Stop::broken(format!("P16: audit {audit:?}, digests {digests:?}")));
        }
        let villages: Vec<UnitId> = scopes.iter().map(|scope| UnitId::from(*scope)).collect();
        let view = move |tx: &mut dyn Tx| {
            let filter = VisitFilter {
                limit: 100_000,
                scopes: villages.iter().map(|v| (*v).into()).collect(),
                ..VisitFilter::default()
            };
            Ok((tx.visits(&filter)?, tx.counts(&villages, None)?))
        };
        let before = self.store().read_blocking(&view)?;
        self.store().write_blocking(rebuild_projections)?;
        let after = self.store().read_blocking(&view)?;
        if before != after {
            return Err(Stop::broken("P2: projections made anew differ from those kept"));
        }
        Ok(())
    }

    /// Whether the server knows a device.
    pub fn knows_device(&self, device: DeviceId) -> Result<bool, Stop> {
        Ok(self.store().read_blocking(|tx| tx.device(device))?.is_some())
    }

    /// Whether a device is revoked.
    pub fn is_revoked(&self, device: DeviceId) -> Result<bool, Stop> {
        Ok(self.store().read_blocking(|tx| tx.device(device))?.is_some_and(|device| device.revoked.is_some()))
    }

    /// Puts rows in the order in which people made them, whatever their ids.
    pub fn in_order(&self, mut rows: Vec<Uuid>) -> Vec<Uuid> {
        rows.sort_by_key(|row| (self.by_row.get(row).copied(), *row));
        rows
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

/// The hello of a request; nothing when it is cut.
pub fn read_hello(request: &[u8]) -> Option<Hello> {
    match Frames::new(request).next() {
        Some(Ok((FrameKind::Hello, payload))) => SealedHello::read(&payload).ok().map(|sealed| sealed.hello),
        _ => None,
    }
}

/// The markers in some bytes.
pub fn marks_in(bytes: &[u8]) -> Vec<u32> {
    let mut marks = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        rest = &rest[at..];
        if rest.len() >= MARK_BYTES
            && rest[MARK_BYTES - 1] == b'z'
            && let Ok(digits) = std::str::from_utf8(&rest[2..MARK_BYTES - 1])
            && let Ok(mark) = digits.parse()
        {
            marks.push(mark);
        }
        rest = &rest[MARK.len()..];
    }
    marks
}

fn placed(seq: u64, body: Vec<u8>) -> Placed {
    let (ver, gone) = match read_row(&body) {
        Ok(row) => {
            let gone = matches!(&row, Row::Register(register) if register.standing != Standing::Live);
            (row.ver(), gone)
        }
        Err(_) => (Ver::default(), false),
    };
    Placed { seq, ver, gone, body }
}

/// Nothing beyond what is known.
pub fn ext() -> Ext {
    Ext::default()
}
