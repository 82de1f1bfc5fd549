//! Bytes that phones have sent and stored, kept for ever. A change that alters one of them breaks phones in the field.
//!
//! Files are made once, for new vectors only: `GOLDEN_WRITE=1 cargo test -p sync-protocol --test golden`. A file that
//! exists is never written again. docs/PROTOCOL.md quotes some of them; the quotes are checked here.

#![allow(missing_docs, clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey};
use support::*;
use sync_protocol::cbor::{Bytes, Cbor, IntMap, Raw, check, read};
use sync_protocol::decide::initial_state;
use sync_protocol::digest::{BucketState, Digest, fold, row_hash};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::{Code, Outcome, Verdict};
use sync_protocol::row::{BucketId, Class, Event, Register, Row, RowType, Stamp, Ver, flag, read_row, rows_as_bytes};
use sync_protocol::value::Value;
use sync_protocol::wire::*;
use uuid::Uuid;

/// 2026-11-20T02:00:00.000Z.
const AT: ClaimedMs = ClaimedMs(1_795_140_000_000);
const RECEIVED: ServerMs = ServerMs(1_795_143_600_000);
const SALT: [u8; 16] = [0x5a; 16];
const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);
const SESSION: u64 = 77;
const SYNC_KEY: [u8; 32] = [0x42; 32];
/// The private key of a phone that does not exist.
const DEVICE_KEY: [u8; 32] = [0x01; 32];

fn device() -> DeviceId {
    DeviceId(id(0xd1))
}
fn user() -> UserId {
    UserId(id(0xa1))
}
fn village() -> UnitId {
    UnitId(id(VILLAGE))
}
fn visit_id() -> VisitId {
    VisitId(id(0xe1))
}
fn key() -> SigningKey {
    SigningKey::from_slice(&DEVICE_KEY).expect("a valid scalar")
}

fn content() -> VisitContent {
    let activity = Activity {
        kind: "vneid_level2".into(),
        fields: BTreeMap::from([
            ("step".to_owned(), Value::Text("activated".into())),
            ("age_14_plus".to_owned(), Value::Bool(true)),
            ("outcome".to_owned(), Value::Text("done".into())),
            ("note".to_owned(), Value::Text("Đã kích hoạt.".into())),
        ]),
        id: None,
        ext: ext(),
    };
    VisitContent {
        village: village(),
        team: TeamId(id(0x31)),
        household: Some(HouseholdId(id(0x41))),
        visit_type: "household".into(),
        day: Day(20_777),
        minutes: Some(30),
        activities: vec![activity],
        members: vec![UserId(id(0xa2))],
        result: None,
        summary: None,
        place: Some((21_722, 104_911)),
        catalogue: "2026.1".into(),
        partner_org: None,
        quantity_reason: None,
        ext: ext(),
    }
}

fn op(intent: Intent) -> Op {
    intent.into_op(Salt(SALT), AT, 7)
}

fn record() -> Intent {
    Intent::VisitRecord(RecordVisit { content: Raw(content().cbor()), submit: true, plan: None, ext: ext() })
}

fn reasons() -> Vec<ReturnReason> {
    vec![ReturnReason {
        code: "evidence_unclear".into(),
        activity: Some(0),
        field: Some("note".into()),
        text: Some("Ghi rõ hơn.".into()),
        ext: ext(),
    }]
}

fn plan_values() -> [(u8, Raw); 3] {
    let task = PlanTask {
        village: village(),
        household: Some(HouseholdId(id(0x41))),
        visit_type: "household".into(),
        planned_for: Day(20_800),
        kinds: vec!["payment_account".into()],
        note: Some("Mang theo tờ rơi.".into()),
        follows: Some(visit_id()),
        ext: ext(),
    };
    let assignee = PlanAssignee { team: TeamId(id(0x31)), user: Some(user()), ext: ext() };
    let status = PlanStatus { status: "planned".into(), visit: None, reason: None, ext: ext() };
    [(plan::TASK, Raw(task.cbor())), (plan::ASSIGNEE, Raw(assignee.cbor())), (plan::STATUS, Raw(status.cbor()))]
}

