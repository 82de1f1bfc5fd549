//! A reorganisation of communes as a plan: looked at first, then applied as one list of changes, and undone as one.
//!
//! A village keeps its row, and with it its households, teams, visits and the data on phones; only its parent changes.
//! What hung on a closed commune moves to the new one. Every change carries what was there before, so undoing a plan
//! is the same list backwards. Source: docs/DOMAIN.md §3, "Reorganisation".

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Level, ParentSpan, Succession, Unit, Units};
use crate::ids::{CaseId, Day, DeviceId, GrantId, TeamId, UnitId, UserId, VisitId};

/// A reorganisation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReorganisationId(pub Uuid);

impl ReorganisationId {
    /// The id that follows from the day and the communes that end: a UUID of version 8 from
    /// `BLAKE3("thonso/reorganisation/1" ‖ effective ‖ communes)`, the day as four bytes, most significant first, the
    /// communes' ids in ascending order.
    pub fn of(effective: Day, communes: &BTreeSet<UnitId>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"thonso/reorganisation/1").update(&effective.0.to_be_bytes());
        for commune in communes {
            hasher.update(commune.as_bytes());
        }
        Self(uuid_of(&hasher))
    }
}

/// A UUID of version 8 from the first bytes of a hash.
fn uuid_of(hasher: &blake3::Hasher) -> Uuid {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A published target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TargetId(pub Uuid);

/// A role that a user holds for a unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Who.
    pub user: UserId,
    /// The role's code.
    pub role: String,
    /// Where.
    pub unit: UnitId,
    /// First day.
    pub from: Day,
    /// First day on which it no longer holds.
    pub to: Option<Day>,
    /// Moved here by a reorganisation; the new commune has yet to confirm it.
    pub to_confirm: bool,
}

/// What an installation holds at present, as far as a reorganisation touches it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Installation {
    /// The day of this picture. A reorganisation is applied from its first day on; `None` does not ask.
    pub today: Option<Day>,
    /// All rows of units, closed ones too.
    pub units: BTreeMap<UnitId, Unit>,
    /// Number of households of each village.
    pub households: BTreeMap<UnitId, u64>,
    /// Each team's village or commune.
    pub teams: BTreeMap<TeamId, UnitId>,
    /// Each open visit's village.
    pub open_visits: BTreeMap<VisitId, UnitId>,
    /// The village or commune that each open case belongs to.
    pub open_cases: BTreeMap<CaseId, UnitId>,
    /// Open cases about a row that stays with a commune, and that commune: they are settled before it ends.
    pub cases_of_rows: BTreeMap<CaseId, UnitId>,
    /// The unit of each target.
    pub targets: BTreeMap<TargetId, UnitId>,
    /// Roles, ended ones too.
    pub grants: BTreeMap<GrantId, Grant>,
    /// Bytes that each phone holds of each unit.
    pub phones: BTreeMap<DeviceId, BTreeMap<UnitId, u64>>,
    /// Reorganisations in effect.
    pub applied: BTreeSet<ReorganisationId>,
}

/// One thing that a reorganisation moves, or that depends on one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Item {
    /// The reorganisation itself. Blocks or depends only.
    Reorganisation(ReorganisationId),
    /// A unit; a village among those that can be assigned.
    Unit(UnitId),
    /// A role held for a commune.
    Grant(GrantId),
    /// An open case of a commune.
    Case(CaseId),
    /// A target of a commune.
    Target(TargetId),
    /// A team of a new commune. Depends only.
    Team(TeamId),
    /// A row of a new commune that was written later. Depends only.
    Write(Uuid),
}

/// What is to be done: which communes change on which day, and where that is not clear, what goes where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reorganisation {
    /// Its id.
    pub id: ReorganisationId,
    /// First day of the new communes.
    pub effective: Day,
    /// The communes that end, in any order.
    pub communes: Vec<UnitId>,
    /// New commune of each item of a divided commune, in any order.
    pub assignments: Vec<(Item, UnitId)>,
}

