//! What the office steers with: campaigns, targets, base numbers, numbers typed for a period.
//!
//! Few people set these, at a desk: nothing is merged, an edit from an older view is refused (docs/PROTOCOL.md, W1).
//! Source: docs/DOMAIN.md §9, §10.

use std::collections::BTreeMap;

use crate::access::{Action, INSTALLATION, Role};
use crate::calendar::{CutOff, Period, PeriodKind};
use crate::campaign::{Campaign, CampaignFault, CampaignKind};
use crate::catalogue::Decimal;
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::registers::{
    level_of, name, parent_of, put_groups, put_new, read, seen, short_code, unit_in_force, words,
};
use crate::decide::{Context, Decision, Refusal, State, Stop, allowed, store};
use crate::entity::*;
use crate::ids::*;
use crate::indicator::{FigureUnit, Indicators, Level, Target};
use crate::op::*;
use crate::outcome::Code;
use crate::row::{Group, GroupKey, Register, RowType, Ver};
use crate::text::TextLimit;

/// Most kinds, partners or targets of one campaign.
const ENTRIES_MAX: usize = 200;
/// No unit lies deeper below the top than this.
const LEVELS_MAX: usize = 8;

impl From<CampaignFault> for Refusal {
    fn from(fault: CampaignFault) -> Self {
        Self { code: Code::CampaignFault, field: None, rule: Some(fault.code().to_owned()) }
    }
}

/// Finds a register where the author may act on it.
pub(super) fn reach<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    ty: RowType,
    id: uuid::Uuid,
    action: Action,
) -> Result<(ScopeId, Register), Stop<S::Error>> {
    let Some((scope, register)) = store(state.register(ty, id))? else { return Err(Code::NotFound.into()) };
    context.roles(op, action, scope)?;
    Ok((scope, register))
}

/// Reads a group that every row of its type has.
pub(super) fn group<T: Cbor>(register: &Register, key: GroupKey) -> Result<T, Refusal> {
    register.group(key).ok_or_else(|| Code::NeedsServerUpdate.into())
}

// ---------------------------------------------------------------------------------------------------------------------
// Campaigns

/// Checks the form of what a draft says; whether it makes a campaign is asked when it is published.
fn check_campaign(groups: &BTreeMap<GroupKey, Raw>) -> Result<(), Refusal> {
    if let Some(raw) = groups.get(&campaign::FRAME) {
        let frame: CampaignFrame = read(raw, "frame")?;
        CampaignKind::from_code(&frame.kind).ok_or_else(|| Refusal::at(Code::BadValue, "frame.kind"))?;
        if frame.weekly.is_some_and(|day| !(1..=7).contains(&day)) || frame.weekly.is_some() && frame.yearly.is_some() {
            return Err(Refusal::at(Code::BadValue, "frame.weekly"));
        }
        few(frame.kinds.len(), "frame.kinds")?;
        frame.kinds.iter().try_for_each(|kind| short_code(kind, "frame.kinds"))?;
    }
    if let Some(raw) = groups.get(&campaign::WORDS) {
        let said: CampaignWords = read(raw, "words")?;
        words(&said.title, TextLimit::NAME, "words.title")?;
        said.theme.iter().try_for_each(|theme| words(theme, TextLimit::NOTE, "words.theme"))?;
        few(said.partners.len(), "words.partners")?;
        said.partners.iter().try_for_each(|partner| name(partner, "words.partners"))?;
    }
    if groups.contains_key(&campaign::STATE) { Err(Code::NotAllowed.into()) } else { Ok(()) }
}

fn few(count: usize, field: &str) -> Result<(), Refusal> {
    if count <= ENTRIES_MAX { Ok(()) } else { Err(Refusal::at(Code::BadValue, field)) }
}

/// A unit and all units above it, from the top down, as far as they are known here.
fn path_of<S: State>(state: &mut S, unit: UnitId) -> Result<Vec<UnitId>, Stop<S::Error>> {
    let mut path = vec![unit];
    while path.len() < LEVELS_MAX
        && let Some(above) = parent_of(state, path[0])?
        && ScopeId::from(above) != INSTALLATION
    {
        path.insert(0, above);
    }
    Ok(path)
}

/// Whether the author may set targets for all these units; not for none, so that nobody learns of a campaign by asking.
fn holds_all(context: &Context<'_>, op: &Op, added: &CampaignTargets) -> bool {
    let holds = |target: &CampaignTarget| context.may(op, Action::WriteCampaign, target.unit.into()).role().is_some();
    !added.targets.is_empty() && added.targets.iter().all(holds)
}

