//! A small server for tests of the phone: the real `decide` over rows in memory, frames as small as a test wants them.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::new_without_default)]

use std::collections::{BTreeMap, BTreeSet};

use client_core::store::{Enrolment, VisitEntry};
use client_core::sync::{Failure, SyncSummary, Transport, drive};
use client_core::{Location, Random, Store};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sync_protocol::access::{Holding, Principal, Role};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{self, Bytes, Cbor, Ext, Raw};
use sync_protocol::decide::{Change, Context, Grant, State, User, decide_bytes};
use sync_protocol::digest::{BucketState, Digest, fold};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::{Chain, Op, signing_input};
use sync_protocol::outcome::Outcome;
use sync_protocol::row::*;
use sync_protocol::value::Value;
use sync_protocol::wire::*;
use uuid::Uuid;

/// 2026-11-20T03:00:00Z.
pub const NOW: u64 = 1_795_143_600_000;

/// The same numbers for the same seed.
pub struct Seeded(pub u64);

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

pub fn id(n: u64) -> Uuid {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&n.to_be_bytes());
    derive_id(DerivedTag::Row, ClaimedMs(NOW), &salt, 0)
}

pub fn commune() -> UnitId {
    UnitId(id(1))
}
pub fn village_a() -> UnitId {
    UnitId(id(2))
}
pub fn village_b() -> UnitId {
    UnitId(id(3))
}
pub fn team() -> TeamId {
    TeamId(id(4))
}
pub fn user(n: u64) -> UserId {
    UserId(id(100 + n))
}

#[derive(Default, Clone)]
pub struct Bucket {
    pub gen_: u32,
    pub head: u64,
    pub rows: BTreeMap<u64, (RowType, Uuid, Ver, Vec<u8>)>,
    pub places: BTreeMap<(RowType, Uuid), u64>,
}

impl Bucket {
    fn put(&mut self, row: &Row) {
        if let Some(old) = self.places.remove(&(row.ty(), row.id())) {
            self.rows.remove(&old);
        }
        self.head += 1;
        self.rows.insert(self.head, (row.ty(), row.id(), row.ver(), row.cbor()));
        self.places.insert((row.ty(), row.id()), self.head);
    }

    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        self.rows.values().for_each(|(ty, id, ver, _)| digest.add(*ty, *id, *ver));
        digest
    }
}

#[derive(Clone)]
pub struct Outbox {
    pub parent: Option<(Epoch, u64)>,
    pub user: UserId,
    pub chains: Vec<Chain>,
    pub outcomes: Vec<Outcome>,
    pub durable_upto: u64,
}

impl Outbox {
    pub fn last_n(&self) -> u64 {
        self.outcomes.len() as u64
    }
}

#[derive(Clone)]
pub struct Device {
    pub user: UserId,
    pub sync_key: [u8; 32],
    pub key: [u8; 33],
    pub revoked: bool,
}

#[derive(Clone)]
pub struct MiniServer {
    pub epoch: u16,
    pub now: u64,
    pub buckets: BTreeMap<BucketId, Bucket>,
    pub holdings: BTreeMap<UserId, (u64, Vec<Holding>)>,
    /// Units above the villages, whose notices go to phones.
    pub above: BTreeSet<ScopeId>,
    pub devices: BTreeMap<DeviceId, Device>,
    pub outboxes: BTreeMap<Epoch, Outbox>,
    pub uids: BTreeMap<OpUid, Outcome>,
    pub remembered: BTreeMap<DeviceId, Cursors>,
    /// Rows per frame.
    pub frame_rows: usize,
    /// Most row frames per answer.
    pub frames_max: usize,
    /// Every op is answered as if it came to a server that does not know it.
    pub defer_all: bool,
    pub next_after_ms: u32,
    pub requests: u64,
}

