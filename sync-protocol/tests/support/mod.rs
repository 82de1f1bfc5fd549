//! A small world in memory: one commune with two villages, a foreign commune, people, and the state that `decide` reads.

#![allow(dead_code, unreachable_pub, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use sync_protocol::access::{Ended, Holding, INSTALLATION, Principal, Role};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::{Change, Context, Decision, Grant, State, User, decide, decide_bytes};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{ByKey, Event, Register, Row, RowType, Ver, read_row};
use sync_protocol::value::Value;
use uuid::Uuid;

pub fn ext() -> Ext {
    Ext::default()
}

/// An id that is easy to tell apart.
pub fn id(n: u8) -> Uuid {
    let mut bytes = [n; 16];
    bytes[6] = 0x70 | (n & 0x0f);
    bytes[8] = 0x80 | (n & 0x3f);
    Uuid::from_bytes(bytes)
}

pub const COMMUNE: u8 = 0x10;
pub const VILLAGE: u8 = 0x11;
pub const OTHER_VILLAGE: u8 = 0x12;
pub const FOREIGN_COMMUNE: u8 = 0x20;
pub const FOREIGN_VILLAGE: u8 = 0x21;

/// 2026-11-20, ten in the morning in Việt Nam.
pub const NOW: u64 = 1_795_143_600_000;
pub const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Default, PartialEq, Debug)]
pub struct Memory {
    pub registers: BTreeMap<(RowType, Uuid), (ScopeId, Register)>,
    pub left: BTreeSet<(ScopeId, RowType, Uuid)>,
    pub events: BTreeMap<EventId, (ScopeId, Event)>,
    pub users: BTreeMap<UserId, User>,
    pub grants: BTreeMap<GrantId, Grant>,
    pub authors: BTreeMap<Epoch, UserId>,
}

impl State for Memory {
    type Error = Infallible;

    fn register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>, Infallible> {
        Ok(self.registers.get(&(ty, id)).cloned())
    }
    fn registers_in(&mut self, scope: ScopeId, ty: RowType) -> Result<Vec<Register>, Infallible> {
        let all = self.registers.iter().filter(|((of, _), (at, _))| *of == ty && *at == scope);
        Ok(all.map(|(_, (_, register))| register.clone()).collect())
    }
    fn has_left(&mut self, scope: ScopeId, ty: RowType, id: Uuid) -> Result<bool, Infallible> {
        Ok(self.left.contains(&(scope, ty, id)))
    }
    fn event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>, Infallible> {
        Ok(self.events.get(&id).cloned())
    }
    fn activities_on(&mut self, author: UserId, day: Day) -> Result<u32, Infallible> {
        let contents = self.events.values().filter(|(_, event)| event.author == author && event.visit.is_none());
        Ok(contents
            .filter_map(|(_, event)| read_content(&event.body).ok())
            .filter(|content| content.day == day)
            .map(|content| content.activities.len() as u32)
            .sum())
    }
    fn author_of(&mut self, epoch: Epoch) -> Result<Option<UserId>, Infallible> {
        Ok(self.authors.get(&epoch).copied())
    }
    fn user(&mut self, id: UserId) -> Result<Option<User>, Infallible> {
        Ok(self.users.get(&id).cloned())
    }
    fn user_by_phone(&mut self, phone: &str) -> Result<Option<UserId>, Infallible> {
        Ok(self.users.values().find(|user| user.phone == phone).map(|user| user.id))
    }
    fn grant(&mut self, id: GrantId) -> Result<Option<Grant>, Infallible> {
        Ok(self.grants.get(&id).cloned())
    }
    fn grants_of(&mut self, user: UserId) -> Result<Vec<Grant>, Infallible> {
        Ok(self.grants.values().filter(|grant| grant.user == user).cloned().collect())
    }
}

