//! The exchange as a phone sees it: real frames, real signatures, both engines.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use server::desk::Desk;
use server::keys::CursorKey;
use server::reorganisation::NewReorganisation;
use server::storage::memory::MemoryStorage;
use server::storage::sqlite::SqliteStorage;
use server::storage::{Device, Session, Store, Tx};
use server::sync::{SERVER_EPOCH_KEY, Secrets, SyncError, SyncService, next_epoch, server_epoch_of};
use server::work::{Work, rebuild_projections, verify_audit, verify_digests};
use sync_protocol::access::{INSTALLATION, Role};
use sync_protocol::cbor::{self, Bytes, Cbor, Ext, Raw};
use sync_protocol::decide::{Change, Grant, User};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{BucketId, ByKey, Class, Register, Row, RowType, Stamp, Ver, read_row};
use sync_protocol::units::Level;
use sync_protocol::value::Value;
use sync_protocol::wire::*;
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

const NOW: u64 = 1_795_312_800_000; // 2026-11-22
/// Hours from the beginning of 2026 to `NOW`: the number of an epoch that begins then.
const EPOCH_OF_NOW: u16 = 7_802;
const VILLAGE_A: u8 = 11;
const VILLAGE_B: u8 = 12;
const TEAM_A: u8 = 21;
const TEAM_B: u8 = 22;
const HOUSE_A: u8 = 31;
const HOUSE_B: u8 = 32;
const MEMBER: u8 = 41;
const OTHER: u8 = 42;

fn uuid(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

struct World {
    store: Store,
    service: Arc<SyncService>,
    secrets: Secrets,
    clock: Arc<AtomicU64>,
    /// What the next draw fills its bytes with.
    drawn: Arc<AtomicU8>,
    raised: Arc<Mutex<Vec<u16>>>,
    _folder: Option<tempfile::TempDir>,
}

fn worlds() -> Vec<World> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStorage::open(&folder.path().join("store.sqlite3")).unwrap();
    vec![world(Store(Arc::new(MemoryStorage::default())), None), world(Store(Arc::new(sqlite)), Some(folder))]
}

/// Waits for what a handler would wait for.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn register(ty: RowType, id: u8, values: Vec<(u8, Vec<u8>)>) -> Register {
    let stamp = Stamp { ver: Ver::first(1), epoch: Epoch(1_000), n: 1 };
    Register::new(ty, uuid(id), stamp, values.into_iter().map(|(key, value)| (key, Raw(value))))
}

fn territory(village: u8, team: u8, house: u8) -> Vec<Change> {
    let scope = ScopeId(uuid(village));
    let name = format!("Thôn {village}");
    let identity = UnitIdentity {
        level: "village".into(),
        code: format!("04636-0{village}"),
        unit_type: "thon".into(),
        name: name.clone(),
        full_name: name,
        local_name: None,
        ext: Ext::default(),
    };
    let parent = UnitParent { parent: UnitId(uuid(10)), from: Day(20_000), former: vec![], ext: Ext::default() };
    let team_identity =
        TeamIdentity { level: "village".into(), unit: UnitId(uuid(village)), name: "Tổ".into(), ext: Ext::default() };
    let label = HouseholdLabel { label: format!("MARK{village}"), landmark: None, ext: Ext::default() };
    [
        register(RowType::UNIT, village, vec![(unit::IDENTITY, identity.cbor()), (unit::PARENT, parent.cbor())]),
        register(RowType::TEAM, team, vec![(team::IDENTITY, team_identity.cbor())]),
        register(RowType::HOUSEHOLD, house, vec![(household::LABEL, label.cbor())]),
    ]
    .into_iter()
    .map(|register| Change::PutRegister { scope, register })
    .collect()
}

fn grant(user: u8, village: u8) -> Grant {
    Grant {
        id: GrantId(uuid(user + 100)),
        user: UserId(uuid(user)),
        role: Role::Member.code().into(),
        unit: UnitId(uuid(village)),
        from: Day(20_000),
        to: None,
        ended: None,
        decision: None,
    }
}

fn world(store: Store, folder: Option<tempfile::TempDir>) -> World {
    let clock = Arc::new(AtomicU64::new(NOW));
    let secrets = Secrets::of(&CursorKey::from_bytes([5; 32]));
    let raised = Arc::new(Mutex::new(Vec::new()));
    let drawn = Arc::new(AtomicU8::new(3));
    let mut changes = territory(VILLAGE_A, TEAM_A, HOUSE_A);
    changes.extend(territory(VILLAGE_B, TEAM_B, HOUSE_B));
    for (user, village) in [(MEMBER, VILLAGE_A), (OTHER, VILLAGE_B)] {
        changes.push(Change::PutUser(User {
            id: UserId(uuid(user)),
            display_name: "Lò Văn Mẫu".into(),
            phone: format!("05300000{user}"),
            unit: UnitId(uuid(village)),
            grants_rev: 1,
            active: true,
        }));
        changes.push(Change::PutGrant(grant(user, village)));
    }
    store
        .write_blocking(move |tx| {
            tx.put_meta(SERVER_EPOCH_KEY, &1u16.to_be_bytes())?;
            let mut work = Work::new(tx, ServerMs(NOW));
            work.apply(changes.clone())?;
            work.finish()
        })
        .unwrap();
    let service = service(&store, &secrets, &clock, &drawn, &raised);
    World { store, service, secrets, clock, drawn, raised, _folder: folder }
}

/// The server starts on its store.
fn service(
    store: &Store,
    secrets: &Secrets,
    clock: &Arc<AtomicU64>,
    drawn: &Arc<AtomicU8>,
    raised: &Arc<Mutex<Vec<u16>>>,
) -> Arc<SyncService> {
    let (ticking, drawn, told) = (Arc::clone(clock), Arc::clone(drawn), Arc::clone(raised));
    let service = SyncService::new(
        store.clone(),
        secrets.clone(),
        store.read_blocking(server_epoch_of).unwrap(),
        Arc::new(move || ServerMs(ticking.load(Ordering::SeqCst))),
        Arc::new(move |bytes: &mut [u8]| bytes.fill(drawn.fetch_add(1, Ordering::SeqCst))),
        Box::new(move |epoch| told.lock().unwrap().push(epoch)),
    );
    Arc::new(service.begin_life().unwrap())
}

/// The smallest phone that can speak: it keeps its ops and its cursors, nothing else.
#[derive(Clone)]
struct Phone {
    device: DeviceId,
    key: SigningKey,
    session: u64,
    sync_key: [u8; 32],
    epoch: Epoch,
    parent: Option<(Epoch, u64)>,
    ops: Vec<Vec<u8>>,
    cursors: BTreeMap<BucketId, Cursor>,
    holdings: [u8; 8],
    life: Option<[u8; 16]>,
    salt: u8,
}

#[derive(Default, Debug)]
struct Answer {
    header: Option<Header>,
    fork: Option<Fork>,
    problems: Vec<Problem>,
    outcomes: Vec<Outcome>,
    control: Option<Control>,
    dropped: Vec<ScopeId>,
    rows: Vec<Row>,
    trailer: Option<Trailer>,
    bytes: Vec<u8>,
}

impl Answer {
    fn visits(&self) -> usize {
        self.rows.iter().filter(|row| row.ty() == RowType::VISIT_RECORDED).count()
    }
}

impl World {
    fn phone(&self, user: u8, n: u8) -> Phone {
        let key = SigningKey::from_slice(&[n; 32]).unwrap();
        let (device, session) = (DeviceId(uuid(n)), u64::from(n));
        let public_key = key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
        self.store
            .write_blocking(move |tx| {
                tx.put_device(&Device {
                    id: device,
                    user: UserId(uuid(user)),
                    public_key: public_key.clone(),
                    label: "máy".into(),
                    created: ServerMs(NOW),
                    revoked: None,
                    last_seen: ServerMs(NOW),
                })?;
                tx.put_session(&Session {
                    id: session,
                    user: UserId(uuid(user)),
                    device: Some(device),
                    refresh_gen: 0,
                    created: ServerMs(NOW),
                    last_used: ServerMs(NOW),
                    revoked: None,
                })
            })
            .unwrap();
        Phone {
            device,
            key,
            session,
            sync_key: self.secrets.sync_key(session),
            epoch: Epoch(u64::from(n)),
            parent: None,
            ops: Vec::new(),
            cursors: BTreeMap::new(),
            holdings: [0; 8],
            life: None,
            salt: n,
        }
    }