impl MiniServer {
    pub fn new() -> Self {
        let mut server = Self {
            epoch: 1,
            now: NOW,
            buckets: BTreeMap::new(),
            holdings: BTreeMap::new(),
            above: BTreeSet::from([commune().into()]),
            devices: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            uids: BTreeMap::new(),
            remembered: BTreeMap::new(),
            frame_rows: 50,
            frames_max: 1_000,
            defer_all: false,
            next_after_ms: 0,
            requests: 0,
        };
        let ext = Ext::default;
        let from = Day::parse("2020-01-01").unwrap();
        for (unit, level, name) in [
            (commune(), "commune", "Xã Mường Thử"),
            (village_a(), "village", "Thôn A"),
            (village_b(), "village", "Thôn B"),
        ] {
            let identity = UnitIdentity {
                level: level.into(),
                code: "00001".into(),
                unit_type: "thon".into(),
                name: name.into(),
                full_name: name.into(),
                local_name: None,
                ext: ext(),
            };
            let parent = UnitParent { parent: commune(), from, former: vec![], ext: ext() };
            let validity = Validity { from, to: None, ext: ext() };
            let values = [(1, Raw(identity.cbor())), (2, Raw(parent.cbor())), (3, Raw(validity.cbor()))];
            server.put_register(unit.into(), RowType::UNIT, unit.0, values);
        }
        for (scope, team_id) in [(village_a(), team()), (village_b(), TeamId(id(5)))] {
            let identity = TeamIdentity { level: "village".into(), unit: scope, name: "Tổ".into(), ext: ext() };
            let validity = Validity { from, to: None, ext: ext() };
            let values = [(team::IDENTITY, Raw(identity.cbor())), (team::VALIDITY, Raw(validity.cbor()))];
            server.put_register(scope.into(), RowType::TEAM, team_id.0, values);
        }
        server
    }

    pub fn put_row(&mut self, scope: ScopeId, row: &Row) {
        let bucket = self
            .buckets
            .entry(BucketId::of(scope, row.ty(), ServerMs(self.now)))
            .or_insert(Bucket { gen_: u32::from(self.epoch), ..Bucket::default() });
        bucket.put(row);
    }

    pub fn put_register(
        &mut self,
        scope: ScopeId,
        ty: RowType,
        id: Uuid,
        values: impl IntoIterator<Item = (GroupKey, Raw)>,
    ) {
        let stamp = Stamp { ver: Ver::first(self.epoch), epoch: Epoch(7), n: 1 };
        self.put_row(scope, &Row::Register(Register::new(ty, id, stamp, values)));
    }

    pub fn put_household(&mut self, scope: UnitId, n: u64, label: &str, head: Option<&str>, phone: Option<&str>) {
        let ext = Ext::default;
        let mut values =
            vec![(household::LABEL, Raw(HouseholdLabel { label: label.into(), landmark: None, ext: ext() }.cbor()))];
        if let Some(head) = head {
            values.push((household::HEAD, Raw(HouseholdHead { display_name: head.into(), ext: ext() }.cbor())));
            values.push((household::CONSENT, Raw(consent().cbor())));
        }
        if let Some(phone) = phone {
            values.push((household::PHONE, Raw(HouseholdPhone { phone: phone.into(), ext: ext() }.cbor())));
        }
        self.put_register(scope.into(), RowType::HOUSEHOLD, id(n), values);
    }

    /// Another person changes a household's class.
    pub fn set_class(&mut self, scope: UnitId, household: Uuid, class: &str, writer: u64) {
        let (_, mut register) = self.register_of(RowType::HOUSEHOLD, household).unwrap();
        register.ver = register.ver.next(self.epoch);
        let stamp = Stamp { ver: register.ver, epoch: Epoch(writer), n: 1 };
        let value = HouseholdClass { class: class.into(), ext: Ext::default() }.cbor();
        register.groups.insert(household::CLASS, Group::set(Raw(value), stamp));
        self.put_row(scope.into(), &Row::Register(register));
    }

    /// A household goes from one village to another.
    pub fn move_household(&mut self, household: Uuid, from: UnitId, to: UnitId) {
        let (_, mut register) = self.register_of(RowType::HOUSEHOLD, household).unwrap();
        register.ver = register.ver.next(self.epoch);
        let tombstone = register.tombstone(register.ver);
        self.put_row(from.into(), &Row::Register(tombstone));
        self.put_row(to.into(), &Row::Register(register));
    }