impl Memory {
    /// Applies changes and checks what must hold for each of them.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::PutRegister { scope, register } => {
                    let before = self.registers.get(&(register.ty, register.id));
                    if let Some((at, before)) = before {
                        assert!(register.ver > before.ver, "a version went back: {register:?}");
                        assert_eq!(at, scope, "a register changed its scope without a move");
                    }
                    self.registers.insert((register.ty, register.id), (*scope, register.clone()));
                }
                Change::Move { from, to, register } => {
                    let (at, before) = &self.registers[&(register.ty, register.id)];
                    assert_eq!(at, from);
                    assert!(register.ver > before.ver);
                    self.left.insert((*from, register.ty, register.id));
                    self.registers.insert((register.ty, register.id), (*to, register.clone()));
                }
                Change::PutEvent { scope, event } => {
                    let before = self.events.insert(event.id, (*scope, event.clone()));
                    assert!(before.is_none(), "an event was written twice");
                }
                Change::PutUser(user) => drop(self.users.insert(user.id, user.clone())),
                Change::PutGrant(grant) => drop(self.grants.insert(grant.id, grant.clone())),
            }
        }
    }

    pub fn get(&self, ty: RowType, id: Uuid) -> &Register {
        &self.registers[&(ty, id)].1
    }
}

/// Somebody with a phone, or at a desk.
#[derive(Clone, Debug)]
pub struct Person {
    pub principal: Principal,
    pub epoch: Epoch,
    pub n: u64,
    pub lineage: Lineage,
}

impl Person {
    pub fn new(number: u8, role: Role, units: &[u8]) -> Self {
        let scope = |unit: &u8| if *unit == 0 { INSTALLATION } else { ScopeId(id(*unit)) };
        let holdings = units.iter().map(|unit| Holding { scope: scope(unit), role, ended: None }).collect();
        Self {
            principal: Principal { user: UserId(id(number)), grants_rev: 5, holdings },
            epoch: Epoch(u64::from(number)),
            n: 0,
            lineage: Lineage::default(),
        }
    }
    pub fn user(&self) -> UserId {
        self.principal.user
    }
    /// The same person on another phone.
    pub fn on_another_phone(&self) -> Self {
        Self { epoch: Epoch(self.epoch.0 + 1_000), n: 0, ..self.clone() }
    }
    /// Loses everything with the next revision.
    pub fn lose_grants(&mut self, at: u64) {
        self.principal.grants_rev = 6;
        for holding in &mut self.principal.holdings {
            holding.ended = Some(Ended { rev: 6, at: ServerMs(at) });
        }
    }
}

#[derive(Clone)]
pub struct World {
    pub state: Memory,
    pub at: u64,
    pub received: u64,
    pub server_epoch: u16,
    pub grants_rev: u64,
    pub salt: u64,
    pub admin: Person,
    pub member: Person,
    pub colleague: Person,
    pub leader: Person,
    pub officer: Person,
    pub stranger: Person,
    pub team: TeamId,
    pub commune_team: TeamId,
    pub foreign_team: TeamId,
    pub household: HouseholdId,
    pub foreign_household: HouseholdId,
}

pub fn unit_groups(level: &str, name: &str, parent: Uuid) -> ByKey<Raw> {
    let identity = UnitIdentity {
        level: level.into(),
        code: "04000-001".into(),
        unit_type: if level == "village" { "thon".into() } else { "xa".into() },
        name: name.into(),
        full_name: format!("Thôn {name}"),
        local_name: None,
        ext: ext(),
    };
    let parent = UnitParent { parent: UnitId(parent), from: Day(20_270), former: vec![], ext: ext() };
    let validity = Validity { from: Day(20_270), to: None, ext: ext() };
    ByKey(BTreeMap::from([
        (unit::IDENTITY, Raw(identity.cbor())),
        (unit::PARENT, Raw(parent.cbor())),
        (unit::VALIDITY, Raw(validity.cbor())),
    ]))
}