fn team_values() -> [(u8, Raw); 3] {
    let identity =
        TeamIdentity { level: "village".into(), unit: village(), name: "Tổ thôn Mẫu".into(), ext: ext() };
    let decision = TeamDecision { number: "12/QĐ-UBND".into(), day: Day(20_300), ext: ext() };
    let validity = Validity { from: Day(20_300), to: None, ext: ext() };
    [
        (team::IDENTITY, Raw(identity.cbor())),
        (team::DECISION, Raw(decision.cbor())),
        (team::VALIDITY, Raw(validity.cbor())),
    ]
}

/// One op of every name.
fn intents() -> Vec<Intent> {
    let ver = Ver::first(1);
    let household =
        [label("nhà đầu suối"), head_of("Chủ hộ mẫu"), phone("0912345678"), class("poor"), people(3), consent(None)];
    vec![
        Intent::HouseholdCreate(create(VILLAGE, household)),
        Intent::HouseholdSet(set(id(0x41), ver, [class("near_poor")])),
        Intent::HouseholdMove(MoveRow { id: id(0x41), base_ver: ver, to: ScopeId(id(OTHER_VILLAGE)), ext: ext() }),
        record(),
        World::submit(visit_id()),
        World::correct(visit_id(), ver, &VisitContent { minutes: None, ..content() }, true),
        World::void(visit_id()),
        Intent::VisitReturn(ReturnVisit {
            visit: visit_id(),
            hash: content_hash(&content().cbor()),
            reasons: reasons(),
            note: Some("Cảm ơn.".into()),
            ext: ext(),
        }),
        Intent::VisitApprove(ApproveVisit {
            visit: visit_id(),
            hash: content_hash(&content().cbor()),
            batch: Some(Batch { size: 40, looked_at: true, ext: ext() }),
            ext: ext(),
        }),
        Intent::PlanCreate(create(VILLAGE, plan_values())),
        Intent::PlanSet(set(id(0x51), ver, [plan_values()[1].clone()])),
        Intent::PlanCancel(CancelPlan {
            plan: PlanId(id(0x51)), reason: Some("Gia đình đi vắng.".into()), ext: ext()
        }),
        Intent::CaseResolve(ResolveCase { case: CaseId(id(0x71)), base_ver: ver, value: class("poor").1, ext: ext() }),
        Intent::UnitCreate(CreateRow {
            scope: ScopeId(id(COMMUNE)),
            groups: unit_groups("village", "Mẫu", id(COMMUNE)),
            id: Some(id(VILLAGE)),
            ext: ext(),
        }),
        Intent::UnitSet(set(id(VILLAGE), ver, unit_groups("village", "Mẫu Hai", id(COMMUNE)).0)),
        Intent::TeamCreate(create(VILLAGE, team_values())),
        Intent::TeamSet(set(id(0x31), ver, [team_values()[1].clone()])),
        Intent::MemberAdd(AddMember {
            team: TeamId(id(0x31)),
            user: user(),
            display_name: "Thành viên mẫu".into(),
            position: "member".into(),
            organisation: "youth".into(),
            from: Day(20_300),
            ext: ext(),
        }),
        Intent::MemberEnd(EndMember { member: TeamMemberId(id(0x61)), to: Day(20_800), ext: ext() }),
        Intent::GrantGive(GiveGrant {
            user: user(),
            role: "member".into(),
            unit: village(),
            from: Day(20_300),
            decision: Some("13/QĐ-UBND".into()),
            ext: ext(),
        }),
        Intent::GrantEnd(EndGrant { grant: GrantId(id(0x81)), to: Day(20_800), ext: ext() }),
        Intent::UserCreate(CreateUser {
            display_name: "Thành viên mẫu".into(),
            phone: "0912345678".into(),
            unit: UnitId(id(COMMUNE)),
            ext: ext(),
        }),
        Intent::PeriodSet(SetPeriod { commune: UnitId(id(COMMUNE)), month: Month(24_322), open: false, ext: ext() }),
        Intent::ReorganisationRecord(RecordReorganisation {
            id: id(0x23),
            scope: ScopeId(id(0x05)),
            what: reorganised(),
            ext: ext(),
        }),
        Intent::ReorganisationUndo(ReorganisationRef { id: id(0x23), ext: ext() }),
    ]
}