    pub fn grant(&mut self, user: UserId, scopes: &[(UnitId, Role)]) {
        let rev = self.holdings.get(&user).map_or(1, |(rev, _)| rev + 1);
        let old = self.holdings.remove(&user).map_or_else(Vec::new, |(_, old)| old);
        let mut now: Vec<Holding> =
            scopes.iter().map(|(unit, role)| Holding { scope: (*unit).into(), role: *role, ended: None }).collect();
        for holding in old {
            if !now.iter().any(|new| new.scope == holding.scope && new.role == holding.role) {
                let ended = Some(sync_protocol::access::Ended { rev, at: ServerMs(self.now) });
                now.push(Holding { ended: holding.ended.or(ended), ..holding });
            }
        }
        self.holdings.insert(user, (rev, now));
    }

    pub fn principal(&self, user: UserId) -> Principal {
        let (grants_rev, holdings) = self.holdings.get(&user).cloned().unwrap_or_default();
        Principal { user, grants_rev, holdings }
    }

    /// A phone for a user, enrolled, in memory.
    pub fn phone(&mut self, user: UserId, seed: u64) -> (Store, Seeded) {
        self.phone_at(Location::Memory, user, seed)
    }

    pub fn phone_at(&mut self, location: Location, user: UserId, seed: u64) -> (Store, Seeded) {
        let mut random = Seeded(seed);
        let mut store = Store::open(location, None).unwrap();
        self.enrol(&mut store, user, seed, &mut random);
        (store, random)
    }

    pub fn enrol(&mut self, store: &mut Store, user: UserId, n: u64, random: &mut Seeded) {
        let key = store.device_public_key(random).unwrap();
        let device = DeviceId(id(1_000 + n));
        let sync_key = [n as u8; 32];
        self.devices.insert(device, Device { user, sync_key, key, revoked: false });
        let enrolment = Enrolment {
            user,
            display_name: "Giàng A Páo".into(),
            device,
            session: n,
            sync_key,
            refresh_token: "r".into(),
            access_token: "a".into(),
            server: None,
        };
        store.enrol(enrolment, random).unwrap();
    }

    fn register_of(&self, ty: RowType, id: Uuid) -> Option<(ScopeId, Register)> {
        let mut best: Option<(ScopeId, Register)> = None;
        for (bucket, rows) in &self.buckets {
            if let Some(place) = rows.places.get(&(ty, id))
                && let Ok(register) = Register::from_cbor(&rows.rows[place].3)
                && register.standing == Standing::Live
                && best.as_ref().is_none_or(|(_, best)| best.ver < register.ver)
            {
                best = Some((bucket.scope, register));
            }
        }
        best
    }

    /// Where a household lives now.
    pub fn household_scope(&self, household: Uuid) -> ScopeId {
        self.register_of(RowType::HOUSEHOLD, household).unwrap().0
    }

    /// Rows that a user's phone must hold when it is in sync.
    pub fn expected(&self, user: UserId) -> Vec<(ScopeId, u16, Vec<u8>)> {
        let mut rows: Vec<(ScopeId, u16, Vec<u8>)> = self
            .buckets
            .iter()
            .filter(|(id, _)| self.may_read(user, id))
            .flat_map(|(id, bucket)| bucket.rows.values().map(|row| (id.scope, id.quarter, row.3.clone())))
            .collect();
        rows.sort();
        rows
    }

    fn scopes(&self, user: UserId) -> BTreeSet<ScopeId> {
        self.principal(user).holdings.iter().filter(|h| h.ended.is_none()).map(|h| h.scope).collect()
    }

    fn may_read(&self, user: UserId, id: &BucketId) -> bool {
        let scopes = self.scopes(user);
        let is_notice = id.class == Class::Notice && !scopes.is_empty() && self.above.contains(&id.scope);
        scopes.contains(&id.scope) || is_notice
    }

    /// Restored from a backup: the ops above are gone, the rows are those of the copy.
    pub fn restore(&mut self, backup: &Self) {
        let (epoch, now, requests) = (self.epoch + 1, self.now, self.requests);
        *self = backup.clone();
        (self.epoch, self.now, self.requests) = (epoch, now, requests);
        self.remembered.clear();
        for bucket in self.buckets.values_mut() {
            bucket.gen_ = u32::from(epoch);
        }
    }

