//! A world: people, phones, a server, and a list of what happens. One seed draws it; the same seed draws the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use client_core::store::{RowsOf, VisitFilter};
use client_core::sync::{Ended, Failure, SyncSummary, Transport, drive};
use client_core::{Error, Store};
use faultdisk::{Disk, Faults, Files};
use server::storage::VisitFilter as DeskFilter;
use server::storage::sqlite::SqliteStorage;
use sync_protocol::access::Role;
use sync_protocol::calendar::{Period as Span, PeriodKind};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Raw};
use sync_protocol::count::CountKey;
use sync_protocol::decide::{Change, Grant, User, reporting_month};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::indicator::{Fraction, View};
use sync_protocol::op::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{ByKey, GroupKey, Register as Row, RowType, Stamp, Ver};
use sync_protocol::value::Value;
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

use super::hub::{Backup, Hub, ext};
use super::model::{GrantGiven, Group, Made, OpIx, Register, RowKey, Said, Wish};
use super::phone::{Clockwork, Copy, HalfSaved, Link, Look, Phone, Shown};
use super::report::{Stats, Stop};
use super::rng::Rng;

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
/// 2026-09-10T02:00:00Z.
const BEGIN: u64 = 1_789_005_600_000;
/// More requests than one session needs in any of these worlds.
const ROUNDS_CALM: u32 = 250;
/// Longest that a phone waits for an answer.
const PATIENCE_S: u64 = 60;

macro_rules! happenings {
    ($($(#[$doc:meta])* $variant:ident $weight:literal $theme:ident $more:literal,)+) => {
        /// Something that happens.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Kind { $($(#[$doc])* $variant,)+ }

        /// What may happen, how often, and how much more often in a world with that theme.
        const KINDS: &[(Kind, u64, Theme, u64)] = &[$((Kind::$variant, $weight, Theme::$theme, $more),)+];
    };
}

/// What a world has more of than others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Theme {
    Work,
    Conflict,
    Review,
    Scope,
    Copies,
    Restore,
    Storage,
    Poison,
    Network,
}

const THEMES: [Theme; 9] = [
    Theme::Work,
    Theme::Conflict,
    Theme::Review,
    Theme::Scope,
    Theme::Copies,
    Theme::Restore,
    Theme::Storage,
    Theme::Poison,
    Theme::Network,
];

happenings! {
    /// A visit is recorded.
    Record 24 Work 24,
    /// A recorded visit is handed in.
    Submit 8 Review 10,
    /// A visit is opened, and later corrected.
    Correct 8 Review 12,
    /// A visit is declared void.
    Void 2 Review 4,
    /// A page is opened and left open.
    Look 10 Conflict 12,
    /// A household is entered.
    NewHousehold 4 Work 4,
    /// A household is changed.
    SetHousehold 14 Conflict 30,
    /// A leader sends a household to another village.
    LeaderMoves 1 Scope 3,
    /// A visit is planned.
    Plan 4 Work 4,
    /// A plan goes to another member.
    SetPlan 3 Conflict 6,
    /// A plan is called off.
    CancelPlan 2 Work 2,
    /// A leader sends a visit back, on a phone.
    LeaderReturns 2 Review 6,
    /// A leader settles a case, on a phone.
    LeaderResolves 2 Conflict 6,
    /// Somebody deals with a refused op.
    Dismiss 2 Poison 4,
    /// A newer app's op.
    UnknownOp 1 Poison 8,
    /// Bytes that are no op.
    GarbageOp 1 Poison 6,
    /// Rows of a phone change as bad storage changes them.
    Damage 1 Storage 4,
    /// A counter of the server is made wrong, as by a bug.
    SpoilCounter 0 Storage 2,
    /// A phone syncs.
    Sync 56 Work 0,
    /// A phone syncs, and something goes wrong.
    SyncBadly 12 Network 50,
    /// The power goes while something is saved.
    CrashSave 2 Storage 10,
    /// The power goes while an answer is taken in.
    CrashSync 2 Storage 12,
    /// The phone's disk is full, or fails, while it works.
    PhoneDiskFails 2 Storage 10,
    /// The phone's file is copied away.
    KeepCopy 1 Copies 8,
    /// An old copy is put in place of the phone's file.
    RestoreCopy 1 Copies 6,
    /// The phone is cloned.
    ClonePhone 0 Copies 2,
    /// The phone is enrolled again, as another device.
    Reenrol 0 Copies 2,
    /// The app is updated.
    Upgrade 1 Poison 2,
    /// The phone's clock is set.
    ClockJumps 2 Network 3,
    /// The officer looks through the visits and cases.
    DeskLooks 8 Review 8,
    /// The officer approves.
    Approve 6 Review 16,
    /// The officer sends back.
    Return 4 Review 12,
    /// The officer declares void.
    DeskVoids 1 Review 2,
    /// The officer settles a case.
    DeskResolves 4 Conflict 12,
    /// The officer sends a household to another village.
    DeskMoves 2 Scope 8,
    /// Somebody gets a role.
    GiveRole 1 Scope 6,
    /// Somebody loses a role.
    EndRole 1 Scope 6,
    /// A member goes to another village's team.
    MoveMember 1 Scope 5,
    /// A village comes under another commune.
    MergeCommunes 0 Scope 2,
    /// A village is split.
    SplitVillage 0 Scope 2,
    /// A reporting month is closed or opened.
    SetPeriod 1 Review 2,
    /// A device is revoked.
    Revoke 0 Scope 1,
    /// A backup of the server is made.
    Backup 1 Restore 6,
    /// The server is restored, and knows it.
    RestoreKnowing 0 Restore 3,
    /// The server is restored with everything that lay beside it, so that it does not know.
    RestoreUnknowing 0 Restore 1,
    /// The server is restored to an older backup than was promised.
    RestoreOlder 0 Restore 1,
    /// The server starts again.
    Restart 1 Restore 3,
    /// The server's power goes while it answers.
    ServerPower 1 Storage 10,
    /// The server's disk is full, or fails, while it answers.
    ServerDiskFails 1 Storage 6,
    /// What a network held back arrives.
    LateArrival 2 Network 12,
    /// Hours pass.
    Hours 12 Work 0,
    /// Days pass.
    Days 2 Work 0,
}

/// One thing that happens: what, to whom, and the chance in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What.
    pub kind: Kind,
    /// To whom, modulo how many there are.
    pub who: u64,
    /// Its own chance, so that leaving other steps out does not change it.
    pub chance: u64,
}

/// What differs between worlds beside what happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// The seed.
    pub seed: u64,
    /// Phones at the beginning.
    pub phones: usize,
    /// Villages at the beginning.
    pub villages: usize,
    /// How many minutes lie between two steps, at most.
    pub minutes: u64,
    /// Clocks are right and links are good: for worlds that are played twice with other clocks.
    pub calm: bool,
    /// Clocks are wrong, whatever `calm` says.
    pub clocks_wrong: bool,
}

/// Draws a world.
pub fn draw(seed: u64) -> (Shape, Vec<Step>) {
    let mut chance = Rng::new(seed);
    let phones = 2 + chance.below(4);
    let shape = Shape {
        seed,
        phones,
        villages: 3 + chance.below(3),
        minutes: *chance.pick(&[30, 120, 400]).unwrap_or(&30),
        calm: false,
        clocks_wrong: false,
    };
    let themes: Vec<Theme> = (0..2).filter_map(|_| chance.pick(&THEMES).copied()).collect();
    let weight =
        |(_, weight, theme, more): &(Kind, u64, Theme, u64)| weight + if themes.contains(theme) { *more } else { 0 };
    let total: u64 = KINDS.iter().map(weight).sum();
    let length = chance.between(60, 200);
    let steps = (0..length)
        .map(|_| {
            let mut at = chance.draw() % total;
            let kind = KINDS.iter().find(|kind| {
                let here = weight(kind);
                let found = at < here;
                at = at.saturating_sub(here);
                found
            });
            Step { kind: kind.map_or(Kind::Sync, |kind| kind.0), who: chance.draw(), chance: chance.draw() }
        })
        .collect();
    (shape, steps)
}

/// Draws a world without faults and without copies, in which only clocks differ.
pub fn draw_calm(seed: u64) -> (Shape, Vec<Step>) {
    let (shape, steps) = draw(seed);
    let calm = |step: &Step| {
        use Kind::*;
        !matches!(
            step.kind,
            SyncBadly
                | Damage
                | CrashSave
                | CrashSync
                | PhoneDiskFails
                | ServerPower
                | ServerDiskFails
                | LateArrival
                | ClockJumps
        )
    };
    (Shape { calm: true, ..shape }, steps.into_iter().filter(calm).collect())
}

/// What goes wrong on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bad {
    RequestLost,
    RequestCut,
    RequestDoubled,
    RequestHeld,
    AnswerLost,
    AnswerCut,
    AnswerCutAfterRows,
    AnswerStale,
    FrameUnreadable,
}

const BAD: [Bad; 9] = [
    Bad::RequestLost,
    Bad::RequestCut,
    Bad::RequestDoubled,
    Bad::RequestHeld,
    Bad::AnswerLost,
    Bad::AnswerCut,
    Bad::AnswerCutAfterRows,
    Bad::AnswerStale,
    Bad::FrameUnreadable,
];

/// The way between one phone and the server during one session.
struct Wire<'w> {
    hub: &'w mut Hub,
    link: Link,
    bad: Option<(u32, Bad)>,
    round: u32,
    chance: Rng,
    held: &'w mut Vec<Vec<u8>>,
    before: &'w mut Vec<Vec<u8>>,
    stop: Option<Stop>,
    thin: bool,
}

impl Wire<'_> {
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        match self.hub.exchange(request) {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(401)) => Err(Failure::SignIn),
            Ok(Err(507)) => Err(Failure::ServerFull),
            Ok(Err(status)) => Err(Failure::Status(status)),
            Err(stop) => {
                self.stop = Some(stop);
                Err(Failure::Network)
            }
        }
    }
}

impl Transport for Wire<'_> {
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.stop.is_some() {
            return Err(Failure::Network);
        }
        self.round += 1;
        let bad = self.bad.filter(|(round, _)| *round == self.round).map(|(_, bad)| bad);
        let bad = match bad {
            None if self.chance.chance(self.link.bad) => self.chance.pick(&BAD).copied(),
            bad => bad,
        };
        self.hub.pass(self.link.round_trip_ms + request.len() as u64 * 1_000 / self.link.bytes_per_s);
        if let Some(bad) = bad {
            self.hub.stats.fault(&format!("network {bad:?}").to_lowercase());
        }
        match bad {
            Some(Bad::RequestLost) => return Err(Failure::Network),
            Some(Bad::RequestHeld) => {
                self.held.push(request.to_vec());
                return Err(Failure::Network);
            }
            Some(Bad::RequestCut) => {
                let cut = self.chance.below(request.len());
                let answer = self.ask(&request[..cut]);
                drop(answer);
                return Err(Failure::Network);
            }
            Some(Bad::RequestDoubled) => drop(self.ask(request)?),
            _ => {}
        }
        let mut answer = self.ask(request)?;
        let whole = answer.len();
        match bad {
            Some(Bad::AnswerLost) => return Err(Failure::Network),
            Some(Bad::AnswerCut) => answer.truncate(self.chance.below(whole)),
            Some(Bad::FrameUnreadable) => spoil_frame(&mut answer, &mut self.chance),
            Some(Bad::AnswerCutAfterRows) => answer.truncate(end_of_first_rows(&answer)),
            Some(Bad::AnswerStale) if self.chance.chance(50) => {
                if let Some(before) = self.chance.pick(self.before) {
                    answer.clone_from(before);
                }
            }
            _ => {}
        }
        if self.thin {
            let end = end_of_first_rows(&answer);
            answer.truncate(end);
        }
        let most = usize::try_from(self.link.bytes_per_s * PATIENCE_S).unwrap_or(usize::MAX);
        if answer.len() > most {
            self.hub.stats.fault("network too slow");
            answer.truncate(most);
        }
        self.hub.pass(answer.len() as u64 * 1_000 / self.link.bytes_per_s);
        if answer.len() == whole && self.before.len() < 8 {
            self.before.push(answer.clone());
        }
        Ok(answer)
    }
}

