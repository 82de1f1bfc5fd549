//! Registers that are created and set in the ordinary way: households, plans, units, teams.

use std::collections::BTreeMap;

use crate::access::Action;
use crate::cbor::{Cbor, Ext, Malformed, Raw};
use crate::decide::cases::Disputes;
use crate::decide::{Change, Context, Decision, Refusal, State, Stop, allowed, store};
use crate::entity::*;
use crate::ids::*;
use crate::merge::{Meeting, after, meet};
use crate::museum::{self, Exhibit};
use crate::op::*;
use crate::outcome::Code;
use crate::phone_number;
use crate::row::{Group, GroupKey, Register, RowType};
use crate::text::{TextLimit, check_text};

const NAME: TextLimit = TextLimit { max_chars: 120, newline: false };
const NOTE: TextLimit = TextLimit { max_chars: 2_000, newline: true };
const CODE_CHARS_MAX: usize = 60;

/// What an ordinary op creates or sets, and the action that this is.
fn subject(intent: &Intent) -> (RowType, Action) {
    match intent {
        Intent::PlanCreate(_) | Intent::PlanSet(_) => (RowType::PLAN, Action::WritePlan),
        Intent::UnitSet(_) => (RowType::UNIT, Action::WriteUnit),
        Intent::TeamCreate(_) | Intent::TeamSet(_) => (RowType::TEAM, Action::WriteTeam),
        _ => (RowType::HOUSEHOLD, Action::WriteHousehold),
    }
}

/// Groups that rules move on; no op sets them directly.
fn is_ruled(ty: RowType, key: GroupKey) -> bool {
    ty == RowType::PLAN && key == plan::STATUS
}

pub(super) fn create<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    intent: &Intent,
    body: &CreateRow,
) -> Result<Decision, Stop<S::Error>> {
    let (ty, action) = subject(intent);
    allowed(context.may(op, action, body.scope))?;
    let Some((_, unit)) = store(state.register(RowType::UNIT, body.scope.0))? else {
        return Err(Refusal::at(Code::NotFound, "scope").into());
    };
    in_force(&unit, context.today())?;
    let mut groups = body.groups.0.clone();
    for required in required_groups(ty) {
        if !groups.contains_key(required) {
            return Err(Refusal::at(Code::BadValue, format!("groups[{required}]")).into());
        }
    }
    if ty == RowType::PLAN {
        groups.entry(plan::STATUS).or_insert_with(|| Raw(plan_status("planned", None, None).cbor()));
    }
    check_groups(ty, &groups, None, true)?;
    check_references(state, ty, body.scope, &groups)?;
    let ver = crate::row::Ver::first(context.server_epoch);
    let register = Register::new(ty, op.row_id(), context.stamp(ver), groups);
    Ok(Decision::applied(ver, vec![Change::PutRegister { scope: body.scope, register }]))
}

pub(super) fn plan_status(status: &str, visit: Option<VisitId>, reason: Option<String>) -> PlanStatus {
    PlanStatus { status: status.to_owned(), visit, reason, ext: Ext::default() }
}

/// Finds the live register that an op is about, where the author may act on it.
fn reach<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    ty: RowType,
    id: uuid::Uuid,
    action: Action,
) -> Result<(ScopeId, Register), Stop<S::Error>> {
    let Some((scope, register)) = store(state.register(ty, id))? else { return Err(Code::NotFound.into()) };
    if context.may(op, action, scope).role().is_some() {
        return Ok((scope, register));
    }
    // Not theirs. If it was, and went away, they may know that much.
    for holding in &context.principal.holdings {
        if context.may(op, action, holding.scope).role().is_some() && store(state.has_left(holding.scope, ty, id))? {
            return Err(Code::MovedAway.into());
        }
    }
    Err(Code::NotFound.into())
}