fn reorganised() -> ReorganisationWhat {
    let grants = vec![MovedGrant { old: GrantId(id(0x81)), new: GrantId(id(0x82)), ext: ext() }];
    let moves = vec![ReorganisationMove {
        old: UnitId(id(COMMUNE)),
        new: UnitId(id(0x24)),
        villages: vec![village()],
        grants,
        ext: ext(),
    }];
    ReorganisationWhat {
        effective: Day(20_270),
        basis: "1673/NQ-UBTVQH15".into(),
        communes: vec![UnitId(id(COMMUNE))],
        closed: vec![UnitId(id(COMMUNE))],
        opened: vec![UnitId(id(0x24))],
        moves,
        ext: ext(),
    }
}

fn event(ty: RowType, body: Raw, visit: Option<VisitId>) -> Event {
    Event {
        ty: ty.0,
        id: if visit.is_some() { EventId(id(0xe2)) } else { visit_id().into() },
        ver: Ver::first(1),
        visit,
        author: user(),
        epoch: EPOCH,
        n: 1,
        received: RECEIVED,
        flags: if visit.is_some() { 0 } else { flag::LATE | flag::NIGHT },
        at: AT,
        body,
        submitted: visit.is_none(),
        ext: ext(),
    }
}

/// One row of every type.
fn rows() -> Vec<(&'static str, Row)> {
    let stamp = Stamp { ver: Ver::first(1), epoch: EPOCH, n: 3 };
    let register = |ty, number: u8, values: Vec<(u8, Raw)>| Register::new(ty, id(number), stamp, values);
    let recorded = event(RowType::VISIT_RECORDED, Raw(content().cbor()), None);
    let mut state = initial_state(&recorded);
    state.ver = Ver(Ver::first(1).0 + 1);
    let review = Review {
        decision: "returned".into(),
        by: UserId(id(0xa4)),
        at: RECEIVED,
        hash: content_hash(&content().cbor()),
        reasons: reasons(),
        note: None,
        batch: None,
        ext: ext(),
    };
    let status = VisitStatusValue { status: "returned".into(), ext: ext() };
    let second = Stamp { ver: state.ver, epoch: Epoch(9), n: 1 };
    state.groups.insert(visit_state::STATUS, sync_protocol::row::Group::set(Raw(status.cbor()), second));
    state.groups.insert(visit_state::REVIEW, sync_protocol::row::Group::set(Raw(review.cbor()), second));
    let who =
        MemberIdentity { team: TeamId(id(0x31)), user: user(), display_name: "Thành viên mẫu".into(), ext: ext() };
    let position = MemberPosition { position: "member".into(), organisation: "youth".into(), ext: ext() };
    let validity = Validity { from: Day(20_300), to: Some(Day(20_800)), ext: ext() };
    let subject = CaseSubject {
        kind: "conflict".into(),
        ty: RowType::HOUSEHOLD.0,
        id: id(0x41),
        group: household::CLASS,
        ext: ext(),
    };
    let side = |text: &str, by: Option<UserId>| Side {
        value: class(text).1,
        author: by,
        at: by.map(|_| AT),
        op: by.map(|_| OpUid(id(0x91))),
        ext: ext(),
    };
    let sides = CaseSides { sides: vec![side("poor", None), side("near_poor", Some(user()))], ext: ext() };
    let settled = CaseStatusValue {
        status: "resolved".into(),
        by: Some(UserId(id(0xa3))),
        at: Some(RECEIVED),
        chosen: Some(class("poor").1),
        ext: ext(),
    };
    let former = vec![FormerParent { parent: UnitId(id(COMMUNE)), from: Day(20_000), ext: ext() }];
    let parent = UnitParent { parent: UnitId(id(0x24)), from: Day(20_270), former, ext: ext() };
    let mut rehung = unit_groups("village", "Mẫu", id(COMMUNE)).0;
    rehung.insert(unit::PARENT, Raw(parent.cbor()));
    let rehung = rehung.into_iter().collect();
    let reorganisation =
        ReorganisationStatus { status: "applied".into(), by: UserId(id(0xa3)), at: RECEIVED, ext: ext() };
    let month = PeriodStatus { commune: UnitId(id(COMMUNE)), month: Month(24_322), open: true, ext: ext() };
    let mut household = register(RowType::HOUSEHOLD, 0x41, vec![label("nhà đầu suối"), class("poor")]);
    let guarded = household.groups.get_mut(&household::CLASS).expect("it was just set");
    guarded.case = Some(CaseId(id(0x71)));
    guarded.stamps.push(second);
    let moved = household.tombstone(Ver(Ver::first(1).0 + 2));
    let void = VoidReason { code: "duplicate".into(), text: Some("Ghi hai lần.".into()), ext: ext() };
    let opaque = {
        let mut newer = Register::new(RowType(12), id(0x77), stamp, [(1, Raw(5u8.cbor()))]);
        newer.ext.0.insert(30, "mới".to_owned().cbor());
        let raw = Raw(newer.cbor());
        Row::Opaque { ty: RowType(12), id: newer.id, ver: newer.ver, raw }
    };
    let correction = Raw(VisitContent { minutes: None, ..content() }.cbor());
    vec![
        (
            "01-unit",
            Row::Register(register(
                RowType::UNIT,
                VILLAGE,
                unit_groups("village", "Mẫu", id(COMMUNE)).0.into_iter().collect(),
            )),
        ),
        ("02-team", Row::Register(register(RowType::TEAM, 0x31, team_values().to_vec()))),
        (
            "03-team-member",
            Row::Register(register(
                RowType::TEAM_MEMBER,
                0x61,
                vec![(1, Raw(who.cbor())), (2, Raw(position.cbor())), (3, Raw(validity.cbor()))],
            )),
        ),
        ("04-household-in-dispute", Row::Register(household)),
        ("04-household-moved", Row::Register(moved)),
        ("05-plan", Row::Register(register(RowType::PLAN, 0x51, plan_values().to_vec()))),
        ("06-visit-state", Row::Register(state)),
        (
            "07-case",
            Row::Register(register(
                RowType::CASE,
                0x71,
                vec![(1, Raw(subject.cbor())), (2, Raw(sides.cbor())), (3, Raw(settled.cbor()))],
            )),
        ),
        ("08-period", Row::Register(register(RowType::PERIOD, 0x08, vec![(1, Raw(month.cbor()))]))),
        ("12-of-a-later-version", opaque),
        ("01-unit-with-former-parents", Row::Register(register(RowType::UNIT, VILLAGE, rehung))),
        (
            "23-reorganisation",
            Row::Register(register(
                RowType::REORGANISATION,
                0x23,
                vec![(1, Raw(reorganised().cbor())), (2, Raw(reorganisation.cbor()))],
            )),
        ),
        ("32-visit-recorded", Row::Event(recorded)),
        ("33-visit-corrected", Row::Event(event(RowType::VISIT_CORRECTED, correction, Some(visit_id())))),
        ("34-visit-voided", Row::Event(event(RowType::VISIT_VOIDED, Raw(void.cbor()), Some(visit_id())))),
    ]
}