    pub fn exchange(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        self.requests += 1;
        let mut frames = Frames::new(body);
        let (_, payload) = frames.next().unwrap().unwrap();
        let sealed = SealedHello::read(&payload).unwrap();
        let hello = sealed.hello.clone();
        let Some(device) = self.devices.get(&hello.device).cloned() else { return Err(Failure::SignIn) };
        if !sealed.is_sealed_by(&device.sync_key) {
            return Err(Failure::SignIn);
        }
        let mut out = Vec::new();
        let mut outcomes = Vec::new();
        let mut problem = None;
        let mut fork = None;
        let known = self.outboxes.get(&hello.epoch).cloned();
        let start = Chain::start(hello.device, hello.epoch);
        let mut outbox = known.unwrap_or(Outbox {
            parent: hello.parent,
            user: device.user,
            chains: vec![start],
            outcomes: vec![],
            durable_upto: 0,
        });
        let differs = hello.last_n < outbox.last_n()
            || (outbox.last_n() > 0
                && hello.last_n == outbox.last_n()
                && hello.chain != outbox.chains[hello.last_n as usize].short());
        if differs {
            fork = Some(self.fork(&outbox, &hello));
        }
        for (at, frame) in (1..).zip(frames) {
            let (kind, payload) = frame.unwrap();
            assert_eq!(kind, FrameKind::Ops);
            if fork.is_some() || problem.is_some() {
                continue;
            }
            let frame: OpsFrame = cbor::read(&payload).unwrap();
            if frame.first_n > outbox.last_n() + 1 {
                problem = Some(Problem {
                    code: "expected_n".into(),
                    frame: at,
                    expected_n: Some(outbox.last_n() + 1),
                    ext: Ext::default(),
                });
                continue;
            }
            let mut chain = outbox.chains[frame.first_n as usize - 1];
            if chain.short() != frame.before {
                fork = Some(self.fork(&outbox, &hello));
                continue;
            }
            let head = frame.ops.iter().fold(chain, |chain, op| chain.then(&op.0));
            let input = signing_input(hello.device, hello.epoch, frame.first_n, frame.ops.len() as u32, &head);
            let key = VerifyingKey::from_sec1_bytes(&device.key).unwrap();
            key.verify(&input, &Signature::from_slice(&frame.signature).unwrap()).expect("the phone signs its frames");
            for (n, op) in (frame.first_n..).zip(&frame.ops) {
                chain = chain.then(&op.0);
                if n <= outbox.last_n() {
                    if outbox.chains[n as usize] != chain {
                        fork = Some(self.fork(&outbox, &hello));
                        break;
                    }
                    outcomes.push(outbox.outcomes[n as usize - 1].clone());
                    continue;
                }
                let outcome = self.take(&device, &hello, &outbox, n, &op.0);
                outbox.chains.push(chain);
                outbox.outcomes.push(outcome.clone());
                outcomes.push(outcome);
            }
        }
        for n in &hello.ask {
            outcomes.extend(outbox.outcomes.get(*n as usize - 1).cloned());
        }
        let (last_n, durable_upto) = (outbox.last_n(), outbox.durable_upto);
        if last_n > 0 {
            self.outboxes.insert(hello.epoch, outbox);
        }
        let cursors = match (&hello.cursors, hello.cursors_short) {
            (Some(cursors), _) => Some(cursors.clone()),
            (None, Some(short)) => self.remembered.get(&hello.device).filter(|c| c.short() == short).cloned(),
            (None, None) => Some(Cursors::default()),
        };
        let mut flags = if cursors.is_none() { header_flag::NEED_CURSORS } else { 0 };
        if device.revoked {
            flags |= header_flag::WIPE;
        }
        let header = Header {
            server_epoch: self.epoch,
            server_ms: ServerMs(self.now),
            last_n,
            durable_upto,
            next_after_ms: self.next_after_ms,
            flags,
            re: sealed.tag(),
            life: None,
            ext: Ext::default(),
        };
        let mut write = |kind, bytes: Vec<u8>| write_frame(kind, &bytes, Effort::Server, &mut out).unwrap();
        write(FrameKind::Header, header.cbor());
        if let Some(fork) = &fork {
            write(FrameKind::Fork, fork.cbor());
        }
        if let Some(problem) = &problem {
            write(FrameKind::Problem, problem.cbor());
        }
        if !outcomes.is_empty() {
            write(FrameKind::Outcomes, Outcomes { outcomes, ext: Ext::default() }.cbor());
        }
        let mut trailer = Trailer { complete: false, state: None, more: false, heads: vec![], ext: Ext::default() };
        if let (Some(cursors), None, false) = (cursors, &fork, device.revoked) {
            let principal = self.principal(device.user);
            let held: BTreeSet<(ScopeId, &str)> =
                principal.holdings.iter().filter(|h| h.ended.is_none()).map(|h| (h.scope, h.role.code())).collect();
            let holdings: Vec<HeldRole> = held
                .iter()
                .map(|(scope, role)| HeldRole { scope: *scope, role: (*role).to_owned(), ext: Ext::default() })
                .collect();
            if holdings_short(principal.grants_rev, &holdings) != hello.holdings {
                let control = Control {
                    grants_rev: principal.grants_rev,
                    user: device.user,
                    display_name: "Giàng A Páo".into(),
                    holdings,
                    schema_min: 1,
                    seal_key: None,
                    ext: Ext::default(),
                };
                write(FrameKind::Control, control.cbor());
            }
            let foreign = cursors.0.iter().map(|c| c.bucket).filter(|bucket| !self.may_read(device.user, bucket));
            let lost: BTreeSet<ScopeId> = foreign.map(|bucket| bucket.scope).collect();
            if !lost.is_empty() {
                write(FrameKind::Drop, DropFrame { scopes: lost.into_iter().collect(), ext: Ext::default() }.cbor());
            }
            let mut order: Vec<BucketId> =
                self.buckets.keys().filter(|id| self.may_read(device.user, id)).copied().collect();
            order.sort_by_key(|id| (id.class, id.quarter, id.scope));
            let mut reached = Vec::new();
            let mut left = self.frames_max;
            let mut complete = true;
            for id in order {
                let bucket = &self.buckets[&id];
                let known = cursors.0.iter().find(|c| c.bucket == id && c.gen_ == bucket.gen_ && c.seq <= bucket.head);
                let mut seq = known.map_or(0, |cursor| cursor.seq);
                while seq < bucket.head && left > 0 {
                    left -= 1;
                    let rows: Vec<(u64, Vec<u8>)> = bucket
                        .rows
                        .range(seq + 1..)
                        .take(self.frame_rows)
                        .map(|(at, row)| (*at, row.3.clone()))
                        .collect();
                    let to = rows.last().map_or(bucket.head, |(at, _)| *at);
                    let frame = RowsFrame {
                        scope: id.scope,
                        class: id.class as u8,
                        quarter: id.quarter,
                        gen_: bucket.gen_,
                        from: seq,
                        to,
                        mac: [1; 8],
                        rows: rows.into_iter().map(|(_, row)| Bytes(row)).collect(),
                        ext: Ext::default(),
                    };
                    write(FrameKind::Rows, frame.cbor());
                    seq = to;
                }
                complete &= seq == bucket.head;
                reached.push(Cursor { bucket: id, gen_: bucket.gen_, seq, mac: [1; 8] });
            }
            reached.sort();
            self.remembered.insert(hello.device, Cursors(reached));
            trailer.complete = complete;
            trailer.more = !complete;
            let states: Vec<BucketState> = self
                .buckets
                .iter()
                .filter(|(id, bucket)| self.may_read(device.user, id) && bucket.head > 0)
                .map(|(id, b)| BucketState { bucket: *id, gen_: b.gen_, head: b.head, digest: b.digest() })
                .collect();
            if complete {
                trailer.state = Some(fold(&states));
            }
            if hello.want_digests {
                trailer.heads = states
                    .iter()
                    .map(|s| Head {
                        scope: s.bucket.scope,
                        class: s.bucket.class as u8,
                        quarter: s.bucket.quarter,
                        gen_: s.gen_,
                        head: s.head,
                        count: s.digest.count,
                        sum: s.digest.sum,
                        ext: Ext::default(),
                    })
                    .collect();
            }
        }
        write(FrameKind::Trailer, trailer.cbor());
        Ok(out)
    }

