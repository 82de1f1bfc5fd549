//! Registers that are created and set in the ordinary way: households, persons, businesses, products, markets, plans,
//! units, teams.

use std::collections::BTreeMap;

use crate::access::Action;
use crate::catalogue::Catalogue;
use crate::cbor::{Cbor, Ext, Malformed, Raw};
use crate::decide::cases::Disputes;
use crate::decide::{Change, Context, Decision, Refusal, State, Stop, allowed, households, store};
use crate::entity::*;
use crate::household::PrivacyMode;
use crate::ids::*;
use crate::merge::{Meeting, after, meet};
use crate::museum::{self, Exhibit};
use crate::op::*;
use crate::outcome::Code;
use crate::phone_number;
use crate::row::{Group, GroupKey, Register, RowType, Ver};
use crate::text::{TextLimit, check_text, forbidden_numbers};
use crate::value::Value;

const NAME: TextLimit = TextLimit { max_chars: 120, newline: false };
pub(super) const NOTE: TextLimit = TextLimit { max_chars: 2_000, newline: true };
const CODE_CHARS_MAX: usize = 60;
/// Farther than this from its commune's seat lies no village.
const DISTANCE_KM_MAX: i64 = 300;

/// What an ordinary op creates or sets, and the action that this is.
fn subject(intent: &Intent) -> (RowType, Action) {
    match intent {
        Intent::PlanCreate(_) | Intent::PlanSet(_) => (RowType::PLAN, Action::WritePlan),
        Intent::UnitSet(_) => (RowType::UNIT, Action::WriteUnit),
        Intent::TeamCreate(_) | Intent::TeamSet(_) => (RowType::TEAM, Action::WriteTeam),
        Intent::PersonCreate(_) | Intent::PersonSet(_) => (RowType::PERSON, Action::WritePerson),
        Intent::BusinessCreate(_) | Intent::BusinessSet(_) => (RowType::BUSINESS, Action::WriteBusiness),
        Intent::ProductCreate(_) | Intent::ProductSet(_) => (RowType::PRODUCT, Action::WriteBusiness),
        Intent::MarketCreate(_) | Intent::MarketSet(_) => (RowType::MARKET, Action::WriteMarket),
        Intent::HouseholdCreate(_) => (RowType::HOUSEHOLD, Action::EnterHousehold),
        _ => (RowType::HOUSEHOLD, Action::WriteHousehold),
    }
}

/// Groups that rules move on; no op sets them directly. A new plan may name its first status.
fn is_ruled(ty: RowType, key: GroupKey, creating: bool) -> bool {
    match ty {
        RowType::PLAN => key == plan::STATUS && !creating,
        RowType::HOUSEHOLD => matches!(key, household::ALIAS | household::MERGED),
        _ => false,
    }
}

/// Whether a unit keeps such registers: by its level, and for people by its privacy mode.
fn keeps(unit: &Register, ty: RowType) -> Result<(), Refusal> {
    let level = match ty {
        RowType::PERSON | RowType::BUSINESS | RowType::PRODUCT => Some("village"),
        RowType::MARKET => Some("commune"),
        _ => None,
    };
    if level.is_some_and(|level| level_of(unit).as_deref() != Some(level)) {
        return Err(Refusal::at(Code::BadValue, "scope"));
    }
    match (ty, PrivacyMode::of(unit)) {
        (RowType::HOUSEHOLD, PrivacyMode::Tally) => Err(Code::HouseholdsNotKept.into()),
        (RowType::PERSON, PrivacyMode::Tally | PrivacyMode::Household) => Err(Code::PersonsNotKept.into()),
        _ => Ok(()),
    }
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
    keeps(&unit, ty)?;
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
    Ok(put_new(context, body.scope, ty, op.row_id(), groups))
}

pub(super) fn plan_status(status: &str, visit: Option<VisitId>, reason: Option<String>) -> PlanStatus {
    PlanStatus { status: status.to_owned(), visit, reason, ext: Ext::default() }
}

