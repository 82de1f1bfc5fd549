//! Both ends of an exchange against bodies that nobody honest sends: nothing saved is lost, nothing is shown that is not
//! so, and the next honest exchange goes well.
//!
//! An input is one byte of flags and a row of frames.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../client-core/tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use client_core::sync::{Ended, Event, Failure, Instruction, Session};
use fuzz::{around_bodies, corpus, stored, times, unpacked};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use server::keys::CursorKey;
use server::storage::memory::MemoryStorage;
use server::storage::{Device, Session as ServerSession, Store};
use server::sync::{SERVER_EPOCH_KEY, Secrets, SyncService};
use server::work::{Work, verify_audit, verify_digests};
use support::{MiniServer, Seeded};
use sync_protocol::access::Role;
use sync_protocol::cbor::{Bytes, Cbor, Ext, Raw, read};
use sync_protocol::decide::{Change, Grant, User};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::outcome::Verdict;
use sync_protocol::row::{RowType, read_row};
use sync_protocol::wire::*;

#[test]
fn exchange() {
    bolero::check!(name = "exchange").with_iterations(times(200)).for_each(|input: &[u8]| serve(input));
    let mut seeds = corpus("exchange");
    seeds.push(honest_request());
    around_bodies(&seeds, 1_200, serve);
}

#[test]
fn session() {
    bolero::check!(name = "session").with_iterations(times(20)).for_each(|input: &[u8]| receive(input));
    let mut seeds = corpus("session");
    seeds.push(honest_answer());
    around_bodies(&seeds, 150, receive);
}

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

/// 2026-11-22.
const NOW: u64 = 1_795_312_800_000;
/// Whoever calls holds the key of a session: the seal over the hello is made anew. Without it nothing else is read.
const SEALED: u8 = 1;
/// An answer names the request that it is given to: what is in it is read.
const NAMED: u8 = 1;
/// Ops follow from what the server holds and are signed: what is in them is read.
const SIGNED: u8 = 2;

const DEVICE: DeviceId = DeviceId(uuid::Uuid::from_bytes([1; 16]));
const USER: UserId = UserId(uuid::Uuid::from_bytes([41; 16]));
const VILLAGE: UnitId = UnitId(uuid::Uuid::from_bytes([11; 16]));
const TEAM: TeamId = TeamId(uuid::Uuid::from_bytes([21; 16]));
const SESSION: u64 = 1;
const EPOCH: Epoch = Epoch(7);

fn server() -> (Store, Arc<SyncService>, [u8; 32]) {
    let store = Store(Arc::new(MemoryStorage::default()));
    let secrets = Secrets::of(&CursorKey::from_bytes([5; 32]));
    let service = Arc::new(SyncService::new(
        store.clone(),
        secrets.clone(),
        1,
        Arc::new(|| ServerMs(NOW)),
        Arc::new(|bytes: &mut [u8]| bytes.fill(3)),
        Box::new(|_| {}),
    ));
    let key = SigningKey::from_slice(&[1; 32]).unwrap();
    let public_key = key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
    let ext = Ext::default;
    let identity = TeamIdentity { level: "village".into(), unit: VILLAGE, name: "Tổ".into(), ext: ext() };
    let stamp = sync_protocol::row::Stamp { ver: sync_protocol::row::Ver::first(1), epoch: Epoch(1_000), n: 1 };
    let team =
        sync_protocol::row::Register::new(RowType::TEAM, TEAM.0, stamp, [(team::IDENTITY, Raw(identity.cbor()))]);
    let changes = vec![
        Change::PutRegister { scope: VILLAGE.into(), register: team },
        Change::PutUser(User {
            id: USER,
            display_name: "Lò Văn Mẫu".into(),
            phone: "0530000041".into(),
            unit: VILLAGE,
            grants_rev: 1,
            active: true,
        }),
        Change::PutGrant(Grant {
            id: GrantId(uuid::Uuid::from_bytes([42; 16])),
            user: USER,
            role: Role::TeamLeader.code().into(),
            unit: VILLAGE,
            from: Day(20_000),
            to: None,
            ended: None,
            decision: None,
        }),
    ];
    store
        .write_blocking(move |tx| {
            tx.put_meta(SERVER_EPOCH_KEY, &1u16.to_be_bytes())?;
            tx.put_device(&Device {
                id: DEVICE,
                user: USER,
                public_key: public_key.clone(),
                label: "máy".into(),
                created: ServerMs(NOW),
                revoked: None,
                last_seen: ServerMs(NOW),
            })?;
            tx.put_session(&ServerSession {
                id: SESSION,
                user: USER,
                device: Some(DEVICE),
                refresh_gen: 0,
                created: ServerMs(NOW),
                last_used: ServerMs(NOW),
                revoked: None,
            })?;
            let mut work = Work::new(tx, ServerMs(NOW));
            work.apply(changes.clone())?;
            work.finish()
        })
        .unwrap();
    (store, service, secrets.sync_key(SESSION))
}