/// The targets of a campaign with those that are added.
fn with_targets<S: State>(
    state: &mut S,
    unit: UnitId,
    draft: &Register,
    added: CampaignTargets,
) -> Result<Raw, Stop<S::Error>> {
    let before: Option<CampaignTargets> = draft.group(campaign::TARGETS);
    let (mut targets, ext) = before.map_or((Vec::new(), added.ext), |before| (before.targets, before.ext));
    few(targets.len() + added.targets.len(), "targets")?;
    let mut campaign = Campaign::read(unit, draft).ok_or(Code::NeedsServerUpdate)?;
    for target in added.targets {
        let path = path_of(state, target.unit)?;
        campaign
            .add_target(target.unit, &path, &target.kind, target.value)
            .map_err(|fault| Refusal { field: Some("targets".into()), ..fault.into() })?;
        targets.push(target);
    }
    targets.sort_by(|a, b| (a.unit, &a.kind).cmp(&(b.unit, &b.kind)));
    Ok(Raw(CampaignTargets { targets, ext }.cbor()))
}

pub(super) fn create_campaign<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CreateRow,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, id) = (body.scope, op.row_id());
    allowed(context.may(op, Action::WriteCampaign, scope))?;
    let unit = unit_in_force(state, context, scope.into(), "scope")?;
    if !matches!(level_of(&unit).as_deref(), Some("commune" | "province")) {
        return Err(Refusal::at(Code::BadValue, "scope").into());
    }
    let mut groups = body.groups.0.clone();
    for required in [campaign::FRAME, campaign::WORDS] {
        if !groups.contains_key(&required) {
            return Err(Refusal::at(Code::BadValue, format!("groups[{required}]")).into());
        }
    }
    check_campaign(&groups)?;
    let added = groups.remove(&campaign::TARGETS);
    let stands = CampaignState { published: None, closed: None, ext: Ext::default() };
    groups.insert(campaign::STATE, Raw(stands.cbor()));
    if let Some(raw) = added {
        let added: CampaignTargets = read(&raw, "targets")?;
        if !holds_all(context, op, &added) {
            return Err(Refusal::at(Code::NotFound, "targets").into());
        }
        let draft = Register::new(RowType::CAMPAIGN, id, context.stamp(Ver::default()), groups.clone());
        groups.insert(campaign::TARGETS, with_targets(state, scope.into(), &draft, added)?);
    }
    Ok(put_new(context, scope, RowType::CAMPAIGN, id, groups))
}

/// Sets a draft, or adds targets. Targets of a published campaign are never replaced: each unit below may add its own.
pub(super) fn set_campaign<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SetGroups,
) -> Result<Decision, Stop<S::Error>> {
    let Some((scope, register)) = store(state.register(RowType::CAMPAIGN, body.id))? else {
        return Err(Code::NotFound.into());
    };
    let stands: CampaignState = group(&register, campaign::STATE)?;
    let is_draft = stands.published.is_none();
    let mut groups = body.groups.0.clone();
    let added: Option<CampaignTargets> = match groups.remove(&campaign::TARGETS) {
        Some(raw) => Some(read(&raw, "targets")?),
        None => None,
    };
    let holds_all = added.as_ref().is_none_or(|added| holds_all(context, op, added));
    // From below, a campaign exists once it is published, and takes targets only.
    let from_below = !is_draft && groups.is_empty() && added.is_some() && holds_all;
    if !from_below {
        allowed(context.may(op, Action::WriteCampaign, scope))?;
    }
    if stands.closed.is_some() || !(is_draft || groups.is_empty()) {
        return Err(Code::WrongState.into());
    }
    if groups.is_empty() && added.is_none() {
        return Err(Refusal::at(Code::BadValue, "groups").into());
    }
    if !holds_all {
        return Err(Refusal::at(Code::NotFound, "targets").into());
    }
    check_campaign(&groups)?;
    for key in groups.keys().chain(is_draft.then_some(&campaign::TARGETS)) {
        seen(context, &register, *key, body.base_ver)?;
    }
    if let Some(added) = added {
        let mut draft = register.clone();
        if is_draft {
            draft.groups.remove(&campaign::TARGETS);
        }
        let stamp = context.stamp(register.ver);
        draft.groups.extend(groups.iter().map(|(key, value)| (*key, Group::set(value.clone(), stamp))));
        groups.insert(campaign::TARGETS, with_targets(state, scope.into(), &draft, added)?);
    }
    Ok(put_groups(context, scope, register, groups))
}