    fn send(&self, body: &[u8]) -> Result<Answer, SyncError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bytes = runtime.block_on(self.service.exchange(body))?;
        let mut answer = Answer::default();
        for frame in Frames::new(&bytes) {
            let (kind, payload) = frame.unwrap();
            match kind {
                FrameKind::Header => answer.header = Some(cbor::read(&payload).unwrap()),
                FrameKind::Fork => answer.fork = Some(cbor::read(&payload).unwrap()),
                FrameKind::Problem => answer.problems.push(cbor::read(&payload).unwrap()),
                FrameKind::Outcomes => answer.outcomes.extend(cbor::read::<Outcomes>(&payload).unwrap().outcomes),
                FrameKind::Control => answer.control = Some(cbor::read(&payload).unwrap()),
                FrameKind::Drop => answer.dropped = cbor::read::<DropFrame>(&payload).unwrap().scopes,
                FrameKind::Rows => {
                    let frame: RowsFrame = cbor::read(&payload).unwrap();
                    answer.rows.extend(frame.rows.iter().map(|row| read_row(&row.0).unwrap()));
                }
                FrameKind::Trailer => answer.trailer = Some(cbor::read(&payload).unwrap()),
                FrameKind::Hello | FrameKind::Ops => panic!("not a frame for phones"),
            }
        }
        answer.bytes = bytes;
        Ok(answer)
    }

    /// Ends the server and starts it again on the same store.
    fn restart(&mut self) {
        self.service = service(&self.store, &self.secrets, &self.clock, &self.drawn, &self.raised);
    }

    fn sync(&self, phone: &mut Phone, from: u64) -> Answer {
        let answer = self.send(&phone.request(from)).unwrap();
        phone.take(&answer);
        answer
    }

    /// Ends the member's grant for a village, at the present moment.
    fn end_grant(&self, user: u8, village: u8) {
        let now = ServerMs(self.clock.load(Ordering::SeqCst));
        self.store
            .write_blocking(move |tx| {
                let account = tx.user(UserId(uuid(user)))?.unwrap();
                let rev = account.grants_rev + 1;
                let ended = Grant { to: Some(Day::of_ms(now.0)), ended: Some((rev, now)), ..grant(user, village) };
                let mut work = Work::new(tx, now);
                work.apply(vec![Change::PutGrant(ended), Change::PutUser(User { grants_rev: rev, ..account })])?;
                work.finish()
            })
            .unwrap();
    }

    fn status(&self, visit: Uuid) -> Option<VisitStatus> {
        self.store.read_blocking(|tx| tx.visit(VisitId(visit))).unwrap().map(|visit| visit.status)
    }

    /// Digests, audit chains and projections are what a fresh computation gives.
    fn is_sound(&self) {
        let broken = self.store.read_blocking(verify_audit).unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        for village in [VILLAGE_A, VILLAGE_B] {
            let wrong = self.store.read_blocking(|tx| verify_digests(tx, ScopeId(uuid(village)))).unwrap();
            assert!(wrong.is_empty(), "{wrong:?}");
        }
        let villages = [UnitId(uuid(VILLAGE_A)), UnitId(uuid(VILLAGE_B))];
        let before = self.store.read_blocking(|tx| tx.counts(&villages, None)).unwrap();
        self.store.write_blocking(rebuild_projections).unwrap();
        assert_eq!(before, self.store.read_blocking(|tx| tx.counts(&villages, None)).unwrap());
    }
}

impl Phone {
    fn add(&mut self, intent: Intent) -> Op {
        self.salt = self.salt.wrapping_add(7);
        let mut salt = [self.salt; 16];
        salt[0] = u8::try_from(self.ops.len()).unwrap();
        let op = intent.into_op(Salt(salt), ClaimedMs(NOW - 3_600_000), 1);
        self.ops.push(op.cbor());
        op
    }

    fn record(&mut self, village: u8, house: u8) -> Op {
        let content = Raw(content(village, house).cbor());
        self.add(Intent::VisitRecord(RecordVisit { content, submit: true, plan: None, ext: Ext::default() }))
    }

    fn chain(&self, upto: u64) -> Chain {
        let start = Chain::start(self.device, self.epoch);
        self.ops.iter().take(usize::try_from(upto).unwrap()).fold(start, |chain, op| chain.then(op))
    }

    fn hello(&self) -> Hello {
        let last_n = self.ops.len() as u64;
        Hello {
            proto: PROTO,
            device: self.device,
            session: self.session,
            epoch: self.epoch,
            parent: self.parent,
            last_n,
            chain: self.chain(last_n).short(),
            oldest_n: u64::from(last_n > 0),
            holdings: self.holdings,
            cursors_short: None,
            cursors: Some(Cursors(self.cursors.values().copied().collect())),
            budget_bytes: 0,
            classes: 0,
            schema: SCHEMA,
            app: None,
            ask: vec![],
            server_epoch: 0,
            purged: vec![],
            want_digests: false,
            life: self.life,
            call: 0,
            ext: Ext::default(),
        }
    }

    fn ops_frame(&self, from: u64) -> OpsFrame {
        let ops = &self.ops[usize::try_from(from - 1).unwrap()..];
        let head = self.chain(self.ops.len() as u64);
        let input = signing_input(self.device, self.epoch, from, u32::try_from(ops.len()).unwrap(), &head);
        let signature: Signature = self.key.sign(&input);
        OpsFrame {
            first_n: from,
            before: self.chain(from - 1).short(),
            ops: ops.iter().map(|op| Bytes(op.clone())).collect(),
            signature: signature.to_bytes().into(),
            ext: Ext::default(),
        }
    }

    fn frames(&self, hello: &Hello, ops: &[OpsFrame]) -> Vec<u8> {
        let mut body = Vec::new();
        write_frame(FrameKind::Hello, &seal_hello(hello, &self.sync_key), Effort::Phone, &mut body).unwrap();
        for frame in ops {
            write_message(FrameKind::Ops, frame, Effort::Phone, &mut body).unwrap();
        }
        body
    }

    /// A request with all ops from a number on; 0 sends none.
    fn request(&self, from: u64) -> Vec<u8> {
        let ops = if from == 0 { vec![] } else { vec![self.ops_frame(from)] };
        self.frames(&self.hello(), &ops)
    }

    fn take(&mut self, answer: &Answer) {
        for frame in Frames::new(&answer.bytes) {
            let (kind, payload) = frame.unwrap();
            if kind == FrameKind::Rows {
                let frame: RowsFrame = cbor::read(&payload).unwrap();
                let bucket = frame.bucket().unwrap();
                let known = self.cursors.get(&bucket).filter(|cursor| cursor.gen_ == frame.gen_);
                let at = known.map_or(0, |cursor| cursor.seq);
                assert!(frame.from == 0 || frame.from == at, "rows must continue from the cursor");
                self.cursors.insert(bucket, Cursor { bucket, gen_: frame.gen_, seq: frame.to, mac: frame.mac });
            }
        }
        self.cursors.retain(|bucket, _| !answer.dropped.contains(&bucket.scope));
        self.life = answer.header.as_ref().and_then(|header| header.life).or(self.life);
        if let Some(control) = &answer.control {
            self.holdings = holdings_short(control.grants_rev, &control.holdings);
        }
    }
}

fn content(village: u8, house: u8) -> VisitContent {
    let fields = BTreeMap::from([
        ("step".to_owned(), Value::Text("activated".into())),
        ("age_14_plus".to_owned(), Value::Bool(true)),
        ("outcome".to_owned(), Value::Text("done".into())),
    ]);
    VisitContent {
        village: UnitId(uuid(village)),
        team: TeamId(uuid(if village == VILLAGE_A { TEAM_A } else { TEAM_B })),
        household: Some(HouseholdId(uuid(house))),
        visit_type: "household".into(),
        day: Day::of_ms(NOW),
        minutes: Some(20),
        activities: vec![Activity { kind: "vneid_level2".into(), fields, id: None, ext: Ext::default() }],
        members: vec![],
        result: None,
        summary: None,
        place: None,
        catalogue: "2026.1".into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    }
}

