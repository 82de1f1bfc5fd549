//! Breadth first through every state within the bounds.
//!
//! A state is a handful of numbers: each server, phone, request and answer that ever occurs is kept once and named by its
//! place, so an exchange that was computed for one order of events is not computed again for another.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Instant;

use crate::Rule;
use crate::phone::{Cut, Phone, first_epoch};
use crate::server::{Answer, Request, Server};
use crate::stage::*;

/// How often what may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Requests and answers that are lost, and answers that are cut.
    pub(crate) losses: u8,
    /// Requests that arrive a second time, whenever.
    pub(crate) doubles: u8,
    /// Copies of An's file; each may be put back (or, for a clone, be used on a second phone) once.
    pub(crate) copies: u8,
    /// Backups of the server.
    pub(crate) backups: u8,
    /// Restores of the server.
    pub(crate) server_restores: u8,
    /// Times that Bình's role is taken or given back.
    pub(crate) roles: u8,
}

impl Bounds {
    /// One more of everything that is allowed at all.
    pub(crate) fn deeper(self) -> Self {
        let more = |bound: u8| if bound == 0 { 0 } else { bound + 1 };
        Self {
            losses: more(self.losses),
            doubles: more(self.doubles),
            copies: more(self.copies),
            backups: more(self.backups),
            server_restores: more(self.server_restores),
            roles: more(self.roles),
        }
    }
    fn left(self) -> [u8; LEFT] {
        [self.losses, self.doubles, self.copies, self.copies, self.backups, self.server_restores, self.roles]
    }
}

const LEFT: usize = 7;
const LOSSES: usize = 0;
const DOUBLES: usize = 1;
const COPIES: usize = 2;
const PUT_BACKS: usize = 3;
const BACKUPS: usize = 4;
const RESTORES: usize = 5;
const ROLES: usize = 6;

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) name: &'static str,
    /// What An, Bình and the desk will do, each in this order.
    pub(crate) steps: [&'static [Step]; 3],
    /// The second phone is not Bình's: it runs a copy of An's file.
    pub(crate) is_clone: bool,
    pub(crate) bounds: Bounds,
    /// What must occur at least once, lest a search proves nothing.
    pub(crate) sights: &'static [Sight],
}

/// Something worth meeting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Sight {
    /// Two histories of one outbox.
    Fork,
    /// A new life of an outbox.
    NewEpoch,
    /// People disagree.
    Case,
    /// People said the same without knowing.
    Agreement,
    /// An op that the server refuses.
    Refusal,
    /// A copy of a restored server that waits to be complete.
    Staged,
    /// A phone that forgot what it may not see any more.
    Purge,
    /// A visit from before a role was lost, taken after.
    LateWork,
}

/// What was found wrong, and how it came to that.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) what: String,
    pub(crate) story: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        self.story.iter().enumerate().try_for_each(|(at, line)| writeln!(f, "{:4}. {line}", at + 1))
    }
}

/// What a search came to.
pub(crate) struct Report {
    name: &'static str,
    rule: Rule,
    states: usize,
    steps: u64,
    settled: usize,
    seconds: f32,
    pub(crate) seen: BTreeSet<Sight>,
    pub(crate) found: Option<Found>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rule, states, steps, settled, seconds, seen, found } = self;
        write!(
            f,
            "{name}, {rule:?}: {states} states, {steps} steps, settled {settled} ways, {seconds:.1} s, {seen:?}"
        )?;
        match found {
            Some(found) => write!(f, "; caught in {} steps: {}", found.story.len(), found.what),
            None => Ok(()),
        }
    }
}

/// Everything of a kind that ever occurred, each once.
struct Table<T> {
    places: HashMap<Rc<T>, u32>,
    list: Vec<Rc<T>>,
}

impl<T: Eq + Hash> Table<T> {
    fn new() -> Self {
        Self { places: HashMap::new(), list: Vec::new() }
    }
    /// The place of a thing, and whether it is new.
    fn put(&mut self, thing: T) -> (u32, bool) {
        let next = u32::try_from(self.list.len()).unwrap();
        match self.places.entry(Rc::new(thing)) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(free) => {
                self.list.push(Rc::clone(free.key()));
                free.insert(next);
                (next, true)
            }
        }
    }
    fn get(&self, at: u32) -> Rc<T> {
        Rc::clone(&self.list[at as usize])
    }
}