    fn fork(&self, outbox: &Outbox, hello: &Hello) -> Fork {
        let from = hello.oldest_n.saturating_sub(1);
        let chain = (from..=outbox.last_n()).map(|n| (n, outbox.chains[n as usize].short())).collect();
        Fork { last_n: outbox.last_n(), chain, ext: Ext::default() }
    }

    fn take(&mut self, device: &Device, hello: &Hello, outbox: &Outbox, n: u64, bytes: &[u8]) -> Outcome {
        let uid = Op::read(bytes).ok().map(|op| op.uid());
        if let Some(outcome) = uid.and_then(|uid| self.uids.get(&uid)) {
            return Outcome { n, ..outcome.clone() };
        }
        let mut lineage = Lineage::default();
        let mut next = outbox.parent;
        while let Some((epoch, at)) = next {
            lineage.0.push((epoch, at));
            next = self.outboxes.get(&epoch).and_then(|outbox| outbox.parent);
        }
        let principal = self.principal(device.user);
        let context = Context {
            principal: &principal,
            epoch: hello.epoch,
            n,
            lineage: &lineage,
            server_epoch: self.epoch,
            received: ServerMs(self.now),
            catalogue: Catalogue::shipped(),
        };
        let decision = decide_bytes(&mut Reading(self), &context, bytes).unwrap();
        let mut outcome = decision.outcome(n);
        if self.defer_all {
            outcome.verdict = sync_protocol::outcome::Verdict::Deferred;
            outcome.code = Some("needs_server_update".into());
            outcome.ver = None;
            return outcome;
        }
        for change in decision.changes {
            match change {
                Change::PutRegister { scope, register } => self.put_row(scope, &Row::Register(register)),
                Change::PutEvent { scope, event } => self.put_row(scope, &Row::Event(event)),
                Change::Move { from, to, register } => {
                    self.put_row(from, &Row::Register(register.tombstone(register.ver)));
                    self.put_row(to, &Row::Register(register));
                }
                Change::PutUser(_) | Change::PutGrant(_) => {}
            }
        }
        if let Some(uid) = uid {
            self.uids.insert(uid, outcome.clone());
        }
        outcome
    }

