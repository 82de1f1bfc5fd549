//! A phone in miniature: what `client-core` keeps and does between a request and its answer, on plain maps.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sync_protocol::cbor::{self, Cbor};
use sync_protocol::digest::{BucketState, Digest, fold};
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{BucketId, RowType, Ver};

use crate::Rule;
use crate::explore::Sight;
use crate::server::{Answer, Cursor, Request, Run, Sent, Server, holdings, name};
use crate::stage::*;

/// An op in the phone's file.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stored {
    pub(crate) sent: Sent,
    pub(crate) epoch: u64,
    pub(crate) n: u64,
    pub(crate) chain: [u8; 32],
    pub(crate) outcome: Option<Rc<[u8]>>,
    pub(crate) echoed: bool,
    pub(crate) durable: bool,
}

impl Stored {
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.as_ref().map(|bytes| cbor::read(bytes).unwrap())
    }
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.outcome().map(|outcome| outcome.verdict)
    }
    fn in_overlay(&self) -> bool {
        match self.verdict() {
            None | Some(Verdict::Deferred) => true,
            Some(Verdict::Rejected) => false,
            Some(Verdict::Applied | Verdict::AppliedWithCase) => !self.echoed,
        }
    }
}

/// A copy of the server's rows.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Base {
    pub(crate) rows: BTreeMap<RowKey, Held>,
    pub(crate) cursors: BTreeMap<BucketId, (u32, u64)>,
}

impl Base {
    fn cursors(&self) -> Vec<Cursor> {
        self.cursors.iter().map(|(bucket, (gen_, seq))| (*bucket, *gen_, *seq)).collect()
    }

    /// What the phone compares with the server's proof.
    pub(crate) fn proof(&self) -> [u8; 8] {
        let mut states = Vec::new();
        for (of, (gen_, seq)) in &self.cursors {
            let mut digest = Digest::default();
            for (key, held) in self.rows.iter().filter(|(key, _)| bucket(**key) == *of) {
                digest.add(RowType(key.0), key.1, Ver(held.ver));
            }
            states.push(BucketState { bucket: *of, gen_: *gen_, head: *seq, digest });
        }
        fold(&states)
    }
}

/// One life of the outbox.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Life {
    epoch: u64,
    parent: Option<(u64, u64)>,
}

/// A phone's file.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Phone {
    pub(crate) device: usize,
    pub(crate) user: usize,
    lives: Vec<Life>,
    last_n: u64,
    chain: [u8; 32],
    floor_n: u64,
    floor_chain: [u8; 32],
    pub(crate) ops: Vec<Stored>,
    pub(crate) base: Base,
    staged: Option<(u16, Base)>,
    server_epoch: u16,
    pub(crate) holds: bool,
    grants_rev: u64,
    /// The copy differed from the server's proof and is loaded afresh; once, as on one day.
    pub(crate) reloading: bool,
    pub(crate) was_repaired: bool,
    /// Ghost: everything saved in this file, in order.
    pub(crate) made: Vec<Tag>,
    /// Ghost: the bytes of it.
    pub(crate) bytes: BTreeMap<Tag, Rc<[u8]>>,
}

/// How much of an answer arrives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Cut {
    /// All of it.
    No,
    /// Up to the outcomes and the roles; rows and trailer are missing.
    BeforeRows,
    /// Everything but the trailer.
    BeforeTrailer,
}