const NONE: u32 = u32::MAX;

/// One state of the small world.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct World {
    server: u32,
    backup: u32,
    phones: [u32; 2],
    copy: u32,
    /// The request that a phone waits for an answer to.
    asked: [u32; 2],
    /// Its answer, once the server gave one.
    answer: [u32; 2],
    /// A request that will arrive once more.
    late: u32,
    left: [u8; LEFT],
    next: [u8; 3],
    drawn: [u8; 2],
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Action {
    Do(usize),
    Send(usize),
    Arrive(usize),
    Take(usize, Cut),
    Lose(usize),
    Double(usize),
    Late,
    Copy,
    PutBack,
    Clone,
    Backup,
    Restore,
    Role,
    Desk,
}

/// A result, or which property does not hold.
type Checked<T> = Result<T, String>;

struct Search<'c> {
    config: &'c Config,
    rule: Rule,
    servers: Table<Server>,
    phones: Table<Phone>,
    requests: Table<Request>,
    answers: Table<Answer>,
    exchanged: HashMap<(u32, u32), (u32, u32)>,
    asked: HashMap<u32, u32>,
    applied: HashMap<(u32, u32, u32, Cut, u64), u32>,
    saved: HashMap<(u32, usize, u8), Option<u32>>,
    ordered: HashMap<(u32, u32), ()>,
    settled: HashMap<(u32, [u32; 2], [u8; 2]), ()>,
}

/// Visits every state within the bounds, or finds the nearest wrong one.
pub(crate) fn explore(config: &Config, rule: Rule) -> Report {
    let started = Instant::now();
    let mut search = Search {
        config,
        rule,
        servers: Table::new(),
        phones: Table::new(),
        requests: Table::new(),
        answers: Table::new(),
        exchanged: HashMap::new(),
        asked: HashMap::new(),
        applied: HashMap::new(),
        saved: HashMap::new(),
        ordered: HashMap::new(),
        settled: HashMap::new(),
    };
    let server = Server::new();
    let phones = [Phone::new(0, &server), Phone::new(1, &server)].map(|phone| search.phones.put(phone).0);
    let first = World {
        server: search.servers.put(server).0,
        backup: NONE,
        phones: if config.is_clone { [phones[0], NONE] } else { phones },
        copy: NONE,
        asked: [NONE; 2],
        answer: [NONE; 2],
        late: NONE,
        left: config.bounds.left(),
        next: [0; 3],
        drawn: [0; 2],
    };
    let mut places: HashMap<World, u32> = HashMap::from([(first, 0)]);
    let mut worlds = vec![first];
    let mut came: Vec<(u32, Action)> = vec![(0, Action::Late)];
    let (mut at, mut steps, mut found) = (0, 0, None);
    'search: while at < worlds.len() {
        let world = worlds[at];
        for action in search.actions(&world) {
            let wrong = match search.step(&world, action) {
                Ok(None) => continue,
                Ok(Some(next)) => {
                    steps += 1;
                    let place = u32::try_from(worlds.len()).unwrap();
                    let Entry::Vacant(free) = places.entry(next) else { continue };
                    free.insert(place);
                    worlds.push(next);
                    came.push((u32::try_from(at).unwrap(), action));
                    search.check(&next).err().map(|what| (what, worlds.len() - 1, None))
                }
                Err(what) => Some((what, at, Some(action))),
            };
            if let Some((what, mut place, last)) = wrong {
                let mut story: Vec<String> = last.iter().map(|action| search.words(&worlds[at], *action)).collect();
                while place != 0 {
                    let (parent, action) = came[place];
                    story.push(search.words(&worlds[parent as usize], action));
                    place = parent as usize;
                }
                story.reverse();
                found = Some(Found { what, story });
                break 'search;
            }
        }
        at += 1;
    }
    Report {
        name: config.name,
        rule,
        states: worlds.len(),
        steps,
        settled: search.settled.len(),
        seconds: started.elapsed().as_secs_f32(),
        seen: search.seen(),
        found,
    }
}