    /// An officer decides on a visit.
    pub fn review(&mut self, officer: UserId, visit: VisitId, returned: Option<&str>) {
        use sync_protocol::op::{ApproveVisit, Intent, ReturnVisit};
        let event = Reading(self).event(visit.into()).unwrap().unwrap().1;
        let state = self
            .register_of(RowType::VISIT_STATE, visit.0)
            .map_or_else(|| sync_protocol::decide::initial_state(&event), |(_, state)| state);
        let hash = state.group::<VisitPointer>(visit_state::CONTENT).unwrap().hash;
        let intent = match returned {
            Some(words) => Intent::VisitReturn(ReturnVisit {
                visit,
                hash,
                reasons: vec![ReturnReason {
                    code: "wrong_answer".into(),
                    activity: Some(0),
                    field: Some("outcome".into()),
                    text: None,
                    ext: Ext::default(),
                }],
                note: Some(words.into()),
                ext: Ext::default(),
            }),
            None => Intent::VisitApprove(ApproveVisit { visit, hash, batch: None, ext: Ext::default() }),
        };
        let outcome = self.desk(officer, intent);
        assert_eq!(outcome.code, None, "{outcome:?}");
    }

    /// An op from the desk.
    pub fn desk(&mut self, who: UserId, intent: sync_protocol::op::Intent) -> Outcome {
        let n = self.uids.len() as u64 + 1;
        let mut salt = [9; 16];
        salt[..8].copy_from_slice(&n.to_be_bytes());
        let op = intent.into_op(Salt(salt), ClaimedMs(self.now), self.principal(who).grants_rev);
        let device = Device { user: who, sync_key: [0; 32], key: [0; 33], revoked: false };
        let epoch = Epoch(u64::MAX - who.0.as_u128() as u64 % 1_000);
        let hello = Hello {
            proto: PROTO,
            device: DeviceId(Uuid::nil()),
            session: 0,
            epoch,
            parent: None,
            last_n: 0,
            chain: [0; 8],
            oldest_n: 0,
            holdings: [0; 8],
            cursors_short: None,
            cursors: None,
            budget_bytes: 0,
            classes: 0,
            schema: 1,
            app: None,
            ask: vec![],
            server_epoch: 0,
            purged: vec![],
            want_digests: false,
            life: None,
            call: 0,
            ext: Ext::default(),
        };
        let outbox = Outbox { parent: None, user: who, chains: vec![], outcomes: vec![], durable_upto: 0 };
        self.take(&device, &hello, &outbox, n, &op.cbor())
    }
}