impl Phone {
    /// A phone that has synced and has done nothing yet.
    pub(crate) fn new(device: usize, server: &Server) -> Self {
        let epoch = first_epoch(device);
        let start = Chain::start(crate::stage::device(device), Epoch(epoch)).0;
        Self {
            device,
            user: device,
            lives: vec![Life { epoch, parent: None }],
            last_n: 0,
            chain: start,
            floor_n: 0,
            floor_chain: start,
            ops: vec![],
            base: Base {
                rows: server.rows.iter().map(|(key, (_, held))| (*key, held.clone())).collect(),
                cursors: server.heads.iter().map(|(bucket, head)| (*bucket, (server.gen_(), *head))).collect(),
            },
            staged: None,
            server_epoch: server.epoch,
            holds: true,
            grants_rev: 1,
            reloading: false,
            was_repaired: false,
            made: vec![],
            bytes: BTreeMap::new(),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.lives.last().unwrap().epoch
    }

    fn start(&self) -> Chain {
        Chain::start(device(self.device), Epoch(self.epoch()))
    }

    fn lineage(&self) -> Lineage {
        let mut lineage = Vec::new();
        let mut next = Some(self.epoch());
        for life in self.lives.iter().rev() {
            if Some(life.epoch) == next
                && let Some((parent, at)) = life.parent
            {
                lineage.push((Epoch(parent), at));
                next = Some(parent);
            }
        }
        Lineage(lineage)
    }

    fn principal(&self) -> sync_protocol::access::Principal {
        let grants = if self.holds { vec![Given { id: id(0xf0), ended: None }] } else { vec![] };
        match self.user {
            1 => principal(1, &Rows { grants_rev: self.grants_rev, grants, ..Rows::default() }),
            user => principal(user, &Rows::default()),
        }
    }

    /// The base with the ops that it does not show yet on top, and those that would be refused.
    pub(crate) fn view(&self) -> (Rows, BTreeSet<Tag>) {
        let mut rows = Rows { rows: self.base.rows.clone(), ..Rows::default() };
        rows.authors = self.lives.iter().map(|life| (life.epoch, self.user)).collect();
        let (principal, lineage) = (self.principal(), self.lineage());
        let mut refused = BTreeSet::new();
        for op in self.ops.iter().filter(|op| op.in_overlay()) {
            let place = Place {
                principal: &principal,
                epoch: op.epoch,
                n: op.n,
                lineage: &lineage,
                server_epoch: self.server_epoch,
            };
            let decision = ask(&mut rows, &place, &op.sent.bytes);
            if decision.verdict == Verdict::Rejected {
                refused.insert(op.sent.tag);
            }
            rows.apply(&decision.changes);
        }
        (rows, refused)
    }

    /// Saves the next intent; `None` when the phone would refuse it.
    pub(crate) fn save(&self, rule: Rule, step: Step, tag: Tag) -> Option<Self> {
        let (mut rows, _) = self.view();
        let looked = step.looks_at();
        let shown = if rule == Rule::SeesPredictions { &rows.rows } else { &self.base.rows };
        let ver = looked.iter().find_map(|key| shown.get(key)).map_or(0, |held| held.ver);
        let mut seen: BTreeSet<Tag> = self.made.iter().copied().collect();
        seen.extend(looked.iter().filter_map(|key| self.base.rows.get(key)).flat_map(|held| held.folded.clone()));
        let hash = match step {
            Step::Approve(of) | Step::Return(of) => rows.hash(visit_of(of)),
            _ => [0; 16],
        };
        let bytes: Rc<[u8]> = step.op(tag, Ver(ver), hash, self.grants_rev).cbor().into();
        let (principal, lineage) = (self.principal(), self.lineage());
        let n = self.last_n + 1;
        let place =
            Place { principal: &principal, epoch: self.epoch(), n, lineage: &lineage, server_epoch: self.server_epoch };
        if ask(&mut rows, &place, &bytes).verdict == Verdict::Rejected {
            return None;
        }
        let mut next = self.clone();
        next.append(Sent { tag, seen: Rc::new(seen), bytes: bytes.clone() });
        next.made.push(tag);
        next.bytes.insert(tag, bytes);
        Some(next)
    }

    fn append(&mut self, sent: Sent) {
        self.last_n += 1;
        self.chain = Chain(self.chain).then(&sent.bytes).0;
        self.ops.push(Stored {
            sent,
            epoch: self.epoch(),
            n: self.last_n,
            chain: self.chain,
            outcome: None,
            echoed: false,
            durable: false,
        });
    }

    fn chain_at(&self, n: u64) -> Option<Chain> {
        if n == 0 {
            return Some(self.start());
        }
        if n == self.floor_n {
            return Some(Chain(self.floor_chain));
        }
        let found = self.ops.iter().find(|op| op.epoch == self.epoch() && op.n == n);
        found.map(|op| Chain(op.chain))
    }

    /// What it would send now.
    pub(crate) fn request(&self) -> Request {
        let epoch = self.epoch();
        let of_epoch = || self.ops.iter().filter(|op| op.epoch == epoch);
        let mut runs: Vec<Run> = Vec::new();
        for op in of_epoch().filter(|op| op.outcome.is_none()) {
            match runs.last_mut() {
                Some(run) if run.first_n + run.ops.len() as u64 == op.n => run.ops.push(op.sent.clone()),
                _ => {
                    let before = self.chain_at(op.n - 1).expect("the chain before an op that waits is known").short();
                    runs.push(Run { first_n: op.n, before, ops: vec![op.sent.clone()] });
                }
            }
        }
        let base = self.staged.as_ref().map_or(&self.base, |(_, base)| base);
        Request {
            device: self.device,
            user: self.user,
            epoch,
            parent: self.lives.last().unwrap().parent,
            last_n: self.last_n,
            chain: Chain(self.chain).short(),
            oldest_n: of_epoch().filter(|op| op.n > self.floor_n).map(|op| op.n).min().unwrap_or(0),
            holdings: holdings(self.grants_rev, self.holds),
            cursors: base.cursors(),
            staged: self.staged.is_some(),
            runs,
        }
    }

    /// Takes in an answer to that request. `fresh` is an epoch that nobody had before.
    pub(crate) fn apply(&self, rule: Rule, request: &Request, answer: &Answer, cut: Cut, fresh: u64) -> Self {
        let mut next = self.clone();
        let (mut opened, mut gap) = (false, false);
        let mut open = |phone: &mut Self, parent: (u64, u64)| {
            if !opened {
                phone.open_epoch(fresh, parent);
            }
            opened = true;
        };
        // Header.
        let known = next.staged.as_ref().map_or(next.server_epoch, |(epoch, _)| *epoch);
        if known != answer.server_epoch {
            next.staged = (answer.server_epoch != next.server_epoch).then(|| (answer.server_epoch, Base::default()));
            let above = if rule == Rule::NoReoffer { u64::MAX } else { answer.durable_upto };
            next.back_to_pending(request.epoch, above);
            let old = |op: &Stored| op.epoch != request.epoch && !op.durable && op.verdict() != Some(Verdict::Rejected);
            if next.ops.iter().any(old) && rule != Rule::NoReoffer {
                open(&mut next, (request.epoch, answer.durable_upto + 1));
            }
        } else if rule != Rule::NoReoffer {
            next.back_to_pending(request.epoch, answer.last_n);
        }
        if let Some((last_n, theirs)) = &answer.fork {
            let at = if rule == Rule::ForkAtHighest {
                (*last_n).max(next.last_n) + 1
            } else {
                let agrees = |n: u64, short: &[u8; 8]| next.chain_at(n).is_some_and(|chain| chain.short() == *short);
                theirs.iter().filter(|(n, short)| agrees(*n, short)).map(|(n, _)| *n).max().unwrap_or(0) + 1
            };
            open(&mut next, (request.epoch, at));
        }
        if let Some(expected) = answer.expected_n {
            let is_here = expected > next.floor_n && expected <= next.last_n;
            if is_here {
                next.back_to_pending(request.epoch, expected - 1);
            }
            let waits = |op: &Stored| op.epoch == request.epoch && op.n == expected && op.outcome.is_none();
            if !(is_here && next.ops.iter().any(waits)) {
                open(&mut next, (request.epoch, expected));
            }
        }
        for bytes in &answer.outcomes {
            let outcome: Outcome = cbor::read(bytes).unwrap();
            let found = next.ops.iter_mut().find(|op| op.epoch == request.epoch && op.n == outcome.n);
            if let Some(op) = found.filter(|op| op.outcome.is_none()) {
                op.outcome = Some(bytes.clone());
                op.echoed = rule == Rule::OverlayDropsEarly;
            }
        }
        let mut lost = answer.dropped;
        if let Some((grants_rev, holds)) = answer.control {
            lost |= next.holds && !holds;
            (next.grants_rev, next.holds) = (grants_rev, holds);
        }
        if cut != Cut::BeforeRows {
            for frame in &answer.frames {
                gap |= !next.take_frame(frame);
            }
        }
        if lost && rule != Rule::NoPurge {
            next.base = Base::default();
            if let Some((_, base)) = &mut next.staged {
                *base = Base::default();
            }
        }
        if cut == Cut::No
            && let Some(proof) = answer.state
            && answer.fork.is_none()
            && !gap
        {
            next.complete(request, proof);
        }
        if !opened {
            next.settle(answer.durable_upto);
        }
        next.mark_echoed();
        next
    }

    fn take_frame(&mut self, frame: &crate::server::Frame) -> bool {
        let base = self.staged.as_mut().map_or(&mut self.base, |(_, base)| base);
        let (gen_, seq) = base.cursors.get(&frame.bucket).copied().unwrap_or((frame.gen_, 0));
        if frame.from != seq || (frame.gen_ != gen_ && seq != 0) {
            return frame.gen_ == gen_ && frame.to <= seq;
        }
        if self.reloading && seq == 0 {
            base.rows.retain(|key, _| bucket(*key) != frame.bucket);
        }
        for (key, held) in &frame.rows {
            if base.rows.get(key).is_none_or(|here| here.ver < held.ver) {
                base.rows.insert(*key, held.clone());
            }
        }
        base.cursors.insert(frame.bucket, (frame.gen_, frame.to));
        true
    }

    fn complete(&mut self, request: &Request, proof: [u8; 8]) {
        if let Some((epoch, base)) = self.staged.take() {
            if !request.staged && proof != fold(&[]) && base.cursors.is_empty() {
                self.staged = Some((epoch, base));
                return;
            }
            self.base = base;
            self.server_epoch = epoch;
        }
        if std::mem::take(&mut self.reloading) {
            let Base { rows, cursors } = &mut self.base;
            rows.retain(|key, _| cursors.contains_key(&bucket(*key)));
        }
        if self.base.proof() != proof && !self.was_repaired {
            self.base.cursors.clear();
            (self.reloading, self.was_repaired) = (true, true);
            return;
        }
        for op in self.ops.iter_mut() {
            op.echoed |= matches!(op.verdict(), Some(Verdict::Applied | Verdict::AppliedWithCase));
        }
    }

    fn back_to_pending(&mut self, epoch: u64, above: u64) {
        for op in self.ops.iter_mut().filter(|op| op.epoch == epoch && op.n > above && !op.durable) {
            (op.outcome, op.echoed) = (None, false);
        }
    }

    fn open_epoch(&mut self, fresh: u64, parent: (u64, u64)) {
        self.lives.push(Life { epoch: fresh, parent: Some(parent) });
        let start = self.start().0;
        (self.last_n, self.chain, self.floor_n, self.floor_chain) = (0, start, 0, start);
        for at in 0..self.ops.len() {
            let op = &self.ops[at];
            let answered = op.outcome.is_some();
            let dealt_with = op.verdict() == Some(Verdict::Rejected);
            let proven = op.epoch == parent.0 && op.n < parent.1;
            if op.durable || answered && (proven || dealt_with) {
                continue;
            }
            self.last_n += 1;
            self.chain = Chain(self.chain).then(&op.sent.bytes).0;
            let (n, chain) = (self.last_n, self.chain);
            let op = &mut self.ops[at];
            (op.epoch, op.n, op.chain) = (fresh, n, chain);
            (op.outcome, op.echoed) = (None, false);
        }
    }

    fn settle(&mut self, durable_upto: u64) {
        let epoch = self.epoch();
        let open = self.ops.iter().filter(|op| op.epoch == epoch && op.outcome.is_none()).map(|op| op.n).min();
        let upto = durable_upto.min(self.last_n).min(open.map_or(u64::MAX, |open| open - 1));
        if upto > self.floor_n
            && let Some(chain) = self.chain_at(upto)
        {
            self.ops.iter_mut().filter(|op| op.epoch == epoch && op.n <= upto).for_each(|op| op.durable = true);
            (self.floor_n, self.floor_chain) = (upto, chain.0);
        }
        self.ops.retain(|op| !(op.durable && op.echoed));
    }

    fn mark_echoed(&mut self) {
        for op in self.ops.iter_mut().filter(|op| !op.echoed) {
            let ver = op.outcome().and_then(|outcome| outcome.ver);
            let here = self.base.rows.get(&target(&op.sent.bytes)).map(|held| held.ver);
            op.echoed |= ver.is_some_and(|ver| here.is_some_and(|here| here >= ver.0));
        }
    }

    /// What there is to see.
    pub(crate) fn sights(&self, seen: &mut BTreeSet<Sight>) {
        let sights = [
            (self.lives.len() > 1, Sight::NewEpoch),
            (self.staged.is_some(), Sight::Staged),
            (!self.holds && self.base.rows.is_empty(), Sight::Purge),
        ];
        seen.extend(sights.into_iter().filter(|(is_seen, _)| *is_seen).map(|(_, sight)| sight));
    }

    /// P6, P10: what must hold of what a phone shows.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.holds {
            let is_empty =
                self.base.rows.is_empty() && self.staged.as_ref().is_none_or(|(_, base)| base.rows.is_empty());
            return if is_empty { Ok(()) } else { Err("P10: rows stay on a phone that knows its role is gone".into()) };
        }
        let (view, refused) = self.view();
        for (at, op) in self.ops.iter().enumerate() {
            let applied = matches!(op.verdict(), Some(Verdict::Applied | Verdict::AppliedWithCase));
            if op.outcome.is_some() && !applied || refused.contains(&op.sent.tag) {
                continue;
            }
            let key = target(&op.sent.bytes);
            let loaded = self.base.cursors.contains_key(&bucket(key));
            let caught_up = op
                .outcome()
                .and_then(|outcome| outcome.ver)
                .is_some_and(|ver| self.base.rows.get(&key).is_some_and(|held| held.ver >= ver.0));
            if caught_up || (op.echoed && !loaded) {
                continue;
            }
            let read = Op::read(&op.sent.bytes).unwrap();
            let shown = match Intent::of(&read).unwrap().unwrap() {
                Intent::HouseholdSet(body) => {
                    let later = self.ops[at + 1..].iter().any(|later| target(&later.sent.bytes) == key);
                    let register = view.rows.get(&key).and_then(Held::register);
                    later
                        || register.is_none() && !loaded
                        || register.is_some_and(|register| {
                            body.groups.0.iter().all(|(group, value)| {
                                register.groups.get(group).is_some_and(|g| g.value == *value || g.case.is_some())
                            })
                        })
                }
                Intent::VisitRecord(_) => view.rows.contains_key(&(RowType::VISIT_RECORDED.0, read.row_id())),
                Intent::VisitCorrect(_) => view.rows.contains_key(&(RowType::VISIT_CORRECTED.0, read.row_id())),
                Intent::VisitSubmit(_) => view.rows.contains_key(&key),
                _ => true,
            };
            if !shown {
                return Err(format!("P6: {} is not shown on the phone that made it", name(op.sent.tag)));
            }
        }
        Ok(())
    }

    /// P5: within one server epoch, what was seen neither goes back nor away.
    pub(crate) fn check_after(&self, before: &Self) -> Result<(), String> {
        let reloads = before.reloading || self.reloading;
        let comparable = before.server_epoch == self.server_epoch && self.holds && before.holds && !reloads;
        let steady = |key: &RowKey| {
            before.base.cursors.get(&bucket(*key)).map(|c| c.1) <= self.base.cursors.get(&bucket(*key)).map(|c| c.1)
        };
        for (key, held) in before.base.rows.iter().filter(|(key, _)| comparable && steady(key)) {
            if self.base.rows.get(key).is_none_or(|here| here.ver < held.ver) {
                return Err("P5: a row went back to an older version, or away".into());
            }
        }
        Ok(())
    }

    /// P1, P3, P12: what must hold when the network was kind for long enough.
    pub(crate) fn check_settled(&self, server: &Server) -> Result<(), String> {
        for tag in &self.made {
            let Some(outcome) = server.outcome_of(*tag, &self.bytes[tag]) else {
                return Err(format!("P1: {} was saved and is lost", name(*tag)));
            };
            if let Some(op) = self.ops.iter().find(|op| op.sent.tag == *tag) {
                let Some(verdict) = op.verdict() else {
                    return Err(format!("P12: {} has no answer and never gets one", name(*tag)));
                };
                if verdict != outcome.verdict {
                    return Err(format!("P1: the phone holds another answer to {} than the server", name(*tag)));
                }
                if op.in_overlay() {
                    return Err(format!("P3: {} never leaves the overlay", name(*tag)));
                }
            } else if outcome.verdict == Verdict::Rejected {
                return Err(format!("P1: {} was refused, and the phone does not show it", name(*tag)));
            }
        }
        if self.holds != server.holds(self.user) {
            return Err("P3: the phone does not know its roles".into());
        }
        if self.staged.is_some() {
            return Err("P12: the copy of a restored server never takes the old one's place".into());
        }
        if self.holds {
            if self.base.proof() != server.proof(true) {
                return Err("P3: the digests of phone and server differ".into());
            }
            let same = self.base.rows.len() == server.rows.len()
                && server.rows.iter().all(|(key, (_, held))| self.base.rows.get(key) == Some(held));
            if !same {
                return Err("P3: the digests agree, and the rows differ".into());
            }
        }
        Ok(())
    }

    /// P7: what this file saved first is decided first.
    pub(crate) fn check_order(&self, server: &Server) -> Result<(), String> {
        let mut last = Some(0);
        for tag in &self.made {
            let at = server.log.iter().position(|decided| decided == tag).map(|at| at + 1);
            if at.is_some() && (last.is_none() || at < last) {
                return Err(format!("P7: {} was decided before an earlier op of the same file", name(*tag)));
            }
            last = at;
        }
        Ok(())
    }
}

/// The first epoch of a phone's outbox; later ones follow it.
pub(crate) fn first_epoch(slot: usize) -> u64 {
    100 * (slot as u64 + 1)
}

/// The row whose version an op's outcome names.
fn target(bytes: &[u8]) -> RowKey {
    let op = Op::read(bytes).unwrap();
    match Intent::of(&op).unwrap().unwrap() {
        Intent::HouseholdSet(body) => (RowType::HOUSEHOLD.0, body.id),
        Intent::VisitSubmit(body) => (RowType::VISIT_STATE.0, body.visit.0),
        Intent::VisitCorrect(body) => (RowType::VISIT_STATE.0, body.visit.0),
        _ => (RowType::VISIT_RECORDED.0, op.row_id()),
    }
}