fn verdicts(answer: &Answer) -> Vec<(u64, Verdict)> {
    answer.outcomes.iter().map(|outcome| (outcome.n, outcome.verdict)).collect()
}

#[test]
fn a_visit_arrives_once_however_often_it_is_sent() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        let first = phone.record(VILLAGE_A, HOUSE_A);
        let request = phone.request(1);
        let answer = world.send(&request).unwrap();
        assert_eq!(verdicts(&answer), [(1, Verdict::Applied)]);
        // The answer was lost, twenty times.
        for _ in 0..20 {
            let again = world.send(&request).unwrap();
            assert_eq!(again.outcomes, answer.outcomes);
            assert_eq!(again.header.unwrap().last_n, 1);
        }
        let answer = world.sync(&mut phone, 0);
        assert_eq!(answer.visits(), 1);
        assert_eq!(world.status(first.row_id()), Some(VisitStatus::Submitted));
        world.is_sound();
    }
}

#[test]
fn a_phone_gets_its_village_and_nothing_else() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        let mut other = world.phone(OTHER, 2);
        other.record(VILLAGE_B, HOUSE_B);
        world.sync(&mut other, 1);
        let answer = world.sync(&mut phone, 0);
        assert_eq!(answer.rows.len(), 3);
        let trailer = answer.trailer.as_ref().unwrap();
        assert!(trailer.complete && trailer.state.is_some() && !trailer.more);
        // P10: no byte of the other village, in any frame.
        let marker = format!("MARK{VILLAGE_B}");
        for frame in Frames::new(&answer.bytes) {
            let (_, payload) = frame.unwrap();
            assert!(!payload.windows(marker.len()).any(|window| window == marker.as_bytes()));
            assert!(!payload.windows(16).any(|window| window == [VILLAGE_B; 16]));
        }
        let again = world.sync(&mut phone, 0);
        assert!(again.rows.is_empty() && again.control.is_none());
        // A cursor for a foreign bucket is not answered.
        let mut hello = phone.hello();
        let mut foreign = *phone.cursors.values().next().unwrap();
        foreign.bucket.scope = ScopeId(uuid(VILLAGE_B));
        let mut all: Vec<Cursor> = phone.cursors.values().copied().chain([foreign]).collect();
        all.sort();
        hello.cursors = Some(Cursors(all));
        let answer = world.send(&phone.frames(&hello, &[])).unwrap();
        assert!(answer.rows.is_empty());
    }
}

#[test]
fn a_bad_op_stops_nobody() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_A, HOUSE_A);
        phone.ops.push(vec![0xff; 40]);
        phone.ops.push(vec![0x81; 5_000]);
        phone.record(VILLAGE_B, HOUSE_B);
        let newer = Op { code: 0x7001, salt: [77; 16], ..Op::read(&phone.ops[0]).unwrap() };
        phone.ops.push(newer.cbor());
        phone.record(VILLAGE_A, HOUSE_A);
        let answer = world.sync(&mut phone, 1);
        use Verdict::*;
        let found: Vec<Verdict> = answer.outcomes.iter().map(|outcome| outcome.verdict).collect();
        assert_eq!(found, [Applied, Rejected, Rejected, Rejected, Deferred, Applied]);
        let codes: Vec<Option<&str>> = answer.outcomes.iter().map(|outcome| outcome.code.as_deref()).collect();
        let expected = [Some("malformed"), Some("malformed"), Some("not_found"), Some("needs_server_update")];
        assert_eq!(codes[1..5], expected);
        // What had no effect is kept, to the byte.
        let kept = world.store.read_blocking(|tx| tx.kept_ops(None, 10)).unwrap();
        assert_eq!(kept.iter().map(|op| op.n).collect::<Vec<_>>(), [2, 3, 4, 5]);
        for op in kept {
            assert_eq!(op.body.as_ref(), Some(&phone.ops[usize::try_from(op.n).unwrap() - 1]));
        }
        world.is_sound();
    }
}

#[test]
fn an_old_copy_of_a_phone_is_found_and_goes_on_in_a_new_outbox() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_A, HOUSE_A);
        let copy = phone.clone();
        phone.record(VILLAGE_A, HOUSE_A);
        world.sync(&mut phone, 1);

        // The copy has one op; the server has two. Nothing of the request is taken.
        let mut restored = copy.clone();
        let answer = world.send(&restored.request(0)).unwrap();
        let fork = answer.fork.expect("the fork is found");
        assert_eq!(fork.last_n, 2);
        assert!(fork.chain.contains(&(1, restored.chain(1).short())));

        // It records something else under number 2: same number, other content.
        restored.salt = 90;
        restored.record(VILLAGE_A, HOUSE_A);
        let answer = world.send(&restored.request(1)).unwrap();
        let fork = answer.fork.expect("the fork is found");
        assert!(fork.chain.contains(&(1, restored.chain(1).short())));
        assert!(!fork.chain.contains(&(2, restored.chain(2).short())));
        assert!(answer.outcomes.is_empty());

        // It goes on in a new outbox with what was not proven equal; the first op is not sent again.
        let mut renewed = restored.clone();
        renewed.epoch = Epoch(99);
        renewed.parent = Some((restored.epoch, 2));
        renewed.ops.remove(0);
        let answer = world.sync(&mut renewed, 1);
        assert_eq!(verdicts(&answer), [(1, Verdict::Applied)]);
        assert_eq!(answer.visits(), 3);
        world.is_sound();
    }
}

#[test]
fn the_same_intent_under_another_identity_has_one_effect() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_A, HOUSE_A);
        world.sync(&mut phone, 1);
        // Enrolled anew: another device, another outbox, the same op.
        let mut renewed = world.phone(MEMBER, 2);
        renewed.ops = phone.ops.clone();
        let answer = world.sync(&mut renewed, 1);
        assert_eq!(verdicts(&answer), [(1, Verdict::Applied)]);
        assert_eq!(answer.visits(), 1);
        world.is_sound();
    }
}

#[test]
fn tampered_and_foreign_requests_are_refused_each_in_its_way() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_A, HOUSE_A);
        phone.record(VILLAGE_A, HOUSE_A);
        let hello = phone.hello();

        let mut frame = phone.ops_frame(1);
        frame.signature[3] ^= 1;
        let answer = world.send(&phone.frames(&hello, &[frame])).unwrap();
        assert_eq!(answer.problems[0].code, "bad_signature");
        assert!(answer.outcomes.is_empty());

        let gap = phone.ops_frame(2);
        let answer = world.send(&phone.frames(&hello, &[gap])).unwrap();
        assert_eq!((answer.problems[0].code.as_str(), answer.problems[0].expected_n), ("expected_n", Some(1)));

        let other = world.phone(OTHER, 2);
        let wrong_key = Phone { sync_key: other.sync_key, ..phone.clone() };
        assert!(matches!(world.send(&wrong_key.request(0)), Err(SyncError::Session)));
        // A genuine session with somebody else's device.
        let mixed = Phone { session: other.session, sync_key: other.sync_key, ..phone.clone() };
        assert!(matches!(world.send(&mixed.request(0)), Err(SyncError::Session)));
        // Somebody else's outbox.
        world.sync(&mut phone, 1);
        let thief = Phone { epoch: phone.epoch, ops: phone.ops.clone(), ..other.clone() };
        let answer = world.send(&thief.request(1)).unwrap();
        assert_eq!(answer.problems[0].code, "epoch_taken");

        let old = Hello { proto: 9, ..phone.hello() };
        assert!(matches!(world.send(&phone.frames(&old, &[])), Err(SyncError::Version)));
        assert!(matches!(world.send(b"GET / HTTP"), Err(SyncError::NoHello(_))));
        assert!(matches!(world.send(b""), Err(SyncError::NoHello(_))));
        let mut many = phone.clone();
        many.ops = vec![vec![0x00]; BATCH_OPS_MAX + 1];
        assert!(matches!(world.send(&many.request(1)), Err(SyncError::TooManyOps)));
        // A damaged frame between two good ones: its neighbours arrive.
        let mut late = phone.clone();
        late.record(VILLAGE_A, HOUSE_A);
        let mut body = late.frames(&late.hello(), &[]);
        body.extend_from_slice(&[0, 3, FrameKind::Ops.code(), 2, 1, 2, 3]);
        write_message(FrameKind::Ops, &late.ops_frame(3), Effort::Phone, &mut body).unwrap();
        let answer = world.send(&body).unwrap();
        assert_eq!(answer.problems[0].frame, 1);
        assert_eq!(verdicts(&answer), [(3, Verdict::Applied)]);
        world.is_sound();
    }
}