/// Finds the live register that an op is about, where the author may act on it.
pub(super) fn reach<S: State>(
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
    let (scope, current) = match ty {
        RowType::HOUSEHOLD => households::reach_root(state, context, op, HouseholdId(body.id), action)?,
        _ => reach(state, context, op, ty, body.id, action)?,
    };
    // Versions of an alias say nothing of its root: only what its author did themselves is known to have been seen.
    let base_ver = if current.id == body.id { body.base_ver } else { Ver::default() };
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
    let writer = context.writer(base_ver);
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
    let below = if body.groups.0.contains_key(&household::CONSENT) {
        store(households::forgotten_below(state, context, &register))?
    } else {
        Vec::new()
    };
    let mut changes = vec![Change::PutRegister { scope, register }];
    changes.extend(below);
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
    let (from, current) = households::reach_root(state, context, op, HouseholdId(body.id), Action::MoveHousehold)?;
    // Both the old and the new scope need the right; the author never learns more about a foreign one.
    allowed(context.may(op, Action::MoveHousehold, body.to))?;
    let Some((_, unit)) = store(state.register(RowType::UNIT, body.to.0))? else {
        return Err(Refusal::at(Code::NotFound, "to").into());
    };
    in_force(&unit, context.today())?;
    keeps(&unit, RowType::HOUSEHOLD)?;
    if from == body.to {
        return Err(Code::WrongState.into());
    }
    let ver = current.ver.next(context.server_epoch);
    // What was merged into it goes along, and open cases do: they hold values of this household, and nobody in the old
    // village may read them now.
    let (mut rows, mut cases) = (Vec::new(), Vec::new());
    for (at, row) in store(households::with_merged(state, HouseholdId(current.id)))? {
        if at != from {
            continue;
        }
        for id in row.groups.values().filter_map(|group| group.case) {
            if let Some((at, case)) = store(state.register(RowType::CASE, id.0))?
                && at == from
            {
                let register = Register { ver: case.ver.next(context.server_epoch), ..case };
                cases.push(Change::Move { from, to: body.to, register });
            }
        }
        let register = Register { ver: row.ver.next(context.server_epoch), ..row };
        rows.push(Change::Move { from, to: body.to, register });
    }
    rows.extend(cases);
    Ok(Decision::applied(ver, rows))
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
pub(super) fn with_group(context: &Context<'_>, current: Register, key: GroupKey, value: Raw) -> (Ver, Register) {
    let ver = current.ver.next(context.server_epoch);
    let mut register = Register { ver, ..current };
    register.groups.insert(key, Group::set(value, context.stamp(ver)));
    (ver, register)
}

/// Finds a unit that is in force on the server's day.
pub(super) fn unit_in_force<S: State>(
    state: &mut S,
    context: &Context<'_>,
    unit: UnitId,
    field: &str,
) -> Result<Register, Stop<S::Error>> {
    let Some((_, found)) = store(state.register(RowType::UNIT, unit.0))? else {
        return Err(Refusal::at(Code::NotFound, field).into());
    };
    in_force(&found, context.today())?;
    Ok(found)
}

/// The unit above.
pub(super) fn parent_of<S: State>(state: &mut S, unit: UnitId) -> Result<Option<UnitId>, Stop<S::Error>> {
    let unit = store(state.register(RowType::UNIT, unit.0))?;
    Ok(unit.and_then(|(_, unit)| unit.group::<UnitParent>(unit::PARENT)).map(|above| above.parent))
}

/// Refuses an edit from an older view: its author has not seen what stands in the group now.
pub(super) fn seen(context: &Context<'_>, row: &Register, key: GroupKey, base_ver: Ver) -> Result<(), Refusal> {
    let writer = context.writer(base_ver);
    match row.groups.get(&key) {
        Some(group) if !group.stamps.iter().all(|stamp| writer.knows(stamp)) => Err(Code::ContentChanged.into()),
        _ => Ok(()),
    }
}

/// A new register, set by one op.
pub(super) fn put_new(
    context: &Context<'_>,
    scope: ScopeId,
    ty: RowType,
    id: uuid::Uuid,
    values: impl IntoIterator<Item = (GroupKey, Raw)>,
) -> Decision {
    let ver = Ver::first(context.server_epoch);
    let register = Register::new(ty, id, context.stamp(ver), values);
    Decision::applied(ver, vec![Change::PutRegister { scope, register }])
}

/// A register with the groups that one op sets.
pub(super) fn put_groups(
    context: &Context<'_>,
    scope: ScopeId,
    current: Register,
    values: impl IntoIterator<Item = (GroupKey, Raw)>,
) -> Decision {
    let ver = current.ver.next(context.server_epoch);
    let mut register = Register { ver, ..current };
    register.groups.extend(values.into_iter().map(|(key, value)| (key, Group::set(value, context.stamp(ver)))));
    Decision::applied(ver, vec![Change::PutRegister { scope, register }])
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
        RowType::PERSON => &[person::HOUSEHOLD, person::NAME, person::BIRTH, person::CONSENT],
        RowType::BUSINESS => &[business::IDENTITY],
        RowType::PRODUCT => &[product::IDENTITY],
        RowType::MARKET => &[market::IDENTITY],
        _ => &[],
    }
}