/// Gives one frame of rows a packing that nobody knows: it is set aside, and what follows it does not fit.
fn spoil_frame(answer: &mut [u8], chance: &mut Rng) {
    let mut frames = Vec::new();
    let mut at = 0;
    while at + 4 <= answer.len() {
        if answer[at + 2] == sync_protocol::wire::FrameKind::Rows.code() {
            frames.push(at);
        }
        at += 4 + usize::from(u16::from_be_bytes([answer[at], answer[at + 1]]));
    }
    if let Some(at) = chance.pick(&frames) {
        answer[at + 3] = 99;
    }
}

/// Where the first frame of rows ends, and half of the next frame.
fn end_of_first_rows(answer: &[u8]) -> usize {
    let mut at = 0;
    let mut seen = false;
    while at + 4 <= answer.len() {
        let end = at + 4 + usize::from(u16::from_be_bytes([answer[at], answer[at + 1]]));
        if seen {
            return (at + end.min(answer.len())) / 2;
        }
        seen = answer[at + 2] == sync_protocol::wire::FrameKind::Rows.code();
        at = end;
    }
    answer.len()
}

/// A village with its team.
#[derive(Clone, Copy, Debug)]
struct Village {
    scope: ScopeId,
    team: TeamId,
}

/// What the officer has on the screen.
#[derive(Clone, Copy, Debug)]
struct OnDesk {
    visit: Uuid,
    hash: [u8; 16],
    content: OpIx,
}

/// A case on the officer's screen.
#[derive(Clone, Debug)]
struct CaseOnDesk {
    case: Uuid,
    ver: Ver,
    saw: BTreeSet<OpIx>,
    values: Vec<Raw>,
}

/// A running world.
pub struct World {
    shape: Shape,
    /// The server and the judge.
    pub hub: Hub,
    phones: Vec<Phone>,
    villages: Vec<Village>,
    communes: Vec<(ScopeId, UserId)>,
    admin: UserId,
    staff: Vec<UserId>,
    visits_on_desk: Vec<OnDesk>,
    cases_on_desk: Vec<CaseOnDesk>,
    contents: BTreeMap<[u8; 16], OpIx>,
    backups: Vec<Backup>,
    held: Vec<Vec<u8>>,
    answers: BTreeMap<usize, Vec<Vec<u8>>>,
    sessions: u64,
    broken_promise: bool,
    chance: Rng,
    /// What happened, in plain words, when it is to be told.
    pub story: Option<Vec<String>>,
}

/// An empty store of each side, migrated; every world starts from a copy.
fn templates() -> &'static (Files, Files) {
    static TEMPLATES: OnceLock<(Files, Files)> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        faultdisk::install();
        let disk = Disk::new();
        drop(Store::open(disk.path("phone.sqlite3").as_path(), None).expect("an empty store opens"));
        let server = Disk::new();
        drop(SqliteStorage::open(&server.path("server.sqlite3")).expect("an empty store opens"));
        (disk.export(), server.export())
    })
}

fn id(n: u64) -> Uuid {
    let mut salt = [7; 16];
    salt[..8].copy_from_slice(&n.to_be_bytes());
    derive_id(DerivedTag::Row, ClaimedMs(BEGIN), &salt, 0)
}

fn label(text: String, newer: bool) -> Raw {
    let mut label = HouseholdLabel { label: text, landmark: None, ext: ext() };
    if newer {
        // A field that this app does not know.
        label.ext.0.insert(40, "cạnh trạm y tế".to_owned().cbor());
    }
    Raw(label.cbor())
}

impl World {
    /// Makes the world as it is before anything happens.
    pub fn new(shape: Shape, tell: bool) -> Result<Self, Stop> {
        let mut chance = Rng::new(shape.seed ^ 0x77_6f72_6c64);
        let now = BEGIN + chance.below(30) as u64 * DAY_MS;
        let (phone_file, server_file) = templates();
        let frames = *chance.pick(&[400, 3_000, 64 * 1024]).unwrap_or(&400);
        let hub = Hub::new(shape.seed, now, frames, server_file)?;
        let mut world = Self {
            shape,
            hub,
            phones: Vec::new(),
            villages: Vec::new(),
            communes: Vec::new(),
            admin: UserId(id(1)),
            staff: Vec::new(),
            visits_on_desk: Vec::new(),
            cases_on_desk: Vec::new(),
            contents: BTreeMap::new(),
            backups: Vec::new(),
            held: Vec::new(),
            answers: BTreeMap::new(),
            sessions: 100,
            broken_promise: false,
            chance,
            story: tell.then(Vec::new),
        };
        world.settle()?;
        for n in 0..shape.phones {
            let user = UserId(id(200 + n as u64));
            world.add_phone(user, n as u64, phone_file)?;
        }
        world.hub.stats.worlds = 1;
        Ok(world)
    }

    fn settle(&mut self) -> Result<(), Stop> {
        let from = Day::of_ms(self.hub.now() - 400 * DAY_MS);
        let stamp = Stamp { ver: Ver::first(1), epoch: Epoch(7), n: 1 };
        let mut changes = Vec::new();
        for n in 0..2u64 {
            let scope = ScopeId(id(10 + n));
            changes.push(unit_change(scope, "commune", scope, from, stamp));
            let officer = UserId(id(100 + n));
            self.communes.push((scope, officer));
        }
        for n in 0..self.shape.villages as u64 {
            let village = Village { scope: ScopeId(id(20 + n)), team: TeamId(id(40 + n)) };
            let commune = self.communes[(n % 2) as usize].0;
            self.villages.push(village);
            self.hub.model.parents.insert(village.scope, commune);
            changes.push(unit_change(village.scope, "village", commune, from, stamp));
            changes.push(team_change(village, from, stamp));
            for h in 0..2 + self.chance.below(2) as u64 {
                let text = self.hub.mark(village.scope);
                let groups = BTreeMap::from([
                    (household::LABEL, label(format!("nhà {text}"), false)),
                    (household::CLASS, Raw(HouseholdClass { class: "normal".into(), ext: ext() }.cbor())),
                ]);
                let house = id(1_000 + n * 100 + h);
                let register = Row::new(RowType::HOUSEHOLD, house, stamp, groups.clone());
                changes.push(Change::PutRegister { scope: village.scope, register });
                let seen = |value| Group { value, writers: BTreeSet::new(), case: None };
                let groups = groups.into_iter().map(|(key, value)| (key, seen(value))).collect();
                let register = Register { scope: village.scope, groups, status: "" };
                self.hub.model.registers.insert((RowType::HOUSEHOLD.0, house), register);
            }
        }
        let mut people = vec![(self.admin, Role::Admin, UnitId::from(sync_protocol::access::INSTALLATION))];
        people.extend(self.communes.iter().map(|(scope, user)| (*user, Role::CommuneOfficer, UnitId::from(*scope))));
        for n in 0..self.shape.phones {
            let user = UserId(id(200 + n as u64));
            self.staff.push(user);
            let role = if self.chance.chance(35) { Role::TeamLeader } else { Role::Member };
            // Most people share the first villages, so that they meet.
            let home = self.chance.below(self.villages.len().min(3));
            people.push((user, role, UnitId::from(self.villages[home].scope)));
            if self.chance.chance(40) {
                let other = self.chance.below(self.villages.len());
                if other != home {
                    people.push((user, role, UnitId::from(self.villages[other].scope)));
                }
            }
        }
        let mut users: BTreeMap<UserId, u64> = BTreeMap::new();
        for (n, (user, role, unit)) in people.into_iter().enumerate() {
            let grant = GrantId(id(500 + n as u64));
            *users.entry(user).or_default() += 1;
            self.hub.model.grants.push(GrantGiven { id: grant, user, role, unit, ended: None });
            changes.push(Change::PutGrant(Grant {
                id: grant,
                user,
                role: role.code().into(),
                unit,
                from,
                to: None,
                ended: None,
                decision: None,
            }));
        }
        for (n, (user, rev)) in users.into_iter().enumerate() {
            self.hub.model.revs.insert(user, rev);
            changes.push(Change::PutUser(User {
                id: user,
                display_name: "Người thử".into(),
                phone: format!("09{n:08}"),
                unit: UnitId::from(self.communes[0].0),
                grants_rev: rev,
                active: true,
            }));
        }
        self.hub.seed(changes)
    }

    fn add_phone(&mut self, user: UserId, n: u64, template: &Files) -> Result<(), Stop> {
        let mut chance = Rng::new(self.shape.seed ^ (0xabc_0000 + n));
        let wrong = !self.shape.calm || self.shape.clocks_wrong;
        let mut dial = Rng::new(chance.draw());
        let clock = match dial.below(6) {
            _ if !wrong => Clockwork::Off(0),
            0 => Clockwork::Off(-(BEGIN as i64)),
            1 => Clockwork::Off(11 * 365 * DAY_MS as i64),
            2 => Clockwork::Off(-(dial.between(1, 40) as i64) * 3_600_000),
            3 if !self.shape.calm => Clockwork::Stopped(self.hub.now()),
            _ => Clockwork::Off(0),
        };
        let link = if self.shape.calm { Link { bad: 0, ..Link::ALL[4] } } else { Link::ALL[chance.below(5)] };
        let device = DeviceId(id(300 + n));
        let truth = self.hub.clock();
        let mut phone = Phone::new(user, device, chance.draw(), clock, link, template, truth)?;
        phone.newer = chance.chance(25);
        self.enrol(&mut phone, device)?;
        self.phones.push(phone);
        Ok(())
    }