#[test]
fn whoever_loses_a_village_while_offline_delivers_and_then_forgets() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        world.sync(&mut phone, 0);
        assert!(!phone.cursors.is_empty());
        let visit = phone.record(VILLAGE_A, HOUSE_A).row_id();
        world.clock.store(NOW + 86_400_000, Ordering::SeqCst);
        world.end_grant(MEMBER, VILLAGE_A);
        let answer = world.sync(&mut phone, 1);
        assert_eq!(verdicts(&answer), [(1, Verdict::Applied)]);
        assert_eq!(answer.dropped, [ScopeId(uuid(VILLAGE_A))]);
        assert!(answer.rows.is_empty(), "no byte of a village that is no longer theirs");
        assert!(answer.control.unwrap().holdings.is_empty());
        let summary = world.store.read_blocking(|tx| tx.visit(VisitId(visit))).unwrap().unwrap();
        assert_ne!(summary.flags & sync_protocol::row::flag::AFTER_GRANT_ENDED, 0);

        // What comes after the grace is not taken.
        phone.record(VILLAGE_A, HOUSE_A);
        world.clock.store(NOW + 40 * 86_400_000, Ordering::SeqCst);
        let answer = world.sync(&mut phone, 2);
        assert_eq!(answer.outcomes[0].code.as_deref(), Some("grant_ended"));
        world.is_sound();
    }
}

#[test]
fn a_revoked_device_delivers_into_the_late_queue_and_reads_nothing() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        world.sync(&mut phone, 0);
        phone.record(VILLAGE_A, HOUSE_A);
        let device = phone.device;
        world
            .store
            .write_blocking(move |tx| {
                let found = tx.device(device)?.unwrap();
                tx.put_device(&Device { revoked: Some(ServerMs(NOW)), ..found })
            })
            .unwrap();
        phone.cursors.clear();
        let answer = world.send(&phone.request(1)).unwrap();
        let outcome = &answer.outcomes[0];
        assert_eq!((outcome.verdict, outcome.code.as_deref()), (Verdict::Deferred, Some("device_revoked")));
        assert_ne!(answer.header.as_ref().unwrap().flags & header_flag::WIPE, 0);
        assert!(answer.rows.is_empty() && answer.control.is_none());
        let kept = world.store.read_blocking(|tx| tx.kept_ops(None, 10)).unwrap();
        assert_eq!(kept[0].body.as_ref(), Some(&phone.ops[0]));
        assert_eq!(world.status(Op::read(&phone.ops[0]).unwrap().row_id()), None);
    }
}

#[test]
fn what_a_lost_phone_delivered_late_is_adopted_as_its_owners_work_once() {
    for world in worlds() {
        let desk = world.desk();
        world.put(vec![
            Change::PutUser(User {
                id: UserId(uuid(50)),
                display_name: "Cán bộ mẫu".into(),
                phone: "0530000050".into(),
                unit: UnitId(uuid(VILLAGE_A)),
                grants_rev: 1,
                active: true,
            }),
            Change::PutGrant(Grant { role: Role::CommuneOfficer.code().into(), ..grant(50, VILLAGE_A) }),
        ]);
        let officer = UserId(uuid(50));
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_A, HOUSE_A);
        world.sync(&mut phone, 1);
        let device = phone.device;
        assert!(wait(desk.adopt(officer, device)).is_err(), "a phone in use has nothing to adopt");
        let revoke = move |tx: &mut dyn Tx| {
            let found = tx.device(device)?.unwrap();
            tx.put_device(&Device { revoked: Some(ServerMs(NOW)), ..found })
        };
        world.store.write_blocking(revoke).unwrap();
        for _ in 0..2 {
            phone.record(VILLAGE_A, HOUSE_A);
        }
        phone.cursors.clear();
        world.send(&phone.request(2)).unwrap();

        assert!(wait(desk.ledger(UserId(uuid(OTHER)), device)).is_err(), "somebody else's phone is not there");
        let ledger = wait(desk.ledger(officer, device)).unwrap();
        assert_eq!((ledger.held, ledger.waiting.len()), (3, 2));
        assert_eq!(ledger.waiting[0].action, "visit.record/1");
        assert_eq!(ledger.waiting[0].visit.map(|(village, _)| village), Some(UnitId(uuid(VILLAGE_A))));

        let adopted = wait(desk.adopt(officer, device)).unwrap();
        assert_eq!((adopted.applied, adopted.rejected, adopted.waiting), (2, 0, 0));
        for op in &phone.ops[1..] {
            let visit = Op::read(op).unwrap().row_id();
            let summary = world.store.read_blocking(|tx| tx.visit(VisitId(visit))).unwrap().unwrap();
            assert_eq!(summary.author, UserId(uuid(MEMBER)));
        }
        // A second time there is nothing left, and the phone that sends again hears what became of it.
        assert_eq!(wait(desk.adopt(officer, device)).unwrap().applied, 0);
        let answer = world.send(&phone.request(2)).unwrap();
        assert!(answer.outcomes.iter().all(|outcome| outcome.verdict == Verdict::Applied), "{:?}", answer.outcomes);
        world.is_sound();
    }
}

#[test]
fn cursors_are_remembered_and_asked_for_when_forgotten() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        world.sync(&mut phone, 0);
        let cursors = Cursors(phone.cursors.values().copied().collect());
        let short = |bytes| Hello { cursors: None, cursors_short: Some(bytes), ..phone.hello() };
        let request = phone.frames(&short(cursors.short()), &[]);
        let answer = world.send(&request).unwrap();
        let idle = request.len() + answer.bytes.len();
        assert!(idle < 180, "an idle exchange has {idle} bytes of body");
        assert_eq!(answer.header.unwrap().flags & header_flag::NEED_CURSORS, 0);
        assert!(answer.trailer.unwrap().complete);
        let answer = world.send(&phone.frames(&short([9; 8]), &[])).unwrap();
        assert_ne!(answer.header.unwrap().flags & header_flag::NEED_CURSORS, 0);
        assert!(!answer.trailer.unwrap().complete);
    }
}

#[test]
fn a_store_that_went_back_in_time_begins_a_new_epoch() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_A, HOUSE_A);
        world.sync(&mut phone, 1);
        let genuine = *phone.cursors.values().find(|cursor| cursor.bucket.quarter == 0).unwrap();
        let with = |cursor: Cursor| {
            let mut cursors = phone.cursors.clone();
            cursors.insert(cursor.bucket, cursor);
            Hello { cursors: Some(Cursors(cursors.values().copied().collect())), ..phone.hello() }
        };
        let forged = Cursor { seq: genuine.seq + 5, ..genuine };
        let answer = world.send(&phone.frames(&with(forged), &[])).unwrap();
        assert_eq!(answer.header.unwrap().server_epoch, 1, "a forged cursor raises nothing");

        // Undo the bucket's last position, as a restored backup would.
        world
            .store
            .write_blocking(move |tx| {
                let mut counters = tx.bucket(genuine.bucket)?.unwrap();
                counters.head -= 1;
                tx.put_bucket(genuine.bucket, &counters)
            })
            .unwrap();
        let answer = world.send(&phone.frames(&with(genuine), &[])).unwrap();
        assert_eq!(answer.header.as_ref().unwrap().server_epoch, EPOCH_OF_NOW);
        assert_eq!(*world.raised.lock().unwrap(), [EPOCH_OF_NOW]);
        assert!(!answer.rows.is_empty(), "everything is loaded afresh");
    }
}