pub(super) fn publish_campaign<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &PublishCampaign,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register) = reach(state, context, op, RowType::CAMPAIGN, body.campaign.0, Action::WriteCampaign)?;
    let stands: CampaignState = group(&register, campaign::STATE)?;
    if stands.published.is_some() || stands.closed.is_some() {
        return Err(Code::WrongState.into());
    }
    for key in register.groups.keys() {
        seen(context, &register, *key, body.base_ver)?;
    }
    let unit = UnitId::from(scope);
    let campaign = Campaign::read(unit, &register).ok_or(Code::NeedsServerUpdate)?;
    let all = store(state.registers_in(scope, RowType::CAMPAIGN))?;
    let others: Vec<Campaign> = all.iter().filter_map(|other| Campaign::read(unit, other)).collect();
    let others: Vec<Campaign> = others.into_iter().filter(|other| other.published).collect();
    campaign.check(context.catalogue, &others).map_err(Refusal::from)?;
    // What counts may have changed since the targets were written.
    if let Some(kind) =
        campaign.targets.values().flat_map(|own| own.keys()).find(|kind| !campaign.kinds.contains(*kind))
    {
        let fault = CampaignFault::TargetNotCounted(kind.clone());
        return Err(Refusal { field: Some("targets".into()), ..fault.into() }.into());
    }
    let published = CampaignState { published: Some(context.today()), ..stands };
    Ok(put_groups(context, scope, register, [(campaign::STATE, Raw(published.cbor()))]))
}

pub(super) fn close_campaign<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CloseCampaign,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register) = reach(state, context, op, RowType::CAMPAIGN, body.campaign.0, Action::WriteCampaign)?;
    let stands: CampaignState = group(&register, campaign::STATE)?;
    if stands.closed.is_some() {
        return Err(Code::WrongState.into());
    }
    let closed = CampaignState { closed: Some(context.today()), ..stands };
    Ok(put_groups(context, scope, register, [(campaign::STATE, Raw(closed.cbor()))]))
}

// ---------------------------------------------------------------------------------------------------------------------
// Targets

/// Checks the form of what a draft says; what it still lacks is asked when it is published.
fn check_target(groups: &BTreeMap<GroupKey, Raw>) -> Result<(), Refusal> {
    if let Some(raw) = groups.get(&target::GOAL) {
        let goal: TargetGoal = read(raw, "goal")?;
        if goal.indicator.is_some() && goal.kind.is_some() {
            return Err(Refusal::at(Code::BadValue, "goal"));
        }
        goal.indicator.iter().chain(&goal.kind).try_for_each(|code| short_code(code, "goal"))?;
        Decimal::parse(&goal.value).ok_or_else(|| Refusal::at(Code::BadValue, "goal.value"))?;
    }
    if let Some(raw) = groups.get(&target::CLEARS) {
        let clears: TargetClears = read(raw, "clears")?;
        for (said, limit, field) in [
            (&clears.task, TextLimit::NOTE, "clears.task"),
            (&clears.person, TextLimit::NAME, "clears.person"),
            (&clears.product, TextLimit::NOTE, "clears.product"),
            (&clears.resource, TextLimit::NOTE, "clears.resource"),
        ] {
            said.iter().try_for_each(|said| words(said, limit, field))?;
        }
    }
    if groups.contains_key(&target::STATE) { Err(Code::NotAllowed.into()) } else { Ok(()) }
}

pub(super) fn create_target<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CreateRow,
) -> Result<Decision, Stop<S::Error>> {
    let role = allowed(context.may(op, Action::WriteTarget, body.scope))?;
    unit_in_force(state, context, body.scope.into(), "scope")?;
    let mut groups = body.groups.0.clone();
    check_target(&groups)?;
    let stands = TargetState { role: role.code().to_owned(), published: None, ext: Ext::default() };
    groups.insert(target::STATE, Raw(stands.cbor()));
    Ok(put_new(context, body.scope, RowType::TARGET, op.row_id(), groups))
}

/// Finds the draft of a target for somebody of at least the office that set it: nobody lowers what the province asks.
fn target_draft<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    id: uuid::Uuid,
) -> Result<(ScopeId, Register, TargetState), Stop<S::Error>> {
    let (scope, register) = reach(state, context, op, RowType::TARGET, id, Action::WriteTarget)?;
    let stands: TargetState = group(&register, target::STATE)?;
    let set_by = Role::from_code(&stands.role).ok_or(Code::NeedsServerUpdate)?;
    if context.roles(op, Action::WriteTarget, scope)?.last().is_none_or(|role| *role < set_by) {
        return Err(Code::NotAllowed.into());
    }
    if stands.published.is_some() { Err(Code::WrongState.into()) } else { Ok((scope, register, stands)) }
}

pub(super) fn set_target<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SetGroups,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register, _) = target_draft(state, context, op, body.id)?;
    if body.groups.0.is_empty() {
        return Err(Refusal::at(Code::BadValue, "groups").into());
    }
    check_target(&body.groups.0)?;
    for key in body.groups.0.keys() {
        seen(context, &register, *key, body.base_ver)?;
    }
    Ok(put_groups(context, scope, register, body.groups.0.clone()))
}