pub(super) fn set<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    intent: &Intent,
    body: &SetGroups,
) -> Result<Decision, Stop<S::Error>> {
    let (ty, action) = subject(intent);
    let (scope, current) = reach(state, context, op, ty, body.id, action)?;
    if body.groups.0.is_empty() {
        return Err(Refusal::at(Code::BadValue, "groups").into());
    }
    check_groups(ty, &body.groups.0, Some(&current), false)?;
    check_references(state, ty, scope, &body.groups.0)?;
    let mut groups = body.groups.0.clone();
    if ty == RowType::UNIT {
        check_unit_change(state, context, op, &current, &groups)?;
        keep_former_parents(&current, &mut groups)?;
    }
    let ver = current.ver.next(context.server_epoch);
    let stamp = context.stamp(ver);
    let writer = context.writer(body.base_ver);
    let mut register = Register { ver, ..current.clone() };
    if museum::on(Exhibit::ExtDropped) {
        register.ext = Ext::default();
        register.groups.retain(|key, _| *key <= household::STATUS);
    }
    let mut disputes = Disputes::new(op);
    for (key, value) in &groups {
        let Some(group) = current.groups.get(key) else {
            register.groups.insert(*key, Group::set(value.clone(), stamp));
            continue;
        };
        let meeting = meet(group, value, &writer);
        let mut next = after(group, value, stamp, meeting, is_guarded(ty, *key));
        #[cfg(feature = "museum")]
        if museum::on(Exhibit::LwwOnClock) {
            next = later_clock_wins(group, next, op.at);
        }
        if meeting == Meeting::Clash {
            next.case = Some(store(disputes.open(state, context, scope, &current, *key, value))?);
        } else if group.value != *value {
            store(disputes.join(state, context, &current, *key, value))?;
        }
        register.groups.insert(*key, next);
    }
    forget_without_consent(&mut register);
    let mut changes = vec![Change::PutRegister { scope, register }];
    let case = disputes.finish(&mut changes);
    Ok(Decision::applied(ver, changes).with_case(case))
}

/// The exhibit `LwwOnClock`: the claimed time of the last edit lies beside the group, under a key for experiments.
#[cfg(feature = "museum")]
fn later_clock_wins(before: &Group, mut next: Group, at: ClaimedMs) -> Group {
    const CLAIMED: u64 = 64;
    let claimed = before.ext.0.get(&CLAIMED).and_then(|at| ClaimedMs::from_cbor(at).ok());
    if claimed.is_some_and(|claimed| claimed > at) {
        return before.clone();
    }
    next.ext.0.insert(CLAIMED, at.cbor());
    next
}

pub(super) fn relocate<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &MoveRow,
) -> Result<Decision, Stop<S::Error>> {
    let (from, current) = reach(state, context, op, RowType::HOUSEHOLD, body.id, Action::MoveHousehold)?;
    // Both the old and the new scope need the right; the author never learns more about a foreign one.
    allowed(context.may(op, Action::MoveHousehold, body.to))?;
    let Some((_, unit)) = store(state.register(RowType::UNIT, body.to.0))? else {
        return Err(Refusal::at(Code::NotFound, "to").into());
    };
    in_force(&unit, context.today())?;
    if from == body.to {
        return Err(Code::WrongState.into());
    }
    let ver = current.ver.next(context.server_epoch);
    // Open cases go along: their sides are values of this household, and nobody in the old village may read them now.
    let mut cases = Vec::new();
    for id in current.groups.values().filter_map(|group| group.case) {
        if let Some((at, case)) = store(state.register(RowType::CASE, id.0))?
            && at == from
        {
            let register = Register { ver: case.ver.next(context.server_epoch), ..case };
            cases.push(Change::Move { from, to: body.to, register });
        }
    }
    let register = Register { ver, ..current };
    let mut changes = vec![Change::Move { from, to: body.to, register }];
    changes.extend(cases);
    Ok(Decision::applied(ver, changes))
}

pub(super) fn cancel_plan<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CancelPlan,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, current) = reach(state, context, op, RowType::PLAN, body.plan.0, Action::WritePlan)?;
    if let Some(reason) = &body.reason {
        text(reason, NOTE, "reason")?;
    }
    let status: Option<PlanStatus> = current.group(plan::STATUS);
    if status.is_some_and(|status| status.status != "planned") {
        return Err(Code::WrongState.into());
    }
    let value = Raw(plan_status("cancelled", None, body.reason.clone()).cbor());
    let (ver, register) = with_group(context, current, plan::STATUS, value);
    Ok(Decision::applied(ver, vec![Change::PutRegister { scope, register }]))
}

/// Sets one group that rules move on.
pub(super) fn with_group(
    context: &Context<'_>,
    current: Register,
    key: GroupKey,
    value: Raw,
) -> (crate::row::Ver, Register) {
    let ver = current.ver.next(context.server_epoch);
    let mut register = Register { ver, ..current };
    register.groups.insert(key, Group::set(value, context.stamp(ver)));
    (ver, register)
}

/// Refuses a unit outside its period of validity.
pub(super) fn in_force(unit: &Register, day: Day) -> Result<(), Refusal> {
    match unit.group::<Validity>(unit::VALIDITY) {
        Some(validity) if day < validity.from || validity.to.is_some_and(|to| day >= to) => {
            Err(Code::UnitNotInForce.into())
        }
        _ => Ok(()),
    }
}