/// What a new commune will have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Villages.
    pub villages: u64,
    /// Their households.
    pub households: u64,
    /// Their teams.
    pub teams: u64,
    /// Their open visits.
    pub open_visits: u64,
    /// Open cases of villages and of the old communes.
    pub open_cases: u64,
    /// Targets of villages and of the old communes.
    pub targets: u64,
    /// People with a role in the villages or, until confirmed, in the commune.
    pub users: u64,
}

/// What a reorganisation would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preview {
    /// What each new commune gets from the old ones.
    pub communes: BTreeMap<UnitId, Tally>,
    /// Bytes that each phone must load again: what it holds of units that end. Villages keep their rows and move none.
    pub bytes_to_move: BTreeMap<DeviceId, u64>,
    /// What must be assigned by hand and is not yet, with the communes to choose from.
    pub by_hand: BTreeMap<Item, Vec<UnitId>>,
    /// Teams of the old communes. They stay where they are until a new decision names the new commune's team.
    pub commune_teams: BTreeSet<TeamId>,
    /// Everything that stands in the way, `by_hand` included; sorted.
    pub blocks: Vec<Block>,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $code:literal $vi:literal $en:literal,)+) => {
        /// Why a reorganisation cannot be applied.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum BlockReason { $($(#[$doc])* $variant,)+ }

        impl BlockReason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// The stable code.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)+ } }
            /// In plain Vietnamese, with what to do.
            pub fn vi(self) -> &'static str { match self { $(Self::$variant => $vi,)+ } }
            /// In plain English, with what to do.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)+ } }
        }
    };
}

reasons! {
    /// The reorganisation is in effect.
    AlreadyApplied "already_applied"
        "Đợt sắp xếp này đã được áp dụng."
        "This reorganisation is already in effect.",
    /// The first day is still to come.
    NotYet "not_yet"
        "Chưa đến ngày hiệu lực. Hãy áp dụng từ ngày đó."
        "The first day is still to come. Apply it from that day on.",
    /// The installation does not have the commune.
    UnknownUnit "unknown_unit"
        "Hệ thống không có đơn vị này. Hãy kiểm tra mã và danh sách xã, hoặc nhập danh mục đơn vị."
        "This unit is not here. Check the code and the list of communes, or import the official units.",
    /// The commune ended on another day, or began no earlier.
    NotInForce "not_in_force"
        "Xã không còn hoặc chưa có hiệu lực ngay trước ngày này. Hãy kiểm tra ngày và danh sách xã."
        "The commune was not in force until that day. Check the day and the list of communes.",
    /// The units above lead back to the unit.
    CyclicTree "cyclic_tree"
        "Các đơn vị cấp trên lặp vòng. Hãy sửa đơn vị cấp trên của xã này."
        "The units above this one lead back to it. Correct the unit above it.",
    /// The unit is no commune.
    NotACommune "not_a_commune"
        "Chỉ sắp xếp được đơn vị cấp xã. Hãy bỏ đơn vị này khỏi danh sách."
        "Only communes can be reorganised. Take this unit off the list.",
    /// No succession of that day begins at the commune.
    NoSuccessor "no_successor"
        "Không có đơn vị kế tiếp của xã vào ngày này. Hãy kiểm tra ngày hiệu lực."
        "The commune has no successor on that day. Check the day.",
    /// An item of a divided commune has no new commune yet.
    Unassigned "unassigned"
        "Xã bị chia, chưa chọn xã mới. Hãy chọn một trong các xã mới."
        "The commune is divided and nobody has said where this goes. Choose one of the new communes.",
    /// Two assignments of one item differ.
    AssignedTwice "assigned_twice"
        "Mục này được gán cho hai xã mới khác nhau. Hãy chỉ giữ một."
        "This is assigned to two different communes. Keep one.",
    /// The item is none of the old communes', or the chosen commune is none of its successors.
    BadAssignment "bad_assignment"
        "Mục này không thuộc xã được sắp xếp, hoặc xã được chọn không phải đơn vị kế tiếp. Hãy sửa lại."
        "This is not part of the old communes, or the chosen commune does not succeed its own. Correct the choice.",
    /// A case about a row of the commune itself is open.
    CaseOpen "case_open"
        "Xã còn xung đột dữ liệu chưa giải quyết. Hãy giải quyết trước khi sắp xếp."
        "A conflict about the commune's own record is open. Settle it first.",
    /// What the plan would change is not as it was when the plan was made.
    Changed "changed"
        "Dữ liệu đã thay đổi sau khi lập phương án. Hãy xem trước lại."
        "The data changed after the plan was made. Look at the preview again.",
}

