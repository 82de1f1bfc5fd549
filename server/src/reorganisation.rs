//! Reorganisations of communes as a running server does them: looked at, applied in one transaction, listed, undone.
//!
//! The rules are those of `sync_protocol::units`. Here the part of the store that they ask for is loaded, and their plan
//! becomes ordinary ops in the admin's name, all of them or none. Source: docs/DOMAIN.md §3, "Reorganisation".

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sync_protocol::access::{Action, INSTALLATION, Principal, Role};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::decide::State;
use sync_protocol::entity::*;
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::row::{ByKey, Register, RowType};
use sync_protocol::units::{
    Block, CannotUndo, Change, Grant, Installation, Item, Level, ParentSpan, Plan, Preview, Reorganisation,
    ReorganisationId, TargetId, Unit, UnitType, Units, plan, preview, undo,
};
use sync_protocol::workflow::VisitStatus;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::desk::{Desk, RefusedOp, Together, has_function};
use crate::principal::principal;
use crate::reading::country::country;
use crate::reading::{Named, rfc3339};
use crate::storage::{Result as Stored, StorageError, Tx, VisitFilter};
use crate::work::AuditBody;

/// The decision of a role that a reorganisation gave, until somebody confirms it: the admin gives the same role under a
/// decision of the new commune and ends this one.
pub const TO_CONFIRM: &str = "Chờ xác nhận sau sắp xếp đơn vị hành chính";
const PAGE: usize = 500;

/// Why a reorganisation was not looked at, applied or undone. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReorganisationError {
    /// Only an admin of the installation does this.
    #[error("only an admin of the installation does this")]
    NotAllowed,
    /// There is no such reorganisation.
    #[error("there is no such reorganisation")]
    NotFound,
    /// A value that is not taken.
    #[error("{field}: {reason}")]
    BadValue {
        /// Which.
        field: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something stands in the way.
    #[error("{}", lines(.0.iter().map(|block| format!("{}: {}: {}", block.code, block.item.name, block.en))))]
    Blocked(Vec<BlockView>),
    /// Something depends on it.
    #[error("{} {}", CannotUndo::EN, lines(.0.iter().map(|item| format!("{} {}", item.path(), item.name))))]
    Depends(Vec<ItemView>),
    /// One of the ops was refused.
    #[error(transparent)]
    Refused(Box<RefusedOp>),
    /// The store failed.
    #[error(transparent)]
    Storage(StorageError),
}

fn lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("\n")
}

impl From<StorageError> for ReorganisationError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::GivenUp(why) => match why.downcast::<RefusedOp>() {
                Ok(refused) => Self::Refused(refused),
                Err(why) => Self::Storage(StorageError::GivenUp(why)),
            },
            error => Self::Storage(error),
        }
    }
}

type Answer<T> = Result<T, ReorganisationError>;

fn bad_value(field: impl Into<String>, reason: &'static str) -> ReorganisationError {
    ReorganisationError::BadValue { field: field.into(), reason }
}

/// Which reorganisation is wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// First day of the new communes.
    #[param(example = "2025-07-01")]
    pub effective: String,
    /// The communes that end, separated by commas: official codes of the day before, or ids.
    pub communes: Option<String>,
    /// Instead: all communes here that lay in the province of this code and are succeeded on that day.
    pub province: Option<String>,
    /// What goes where, separated by commas: `unit:<id>:<commune>` or `grant:<id>:<commune>`.
    pub assign: Option<String>,
}

/// A reorganisation to be applied.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReorganisation {
    /// First day of the new communes.
    #[schema(format = Date)]
    pub effective: String,
    /// The legal basis: number of the resolution.
    pub basis: String,
    /// The communes that end: official codes of the day before, or ids.
    pub communes: Vec<String>,
    /// What goes where, as far as communes are divided.
    #[serde(default)]
    pub assignments: Vec<Assignment>,
}

/// Where one thing of a divided commune goes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// `unit` for a village, `grant` for a role.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// The new commune: its official code on that day, or its id.
    pub commune: String,
}

/// Reads `kind:id:commune`.
impl FromStr for Assignment {
    type Err = ReorganisationError;

    fn from_str(text: &str) -> Answer<Self> {
        let mut parts = text.splitn(3, ':').map(str::trim);
        match (parts.next(), parts.next().and_then(|id| id.parse().ok()), parts.next()) {
            (Some(kind), Some(id), Some(commune)) => {
                Ok(Self { kind: kind.to_owned(), id, commune: commune.to_owned() })
            }
            _ => Err(bad_value("assign", "kind:id:commune is expected")),
        }
    }
}

/// A row that is spoken of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ItemView {
    /// `reorganisation`, `unit`, `grant`, `case`, `target`, `team`, `write`.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// What it is called; of a write, which op it was.
    pub name: String,
}

impl ItemView {
    /// Kind and id.
    pub fn path(&self) -> String {
        format!("{}:{}", self.kind, self.id)
    }
}