fn required_groups(ty: RowType) -> &'static [GroupKey] {
    match ty {
        RowType::HOUSEHOLD => &[household::LABEL],
        RowType::PLAN => &[plan::TASK, plan::ASSIGNEE],
        RowType::TEAM => &[team::IDENTITY, team::VALIDITY],
        RowType::UNIT => &[unit::IDENTITY, unit::PARENT, unit::VALIDITY],
        _ => &[],
    }
}

fn read<T: Cbor>(raw: &Raw, field: &str) -> Result<T, Refusal> {
    T::from_cbor(&raw.0).map_err(|fault: Malformed| Refusal {
        code: Code::BadValue,
        field: Some(field.to_owned()),
        rule: Some(fault.to_string()),
    })
}

/// Checks one text.
pub(super) fn text(text: &str, limit: TextLimit, field: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::at(Code::BadValue, field));
    }
    check_text(text, limit).map_err(|fault| Refusal {
        code: Code::BadValue,
        field: Some(field.to_owned()),
        rule: Some(fault.code().to_owned()),
    })
}

/// Checks a name.
pub(super) fn name(value: &str, field: &str) -> Result<(), Refusal> {
    text(value, NAME, field)
}

/// Checks a code of a closed list.
pub(super) fn one_of(value: &str, allowed: &[&str], field: &str) -> Result<(), Refusal> {
    if allowed.contains(&value) { Ok(()) } else { Err(Refusal::at(Code::BadValue, field)) }
}

/// Checks a code of an open list.
pub(super) fn short_code(value: &str, field: &str) -> Result<(), Refusal> {
    let fits = !value.is_empty()
        && value.len() <= CODE_CHARS_MAX
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if fits { Ok(()) } else { Err(Refusal::at(Code::BadValue, field)) }
}

