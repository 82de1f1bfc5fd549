//! What never changes in the small world: one commune, one village, its team, two people, a desk; and what they can do.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::OnceLock;

use sync_protocol::access::{Ended, Holding, INSTALLATION, Principal, Role};
use sync_protocol::catalogue::Catalogue;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::{Change, Context, Decision, Grant, State, User, decide_bytes};
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::merge::Lineage;
use sync_protocol::op::*;
use sync_protocol::row::{BucketId, ByKey, Event, Register, Row, RowType, Stamp, Ver, read_row};
use sync_protocol::value::Value;
use uuid::Uuid;

/// 2026-11-20, ten in the morning in Việt Nam. Time stands still: no rule but the grace of a lost grant goes by it.
pub(crate) const NOW: ServerMs = ServerMs(1_795_143_600_000);

/// Names an intent for ever: who, and which of theirs. A ghost; the protocol sees only derived uids.
pub(crate) type Tag = u8;
/// What an effect is about: type, row, group.
pub(crate) type GroupOf = (u8, Uuid, u8);
/// A row's name.
pub(crate) type RowKey = (u8, Uuid);

pub(crate) const AN: usize = 0;
pub(crate) const DESK: usize = 2;
pub(crate) const WHO: [&str; 3] = ["An", "Bình", "the desk"];

pub(crate) fn tag(who: usize, step: usize) -> Tag {
    u8::try_from(who * 16 + step + 1).unwrap()
}
pub(crate) fn id(n: u8) -> Uuid {
    let mut bytes = [n; 16];
    bytes[6] = 0x70 | (n & 0x0f);
    bytes[8] = 0x80 | (n & 0x3f);
    Uuid::from_bytes(bytes)
}
pub(crate) fn commune() -> Uuid {
    id(0x10)
}
pub(crate) fn village() -> ScopeId {
    ScopeId(id(0x11))
}
pub(crate) fn household_id() -> Uuid {
    id(0x30)
}
pub(crate) fn user(who: usize) -> UserId {
    UserId(id(0xa0 + u8::try_from(who).unwrap()))
}
pub(crate) fn admin() -> UserId {
    UserId(id(0xaf))
}
pub(crate) fn device(who: usize) -> DeviceId {
    DeviceId(id(0xd0 + u8::try_from(who).unwrap()))
}

/// One thing that somebody will do, at most once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Sets the household's label, an ordinary group.
    Label(&'static str),
    /// Sets the household's class, a guarded group.
    Class(&'static str),
    /// Records a visit, perhaps handing it in.
    Record { submit: bool },
    /// Hands in the visit of that tag.
    Submit(Tag),
    /// Corrects the visit of that tag: other minutes.
    Correct(Tag, u32, bool),
    /// Approves the visit of that tag.
    Approve(Tag),
    /// Sends the visit of that tag back.
    Return(Tag),
}

impl Step {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Label(label) => format!("sets the label to \"{label}\""),
            Self::Class(class) => format!("sets the class to \"{class}\""),
            Self::Record { submit: true } => "records a visit and hands it in".into(),
            Self::Record { submit: false } => "records a visit".into(),
            Self::Submit(_) => "hands the visit in".into(),
            Self::Correct(_, minutes, _) => format!("corrects the visit to {minutes} minutes"),
            Self::Approve(_) => "approves the visit".into(),
            Self::Return(_) => "sends the visit back".into(),
        }
    }

    /// The row that the step is about, of which the person sees the server's version.
    pub(crate) fn looks_at(self) -> Vec<RowKey> {
        match self {
            Self::Label(_) | Self::Class(_) => vec![(RowType::HOUSEHOLD.0, household_id())],
            Self::Record { .. } => vec![],
            Self::Submit(of) | Self::Correct(of, ..) | Self::Approve(of) | Self::Return(of) => {
                vec![(RowType::VISIT_STATE.0, visit_of(of)), (RowType::VISIT_RECORDED.0, visit_of(of))]
            }
        }
    }

    /// The op, made by somebody who was looking at that version and that content.
    pub(crate) fn op(self, tag: Tag, seen: Ver, hash: [u8; 16], grants_rev: u64) -> Op {
        let set = |groups: (u8, Raw)| {
            let groups = ByKey(BTreeMap::from([groups]));
            Intent::HouseholdSet(SetGroups { id: household_id(), base_ver: seen, groups, ext: ext() })
        };
        let intent = match self {
            Self::Label(label) => set((household::LABEL, label_value(label))),
            Self::Class(class) => set((household::CLASS, class_value(class))),
            Self::Record { submit } => {
                Intent::VisitRecord(RecordVisit { content: Raw(content(30).cbor()), submit, plan: None, ext: ext() })
            }
            Self::Submit(of) => Intent::VisitSubmit(VisitRef { visit: VisitId(visit_of(of)), ext: ext() }),
            Self::Correct(of, minutes, submit) => Intent::VisitCorrect(CorrectVisit {
                visit: VisitId(visit_of(of)),
                base_ver: seen,
                content: Raw(content(minutes).cbor()),
                submit,
                ext: ext(),
            }),
            Self::Approve(of) => {
                Intent::VisitApprove(ApproveVisit { visit: VisitId(visit_of(of)), hash, batch: None, ext: ext() })
            }
            Self::Return(of) => {
                let reason = ReturnReason { code: "other".into(), activity: None, field: None, text: None, ext: ext() };
                Intent::VisitReturn(ReturnVisit {
                    visit: VisitId(visit_of(of)),
                    hash,
                    reasons: vec![reason],
                    note: None,
                    ext: ext(),
                })
            }
        };
        named(intent, tag, grants_rev)
    }
}