/// What stands in the way, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct BlockView {
    /// The row.
    #[serde(flatten)]
    pub item: ItemView,
    /// The stable code.
    pub code: String,
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
}

/// What a new commune gets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CommuneView {
    /// The commune.
    #[serde(flatten)]
    pub unit: Named,
    /// Villages.
    pub villages: u64,
    /// Their households.
    pub households: u64,
    /// Their teams in force.
    pub teams: u64,
    /// Their visits that are neither approved nor void.
    pub open_visits: u64,
    /// Open cases.
    pub open_cases: u64,
    /// Targets.
    pub targets: u64,
    /// People with a role there.
    pub users: u64,
}

/// What a phone must load again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PhoneView {
    /// The phone.
    pub device: Uuid,
    /// Bytes of rows that it holds of communes that end, before compression.
    pub bytes: u64,
}

/// What is to be assigned by hand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ChoiceView {
    /// The row.
    #[serde(flatten)]
    pub item: ItemView,
    /// The communes to choose from.
    pub choices: Vec<Named>,
}

/// What a reorganisation would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PreviewView {
    /// The id that it will have.
    pub id: Uuid,
    /// First day of the new communes.
    #[schema(format = Date)]
    pub effective: String,
    /// The communes that end.
    pub ends: Vec<Named>,
    /// What each new commune gets.
    pub communes: Vec<CommuneView>,
    /// The phones that hold rows of communes that end; all others load nothing but the changed rows of units.
    pub phones: Vec<PhoneView>,
    /// What must be assigned by hand and is not yet.
    pub by_hand: Vec<ChoiceView>,
    /// Teams of the communes that end; the new communes name their own.
    pub commune_teams: Vec<ItemView>,
    /// Everything that stands in the way.
    pub blocks: Vec<BlockView>,
}

/// A reorganisation that was applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ReorganisationView {
    /// Its id.
    pub id: Uuid,
    /// First day of the new communes.
    #[schema(format = Date)]
    pub effective: String,
    /// The legal basis.
    pub basis: String,
    /// The communes that ended.
    pub ends: Vec<Named>,
    /// `applied` or `undone`.
    pub status: String,
    /// Who did that.
    pub by: Uuid,
    /// When, by the server's clock.
    #[schema(format = DateTime)]
    pub at: String,
    /// Roles that it gave and that nobody has confirmed or ended yet.
    pub to_confirm: Vec<ToConfirm>,
}

/// A role that waits for confirmation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ToConfirm {
    /// The grant.
    pub grant: Uuid,
    /// Who holds it.
    pub user: Named,
    /// The role.
    pub role: String,
    /// The new commune.
    pub unit: Named,
}

/// A reorganisation as it was asked for, read.
#[derive(Clone, Debug)]
struct Asked {
    effective: Day,
    communes: BTreeSet<UnitId>,
    /// Only those that are here: a whole province was asked for.
    known_only: bool,
    assignments: Vec<(Item, UnitId)>,
}

fn registry() -> Answer<&'static Units> {
    country().ok_or_else(|| StorageError::Damaged("the shipped list of units breaks its own rules".into()).into())
}

fn day(text: &str) -> Answer<Day> {
    Day::parse(text).ok_or_else(|| bad_value("effective", "there is no such day; write YYYY-MM-DD"))
}

/// A commune by its id, or by its code on a day.
fn commune(text: &str, on: Day, field: String) -> Answer<UnitId> {
    if let Ok(id) = text.parse::<Uuid>() {
        return Ok(UnitId(id));
    }
    let found = registry()?.get(Level::Commune, text, on).map(|unit| unit.row_id);
    found.ok_or_else(|| bad_value(field, "no commune had this code on that day"))
}