fn first_op() -> Vec<u8> {
    op(record()).cbor()
}
fn second_op() -> Vec<u8> {
    World::submit(VisitId(op(record()).row_id())).into_op(Salt([0x5b; 16]), ClaimedMs(AT.0 + 60_000), 7).cbor()
}

fn chain() -> [Chain; 3] {
    let start = Chain::start(device(), EPOCH);
    let first = start.then(&first_op());
    [start, first, first.then(&second_op())]
}

fn ops_frame() -> OpsFrame {
    let [start, _, head] = chain();
    let signature: Signature = key().sign(&signing_input(device(), EPOCH, 1, 2, &head));
    OpsFrame {
        first_n: 1,
        before: start.short(),
        ops: vec![Bytes(first_op()), Bytes(second_op())],
        signature: signature.to_bytes().into(),
        ext: ext(),
    }
}

fn cursors() -> Cursors {
    let cursor = |class, quarter, seq| Cursor {
        bucket: BucketId { scope: village().into(), class, quarter },
        gen_: 65_537,
        seq,
        mac: [0x33; 8],
    };
    Cursors(vec![cursor(Class::Control, 0, 4), cursor(Class::Register, 0, 150), cursor(Class::Event, 8_107, 1_000)])
}

fn holdings() -> Vec<HeldRole> {
    vec![HeldRole { scope: village().into(), role: "member".into(), ext: ext() }]
}