/// An op whose ids follow from its tag.
pub(crate) fn named(intent: Intent, tag: Tag, grants_rev: u64) -> Op {
    intent.into_op(Salt([tag; 16]), ClaimedMs(NOW.0 - 3_600_000 + u64::from(tag)), grants_rev)
}

/// The id of the visit that the step of that tag records.
pub(crate) fn visit_of(tag: Tag) -> Uuid {
    derive_id(DerivedTag::Row, ClaimedMs(NOW.0 - 3_600_000 + u64::from(tag)), &[tag; 16], 0)
}

fn ext() -> Ext {
    Ext::default()
}
fn label_value(label: &str) -> Raw {
    Raw(HouseholdLabel { label: label.into(), landmark: None, ext: ext() }.cbor())
}
fn class_value(class: &str) -> Raw {
    Raw(HouseholdClass { class: class.into(), ext: ext() }.cbor())
}

fn content(minutes: u32) -> VisitContent {
    let fields = BTreeMap::from([
        ("login_by_vneid".to_owned(), Value::Bool(true)),
        ("outcome".to_owned(), Value::Text("done".into())),
    ]);
    VisitContent {
        village: village().into(),
        team: TeamId(id(0x20)),
        household: Some(HouseholdId(household_id())),
        visit_type: "household".into(),
        day: Day::of_ms(NOW.0),
        minutes: Some(minutes),
        activities: vec![Activity { kind: "dvc_account".into(), fields, id: None, ext: ext() }],
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

/// The household as both phones know it at the start.
pub(crate) fn first_household() -> Register {
    let stamp = Stamp { ver: Ver::first(1), epoch: Epoch(1), n: 1 };
    let groups = [(household::LABEL, label_value("start")), (household::CLASS, class_value("normal"))];
    Register::new(RowType::HOUSEHOLD, household_id(), stamp, groups)
}

/// Units and the team: every phone has them.
fn fixed() -> &'static BTreeMap<RowKey, (ScopeId, Register)> {
    static FIXED: OnceLock<BTreeMap<RowKey, (ScopeId, Register)>> = OnceLock::new();
    FIXED.get_or_init(|| {
        let stamp = Stamp { ver: Ver::first(1), epoch: Epoch(1), n: 1 };
        let validity = Raw(Validity { from: Day(20_270), to: None, ext: ext() }.cbor());
        let unit = |level: &str, unit: Uuid, parent: Uuid| {
            let identity = UnitIdentity {
                level: level.into(),
                code: "04000".into(),
                unit_type: "xa".into(),
                name: "Mẫu".into(),
                full_name: "Mẫu".into(),
                local_name: None,
                ext: ext(),
            };
            let parent = UnitParent { parent: UnitId(parent), from: Day(20_270), former: vec![], ext: ext() };
            let values = [
                (unit::IDENTITY, Raw(identity.cbor())),
                (unit::PARENT, Raw(parent.cbor())),
                (unit::VALIDITY, validity.clone()),
            ];
            (ScopeId(unit), Register::new(RowType::UNIT, unit, stamp, values))
        };
        let identity =
            TeamIdentity { level: "village".into(), unit: village().into(), name: "Tổ mẫu".into(), ext: ext() };
        let values = [(team::IDENTITY, Raw(identity.cbor())), (team::VALIDITY, validity.clone())];
        let team = (village(), Register::new(RowType::TEAM, id(0x20), stamp, values));
        [unit("commune", commune(), Uuid::nil()), unit("village", village().0, commune()), team]
            .into_iter()
            .map(|(scope, register)| ((register.ty.0, register.id), (scope, register)))
            .collect()
    })
}

/// A row as it is kept and sent, with the tags whose effects it shows (a ghost).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Held {
    pub(crate) ver: u64,
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) folded: BTreeSet<Tag>,
}