impl Asked {
    fn new<'c>(
        effective: &str,
        communes: impl Iterator<Item = &'c str>,
        province: Option<&str>,
        assignments: Vec<Assignment>,
    ) -> Answer<Self> {
        let effective = day(effective)?;
        let before = Day(effective.0.saturating_sub(1));
        let named = communes.enumerate().map(|(at, code)| commune(code, before, format!("communes[{at}]")));
        let mut communes: BTreeSet<UnitId> = named.collect::<Answer<_>>()?;
        if let Some(code) = province {
            let registry = registry()?;
            let province = registry.get(Level::Province, code, before);
            let province =
                province.ok_or_else(|| bad_value("province", "no province had this code on the day before"))?;
            let ends = |unit: &&Unit| {
                let steps = registry.successions_of(unit.row_id);
                steps.iter().any(|step| step.effective == effective && step.new != unit.row_id)
                    && registry.ancestors(unit.row_id, before).iter().any(|above| above.row_id == province.row_id)
            };
            communes.extend(registry.on(Level::Commune, before).filter(ends).map(|unit| unit.row_id));
        }
        if communes.is_empty() {
            let reason = "name the communes, or a province with communes that are succeeded on that day";
            return Err(bad_value("communes", reason));
        }
        let read = |(at, assignment): (usize, Assignment)| {
            let item = match assignment.kind.as_str() {
                "unit" => Item::Unit(UnitId(assignment.id)),
                "grant" => Item::Grant(GrantId(assignment.id)),
                "target" => Item::Target(TargetId(assignment.id)),
                _ => return Err(bad_value(format!("assignments[{at}].kind"), "unit or grant is expected")),
            };
            let to = commune(&assignment.commune, effective, format!("assignments[{at}].commune"))?;
            Ok((item, to))
        };
        let assignments = assignments.into_iter().enumerate().map(read).collect::<Answer<_>>()?;
        Ok(Self { effective, communes, known_only: province.is_some(), assignments })
    }

    fn of_query(query: &PreviewQuery) -> Answer<Self> {
        let list = |text: &Option<String>| -> Vec<String> {
            let items = text.iter().flat_map(|text| text.split(',')).map(str::trim);
            items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let assignments = list(&query.assign).iter().map(|text| text.parse()).collect::<Answer<Vec<Assignment>>>()?;
        let communes = list(&query.communes);
        Self::new(&query.effective, communes.iter().map(String::as_str), query.province.as_deref(), assignments)
    }

    /// The rules' input: the reorganisation and the part of the store that it touches.
    fn load(&self, tx: &mut dyn Tx, now: ServerMs, registry: &Units) -> Stored<(Reorganisation, Loaded)> {
        let mut communes = BTreeSet::new();
        for commune in &self.communes {
            if !self.known_only || tx.live(RowType::UNIT, commune.0)?.is_some() {
                communes.insert(*commune);
            }
        }
        let mut loaded = Loaded::new(now);
        for commune in &communes {
            loaded.commune(tx, *commune)?;
            for step in registry.successions_of(*commune).iter().filter(|step| step.effective == self.effective) {
                loaded.with_above(tx, step.new)?;
                for above in registry.ancestors(step.new, self.effective) {
                    loaded.with_above(tx, above.row_id)?;
                }
            }
        }
        let id = ReorganisationId::of(self.effective, &communes);
        if let Some(row) = reorganisation_row(tx, id.0)?
            && row.1.status == "applied"
        {
            loaded.state.applied.insert(id);
        }
        let reorganisation = Reorganisation {
            id,
            effective: self.effective,
            communes: communes.into_iter().collect(),
            assignments: self.assignments.clone(),
        };
        Ok((reorganisation, loaded))
    }
}

fn register(tx: &mut dyn Tx, ty: RowType, id: Uuid) -> Stored<Option<Register>> {
    let Some((_, bytes)) = tx.live(ty, id)? else { return Ok(None) };
    register_of(&bytes).map(Some)
}

fn register_of(bytes: &[u8]) -> Stored<Register> {
    Register::from_cbor(bytes).map_err(|_| StorageError::Damaged("an unreadable register in the store".into()))
}

fn reorganisation_row(tx: &mut dyn Tx, id: Uuid) -> Stored<Option<(ReorganisationWhat, ReorganisationStatus)>> {
    let row = register(tx, RowType::REORGANISATION, id)?;
    Ok(row.and_then(|row| Some((row.group(reorganisation::WHAT)?, row.group(reorganisation::STATUS)?))))
}

/// A unit as the rules know it. `None` for one that a reorganisation opened and that was taken back.
fn unit_of(register: &Register) -> Option<Unit> {
    let identity: UnitIdentity = register.group(unit::IDENTITY)?;
    let parent: UnitParent = register.group(unit::PARENT)?;
    let validity: Validity = register.group(unit::VALIDITY)?;
    if validity.to.is_some_and(|to| to <= validity.from) {
        return None;
    }
    let level = Level::from_code(&identity.level)?;
    let usual = match level {
        Level::Province => UnitType::Tinh,
        Level::District => UnitType::Huyen,
        Level::Commune => UnitType::Xa,
        Level::Village => UnitType::Thon,
    };
    let spans = parent.spans().into_iter().filter(|(parent, ..)| ScopeId::from(*parent) != INSTALLATION);
    Some(Unit {
        row_id: UnitId(register.id),
        level,
        code: identity.code,
        unit_type: UnitType::from_code(&identity.unit_type).unwrap_or(usual),
        name: identity.name,
        full_name: identity.full_name,
        parents: spans.map(|(parent, from, to)| ParentSpan { parent, from, to: to.or(validity.to) }).collect(),
        valid_from: validity.from,
        valid_to: validity.to,
    })
}

/// The part of the store that the rules of a reorganisation look at, with what things are called.
struct Loaded {
    state: Installation,
    names: BTreeMap<Item, String>,
}

impl Loaded {
    fn new(now: ServerMs) -> Self {
        let state = Installation { today: Some(Day::of_ms(now.0)), ..Installation::default() };
        Self { state, names: BTreeMap::new() }
    }

    fn unit(&mut self, tx: &mut dyn Tx, id: UnitId) -> Stored<Option<&Unit>> {
        if !self.state.units.contains_key(&id)
            && let Some(unit) = register(tx, RowType::UNIT, id.0)?.as_ref().and_then(unit_of)
        {
            self.names.insert(Item::Unit(id), named(&unit));
            self.state.units.insert(id, unit);
        }
        Ok(self.state.units.get(&id))
    }