fn hello(last_n: u64, oldest_n: u64) -> Hello {
    Hello {
        proto: PROTO,
        device: device(),
        session: SESSION,
        epoch: EPOCH,
        parent: None,
        last_n,
        chain: chain()[last_n as usize].short(),
        oldest_n,
        holdings: holdings_short(7, &holdings()),
        cursors_short: Some(cursors().short()),
        cursors: None,
        budget_bytes: 0,
        classes: 0,
        schema: SCHEMA,
        app: None,
        ask: vec![],
        server_epoch: 1,
        purged: vec![],
        want_digests: false,
        life: None,
        call: 3,
        ext: ext(),
    }
}

fn header() -> Header {
    Header {
        server_epoch: 1,
        server_ms: RECEIVED,
        last_n: 2,
        durable_upto: 0,
        next_after_ms: 60_000,
        flags: header_flag::UPDATE_ADVISED,
        re: hello_tag(&seal_hello(&hello(2, 1), &SYNC_KEY)),
        life: Some([0x36; 16]),
        ext: ext(),
    }
}

fn outcomes() -> Outcomes {
    let outcome = |n, verdict, code: Option<Code>| Outcome {
        n,
        verdict,
        code: code.map(|code| code.text().to_owned()),
        field: None,
        ver: None,
        case: None,
        rule: None,
        ext: ext(),
    };
    let ver = Some(Ver::first(1));
    Outcomes {
        outcomes: vec![
            Outcome { ver, ..outcome(1, Verdict::Applied, None) },
            Outcome { ver, case: Some(CaseId(id(0x71))), ..outcome(2, Verdict::AppliedWithCase, None) },
            outcome(3, Verdict::Deferred, Some(Code::NeedsServerUpdate)),
            Outcome {
                field: Some("activities[0].outcome".into()),
                rule: Some("required".into()),
                ..outcome(4, Verdict::Rejected, Some(Code::ValidationFailed))
            },
        ],
        ext: ext(),
    }
}

fn rows_frame() -> RowsFrame {
    let row = rows().into_iter().find(|(name, _)| *name == "32-visit-recorded").expect("an event").1;
    RowsFrame {
        scope: village().into(),
        class: Class::Event as u8,
        quarter: 8_107,
        gen_: 65_537,
        from: 1_000,
        to: 1_001,
        mac: [0x34; 8],
        rows: vec![Bytes(row.cbor())],
        ext: ext(),
    }
}

fn trailer() -> Trailer {
    let head = Head {
        scope: village().into(),
        class: Class::Event as u8,
        quarter: 8_107,
        gen_: 65_537,
        head: 1_001,
        count: 900,
        sum: u64::MAX,
        ext: ext(),
    };
    Trailer { complete: true, state: Some([0x35; 8]), more: false, heads: vec![head], ext: ext() }
}