pub(super) fn read<T: Cbor>(raw: &Raw, field: &str) -> Result<T, Refusal> {
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

/// Checks a text that officers write for others to read: no place for numbers of persons.
pub(super) fn words(value: &str, limit: TextLimit, field: &str) -> Result<(), Refusal> {
    text(value, limit, field)?;
    match forbidden_numbers(value).first() {
        Some(found) => Err(Refusal::by_rule(Code::BadValue, field, found.kind.code())),
        None => Ok(()),
    }
}

/// Checks a name.
pub(super) fn name(value: &str, field: &str) -> Result<(), Refusal> {
    text(value, NAME, field)
}

/// Checks words that are typed freely: no number that could be a person's or an account's.
pub(super) fn free_text(words: &str, limit: TextLimit, field: &str) -> Result<(), Refusal> {
    text(words, limit, field)?;
    forbidden_numbers(words).first().map_or(Ok(()), |found| Err(ruled(field, found.kind.code())))
}

fn ruled(field: &str, rule: &str) -> Refusal {
    Refusal { code: Code::BadValue, field: Some(field.to_owned()), rule: Some(rule.to_owned()) }
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
    // A person is kept only while they agree.
    if ty == RowType::PERSON && groups.keys().any(|key| *key != person::CONSENT) {
        consented(ty, groups, current, "consent")?;
    }
    for (key, raw) in groups {
        if is_ruled(ty, *key, creating) {
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
                consented(ty, groups, current, "head")?;
            }
            (RowType::HOUSEHOLD, household::PHONE) => {
                let value: HouseholdPhone = read(raw, "phone")?;
                if phone_number::normalise(&value.phone).as_deref() != Ok(value.phone.as_str()) {
                    return Err(Refusal::at(Code::BadValue, "phone"));
                }
                consented(ty, groups, current, "phone")?;
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
            (RowType::HOUSEHOLD, household::CONSENT) | (RowType::PERSON, person::CONSENT) => {
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
            (RowType::UNIT, unit::ATTRIBUTES) => {
                village_only(groups, current, "attributes")?;
                attributes(&read::<UnitAttributes>(raw, "attributes")?.history)?;
            }
            (RowType::UNIT, unit::PRIVACY) => {
                village_only(groups, current, "privacy")?;
                one_of(
                    &read::<UnitPrivacy>(raw, "privacy")?.mode,
                    &PrivacyMode::ALL.map(PrivacyMode::code),
                    "privacy",
                )?;
            }
            (RowType::PERSON, person::HOUSEHOLD) => drop(read::<PersonHousehold>(raw, "household")?),
            (RowType::PERSON, person::NAME) => {
                let value = read::<PersonName>(raw, "name")?.display_name;
                name(&value, "name")?;
                if value.chars().any(char::is_numeric) {
                    return Err(ruled("name", "digits"));
                }
            }
            (RowType::PERSON, person::BIRTH) => {
                let value: PersonBirth = read(raw, "birth_band")?;
                one_of(&value.band, &["7-14", "15-17", "18-39", "40-59", "60+"], "birth_band")?;
            }
            (RowType::PERSON, person::GENDER) => {
                one_of(&read::<PersonGender>(raw, "gender")?.gender, &["female", "male", "other"], "gender")?;
            }
            (RowType::PERSON, person::PHONE) => {
                let digits = read::<PersonPhone>(raw, "phone_last3")?.phone_last3;
                if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Refusal::at(Code::BadValue, "phone_last3"));
                }
            }
            (RowType::BUSINESS, business::IDENTITY) => {
                let value: BusinessIdentity = read(raw, "identity")?;
                free_text(&value.name, NAME, "identity.name")?;
                one_of(&value.kind, &["farm", "shop", "stall", "cooperative", "craft"], "identity.kind")?;
            }
            (RowType::BUSINESS, business::OWNER) => drop(read::<BusinessOwner>(raw, "owner_household")?),
            (RowType::BUSINESS, business::MARKET) => drop(read::<BusinessMarket>(raw, "market")?),
            (RowType::PRODUCT, product::IDENTITY) => {
                let value: ProductIdentity = read(raw, "identity")?;
                free_text(&value.name, NAME, "identity.name")?;
                short_code(&value.category, "identity.category")?;
            }
            (RowType::PRODUCT, product::OCOP) => {
                let value: ProductOcop = read(raw, "ocop_stars")?;
                if value.stars > 5 {
                    return Err(Refusal::at(Code::BadValue, "ocop_stars"));
                }
            }
            (RowType::MARKET, market::IDENTITY) => {
                free_text(&read::<MarketIdentity>(raw, "identity")?.name, NAME, "identity.name")?;
            }
            (RowType::MARKET, market::DAYS) => free_text(&read::<MarketDays>(raw, "days")?.days, NAME, "days")?,
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

/// Attributes and privacy belong to villages.
fn village_only(groups: &BTreeMap<GroupKey, Raw>, current: Option<&Register>, field: &str) -> Result<(), Refusal> {
    let level = match groups.get(&unit::IDENTITY) {
        Some(raw) => UnitIdentity::from_cbor(&raw.0).ok().map(|identity| identity.level),
        None => current.and_then(level_of),
    };
    if level.as_deref() == Some("village") { Ok(()) } else { Err(Refusal::at(Code::BadValue, field)) }
}

/// Checks a village's history: known codes with fitting values, ordered by code and day, so that one history has one
/// spelling.
fn attributes(history: &[AttributeFrom]) -> Result<(), Refusal> {
    let listed = |list: &str, code: &str| {
        Catalogue::shipped().list(list).is_some_and(|list| list.iter().any(|choice| choice.code == code))
    };
    let all_listed =
        |list: &str, codes: &[String]| codes.iter().all(|code| listed(list, code)) && codes.is_sorted_by(|a, b| a < b);
    for (index, entry) in history.iter().enumerate() {
        let fits = match (entry.code.as_str(), &entry.value) {
            ("fibre_available" | "grid_power" | "public_wifi", Value::Bool(_)) => true,
            ("mobile_tech_best", Value::Text(tech)) => listed("mobile_tech", tech),
            ("operators_ok", Value::Codes(codes)) => all_listed("operator", codes),
            ("common_languages", Value::Codes(codes)) => all_listed("language", codes),
            ("distance_to_commune_km", Value::Int(km)) => (0..=DISTANCE_KM_MAX).contains(km),
            ("access", Value::Text(access)) => ["car", "motorbike", "foot", "boat"].contains(&access.as_str()),
            _ => false,
        };
        if !fits {
            return Err(Refusal::at(Code::BadValue, format!("attributes[{index}]")));
        }
    }
    let place = |entry: &AttributeFrom| (entry.code.clone(), entry.from);
    if let Some(index) = (1..history.len()).find(|index| place(&history[index - 1]) >= place(&history[*index])) {
        return Err(ruled(&format!("attributes[{index}]"), "order"));
    }
    Ok(())
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

/// A name or a phone is stored only while the household or person agrees that visits are logged.
fn consented(
    ty: RowType,
    groups: &BTreeMap<GroupKey, Raw>,
    current: Option<&Register>,
    field: &str,
) -> Result<(), Refusal> {
    let key = if ty == RowType::PERSON { person::CONSENT } else { household::CONSENT };
    let consent: Option<Consent> = match groups.get(&key) {
        Some(raw) => Consent::from_cbor(&raw.0).ok(),
        None => current.and_then(|register| register.group(key)),
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

/// Whether a household's or person's row holds a consent that names may be kept under.
pub(super) fn has_consent(register: &Register) -> bool {
    consented(register.ty, &BTreeMap::new(), Some(register), "consent").is_ok()
}

/// Name and phone go with the consent, a person's household too: once it is withdrawn, none stays in the row.
pub(super) fn forget_without_consent(register: &mut Register) {
    let named: &[GroupKey] = match register.ty {
        RowType::HOUSEHOLD => &[household::HEAD, household::PHONE],
        RowType::PERSON => &[person::HOUSEHOLD, person::NAME, person::PHONE],
        _ => return,
    };
    if !has_consent(register) {
        register.groups.retain(|key, _| !named.contains(key));
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
                if let Some(household) = task.household {
                    is_here(state, scope, RowType::HOUSEHOLD, household.0, "task.household")?;
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
            (RowType::PERSON, person::HOUSEHOLD) => {
                let household = read::<PersonHousehold>(raw, "household")?.household;
                is_here(state, scope, RowType::HOUSEHOLD, household.0, "household")?;
            }
            (RowType::BUSINESS, business::OWNER) => {
                let household = read::<BusinessOwner>(raw, "owner_household")?.household;
                is_here(state, scope, RowType::HOUSEHOLD, household.0, "owner_household")?;
            }
            (RowType::BUSINESS, business::MARKET) => {
                let market = read::<BusinessMarket>(raw, "market")?.market;
                let village = store(state.register(RowType::UNIT, scope.0))?;
                let parent = village.and_then(|(_, village)| village.group::<UnitParent>(unit::PARENT));
                let commune = parent.map_or(scope, |parent| parent.parent.into());
                is_here(state, commune, RowType::MARKET, market.0, "market")?;
            }
            (RowType::PRODUCT, product::IDENTITY) => {
                let business = read::<ProductIdentity>(raw, "identity")?.business;
                is_here(state, scope, RowType::BUSINESS, business.0, "identity.business")?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is named is in this scope, or was and left it.
pub(super) fn is_here<S: State>(
    state: &mut S,
    scope: ScopeId,
    ty: RowType,
    id: uuid::Uuid,
    field: &str,
) -> Result<(), Stop<S::Error>> {
    let is_live = store(state.register(ty, id))?.is_some_and(|(at, _)| at == scope);
    if is_live || store(state.has_left(scope, ty, id))? {
        Ok(())
    } else {
        Err(Refusal::at(Code::NotFound, field).into())
    }
}