    /// A unit with those above it.
    fn with_above(&mut self, tx: &mut dyn Tx, id: UnitId) -> Stored<()> {
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| !self.state.units.contains_key(id)) {
            next = self.unit(tx, id)?.and_then(|unit| unit.parents.last()).map(|span| span.parent);
        }
        Ok(())
    }

    /// A commune with its villages and what belongs to either.
    fn commune(&mut self, tx: &mut dyn Tx, id: UnitId) -> Stored<()> {
        self.with_above(tx, id)?;
        for village in tx.units_below(id)? {
            self.unit(tx, village)?;
            let households = tx.count_rows(village.into(), RowType::HOUSEHOLD)?;
            self.state.households.insert(village, households);
            self.holder(tx, village)?;
            for case in self.open_cases(tx, village)? {
                self.state.open_cases.insert(case, village);
            }
        }
        self.holder(tx, id)?;
        // A conflict stays with its row, and those of a commune's own rows stay with the commune. Targets are no rows yet.
        for case in self.open_cases(tx, id)? {
            self.names.insert(Item::Case(case), case.to_string());
            self.state.cases_of_rows.insert(case, id);
        }
        let bytes = tx.bytes_of(id.into())?;
        let reads = |grant: &&Grant| {
            grant.unit == id && grant.to.is_none() && Role::from_code(&grant.role).is_some_and(Role::reads_rows)
        };
        for grant in self.state.grants.values().filter(reads) {
            for device in tx.devices_of(grant.user)?.into_iter().filter(|device| device.revoked.is_none()) {
                self.state.phones.entry(device.id).or_default().insert(id, bytes);
            }
        }
        Ok(())
    }

    /// Teams, open visits and roles of a village or commune.
    fn holder(&mut self, tx: &mut dyn Tx, unit: UnitId) -> Stored<()> {
        for bytes in tx.rows_of(unit.into(), RowType::TEAM, None, usize::MAX)? {
            let team = register_of(&bytes)?;
            let is_in_force = team.group::<Validity>(team::VALIDITY).is_none_or(|validity| validity.to.is_none());
            if is_in_force && let Some(identity) = team.group::<TeamIdentity>(team::IDENTITY) {
                self.state.teams.insert(TeamId(team.id), unit);
                self.names.insert(Item::Team(TeamId(team.id)), identity.name);
            }
        }
        for status in [VisitStatus::Done, VisitStatus::Submitted, VisitStatus::Returned] {
            let filter = VisitFilter {
                scopes: vec![unit.into()],
                status: Some(status),
                limit: usize::MAX,
                ..VisitFilter::default()
            };
            for visit in tx.visits(&filter)?.into_iter().filter(|visit| !visit.is_void) {
                self.state.open_visits.insert(visit.visit, unit);
            }
        }
        for grant in tx.grants_for(unit)? {
            // A role of no day was taken back.
            if grant.to.is_none_or(|to| grant.from < to) {
                self.grant(tx, grant)?;
            }
        }
        Ok(())
    }

    fn grant(&mut self, tx: &mut dyn Tx, grant: sync_protocol::decide::Grant) -> Stored<()> {
        let holder = tx.user(grant.user)?.map(|user| user.display_name).unwrap_or_default();
        self.names.insert(Item::Grant(grant.id), format!("{}: {holder}", grant.role));
        let to_confirm = grant.decision.as_deref() == Some(TO_CONFIRM);
        let sync_protocol::decide::Grant { id, user, role, unit, from, to, .. } = grant;
        self.state.grants.insert(id, Grant { user, role, unit, from, to, to_confirm });
        Ok(())
    }

    fn open_cases(&self, tx: &mut dyn Tx, unit: UnitId) -> Stored<Vec<CaseId>> {
        let mut open = Vec::new();
        for bytes in tx.rows_of(unit.into(), RowType::CASE, None, usize::MAX)? {
            let case = register_of(&bytes)?;
            let status: Option<CaseStatusValue> = case.group(case::STATUS);
            if status.is_none_or(|status| status.status == "open") {
                open.push(CaseId(case.id));
            }
        }
        Ok(open)
    }

    fn item(&self, registry: &Units, item: Item) -> ItemView {
        let (kind, id) = match item {
            Item::Reorganisation(id) => ("reorganisation", id.0),
            Item::Unit(id) => ("unit", id.0),
            Item::Grant(id) => ("grant", id.0),
            Item::Case(id) => ("case", id.0),
            Item::Target(id) => ("target", id.0),
            Item::Team(id) => ("team", id.0),
            Item::Write(id) => ("write", id),
        };
        let of_country = || registry.unit(UnitId(id)).map(named);
        let name = self.names.get(&item).cloned().or_else(of_country).unwrap_or_else(|| id.to_string());
        ItemView { kind: kind.to_owned(), id, name }
    }

    fn named(&self, registry: &Units, unit: UnitId) -> Named {
        Named { id: unit.0, name: self.item(registry, Item::Unit(unit)).name }
    }

    fn blocks(&self, registry: &Units, blocks: Vec<Block>) -> Vec<BlockView> {
        let view = |Block { item, reason }: Block| BlockView {
            item: self.item(registry, item),
            code: reason.code().to_owned(),
            vi: reason.vi().to_owned(),
            en: reason.en().to_owned(),
        };
        blocks.into_iter().map(view).collect()
    }

    fn preview(&self, registry: &Units, reorganisation: &Reorganisation) -> PreviewView {
        let Preview { communes, bytes_to_move, by_hand, commune_teams, blocks } =
            preview(registry, reorganisation, &self.state);
        let commune = |(unit, tally): (UnitId, sync_protocol::units::Tally)| CommuneView {
            unit: self.named(registry, unit),
            villages: tally.villages,
            households: tally.households,
            teams: tally.teams,
            open_visits: tally.open_visits,
            open_cases: tally.open_cases,
            targets: tally.targets,
            users: tally.users,
        };
        let choice = |(item, choices): (Item, Vec<UnitId>)| ChoiceView {
            item: self.item(registry, item),
            choices: choices.into_iter().map(|unit| self.named(registry, unit)).collect(),
        };
        PreviewView {
            id: reorganisation.id.0,
            effective: reorganisation.effective.to_string(),
            ends: reorganisation.communes.iter().map(|unit| self.named(registry, *unit)).collect(),
            communes: communes.into_iter().map(commune).collect(),
            phones: bytes_to_move.into_iter().map(|(device, bytes)| PhoneView { device: device.0, bytes }).collect(),
            by_hand: by_hand.into_iter().map(choice).collect(),
            commune_teams: commune_teams.into_iter().map(|team| self.item(registry, Item::Team(team))).collect(),
            blocks: self.blocks(registry, blocks),
        }
    }
}