/// One thing that stands in the way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
#[error("{}: {item:?}: {}", .reason.code(), .reason.en())]
pub struct Block {
    /// What is concerned.
    pub item: Item,
    /// Why it blocks.
    pub reason: BlockReason,
}

/// One row before and after. `None` before: opened. `None` after: taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A unit is closed, opened, or gets another parent.
    Unit {
        /// Its row.
        row: UnitId,
        /// As it was.
        before: Option<Box<Unit>>,
        /// As it becomes.
        after: Option<Box<Unit>>,
    },
    /// A role ends, or begins at the new commune.
    Grant {
        /// Its row.
        row: GrantId,
        /// As it was.
        before: Option<Grant>,
        /// As it becomes.
        after: Option<Grant>,
    },
    /// An open case moves.
    Case {
        /// Its row.
        row: CaseId,
        /// Old commune.
        before: UnitId,
        /// New commune.
        after: UnitId,
    },
    /// A target moves.
    Target {
        /// Its row.
        row: TargetId,
        /// Old commune.
        before: UnitId,
        /// New commune.
        after: UnitId,
    },
}

impl Change {
    fn item(&self) -> Item {
        match self {
            Self::Unit { row, .. } => Item::Unit(*row),
            Self::Grant { row, .. } => Item::Grant(*row),
            Self::Case { row, .. } => Item::Case(*row),
            Self::Target { row, .. } => Item::Target(*row),
        }
    }

    fn inverse(self) -> Self {
        match self {
            Self::Unit { row, before, after } => Self::Unit { row, before: after, after: before },
            Self::Grant { row, before, after } => Self::Grant { row, before: after, after: before },
            Self::Case { row, before, after } => Self::Case { row, before: after, after: before },
            Self::Target { row, before, after } => Self::Target { row, before: after, after: before },
        }
    }

    /// Whether the row is as the change expects it.
    fn fits(&self, state: &Installation) -> bool {
        match self {
            Self::Unit { row, before, .. } => state.units.get(row) == before.as_deref(),
            Self::Grant { row, before, .. } => state.grants.get(row) == before.as_ref(),
            Self::Case { row, before, .. } => state.open_cases.get(row) == Some(before),
            Self::Target { row, before, .. } => state.targets.get(row) == Some(before),
        }
    }

    fn apply(&self, state: &mut Installation) {
        fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, row: K, value: Option<V>) {
            match value {
                Some(value) => map.insert(row, value),
                None => map.remove(&row),
            };
        }
        match self {
            Self::Unit { row, after, .. } => put(&mut state.units, *row, after.as_deref().cloned()),
            Self::Grant { row, after, .. } => put(&mut state.grants, *row, after.clone()),
            Self::Case { row, after, .. } => put(&mut state.open_cases, *row, Some(*after)),
            Self::Target { row, after, .. } => put(&mut state.targets, *row, Some(*after)),
        }
    }
}

/// An ordered list of changes that take effect together: close the old communes, open the new ones, give villages their
/// new parent, move roles, open cases, targets. Each row is changed at most once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The reorganisation.
    pub id: ReorganisationId,
    /// Whether the reorganisation is in effect afterwards; `false` in a plan that undoes one.
    pub in_effect: bool,
    /// What changes, in order.
    pub changes: Vec<Change>,
}