impl Held {
    pub(crate) fn register(&self) -> Option<Register> {
        match read_row(&self.bytes).unwrap() {
            Row::Register(register) => Some(register),
            Row::Event(_) | Row::Opaque { .. } => None,
        }
    }
    pub(crate) fn event(&self) -> Option<Event> {
        match read_row(&self.bytes).unwrap() {
            Row::Event(event) => Some(event),
            Row::Register(_) | Row::Opaque { .. } => None,
        }
    }
}

/// The bucket of a row; everything lies in one village and one quarter.
pub(crate) fn bucket(key: RowKey) -> BucketId {
    BucketId::of(village(), RowType(key.0), NOW)
}

/// A role as the server keeps it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Given {
    pub(crate) id: Uuid,
    pub(crate) ended: Option<u64>,
}

/// Rows, and whatever else `decide` asks: the server's, or what a phone shows.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) rows: BTreeMap<RowKey, Held>,
    pub(crate) authors: BTreeMap<u64, usize>,
    pub(crate) grants_rev: u64,
    pub(crate) grants: Vec<Given>,
}

impl Rows {
    fn grant_of(given: &Given) -> Grant {
        Grant {
            id: GrantId(given.id),
            user: user(1),
            role: Role::Member.code().into(),
            unit: village().into(),
            from: Day(20_270),
            to: given.ended.map(|_| Day::of_ms(NOW.0)),
            ended: given.ended.map(|rev| (rev, NOW)),
            decision: None,
        }
    }

    /// Applies changes. What a phone predicts is marked with the tag too: nobody looks at a prediction's ghost.
    pub(crate) fn apply(&mut self, changes: &[Change]) -> Vec<RowKey> {
        let mut touched = Vec::new();
        for change in changes {
            let row = match change {
                Change::PutRegister { register, .. } | Change::Move { register, .. } => Row::Register(register.clone()),
                Change::PutEvent { event, .. } => Row::Event(event.clone()),
                Change::PutUser(user) => {
                    self.grants_rev = user.grants_rev;
                    continue;
                }
                Change::PutGrant(grant) => {
                    self.grants.retain(|given| given.id != grant.id.0);
                    self.grants.push(Given { id: grant.id.0, ended: grant.ended.map(|(rev, _)| rev) });
                    continue;
                }
            };
            let key = (row.ty().0, row.id());
            let held = Held { ver: row.ver().0, bytes: row.cbor().into(), folded: BTreeSet::new() };
            self.rows.insert(key, held);
            touched.push(key);
        }
        touched
    }

    /// The state of a visit, stored or as it was recorded.
    pub(crate) fn visit_state(&self, visit: Uuid) -> Option<Register> {
        match self.rows.get(&(RowType::VISIT_STATE.0, visit)) {
            Some(held) => held.register(),
            None => {
                let event = self.rows.get(&(RowType::VISIT_RECORDED.0, visit))?.event()?;
                Some(sync_protocol::decide::initial_state(&event))
            }
        }
    }

    /// The hash of the content that holds for a visit.
    pub(crate) fn hash(&self, visit: Uuid) -> [u8; 16] {
        let pointer = self.visit_state(visit).and_then(|state| state.group::<VisitPointer>(visit_state::CONTENT));
        pointer.map_or([0; 16], |pointer| pointer.hash)
    }
}

impl State for Rows {
    type Error = Infallible;