/// The request that an input stands for.
fn request(flags: u8, input: &[u8], sync_key: &[u8; 32]) -> Vec<u8> {
    if flags & (SEALED | SIGNED) == 0 {
        return input.to_vec();
    }
    let key = SigningKey::from_slice(&[1; 32]).unwrap();
    let mut chain = Chain::start(DEVICE, EPOCH);
    let mut next_n = 1;
    let mut body = Vec::new();
    for (kind, mut payload) in unpacked(input) {
        if kind == FrameKind::Hello
            && flags & SEALED != 0
            && let Ok(hello) = read::<Hello>(&payload)
        {
            payload = seal_hello(&hello, sync_key);
        }
        if kind == FrameKind::Ops
            && flags & SIGNED != 0
            && let Ok(mut frame) = read::<OpsFrame>(&payload)
        {
            (frame.first_n, frame.before) = (next_n, chain.short());
            let head = frame.ops.iter().fold(chain, |chain, op| chain.then(&op.0));
            let input = signing_input(DEVICE, EPOCH, next_n, frame.ops.len() as u32, &head);
            let signature: Signature = key.sign(&input);
            frame.signature = signature.to_bytes().into();
            (next_n, chain) = (next_n + frame.ops.len() as u64, head);
            payload = frame.cbor();
        }
        stored(kind.code(), &payload, &mut body);
    }
    body
}

fn honest_request() -> Vec<u8> {
    let mut input = vec![SEALED | SIGNED];
    let hello = Hello {
        proto: PROTO,
        device: DEVICE,
        session: SESSION,
        epoch: EPOCH,
        parent: None,
        last_n: 2,
        chain: [0; 8],
        oldest_n: 1,
        holdings: [0; 8],
        cursors_short: None,
        cursors: Some(Cursors::default()),
        budget_bytes: 0,
        classes: 0,
        schema: SCHEMA,
        app: None,
        ask: vec![1],
        server_epoch: 0,
        purged: vec![],
        want_digests: true,
        life: None,
        call: 1,
        ext: Ext::default(),
    };
    stored(FrameKind::Hello.code(), &hello.cbor(), &mut input);
    let content = VisitContent {
        village: VILLAGE,
        team: TEAM,
        household: None,
        visit_type: "household".into(),
        day: Day::of_ms(NOW),
        minutes: Some(20),
        activities: vec![Activity {
            kind: "vneid_level2".into(),
            fields: BTreeMap::new(),
            id: None,
            ext: Ext::default(),
        }],
        members: vec![],
        result: None,
        summary: None,
        place: None,
        catalogue: "2026.1".into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    };
    let visit = RecordVisit { content: Raw(content.cbor()), submit: false, plan: None, ext: Ext::default() };
    let op = |n: u8| Intent::VisitRecord(visit.clone()).into_op(Salt([n; 16]), ClaimedMs(NOW - 1), 1);
    let ops = vec![Bytes(op(1).cbor()), Bytes(op(2).cbor())];
    let frame = OpsFrame { first_n: 1, before: [0; 8], ops, signature: [0; 64], ext: Ext::default() };
    stored(FrameKind::Ops.code(), &frame.cbor(), &mut input);
    input
}