pub fn label(text: &str) -> (u8, Raw) {
    (household::LABEL, Raw(HouseholdLabel { label: text.into(), landmark: None, ext: ext() }.cbor()))
}
pub fn class(text: &str) -> (u8, Raw) {
    (household::CLASS, Raw(HouseholdClass { class: text.into(), ext: ext() }.cbor()))
}
pub fn people(count: u32) -> (u8, Raw) {
    (household::PEOPLE, Raw(HouseholdPeople { adults_15_plus: count, ext: ext() }.cbor()))
}
pub fn head_of(text: &str) -> (u8, Raw) {
    (household::HEAD, Raw(HouseholdHead { display_name: text.into(), ext: ext() }.cbor()))
}
pub fn phone(text: &str) -> (u8, Raw) {
    (household::PHONE, Raw(HouseholdPhone { phone: text.into(), ext: ext() }.cbor()))
}
pub fn consent(withdrawn: Option<Day>) -> (u8, Raw) {
    let consent = Consent {
        purposes: vec!["visit_log".into()],
        notice_version: "2026.1".into(),
        language: "vi".into(),
        method: "spoken_witnessed".into(),
        given: Day(20_700),
        withdrawn,
        ext: ext(),
    };
    (household::CONSENT, Raw(consent.cbor()))
}

pub fn create(scope: u8, groups: impl IntoIterator<Item = (u8, Raw)>) -> CreateRow {
    CreateRow { scope: ScopeId(id(scope)), groups: ByKey(groups.into_iter().collect()), id: None, ext: ext() }
}
pub fn set(id: Uuid, base_ver: Ver, groups: impl IntoIterator<Item = (u8, Raw)>) -> SetGroups {
    SetGroups { id, base_ver, groups: ByKey(groups.into_iter().collect()), ext: ext() }
}