impl Search<'_> {
    fn seen(&self) -> BTreeSet<Sight> {
        let mut seen = BTreeSet::new();
        self.servers.list.iter().for_each(|server| server.sights(&mut seen));
        self.phones.list.iter().for_each(|phone| phone.sights(&mut seen));
        if self.answers.list.iter().any(|answer| answer.fork.is_some()) {
            seen.insert(Sight::Fork);
        }
        seen
    }

    fn actions(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        let left = |what: usize| world.left[what] > 0;
        for slot in (0..2).filter(|slot| world.phones[*slot] != NONE) {
            if usize::from(world.next[slot]) < self.config.steps[slot].len() {
                actions.push(Action::Do(slot));
            }
            if world.asked[slot] == NONE {
                actions.push(Action::Send(slot));
                continue;
            }
            if world.answer[slot] == NONE {
                actions.push(Action::Arrive(slot));
                if left(DOUBLES) && world.late == NONE {
                    actions.push(Action::Double(slot));
                }
            } else {
                actions.push(Action::Take(slot, Cut::No));
            }
            if left(LOSSES) {
                actions.push(Action::Lose(slot));
                if world.answer[slot] != NONE {
                    actions.extend([Action::Take(slot, Cut::BeforeRows), Action::Take(slot, Cut::BeforeTrailer)]);
                }
            }
        }
        let desk = usize::from(world.next[DESK]) < self.config.steps[DESK].len();
        let put_back = world.copy != NONE && left(PUT_BACKS);
        let others = [
            (world.late != NONE, Action::Late),
            (left(COPIES), Action::Copy),
            (put_back && !self.config.is_clone, Action::PutBack),
            (put_back && self.config.is_clone, Action::Clone),
            (left(BACKUPS), Action::Backup),
            (left(RESTORES) && world.backup != NONE, Action::Restore),
            (left(ROLES), Action::Role),
            (desk, Action::Desk),
        ];
        actions.extend(others.into_iter().filter(|(may, _)| *may).map(|(_, action)| action));
        actions
    }

    /// The state after; `None` when the rules do not let it happen.
    fn step(&mut self, world: &World, action: Action) -> Checked<Option<World>> {
        let mut next = *world;
        match action {
            Action::Do(slot) => {
                let Some(phone) = self.save(world.phones[slot], slot, world.next[slot])? else { return Ok(None) };
                next.phones[slot] = phone;
                next.next[slot] += 1;
            }
            Action::Send(slot) => next.asked[slot] = self.ask(world.phones[slot]),
            Action::Arrive(slot) => {
                (next.server, next.answer[slot]) = self.exchange(world.server, world.asked[slot])?;
            }
            Action::Take(slot, cut) => {
                (next.phones[slot], next.drawn[slot]) = self.apply(world, slot, cut)?;
                (next.asked[slot], next.answer[slot]) = (NONE, NONE);
                next.left[LOSSES] -= u8::from(cut != Cut::No);
            }
            Action::Lose(slot) => {
                (next.asked[slot], next.answer[slot]) = (NONE, NONE);
                next.left[LOSSES] -= 1;
            }
            Action::Double(slot) => {
                next.late = world.asked[slot];
                next.left[DOUBLES] -= 1;
            }
            Action::Late => {
                next.server = self.exchange(world.server, world.late)?.0;
                next.late = NONE;
            }
            Action::Copy => {
                next.copy = world.phones[AN];
                next.left[COPIES] -= 1;
            }
            Action::PutBack => {
                next.phones[AN] = world.copy;
                (next.asked[AN], next.answer[AN]) = (NONE, NONE);
                next.left[PUT_BACKS] -= 1;
            }
            Action::Clone => {
                next.phones[1] = world.copy;
                (next.asked[1], next.answer[1]) = (NONE, NONE);
                next.left[PUT_BACKS] -= 1;
            }
            Action::Backup => {
                let (backup, marked) = self.servers.get(world.server).back_up();
                next.backup = self.server(backup)?;
                next.server = self.server(marked)?;
                next.left[BACKUPS] -= 1;
            }
            Action::Restore => {
                let mut restored = (*self.servers.get(world.backup)).clone();
                if !matches!(self.rule, Rule::RestoreUnnoticed | Rule::RestoreNoticedByCursorsOnly) {
                    restored.epoch = restored.epoch.max(self.servers.get(world.server).epoch) + 1;
                }
                next.server = self.server(restored)?;
                next.left[RESTORES] -= 1;
            }
            Action::Role => {
                let tag = tag(3, usize::from(world.left[ROLES]));
                let Some(server) = self.servers.get(world.server).grant(tag) else { return Ok(None) };
                next.server = self.server(server)?;
                next.left[ROLES] -= 1;
            }
            Action::Desk => {
                let at = usize::from(world.next[DESK]);
                let step = self.config.steps[DESK][at];
                let Some(server) = self.servers.get(world.server).desk(step, tag(DESK, at)) else { return Ok(None) };
                next.server = self.server(server)?;
                next.next[DESK] += 1;
            }
        }
        Ok(Some(next))
    }

    fn server(&mut self, server: Server) -> Checked<u32> {
        let (at, is_new) = self.servers.put(server);
        if is_new {
            self.servers.get(at).check()?;
        }
        Ok(at)
    }

    fn phone(&mut self, phone: Phone) -> Checked<u32> {
        let (at, is_new) = self.phones.put(phone);
        if is_new {
            self.phones.get(at).check()?;
            if self.rule == Rule::AsItIs && self.phones.get(at).was_repaired {
                return Err("P3: a complete answer leaves a copy that differs from the server's proof".into());
            }
        }
        Ok(at)
    }

    fn save(&mut self, phone: u32, slot: usize, at: u8) -> Checked<Option<u32>> {
        if let Some(known) = self.saved.get(&(phone, slot, at)) {
            return Ok(*known);
        }
        let step = self.config.steps[slot][usize::from(at)];
        let saved = match self.phones.get(phone).save(self.rule, step, tag(slot, usize::from(at))) {
            Some(saved) => Some(self.phone(saved)?),
            None => None,
        };
        self.saved.insert((phone, slot, at), saved);
        Ok(saved)
    }

    fn ask(&mut self, phone: u32) -> u32 {
        if let Some(known) = self.asked.get(&phone) {
            return *known;
        }
        let request = self.phones.get(phone).request();
        let at = self.requests.put(request).0;
        self.asked.insert(phone, at);
        at
    }

    /// P8, P10: the server's half of an exchange.
    fn exchange(&mut self, server: u32, request: u32) -> Checked<(u32, u32)> {
        if let Some(known) = self.exchanged.get(&(server, request)) {
            return Ok(*known);
        }
        let (before, asked) = (self.servers.get(server), self.requests.get(request));
        let (after, answer) = before.exchange(self.rule, &asked);
        if !answer.frames.is_empty() && !after.holds(asked.user) {
            return Err("P10: rows are sent to somebody without a role".into());
        }
        let (again, repeated) = after.exchange(self.rule, &asked);
        if again != after || repeated.outcomes != answer.outcomes {
            return Err("P8: the same request a second time changes something".into());
        }
        let done = (self.server(after)?, self.answers.put(answer).0);
        self.exchanged.insert((server, request), done);
        Ok(done)
    }

    /// P5, P8: the phone's half.
    fn apply(&mut self, world: &World, slot: usize, cut: Cut) -> Checked<(u32, u8)> {
        let fresh = first_epoch(slot) + 1 + u64::from(world.drawn[slot]);
        let key = (world.phones[slot], world.asked[slot], world.answer[slot], cut, fresh);
        let at = match self.applied.get(&key) {
            Some(known) => *known,
            None => {
                let (phone, request) = (self.phones.get(key.0), self.requests.get(key.1));
                let answer = self.answers.get(key.2);
                let after = phone.apply(self.rule, &request, &answer, cut, fresh);
                after.check_after(&phone)?;
                if after.epoch() != fresh && !after.reloading {
                    let again = after.apply(self.rule, &request, &answer, cut, fresh);
                    if again.base != after.base {
                        return Err("P8: the same answer a second time changes the base".into());
                    }
                }
                let at = self.phone(after)?;
                self.applied.insert(key, at);
                at
            }
        };
        let drew = self.phones.get(at).epoch() == fresh;
        Ok((at, world.drawn[slot] + u8::from(drew)))
    }

    /// What must hold of a state as a whole: order, and everything that holds once the network is kind.
    fn check(&mut self, world: &World) -> Checked<()> {
        for phone in world.phones.into_iter().filter(|phone| *phone != NONE) {
            if self.ordered.insert((world.server, phone), ()).is_none() {
                self.phones.get(phone).check_order(&self.servers.get(world.server))?;
            }
        }
        let key = (world.server, world.phones, world.drawn);
        if self.settled.contains_key(&key) {
            return Ok(());
        }
        self.settle(world)?;
        self.settled.insert(key, ());
        Ok(())
    }

    /// Lets every phone sync, with nothing lost, until nothing changes any more.
    fn settle(&mut self, world: &World) -> Checked<()> {
        const ROUNDS_MAX: usize = 12;
        let mut now = World { asked: [NONE; 2], answer: [NONE; 2], late: NONE, ..*world };
        for _ in 0..ROUNDS_MAX {
            let before = now;
            for slot in (0..2).filter(|slot| world.phones[*slot] != NONE) {
                now.asked[slot] = self.ask(now.phones[slot]);
                (now.server, now.answer[slot]) = self.exchange(now.server, now.asked[slot])?;
                (now.phones[slot], now.drawn[slot]) = self.apply(&now, slot, Cut::No)?;
                (now.asked[slot], now.answer[slot]) = (NONE, NONE);
            }
            if now == before {
                let server = self.servers.get(now.server);
                return now
                    .phones
                    .into_iter()
                    .filter(|phone| *phone != NONE)
                    .try_for_each(|phone| self.phones.get(phone).check_settled(&server))
                    .map_err(|what| format!("{what} (after every phone has synced)"));
            }
        }
        Err("P12: phones and server never come to rest".into())
    }

    fn words(&self, world: &World, action: Action) -> String {
        let phone = |slot: usize| match (slot, self.config.is_clone) {
            (1, true) => "the copied phone".to_owned(),
            (slot, _) => format!("{}'s phone", WHO[slot]),
        };
        match action {
            Action::Do(slot) => {
                let step = self.config.steps[slot][usize::from(world.next[slot])];
                format!("on {}, somebody {}", phone(slot), step.words())
            }
            Action::Send(slot) => {
                let phone_now = self.phones.get(world.phones[slot]);
                let waiting: Vec<String> = phone_now
                    .ops
                    .iter()
                    .filter(|op| op.outcome.is_none())
                    .map(|op| format!("{} as number {}", crate::server::name(op.sent.tag), op.n))
                    .collect();
                let what = if waiting.is_empty() { "no ops".to_owned() } else { waiting.join(", ") };
                format!("{} sends a request of epoch {} with {what}", phone(slot), phone_now.epoch())
            }
            Action::Arrive(slot) => format!("the server answers {}", phone(slot)),
            Action::Take(slot, Cut::No) => format!("{} takes the answer in", phone(slot)),
            Action::Take(slot, Cut::BeforeRows) => format!("{} gets the answer cut off before its rows", phone(slot)),
            Action::Take(slot, Cut::BeforeTrailer) => {
                format!("{} gets the answer cut off before its trailer", phone(slot))
            }
            Action::Lose(slot) if world.answer[slot] == NONE => format!("the request of {} is lost", phone(slot)),
            Action::Lose(slot) => format!("the answer to {} is lost", phone(slot)),
            Action::Double(slot) => format!("the request of {} is doubled on its way", phone(slot)),
            Action::Late => "the doubled request arrives".into(),
            Action::Copy => "a copy of the file of An's phone is made".into(),
            Action::PutBack => "An's phone is put back to the copy".into(),
            Action::Clone => "the copy is used on a second phone".into(),
            Action::Backup => "the server is backed up".into(),
            Action::Restore => "the server is restored from the backup".into(),
            Action::Role => "Bình's role is taken or given back".into(),
            Action::Desk => {
                format!("the desk {}", self.config.steps[DESK][usize::from(world.next[DESK])].words())
            }
        }
    }
}