    fn enrol(&mut self, phone: &mut Phone, device: DeviceId) -> Result<(), Stop> {
        self.sessions += 1;
        let session = self.sessions;
        let mut random = phone.random.clone();
        let key = phone.store().device_public_key(&mut random)?;
        let sync_key = self.hub.enrol(phone.user, device, session, key)?;
        let enrolment = client_core::store::Enrolment {
            user: phone.user,
            display_name: "Người thử".into(),
            device,
            session,
            sync_key,
            refresh_token: String::new(),
            access_token: String::new(),
            server: None,
        };
        phone.store().enrol(enrolment, &mut random)?;
        phone.random = random;
        phone.device = device;
        Ok(())
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    fn day(&self) -> Day {
        Day::of_ms(self.hub.now())
    }

    /// All places whose rows there are.
    pub fn scopes(&self) -> BTreeSet<ScopeId> {
        let communes = self.communes.iter().map(|(scope, _)| *scope);
        self.villages.iter().map(|village| village.scope).chain(communes).collect()
    }

    /// Plays one step, with everything that must hold after it.
    pub fn play(&mut self, step: &Step) -> Result<(), Stop> {
        let mut chance = Rng::new(step.chance);
        let minutes = chance.between(1, self.shape.minutes);
        self.hub.pass(minutes * MINUTE_MS);
        self.hub.note(format!("{step:?}").as_bytes());
        let p = (step.who % self.phones.len() as u64) as usize;
        use Kind::*;
        match step.kind {
            Record | Submit | Correct | Void | NewHousehold | SetHousehold | LeaderMoves | Plan | SetPlan
            | CancelPlan | LeaderReturns | LeaderResolves | UnknownOp | GarbageOp => {
                self.act(p, step.kind, &mut chance)?
            }
            Look => match self.look(p, &mut chance) {
                Err(_) if self.phones[p].damaged.is_some() => {}
                looked => looked?,
            },
            Dismiss => self.dismiss(p, &mut chance)?,
            Damage => self.damage(p, &mut chance)?,
            SpoilCounter => {
                let village = self.villages[chance.below(self.villages.len())];
                self.hub.spoil_counter(village.scope, chance.draw())?;
                self.hub.stats.fault("server counter wrong");
                self.tell(|| "server: a counter is wrong".into());
            }
            Sync => drop(self.sync(p, None, false, &mut chance)?),
            SyncBadly => {
                let bad = chance.pick(&BAD).copied().map(|bad| (1 + chance.below(2) as u32, bad));
                drop(self.sync(p, bad, false, &mut chance)?);
            }
            CrashSave => {
                let at = chance.between(1, 10);
                self.phones[p].faults(Faults { crash_at_write: Some(at), ..Faults::default() });
                let kind = *chance.pick(&[Record, SetHousehold, Correct, NewHousehold, Submit]).unwrap_or(&Record);
                self.act(p, kind, &mut chance)?;
                self.mend(p, &mut chance)?;
            }
            CrashSync => {
                let at = chance.between(1, 60);
                self.phones[p].faults(Faults { crash_at_write: Some(at), ..Faults::default() });
                drop(self.sync(p, None, false, &mut chance)?);
                self.mend(p, &mut chance)?;
            }
            PhoneDiskFails => {
                self.phones[p].faults(disk_faults(&mut chance, 24_000));
                if chance.chance(50) {
                    self.act(p, Record, &mut chance)?;
                } else {
                    drop(self.sync(p, None, false, &mut chance)?);
                }
                self.mend(p, &mut chance)?;
            }
            KeepCopy => {
                let copy = self.phones[p].copy();
                self.phones[p].copies.push(copy);
                self.tell(|| format!("phone {p}: its file is copied away"));
            }
            RestoreCopy => self.restore_copy(p, &mut chance)?,
            ClonePhone => {
                if self.phones.len() < 8 && !self.phones[p].revoked {
                    let clone = self.phones[p].clone_of(chance.draw())?;
                    self.phones.push(clone);
                    let n = self.phones.len() - 1;
                    self.hub.stats.fault("phone cloned");
                    self.tell(|| format!("phone {p}: its file is cloned as phone {n}"));
                }
            }
            Reenrol => self.reenrol(p, &mut chance)?,
            Upgrade => {
                self.phones[p].newer = true;
                self.phones[p].store = None;
                self.phones[p].open()?;
            }
            ClockJumps => {
                let now = self.hub.now();
                let stopped = chance.chance(20);
                let off = chance.between(0, 2_000_000_000) as i64 - 1_000_000_000;
                self.phones[p].clock = if stopped { Clockwork::Stopped(now) } else { Clockwork::Off(off) };
                self.hub.stats.fault("clock set");
            }
            DeskLooks => self.desk_looks()?,
            Approve | Return | DeskVoids => self.review(step.kind, &mut chance)?,
            DeskResolves => self.desk_resolves(&mut chance)?,
            DeskMoves => self.desk_moves(&mut chance)?,
            GiveRole | EndRole | MoveMember => self.roles(step.kind, p, &mut chance)?,
            MergeCommunes => self.merge_communes(&mut chance)?,
            SplitVillage => self.split_village(&mut chance)?,
            SetPeriod => self.set_period(&mut chance)?,
            Revoke => self.revoke(p)?,
            Backup => {
                let backup = self.hub.backup()?;
                self.backups.push(backup);
                self.tell(|| "server: a backup is made".into());
            }
            RestoreKnowing | RestoreUnknowing | RestoreOlder => self.restore_server(step.kind, &mut chance)?,
            Restart => {
                self.hub.keep_high_water()?;
                self.hub.restart()?;
                self.tell(|| "server: starts again".into());
            }
            ServerPower => {
                self.hub.arm(Faults { crash_at_write: Some(chance.between(1, 40)), ..Faults::default() });
                drop(self.sync(p, None, false, &mut chance)?);
                self.mend_server(&mut chance)?;
            }
            ServerDiskFails => {
                self.hub.arm(disk_faults(&mut chance, 60_000));
                drop(self.sync(p, None, false, &mut chance)?);
                self.mend_server(&mut chance)?;
            }
            LateArrival => {
                if !self.held.is_empty() {
                    let at = chance.below(self.held.len());
                    let request = self.held.swap_remove(at);
                    self.hub.stats.fault("network late arrival");
                    self.tell(|| "network: a request that was held back arrives".into());
                    drop(self.hub.exchange(&request)?);
                }
            }
            Hours => {
                let hours = chance.between(1, 12);
                self.hub.pass(hours * 3_600_000);
            }
            Days => {
                let days = chance.between(1, 4);
                self.hub.pass(days * DAY_MS);
            }
        }
        Ok(())
    }

    // --- What somebody does on a phone -------------------------------------------------------------------------------

    /// Opens a page: what is seen now is what a later edit is based on.
    fn look(&mut self, p: usize, chance: &mut Rng) -> Result<(), Stop> {
        let households = self.households_on(p)?;
        let visits = self.visits_on(p)?;
        if chance.chance(60) {
            if let Some(house) = chance.pick(&households).copied() {
                self.look_at_household(p, house)?;
            }
        } else if let Some(visit) = chance.pick(&visits).copied() {
            self.look_at_visit(p, visit)?;
        }
        Ok(())
    }

    fn households_on(&mut self, p: usize) -> Result<Vec<Uuid>, Stop> {
        Ok(self.households_seen(p)?.into_iter().map(|(house, _)| house).collect())
    }

    /// The households that the phone shows, each with the place it shows it in.
    fn households_seen(&mut self, p: usize) -> Result<Vec<(Uuid, ScopeId)>, Stop> {
        let all: Vec<Uuid> =
            self.hub.model.registers.keys().filter(|key| key.0 == RowType::HOUSEHOLD.0).map(|key| key.1).collect();
        let mine: Vec<Uuid> = self.phones[p]
            .mine
            .iter()
            .filter(|op| matches!(self.hub.made[**op].wish, Wish::Household { .. }))
            .map(|op| self.hub.made[*op].row)
            .collect();
        let day = self.day();
        let mut here = Vec::new();
        let all: BTreeSet<Uuid> = all.into_iter().chain(mine).collect();
        for house in self.hub.in_order(all.into_iter().collect()) {
            if let Ok(page) = self.phones[p].store().household(HouseholdId(house), 0, day) {
                here.push((house, page.household.scope));
            }
        }
        Ok(here)
    }

    fn visits_on(&mut self, p: usize) -> Result<Vec<Uuid>, Stop> {
        let visits = self.phones[p].store().visits(&VisitFilter::default())?;
        Ok(self.hub.in_order(visits.iter().map(|visit| visit.id.0).collect()))
    }

    fn behind(&self, p: usize, row: RowKey, ver: Ver) -> BTreeSet<OpIx> {
        if ver == Ver::default() { BTreeSet::new() } else { self.hub.behind(self.phones[p].history, row, ver) }
    }

    fn look_at_household(&mut self, p: usize, house: Uuid) -> Result<(), Stop> {
        let row = (RowType::HOUSEHOLD.0, house);
        let ver = self.phones[p].store().seen_ver(RowType::HOUSEHOLD, house)?;
        let saw = self.behind(p, row, ver);
        self.phones[p].looks.insert(row, Look { ver, saw, content: None, value: None });
        Ok(())
    }

    fn look_at_visit(&mut self, p: usize, visit: Uuid) -> Result<(), Stop> {
        let row = (RowType::VISIT_STATE.0, visit);
        let ver = self.phones[p].store().visit_base_ver(VisitId(visit))?;
        let page = self.phones[p].store().visit(VisitId(visit))?;
        let saw = self.behind(p, row, ver);
        let content = self.contents.get(&page.hash).map(|op| (page.hash, *op));
        self.phones[p].looks.insert(row, Look { ver, saw, content, value: None });
        Ok(())
    }

    fn villages_of(&mut self, p: usize) -> Result<Vec<Village>, Stop> {
        let Some(identity) = self.phones[p].store().identity()? else { return Ok(Vec::new()) };
        let held: BTreeSet<ScopeId> = identity.holdings.iter().map(|held| held.scope).collect();
        Ok(self.villages.iter().filter(|village| held.contains(&village.scope)).copied().collect())
    }

    fn content(
        &mut self,
        village: Village,
        household: Option<Uuid>,
        newer: bool,
        chance: &mut Rng,
    ) -> (VisitContent, Said) {
        let text = self.hub.mark(village.scope);
        let outcome = *chance.pick(&["done", "done", "already", "partly"]).unwrap_or(&"done");
        let fields = BTreeMap::from([
            ("outcome".to_owned(), Value::Text(outcome.to_owned())),
            ("step".to_owned(), Value::Text("activated".to_owned())),
            ("age_14_plus".to_owned(), Value::Bool(true)),
        ]);
        let today = self.day();
        let day = Day(today.0 - chance.below(4) as u32);
        let mut content = VisitContent {
            village: UnitId::from(village.scope),
            team: village.team,
            household: household.map(HouseholdId),
            visit_type: "household".into(),
            day,
            minutes: Some(20),
            activities: vec![Activity { kind: "vneid_level2".into(), fields, id: None, ext: ext() }],
            members: vec![],
            result: None,
            summary: Some(format!("ghi {text}")),
            place: None,
            catalogue: Catalogue::shipped().version().into(),
            partner_org: None,
            quantity_reason: None,
            ext: ext(),
        };
        if newer {
            content.ext.0.insert(60, "mới".to_owned().cbor());
        }
        let cell = |kind: &str, outcome: &str| CountKey {
            village: UnitId::from(village.scope),
            month: reporting_month(day),
            team: village.team,
            kind: kind.to_owned(),
            outcome: outcome.to_owned(),
            status: VisitStatus::Done,
        };
        let said = Said { cells: vec![cell("", "done"), cell("vneid_level2", outcome)] };
        (content, said)
    }

    /// Somebody does something on a phone.
    fn act(&mut self, p: usize, kind: Kind, chance: &mut Rng) -> Result<(), Stop> {
        match self.intend(p, kind, chance) {
            Ok(Some(doing)) => self.save(p, doing),
            Ok(None) => Ok(()),
            // Reading may meet the armed fault too.
            Err(_) if self.phones[p].is_failing() || self.phones[p].damaged.is_some() => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    fn intend(&mut self, p: usize, kind: Kind, chance: &mut Rng) -> Result<Option<Doing>, Stop> {
        let newer = self.phones[p].newer;
        let villages = self.villages_of(p)?;
        let Some(village) = chance.pick(&villages).copied() else { return Ok(None) };
        Ok(match kind {
            Kind::Record => {
                let households = self.households_on(p)?;
                let here: Vec<Uuid> = households
                    .into_iter()
                    .filter(|house| {
                        let row = self.hub.model.registers.get(&(RowType::HOUSEHOLD.0, *house));
                        row.is_none_or(|row| row.scope == village.scope)
                    })
                    .collect();
                let household = if chance.chance(70) { chance.pick(&here).copied() } else { None };
                let plan = if chance.chance(25) { self.open_plan(p, village.scope, chance)? } else { None };
                let submit = chance.chance(55);
                let (content, said) = self.content(village, household, newer, chance);
                let body = RecordVisit { content: Raw(content.cbor()), submit, plan: plan.map(PlanId), ext: ext() };
                Some(Doing {
                    content: Some(content_hash(&body.content.0)),
                    ..Doing::new(
                        Wish::Record { scope: village.scope, household, plan, submit, said },
                        Intent::VisitRecord(body),
                    )
                })
            }
            Kind::Submit => {
                let open = self.visits_with(p, &["done"])?;
                chance.pick(&open).map(|visit| {
                    let body = VisitRef { visit: VisitId(*visit), ext: ext() };
                    Doing::new(Wish::Submit { visit: *visit }, Intent::VisitSubmit(body))
                })
            }
            Kind::Void => {
                let open = self.visits_with(p, &["done", "returned"])?;
                chance.pick(&open).map(|visit| {
                    let reason = VoidReason { code: "duplicate".into(), text: None, ext: ext() };
                    let body = VoidVisit { visit: VisitId(*visit), reason: Raw(reason.cbor()), ext: ext() };
                    Doing::new(Wish::Void { visit: *visit }, Intent::VisitVoid(body))
                })
            }
            Kind::Correct => {
                let open = self.visits_with(p, &["done", "returned"])?;
                let Some(visit) = chance.pick(&open).copied() else { return Ok(None) };
                let row = (RowType::VISIT_STATE.0, visit);
                if !self.phones[p].looks.contains_key(&row) || chance.chance(40) {
                    self.look_at_visit(p, visit)?;
                }
                let before = self.phones[p].store().visit(VisitId(visit))?.content;
                let Some(village) = self.villages.iter().find(|v| UnitId::from(v.scope) == before.village).copied()
                else {
                    return Ok(None);
                };
                let Some(look) = self.phones[p].looks.get(&row).cloned() else { return Ok(None) };
                let submit = chance.chance(60);
                let (content, said) = self.content(village, before.household.map(|house| house.0), newer, chance);
                let content = Raw(content.cbor());
                let hash = content_hash(&content.0);
                let body = CorrectVisit { visit: VisitId(visit), base_ver: look.ver, content, submit, ext: ext() };
                Some(Doing {
                    content: Some(hash),
                    saw: look.saw,
                    ..Doing::new(Wish::Correct { visit, submit, said }, Intent::VisitCorrect(body))
                })
            }
            Kind::NewHousehold => {
                let text = self.hub.mark(village.scope);
                let groups = BTreeMap::from([(household::LABEL, label(format!("nhà {text}"), newer))]);
                let body = CreateRow { scope: village.scope, groups: ByKey(groups.clone()), id: None, ext: ext() };
                let wish = Wish::Household { scope: village.scope, groups };
                Some(Doing { ..Doing::new(wish, Intent::HouseholdCreate(body)) })
            }
            Kind::SetHousehold => {
                let households = self.households_on(p)?;
                let looks = &self.phones[p].looks;
                let is_open = |house: &&Uuid| looks.contains_key(&(RowType::HOUSEHOLD.0, **house));
                let still: Vec<Uuid> = households.iter().filter(is_open).copied().collect();
                let house = if chance.chance(60) { chance.pick(&still).copied() } else { None };
                let prefer = self.phones[p].prefer.take().filter(|(house, _)| households.contains(house));
                let house = prefer.map(|(house, _)| house).or(house).or_else(|| chance.pick(&households).copied());
                let Some(house) = house else { return Ok(None) };
                let row = (RowType::HOUSEHOLD.0, house);
                if !self.phones[p].looks.contains_key(&row) {
                    self.look_at_household(p, house)?;
                }
                let Some(look) = self.phones[p].looks.get(&row).cloned() else { return Ok(None) };
                let page = self.phones[p].store().household(HouseholdId(house), 0, Day(0))?;
                let scope = page.household.scope;
                let text = self.hub.mark(scope);
                let (group, value) = match prefer
                    .map_or_else(|| chance.below(if newer { 9 } else { 8 }), |(_, group)| place_of(group))
                {
                    0..=3 => (household::LABEL, label(format!("nhà {text}"), newer)),
                    4 | 5 => {
                        let class = *chance.pick(&["normal", "poor", "near_poor", "policy"]).unwrap_or(&"poor");
                        (household::CLASS, Raw(HouseholdClass { class: class.into(), ext: ext() }.cbor()))
                    }
                    6 | 7 => {
                        let people = HouseholdPeople { adults_15_plus: chance.below(4) as u32, ext: ext() };
                        (household::PEOPLE, Raw(people.cbor()))
                    }
                    // A group that this version does not know.
                    _ => (60, label(format!("mới {text}"), false)),
                };
                let groups = ByKey(BTreeMap::from([(group, value.clone())]));
                let body = SetGroups { id: house, base_ver: look.ver, groups, ext: ext() };
                let wish = Wish::Set { ty: RowType::HOUSEHOLD, id: house, group, value: value.clone() };
                Some(Doing {
                    saw: look.saw,
                    label: (group == household::LABEL).then_some((house, value)),
                    ..Doing::new(wish, Intent::HouseholdSet(body))
                })
            }
            Kind::LeaderMoves => {
                let households = self.households_on(p)?;
                let (Some(house), Some(to)) = (chance.pick(&households).copied(), chance.pick(&villages)) else {
                    return Ok(None);
                };
                self.look_at_household(p, house)?;
                let Some(look) = self.phones[p].looks.get(&(RowType::HOUSEHOLD.0, house)).cloned() else {
                    return Ok(None);
                };
                let body = MoveRow { id: house, base_ver: look.ver, to: to.scope, ext: ext() };
                Some(Doing {
                    saw: look.saw,
                    ..Doing::new(Wish::Move { id: house, to: to.scope }, Intent::HouseholdMove(body))
                })
            }
            Kind::Plan => {
                let text = self.hub.mark(village.scope);
                let task = PlanTask {
                    village: UnitId::from(village.scope),
                    household: None,
                    visit_type: "household".into(),
                    planned_for: Day(self.day().0 + 3),
                    kinds: vec![],
                    note: Some(format!("hẹn {text}")),
                    follows: None,
                    ext: ext(),
                };
                let assignee = PlanAssignee { team: village.team, user: None, ext: ext() };
                let groups = BTreeMap::from([(plan::TASK, Raw(task.cbor())), (plan::ASSIGNEE, Raw(assignee.cbor()))]);
                let body = CreateRow { scope: village.scope, groups: ByKey(groups.clone()), id: None, ext: ext() };
                Some(Doing { ..Doing::new(Wish::Plan { scope: village.scope, groups }, Intent::PlanCreate(body)) })
            }
            Kind::SetPlan => {
                let Some(plan) = self.open_plan(p, village.scope, chance)? else { return Ok(None) };
                let ver = self.phones[p].store().seen_ver(RowType::PLAN, plan)?;
                let saw = self.behind(p, (RowType::PLAN.0, plan), ver);
                let user = chance.pick(&self.staff).copied();
                let value = Raw(PlanAssignee { team: village.team, user, ext: ext() }.cbor());
                let groups = ByKey(BTreeMap::from([(plan::ASSIGNEE, value.clone())]));
                let body = SetGroups { id: plan, base_ver: ver, groups, ext: ext() };
                let wish = Wish::Set { ty: RowType::PLAN, id: plan, group: plan::ASSIGNEE, value };
                Some(Doing { saw, ..Doing::new(wish, Intent::PlanSet(body)) })
            }
            Kind::CancelPlan => self.open_plan(p, village.scope, chance)?.map(|plan| {
                let body = CancelPlan { plan: PlanId(plan), reason: None, ext: ext() };
                Doing::new(Wish::Cancel { plan }, Intent::PlanCancel(body))
            }),
            Kind::LeaderReturns => {
                let open = self.visits_with(p, &["submitted"])?;
                let Some(visit) = chance.pick(&open).copied() else { return Ok(None) };
                let row = (RowType::VISIT_STATE.0, visit);
                if !self.phones[p].looks.contains_key(&row) {
                    self.look_at_visit(p, visit)?;
                }
                let content = self.phones[p].looks.get(&row).and_then(|look| look.content);
                content.map(|(hash, saw_content)| {
                    let wish = Wish::Review { visit, approve: false, saw_content };
                    Doing::new(wish, Intent::VisitReturn(return_body(visit, hash)))
                })
            }
            Kind::LeaderResolves => {
                let mut cases = self.phones[p].store().cases(true)?;
                cases.sort_by_key(|view| {
                    self.hub.model.cases.get(&view.id.0).and_then(|case| case.contributors.first().copied())
                });
                let Some(view) = chance.pick(&cases).cloned() else { return Ok(None) };
                let case = view.id.0;
                let ver = self.phones[p].store().seen_ver(RowType::CASE, case)?;
                let saw = self.behind(p, (RowType::CASE.0, case), ver);
                let Some(side) = chance.pick(&view.sides) else { return Ok(None) };
                let value = side.value.clone();
                let body = ResolveCase { case: view.id, base_ver: ver, value: value.clone(), ext: ext() };
                Some(Doing { saw, ..Doing::new(Wish::Resolve { case, value }, Intent::CaseResolve(body)) })
            }
            Kind::UnknownOp | Kind::GarbageOp => {
                self.poison(p, kind, chance)?;
                None
            }
            _ => None,
        })
    }

    fn visits_with(&mut self, p: usize, statuses: &[&str]) -> Result<Vec<Uuid>, Stop> {
        let visits = self.phones[p].store().visits(&VisitFilter::default())?;
        let fits = |visit: &&client_core::store::VisitSummary| !visit.void && statuses.contains(&visit.status.as_str());
        Ok(self.hub.in_order(visits.iter().filter(fits).map(|visit| visit.id.0).collect()))
    }

    fn open_plan(&mut self, p: usize, scope: ScopeId, chance: &mut Rng) -> Result<Option<Uuid>, Stop> {
        let day = self.day();
        let plans = self.phones[p].store().plans(true, day)?;
        let here: Vec<Uuid> =
            plans.iter().filter(|plan| ScopeId::from(plan.village) == scope).map(|plan| plan.id.0).collect();
        Ok(chance.pick(&self.hub.in_order(here)).copied())
    }

    /// Saves what somebody wants. From here on it must not be lost.
    fn save(&mut self, p: usize, doing: Doing) -> Result<(), Stop> {
        let Doing { wish, intent, saw, content, label } = doing;
        let phone = &mut self.phones[p];
        let now = phone.now();
        let mut random = phone.random.clone();
        let rev = match phone.store().identity() {
            Ok(Some(identity)) => identity.grants_rev,
            _ => 0,
        };
        let saved = phone.store().save(intent, now, &mut random);
        phone.random = random;
        match saved {
            Ok(saved) => {
                let bytes = match phone.store().op_bytes(saved.uid) {
                    Ok(bytes) => bytes,
                    Err(_) if phone.is_failing() => None,
                    Err(error) => return Err(error.into()),
                };
                // Where it cannot be read now, it is found when the store is open again.
                let half = HalfSaved { wish, saw, rev, content, label };
                match bytes {
                    Some(bytes) => self.saved(p, saved.uid, &bytes, half)?,
                    None => self.phones[p].half_saved = Some(half),
                }
                self.check_view(p)
            }
            Err(Error::Refused(_) | Error::NotFound | Error::NotEnrolled) => {
                self.hub.stats.reach("refused_on_the_phone");
                Ok(())
            }
            Err(_) if phone.is_failing() => {
                phone.half_saved = Some(HalfSaved { wish, saw, rev, content, label });
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Notes an op that is in the phone's file.
    fn saved(&mut self, p: usize, uid: OpUid, bytes: &[u8], half: HalfSaved) -> Result<(), Stop> {
        let op = Op::read(bytes).map_err(|_| Stop::broken("P9: a saved op does not read"))?;
        if self.hub.op_of(uid).is_some() {
            return Err(Stop::broken(format!("P2: op name {uid:?} was given twice")));
        }
        let phone = &self.phones[p];
        let made = Made {
            uid: Some(uid),
            row: op.row_id(),
            by: phone.user,
            rev: op.grants_rev,
            wish: half.wish,
            saw: half.saw,
            past: phone.mine.iter().copied().collect(),
            at_desk: false,
        };
        if self.story.is_some() {
            let (ix, wish) = (self.hub.made.len(), made.wish.clone());
            self.tell(|| format!("phone {p}: op {ix} saved: {}", in_words(&wish)));
        }
        let ix = self.hub.add(made);
        if let Some(hash) = half.content {
            self.contents.insert(hash, ix);
        }
        let shown = &mut self.phones[p].shown;
        match &self.hub.made[ix].wish {
            // Settling a case sets a value too.
            Wish::Resolve { .. } => shown.retain(|_, shown| matches!(shown, Shown::Visit(_))),
            Wish::Record { .. } => drop(shown.insert(uid, Shown::Visit(ix))),
            _ => {}
        }
        if let Some((house, value)) = half.label {
            shown.retain(|_, shown| !matches!(shown, Shown::Label(known, _) if *known == house));
            shown.insert(uid, Shown::Label(house, value));
        }
        let phone = &mut self.phones[p];
        phone.mine.push(ix);
        phone.saved.insert(uid, ix);
        self.hub.note(uid.as_bytes());
        Ok(())
    }

    fn poison(&mut self, p: usize, kind: Kind, chance: &mut Rng) -> Result<(), Stop> {
        let now = self.phones[p].now();
        let mut salt = [0; 16];
        chance.fill(&mut salt);
        let unknown = Op { code: 0x7f01, salt, at: now, grants_rev: 1, body: Raw(7u8.cbor()), ext: ext() };
        let bytes = match kind {
            Kind::UnknownOp => unknown.cbor(),
            _ => {
                let mut bytes = vec![0; 1 + chance.below(60)];
                chance.fill(&mut bytes);
                if Op::read(&bytes).is_ok() {
                    return Ok(());
                }
                bytes
            }
        };
        self.phones[p].store().put_op_bytes(bytes.clone())?;
        self.hub.stats.fault(if kind == Kind::UnknownOp { "op of a newer app" } else { "op that does not read" });
        if kind == Kind::UnknownOp {
            let half = HalfSaved { wish: Wish::Unknown, saw: BTreeSet::new(), rev: 1, content: None, label: None };
            self.saved(p, unknown.uid(), &bytes, half)?;
        }
        Ok(())
    }

    fn dismiss(&mut self, p: usize, chance: &mut Rng) -> Result<(), Stop> {
        let refused = self.phones[p].store().needs_attention()?;
        let refused: Vec<OpUid> =
            refused.iter().filter(|op| op.verdict.as_deref() == Some("rejected")).map(|op| op.uid).collect();
        if let Some(uid) = chance.pick(&refused).copied()
            && self.hub.op_of(uid).is_some()
        {
            self.phones[p].store().dismiss(uid)?;
            self.phones[p].dismissed.insert(uid);
            self.hub.stats.reach("refused_op_dealt_with");
        }
        Ok(())
    }

    fn damage(&mut self, p: usize, chance: &mut Rng) -> Result<(), Stop> {
        use client_core::store::Damage;
        let kinds = [Damage::DropRow, Damage::ChangeVersion, Damage::AddRow, Damage::WrongCounter];
        let kind = kinds[chance.below(kinds.len())];
        if self.phones[p].store().damage_base(chance.draw(), kind)?.is_some() {
            self.phones[p].damaged = Some(self.day());
            // What its owner sees is not what there is.
            self.hub.model.inexact = true;
            self.phones[p].base.clear();
            self.hub.stats.fault(&format!("damage {kind:?}").to_lowercase());
            self.tell(|| format!("phone {p}: its copy is tampered with: {kind:?}"));
        }
        Ok(())
    }

    // --- Syncing -----------------------------------------------------------------------------------------------------

    /// One session, as if somebody had pressed the button.
    fn sync(
        &mut self,
        p: usize,
        bad: Option<(u32, Bad)>,
        perfect: bool,
        chance: &mut Rng,
    ) -> Result<Option<SyncSummary>, Stop> {
        self.session(p, bad, perfect, false, chance)
    }

    fn session(
        &mut self,
        p: usize,
        bad: Option<(u32, Bad)>,
        perfect: bool,
        thin: bool,
        chance: &mut Rng,
    ) -> Result<Option<SyncSummary>, Stop> {
        let visible = if self.phones[p].is_failing() { Vec::new() } else { self.households_seen(p)? };
        let held: BTreeSet<ScopeId> = self.phones[p].base.keys().map(|key| key.0).collect();
        let phone = &mut self.phones[p];
        let Some(mut store) = phone.store.take() else { return Ok(None) };
        let mut random = phone.random.clone();
        let link = if perfect { Link { bad: 0, ..Link::ALL[4] } } else { phone.link };
        let (clock, truth) = (phone.clock, self.hub.clock());
        let mut wire = Wire {
            hub: &mut self.hub,
            link,
            bad,
            round: 0,
            chance: Rng::new(chance.draw()),
            held: &mut self.held,
            before: self.answers.entry(p).or_default(),
            stop: None,
            thin,
        };
        let mut shows = || clock.shows(truth.load(std::sync::atomic::Ordering::SeqCst));
        let done = drive(&mut store, &mut random, &mut wire, &mut shows, true);
        let stop = wire.stop.take();
        let phone = &mut self.phones[p];
        phone.store = Some(store);
        phone.random = random;
        if let Some(stop) = stop {
            return Err(stop);
        }
        // The judge reads without faults.
        self.hub.disarm();
        if !self.hub.disk.is_on() {
            self.mend_server(chance)?;
        }
        match done {
            Ok(summary) => {
                self.hub.stats.session(&summary);
                self.hub.note(format!("{summary:?}").as_bytes());
                let waiting = if self.story.is_some() { self.outbox_in_words(p) } else { String::new() };
                self.tell(|| {
                    format!(
                        "phone {p}: syncs: {:?}, {} sent, {} rows, {:?}, {waiting}",
                        summary.ended, summary.ops_sent, summary.rows, summary.problems
                    )
                });
                if self.phones[p].is_failing() {
                    return Ok(Some(summary));
                }
                self.after_session(p, &summary, &visible, &held)?;
                Ok(Some(summary))
            }
            Err(_) if self.phones[p].is_failing() => {
                self.hub.stats.reach("session_broken_by_storage");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn outbox_in_words(&mut self, p: usize) -> String {
        let outbox = self.phones[p].store().outbox().unwrap_or_default();
        let line = |op: &client_core::store::OutboxOp| {
            let ix = self.hub.op_of(op.uid).map_or_else(|| "?".to_owned(), |ix| ix.to_string());
            format!("{ix}:{}/{}={:?}{}", &op.epoch[..4], op.n, op.state, op.verdict.as_deref().unwrap_or(""))
        };
        outbox.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    /// Ends a storage fault of a phone: power back, store open, nothing lost.
    fn mend(&mut self, p: usize, chance: &mut Rng) -> Result<(), Stop> {
        let stats = self.phones[p].disk_news();
        for (kind, times) in stats {
            for _ in 0..times {
                self.hub.stats.fault(kind);
            }
        }
        self.phones[p].power_cut(chance)?;
        self.tell(|| format!("phone {p}: its power is back"));
        self.after_reopen(p)
    }

    /// P9: what was called saved is there; what was being saved is wholly there or not at all.
    fn after_reopen(&mut self, p: usize) -> Result<(), Stop> {
        let damage = self.phones[p].store().integrity()?;
        if !damage.is_empty() {
            return Err(Stop::broken(format!("P9: phone {p} is damaged after a power cut: {damage:?}")));
        }
        let outbox = self.phones[p].store().outbox()?;
        let here: BTreeSet<OpUid> = outbox.iter().map(|op| op.uid).collect();
        let new: Vec<OpUid> =
            here.iter().filter(|uid| self.hub.op_of(**uid).is_none() && !uid.0.is_nil()).copied().collect();
        if new.len() > 1 {
            return Err(Stop::broken(format!("P9: {} ops appeared that nobody saved", new.len())));
        }
        let half = self.phones[p].half_saved.take();
        if let Some(uid) = new.first() {
            let bytes = self.phones[p].store().op_bytes(*uid)?.unwrap_or_default();
            let half = half.ok_or_else(|| Stop::broken("P9: an op appeared that nobody saved"))?;
            self.hub.stats.reach("half_saved_op_survived");
            self.saved(p, *uid, &bytes, half)?;
        }
        let saved: Vec<OpUid> = self.phones[p].saved.keys().copied().collect();
        for uid in saved {
            if !here.contains(&uid) && !self.is_settled(p, uid)? {
                return Err(Stop::broken(format!(
                    "P9: phone {p} lost op {:?} that it had called saved",
                    self.hub.op_of(uid)
                )));
            }
        }
        self.check_base(p, false)?;
        self.check_view(p)
    }

    /// Whether an op needs its phone no more: the server has decided it, or the person has dealt with the refusal.
    fn is_settled(&self, p: usize, uid: OpUid) -> Result<bool, Stop> {
        Ok(self.phones[p].dismissed.contains(&uid) || self.broken_promise || self.hub.outcome_of(uid)?.is_some())
    }

    fn mend_server(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        self.hub.recover(chance)?;
        self.tell(|| "server: its power is back".into());
        let epochs: BTreeSet<Epoch> = self.hub.epochs.clone();
        epochs.into_iter().try_for_each(|epoch| self.hub.observe(epoch))
    }

    /// What must hold on a phone after a session.
    fn after_session(
        &mut self,
        p: usize,
        summary: &SyncSummary,
        visible: &[(Uuid, ScopeId)],
        before: &BTreeSet<ScopeId>,
    ) -> Result<(), Stop> {
        let complete = summary.ended == Ended::Complete;
        if complete {
            self.phones[p].history = self.hub.history;
            // The rows are counted once a day: by the next one it has been found out.
            let agrees = summary.digest == Some(client_core::store::DigestCheck::Agrees) && summary.reloaded == 0;
            if agrees && self.phones[p].damaged.is_some_and(|day| day < self.day()) {
                self.phones[p].damaged = None;
            }
        }
        if summary.rounds > ROUNDS_CALM {
            return Err(Stop::broken(format!("P13: phone {p} made {} requests in one session", summary.rounds)));
        }
        let calm = self.phones[p].damaged.is_none() && !self.hub.was_spoilt;
        let alarm = summary.digest.is_some_and(|check| check != client_core::store::DigestCheck::Agrees);
        if calm && (alarm || summary.reloaded > 0) {
            return Err(Stop::broken(format!("P16: phone {p} repairs what is not broken: {:?}", summary.digest)));
        }
        self.check_base(p, complete)?;
        self.check_view(p)?;
        // P5: what was there and may still be read does not blink out.
        let readable = self.hub.model.readable(self.phones[p].user);
        let day = self.day();
        for (house, seen_in) in visible {
            let row = (RowType::HOUSEHOLD.0, *house);
            let Some(scope) = self.hub.model.scope_of(&row) else { continue };
            let held = self.phones[p]
                .store()
                .identity()?
                .is_some_and(|identity| identity.holdings.iter().any(|held| held.scope == scope));
            let gone = self.phones[p].store().household(HouseholdId(*house), 0, day).is_err();
            if gone
                && held
                && readable.contains(&scope)
                // With the place where it was seen it goes at once, and comes with the other.
                && readable.contains(seen_in)
                && self.phones[p].damaged.is_none()
                && !summary.server_restored
                && self.phones[p].history == self.hub.history
                // Into a place that is new it may come later than it leaves the other.
                && before.contains(&scope)
            {
                return Err(Stop::broken(format!(
                    "P5: household {house} vanished from phone {p}, whose user may read it"
                )));
            }
        }
        if complete && !self.phones[p].revoked {
            let base = self.phones[p].store().base_dump()?;
            if let Some((scope, _, _)) = base.iter().find(|(scope, _, _)| !readable.contains(scope)) {
                return Err(Stop::broken(format!(
                    "P10: phone {p} still holds rows of {scope:?} after a complete answer"
                )));
            }
        }
        Ok(())
    }

    /// P4, P5 and the phone's own proofs.
    fn check_base(&mut self, p: usize, complete: bool) -> Result<(), Stop> {
        if self.phones[p].damaged.is_some() {
            return Ok(());
        }
        let reports = self.phones[p].store().bucket_reports()?;
        if let Some(wrong) = reports.iter().find(|report| !report.digest_right) {
            return Err(Stop::broken(format!("P16: phone {p}: the counter of {wrong:?} does not fit its rows")));
        }
        let dump = self.phones[p].store().base_dump()?;
        let mut base: BTreeMap<(ScopeId, u8, Uuid), (Ver, bool)> = BTreeMap::new();
        for (scope, _, body) in &dump {
            let Ok(row) = sync_protocol::row::read_row(body) else { continue };
            base.insert((*scope, row.ty().0, row.id()), (row.ver(), row.is_tombstone()));
        }
        // P5: the copy is of one life of the server.
        let lives: BTreeSet<u32> =
            reports.iter().filter(|report| report.seq > 0).map(|report| report.gen_ >> 16).collect();
        if lives.len() > 1 {
            return Err(Stop::broken(format!("P5: phone {p} shows rows of {} lives of the server", lives.len())));
        }
        // P4: up to its cursor a phone has everything.
        let readable = self.hub.model.readable(self.phones[p].user);
        let buckets = self.hub.buckets(&readable)?;
        for report in reports.iter().filter(|report| !report.reloading) {
            let found = buckets.iter().find(|(bucket, _)| {
                bucket.scope == report.scope
                    && bucket.quarter == report.quarter
                    && format!("{:?}", bucket.class).to_lowercase() == report.class
            });
            let Some((_, (gen_, _, rows))) = found else { continue };
            if *gen_ != report.gen_ || self.phones[p].history != self.hub.history {
                continue;
            }
            for row in rows.iter().filter(|row| row.seq <= report.seq) {
                let Ok(read) = sync_protocol::row::read_row(&row.body) else { continue };
                match base.get(&(report.scope, read.ty().0, read.id())) {
                    Some((ver, _)) if *ver >= row.ver => {}
                    held => {
                        return Err(Stop::broken(format!(
                            "P4: phone {p} has read {:?} up to {} and holds {:?} of row {:?} {} at {}, the server {:?} (complete: {complete})",
                            report.class,
                            report.seq,
                            held,
                            read.ty(),
                            read.id(),
                            row.seq,
                            row.ver
                        )));
                    }
                }
            }
        }
        // P5: versions never fall within a server epoch.
        let now: BTreeMap<(ScopeId, u8, Uuid), Ver> = base.iter().map(|(key, (ver, _))| (*key, *ver)).collect();
        let epoch = reports.iter().map(|report| report.gen_ >> 16).max().unwrap_or(0) as u16;
        let phone = &mut self.phones[p];
        if phone.seen_epoch == epoch {
            for (key, before) in &phone.base {
                if let Some(after) = now.get(key)
                    && after < before
                {
                    return Err(Stop::broken(format!(
                        "P5: phone {p}: row {key:?} went from {before:?} back to {after:?}"
                    )));
                }
            }
        }
        phone.base = now;
        phone.seen_epoch = epoch;
        Ok(())
    }

    /// P6: what was saved is shown, until the row that came of it has arrived.
    fn check_view(&mut self, p: usize) -> Result<(), Stop> {
        let phone = &mut self.phones[p];
        if phone.is_failing() || phone.damaged.is_some() || phone.shown.is_empty() {
            return Ok(());
        }
        let outbox: BTreeMap<OpUid, Option<String>> =
            phone.store().outbox()?.into_iter().map(|op| (op.uid, op.verdict)).collect();
        let holdings = phone.store().identity()?.map(|identity| identity.holdings).unwrap_or_default();
        let held: BTreeSet<ScopeId> = holdings.iter().map(|held| held.scope).collect();
        let same_life = phone.history == self.hub.history;
        let day = self.day();
        for (uid, shown) in self.phones[p].shown.clone() {
            let verdict = outbox.get(&uid);
            let (ty, row) = match &shown {
                Shown::Visit(ix) => (RowType::VISIT_RECORDED, self.hub.made[*ix].row),
                Shown::Label(house, _) => (RowType::HOUSEHOLD, *house),
            };
            let is_over = match verdict.map(Option::as_deref) {
                None | Some(Some("rejected")) => true,
                Some(Some("applied" | "applied_with_case")) => {
                    if !same_life {
                        continue;
                    }
                    let here = self.phones[p].store().seen_ver(ty, row)?;
                    let made = self.hub.outcome_of(uid)?.and_then(|outcome| outcome.ver);
                    made.is_none_or(|made| here >= made)
                }
                Some(_) => false,
            };
            if is_over {
                self.phones[p].shown.remove(&uid);
                continue;
            }
            match shown {
                Shown::Visit(ix) => {
                    let Wish::Record { scope, .. } = self.hub.made[ix].wish else { continue };
                    if !held.contains(&scope) && verdict.is_some_and(Option::is_some) {
                        // It went with its place, and comes back with it.
                        self.phones[p].shown.remove(&uid);
                        continue;
                    }
                    if held.contains(&scope)
                        && self.phones[p].store().visit(VisitId(row)).is_err()
                        && self.references_hold(p, ix)?
                    {
                        return Err(Stop::broken(format!(
                            "P6: visit of op {ix} was saved on phone {p} and is not shown"
                        )));
                    }
                }
                Shown::Label(house, value) => {
                    let Ok(page) = self.phones[p].store().household(HouseholdId(house), 0, day) else { continue };
                    let label = page.register.groups.get(&household::LABEL).map(|group| group.value.clone());
                    if held.contains(&page.household.scope) && label.as_ref() != Some(&value) {
                        return Err(Stop::broken(format!(
                            "P6: the label that phone {p} set on household {house} is not shown"
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what a visit names is still on the phone: a prediction needs it.
    fn references_hold(&mut self, p: usize, ix: OpIx) -> Result<bool, Stop> {
        let Wish::Record { scope, household, plan, .. } = self.hub.made[ix].wish else { return Ok(false) };
        let day = self.day();
        let known = self.phones[p].store().units()?.iter().any(|unit| ScopeId::from(unit.id) == scope);
        let house = match household {
            Some(house) => self.phones[p].store().household(HouseholdId(house), 0, day).is_ok(),
            None => true,
        };
        let planned = match plan {
            Some(plan) => self.phones[p].store().plans(false, day)?.iter().any(|known| known.id.0 == plan),
            None => true,
        };
        Ok(known && house && planned)
    }

    // --- Copies, clones, devices -------------------------------------------------------------------------------------

    fn restore_copy(&mut self, p: usize, chance: &mut Rng) -> Result<(), Stop> {
        let Some(copy) = chance.pick(&self.phones[p].copies).cloned() else { return Ok(()) };
        self.put_copy(p, &copy)?;
        // The owner does again what the phone has forgotten, and says something else.
        if self.phones[p].prefer.is_some() && chance.chance(70) {
            self.act(p, Kind::SetHousehold, chance)
        } else {
            Ok(())
        }
    }

    fn put_copy(&mut self, p: usize, copy: &Copy) -> Result<(), Stop> {
        let before = self.phones[p].mine.clone();
        self.phones[p].restore(copy)?;
        let mine: BTreeSet<OpIx> = self.phones[p].mine.iter().copied().collect();
        self.phones[p].prefer =
            before.iter().filter(|op| !mine.contains(op)).find_map(|op| match self.hub.made[*op].wish {
                Wish::Set { ty: RowType::HOUSEHOLD, id, group, .. } => Some((id, group)),
                _ => None,
            });
        self.hub.model.inexact = true;
        self.hub.stats.fault("phone restored");
        self.tell(|| format!("phone {p}: an old copy is put in place of its file"));
        // It may be from a device that a restore of the server has taken away.
        self.forget_devices()
    }

    fn reenrol(&mut self, p: usize, _: &mut Rng) -> Result<(), Stop> {
        let device = DeviceId(id(4_000 + self.sessions));
        let mut phone = self.phones.swap_remove(p);
        let done = self.enrol(&mut phone, device);
        phone.revoked = false;
        self.phones.push(phone);
        let last = self.phones.len() - 1;
        self.phones.swap(p, last);
        // A new device has no past at the server.
        self.hub.model.inexact = true;
        self.hub.stats.fault("phone enrolled again");
        self.tell(|| format!("phone {p}: is enrolled again"));
        done
    }

    fn revoke(&mut self, p: usize) -> Result<(), Stop> {
        let device = self.phones[p].device;
        if self.phones.iter().filter(|phone| !phone.revoked).count() < 2 {
            return Ok(());
        }
        self.hub.revoke(device)?;
        self.phones.iter_mut().filter(|phone| phone.device == device).for_each(|phone| phone.revoked = true);
        self.hub.stats.fault("device revoked");
        self.tell(|| format!("phone {p}: its device is revoked"));
        Ok(())
    }

    // --- At the desk -------------------------------------------------------------------------------------------------

    fn desk_looks(&mut self) -> Result<(), Stop> {
        let filter = DeskFilter { scopes: self.scopes().into_iter().collect(), limit: 1_000, ..DeskFilter::default() };
        let visits = self.hub.visits(filter)?;
        let open = |visit: &server::storage::VisitSummary| {
            let content = self.contents.get(&visit.hash).copied()?;
            Some(OnDesk { visit: visit.visit.0, hash: visit.hash, content })
        };
        // In the order in which the visits were made: their ids hold what the phones' clocks showed.
        let made = self.hub.in_order(visits.iter().map(|visit| visit.visit.0).collect());
        self.visits_on_desk = visits.iter().filter_map(open).collect();
        self.visits_on_desk.sort_by_key(|on| (on.content, made.iter().position(|visit| *visit == on.visit)));
        self.cases_on_desk.clear();
        let mut open: Vec<(Option<OpIx>, Uuid)> = self
            .hub
            .model
            .cases
            .iter()
            .filter(|(_, case)| case.open)
            .map(|(id, case)| (case.contributors.first().copied(), *id))
            .collect();
        open.sort();
        for (_, case) in open {
            let Some(register) = self.hub.register(RowType::CASE, case)? else { continue };
            let sides: CaseSides = register.group(case::SIDES).unwrap_or(CaseSides { sides: vec![], ext: ext() });
            let saw = self.hub.behind(self.hub.history, (RowType::CASE.0, case), register.ver);
            let values = sides.sides.into_iter().map(|side| side.value).collect();
            self.cases_on_desk.push(CaseOnDesk { case, ver: register.ver, saw, values });
        }
        Ok(())
    }

    fn officer_of(&self, scope: ScopeId, chance: &mut Rng) -> UserId {
        let commune = self.hub.model.parents.get(&scope);
        let own = self.communes.iter().find(|(unit, _)| Some(unit) == commune);
        match own {
            // Now and then somebody tries who may not.
            Some((_, officer)) if !chance.chance(5) => *officer,
            _ => self.communes[chance.below(self.communes.len())].1,
        }
    }

    fn made_at_desk(&self, by: UserId, wish: Wish, saw: BTreeSet<OpIx>) -> Made {
        // Whoever sits at the desk has seen all that they did there.
        let past = self.hub.made.iter().enumerate().filter(|(_, made)| made.at_desk && made.by == by).map(|(ix, _)| ix);
        Made { uid: None, row: Uuid::nil(), by, rev: 0, wish, saw, past: past.collect(), at_desk: true }
    }

    fn desk(
        &mut self,
        by: UserId,
        intent: Intent,
        wish: Option<Wish>,
        saw: BTreeSet<OpIx>,
    ) -> Result<Option<Outcome>, Stop> {
        let words = wish.as_ref().map(in_words);
        let made = wish.map(|wish| self.made_at_desk(by, wish, saw));
        let done = self.hub.at_desk(by, intent, made)?;
        if let (Some(words), Some((outcome, _))) = (words, &done) {
            self.tell(|| format!("desk: {words}: {:?} {:?}", outcome.verdict, outcome.code));
        }
        Ok(done.map(|(outcome, _)| outcome))
    }

    fn review(&mut self, kind: Kind, chance: &mut Rng) -> Result<(), Stop> {
        if self.visits_on_desk.is_empty() || chance.chance(50) {
            self.desk_looks()?;
        }
        let wanted = |on: &&OnDesk| match self.hub.model.visits.get(&on.visit) {
            Some(visit) => visit.status == VisitStatus::Submitted || chance_of(on.visit, 10),
            None => true,
        };
        let candidates: Vec<OnDesk> = self.visits_on_desk.iter().filter(wanted).copied().collect();
        let Some(OnDesk { visit, hash, content }) = chance.pick(&candidates).copied() else { return Ok(()) };
        let scope = self.hub.model.visits.get(&visit).map_or(self.villages[0].scope, |visit| visit.scope);
        let by = self.officer_of(scope, chance);
        let (wish, intent) = match kind {
            Kind::Approve => (
                Wish::Review { visit, approve: true, saw_content: content },
                Intent::VisitApprove(ApproveVisit { visit: VisitId(visit), hash, batch: None, ext: ext() }),
            ),
            Kind::Return => (
                Wish::Review { visit, approve: false, saw_content: content },
                Intent::VisitReturn(return_body(visit, hash)),
            ),
            _ => {
                let reason = VoidReason { code: "other".into(), text: None, ext: ext() };
                let body = VoidVisit { visit: VisitId(visit), reason: Raw(reason.cbor()), ext: ext() };
                (Wish::Void { visit }, Intent::VisitVoid(body))
            }
        };
        drop(self.desk(by, intent, Some(wish), BTreeSet::new())?);
        Ok(())
    }

    fn desk_resolves(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        if self.cases_on_desk.is_empty() || chance.chance(40) {
            self.desk_looks()?;
        }
        let Some(on) = chance.pick(&self.cases_on_desk).cloned() else { return Ok(()) };
        let Some(scope) = self.hub.model.cases.get(&on.case).map(|case| case.scope) else { return Ok(()) };
        let Some(value) = chance.pick(&on.values).cloned() else { return Ok(()) };
        let by = self.officer_of(scope, chance);
        let body = ResolveCase { case: CaseId(on.case), base_ver: on.ver, value: value.clone(), ext: ext() };
        drop(self.desk(by, Intent::CaseResolve(body), Some(Wish::Resolve { case: on.case, value }), on.saw)?);
        Ok(())
    }

    fn desk_moves(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        let houses: Vec<Uuid> =
            self.hub.model.registers.keys().filter(|key| key.0 == RowType::HOUSEHOLD.0).map(|key| key.1).collect();
        let houses = self.hub.in_order(houses);
        let (Some(house), Some(to)) = (chance.pick(&houses).copied(), chance.pick(&self.villages).copied()) else {
            return Ok(());
        };
        self.move_household(house, to.scope, chance)
    }

    fn move_household(&mut self, house: Uuid, to: ScopeId, chance: &mut Rng) -> Result<(), Stop> {
        let Some(register) = self.hub.register(RowType::HOUSEHOLD, house)? else { return Ok(()) };
        let by = self.officer_of(to, chance);
        let body = MoveRow { id: house, base_ver: register.ver, to, ext: ext() };
        drop(self.desk(by, Intent::HouseholdMove(body), Some(Wish::Move { id: house, to }), BTreeSet::new())?);
        Ok(())
    }

    fn roles(&mut self, kind: Kind, p: usize, chance: &mut Rng) -> Result<(), Stop> {
        let user = self.phones[p].user;
        let today = self.day();
        if matches!(kind, Kind::EndRole | Kind::MoveMember) {
            let held: Vec<GrantGiven> = self
                .hub
                .model
                .grants
                .iter()
                .filter(|grant| grant.user == user && grant.ended.is_none())
                .cloned()
                .collect();
            if let Some(grant) = chance.pick(&held) {
                let body = EndGrant { grant: grant.id, to: today, ext: ext() };
                let done = self.desk(self.admin, Intent::GrantEnd(body), None, BTreeSet::new())?;
                if done.is_some_and(|outcome| outcome.verdict == Verdict::Applied) {
                    let rev = self.hub.model.revs.entry(user).or_default();
                    *rev += 1;
                    let ended = Some((*rev, self.hub.now()));
                    let unit = grant.unit;
                    for given in self.hub.model.grants.iter_mut().filter(|given| given.id == grant.id) {
                        given.ended = ended;
                    }
                    self.tell(|| format!("desk: the user of phone {p} loses {unit:?}"));
                }
            }
        }
        if matches!(kind, Kind::GiveRole | Kind::MoveMember) {
            let Some(village) = chance.pick(&self.villages).copied() else { return Ok(()) };
            let role = if chance.chance(30) { Role::TeamLeader } else { Role::Member };
            self.give(user, role, village)?;
            self.tell(|| format!("desk: the user of phone {p} gets {:?}", village.scope));
        }
        Ok(())
    }

    fn give(&mut self, user: UserId, role: Role, village: Village) -> Result<(), Stop> {
        let unit = UnitId::from(village.scope);
        let body = GiveGrant { user, role: role.code().into(), unit, from: self.day(), decision: None, ext: ext() };
        let done = self.hub.at_desk(self.admin, Intent::GrantGive(body), None)?;
        if let Some((outcome, row)) = done
            && outcome.verdict == Verdict::Applied
        {
            *self.hub.model.revs.entry(user).or_default() += 1;
            self.hub.model.grants.push(GrantGiven { id: GrantId(row), user, role, unit, ended: None });
        }
        Ok(())
    }

    fn merge_communes(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        let Some(village) = chance.pick(&self.villages).copied() else { return Ok(()) };
        let to = self.communes[chance.below(self.communes.len())].0;
        let Some(register) = self.hub.register(RowType::UNIT, village.scope.0)? else { return Ok(()) };
        let parent = UnitParent { parent: UnitId::from(to), from: self.day(), former: vec![], ext: ext() };
        let groups = ByKey(BTreeMap::from([(unit::PARENT, Raw(parent.cbor()))]));
        let body = SetGroups { id: village.scope.0, base_ver: register.ver, groups, ext: ext() };
        let done = self.desk(self.admin, Intent::UnitSet(body), None, BTreeSet::new())?;
        if done.is_some_and(|outcome| outcome.verdict == Verdict::Applied) {
            self.hub.model.parents.insert(village.scope, to);
            self.hub.stats.reach("village_under_another_commune");
            self.tell(|| format!("desk: village {:?} comes under {to:?}", village.scope));
        }
        Ok(())
    }

    fn split_village(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        if self.villages.len() >= 7 {
            return Ok(());
        }
        let Some(old) = chance.pick(&self.villages).copied() else { return Ok(()) };
        let Some(commune) = self.hub.model.parents.get(&old.scope).copied() else { return Ok(()) };
        let (from, number) = (self.day(), self.villages.len());
        let identity = unit_identity("village", number);
        let parent = UnitParent { parent: UnitId::from(commune), from, former: vec![], ext: ext() };
        let validity = Validity { from, to: None, ext: ext() };
        let groups = ByKey(BTreeMap::from([
            (unit::IDENTITY, Raw(identity.cbor())),
            (unit::PARENT, Raw(parent.cbor())),
            (unit::VALIDITY, Raw(validity.cbor())),
        ]));
        let body = CreateRow { scope: commune, groups, id: None, ext: ext() };
        let Some((outcome, village)) = self.hub.at_desk(self.admin, Intent::UnitCreate(body), None)? else {
            return Ok(());
        };
        if outcome.verdict != Verdict::Applied {
            return Err(Stop::broken(format!("P12: a village could not be made: {outcome:?}")));
        }
        let scope = ScopeId(village);
        self.hub.model.parents.insert(scope, commune);
        let identity =
            TeamIdentity { level: "village".into(), unit: UnitId(village), name: "Tổ mới".into(), ext: ext() };
        let groups =
            ByKey(BTreeMap::from([(team::IDENTITY, Raw(identity.cbor())), (team::VALIDITY, Raw(validity.cbor()))]));
        let body = CreateRow { scope, groups, id: None, ext: ext() };
        let Some((outcome, team)) = self.hub.at_desk(self.admin, Intent::TeamCreate(body), None)? else {
            return Ok(());
        };
        if outcome.verdict != Verdict::Applied {
            return Err(Stop::broken(format!("P12: a team could not be made: {outcome:?}")));
        }
        let new = Village { scope, team: TeamId(team) };
        self.villages.push(new);
        self.hub.stats.reach("village_split");
        self.tell(|| format!("desk: village {:?} is split, {scope:?} is new", old.scope));
        let houses: Vec<Uuid> = self
            .hub
            .model
            .registers
            .iter()
            .filter(|(key, row)| key.0 == RowType::HOUSEHOLD.0 && row.scope == old.scope)
            .map(|(key, _)| key.1)
            .collect();
        for house in self.hub.in_order(houses).into_iter().filter(|_| chance.chance(50)).collect::<Vec<_>>() {
            self.move_household(house, scope, chance)?;
        }
        let user = self.staff[chance.below(self.staff.len())];
        self.give(user, Role::Member, new)
    }

    fn set_period(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        let (commune, officer) = self.communes[chance.below(self.communes.len())];
        let month = reporting_month(self.day());
        let open = chance.chance(50);
        let body = SetPeriod { commune: UnitId::from(commune), month, open, ext: ext() };
        let done = self.desk(officer, Intent::PeriodSet(body), None, BTreeSet::new())?;
        if done.is_some_and(|outcome| outcome.verdict == Verdict::Applied) {
            if open {
                self.hub.model.closed.remove(&(commune, month));
            } else {
                self.hub.model.closed.insert((commune, month));
            }
        }
        Ok(())
    }

    fn restore_server(&mut self, kind: Kind, chance: &mut Rng) -> Result<(), Stop> {
        let newest = self.backups.len().checked_sub(1);
        let at = match kind {
            Kind::RestoreOlder => newest.map(|newest| chance.below(newest + 1)),
            _ => newest,
        };
        let Some(at) = at else { return Ok(()) };
        if Some(at) != newest {
            self.broken_promise = true;
        }
        let backup = self.backups[at].clone();
        self.backups.truncate(at + 1);
        self.hub.keep_high_water()?;
        self.hub.restore(&backup, kind != Kind::RestoreUnknowing)?;
        self.hub.stats.fault(match kind {
            Kind::RestoreKnowing => "server restored",
            Kind::RestoreUnknowing => "server restored unknowing",
            _ => "server restored to an older backup",
        });
        self.tell(|| format!("server: is restored ({kind:?})"));
        self.visits_on_desk.clear();
        self.cases_on_desk.clear();
        // What the desk made after the backup is gone: the office enters it again, or not. Villages go with it.
        let known: BTreeSet<ScopeId> = self.hub.model.parents.keys().copied().collect();
        self.villages.retain(|village| known.contains(&village.scope));
        self.forget_devices()
    }

    /// Devices that were enrolled after the backup must be enrolled again.
    fn forget_devices(&mut self) -> Result<(), Stop> {
        for p in 0..self.phones.len() {
            let device = self.phones[p].device;
            if !self.hub.knows_device(device)? {
                let mut chance = Rng::new(p as u64);
                self.reenrol(p, &mut chance)?;
            }
        }
        for phone in &mut self.phones {
            phone.revoked = self.hub.is_revoked(phone.device)?;
        }
        Ok(())
    }

    // --- The end -----------------------------------------------------------------------------------------------------

    /// All faults end, everybody has contact; then everything that must hold at rest is checked.
    pub fn end(&mut self) -> Result<(), Stop> {
        let mut chance = Rng::new(self.shape.seed ^ 0xe4d);
        self.hub.repair_counters()?;
        for request in std::mem::take(&mut self.held) {
            drop(self.hub.exchange(&request)?);
        }
        if !self.shape.calm {
            self.thin_links(&mut chance)?;
        }
        const ROUNDS: usize = 14;
        let mut quiet = 0;
        for round in 0.. {
            let mut moved = false;
            for p in 0..self.phones.len() {
                self.hub.pass(2 * 3_600_000);
                let Some(summary) = self.sync(p, None, true, &mut chance)? else { continue };
                let ended = matches!(summary.ended, Ended::Complete | Ended::Wiped);
                let still = ended
                    && summary.ops_sent == 0
                    && summary.rows == 0
                    && summary.reloaded == 0
                    && summary.new_epochs == 0;
                moved |= !still;
                if round >= ROUNDS && !still {
                    return Err(Stop::broken(format!("P3: phone {p} does not come to rest: {summary:?}")));
                }
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet == 2 {
                break;
            }
            self.hub.pass(DAY_MS);
        }
        self.check_rest(&mut chance)
    }

    /// P13: a link that carries one frame of rows in a session brings every session further.
    fn thin_links(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        if !chance.chance(30) {
            return Ok(());
        }
        self.hub.stats.reach("thin_link");
        let p = chance.below(self.phones.len());
        let mut stuck = 0;
        let mut before = self.progress(p)?;
        for _ in 0..40 {
            self.hub.pass(2 * 3_600_000);
            let Some(summary) = self.session(p, None, true, true, chance)? else { return Ok(()) };
            if matches!(summary.ended, Ended::Complete | Ended::Wiped | Ended::TooEarly) {
                return Ok(());
            }
            let after = self.progress(p)?;
            stuck = if after == before { stuck + 1 } else { 0 };
            before = after;
            if stuck == 3 {
                return Err(Stop::broken(format!("P13: phone {p} gets nowhere on a thin link: {summary:?}")));
            }
        }
        Ok(())
    }

    fn progress(&mut self, p: usize) -> Result<String, Stop> {
        let store = self.phones[p].store();
        let waiting = store.not_yet_synced()?.len();
        let cursors: Vec<(u32, u64, bool)> =
            store.bucket_reports()?.iter().map(|report| (report.gen_, report.seq, report.reloading)).collect();
        Ok(format!("{waiting} {cursors:?} {:?}", store.cursors_dump()?))
    }

    fn check_rest(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        let scopes = self.scopes();
        self.hub.check_all(&scopes)?;
        for p in 0..self.phones.len() {
            self.check_saved(p)?;
            if self.phones[p].revoked {
                let left = self.phones[p].store().base_dump()?;
                if !left.is_empty() {
                    return Err(Stop::broken(format!(
                        "P10: phone {p} was revoked and still holds {} rows",
                        left.len()
                    )));
                }
                continue;
            }
            self.check_equal(p)?;
            self.check_figures(p)?;
            self.check_file(p)?;
            let wrong = self.phones[p].store().rebuild_check()?;
            if !wrong.is_empty() {
                return Err(Stop::broken(format!("P3: what phone {p} derives differs from its rows: {wrong:?}")));
            }
        }
        self.check_bounds(chance)
    }

    /// P3: the same rows come to the same figures, on the phone and at the desk.
    fn check_figures(&mut self, p: usize) -> Result<(), Stop> {
        let readable = self.hub.model.readable(self.phones[p].user);
        let Some(village) = self.villages.iter().find(|village| readable.contains(&village.scope)) else {
            return Ok(());
        };
        let (village, month) = (UnitId::from(village.scope), reporting_month(self.day()));
        let desk = self.hub.figures(self.phones[p].user, village, month)?;
        let span = Span::of_month(PeriodKind::Year, month);
        let held = self.phones[p].store().figures(village, span, View::Provisional, RowsOf::Server)?;
        let exact = |value: Option<Fraction>| value.map(|value| value.to_string());
        let ours: BTreeMap<&str, _> = (held.sheet.indicators.iter().chain(&held.sheet.kinds))
            .map(|f| {
                (f.indicator.as_str(), (exact(f.value), exact(f.numerator), f.approved, f.submitted, f.provisional))
            })
            .collect();
        let theirs = desk.sets.iter().flat_map(|set| &set.figures).chain(&desk.kinds);
        for figure in theirs {
            let theirs =
                (figure.value.clone(), figure.numerator.clone(), figure.approved, figure.submitted, figure.provisional);
            if ours.get(figure.code.as_str()) != Some(&theirs) {
                let code = &figure.code;
                return Err(Stop::broken(format!(
                    "P3: {code} of phone {p} is {:?}, not {theirs:?}",
                    ours.get(&**code)
                )));
            }
        }
        Ok(())
    }

    /// P1: every op that was called saved has an outcome.
    fn check_saved(&mut self, p: usize) -> Result<(), Stop> {
        let saved: Vec<(OpUid, OpIx)> = self.phones[p].saved.iter().map(|(uid, ix)| (*uid, *ix)).collect();
        // A refusal stays before the person's eyes, whatever became of the server since.
        let refused = self.phones[p].store().needs_attention()?;
        let refused: BTreeSet<OpUid> = refused.iter().map(|op| op.uid).collect();
        for (uid, ix) in saved {
            if !refused.contains(&uid) && !self.is_settled(p, uid)? {
                let made = &self.hub.made[ix];
                return Err(Stop::broken(format!("P1: op {ix} of phone {p} is lost: {:?}", made.wish)));
            }
        }
        Ok(())
    }

    /// P3: the copy is the server's, and nothing is predicted any more.
    fn check_equal(&mut self, p: usize) -> Result<(), Stop> {
        let readable = self.hub.model.readable(self.phones[p].user);
        let mut expected: Vec<(ScopeId, u16, Vec<u8>)> = Vec::new();
        for (bucket, (_, _, rows)) in self.hub.buckets(&readable)? {
            expected.extend(rows.into_iter().map(|row| (bucket.scope, bucket.quarter, row.body)));
        }
        expected.sort();
        let held = self.phones[p].store().base_dump()?;
        if held != expected {
            let missing = expected.iter().filter(|row| held.binary_search(row).is_err()).count();
            let surplus = held.iter().filter(|row| expected.binary_search(row).is_err()).count();
            return Err(Stop::broken(format!("P3: phone {p} lacks {missing} rows and has {surplus} others")));
        }
        let waiting = self.phones[p].store().not_yet_synced()?;
        if !waiting.is_empty() {
            return Err(Stop::broken(format!("P3: {} ops of phone {p} still wait", waiting.len())));
        }
        let shown = self.phones[p].store().visits(&VisitFilter::default())?;
        let deferred =
            self.phones[p].store().needs_attention()?.iter().any(|op| op.verdict.as_deref() == Some("deferred"));
        if let Some(visit) = shown.iter().find(|visit| visit.waiting)
            && !deferred
        {
            return Err(Stop::broken(format!("P3: visit {} is still shown as waiting", visit.id)));
        }
        for visit in shown.iter().filter(|_| !deferred) {
            let Some(model) = self.hub.model.visits.get(&visit.id.0) else {
                return Err(Stop::broken(format!("P3: phone {p} shows visit {} that is nowhere", visit.id)));
            };
            if visit.status != model.status.code() || visit.void != model.void {
                return Err(Stop::broken(format!(
                    "P3: phone {p} shows visit {} as {}, not {:?}",
                    visit.id, visit.status, model.status
                )));
            }
        }
        Ok(())
    }

    /// P10: nothing of a place that was lost is left in the file, except in what the phone's own user wrote.
    fn check_file(&mut self, p: usize) -> Result<(), Stop> {
        let readable = self.hub.model.readable(self.phones[p].user);
        let own: BTreeSet<u32> = {
            let mut own = BTreeSet::new();
            let outbox = self.phones[p].store().outbox()?;
            for op in outbox {
                if let Some(bytes) = self.phones[p].store().op_bytes(op.uid)? {
                    own.extend(super::hub::marks_in(&bytes));
                }
            }
            own
        };
        let files = self.phones[p].disk.export();
        for name in files.names() {
            let bytes = files.read(name).unwrap_or_default();
            for mark in super::hub::marks_in(&bytes) {
                let scopes = self.hub.marks.get(&mark);
                let allowed = scopes.is_some_and(|scopes| scopes.iter().any(|scope| readable.contains(scope)));
                if !allowed && !own.contains(&mark) {
                    return Err(Stop::broken(format!("P10: marker {mark} is still in {name} of phone {p}")));
                }
            }
        }
        Ok(())
    }

    /// P14: nothing grows with the number of syncs.
    fn check_bounds(&mut self, chance: &mut Rng) -> Result<(), Stop> {
        let scopes = self.scopes();
        let before = self.hub.sizes(&scopes)?;
        for p in 0..self.phones.len() {
            if self.phones[p].revoked {
                continue;
            }
            let bytes = self.phones[p].store().bytes_used()?;
            for _ in 0..3 {
                self.hub.pass(3_600_000);
                let Some(summary) = self.sync(p, None, true, chance)? else { continue };
                if summary.ended != Ended::Complete || summary.rounds > 2 || summary.rows > 0 || summary.ops_sent > 0 {
                    return Err(Stop::broken(format!("P14: an idle sync of phone {p} was not idle: {summary:?}")));
                }
            }
            let after = self.phones[p].store().bytes_used()?;
            if after > bytes {
                return Err(Stop::broken(format!("P14: phone {p} grew from {bytes} to {after} bytes by idle syncs")));
            }
        }
        if self.hub.sizes(&scopes)? != before {
            return Err(Stop::broken("P14: the server grew by idle syncs"));
        }
        Ok(())
    }

    /// What the world came to, told by op numbers, so that two plays with other clocks can be compared.
    pub fn digest(&self) -> String {
        let model = &self.hub.model;
        let name = |row: &Uuid| {
            self.hub
                .made
                .iter()
                .position(|made| made.row == *row)
                .map_or_else(|| row.to_string(), |ix| format!("op {ix}"))
        };
        // A village that was made on the way has an id of the moment it was made at.
        let place = |scope: ScopeId| self.scopes().iter().position(|known| *known == scope);
        let mut lines: Vec<String> = Vec::new();
        for (key, register) in &model.registers {
            lines.push(format!(
                "{} {} {:?} {:?} {}",
                key.0,
                name(&key.1),
                place(register.scope),
                register
                    .groups
                    .iter()
                    .map(|(key, group)| (key, &group.value, &group.writers, group.case.is_some()))
                    .collect::<Vec<_>>(),
                register.status
            ));
        }
        for (id, visit) in &model.visits {
            lines.push(format!(
                "{} {:?} {} {} {}",
                name(id),
                visit.status,
                visit.content,
                visit.void,
                visit.case.is_some()
            ));
        }
        for case in model.cases.values() {
            lines.push(format!(
                "case {} {} {:?} {}",
                name(&case.about.0.1),
                case.about.1,
                case.contributors,
                case.open
            ));
        }
        lines.extend(model.decided.iter().map(|(ix, decided)| format!("{ix} {decided:?}")));
        lines.sort();
        lines.join("\n")
    }

    /// Adds up what this world counted.
    pub fn stats(&self) -> Stats {
        let mut stats = self.hub.stats.clone();
        stats.device_ms = (self.hub.now() - self.hub.began) * self.phones.len() as u64;
        stats
    }
}

/// What somebody is about to save.
struct Doing {
    wish: Wish,
    intent: Intent,
    saw: BTreeSet<OpIx>,
    content: Option<[u8; 16]>,
    label: Option<(Uuid, Raw)>,
}

impl Doing {
    fn new(wish: Wish, intent: Intent) -> Self {
        Self { wish, intent, saw: BTreeSet::new(), content: None, label: None }
    }
}

/// Where a household's group stands in the lot that is drawn.
fn place_of(group: GroupKey) -> usize {
    match group {
        household::LABEL => 0,
        household::CLASS => 4,
        household::PEOPLE => 6,
        _ => 8,
    }
}

/// By the half of an id that holds no clock's time.
fn chance_of(id: Uuid, percent: u64) -> bool {
    id.as_u64_pair().1 % 100 < percent
}

fn disk_faults(chance: &mut Rng, room: u64) -> Faults {
    let at = chance.between(1, 30);
    match chance.below(4) {
        0 => Faults { full_after_bytes: Some(chance.draw() % room), ..Faults::default() },
        1 => Faults { read_error_at: Some(at), ..Faults::default() },
        2 => Faults { write_error_at: Some(at), ..Faults::default() },
        _ => Faults { sync_error_at: Some(1 + at % 6), ..Faults::default() },
    }
}

fn return_body(visit: Uuid, hash: [u8; 16]) -> ReturnVisit {
    let reason = ReturnReason { code: "wrong_answer".into(), activity: Some(0), field: None, text: None, ext: ext() };
    ReturnVisit { visit: VisitId(visit), hash, reasons: vec![reason], note: None, ext: ext() }
}

fn unit_identity(level: &str, n: usize) -> UnitIdentity {
    UnitIdentity {
        level: level.into(),
        code: format!("04636-{n:03}"),
        unit_type: if level == "village" { "thon" } else { "xa" }.into(),
        name: format!("Thử {n}"),
        full_name: format!("Thôn Thử {n}"),
        local_name: None,
        ext: ext(),
    }
}

fn unit_change(scope: ScopeId, level: &str, parent: ScopeId, from: Day, stamp: Stamp) -> Change {
    let identity = unit_identity(level, 1);
    let parent = UnitParent { parent: UnitId::from(parent), from, former: vec![], ext: ext() };
    let validity = Validity { from, to: None, ext: ext() };
    let values: [(GroupKey, Raw); 3] = [
        (unit::IDENTITY, Raw(identity.cbor())),
        (unit::PARENT, Raw(parent.cbor())),
        (unit::VALIDITY, Raw(validity.cbor())),
    ];
    Change::PutRegister { scope, register: Row::new(RowType::UNIT, scope.0, stamp, values) }
}

fn team_change(village: Village, from: Day, stamp: Stamp) -> Change {
    let unit = UnitId::from(village.scope);
    let identity = TeamIdentity { level: "village".into(), unit, name: "Tổ thử".into(), ext: ext() };
    let validity = Validity { from, to: None, ext: ext() };
    let values: [(GroupKey, Raw); 2] = [(team::IDENTITY, Raw(identity.cbor())), (team::VALIDITY, Raw(validity.cbor()))];
    Change::PutRegister { scope: village.scope, register: Row::new(RowType::TEAM, village.team.0, stamp, values) }
}

/// A wish in plain words.
fn in_words(wish: &Wish) -> String {
    match wish {
        Wish::Household { .. } => "a household is entered".into(),
        Wish::Set { ty, id, group, .. } => format!("group {group} of {ty:?} {id} is set"),
        Wish::Move { id, to } => format!("household {id} goes to {to:?}"),
        Wish::Record { household, submit, .. } => {
            format!("a visit is recorded at {household:?}{}", if *submit { " and handed in" } else { "" })
        }
        Wish::Submit { visit } => format!("visit {visit} is handed in"),
        Wish::Correct { visit, .. } => format!("visit {visit} is corrected"),
        Wish::Void { visit } => format!("visit {visit} is declared void"),
        Wish::Review { visit, approve: true, saw_content } => {
            format!("visit {visit} is approved for the content of op {saw_content}")
        }
        Wish::Review { visit, saw_content, .. } => {
            format!("visit {visit} is sent back for the content of op {saw_content}")
        }
        Wish::Plan { .. } => "a visit is planned".into(),
        Wish::Cancel { plan } => format!("plan {plan} is called off"),
        Wish::Resolve { case, .. } => format!("case {case} is settled"),
        Wish::Unknown => "an op of a newer app".into(),
        Wish::Garbage => "bytes that are no op".into(),
    }
}