fn named(unit: &Unit) -> String {
    format!("{} ({})", unit.full_name, unit.code)
}

fn raw(value: &impl Cbor) -> Raw {
    Raw(value.cbor())
}

fn is_admin(principal: &Principal, now: ServerMs) -> bool {
    has_function(principal, Action::GrantOfficeRole, now)
}

impl Desk {
    /// Says what a reorganisation would do.
    pub async fn preview_reorganisation(&self, by: UserId, query: PreviewQuery) -> Answer<PreviewView> {
        let (asked, registry, now) = (Asked::of_query(&query)?, registry()?, (self.clock)());
        let read = self.store.read(move |tx| {
            if !is_admin(&principal(tx, by, now)?, now) {
                return Ok(Err(ReorganisationError::NotAllowed));
            }
            let (reorganisation, loaded) = asked.load(tx, now, registry)?;
            Ok(Ok(loaded.preview(registry, &reorganisation)))
        });
        read.await?
    }

    /// Applies a reorganisation: all of it, or nothing.
    pub async fn apply_reorganisation(&self, by: UserId, body: NewReorganisation) -> Answer<ReorganisationView> {
        let communes = body.communes.iter().map(String::as_str);
        let asked = Asked::new(&body.effective, communes, None, body.assignments)?;
        let (registry, basis) = (registry()?, sync_protocol::text::clean(&body.basis));
        if basis.is_empty() {
            return Err(bad_value("basis", "the number of the resolution is missing"));
        }
        let applied = self.together(by, move |together| {
            if !is_admin(&together.principal, together.now()) {
                return Ok(Err(ReorganisationError::NotAllowed));
            }
            let now = together.now();
            let (reorganisation, loaded) = asked.load(together.work.tx(), now, registry)?;
            let plan = match plan(registry, &reorganisation, &loaded.state) {
                Ok(plan) => plan,
                Err(blocks) => return Ok(Err(ReorganisationError::Blocked(loaded.blocks(registry, blocks)))),
            };
            let done = carry_out(together, &plan)?;
            let scope = province_of(together, registry, &reorganisation)?;
            let what = ReorganisationWhat {
                effective: reorganisation.effective,
                basis: basis.clone(),
                communes: reorganisation.communes,
                closed: done.closed,
                opened: done.opened,
                moves: done.moves.into_values().collect(),
                ext: Ext::default(),
            };
            let record = RecordReorganisation { id: plan.id.0, scope, what, ext: Ext::default() };
            together.take(Intent::ReorganisationRecord(record))?;
            Ok(Ok(plan.id.0))
        });
        let id = applied.await??;
        self.reorganisation(by, id).await
    }

