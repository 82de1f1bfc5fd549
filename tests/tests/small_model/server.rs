//! The server in miniature: what `server/src/sync.rs` does with a request, on plain maps. What an op does is asked of the
//! real `decide`; chains, outcomes and digests are the real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sync_protocol::access::Role;
use sync_protocol::cbor::{self, Cbor, Raw};
use sync_protocol::digest::{BucketState, Digest, fold};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{BucketId, RowType, flag};
use sync_protocol::wire::{HeldRole, holdings_short, no_ext};
use uuid::Uuid;

use crate::Rule;
use crate::explore::Sight;
use crate::stage::*;

/// What an op set a group to.
pub(crate) type Setting = (Tag, Rc<[u8]>);
/// The server's highest number, and chain values to compare.
pub(crate) type Fork = (u64, Vec<(u64, [u8; 8])>);

/// An op that was taken in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Logged {
    pub(crate) chain: [u8; 32],
    pub(crate) outcome: Rc<[u8]>,
}

/// One life of one outbox, as the server knows it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Outbox {
    pub(crate) device: usize,
    pub(crate) user: usize,
    pub(crate) parent: Option<(u64, u64)>,
    pub(crate) durable_upto: u64,
    pub(crate) ops: Vec<Logged>,
}

impl Outbox {
    fn last_n(&self) -> u64 {
        self.ops.len() as u64
    }
    fn chain(&self, epoch: u64, n: u64) -> Chain {
        match n {
            0 => Chain::start(device(self.device), Epoch(epoch)),
            n => Chain(self.ops[n as usize - 1].chain),
        }
    }
}

/// The store. What stands under "ghost" is for the properties only; it is part of a backup like everything else.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Server {
    pub(crate) epoch: u16,
    pub(crate) rows: BTreeMap<RowKey, (u64, Held)>,
    pub(crate) heads: BTreeMap<BucketId, u64>,
    pub(crate) outboxes: BTreeMap<u64, Outbox>,
    pub(crate) uids: BTreeMap<Uuid, (u64, u64)>,
    pub(crate) grants_rev: u64,
    pub(crate) grants: Vec<Given>,
    /// Ghost: ops in the order in which they were decided, each time that one was.
    pub(crate) log: Vec<Tag>,
    /// Ghost: what set a group, in order.
    pub(crate) effects: BTreeMap<GroupOf, Vec<Setting>>,
    /// Ghost: what the author of an op had seen or done before.
    pub(crate) seen: BTreeMap<Tag, BTreeSet<Tag>>,
}

/// An op on its way, with its ghosts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sent {
    pub(crate) tag: Tag,
    pub(crate) seen: Rc<BTreeSet<Tag>>,
    pub(crate) bytes: Rc<[u8]>,
}

/// A run of ops.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Run {
    pub(crate) first_n: u64,
    pub(crate) before: [u8; 8],
    pub(crate) ops: Vec<Sent>,
}

/// How far a phone has read: bucket, generation, position.
pub(crate) type Cursor = (BucketId, u32, u64);

/// What a phone sends.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Request {
    pub(crate) device: usize,
    pub(crate) user: usize,
    pub(crate) epoch: u64,
    pub(crate) parent: Option<(u64, u64)>,
    pub(crate) last_n: u64,
    pub(crate) chain: [u8; 8],
    pub(crate) oldest_n: u64,
    pub(crate) holdings: [u8; 8],
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) staged: bool,
    pub(crate) runs: Vec<Run>,
}

/// Rows of one bucket.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Frame {
    pub(crate) bucket: BucketId,
    pub(crate) gen_: u32,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) rows: Vec<(RowKey, Held)>,
}

/// What comes back.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Answer {
    pub(crate) server_epoch: u16,
    pub(crate) last_n: u64,
    pub(crate) durable_upto: u64,
    pub(crate) fork: Option<Fork>,
    pub(crate) expected_n: Option<u64>,
    pub(crate) outcomes: Vec<Rc<[u8]>>,
    pub(crate) control: Option<(u64, bool)>,
    pub(crate) dropped: bool,
    pub(crate) frames: Vec<Frame>,
    pub(crate) state: Option<[u8; 8]>,
}

/// The eight bytes that say what a phone believes it may see.
pub(crate) fn holdings(grants_rev: u64, holds: bool) -> [u8; 8] {
    let role = HeldRole { scope: village(), role: Role::Member.code().into(), ext: no_ext() };
    holdings_short(grants_rev, if holds { std::slice::from_ref(&role) } else { &[] })
}