fn messages() -> Vec<(&'static str, FrameKind, Vec<u8>)> {
    let control = Control {
        grants_rev: 7,
        user: user(),
        display_name: "Thành viên mẫu".into(),
        holdings: holdings(),
        schema_min: 1,
        seal_key: None,
        ext: ext(),
    };
    let full = Hello {
        parent: Some((Epoch(5), 41)),
        cursors_short: None,
        cursors: Some(cursors()),
        budget_bytes: 65_536,
        classes: 2,
        app: Some("0.1.0".into()),
        ask: vec![1],
        purged: vec![(ScopeId(id(OTHER_VILLAGE)), 200)],
        want_digests: true,
        life: Some([0x36; 16]),
        call: 70_000,
        ..hello(2, 1)
    };
    let drop = DropFrame { scopes: vec![ScopeId(id(OTHER_VILLAGE))], ext: ext() };
    let chain = chain().iter().zip(0..).map(|(chain, n)| (n, chain.short())).collect();
    let fork = Fork { last_n: 2, chain, ext: ext() };
    let problem = Problem { code: "expected_n".into(), frame: 1, expected_n: Some(3), ext: ext() };
    vec![
        ("hello-idle", FrameKind::Hello, seal_hello(&hello(0, 0), &SYNC_KEY)),
        ("hello-full", FrameKind::Hello, seal_hello(&full, &SYNC_KEY)),
        ("ops", FrameKind::Ops, ops_frame().cbor()),
        ("header", FrameKind::Header, header().cbor()),
        ("outcomes", FrameKind::Outcomes, outcomes().cbor()),
        ("control", FrameKind::Control, control.cbor()),
        ("rows", FrameKind::Rows, rows_frame().cbor()),
        ("drop", FrameKind::Drop, drop.cbor()),
        ("trailer", FrameKind::Trailer, trailer().cbor()),
        ("fork", FrameKind::Fork, fork.cbor()),
        ("problem", FrameKind::Problem, problem.cbor()),
    ]
}

fn request() -> Vec<u8> {
    let mut body = Vec::new();
    write_frame(FrameKind::Hello, &seal_hello(&hello(2, 1), &SYNC_KEY), Effort::Phone, &mut body).expect("it fits");
    write_message(FrameKind::Ops, &ops_frame(), Effort::Phone, &mut body).expect("it fits");
    body
}

fn response() -> Vec<u8> {
    let mut body = Vec::new();
    let plain = Header { next_after_ms: 0, flags: 0, ..header() };
    let both = Outcomes { outcomes: outcomes().outcomes[..2].to_vec(), ext: ext() };
    let end = Trailer { heads: vec![], ..trailer() };
    write_message(FrameKind::Header, &plain, Effort::Server, &mut body).expect("it fits");
    write_message(FrameKind::Outcomes, &both, Effort::Server, &mut body).expect("it fits");
    write_message(FrameKind::Rows, &rows_frame(), Effort::Server, &mut body).expect("it fits");
    write_message(FrameKind::Trailer, &end, Effort::Server, &mut body).expect("it fits");
    body
}

/// Values that are computed and not sent as such.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    let op = op(record());
    let [start, first, second] = chain();
    let bucket = BucketId { scope: village().into(), class: Class::Event, quarter: 8_107 };
    let mut digest = Digest::default();
    digest.add(RowType::VISIT_RECORDED, id(0xe1), Ver::first(1));
    digest.add(RowType::VISIT_CORRECTED, id(0xe2), Ver::first(1));
    let state = BucketState { bucket, gen_: 65_537, head: 1_001, digest };
    let activity = activity_id(EventId(op.row_id()), AT, 0);
    vec![
        ("op-uid", op.uid().as_bytes().to_vec()),
        ("op-row-id", op.row_id().as_bytes().to_vec()),
        ("op-case-id-1", op.case_id(1).as_bytes().to_vec()),
        ("activity-id-0", activity.as_bytes().to_vec()),
        ("period-id", period_id(UnitId(id(COMMUNE)), Month(24_322)).as_bytes().to_vec()),
        ("content-hash", content_hash(&content().cbor()).to_vec()),
        ("chain-start", start.0.to_vec()),
        ("chain-after-1", first.0.to_vec()),
        ("chain-after-2", second.0.to_vec()),
        ("signing-input", signing_input(device(), EPOCH, 1, 2, &second)),
        ("device-public-key", key().verifying_key().to_sec1_point(true).as_bytes().to_vec()),
        ("cursors-short", cursors().short().to_vec()),
        ("holdings-short", holdings_short(7, &holdings()).to_vec()),
        ("row-hash", row_hash(RowType::VISIT_RECORDED, id(0xe1), Ver::first(1)).to_be_bytes().to_vec()),
        ("bucket-sum", digest.sum.to_be_bytes().to_vec()),
        ("state", fold(&[state]).to_vec()),
    ]
}