/// What depends on a plan, so that it cannot be undone; sorted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {0:?}: {en}", code = CannotUndo::CODE, en = CannotUndo::EN)]
pub struct CannotUndo(pub Vec<Item>);

impl CannotUndo {
    /// The stable code.
    pub const CODE: &str = "cannot_undo";
    /// In plain Vietnamese, with what to do.
    pub const VI: &str =
        "Không hoàn tác được vì đã có dữ liệu mới ở xã mới. Hãy chuyển hoặc thu hồi các mục này trước.";
    /// In plain English, with what to do.
    pub const EN: &str = "These came after the reorganisation. Move or withdraw them first.";
}

/// An old commune on its way.
struct Route<'r> {
    old: UnitId,
    to: Vec<&'r Unit>,
}

/// What a reorganisation comes to: the preview, where each item goes, and the communes concerned.
struct Worked<'r> {
    preview: Preview,
    routes: Vec<Route<'r>>,
    goes: BTreeMap<Item, UnitId>,
}

/// Says what a reorganisation would do, without doing it.
pub fn preview(registry: &Units, reorganisation: &Reorganisation, state: &Installation) -> Preview {
    work(registry, reorganisation, state).preview
}

fn work<'r>(registry: &'r Units, reorganisation: &Reorganisation, state: &Installation) -> Worked<'r> {
    let effective = reorganisation.effective;
    let mut blocks = BTreeSet::new();
    let mut block = |item, reason| {
        blocks.insert(Block { item, reason });
    };
    if state.applied.contains(&reorganisation.id) {
        block(Item::Reorganisation(reorganisation.id), BlockReason::AlreadyApplied);
    }
    if state.today.is_some_and(|today| today < effective) {
        block(Item::Reorganisation(reorganisation.id), BlockReason::NotYet);
    }
    let mut chosen: BTreeMap<Item, UnitId> = BTreeMap::new();
    for (item, unit) in &reorganisation.assignments {
        if chosen.insert(*item, *unit).is_some_and(|earlier| earlier != *unit) {
            block(*item, BlockReason::AssignedTwice);
        }
    }
    let mut routes = Vec::new();
    for old in reorganisation.communes.iter().copied().collect::<BTreeSet<_>>() {
        match route(registry, state, old, effective) {
            Ok(route) => routes.push(route),
            Err(reason) => block(Item::Unit(old), reason),
        }
    }
    let mut goes = BTreeMap::new();
    let mut by_hand = BTreeMap::new();
    for route in &routes {
        let candidates: Vec<UnitId> = route.to.iter().map(|unit| unit.row_id).collect();
        for item in items_of(state, route.old, effective) {
            let choice = chosen.remove(&item);
            match (choice, candidates.as_slice()) {
                (Some(unit), candidates) if candidates.contains(&unit) => {
                    goes.insert(item, unit);
                }
                (Some(_), _) => block(item, BlockReason::BadAssignment),
                (None, [only]) => {
                    goes.insert(item, *only);
                }
                (None, _) => {
                    by_hand.insert(item, candidates.clone());
                    block(item, BlockReason::Unassigned);
                }
            }
        }
    }
    for item in chosen.keys() {
        block(*item, BlockReason::BadAssignment);
    }
    for (case, unit) in &state.cases_of_rows {
        if routes.iter().any(|route| route.old == *unit) {
            block(Item::Case(*case), BlockReason::CaseOpen);
        }
    }
    let old: BTreeSet<UnitId> = routes.iter().map(|route| route.old).collect();
    let commune_teams = state.teams.iter().filter(|(_, unit)| old.contains(unit)).map(|(team, _)| *team).collect();
    let bytes = |held: &BTreeMap<UnitId, u64>| held.iter().filter(|(unit, _)| old.contains(unit)).map(|(_, n)| n).sum();
    let preview = Preview {
        communes: tallies(&routes, &goes, state, effective),
        bytes_to_move: state.phones.iter().map(|(phone, held)| (*phone, bytes(held))).collect(),
        by_hand,
        commune_teams,
        blocks: blocks.into_iter().collect(),
    };
    Worked { preview, routes, goes }
}