#[test]
fn a_restored_store_is_noticed_even_when_the_same_request_fills_the_gap_again() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_A, HOUSE_A);
        world.sync(&mut phone, 1);
        let genuine = *phone.cursors.values().find(|cursor| cursor.bucket.quarter != 0).unwrap();
        // The backup is older than the visit: neither its op nor its position is known.
        world
            .store
            .write_blocking(move |tx| {
                let outbox = tx.outbox(Epoch(1))?.unwrap();
                let before = Chain::start(outbox.device, outbox.epoch);
                tx.put_outbox(&server::storage::Outbox { last_n: 0, chain: before, ..outbox })?;
                tx.put_bucket(genuine.bucket, &Default::default())
            })
            .unwrap();
        let answer = world.send(&phone.request(1)).unwrap();
        let epoch = answer.header.unwrap().server_epoch;
        assert_eq!(epoch, EPOCH_OF_NOW, "taking the op again must not hide the restore");
    }
}

#[test]
fn ops_are_not_taken_while_the_cursors_are_unknown() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        world.sync(&mut phone, 0);
        phone.record(VILLAGE_A, HOUSE_A);
        // The server has forgotten the cursors, as after a restart: a restore could hide behind these ops.
        let hello = Hello { cursors: None, cursors_short: Some([9; 8]), ..phone.hello() };
        let answer = world.send(&phone.frames(&hello, &[phone.ops_frame(1)])).unwrap();
        let header = answer.header.unwrap();
        assert_ne!(header.flags & header_flag::NEED_CURSORS, 0);
        assert!(answer.outcomes.is_empty() && header.last_n == 0);
        let answer = world.sync(&mut phone, 1);
        assert_eq!(verdicts(&answer), [(1, Verdict::Applied)]);
    }
}

#[test]
fn nobody_learns_what_became_of_a_colleague_s_ops() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        phone.record(VILLAGE_B, HOUSE_B);
        world.sync(&mut phone, 1);
        let other = world.phone(OTHER, 2);
        let hello = Hello { epoch: phone.epoch, ask: vec![1], ..other.hello() };
        let answer = world.send(&other.frames(&hello, &[])).unwrap();
        assert_eq!(answer.problems[0].code, "epoch_taken");
        assert!(answer.outcomes.is_empty());
        assert_eq!(answer.header.unwrap().last_n, 0);
        // Its owner may ask.
        let hello = Hello { ask: vec![1], ..phone.hello() };
        let answer = world.send(&phone.frames(&hello, &[])).unwrap();
        assert_eq!(answer.outcomes[0].code.as_deref(), Some("not_found"));
    }
}

#[test]
fn what_waited_on_a_revoked_phone_is_decided_when_its_owner_brings_it_with_another() {
    for world in worlds() {
        let mut lost = world.phone(MEMBER, 1);
        let visit = lost.record(VILLAGE_A, HOUSE_A).row_id();
        let device = lost.device;
        let revoke = |at| {
            world
                .store
                .write_blocking(move |tx| {
                    let found = tx.device(device)?.unwrap();
                    tx.put_device(&Device { revoked: at, ..found })
                })
                .unwrap();
        };
        revoke(Some(ServerMs(NOW)));
        world.send(&lost.request(1)).unwrap();
        assert_eq!(world.status(visit), None);

        let mut found = world.phone(MEMBER, 2);
        found.ops = lost.ops.clone();
        let answer = world.sync(&mut found, 1);
        assert_eq!(verdicts(&answer), [(1, Verdict::Applied)]);
        assert_eq!(answer.visits(), 1);
        assert_eq!(world.status(visit), Some(VisitStatus::Submitted));
        // Under its first identity it has the same outcome now, and no longer waits anywhere.
        let first = world.store.read_blocking(|tx| tx.op(Epoch(1), 1)).unwrap().unwrap();
        assert_eq!(cbor::read::<Outcome>(&first.outcome).unwrap().verdict, Verdict::Applied);
        assert!(world.store.read_blocking(|tx| tx.kept_ops(None, 10)).unwrap().is_empty());
        world.is_sound();
    }
}

#[test]
fn what_follows_an_op_that_waits_waits_with_it() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        let mut newer = content(VILLAGE_A, HOUSE_A);
        newer.activities[0].kind = "x_of_next_year".into();
        let record = RecordVisit { content: Raw(newer.cbor()), submit: false, plan: None, ext: Ext::default() };
        let visit = VisitId(phone.add(Intent::VisitRecord(record)).row_id());
        phone.add(Intent::VisitSubmit(VisitRef { visit, ext: Ext::default() }));
        let unknown = VisitId(uuid(99));
        phone.add(Intent::VisitSubmit(VisitRef { visit: unknown, ext: Ext::default() }));
        let answer = world.sync(&mut phone, 1);
        use Verdict::*;
        assert_eq!(verdicts(&answer), [(1, Deferred), (2, Deferred), (3, Rejected)]);
    }
}

#[test]
fn a_role_that_reads_no_rows_brings_none_to_a_phone() {
    for world in worlds() {
        for (n, role) in
            [Role::ProvinceOfficer, Role::PrivacyOfficer, Role::Auditor, Role::Admin].into_iter().enumerate()
        {
            let id = GrantId(uuid(200 + n as u8));
            let given = Grant { id, role: role.code().into(), ..grant(OTHER, VILLAGE_A) };
            world
                .store
                .write_blocking(move |tx| {
                    let mut work = Work::new(tx, ServerMs(NOW));
                    work.apply(vec![Change::PutGrant(given.clone())])?;
                    work.finish()
                })
                .unwrap();
        }
        let mut phone = world.phone(OTHER, 2);
        let answer = world.sync(&mut phone, 0);
        assert_eq!(answer.rows.len(), 3, "the rows of the village that they are a member of, and no others");
        assert!(phone.cursors.keys().all(|bucket| bucket.scope == ScopeId(uuid(VILLAGE_B))));
    }
}

#[test]
fn a_changed_row_moves_forward_once_and_its_digest_follows() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        world.sync(&mut phone, 0);
        for n in 1..=3u64 {
            let label = HouseholdLabel { label: format!("nhà số {n}"), landmark: None, ext: Ext::default() };
            let groups = ByKey(BTreeMap::from([(household::LABEL, Raw(label.cbor()))]));
            let set = SetGroups { id: uuid(HOUSE_A), base_ver: Ver(u64::MAX), groups, ext: Ext::default() };
            phone.add(Intent::HouseholdSet(set));
            let answer = world.sync(&mut phone, n);
            assert_eq!(verdicts(&answer), [(n, Verdict::Applied)]);
            assert_eq!(answer.rows.len(), 1, "only the row that changed comes again");
            assert_eq!(answer.rows[0].ver(), Ver(Ver::first(1).0 + n));
            world.is_sound();
        }
    }
}

#[test]
fn a_long_history_comes_in_frames_that_can_be_cut() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        for _ in 0..60 {
            phone.record(VILLAGE_A, HOUSE_A);
        }
        world.sync(&mut phone, 1);
        let mut fresh = world.phone(MEMBER, 2);
        let (mut rows, mut requests) = (0, 0);
        loop {
            let hello = Hello { budget_bytes: 1, ..fresh.hello() };
            let answer = world.send(&fresh.frames(&hello, &[])).unwrap();
            fresh.take(&answer);
            rows += answer.rows.len();
            requests += 1;
            let trailer = answer.trailer.unwrap();
            assert_eq!(trailer.complete, !trailer.more);
            if !trailer.more {
                break;
            }
            assert!(requests < 100, "each request must get on");
        }
        assert_eq!(rows, 63);
        assert!(requests > 1);
    }
}