pub(super) fn publish_target<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &PublishTarget,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register, stands) = target_draft(state, context, op, body.target.0)?;
    for key in register.groups.keys() {
        seen(context, &register, *key, body.base_ver)?;
    }
    if let Err(found) = Target::read(scope.into(), &register).check(Indicators::shipped()) {
        let all: Vec<&str> = found.iter().map(|finding| finding.0.text()).collect();
        let first = found.first().map(|finding| finding.0.field().to_owned());
        return Err(Refusal { code: Code::TargetIncomplete, field: first, rule: Some(all.join(",")) }.into());
    }
    let published = TargetState { published: Some(context.today()), ..stands };
    Ok(put_groups(context, scope, register, [(target::STATE, Raw(published.cbor()))]))
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers

/// Sets the one row of a key: new, or in place of what its author has seen.
pub(super) fn put_keyed<S: State>(
    state: &mut S,
    context: &Context<'_>,
    scope: ScopeId,
    (ty, id): (RowType, uuid::Uuid),
    base_ver: Option<Ver>,
    (key, value): (GroupKey, Raw),
) -> Result<Decision, Stop<S::Error>> {
    match store(state.register(ty, id))? {
        None => Ok(put_new(context, scope, ty, id, [(key, value)])),
        Some((at, _)) if at != scope => Err(Code::NotFound.into()),
        Some((_, current)) => {
            seen(context, &current, key, base_ver.unwrap_or_default())?;
            Ok(put_groups(context, scope, current, [(key, value)]))
        }
    }
}

pub(super) fn set_denominator<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SetDenominator,
) -> Result<Decision, Stop<S::Error>> {
    let scope = ScopeId::from(body.unit);
    allowed(context.may(op, Action::WriteFigures, scope))?;
    let unit = unit_in_force(state, context, body.unit, "unit")?;
    let base = Indicators::shipped().denominator(&body.code);
    let base = base.ok_or_else(|| Refusal::at(Code::BadValue, "code"))?;
    if base.entered_by == "system" {
        return Err(Refusal::by_rule(Code::BadValue, "code", "follows_from_rows").into());
    }
    // Above its level a unit's own number goes before the sum of its parts; below it, the number is known of nobody.
    let level = match level_of(&unit).as_deref() {
        Some("village") => Level::Village,
        _ => Level::Commune,
    };
    if level > base.level {
        return Err(Refusal::by_rule(Code::BadValue, "unit", "wrong_level").into());
    }
    words(&body.source, TextLimit::NAME, "source")?;
    let value = DenominatorValue {
        unit: body.unit,
        code: body.code.clone(),
        from: body.from,
        value: body.value,
        source: body.source.clone(),
        by: context.principal.user,
        ext: Ext::default(),
    };
    let row = (RowType::DENOMINATOR, denominator_id(body.unit, &body.code, body.from));
    put_keyed(state, context, scope, row, body.base_ver, (denominator::VALUE, Raw(value.cbor())))
}

pub(super) fn set_manual<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SetManual,
) -> Result<Decision, Stop<S::Error>> {
    let scope = ScopeId::from(body.unit);
    allowed(context.may(op, Action::WriteFigures, scope))?;
    let unit = unit_in_force(state, context, body.unit, "unit")?;
    if level_of(&unit).as_deref() != Some("commune") {
        return Err(Refusal::by_rule(Code::BadValue, "unit", "wrong_level").into());
    }
    let input = Indicators::shipped().manual_input(&body.code);
    let input = input.ok_or_else(|| Refusal::at(Code::BadValue, "code"))?;
    let kind = PeriodKind::from_code(&body.period).ok_or_else(|| Refusal::at(Code::BadValue, "period"))?;
    let period = Period::of_month(kind, body.month);
    period.days(CutOff::default()).ok_or_else(|| Refusal::at(Code::BadValue, "month"))?;
    let number = Decimal::parse(&body.value).filter(|number| match input.unit {
        FigureUnit::Percent => (Decimal::from_int(0)..=Decimal::from_int(100)).contains(number),
        _ => *number >= Decimal::from_int(0),
    });
    let number = number.ok_or_else(|| Refusal::at(Code::BadValue, "value"))?;
    words(&body.source, TextLimit::NAME, "source")?;
    let value = ManualValue {
        unit: body.unit,
        code: body.code.clone(),
        period: body.period.clone(),
        month: period.last_month(),
        value: number.to_string(),
        source: body.source.clone(),
        by: context.principal.user,
        ext: Ext::default(),
    };
    let row = (RowType::MANUAL_NUMBER, manual_number_id(body.unit, &body.code, &body.period, body.month));
    put_keyed(state, context, scope, row, body.base_ver, (manual_number::VALUE, Raw(value.cbor())))
}