    /// Takes a reorganisation back, unless something depends on it.
    pub async fn undo_reorganisation(&self, by: UserId, id: Uuid) -> Answer<ReorganisationView> {
        let registry = registry()?;
        let undone = self.together(by, move |together| {
            if !is_admin(&together.principal, together.now()) {
                return Ok(Err(ReorganisationError::NotAllowed));
            }
            let now = together.now();
            let tx = together.work.tx();
            let Some((what, status)) = reorganisation_row(tx, id)? else {
                return Ok(Err(ReorganisationError::NotFound));
            };
            let mut loaded = Loaded::new(now);
            if status.status == "applied" {
                loaded.state.applied.insert(ReorganisationId(id));
            }
            let done = applied_plan(tx, &mut loaded, registry, id, &what)?;
            let writes = later_writes(tx, &mut loaded, id, &what, status.at)?;
            let back = match undo(&done, &loaded.state, &writes) {
                Ok(back) => back,
                Err(CannotUndo(items)) => {
                    let items = items.into_iter().map(|item| loaded.item(registry, item));
                    return Ok(Err(ReorganisationError::Depends(items.collect())));
                }
            };
            carry_out(together, &back)?;
            together.take(Intent::ReorganisationUndo(ReorganisationRef { id, ext: Ext::default() }))?;
            Ok(Ok(()))
        });
        undone.await??;
        self.reorganisation(by, id).await
    }

    /// All reorganisations, with the roles that wait for confirmation.
    pub async fn reorganisations(&self, by: UserId) -> Answer<Vec<ReorganisationView>> {
        let (registry, now) = (registry()?, (self.clock)());
        let read = self.store.read(move |tx| {
            if !is_admin(&principal(tx, by, now)?, now) {
                return Ok(Err(ReorganisationError::NotAllowed));
            }
            let mut views = Vec::new();
            for (_, bytes) in tx.all_rows(RowType::REORGANISATION, None, usize::MAX)? {
                let row = register_of(&bytes)?;
                if let (Some(what), Some(status)) = (row.group(reorganisation::WHAT), row.group(reorganisation::STATUS))
                {
                    views.push(view(tx, registry, now, row.id, &what, status)?);
                }
            }
            Ok(Ok(views))
        });
        read.await?
    }

    async fn reorganisation(&self, by: UserId, id: Uuid) -> Answer<ReorganisationView> {
        let all = self.reorganisations(by).await?;
        all.into_iter().find(|view| view.id == id).ok_or(ReorganisationError::NotFound)
    }
}

fn view(
    tx: &mut dyn Tx,
    registry: &Units,
    now: ServerMs,
    id: Uuid,
    what: &ReorganisationWhat,
    status: ReorganisationStatus,
) -> Stored<ReorganisationView> {
    let mut loaded = Loaded::new(now);
    let mut to_confirm = Vec::new();
    for commune in &what.communes {
        loaded.unit(tx, *commune)?;
    }
    for moved in what.moves.iter().flat_map(|step| &step.grants) {
        if let Some(grant) = tx.grant(moved.new)?.filter(|grant| grant.ended.is_none()) {
            loaded.unit(tx, grant.unit)?;
            let name = tx.user(grant.user)?.map(|user| user.display_name).unwrap_or_default();
            to_confirm.push(ToConfirm {
                grant: grant.id.0,
                user: Named { id: grant.user.0, name },
                role: grant.role,
                unit: loaded.named(registry, grant.unit),
            });
        }
    }
    Ok(ReorganisationView {
        id,
        effective: what.effective.to_string(),
        basis: what.basis.clone(),
        ends: what.communes.iter().map(|unit| loaded.named(registry, *unit)).collect(),
        status: status.status,
        by: status.by.0,
        at: rfc3339(status.at.0),
        to_confirm,
    })
}

/// The province in which all new communes lie, when there is one here; else the installation.
fn province_of(together: &mut Together<'_, '_>, registry: &Units, what: &Reorganisation) -> Stored<ScopeId> {
    let new = what.communes.iter().flat_map(|commune| registry.successions_of(*commune));
    let new = new.filter(|step| step.effective == what.effective).map(|step| step.new);
    let above: BTreeSet<Option<UnitId>> =
        new.map(|unit| registry.ancestors(unit, what.effective).last().map(|unit| unit.row_id)).collect();
    let one = above.into_iter().collect::<Option<Vec<UnitId>>>().unwrap_or_default();
    match one[..] {
        [province] if together.work.register(RowType::UNIT, province.0)?.is_some() => Ok(province.into()),
        _ => Ok(INSTALLATION),
    }
}

/// What a plan came to, in ops.
#[derive(Default)]
struct Done {
    closed: Vec<UnitId>,
    opened: Vec<UnitId>,
    moves: BTreeMap<(UnitId, UnitId), ReorganisationMove>,
}

impl Done {
    fn step(&mut self, old: UnitId, new: UnitId) -> &mut ReorganisationMove {
        let empty = ReorganisationMove { old, new, villages: vec![], grants: vec![], ext: Ext::default() };
        self.moves.entry((old, new)).or_insert(empty)
    }
}