fn route<'r>(registry: &'r Units, state: &Installation, old: UnitId, effective: Day) -> Result<Route<'r>, BlockReason> {
    let unit = state.units.get(&old).ok_or(BlockReason::UnknownUnit)?;
    if unit.level != Level::Commune {
        return Err(BlockReason::NotACommune);
    }
    if unit.valid_from >= effective || unit.valid_to.is_some_and(|to| to != effective) {
        return Err(BlockReason::NotInForce);
    }
    let steps = registry.successions_of(old).iter().filter(|step| step.effective == effective && step.new != old);
    let to: Vec<&Unit> = steps.filter_map(|Succession { new, .. }| registry.unit(*new)).collect();
    if to.is_empty() {
        return Err(BlockReason::NoSuccessor);
    }
    if to.iter().map(|unit| unit.row_id).chain([old]).any(|unit| is_cyclic(state, unit)) {
        return Err(BlockReason::CyclicTree);
    }
    Ok(Route { old, to })
}

/// Whether the units above one, as they are at present, lead back to one passed before.
fn is_cyclic(state: &Installation, unit: UnitId) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), Some(unit));
    while let Some(unit) = next.and_then(|row| state.units.get(&row)) {
        if !seen.insert(unit.row_id) {
            return true;
        }
        next = unit.parents.last().map(|span| span.parent);
    }
    false
}

/// Everything of a commune that goes on after a day: its villages, and the roles, open cases and targets of its own.
fn items_of(state: &Installation, commune: UnitId, effective: Day) -> Vec<Item> {
    let lies_here = |span: &ParentSpan| span.parent == commune && span.to.is_none_or(|to| effective < to);
    let villages =
        state.units.values().filter(|unit| unit.level == Level::Village && unit.parents.iter().any(lies_here));
    let grants =
        state.grants.iter().filter(|(_, grant)| grant.unit == commune && grant.to.is_none_or(|to| effective < to));
    let cases = state.open_cases.iter().filter(|(_, unit)| **unit == commune);
    let targets = state.targets.iter().filter(|(_, unit)| **unit == commune);
    villages
        .map(|unit| Item::Unit(unit.row_id))
        .chain(grants.map(|(grant, _)| Item::Grant(*grant)))
        .chain(cases.map(|(case, _)| Item::Case(*case)))
        .chain(targets.map(|(target, _)| Item::Target(*target)))
        .collect()
}