fn serve(input: &[u8]) {
    let Some((flags, frames)) = input.split_first() else { return };
    let (store, service, sync_key) = server();
    let body = request(*flags, frames, &sync_key);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let Ok(answer) = runtime.block_on(service.exchange(&body)) else { return };
    // Only who knows the key is answered.
    assert!(
        unpacked(&body).first().is_some_and(|(_, hello)| SealedHello::read(hello).unwrap().is_sealed_by(&sync_key))
    );
    let (header, outcomes) = read_answer(&answer);
    let again = runtime.block_on(service.exchange(&body)).unwrap();
    let (header_again, outcomes_again) = read_answer(&again);
    assert_eq!(header_again.last_n, header.last_n, "the same body was taken twice");
    if header_again.server_epoch == header.server_epoch {
        for outcome in &outcomes_again {
            let first = outcomes.iter().find(|first| first.n == outcome.n);
            assert!(first.is_none_or(|first| first == outcome), "the same op had two outcomes");
        }
    }
    let broken = store.read_blocking(verify_audit).unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    let wrong = store.read_blocking(|tx| verify_digests(tx, VILLAGE.into())).unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What a server says can be read to the last byte, and stays within the limits.
fn read_answer(answer: &[u8]) -> (Header, Vec<sync_protocol::outcome::Outcome>) {
    let mut header = None;
    let mut outcomes = Vec::new();
    for frame in Frames::new(answer) {
        let (kind, payload) = frame.unwrap();
        match kind {
            FrameKind::Header => header = Some(read::<Header>(&payload).unwrap()),
            FrameKind::Outcomes => outcomes.extend(read::<Outcomes>(&payload).unwrap().outcomes),
            FrameKind::Control => drop(read::<Control>(&payload).unwrap()),
            FrameKind::Rows => {
                let rows: RowsFrame = read(&payload).unwrap();
                rows.rows.iter().for_each(|row| drop(read_row(&row.0).unwrap()));
            }
            FrameKind::Drop => drop(read::<DropFrame>(&payload).unwrap()),
            FrameKind::Trailer => drop(read::<Trailer>(&payload).unwrap()),
            FrameKind::Fork => drop(read::<Fork>(&payload).unwrap()),
            FrameKind::Problem => drop(read::<Problem>(&payload).unwrap()),
            FrameKind::Hello | FrameKind::Ops => panic!("not a frame for phones"),
        }
    }
    (header.expect("an answer has a header"), outcomes)
}

// ---------------------------------------------------------------------------------------------------------------------
// The phone
// ---------------------------------------------------------------------------------------------------------------------

/// An op that a person was told is saved: its number, its name for ever, its bytes.
type Saved = (u64, OpUid, Vec<u8>);

/// A phone that is in sync, then saves a visit and an edit. The same every time, so that an answer fits.
fn phone() -> (MiniServer, client_core::Store, Seeded, Vec<Saved>) {
    let (server, mut store, mut random) = support::world();
    let now = ClaimedMs(server.now);
    store.record_visit(support::entry(Some(11), "done", true), now, &mut random).unwrap();
    let seen = store.seen_ver(RowType::HOUSEHOLD, support::id(12)).unwrap();
    let class = HouseholdClass { class: "poor".into(), ext: Ext::default() };
    let household = HouseholdId(support::id(12));
    store.set_household(household, seen, [(household::CLASS, Raw(class.cbor()))], now, &mut random).unwrap();
    let saved: Vec<(u64, OpUid)> = store.outbox().unwrap().iter().map(|op| (op.n, op.uid)).collect();
    let ops = saved.iter().map(|(n, uid)| (*n, *uid, store.op_bytes(*uid).unwrap().unwrap())).collect();
    (server, store, random, ops)
}

/// A phone that asked, and what its server said.
#[expect(clippy::type_complexity, reason = "one caller, which takes it apart at once")]
fn asked() -> (MiniServer, client_core::Store, Seeded, Vec<Saved>, (Session, Vec<u8>, Vec<u8>)) {
    let (mut server, mut store, mut random, ops) = phone();
    // Something is new for the phone too.
    server.put_household(support::village_a(), 14, "nhà cuối bản", Some("Lò Văn Mới"), None);
    server.set_class(support::village_a(), support::id(13), "near_poor", 77);
    let start = Event::Start { now: ClaimedMs(server.now), user_pressed: true };
    let mut session = Session::new();
    let Instruction::Send(body) = session.on(&mut store, &mut random, start).unwrap() else { panic!("no request") };
    let answer = server.exchange(&body).unwrap();
    (server, store, random, ops, (session, body, answer))
}

fn honest_answer() -> Vec<u8> {
    let mut input = vec![NAMED];
    unpacked(&asked().4.2).iter().for_each(|(kind, payload)| stored(kind.code(), payload, &mut input));
    input
}

/// The answer as one to this request: its headers name the request's hello.
fn naming(request: &[u8], answer: &[u8]) -> Vec<u8> {
    let re = unpacked(request).first().map_or([0; 4], |(_, hello)| hello_tag(hello));
    let mut named = Vec::new();
    for (kind, payload) in unpacked(answer) {
        let header = (kind == FrameKind::Header).then(|| read::<Header>(&payload).ok()).flatten();
        let payload = header.map_or(payload, |header| Header { re, ..header }.cbor());
        stored(kind.code(), &payload, &mut named);
    }
    named
}

fn receive(input: &[u8]) {
    let Some((flags, body)) = input.split_first() else { return };
    let (server, mut store, mut random, ops, (mut session, request, _)) = asked();
    let now = ClaimedMs(server.now);
    // This instead of the server's answer, again and again for as long as the phone asks; then the line is dead.
    let mut next = Instruction::Send(request);
    for _ in 0..3 {
        if let Instruction::Send(request) = &next {
            let body = if flags & NAMED != 0 { naming(request, body) } else { body.to_vec() };
            next = session.on(&mut store, &mut random, Event::Received { body, now }).unwrap();
        }
    }
    if matches!(next, Instruction::Send(_)) {
        next = session.on(&mut store, &mut random, Event::Failed { kind: Failure::Network, now }).unwrap();
    }
    assert!(!matches!(next, Instruction::Send(_)));
    assert_ne!(session.summary().ended, Ended::Running);

    // An op goes only when the server said that it was applied.
    let applied: Vec<u64> = unpacked(body)
        .iter()
        .filter(|(kind, _)| *kind == FrameKind::Outcomes)
        .filter_map(|(_, payload)| read::<Outcomes>(payload).ok())
        .flat_map(|outcomes| outcomes.outcomes)
        .filter(|outcome| matches!(outcome.verdict, Verdict::Applied | Verdict::AppliedWithCase))
        .map(|outcome| outcome.n)
        .collect();
    for (n, uid, bytes) in &ops {
        let held = store.op_bytes(*uid).unwrap();
        assert!(held.as_ref() == Some(bytes) || held.is_none() && applied.contains(n), "op {n} is gone");
    }
    // Rows and cursors were committed together, and everything that is derived follows from them.
    assert!(store.bucket_reports().unwrap().iter().all(|bucket| bucket.digest_right));
    assert_eq!(store.rebuild_check().unwrap(), Vec::<String>::new());
    // It can still be used, and speaks again.
    store.counts(Month::parse("2026-11").unwrap()).unwrap();
    store.households().unwrap();
    let start = Event::Start { now: ClaimedMs(now.0 + 3 * 86_400_000), user_pressed: false };
    assert!(matches!(session.on(&mut store, &mut random, start).unwrap(), Instruction::Send(_)));
    if !store.sync_state().unwrap().wiped {
        recovers(server, store, random);
    }
}

/// Some honest exchanges later the phone is as if nothing had happened.
fn recovers(mut server: MiniServer, mut store: client_core::Store, mut random: Seeded) {
    let mut summary = None;
    for _ in 0..5 {
        server.now += 3 * 86_400_000;
        summary = Some(support::sync(&mut store, &mut random, &mut server));
    }
    assert_eq!(summary.map(|summary| summary.ended), Some(Ended::Complete));
    // What a row says is left to the transport; that it is this row, in this version, is proven.
    let names = |rows: Vec<(ScopeId, u16, Vec<u8>)>| -> BTreeSet<_> {
        let named = rows.into_iter().map(|(scope, quarter, row)| (scope, quarter, read_row(&row).unwrap()));
        named.map(|(scope, quarter, row)| (scope, quarter, row.ty(), row.id(), row.ver())).collect()
    };
    assert_eq!(names(store.base_dump().unwrap()), names(server.expected(support::user(1))));
    assert!(store.not_yet_synced().unwrap().is_empty());
}