struct Reading<'a>(&'a MiniServer);

impl State for Reading<'_> {
    type Error = std::convert::Infallible;

    fn register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>, Self::Error> {
        Ok(self.0.register_of(ty, id))
    }
    fn registers_in(&mut self, scope: ScopeId, ty: RowType) -> Result<Vec<Register>, Self::Error> {
        let bucket = BucketId::of(scope, ty, ServerMs(0));
        let ids = self.0.buckets.get(&bucket).into_iter().flat_map(|rows| rows.places.keys());
        let ids: BTreeSet<Uuid> = ids.filter(|(of, _)| *of == ty).map(|(_, id)| *id).collect();
        let found = ids.into_iter().filter_map(|id| self.0.register_of(ty, id));
        Ok(found.filter(|(at, _)| *at == scope).map(|(_, register)| register).collect())
    }
    fn has_left(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<bool, Self::Error> {
        let bucket = BucketId::of(scope, ty, ServerMs(0));
        let row = self.0.buckets.get(&bucket).and_then(|b| b.places.get(&(ty, id)).map(|at| &b.rows[at].3));
        Ok(row.is_some_and(|row| Register::from_cbor(row).unwrap().standing == Standing::Moved))
    }
    fn event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>, Self::Error> {
        for (bucket, rows) in &self.0.buckets {
            for ty in [RowType::VISIT_RECORDED, RowType::VISIT_CORRECTED, RowType::VISIT_VOIDED] {
                if let Some(at) = rows.places.get(&(ty, id.0)) {
                    return Ok(Some((bucket.scope, Event::from_cbor(&rows.rows[at].3).unwrap())));
                }
            }
        }
        Ok(None)
    }
    fn activities_on(&mut self, _: UserId, _: Day) -> Result<u32, Self::Error> {
        Ok(0)
    }
    fn author_of(&mut self, epoch: Epoch) -> Result<Option<UserId>, Self::Error> {
        Ok(self.0.outboxes.get(&epoch).map(|outbox| outbox.user))
    }
    fn user(&mut self, _: UserId) -> Result<Option<User>, Self::Error> {
        Ok(None)
    }
    fn user_by_phone(&mut self, _: &str) -> Result<Option<UserId>, Self::Error> {
        Ok(None)
    }
    fn grant(&mut self, _: GrantId) -> Result<Option<Grant>, Self::Error> {
        Ok(None)
    }
    fn grants_of(&mut self, _: UserId) -> Result<Vec<Grant>, Self::Error> {
        Ok(vec![])
    }
}

/// A link to the server that cuts, doubles and loses.
pub struct Link<'s> {
    pub server: &'s mut MiniServer,
    /// Cuts the n-th answer after so many bytes.
    pub cut: Option<(u64, usize)>,
    /// Sends every answer's frames twice.
    pub doubled: bool,
    /// Loses the answers of the first so many requests, after the server has taken them.
    pub lose: u64,
    pub sent: Vec<Vec<u8>>,
    pub answers: Vec<Vec<u8>>,
}

impl<'s> Link<'s> {
    pub fn to(server: &'s mut MiniServer) -> Self {
        Self { server, cut: None, doubled: false, lose: 0, sent: vec![], answers: vec![] }
    }
}