impl Server {
    pub(crate) fn new() -> Self {
        let household = first_household();
        let key = (household.ty.0, household.id);
        let held = Held { ver: household.ver.0, bytes: household.cbor().into(), folded: BTreeSet::new() };
        Self {
            epoch: 1,
            rows: BTreeMap::from([(key, (1, held))]),
            heads: BTreeMap::from([(bucket(key), 1)]),
            outboxes: BTreeMap::new(),
            uids: BTreeMap::new(),
            grants_rev: 1,
            grants: vec![Given { id: id(0xf0), ended: None }],
            log: vec![],
            effects: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    pub(crate) fn gen_(&self) -> u32 {
        (u32::from(self.epoch) << 16) | 1
    }

    pub(crate) fn holds(&self, who: usize) -> bool {
        who != 1 || self.grants.iter().any(|given| given.ended.is_none())
    }

    fn grants_rev_of(&self, who: usize) -> u64 {
        if who == 1 { self.grants_rev } else { 1 }
    }

    pub(crate) fn view(&self) -> Rows {
        Rows {
            rows: self.rows.iter().map(|(key, (_, held))| (*key, held.clone())).collect(),
            authors: self.outboxes.iter().map(|(epoch, outbox)| (*epoch, outbox.user)).collect(),
            grants_rev: self.grants_rev,
            grants: self.grants.clone(),
        }
    }

    /// Takes the effects of an op over: rows to new positions, and what the properties ask for later.
    fn take(&mut self, rows: Rows, touched: Vec<RowKey>, sent: &Sent, verdict: Verdict) {
        self.log.push(sent.tag);
        self.seen.insert(sent.tag, (*sent.seen).clone());
        if matches!(verdict, Verdict::Applied | Verdict::AppliedWithCase) {
            let op = Op::read(&sent.bytes).unwrap();
            let mut note =
                |key: GroupOf, value: &[u8]| self.effects.entry(key).or_default().push((sent.tag, value.into()));
            match Intent::of(&op) {
                Some(Ok(Intent::HouseholdSet(body))) => {
                    for (group, value) in &body.groups.0 {
                        note((RowType::HOUSEHOLD.0, body.id, *group), &value.0);
                    }
                }
                Some(Ok(Intent::VisitRecord(_))) => {
                    note((RowType::VISIT_STATE.0, op.row_id(), visit_state::CONTENT), op.row_id().as_bytes());
                }
                Some(Ok(Intent::VisitCorrect(body))) => {
                    note((RowType::VISIT_STATE.0, body.visit.0, visit_state::CONTENT), op.row_id().as_bytes());
                }
                _ => {}
            }
        }
        for key in touched {
            let mut held = rows.rows[&key].clone();
            let ty = if key.0 == RowType::VISIT_RECORDED.0 { RowType::VISIT_STATE.0 } else { key.0 };
            held.folded = self
                .effects
                .range((ty, key.1, 0)..=(ty, key.1, u8::MAX))
                .flat_map(|(_, list)| list.iter().map(|(tag, _)| *tag))
                .collect();
            let head = self.heads.entry(bucket(key)).or_default();
            *head += 1;
            self.rows.insert(key, (*head, held));
        }
        (self.grants_rev, self.grants) = (rows.grants_rev, rows.grants);
    }

    /// Somebody at the desk does something; `None` when the rules refuse it.
    pub(crate) fn desk(&self, step: Step, tag: Tag) -> Option<Self> {
        let mut rows = self.view();
        let hash = match step {
            Step::Approve(of) | Step::Return(of) => rows.hash(visit_of(of)),
            _ => [0; 16],
        };
        let looked = step.looks_at();
        let seen = looked.iter().filter_map(|key| rows.rows.get(key)).flat_map(|held| held.folded.clone()).collect();
        let ver = looked.iter().find_map(|key| rows.rows.get(key)).map_or(0, |held| held.ver);
        let op = step.op(tag, sync_protocol::row::Ver(ver), hash, 1);
        let sent = Sent { tag, seen: Rc::new(seen), bytes: op.cbor().into() };
        let principal = principal(DESK, &rows);
        self.local(900, &principal, &mut rows, &sent)
    }

    /// Bình's role is taken, or given back.
    pub(crate) fn grant(&self, tag: Tag) -> Option<Self> {
        let mut rows = self.view();
        let today = Day::of_ms(NOW.0);
        let intent = match self.grants.iter().find(|given| given.ended.is_none()) {
            Some(given) => Intent::GrantEnd(EndGrant { grant: GrantId(given.id), to: today, ext: no_ext() }),
            None => Intent::GrantGive(GiveGrant {
                user: user(1),
                role: Role::Member.code().into(),
                unit: village().into(),
                from: today,
                decision: None,
                ext: no_ext(),
            }),
        };
        let op = named(intent, tag, 1);
        let sent = Sent { tag, seen: Rc::default(), bytes: op.cbor().into() };
        let principal = administrator();
        self.local(901, &principal, &mut rows, &sent)
    }

    fn local(
        &self,
        epoch: u64,
        principal: &sync_protocol::access::Principal,
        rows: &mut Rows,
        sent: &Sent,
    ) -> Option<Self> {
        let mut next = self.clone();
        let outbox = next.outboxes.entry(epoch).or_insert(Outbox {
            device: 9,
            user: DESK,
            parent: None,
            durable_upto: 0,
            ops: vec![],
        });
        let n = outbox.last_n() + 1;
        let lineage = Lineage::default();
        let place = Place { principal, epoch, n, lineage: &lineage, server_epoch: self.epoch };
        let decision = ask(rows, &place, &sent.bytes);
        if decision.verdict == Verdict::Rejected {
            return None;
        }
        let chain = outbox.chain(epoch, n - 1).then(&sent.bytes).0;
        outbox.ops.push(Logged { chain, outcome: decision.outcome(n).cbor().into() });
        next.uids.insert(Op::read(&sent.bytes).unwrap().uid().0, (epoch, n));
        let touched = rows.apply(&decision.changes);
        next.take(std::mem::take(rows), touched, sent, decision.verdict);
        Some(next)
    }

    /// A verified copy is made; then phones may be told that what is in it is safe.
    pub(crate) fn back_up(&self) -> (Self, Self) {
        let mut marked = self.clone();
        for outbox in marked.outboxes.values_mut() {
            outbox.durable_upto = outbox.last_n();
        }
        (self.clone(), marked)
    }

    fn lineage(&self, outbox: &Outbox) -> Lineage {
        let mut lineage = Vec::new();
        let mut next = outbox.parent;
        while let Some((epoch, at)) = next {
            lineage.push((Epoch(epoch), at));
            next = self.outboxes.get(&epoch).and_then(|parent| parent.parent);
        }
        Lineage(lineage)
    }

    /// Answers one request.
    pub(crate) fn exchange(&self, rule: Rule, request: &Request) -> (Self, Answer) {
        let mut next = self.clone();
        let is_ahead = |server: &Self| {
            request.cursors.iter().any(|(bucket, gen_, seq)| {
                *gen_ == server.gen_() && *seq > server.heads.get(bucket).copied().unwrap_or_default()
            })
        };
        if rule != Rule::RestoreUnnoticed && is_ahead(&next) {
            next.epoch += 1;
        }
        let mut answer = Answer {
            server_epoch: next.epoch,
            last_n: 0,
            durable_upto: 0,
            fork: None,
            expected_n: None,
            outcomes: vec![],
            control: None,
            dropped: false,
            frames: vec![],
            state: None,
        };
        next.push(rule, request, &mut answer);
        if rule == Rule::DurableWithoutBackup {
            answer.durable_upto = answer.last_n;
        }
        if answer.fork.is_none() {
            next.pull(rule, request, &mut answer);
        }
        (next, answer)
    }

    fn push(&mut self, rule: Rule, request: &Request, answer: &mut Answer) {
        let known = self.outboxes.get(&request.epoch).cloned();
        if request.runs.is_empty() {
            match &known {
                Some(outbox) => {
                    (answer.last_n, answer.durable_upto) = (outbox.last_n(), outbox.durable_upto);
                    if forked(rule, outbox, request) {
                        answer.fork = Some(fork_answer(outbox, request));
                    }
                    return;
                }
                None if request.parent.is_none() || request.last_n == 0 => return,
                None => {}
            }
        }
        let mut outbox = known.unwrap_or_else(|| {
            let parent = request.parent.filter(|(epoch, _)| {
                self.outboxes
                    .get(epoch)
                    .is_some_and(|parent| (parent.user, parent.device) == (request.user, request.device))
            });
            Outbox { device: request.device, user: request.user, parent, durable_upto: 0, ops: vec![] }
        });
        answer.durable_upto = outbox.durable_upto;
        answer.last_n = outbox.last_n();
        if outbox.last_n() > 0 && forked(rule, &outbox, request) {
            answer.fork = Some(fork_answer(&outbox, request));
            return;
        }
        let lineage = self.lineage(&outbox);
        for run in &request.runs {
            if !self.take_run(rule, request, &mut outbox, &lineage, run, answer) {
                break;
            }
        }
        answer.last_n = outbox.last_n();
        self.outboxes.insert(request.epoch, outbox);
    }

    fn take_run(
        &mut self,
        rule: Rule,
        request: &Request,
        outbox: &mut Outbox,
        lineage: &Lineage,
        run: &Run,
        answer: &mut Answer,
    ) -> bool {
        let checks = rule != Rule::NoChainCheck;
        let expected = outbox.last_n() + 1;
        if run.first_n == 0 || run.first_n > expected {
            answer.expected_n = Some(expected);
            return false;
        }
        let mut chain = outbox.chain(request.epoch, run.first_n - 1);
        if checks && chain.short() != run.before {
            answer.fork = Some(fork_answer(outbox, request));
            return false;
        }
        for (n, sent) in (run.first_n..).zip(&run.ops) {
            chain = chain.then(&sent.bytes);
            if n < expected {
                let known = &outbox.ops[n as usize - 1];
                if checks && known.chain != chain.0 {
                    answer.fork = Some(fork_answer(outbox, request));
                    return false;
                }
                answer.outcomes.push(known.outcome.clone());
                continue;
            }
            let uid = Op::read(&sent.bytes).unwrap().uid().0;
            let home = self.uids.get(&uid).copied().filter(|_| rule != Rule::NoUid);
            let outcome = match home {
                Some((epoch, at)) => {
                    let logged = if epoch == request.epoch { &outbox.ops } else { &self.outboxes[&epoch].ops }
                        [at as usize - 1]
                        .clone();
                    Outcome { n, ..cbor::read::<Outcome>(&logged.outcome).unwrap() }
                }
                None => {
                    let mut rows = self.view();
                    rows.authors.insert(request.epoch, request.user);
                    let principal = principal(request.user, &rows);
                    let place =
                        Place { principal: &principal, epoch: request.epoch, n, lineage, server_epoch: self.epoch };
                    let decision = ask(&mut rows, &place, &sent.bytes);
                    let touched = rows.apply(&decision.changes);
                    self.take(rows, touched, sent, decision.verdict);
                    decision.outcome(n)
                }
            };
            self.uids.entry(uid).or_insert((request.epoch, n));
            let outcome: Rc<[u8]> = outcome.cbor().into();
            outbox.ops.push(Logged { chain: chain.0, outcome: outcome.clone() });
            answer.outcomes.push(outcome);
        }
        true
    }

    fn pull(&self, rule: Rule, request: &Request, answer: &mut Answer) {
        let holds = self.holds(request.user);
        let grants_rev = self.grants_rev_of(request.user);
        if holdings(grants_rev, holds) != request.holdings {
            answer.control = Some((grants_rev, holds));
        }
        answer.dropped = !holds && !request.cursors.is_empty();
        let reads = holds || rule == Rule::ReadsWithoutGrant;
        if reads {
            for (bucket, head) in &self.heads {
                let cursor = request.cursors.iter().find(|(of, gen_, _)| of == bucket && *gen_ == self.gen_());
                let from = cursor.map_or(0, |(_, _, seq)| *seq);
                if from >= *head {
                    continue;
                }
                let mut rows: Vec<(u64, RowKey, Held)> = self
                    .rows
                    .iter()
                    .filter(|(key, (seq, _))| crate::stage::bucket(**key) == *bucket && *seq > from)
                    .map(|(key, (seq, held))| (*seq, *key, held.clone()))
                    .collect();
                rows.sort_by_key(|(seq, ..)| *seq);
                let rows = rows.into_iter().map(|(_, key, held)| (key, held)).collect();
                answer.frames.push(Frame { bucket: *bucket, gen_: self.gen_(), from, to: *head, rows });
            }
        }
        answer.state = Some(self.proof(reads));
    }

    /// The digest of everything that a holder has.
    pub(crate) fn proof(&self, holds: bool) -> [u8; 8] {
        let mut states = Vec::new();
        for (bucket, head) in self.heads.iter().filter(|_| holds) {
            let mut digest = Digest::default();
            for (key, (_, held)) in self.rows.iter().filter(|(key, _)| crate::stage::bucket(**key) == *bucket) {
                digest.add(RowType(key.0), key.1, sync_protocol::row::Ver(held.ver));
            }
            states.push(BucketState { bucket: *bucket, gen_: self.gen_(), head: *head, digest });
        }
        fold(&states)
    }

    /// What an op came to, wherever it was decided first.
    pub(crate) fn outcome_of(&self, tag: Tag, bytes: &[u8]) -> Option<Outcome> {
        debug_assert!(tag > 0);
        let (epoch, n) = *self.uids.get(&Op::read(bytes).unwrap().uid().0)?;
        cbor::read(&self.outboxes[&epoch].ops[n as usize - 1].outcome).ok()
    }

    /// What there is to see.
    pub(crate) fn sights(&self, seen: &mut BTreeSet<Sight>) {
        for (key, (_, held)) in &self.rows {
            if key.0 == RowType::CASE.0 {
                seen.insert(Sight::Case);
            }
            if key.0 == RowType::HOUSEHOLD.0
                && held.register().is_some_and(|row| row.groups.values().any(|group| group.stamps.len() > 1))
            {
                seen.insert(Sight::Agreement);
            }
            if key.0 == RowType::VISIT_RECORDED.0
                && held.event().is_some_and(|event| event.flags & flag::AFTER_GRANT_ENDED != 0)
            {
                seen.insert(Sight::LateWork);
            }
        }
        let outcomes = self.outboxes.values().flat_map(|outbox| &outbox.ops);
        if outcomes.map(|op| cbor::read::<Outcome>(&op.outcome).unwrap()).any(|o| o.verdict == Verdict::Rejected) {
            seen.insert(Sight::Refusal);
        }
    }

    /// P2, P11: what must hold of the store whatever has happened.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut once = BTreeSet::new();
        if let Some(twice) = self.log.iter().find(|tag| !once.insert(**tag)) {
            return Err(format!("P2: {} had its effect twice", name(*twice)));
        }
        let rows = self.view();
        for ((ty, id, group), list) in &self.effects {
            let live: Vec<&Setting> = list
                .iter()
                .filter(|(tag, _)| !list.iter().any(|(other, _)| other != tag && self.seen[other].contains(tag)))
                .collect();
            let is_visit = *ty == RowType::VISIT_STATE.0;
            let plain = |raw: &Raw| -> Vec<u8> {
                if is_visit {
                    VisitPointer::from_cbor(&raw.0).unwrap().event.as_bytes().to_vec()
                } else {
                    raw.0.clone()
                }
            };
            let register = if is_visit { rows.visit_state(*id) } else { rows.rows[&(*ty, *id)].register() };
            let current = register.unwrap().groups[group].clone();
            let case = current.case.and_then(|case| rows.rows.get(&(RowType::CASE.0, case.0))?.register());
            let sides: Vec<Vec<u8>> = case
                .filter(|case| {
                    case.group::<CaseStatusValue>(case::STATUS).is_some_and(|status| status.status == "open")
                })
                .and_then(|case| case.group::<CaseSides>(case::SIDES))
                .map(|sides| sides.sides.iter().map(|side| plain(&side.value)).collect())
                .unwrap_or_default();
            let differ = live.iter().any(|(_, value)| **value != *live[0].1);
            for (tag, value) in live {
                let in_case = sides.iter().any(|side| **side == **value);
                if !in_case && (differ || plain(&current.value) != **value) {
                    return Err(format!("P11: the value of {} is gone, and no open case holds it", name(*tag)));
                }
            }
        }
        Ok(())
    }
}

/// An op in words.
pub(crate) fn name(tag: Tag) -> String {
    let who = usize::from((tag - 1) / 16);
    format!("{}'s op {}", WHO.get(who).copied().unwrap_or("the admin"), (tag - 1) % 16 + 1)
}

fn forked(rule: Rule, outbox: &Outbox, request: &Request) -> bool {
    let last_n = outbox.last_n();
    rule != Rule::NoChainCheck
        && (request.last_n < last_n
            || (request.last_n == last_n && request.chain != outbox.chain(request.epoch, last_n).short()))
}

fn fork_answer(outbox: &Outbox, request: &Request) -> Fork {
    let oldest = if request.oldest_n == 0 { request.last_n } else { request.oldest_n.saturating_sub(1) };
    let to = outbox.last_n().min(request.last_n);
    (outbox.last_n(), (oldest..=to).map(|n| (n, outbox.chain(request.epoch, n).short())).collect())
}