#[test]
fn an_epoch_goes_by_the_hour_and_never_back() {
    assert_eq!(next_epoch(1, ServerMs(NOW)), EPOCH_OF_NOW);
    assert_eq!(next_epoch(EPOCH_OF_NOW, ServerMs(NOW)), EPOCH_OF_NOW + 1);
    assert_eq!(next_epoch(EPOCH_OF_NOW, ServerMs(NOW + 3_600_000)), EPOCH_OF_NOW + 1);
    // A clock that was set back, and one that is far ahead.
    assert_eq!(next_epoch(EPOCH_OF_NOW, ServerMs(0)), EPOCH_OF_NOW + 1);
    assert_eq!(next_epoch(EPOCH_OF_NOW, ServerMs(u64::MAX)), EPOCH_OF_NOW + 1);
}

/// For each engine: a server, and the same server put back to this moment, with everything that lay beside its store.
fn twins() -> Vec<(World, World)> {
    let mut pairs: Vec<(World, World)> = worlds().into_iter().zip(worlds()).collect();
    for (_, restored) in &mut pairs {
        restored.drawn.store(100, Ordering::SeqCst);
        restored.restart();
    }
    pairs
}

#[test]
fn a_restore_that_nobody_announced_is_noticed_although_no_cursor_is_ahead() {
    // What was read after the backup was read in the life that is in it, or in a later one.
    for restarts in [0, 1, 3] {
        for (mut lost, world) in twins() {
            let mut phone = lost.phone(MEMBER, 1);
            drop(world.phone(MEMBER, 1));
            (0..restarts).for_each(|_| lost.restart());
            phone.record(VILLAGE_A, HOUSE_A);
            lost.sync(&mut phone, 1);
            // As many changes after the restore as before it: the same positions, and other rows.
            let mut other = world.phone(MEMBER, 2);
            other.record(VILLAGE_A, HOUSE_A);
            world.sync(&mut other, 1);
            assert_eq!(other.cursors, phone.cursors, "cursors alone do not tell");

            let answer = world.sync(&mut phone, 0);
            assert_eq!(answer.header.as_ref().unwrap().server_epoch, EPOCH_OF_NOW, "{restarts} restarts");
            assert_eq!(answer.visits(), 1, "everything is loaded afresh");
            assert_eq!(verdicts(&world.sync(&mut phone, 1)), [(1, Verdict::Applied)]);
            for from in [0, 1, 0] {
                world.sync(&mut phone, from);
                world.sync(&mut other, from);
            }
            assert_eq!(*world.raised.lock().unwrap(), [EPOCH_OF_NOW], "once is enough");
            world.is_sound();
        }
    }
}

#[test]
fn what_was_read_before_the_backup_tells_of_no_restore() {
    for (mut went_on, world) in twins() {
        let mut phone = went_on.phone(MEMBER, 1);
        drop(world.phone(MEMBER, 1));
        went_on.sync(&mut phone, 0);
        assert!(phone.life.is_some());
        let answer = world.sync(&mut phone.clone(), 0);
        assert_eq!(answer.header.unwrap().server_epoch, 1);
        // Nor does a server that only starts again, however much it did between.
        phone.record(VILLAGE_A, HOUSE_A);
        went_on.sync(&mut phone, 1);
        for _ in 0..3 {
            went_on.restart();
            went_on.sync(&mut phone, 0);
        }
        // Nor does a life that this server never named.
        let forged = phone.life.map(|mut life| {
            life[3] ^= 9;
            life
        });
        let answer = went_on.sync(&mut Phone { life: forged, ..phone.clone() }, 0);
        assert_eq!(answer.header.unwrap().server_epoch, 1);
        assert!(went_on.raised.lock().unwrap().is_empty() && world.raised.lock().unwrap().is_empty());
    }
}

#[test]
fn a_phone_that_gets_no_rows_tells_of_a_restore_once() {
    for is_revoked in [true, false] {
        for (lost, world) in twins() {
            let mut phone = lost.phone(MEMBER, 1);
            drop(world.phone(MEMBER, 1));
            phone.record(VILLAGE_A, HOUSE_A);
            lost.sync(&mut phone, 1);
            if is_revoked {
                let device = phone.device;
                let revoke = move |tx: &mut dyn Tx| {
                    let found = tx.device(device)?.unwrap();
                    tx.put_device(&Device { revoked: Some(ServerMs(NOW)), ..found })
                };
                world.store.write_blocking(revoke).unwrap();
            } else {
                world.end_grant(MEMBER, VILLAGE_A);
            }
            for _ in 0..3 {
                let answer = world.sync(&mut phone, 0);
                assert!(answer.rows.is_empty());
                assert_eq!(answer.header.unwrap().server_epoch, EPOCH_OF_NOW);
            }
            assert_eq!(*world.raised.lock().unwrap(), [EPOCH_OF_NOW]);
        }
    }
}

#[test]
fn a_genuine_cursor_of_a_later_epoch_raises_the_epoch_above_it() {
    const LATER: u16 = EPOCH_OF_NOW + 500;
    for (mut lost, world) in twins() {
        lost.store.write_blocking(|tx| tx.put_meta(SERVER_EPOCH_KEY, &LATER.to_be_bytes())).unwrap();
        lost.restart();
        let mut phone = lost.phone(MEMBER, 1);
        drop(world.phone(MEMBER, 1));
        lost.sync(&mut phone, 0);
        phone.life = None;
        let mut liar = phone.clone();
        liar.cursors.values_mut().for_each(|cursor| cursor.seq -= 1);
        let answer = world.sync(&mut liar, 0);
        assert_eq!(answer.header.unwrap().server_epoch, 1, "a forged cursor raises nothing");

        let answer = world.sync(&mut phone, 0);
        assert_eq!(answer.header.unwrap().server_epoch, LATER + 1);
        assert_eq!(answer.rows.len(), 3, "everything is loaded afresh");
        world.sync(&mut phone, 0);
        assert_eq!(*world.raised.lock().unwrap(), [LATER + 1]);
    }
}

#[test]
fn a_grant_that_was_ended_at_night_ends_then_and_not_in_the_morning() {
    for world in worlds() {
        let mut phone = world.phone(MEMBER, 1);
        world.sync(&mut phone, 0);
        // 01:00 in Việt Nam, the evening before in London.
        let night = Day::of_ms(NOW + 86_400_000).begins().0 + 3_600_000;
        world.clock.store(night, Ordering::SeqCst);
        world.end_grant(MEMBER, VILLAGE_A);
        world.clock.store(night + 60_000, Ordering::SeqCst);
        let content = Raw(content(VILLAGE_A, HOUSE_A).cbor());
        let record = RecordVisit { content, submit: true, plan: None, ext: Ext::default() };
        for (salt, grants_rev) in [(90, 1), (91, 2)] {
            let intent = Intent::VisitRecord(record.clone());
            phone.ops.push(intent.into_op(Salt([salt; 16]), ClaimedMs(night), grants_rev).cbor());
        }
        let answer = world.sync(&mut phone, 1);
        // The first knew nothing of the end; the second was made by somebody who had been told.
        assert_eq!(verdicts(&answer), [(1, Verdict::Applied), (2, Verdict::Rejected)]);
        world.is_sound();
    }
}