/// Checks the values of the groups that an op sets. Groups that this version does not know are carried.
fn check_groups(
    ty: RowType,
    groups: &BTreeMap<GroupKey, Raw>,
    current: Option<&Register>,
    creating: bool,
) -> Result<(), Refusal> {
    for (key, raw) in groups {
        if !creating && is_ruled(ty, *key) {
            return Err(Code::NotAllowed.into());
        }
        match (ty, *key) {
            (RowType::HOUSEHOLD, household::LABEL) => {
                let value: HouseholdLabel = read(raw, "label")?;
                name(&value.label, "label")?;
                if let Some(landmark) = &value.landmark {
                    name(landmark, "landmark")?;
                }
            }
            (RowType::HOUSEHOLD, household::HEAD) => {
                name(&read::<HouseholdHead>(raw, "head")?.display_name, "head")?;
                consented(groups, current, "head")?;
            }
            (RowType::HOUSEHOLD, household::PHONE) => {
                let value: HouseholdPhone = read(raw, "phone")?;
                if phone_number::normalise(&value.phone).as_deref() != Ok(value.phone.as_str()) {
                    return Err(Refusal::at(Code::BadValue, "phone"));
                }
                consented(groups, current, "phone")?;
            }
            (RowType::HOUSEHOLD, household::CLASS) => {
                let value: HouseholdClass = read(raw, "class")?;
                one_of(&value.class, &["normal", "poor", "near_poor", "policy"], "class")?;
            }
            (RowType::HOUSEHOLD, household::PEOPLE) => {
                let value: HouseholdPeople = read(raw, "adults_15_plus")?;
                if value.adults_15_plus > 30 {
                    return Err(Refusal::at(Code::BadValue, "adults_15_plus"));
                }
            }
            (RowType::HOUSEHOLD, household::CONSENT) => {
                let value: Consent = read(raw, "consent")?;
                for purpose in &value.purposes {
                    one_of(purpose, &["visit_log", "follow_up", "recognition", "photo"], "consent.purposes")?;
                }
                one_of(&value.method, &["spoken_witnessed", "signed_on_screen", "guardian"], "consent.method")?;
                short_code(&value.notice_version, "consent.notice_version")?;
                short_code(&value.language, "consent.language")?;
            }
            (RowType::HOUSEHOLD, household::STATUS) => {
                one_of(&read::<HouseholdStatus>(raw, "status")?.status, &["active", "closed"], "status")?;
            }
            (RowType::PLAN, plan::TASK) => {
                let value: PlanTask = read(raw, "task")?;
                short_code(&value.visit_type, "task.visit_type")?;
                for kind in &value.kinds {
                    short_code(kind, "task.kinds")?;
                }
                if let Some(note) = &value.note {
                    text(note, NOTE, "task.note")?;
                }
            }
            (RowType::PLAN, plan::ASSIGNEE) => drop(read::<PlanAssignee>(raw, "assignee")?),
            (RowType::PLAN, plan::STATUS) => {
                let value: PlanStatus = read(raw, "status")?;
                one_of(&value.status, &["planned"], "status")?;
                if value.visit.is_some() || value.reason.is_some() {
                    return Err(Refusal::at(Code::BadValue, "status"));
                }
            }
            (RowType::TEAM, team::IDENTITY) => {
                let value: TeamIdentity = read(raw, "identity")?;
                one_of(&value.level, &["commune", "village"], "identity.level")?;
                name(&value.name, "identity.name")?;
            }
            (RowType::TEAM, team::DECISION) => name(&read::<TeamDecision>(raw, "decision")?.number, "decision.number")?,
            (RowType::TEAM, team::VALIDITY) | (RowType::UNIT, unit::VALIDITY) => validity(&read(raw, "validity")?)?,
            (RowType::UNIT, unit::IDENTITY) => {
                let value: UnitIdentity = read(raw, "identity")?;
                one_of(&value.level, &["province", "district", "commune", "village"], "identity.level")?;
                short_code(&value.code, "identity.code")?;
                short_code(&value.unit_type, "identity.unit_type")?;
                name(&value.name, "identity.name")?;
                name(&value.full_name, "identity.full_name")?;
                if let Some(local_name) = &value.local_name {
                    name(local_name, "identity.local_name")?;
                }
            }
            (RowType::UNIT, unit::PARENT) => {
                let value: UnitParent = read(raw, "parent")?;
                if value.spans().iter().any(|(_, from, to)| to.is_some_and(|to| to <= *from)) {
                    return Err(Refusal::at(Code::BadValue, "parent.former"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn validity(value: &Validity) -> Result<(), Refusal> {
    match value.to {
        Some(to) if to <= value.from => Err(Refusal::at(Code::BadValue, "validity.to")),
        _ => Ok(()),
    }
}

/// Checks the whole set of groups of a new unit.
pub(super) fn check_new_unit(groups: &BTreeMap<GroupKey, Raw>) -> Result<(), Refusal> {
    for required in required_groups(RowType::UNIT) {
        if !groups.contains_key(required) {
            return Err(Refusal::at(Code::BadValue, format!("groups[{required}]")));
        }
    }
    check_groups(RowType::UNIT, groups, None, true)
}

/// Checks one group's value against the register that it is meant for.
pub(super) fn check_value(ty: RowType, key: GroupKey, value: &Raw, row: &Register) -> Result<(), Refusal> {
    check_groups(ty, &BTreeMap::from([(key, value.clone())]), Some(row), true)
}

/// A name or a phone is stored only while the household agrees that visits are logged.
fn consented(groups: &BTreeMap<GroupKey, Raw>, current: Option<&Register>, field: &str) -> Result<(), Refusal> {
    let consent: Option<Consent> = match groups.get(&household::CONSENT) {
        Some(raw) => Consent::from_cbor(&raw.0).ok(),
        None => current.and_then(|register| register.group(household::CONSENT)),
    };
    match consent {
        Some(consent)
            if consent.withdrawn.is_none() && consent.purposes.iter().any(|purpose| purpose == "visit_log") =>
        {
            Ok(())
        }
        _ => Err(Refusal::at(Code::ConsentMissing, field)),
    }
}

/// Name and phone go with the consent: once it is withdrawn, neither stays in the row.
pub(super) fn forget_without_consent(register: &mut Register) {
    if register.ty == RowType::HOUSEHOLD && consented(&BTreeMap::new(), Some(register), "consent").is_err() {
        register.groups.remove(&household::HEAD);
        register.groups.remove(&household::PHONE);
    }
}

/// Settling a case sets a value like any other op does: it needs the same rights and references.
pub(super) fn check_settlement<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    ty: RowType,
    scope: ScopeId,
    row: &Register,
    (key, value): (GroupKey, &Raw),
) -> Result<(), Stop<S::Error>> {
    let groups = BTreeMap::from([(key, value.clone())]);
    check_references(state, ty, scope, &groups)?;
    match ty {
        RowType::UNIT => {
            allowed(context.may(op, Action::WriteUnit, scope))?;
            check_unit_change(state, context, op, row, &groups)
        }
        RowType::TEAM => allowed(context.may(op, Action::WriteTeam, scope)).map(drop).map_err(Stop::from),
        _ => Ok(()),
    }
}

/// The level of a unit.
pub(super) fn level_of(unit: &Register) -> Option<String> {
    unit.group::<UnitIdentity>(unit::IDENTITY).map(|identity| identity.level)
}

/// A unit goes under another only by the hand of somebody who holds both, and a village only under a commune; levels
/// above the village come from the official lists.
fn check_unit_change<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    current: &Register,
    groups: &BTreeMap<GroupKey, Raw>,
) -> Result<(), Stop<S::Error>> {
    if let Some(raw) = groups.get(&unit::PARENT) {
        let parent = read::<UnitParent>(raw, "parent")?.parent;
        let access = context.may(op, Action::WriteUnit, parent.into());
        access.role().ok_or_else(|| Refusal::at(Code::NotFound, "parent"))?;
        let is_admin = context.may(op, Action::GrantOfficeRole, parent.into()).role().is_some();
        let above = store(state.register(RowType::UNIT, parent.0))?.map(|(_, above)| above);
        let fits = level_of(current).as_deref() == Some("village")
            && above.as_ref().and_then(level_of).as_deref() == Some("commune");
        if parent.0 == current.id || (!is_admin && !fits) {
            return Err(Refusal::at(Code::BadValue, "parent").into());
        }
    }
    if let Some(raw) = groups.get(&unit::IDENTITY) {
        let is_admin = context.may(op, Action::GrantOfficeRole, UnitId(current.id).into()).role().is_some();
        let level = read::<UnitIdentity>(raw, "identity")?.level;
        let before = current.group::<UnitIdentity>(unit::IDENTITY).map(|identity| identity.level);
        if !is_admin && (level != "village" || before.as_deref() != Some("village")) {
            return Err(Refusal::at(Code::NotAllowed, "identity").into());
        }
    }
    Ok(())
}

/// A unit that goes under another one keeps what it lay in before. The list comes from the row, never from the op.
fn keep_former_parents(current: &Register, groups: &mut BTreeMap<GroupKey, Raw>) -> Result<(), Refusal> {
    if let Some(raw) = groups.get_mut(&unit::PARENT)
        && let Some(before) = current.group::<UnitParent>(unit::PARENT)
    {
        *raw = Raw(read::<UnitParent>(raw, "parent")?.following(&before).cbor());
    }
    Ok(())
}

/// Whether a team works in a scope: it is the village's own, or that of a commune in which the village lies or lay. A
/// village that got another commune still takes what the team of the old one did before it heard of that.
pub(super) fn works_in<S: State>(state: &mut S, team: TeamId, scope: ScopeId) -> Result<bool, Stop<S::Error>> {
    let team = store(state.register(RowType::TEAM, team.0))?;
    let Some(identity) = team.and_then(|(_, team)| team.group::<TeamIdentity>(team::IDENTITY)) else {
        return Ok(false);
    };
    if ScopeId::from(identity.unit) == scope {
        return Ok(true);
    }
    let village = store(state.register(RowType::UNIT, scope.0))?;
    let parent = village.and_then(|(_, village)| village.group::<UnitParent>(unit::PARENT));
    Ok(parent.is_some_and(|parent| parent.ever_in(identity.unit)))
}

/// What a register names must be there, in the same scope: a foreign id is as good as none.
fn check_references<S: State>(
    state: &mut S,
    ty: RowType,
    scope: ScopeId,
    groups: &BTreeMap<GroupKey, Raw>,
) -> Result<(), Stop<S::Error>> {
    for (key, raw) in groups {
        match (ty, *key) {
            (RowType::PLAN, plan::TASK) => {
                let task: PlanTask = read(raw, "task")?;
                if ScopeId::from(task.village) != scope {
                    return Err(Refusal::at(Code::NotFound, "task.village").into());
                }
                if let Some(household) = task.household
                    && store(state.register(RowType::HOUSEHOLD, household.0))?.is_none_or(|(at, _)| at != scope)
                    && !store(state.has_left(scope, RowType::HOUSEHOLD, household.0))?
                {
                    return Err(Refusal::at(Code::NotFound, "task.household").into());
                }
            }
            (RowType::PLAN, plan::ASSIGNEE) => {
                let assignee: PlanAssignee = read(raw, "assignee")?;
                if !works_in(state, assignee.team, scope)? {
                    return Err(Refusal::at(Code::NotFound, "assignee.team").into());
                }
            }
            (RowType::TEAM, team::IDENTITY) => {
                let identity: TeamIdentity = read(raw, "identity")?;
                if ScopeId::from(identity.unit) != scope {
                    return Err(Refusal::at(Code::NotFound, "identity.unit").into());
                }
            }
            _ => {}
        }
    }
    Ok(())
}