fn tallies(
    routes: &[Route<'_>],
    goes: &BTreeMap<Item, UnitId>,
    state: &Installation,
    effective: Day,
) -> BTreeMap<UnitId, Tally> {
    let new = routes.iter().flat_map(|route| &route.to);
    let mut tallies: BTreeMap<UnitId, Tally> = new.map(|unit| (unit.row_id, Tally::default())).collect();
    let mut count = |unit: Option<&UnitId>, add: &dyn Fn(&mut Tally)| {
        if let Some(tally) = unit.and_then(|unit| tallies.get_mut(unit)) {
            add(tally);
        }
    };
    let village = |unit: &UnitId| goes.get(&Item::Unit(*unit));
    for (item, new) in goes {
        if let Item::Unit(village) = item {
            let households = state.households.get(village).copied().unwrap_or(0);
            count(Some(new), &|tally| {
                tally.villages += 1;
                tally.households += households;
            });
        }
    }
    for unit in state.teams.values() {
        count(village(unit), &|tally| tally.teams += 1);
    }
    for unit in state.open_visits.values() {
        count(village(unit), &|tally| tally.open_visits += 1);
    }
    for (case, unit) in &state.open_cases {
        count(goes.get(&Item::Case(*case)).or(village(unit)), &|tally| tally.open_cases += 1);
    }
    for (target, unit) in &state.targets {
        count(goes.get(&Item::Target(*target)).or(village(unit)), &|tally| tally.targets += 1);
    }
    let holds = |(id, grant): (&GrantId, &Grant)| {
        let new =
            goes.get(&Item::Grant(*id)).or(village(&grant.unit)).filter(|_| grant.to.is_none_or(|to| effective < to));
        new.map(|new| (*new, grant.user))
    };
    for (new, _) in state.grants.iter().filter_map(holds).collect::<BTreeSet<_>>() {
        count(Some(&new), &|tally| tally.users += 1);
    }
    tallies
}

/// The ordered changes, or everything that blocks them. The same input in another order gives the same plan.
pub fn plan(registry: &Units, reorganisation: &Reorganisation, state: &Installation) -> Result<Plan, Vec<Block>> {
    let Worked { preview, routes, goes } = work(registry, reorganisation, state);
    if !preview.blocks.is_empty() {
        return Err(preview.blocks);
    }
    let effective = reorganisation.effective;
    let mut changes = Vec::new();
    for old in routes.iter().filter_map(|route| state.units.get(&route.old)).filter(|old| old.valid_to.is_none()) {
        changes.push(update(old, |unit| {
            unit.valid_to = Some(effective);
            unit.parents.retain(|span| span.from < effective);
            if let Some(last) = unit.parents.last_mut() {
                last.to = Some(effective);
            }
        }));
    }
    let mut opened = BTreeSet::new();
    for new in routes.iter().flat_map(|route| &route.to) {
        let above = registry.ancestors(new.row_id, effective).into_iter().rev();
        for unit in above.chain([*new]) {
            if !state.units.contains_key(&unit.row_id) && opened.insert(unit.row_id) {
                changes.push(Change::Unit { row: unit.row_id, before: None, after: Some(Box::new(unit.clone())) });
            }
        }
    }
    for (item, new) in &goes {
        match item {
            Item::Unit(village) => changes.extend(state.units.get(village).map(|village| {
                update(village, |unit| {
                    let old = |parent| routes.iter().any(|route| route.old == parent);
                    unit.parents = moved(&unit.parents, old, *new, effective);
                })
            })),
            Item::Grant(id) => {
                let Some(grant) = state.grants.get(id) else { continue };
                let ended = Grant { to: Some(effective.max(grant.from)), ..grant.clone() };
                changes.push(Change::Grant { row: *id, before: Some(grant.clone()), after: Some(ended) });
                let row = moved_grant(reorganisation.id, *id);
                let from = effective.max(grant.from);
                let begun = Grant { unit: *new, from, to_confirm: true, ..grant.clone() };
                changes.push(Change::Grant { row, before: None, after: Some(begun) });
            }
            Item::Case(case) => changes.extend(state.open_cases.get(case).map(|old| Change::Case {
                row: *case,
                before: *old,
                after: *new,
            })),
            Item::Target(target) => changes.extend(state.targets.get(target).map(|old| Change::Target {
                row: *target,
                before: *old,
                after: *new,
            })),
            Item::Team(_) | Item::Write(_) | Item::Reorganisation(_) => {}
        }
    }
    Ok(Plan { id: reorganisation.id, in_effect: true, changes })
}

fn update(unit: &Unit, change: impl FnOnce(&mut Unit)) -> Change {
    let mut after = Box::new(unit.clone());
    change(&mut after);
    Change::Unit { row: unit.row_id, before: Some(Box::new(unit.clone())), after: Some(after) }
}

/// Parents with the new commune in place of the old ones from a day on.
fn moved(spans: &[ParentSpan], old: impl Fn(UnitId) -> bool, new: UnitId, effective: Day) -> Vec<ParentSpan> {
    let mut after = Vec::new();
    for span in spans {
        if !old(span.parent) || span.to.is_some_and(|to| to <= effective) {
            after.push(*span);
            continue;
        }
        if span.from < effective {
            after.push(ParentSpan { to: Some(effective), ..*span });
        }
        after.push(ParentSpan { parent: new, from: span.from.max(effective), to: span.to });
    }
    after
}

/// The id of the role that continues another one: a UUID of version 8 from `BLAKE3("thonso/moved-grant/1" ‖
/// reorganisation ‖ grant)`.
fn moved_grant(reorganisation: ReorganisationId, grant: GrantId) -> GrantId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thonso/moved-grant/1").update(reorganisation.0.as_bytes()).update(grant.as_bytes());
    GrantId(uuid_of(&hasher))
}