impl Transport for Link<'_> {
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        self.sent.push(request.to_vec());
        let mut answer = self.server.exchange(request)?;
        if self.lose > 0 {
            self.lose -= 1;
            return Err(Failure::Network);
        }
        if self.doubled {
            let mut doubled = Vec::new();
            let mut at = 0;
            while at < answer.len() {
                let end = at + FRAME_HEAD_BYTES + usize::from(u16::from_be_bytes([answer[at], answer[at + 1]]));
                let is_trailer = answer[at + 2] == FrameKind::Trailer.code();
                for _ in 0..if is_trailer { 1 } else { 2 } {
                    doubled.extend_from_slice(&answer[at..end]);
                }
                at = end;
            }
            answer = doubled;
        }
        if let Some((index, bytes)) = self.cut
            && self.sent.len() as u64 == index
        {
            answer.truncate(bytes);
        }
        self.answers.push(answer.clone());
        Ok(answer)
    }
}

/// One session over a link, as if a person had pressed the button after every wait.
pub fn sync_over(store: &mut Store, random: &mut Seeded, link: &mut Link<'_>) -> SyncSummary {
    let now = link.server.now;
    link.server.now += 3_600_000;
    drive(store, random, link, &mut || ClaimedMs(now), false).unwrap()
}

pub fn sync(store: &mut Store, random: &mut Seeded, server: &mut MiniServer) -> SyncSummary {
    sync_over(store, random, &mut Link::to(server))
}

pub fn consent() -> Consent {
    Consent {
        purposes: vec!["visit_log".into()],
        notice_version: "1".into(),
        language: "vi".into(),
        method: "spoken_witnessed".into(),
        given: Day::parse("2026-01-01").unwrap(),
        withdrawn: None,
        ext: Ext::default(),
    }
}

pub fn content(household: Option<u64>, outcome: &str) -> VisitContent {
    VisitContent {
        village: village_a(),
        team: team(),
        household: household.map(|n| HouseholdId(id(n))),
        visit_type: "household".into(),
        day: Day::parse("2026-11-20").unwrap(),
        minutes: Some(30),
        activities: vec![activity(outcome)],
        members: vec![],
        result: None,
        summary: None,
        place: None,
        catalogue: Catalogue::shipped().version().into(),
        partner_org: None,
        quantity_reason: None,
        ext: Ext::default(),
    }
}

/// An activity that the catalogue takes.
pub fn activity(outcome: &str) -> Activity {
    let fields = BTreeMap::from([
        ("outcome".to_owned(), Value::Text(outcome.to_owned())),
        ("step".to_owned(), Value::Text("activated".to_owned())),
        ("age_14_plus".to_owned(), Value::Bool(true)),
    ]);
    Activity { kind: "vneid_level2".into(), fields, id: None, ext: Ext::default() }
}

pub fn entry(household: Option<u64>, outcome: &str, submit: bool) -> VisitEntry {
    VisitEntry { content: content(household, outcome), submit, plan: None }
}

/// A commune with a member, a leader and an officer, three households, and the member's phone in sync.
pub fn world() -> (MiniServer, Store, Seeded) {
    let mut server = MiniServer::new();
    server.put_household(village_a(), 11, "nhà đầu suối, mái tôn đỏ", Some("Nguyễn Văn Nam"), Some("0912345678"));
    server.put_household(village_a(), 12, "nhà cạnh trường", Some("Đặng Thị Hường"), None);
    server.put_household(village_a(), 13, "nhà số 12/3", None, None);
    server.put_household(village_b(), 21, "DAU-VET-THON-B", Some("Lò Thị BIMATTHONB"), Some("0987654321"));
    server.grant(user(1), &[(village_a(), Role::Member)]);
    server.grant(user(9), &[(village_a(), Role::CommuneOfficer), (village_b(), Role::CommuneOfficer)]);
    let (mut store, mut random) = server.phone(user(1), 1);
    let summary = sync(&mut store, &mut random, &mut server);
    assert_eq!(summary.ended, client_core::sync::Ended::Complete, "{summary:?}");
    (server, store, random)
}