/// An activity that the catalogue accepts.
pub fn account(outcome: &str) -> Activity {
    let mut fields = BTreeMap::from([
        ("login_by_vneid".to_owned(), Value::Bool(true)),
        ("outcome".to_owned(), Value::Text(outcome.into())),
    ]);
    if matches!(outcome, "not_done" | "partly" | "refused") {
        fields.insert("failure_reason".to_owned(), Value::Text("no_signal".into()));
    }
    Activity { kind: "dvc_account".into(), fields, id: None, ext: ext() }
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            state: Memory::default(),
            at: NOW - 3_600_000,
            received: NOW,
            server_epoch: 1,
            grants_rev: 5,
            salt: 0,
            admin: Person::new(0xa0, Role::Admin, &[0]),
            member: Person::new(0xa1, Role::Member, &[VILLAGE]),
            colleague: Person::new(0xa2, Role::Member, &[VILLAGE]),
            leader: Person::new(0xa3, Role::TeamLeader, &[VILLAGE]),
            officer: Person::new(0xa4, Role::CommuneOfficer, &[COMMUNE, VILLAGE, OTHER_VILLAGE]),
            stranger: Person::new(0xa5, Role::Member, &[FOREIGN_VILLAGE]),
            team: TeamId(Uuid::nil()),
            commune_team: TeamId(Uuid::nil()),
            foreign_team: TeamId(Uuid::nil()),
            household: HouseholdId(Uuid::nil()),
            foreign_household: HouseholdId(Uuid::nil()),
        };
        let mut admin = world.admin.clone();
        for (unit, level, parent) in [
            (COMMUNE, "commune", Uuid::nil()),
            (FOREIGN_COMMUNE, "commune", Uuid::nil()),
            (VILLAGE, "village", id(COMMUNE)),
            (OTHER_VILLAGE, "village", id(COMMUNE)),
            (FOREIGN_VILLAGE, "village", id(FOREIGN_COMMUNE)),
        ] {
            let body = CreateRow {
                scope: ScopeId(parent),
                groups: unit_groups(level, "Mẫu", parent),
                id: Some(id(unit)),
                ext: ext(),
            };
            world.applied(&mut admin, Intent::UnitCreate(body));
        }
        let mut team = |world: &mut Self, unit: u8, level: &str| {
            let identity =
                TeamIdentity { level: level.into(), unit: UnitId(id(unit)), name: "Tổ mẫu".into(), ext: ext() };
            let validity = Validity { from: Day(20_270), to: None, ext: ext() };
            let groups = [(team::IDENTITY, Raw(identity.cbor())), (team::VALIDITY, Raw(validity.cbor()))];
            world.created(&mut admin, Intent::TeamCreate(create(unit, groups)))
        };
        world.team = TeamId(team(&mut world, VILLAGE, "village"));
        world.commune_team = TeamId(team(&mut world, COMMUNE, "commune"));
        world.foreign_team = TeamId(team(&mut world, FOREIGN_VILLAGE, "village"));
        let (mut member, mut stranger) = (world.member.clone(), world.stranger.clone());
        let body = create(VILLAGE, [label("nhà đầu suối"), class("normal")]);
        world.household = HouseholdId(world.created(&mut member, Intent::HouseholdCreate(body)));
        let body = create(FOREIGN_VILLAGE, [label("nhà xa")]);
        world.foreign_household = HouseholdId(world.created(&mut stranger, Intent::HouseholdCreate(body)));
        (world.admin, world.member, world.stranger) = (admin, member, stranger);
        world
    }

    pub fn context<'a>(&self, person: &'a Person) -> Context<'a> {
        Context {
            principal: &person.principal,
            epoch: person.epoch,
            n: person.n,
            lineage: &person.lineage,
            server_epoch: self.server_epoch,
            received: ServerMs(self.received),
            catalogue: Catalogue::shipped(),
        }
    }

    pub fn op(&mut self, intent: Intent) -> Op {
        self.salt += 1;
        self.at += 60_000;
        let mut salt = [7; 16];
        salt[8..].copy_from_slice(&self.salt.to_be_bytes());
        intent.into_op(Salt(salt), ClaimedMs(self.at), self.grants_rev)
    }

    /// Decides and applies one op, checking what must hold for every decision.
    pub fn deliver(&mut self, person: &mut Person, op: &Op) -> Decision {
        person.n += 1;
        self.state.authors.insert(person.epoch, person.user());
        let context = self.context(person);
        let Ok(decision) = decide(&mut self.state, &context, op);
        let Ok(again) = decide_bytes(&mut self.state.clone(), &context, &op.cbor());
        assert_eq!(decision, again, "the same op on the same state was decided differently");
        check(&decision, person.n);
        self.state.apply(&decision.changes);
        decision
    }

    pub fn send(&mut self, person: &mut Person, intent: Intent) -> Decision {
        let op = self.op(intent);
        self.deliver(person, &op)
    }

    pub fn applied(&mut self, person: &mut Person, intent: Intent) -> Decision {
        let decision = self.send(person, intent);
        assert_eq!(decision.verdict, Verdict::Applied, "{:?}", decision.code);
        decision
    }

    /// Sends an op that creates something; gives its id.
    pub fn created(&mut self, person: &mut Person, intent: Intent) -> Uuid {
        let op = self.op(intent);
        let decision = self.deliver(person, &op);
        assert_eq!(decision.verdict, Verdict::Applied, "{:?} {:?}", decision.code, decision.field);
        op.row_id()
    }

    pub fn content(&self) -> VisitContent {
        VisitContent {
            village: UnitId(id(VILLAGE)),
            team: self.team,
            household: Some(self.household),
            visit_type: "household".into(),
            day: Day::of_ms(NOW),
            minutes: Some(30),
            activities: vec![account("done")],
            members: vec![],
            result: None,
            summary: None,
            place: None,
            catalogue: "2026.1".into(),
            partner_org: None,
            quantity_reason: None,
            ext: ext(),
        }
    }

    pub fn record(content: &VisitContent, submit: bool) -> Intent {
        Intent::VisitRecord(RecordVisit { content: Raw(content.cbor()), submit, plan: None, ext: ext() })
    }

    /// A visit that the member recorded, perhaps handed in.
    pub fn visit(&mut self, submit: bool) -> VisitId {
        let content = self.content();
        let mut member = self.member.clone();
        let visit = VisitId(self.created(&mut member, Self::record(&content, submit)));
        self.member = member;
        visit
    }

    pub fn correct(visit: VisitId, base_ver: Ver, content: &VisitContent, submit: bool) -> Intent {
        Intent::VisitCorrect(CorrectVisit { visit, base_ver, content: Raw(content.cbor()), submit, ext: ext() })
    }
    pub fn submit(visit: VisitId) -> Intent {
        Intent::VisitSubmit(VisitRef { visit, ext: ext() })
    }
    pub fn approve(visit: VisitId, hash: [u8; 16]) -> Intent {
        Intent::VisitApprove(ApproveVisit { visit, hash, batch: None, ext: ext() })
    }
    pub fn send_back(visit: VisitId, hash: [u8; 16]) -> Intent {
        let reason = ReturnReason {
            code: "wrong_answer".into(),
            activity: Some(0),
            field: Some("outcome".into()),
            text: Some("Xem lại kết quả.".into()),
            ext: ext(),
        };
        Intent::VisitReturn(ReturnVisit { visit, hash, reasons: vec![reason], note: None, ext: ext() })
    }
    pub fn void(visit: VisitId) -> Intent {
        let reason = VoidReason { code: "duplicate".into(), text: None, ext: ext() };
        Intent::VisitVoid(VoidVisit { visit, reason: Raw(reason.cbor()), ext: ext() })
    }

    /// The visit's state, stored or as it was recorded.
    pub fn visit_state(&self, visit: VisitId) -> Register {
        match self.state.registers.get(&(RowType::VISIT_STATE, visit.0)) {
            Some((_, register)) => register.clone(),
            None => sync_protocol::decide::initial_state(&self.state.events[&EventId(visit.0)].1),
        }
    }
    pub fn status(&self, visit: VisitId) -> String {
        self.visit_state(visit).group::<VisitStatusValue>(visit_state::STATUS).expect("a status").status
    }
    pub fn pointer(&self, visit: VisitId) -> VisitPointer {
        self.visit_state(visit).group(visit_state::CONTENT).expect("a pointer")
    }
    pub fn hash(&self, visit: VisitId) -> [u8; 16] {
        self.pointer(visit).hash
    }
    pub fn household(&self) -> Register {
        self.state.get(RowType::HOUSEHOLD, self.household.0).clone()
    }
    pub fn case_of(&self, register: &Register, group: u8) -> Option<Register> {
        let case = register.groups.get(&group)?.case?;
        Some(self.state.get(RowType::CASE, case.0).clone())
    }
    pub fn sides(&self, case: CaseId) -> Vec<Raw> {
        let sides: CaseSides = self.state.get(RowType::CASE, case.0).group(case::SIDES).expect("sides");
        sides.sides.into_iter().map(|side| side.value).collect()
    }
}

/// What holds for every decision.
pub fn check(decision: &Decision, n: u64) {
    let outcome = decision.outcome(n);
    assert_eq!(Outcome::from_cbor(&outcome.cbor()), Ok(outcome));
    match decision.verdict {
        Verdict::Applied => assert!(decision.code.is_none() && decision.ver.is_some() && decision.case.is_none()),
        Verdict::AppliedWithCase => assert!(decision.ver.is_some() && decision.case.is_some()),
        Verdict::Deferred | Verdict::Rejected => {
            assert!(decision.code.is_some() && decision.changes.is_empty(), "a refusal has a code and no effect");
        }
    }
    for change in &decision.changes {
        let row = match change {
            Change::PutRegister { register, .. } | Change::Move { register, .. } => Row::Register(register.clone()),
            Change::PutEvent { event, .. } => Row::Event(event.clone()),
            Change::PutUser(_) | Change::PutGrant(_) => continue,
        };
        assert_eq!(read_row(&row.cbor()), Ok(row), "a phone could not read this row");
    }
}