/// Every vector: file name, bytes.
fn vectors() -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for intent in intents() {
        let name = intent.name();
        let text = name.text().replace(['.', '/'], "-");
        all.insert(format!("op-{:04x}-{text}", name.code()), op(intent).cbor());
    }
    all.insert("op-0202-visit-submit-after-the-first".to_owned(), second_op());
    for (name, row) in rows() {
        all.insert(format!("row-{name}"), row.cbor());
    }
    for (name, _, bytes) in messages() {
        all.insert(format!("message-{name}"), bytes);
    }
    for (name, bytes) in values() {
        all.insert(format!("value-{name}"), bytes);
    }
    all.insert("body-request".to_owned(), request());
    all.insert("body-response".to_owned(), response());
    all
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn to_hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n");
    lines.collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: String = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""))
        .flat_map(str::chars)
        .filter(|char| !char.is_whitespace())
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

fn file(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.hex")));
    from_hex(&text.unwrap_or_else(|error| panic!("golden/v1/{name}.hex: {error}")))
}

fn payloads(body: &[u8]) -> Vec<(FrameKind, Vec<u8>)> {
    Frames::new(body).map(|frame| frame.expect("a good frame")).collect()
}

#[test]
fn new_vectors_are_written_once() {
    if std::env::var("GOLDEN_WRITE").as_deref() != Ok("1") {
        return;
    }
    for (name, bytes) in vectors() {
        let path = folder().join(format!("{name}.hex"));
        if !path.exists() {
            std::fs::write(path, to_hex(&bytes)).expect("a writable folder");
        }
    }
}

#[test]
fn every_vector_is_written_the_same_today() {
    for (name, bytes) in vectors() {
        if name.starts_with("body-") {
            // How well a body is compressed may change; what it says may not.
            assert_eq!(payloads(&file(&name)), payloads(&bytes), "{name}");
        } else {
            assert_eq!(file(&name), bytes, "{name}");
        }
    }
    let names: BTreeSet<String> = vectors().into_keys().collect();
    let listed = std::fs::read_dir(folder()).expect("the golden folder");
    for entry in listed {
        let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
        if let Some(name) = name.strip_suffix(".hex") {
            assert!(names.contains(name), "golden/v1/{name}.hex belongs to no vector");
        }
    }
}

/// Reads the files alone, without the code that made them: what was released stays readable.
#[test]
fn every_released_byte_is_still_read_and_written_back() {
    let mut seen = [0; 3];
    for name in vectors().into_keys() {
        let bytes = file(&name);
        if name.starts_with("op-") {
            let op = Op::read(&bytes).expect("an op");
            assert_eq!(op.cbor(), bytes, "{name}");
            let intent = Intent::of(&op).expect("a known name").expect("a known body");
            assert_eq!(intent.into_op(Salt(op.salt), op.at, op.grants_rev), op, "{name}");
            seen[0] += 1;
        } else if name.starts_with("row-") {
            assert_eq!(read::<Row>(&bytes).expect("a row").cbor(), bytes, "{name}");
            seen[1] += 1;
        } else if name.starts_with("message-") {
            let kind = name.strip_prefix("message-").expect("it starts so");
            let again = match kind {
                "hello-idle" | "hello-full" => {
                    let sealed = SealedHello::read(&bytes).expect("a hello");
                    assert!(sealed.is_sealed_by(&SYNC_KEY));
                    seal_hello(&sealed.hello, &SYNC_KEY)
                }
                "ops" => read::<OpsFrame>(&bytes).expect(kind).cbor(),
                "header" => read::<Header>(&bytes).expect(kind).cbor(),
                "outcomes" => read::<Outcomes>(&bytes).expect(kind).cbor(),
                "control" => read::<Control>(&bytes).expect(kind).cbor(),
                "rows" => read::<RowsFrame>(&bytes).expect(kind).cbor(),
                "drop" => read::<DropFrame>(&bytes).expect(kind).cbor(),
                "trailer" => read::<Trailer>(&bytes).expect(kind).cbor(),
                "fork" => read::<Fork>(&bytes).expect(kind).cbor(),
                "problem" => read::<Problem>(&bytes).expect(kind).cbor(),
                other => panic!("no reader for {other}"),
            };
            assert_eq!(again, bytes, "{name}");
            seen[2] += 1;
        }
    }
    assert_eq!(seen, [OpName::ALL.len() + 1, 15, 11]);
    assert!(intents().iter().map(Intent::name).eq(OpName::ALL.iter().copied()), "one vector for every op");
}