/// Village A lies in a commune that is merged, village B in one that is not concerned.
#[test]
fn a_reorganisation_costs_a_phone_the_row_of_its_village_and_others_nothing() {
    let country = server::units::country().unwrap();
    let effective = Day::parse("2025-07-01").unwrap();
    let commune = |code: &str| country.get(Level::Commune, code, Day(effective.0 - 1)).unwrap().row_id;
    for world in worlds() {
        let admin = UserId(uuid(50));
        let desk = world.desk();
        let installed = Grant { role: Role::Admin.code().into(), unit: INSTALLATION.into(), ..grant(50, 0) };
        let (display_name, phone, unit) = ("Quản trị mẫu".into(), "0530000050".into(), INSTALLATION.into());
        let account = User { id: admin, display_name, phone, unit, grants_rev: 1, active: true };
        let mut rows = Vec::new();
        for code in ["05929", "05950"] {
            let above = country.ancestors(commune(code), Day(effective.0 - 1));
            rows.extend(above.iter().rev().map(|unit| unit.row_id).chain([commune(code)]));
        }
        let mut changes = vec![Change::PutUser(account), Change::PutGrant(installed)];
        let mut put = |ty, id, scope: Uuid, groups: Vec<(u8, Vec<u8>)>| {
            let register = Register { id, ..register(ty, 0, groups) };
            changes.push(Change::PutRegister { scope: ScopeId(scope), register });
        };
        for row in rows {
            let known = country.unit(row).unwrap();
            let identity = UnitIdentity {
                level: known.level.code().into(),
                code: known.code.clone(),
                unit_type: known.unit_type.code().into(),
                name: known.name.clone(),
                full_name: known.full_name.clone(),
                local_name: None,
                ext: Ext::default(),
            };
            let parent = known.parents.first().map_or(INSTALLATION.into(), |span| span.parent);
            let parent = UnitParent { parent, from: known.valid_from, former: vec![], ext: Ext::default() };
            let validity = Validity { from: known.valid_from, to: known.valid_to, ext: Ext::default() };
            let groups = vec![(1, identity.cbor()), (2, parent.cbor()), (3, validity.cbor())];
            put(RowType::UNIT, row.0, row.0, groups);
        }
        let former =
            TeamIdentity {
                level: "commune".into(), unit: commune("05929"), name: "Tổ xã".into(), ext: Ext::default()
            };
        put(RowType::TEAM, uuid(60), commune("05929").0, vec![(team::IDENTITY, former.cbor())]);
        world
            .store
            .write_blocking(move |tx| {
                let mut work = Work::new(tx, ServerMs(NOW));
                work.apply(changes.clone())?;
                work.finish()
            })
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (village, code) in [(VILLAGE_A, "05929"), (VILLAGE_B, "05950")] {
            let from = Day(19_500);
            let parent = UnitParent { parent: commune(code), from, former: vec![], ext: Ext::default() };
            let validity = Validity { from, to: None, ext: Ext::default() };
            let groups = BTreeMap::from([(unit::PARENT, Raw(parent.cbor())), (unit::VALIDITY, Raw(validity.cbor()))]);
            let body =
                SetGroups { id: uuid(village), base_ver: Ver(u64::MAX), groups: ByKey(groups), ext: Ext::default() };
            let done = runtime.block_on(desk.perform(admin, vec![Intent::UnitSet(body)])).unwrap();
            assert_eq!(done[0].0.verdict, Verdict::Applied);
        }
        let (mut inside, mut outside) = (world.phone(MEMBER, 1), world.phone(OTHER, 2));
        for phone in [&mut inside, &mut outside] {
            assert!(!world.sync(phone, 0).rows.is_empty());
        }
        let body = NewReorganisation {
            effective: effective.to_string(),
            basis: "1683/NQ-UBTVQH15".into(),
            communes: vec!["05929".into()],
            assignments: vec![],
        };
        runtime.block_on(desk.apply_reorganisation(admin, body)).unwrap();

        let idle = world.sync(&mut outside, 0);
        assert!(idle.rows.is_empty() && idle.control.is_none() && idle.dropped.is_empty());
        let told = world.sync(&mut inside, 0);
        assert_eq!(
            told.rows.iter().map(|row| (row.ty(), row.id())).collect::<Vec<_>>(),
            [(RowType::UNIT, uuid(VILLAGE_A))]
        );
        assert!(told.control.is_none() && told.dropped.is_empty());

        // Recorded in the field with the commune's team, which the phone still knows.
        let content = VisitContent { team: TeamId(uuid(60)), ..content(VILLAGE_A, HOUSE_A) };
        let content = Raw(content.cbor());
        inside.add(Intent::VisitRecord(RecordVisit { content, submit: true, plan: None, ext: Ext::default() }));
        assert_eq!(verdicts(&world.sync(&mut inside, 1)), [(1, Verdict::Applied)]);
        world.is_sound();
    }
}

const COMMUNE_A: u8 = 10;
const COMMUNE_B: u8 = 13;
const PROVINCE_A: u8 = 9;
const PROVINCE_B: u8 = 8;

impl World {
    fn put(&self, changes: Vec<Change>) {
        let now = ServerMs(self.clock.load(Ordering::SeqCst));
        self.store
            .write_blocking(move |tx| {
                let mut work = Work::new(tx, now);
                work.apply(changes.clone())?;
                work.finish()
            })
            .unwrap();
    }

    /// Village A lies in commune and province A, village B in those called B; each has an officer, numbered as its unit.
    fn with_offices(&self) {
        let mut changes = Vec::new();
        for (unit, above, level, role) in [
            (PROVINCE_A, 0, "province", Role::ProvinceOfficer),
            (PROVINCE_B, 0, "province", Role::ProvinceOfficer),
            (COMMUNE_A, PROVINCE_A, "commune", Role::CommuneOfficer),
            (COMMUNE_B, PROVINCE_B, "commune", Role::CommuneOfficer),
        ] {
            let full_name = format!("Đơn vị mẫu {unit}");
            let identity = UnitIdentity {
                level: level.into(),
                code: format!("0{unit}"),
                unit_type: "xa".into(),
                name: full_name.clone(),
                full_name,
                local_name: None,
                ext: Ext::default(),
            };
            let validity = Validity { from: Day(20_000), to: None, ext: Ext::default() };
            let groups = vec![(unit::IDENTITY, identity.cbor()), (unit::VALIDITY, validity.cbor())];
            changes.push(Change::PutRegister {
                scope: ScopeId(uuid(unit)),
                register: register(RowType::UNIT, unit, [groups, vec![(unit::PARENT, below(above))]].concat()),
            });
            let user = UserId(uuid(unit + 50));
            let (display_name, phone) = ("Cán bộ mẫu".into(), format!("05300001{unit:02}"));
            let account = User { id: user, display_name, phone, unit: UnitId(uuid(unit)), grants_rev: 1, active: true };
            changes.push(Change::PutUser(account));
            changes.push(Change::PutGrant(Grant { role: role.code().into(), ..grant(unit + 50, unit) }));
        }
        self.put(changes);
        self.rehang(VILLAGE_B, COMMUNE_B);
    }

    /// A village comes to lie in another commune.
    fn rehang(&self, village: u8, commune: u8) {
        let (_, bytes) = self.store.read_blocking(|tx| tx.live(RowType::UNIT, uuid(village))).unwrap().unwrap();
        let row: Register = cbor::read(&bytes).unwrap();
        let ver = row.ver.next(1);
        let mut register = Register { ver, ..row };
        register.groups.get_mut(&unit::PARENT).unwrap().value = Raw(below(commune));
        self.put(vec![Change::PutRegister { scope: ScopeId(uuid(village)), register }]);
    }

    fn desk(&self) -> Desk {
        let (at, drawn) = (Arc::clone(&self.clock), Arc::clone(&self.drawn));
        Desk::new(
            self.store.clone(),
            Arc::clone(&self.service),
            Arc::new(move || ServerMs(at.load(Ordering::SeqCst))),
            Arc::new(move |bytes: &mut [u8]| bytes.fill(drawn.fetch_add(1, Ordering::SeqCst))),
        )
    }

    fn office(&self, unit: u8, intents: Vec<Intent>) {
        let done = wait(self.desk().perform(UserId(uuid(unit + 50)), intents)).unwrap();
        assert!(done.iter().all(|done| done.0.verdict == Verdict::Applied), "{:?}", done[0].0);
    }