/// Makes a plan's changes as ops, in its order.
fn carry_out(together: &mut Together<'_, '_>, plan: &Plan) -> Stored<Done> {
    let mut done = Done::default();
    // The role that ends stands before the one that continues it.
    let mut ended: Option<(GrantId, UnitId)> = None;
    for change in &plan.changes {
        match change {
            Change::Unit { before: None, after: Some(unit), .. } => {
                open(together, unit)?;
                done.opened.push(unit.row_id);
            }
            // Units cannot be taken away; `reorganisation.undo` ends them on their first day.
            Change::Unit { after: None, .. } => {}
            Change::Unit { before: Some(before), after: Some(after), .. } => {
                change_unit(together, before, after)?;
                match (before.parents.last(), after.parents.last()) {
                    (Some(old), Some(new)) if after.level == Level::Village => {
                        done.step(old.parent, new.parent).villages.push(after.row_id);
                    }
                    _ => done.closed.push(after.row_id),
                }
            }
            Change::Grant { row, before: Some(before), after: Some(after) } => {
                change_grant(together, *row, before, after)?;
                ended = Some((*row, before.unit));
            }
            Change::Grant { before: None, after: Some(grant), .. } => {
                let new = give(together, grant, Some(TO_CONFIRM.to_owned()), grant.from)?;
                if let Some(to) = grant.to {
                    end(together, new, to)?;
                }
                if let Some((old, unit)) = ended.take() {
                    done.step(unit, grant.unit).grants.push(MovedGrant { old, new, ext: Ext::default() });
                }
            }
            Change::Grant { row, before: Some(before), after: None } => {
                // A role that was given with its end has it already.
                if before.to.is_none() {
                    end(together, *row, before.from)?;
                }
            }
            Change::Grant { before: None, after: None, .. } => {}
            Change::Case { .. } | Change::Target { .. } => {
                return Err(StorageError::Failed("no op moves a case or a target, so none is loaded".into()));
            }
        }
    }
    Ok(done)
}

/// Enters a unit of the official lists, or puts one into force again that was taken back.
fn open(together: &mut Together<'_, '_>, unit: &Unit) -> Stored<()> {
    let validity = Validity { from: unit.valid_from, to: unit.valid_to, ext: Ext::default() };
    if let Some((_, row)) = together.work.register(RowType::UNIT, unit.row_id.0)? {
        return set(together, &row, [(unit::VALIDITY, raw(&validity))]);
    }
    let identity = UnitIdentity {
        level: unit.level.code().into(),
        code: unit.code.clone(),
        unit_type: unit.unit_type.code().into(),
        name: unit.name.clone(),
        full_name: unit.full_name.clone(),
        local_name: None,
        ext: Ext::default(),
    };
    let (parent, from) =
        unit.parents.last().map_or((UnitId::from(INSTALLATION), unit.valid_from), |span| (span.parent, span.from));
    let belongs = UnitParent { parent, from, former: vec![], ext: Ext::default() };
    let groups = BTreeMap::from([
        (unit::IDENTITY, raw(&identity)),
        (unit::PARENT, raw(&belongs)),
        (unit::VALIDITY, raw(&validity)),
    ]);
    let id = Some(unit.row_id.0);
    together.take(Intent::UnitCreate(CreateRow {
        scope: parent.into(),
        groups: ByKey(groups),
        id,
        ext: Ext::default(),
    }))?;
    Ok(())
}

fn set(together: &mut Together<'_, '_>, row: &Register, groups: impl IntoIterator<Item = (u8, Raw)>) -> Stored<()> {
    let groups: BTreeMap<u8, Raw> = groups.into_iter().collect();
    if !groups.is_empty() {
        let body = SetGroups { id: row.id, base_ver: row.ver, groups: ByKey(groups), ext: Ext::default() };
        together.take(Intent::UnitSet(body))?;
    }
    Ok(())
}

/// Gives a commune another last day, or a village another commune.
fn change_unit(together: &mut Together<'_, '_>, before: &Unit, after: &Unit) -> Stored<()> {
    let Some((_, row)) = together.work.register(RowType::UNIT, after.row_id.0)? else {
        return Err(StorageError::Damaged("a unit that was just read is gone".into()));
    };
    let mut groups = Vec::new();
    if before.valid_to != after.valid_to
        && let Some(validity) = row.group::<Validity>(unit::VALIDITY)
    {
        groups.push((unit::VALIDITY, raw(&Validity { to: after.valid_to, ..validity })));
    }
    if after.level == Level::Village
        && let Some(span) = after.parents.last()
    {
        let parent = UnitParent { parent: span.parent, from: span.from, former: vec![], ext: Ext::default() };
        groups.push((unit::PARENT, raw(&parent)));
    }
    set(together, &row, groups)
}