#[test]
fn every_row_begins_with_its_type_id_and_version() {
    for (name, row) in rows() {
        let bytes = row.cbor();
        let mut map = IntMap::parse(&bytes).expect("a map");
        let begin: (u8, Uuid, Ver) = (map.req(0).unwrap(), map.req(1).unwrap(), map.req(2).unwrap());
        assert_eq!((row.ty().0, row.id(), row.ver()), begin, "{name}");
        assert_eq!(row.is_tombstone(), name == "04-household-moved", "{name}");
    }
    let all: Vec<Row> = rows().into_iter().map(|(_, row)| row).collect();
    let read: Vec<Row> = rows_as_bytes(&all).iter().map(|bytes| read_row(&bytes.0).unwrap()).collect();
    assert_eq!(read, all);
}

#[test]
fn the_signature_in_the_example_is_the_phones() {
    let body = file("body-request");
    let [(FrameKind::Hello, hello), (FrameKind::Ops, ops)] = &payloads(&body)[..] else { panic!("two frames") };
    let hello = SealedHello::read(hello).expect("a hello");
    assert!(hello.is_sealed_by(&SYNC_KEY));
    let ops: OpsFrame = read(ops).expect("ops");
    let start = Chain::start(hello.hello.device, hello.hello.epoch);
    assert_eq!(ops.before, start.short());
    let head = ops.ops.iter().fold(start, |chain, op| chain.then(&op.0));
    assert_eq!(hello.hello.chain, head.short());
    let input = signing_input(hello.hello.device, hello.hello.epoch, ops.first_n, ops.ops.len() as u32, &head);
    let signature = Signature::from_slice(&ops.signature).expect("a signature");
    key().verifying_key().verify(&input, &signature).expect("the phone's signature");
    assert!(ops.ops.iter().all(|op| check(&op.0).is_ok()));
}

/// The hex in docs/PROTOCOL.md is that of the files: a block that starts with three backticks, `hex` and a file's name.
#[test]
fn the_document_quotes_the_files() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    let text = std::fs::read_to_string(path).expect("docs/PROTOCOL.md");
    let mut quoted = 0;
    for block in text.split("```hex ").skip(1) {
        let (name, rest) = block.split_once('\n').expect("a name, then hex");
        let (hex, _) = rest.split_once("```").expect("an end of the block");
        assert_eq!(from_hex(hex), file(name.trim()), "docs/PROTOCOL.md, {name}");
        quoted += 1;
    }
    assert!(quoted >= 8, "only {quoted} examples in docs/PROTOCOL.md");
    // Every op and every code is there.
    for name in OpName::ALL {
        assert!(text.contains(&format!("`{}`", name.text())), "{} is missing", name.text());
        assert!(text.contains(&format!("`0x{:04x}`", name.code())), "{:04x} is missing", name.code());
    }
    for code in Code::ALL {
        assert!(text.contains(&format!("`{}`", code.text())), "{} is missing", code.text());
    }
    for (_, code) in flag::CODES {
        assert!(text.contains(&format!("`{code}`")), "{code} is missing");
    }
}