    /// The officer of a unit runs a campaign there.
    fn campaign(&self, unit: u8) -> Uuid {
        let frame = CampaignFrame {
            kind: "drive".into(),
            from: Day::of_ms(NOW),
            to: Day(Day::of_ms(NOW).0 + 10),
            weekly: None,
            yearly: None,
            kinds: vec!["vneid_level2".into()],
            ext: Ext::default(),
        };
        let words = CampaignWords {
            title: format!("Ra quân {unit}"),
            theme: None,
            partners: vec![],
            daily_report: false,
            ext: Ext::default(),
        };
        let groups = BTreeMap::from([(campaign::FRAME, Raw(frame.cbor())), (campaign::WORDS, Raw(words.cbor()))]);
        let scope = ScopeId(uuid(unit));
        self.office(
            unit,
            vec![Intent::CampaignCreate(CreateRow { scope, groups: ByKey(groups), id: None, ext: Ext::default() })],
        );
        let rows = self.store.read_blocking(|tx| tx.rows_of(scope, RowType::CAMPAIGN, None, 10)).unwrap();
        let id = cbor::read::<Register>(rows.last().unwrap()).unwrap().id;
        let base_ver = Ver(u64::MAX);
        let publish = PublishCampaign { campaign: CampaignId(id), base_ver, ext: Ext::default() };
        self.office(unit, vec![Intent::CampaignPublish(publish)]);
        id
    }

    /// The officer of a unit announces something.
    fn announce(&self, unit: u8) -> Uuid {
        let said = PublishAnnouncement {
            unit: UnitId(uuid(unit)),
            title: "Ngày chuyển đổi số".into(),
            body: "Thứ bảy, tại nhà văn hoá thôn.".into(),
            from: Day::of_ms(NOW),
            to: Day(Day::of_ms(NOW).0 + 3),
            ext: Ext::default(),
        };
        self.office(unit, vec![Intent::AnnouncementPublish(said)]);
        let scope = ScopeId(uuid(unit));
        let rows = self.store.read_blocking(|tx| tx.rows_of(scope, RowType::ANNOUNCEMENT, None, 10)).unwrap();
        cbor::read::<Register>(rows.last().unwrap()).unwrap().id
    }
}

fn below(above: u8) -> Vec<u8> {
    UnitParent { parent: UnitId(uuid(above)), from: Day(20_000), former: vec![], ext: Ext::default() }.cbor()
}

fn of(answer: &Answer) -> Vec<(RowType, Uuid)> {
    answer.rows.iter().map(|row| (row.ty(), row.id())).collect()
}

#[test]
fn what_commune_and_province_publish_reaches_the_phones_of_their_villages_and_no_other() {
    for world in worlds() {
        world.with_offices();
        let (mut inside, mut outside) = (world.phone(MEMBER, 1), world.phone(OTHER, 2));
        world.sync(&mut inside, 0);
        world.sync(&mut outside, 0);
        // Units that say nothing cost nothing.
        assert!(inside.cursors.keys().all(|bucket| bucket.scope == ScopeId(uuid(VILLAGE_A))));
        let quiet = world.sync(&mut outside, 0).bytes.len();

        let campaign = (RowType::CAMPAIGN, world.campaign(COMMUNE_A));
        let announced = (RowType::ANNOUNCEMENT, world.announce(PROVINCE_A));
        let told = world.sync(&mut inside, 0);
        let mut expected = [campaign, announced];
        expected.sort();
        let mut rows = of(&told);
        rows.sort();
        assert_eq!(rows, expected);
        let trailer = told.trailer.as_ref().unwrap();
        assert!(trailer.complete && trailer.state.is_some() && told.dropped.is_empty());
        assert!(of(&world.sync(&mut inside, 0)).is_empty());

        let foreign = world.sync(&mut outside, 0);
        assert!(foreign.rows.is_empty() && foreign.dropped.is_empty());
        assert_eq!(foreign.bytes.len(), quiet);
        // P10: a genuine cursor of a foreign place opens nothing, and what it points at is to be forgotten.
        let taken = inside.cursors.iter().filter(|(bucket, _)| bucket.scope == ScopeId(uuid(COMMUNE_A)));
        outside
            .cursors
            .extend(taken.map(|(bucket, cursor)| (*bucket, Cursor { seq: 0, ..*cursor })).collect::<Vec<_>>());
        let answer = world.sync(&mut outside, 0);
        assert!(answer.rows.is_empty());
        assert_eq!(answer.dropped, [ScopeId(uuid(COMMUNE_A))]);

        // Registers and control rows of the commune stay where they are.
        let scopes: Vec<BucketId> = inside.cursors.keys().copied().collect();
        let of_offices = scopes.iter().filter(|bucket| bucket.scope != ScopeId(uuid(VILLAGE_A)));
        assert!(of_offices.clone().count() == 2 && of_offices.clone().all(|bucket| bucket.class == Class::Notice));

        let withdraw = WithdrawAnnouncement { announcement: AnnouncementId(announced.1), ext: Ext::default() };
        world.office(PROVINCE_A, vec![Intent::AnnouncementWithdraw(withdraw)]);
        let told = world.sync(&mut inside, 0);
        let Row::Register(row) = &told.rows[0] else { panic!("an announcement is a register") };
        let stands: AnnouncementState = row.group(announcement::STATE).unwrap();
        assert!(stands.withdrawn.is_some());
        world.is_sound();
    }
}

#[test]
fn an_app_from_before_notices_gets_none_and_is_complete() {
    for world in worlds() {
        world.with_offices();
        world.campaign(COMMUNE_A);
        let mut old = world.phone(MEMBER, 1);
        let hello = Hello { schema: 1, ..old.hello() };
        let answer = world.send(&old.frames(&hello, &[])).unwrap();
        assert_eq!(answer.rows.len(), 3);
        assert!(answer.trailer.as_ref().unwrap().complete);
        // After its update it asks with the same cursors and gets the rest.
        old.take(&answer);
        assert_eq!(world.sync(&mut old, 0).rows.len(), 1);
    }
}

#[test]
fn notices_of_a_unit_that_no_longer_lies_above_are_dropped() {
    for world in worlds() {
        world.with_offices();
        for commune in [COMMUNE_A, COMMUNE_B] {
            world.campaign(commune);
        }
        world.announce(PROVINCE_A);
        let mut phone = world.phone(MEMBER, 1);
        assert_eq!(world.sync(&mut phone, 0).rows.len(), 5);
        // The village goes to another commune of another province; its grants stay as they are.
        world.rehang(VILLAGE_A, COMMUNE_B);
        let answer = world.sync(&mut phone, 0);
        assert_eq!(answer.dropped, [ScopeId(uuid(PROVINCE_A)), ScopeId(uuid(COMMUNE_A))]);
        assert_eq!(of(&answer).iter().map(|row| row.0).collect::<Vec<_>>(), [RowType::UNIT, RowType::CAMPAIGN]);
        assert!(answer.trailer.as_ref().unwrap().complete && answer.control.is_none());
        // The grant ends: so does what came with it.
        world.clock.store(NOW + 86_400_000, Ordering::SeqCst);
        world.end_grant(MEMBER, VILLAGE_A);
        let answer = world.sync(&mut phone, 0);
        assert_eq!(answer.dropped, [ScopeId(uuid(VILLAGE_A)), ScopeId(uuid(COMMUNE_B))]);
        assert!(answer.rows.is_empty());
        world.is_sound();
    }
}

#[test]
fn whoever_goes_from_the_commune_to_a_village_forgets_the_commune_and_then_gets_its_notices() {
    for world in worlds() {
        world.with_offices();
        let campaign = world.campaign(COMMUNE_A);
        let mut phone = world.phone(COMMUNE_A + 50, 1);
        assert!(of(&world.sync(&mut phone, 0)).contains(&(RowType::CAMPAIGN, campaign)));
        world.clock.store(NOW + 86_400_000, Ordering::SeqCst);
        world.end_grant(COMMUNE_A + 50, COMMUNE_A);
        let member = Grant { id: GrantId(uuid(200)), ..grant(COMMUNE_A + 50, VILLAGE_A) };
        world.put(vec![Change::PutGrant(member)]);
        let answer = world.sync(&mut phone, 0);
        assert_eq!(answer.dropped, [ScopeId(uuid(COMMUNE_A))]);
        let trailer = answer.trailer.as_ref().unwrap();
        assert!(trailer.more && !trailer.complete);
        let answer = world.sync(&mut phone, 0);
        assert_eq!(of(&answer), [(RowType::CAMPAIGN, campaign)]);
        assert!(answer.trailer.as_ref().unwrap().complete);
    }
}