/// Makes all changes, or none: a row that is not as the plan found it blocks.
pub fn apply(plan: &Plan, state: &mut Installation) -> Result<(), Vec<Block>> {
    if state.applied.contains(&plan.id) == plan.in_effect {
        let reason = if plan.in_effect { BlockReason::AlreadyApplied } else { BlockReason::Changed };
        return Err(vec![Block { item: Item::Reorganisation(plan.id), reason }]);
    }
    let unfit = plan.changes.iter().filter(|change| !change.fits(state));
    let blocks: Vec<Block> = unfit.map(|change| Block { item: change.item(), reason: BlockReason::Changed }).collect();
    if !blocks.is_empty() {
        return Err(blocks);
    }
    for change in &plan.changes {
        change.apply(state);
    }
    if plan.in_effect {
        state.applied.insert(plan.id);
    } else {
        state.applied.remove(&plan.id);
    }
    Ok(())
}

/// The plan that takes an applied plan back. `writes` are rows that were written later, with the unit of each.
///
/// Refused with everything that depends on the plan: later writes on the new communes, other things that belong to units
/// that it opened, and rows of the plan that were changed since. Villages keep their row, so writes on them do not
/// depend.
pub fn undo(plan: &Plan, state: &Installation, writes: &[(Uuid, UnitId)]) -> Result<Plan, CannotUndo> {
    let changes: Vec<Change> = plan.changes.iter().rev().cloned().map(Change::inverse).collect();
    let opened = |unit: &UnitId| {
        changes.iter().any(|change| matches!(change, Change::Unit { row, after: None, .. } if row == unit))
    };
    let receives = |unit: &UnitId| {
        changes.iter().any(|change| match change {
            Change::Unit { before: Some(now), after: Some(_), .. } => {
                now.parents.last().is_some_and(|span| span.parent == *unit)
            }
            Change::Grant { before: Some(now), after: None, .. } => now.unit == *unit,
            _ => false,
        })
    };
    let own: BTreeSet<Item> = changes.iter().map(Change::item).collect();
    let lies_there = |unit: &&Unit| unit.parents.iter().any(|span| opened(&span.parent));
    let there = (state.units.values().filter(lies_there).map(|unit| Item::Unit(unit.row_id)))
        .chain(state.teams.iter().filter(|(_, unit)| opened(unit)).map(|(team, _)| Item::Team(*team)))
        .chain(state.grants.iter().filter(|(_, grant)| opened(&grant.unit)).map(|(grant, _)| Item::Grant(*grant)))
        .chain(state.open_cases.iter().filter(|(_, unit)| opened(unit)).map(|(case, _)| Item::Case(*case)))
        .chain(state.targets.iter().filter(|(_, unit)| opened(unit)).map(|(target, _)| Item::Target(*target)))
        .filter(|item| !own.contains(item));
    let written = writes.iter().filter(|(_, unit)| opened(unit) || receives(unit));
    let written = written.map(|(row, _)| Item::Write(*row));
    let mut dependent: BTreeSet<Item> = there.chain(written).collect();
    dependent.extend(changes.iter().filter(|change| !change.fits(state)).map(Change::item));
    if state.applied.contains(&plan.id) != plan.in_effect {
        dependent.insert(Item::Reorganisation(plan.id));
    }
    if !dependent.is_empty() {
        return Err(CannotUndo(dependent.into_iter().collect()));
    }
    Ok(Plan { id: plan.id, in_effect: !plan.in_effect, changes })
}