/// Ends a role, or gives it again from the day on which it had ended. One that ends on a day to come anyway is left to.
fn change_grant(together: &mut Together<'_, '_>, row: GrantId, before: &Grant, after: &Grant) -> Stored<()> {
    match (before.to, after.to) {
        (None, Some(to)) => end(together, row, to),
        (Some(ended), None) => {
            let decision = together.work.grant(row)?.and_then(|grant| grant.decision);
            give(together, after, decision, ended)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn end(together: &mut Together<'_, '_>, grant: GrantId, to: Day) -> Stored<()> {
    together.take(Intent::GrantEnd(EndGrant { grant, to, ext: Ext::default() }))?;
    Ok(())
}

fn give(together: &mut Together<'_, '_>, grant: &Grant, decision: Option<String>, from: Day) -> Stored<GrantId> {
    let Grant { user, role, unit, .. } = grant.clone();
    together.take(Intent::GrantGive(GiveGrant { user, role, unit, from, decision, ext: Ext::default() })).map(GrantId)
}

/// The plan that an applied reorganisation carried out, as its row and the present state tell it. What is no longer as
/// the reorganisation left it does not fit the state, and so counts as changed.
fn applied_plan(
    tx: &mut dyn Tx,
    loaded: &mut Loaded,
    registry: &Units,
    id: Uuid,
    what: &ReorganisationWhat,
) -> Stored<Plan> {
    let new: BTreeSet<UnitId> = what.moves.iter().map(|step| step.new).chain(what.opened.iter().copied()).collect();
    for commune in &new {
        loaded.commune(tx, *commune)?;
    }
    let effective = what.effective;
    let mut changes = Vec::new();
    let mut change = |row, before: Option<Unit>, after: Unit| {
        changes.push(Change::Unit { row, before: before.map(Box::new), after: Some(Box::new(after)) });
    };
    for row in &what.closed {
        if let Some(now) = loaded.unit(tx, *row)?.cloned() {
            let ending = |to: Option<Day>| {
                let mut unit = Unit { valid_to: to, ..now.clone() };
                if let Some(last) = unit.parents.last_mut() {
                    last.to = to;
                }
                unit
            };
            change(*row, Some(ending(None)), ending(Some(effective)));
        }
    }
    for row in &what.opened {
        let now = loaded.unit(tx, *row)?.cloned();
        if let Some(unit) = registry.unit(*row).cloned().or(now) {
            change(*row, None, unit);
        }
    }
    for step in &what.moves {
        for row in &step.villages {
            if let Some(now) = loaded.unit(tx, *row)?.cloned() {
                let (before, after) = returned(now, step);
                change(*row, Some(before), after);
            }
        }
    }
    for moved in what.moves.iter().flat_map(|step| &step.grants) {
        for grant in [moved.old, moved.new] {
            if let Some(grant) = tx.grant(grant)? {
                loaded.grant(tx, grant)?;
            }
        }
        let held = |grant| loaded.state.grants.get(&grant).cloned();
        let (Some(old), Some(new)) = (held(moved.old), held(moved.new)) else { continue };
        let last = effective.max(old.from);
        // An end that was foreseen for later stayed as it was, and went along.
        let foreseen = old.to.filter(|to| *to > last);
        if foreseen.is_none() {
            let (before, after) = (Grant { to: None, ..old.clone() }, Grant { to: Some(last), ..old });
            changes.push(Change::Grant { row: moved.old, before: Some(before), after: Some(after) });
        }
        let given = Grant { to: foreseen, to_confirm: true, ..new };
        changes.push(Change::Grant { row: moved.new, before: None, after: Some(given) });
    }
    Ok(Plan { id: ReorganisationId(id), in_effect: true, changes })
}

/// A village as it was before a step, and as the step left it.
fn returned(now: Unit, step: &ReorganisationMove) -> (Unit, Unit) {
    let (mut before, mut after) = (now.clone(), now);
    let Some(last) = before.parents.pop() else { return (before, after) };
    match before.parents.last_mut() {
        Some(span) if span.parent == step.old => span.to = last.to,
        _ => before.parents.push(ParentSpan { parent: step.old, ..last }),
    }
    if let Some(span) = after.parents.last_mut() {
        span.parent = step.new;
    }
    (before, after)
}

/// The ops on new communes after a reorganisation, from their audit trails: the row of each, and its commune.
fn later_writes(
    tx: &mut dyn Tx,
    loaded: &mut Loaded,
    id: Uuid,
    what: &ReorganisationWhat,
    applied: ServerMs,
) -> Stored<Vec<(Uuid, UnitId)>> {
    let grants = what.moves.iter().flat_map(|step| &step.grants).map(|moved| moved.new.0);
    let own: BTreeSet<Uuid> = what.opened.iter().map(|unit| unit.0).chain(grants).chain([id]).collect();
    let communes: BTreeSet<UnitId> =
        what.moves.iter().map(|step| step.new).chain(what.opened.iter().copied()).collect();
    let mut writes = Vec::new();
    for commune in communes {
        let mut seq = 0;
        loop {
            let page = tx.audit_after(commune.into(), seq, PAGE)?;
            for entry in &page {
                seq = entry.seq;
                let Ok(body) = AuditBody::from_cbor(&entry.body) else { continue };
                let is_op = OpName::ALL.iter().any(|name| name.text() == body.action);
                if let Some(row) = body.object
                    && is_op
                    && body.at >= applied
                    && body.outcome.starts_with("applied")
                    && !own.contains(&row)
                {
                    loaded.names.insert(Item::Write(row), body.action);
                    writes.push((row, commune));
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
    }
    Ok(writes)
}