    fn register(&mut self, ty: RowType, id: Uuid) -> Result<Option<(ScopeId, Register)>, Infallible> {
        if let Some(known) = fixed().get(&(ty.0, id)) {
            return Ok(Some(known.clone()));
        }
        Ok(self.rows.get(&(ty.0, id)).and_then(Held::register).map(|register| (village(), register)))
    }
    fn registers_in(&mut self, _: ScopeId, ty: RowType) -> Result<Vec<Register>, Infallible> {
        let fixed = fixed().iter().filter(|((of, _), _)| *of == ty.0).map(|(_, (_, register))| register.clone());
        let held = self.rows.iter().filter(|((of, _), _)| *of == ty.0).filter_map(|(_, held)| held.register());
        Ok(fixed.chain(held).collect())
    }
    fn has_left(&mut self, _: ScopeId, _: RowType, _: Uuid) -> Result<bool, Infallible> {
        Ok(false)
    }
    fn event(&mut self, id: EventId) -> Result<Option<(ScopeId, Event)>, Infallible> {
        let types = [RowType::VISIT_RECORDED, RowType::VISIT_CORRECTED, RowType::VISIT_VOIDED];
        Ok(types
            .iter()
            .find_map(|ty| self.rows.get(&(ty.0, id.0)))
            .and_then(Held::event)
            .map(|event| (village(), event)))
    }
    fn activities_on(&mut self, _: UserId, _: Day) -> Result<u32, Infallible> {
        Ok(0)
    }
    fn author_of(&mut self, epoch: Epoch) -> Result<Option<UserId>, Infallible> {
        Ok(self.authors.get(&epoch.0).map(|who| user(*who)))
    }
    fn user(&mut self, id: UserId) -> Result<Option<User>, Infallible> {
        let grants_rev = if id == user(1) { self.grants_rev } else { 1 };
        let (display_name, phone) = ("Mẫu".to_owned(), "0900000000".to_owned());
        Ok(Some(User { id, display_name, phone, unit: UnitId(commune()), grants_rev, active: true }))
    }
    fn user_by_phone(&mut self, _: &str) -> Result<Option<UserId>, Infallible> {
        Ok(None)
    }
    fn grant(&mut self, id: GrantId) -> Result<Option<Grant>, Infallible> {
        Ok(self.grants.iter().find(|given| given.id == id.0).map(Self::grant_of))
    }
    fn grants_of(&mut self, _: UserId) -> Result<Vec<Grant>, Infallible> {
        Ok(self.grants.iter().map(Self::grant_of).collect())
    }
}

/// What somebody may do. Bình's roles come and go; everybody else's stay.
pub(crate) fn principal(who: usize, rows: &Rows) -> Principal {
    let held = |role| vec![Holding { scope: village(), role, ended: None }];
    match who {
        1 => {
            let holdings = rows.grants.iter().map(|given| Holding {
                scope: village(),
                role: Role::Member,
                ended: given.ended.map(|rev| Ended { rev, at: NOW }),
            });
            Principal { user: user(1), grants_rev: rows.grants_rev, holdings: holdings.collect() }
        }
        DESK => Principal { user: user(DESK), grants_rev: 1, holdings: held(Role::CommuneOfficer) },
        _ => Principal { user: user(who), grants_rev: 1, holdings: held(Role::Member) },
    }
}

/// Who gives and takes roles.
pub(crate) fn administrator() -> Principal {
    let holdings = vec![Holding { scope: INSTALLATION, role: Role::Admin, ended: None }];
    Principal { user: admin(), grants_rev: 1, holdings }
}

/// Where an op stands.
pub(crate) struct Place<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) epoch: u64,
    pub(crate) n: u64,
    pub(crate) lineage: &'a Lineage,
    pub(crate) server_epoch: u16,
}

/// Asks the real rules.
pub(crate) fn ask(rows: &mut Rows, place: &Place<'_>, bytes: &[u8]) -> Decision {
    let context = Context {
        principal: place.principal,
        epoch: Epoch(place.epoch),
        n: place.n,
        lineage: place.lineage,
        server_epoch: place.server_epoch,
        received: NOW,
        catalogue: Catalogue::shipped(),
    };
    let Ok(decision) = decide_bytes(rows, &context, bytes);
    decision
}
