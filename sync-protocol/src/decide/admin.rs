//! Units, members, accounts, roles, reporting months.

use std::collections::BTreeMap;

use crate::access::{Action, INSTALLATION, Role};
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::registers::{check_new_unit, level_of, name, one_of, with_group};
use crate::decide::{Change, Context, Decision, Grant, Refusal, State, Stop, User, allowed, store};
use crate::entity::*;
use crate::ids::*;
use crate::op::*;
use crate::outcome::Code;
use crate::phone_number;
use crate::row::{Group, Register, RowType, Ver};

/// The organisations that a member may come from (docs/DOMAIN.md §8). No party office: that is sensitive.
const ORGANISATIONS: [&str; 11] = [
    "youth",
    "women",
    "farmers",
    "veterans",
    "front",
    "police",
    "teacher",
    "health",
    "post_telecom",
    "village_head",
    "village_board",
];
const ORGANISATION_OTHER: &str = "other";

pub(super) fn create_unit<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CreateRow,
) -> Result<Decision, Stop<S::Error>> {
    allowed(context.may(op, Action::WriteUnit, body.scope))?;
    check_new_unit(&body.groups.0)?;
    let identity = group::<UnitIdentity>(&body.groups.0, unit::IDENTITY)?;
    let parent = group::<UnitParent>(&body.groups.0, unit::PARENT)?;
    if ScopeId::from(parent.parent) != body.scope {
        return Err(Refusal::at(Code::NotFound, "parent").into());
    }
    let is_admin = context.may(op, Action::GrantOfficeRole, body.scope).role().is_some();
    // Only villages are the product's own records; the levels above come from the official lists.
    if identity.level != "village" && !is_admin {
        return Err(Code::NotAllowed.into());
    }
    let above = store(state.register(RowType::UNIT, body.scope.0))?.map(|(_, above)| above);
    if body.scope != INSTALLATION && above.is_none() {
        return Err(Refusal::at(Code::NotFound, "parent").into());
    }
    if !is_admin && !parent.former.is_empty() {
        return Err(Refusal::at(Code::NotAllowed, "parent.former").into());
    }
    if !is_admin && above.as_ref().and_then(level_of).as_deref() != Some("commune") {
        return Err(Refusal::at(Code::BadValue, "parent").into());
    }
    let id = match body.id {
        Some(id) if is_admin => id,
        Some(_) => return Err(Refusal::at(Code::NotAllowed, "id").into()),
        None => op.row_id(),
    };
    if store(state.register(RowType::UNIT, id))?.is_some() {
        return Err(Code::AlreadyExists.into());
    }
    let ver = Ver::first(context.server_epoch);
    let register = Register::new(RowType::UNIT, id, context.stamp(ver), body.groups.0.clone());
    Ok(Decision::applied(ver, vec![Change::PutRegister { scope: ScopeId(id), register }]))
}

fn group<T: Cbor>(groups: &BTreeMap<u8, Raw>, key: u8) -> Result<T, Refusal> {
    let raw = groups.get(&key).ok_or_else(|| Refusal::at(Code::BadValue, format!("groups[{key}]")))?;
    Ok(T::from_cbor(&raw.0)?)
}

pub(super) fn create_user<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CreateUser,
) -> Result<Decision, Stop<S::Error>> {
    allowed(context.may(op, Action::WriteUser, body.unit.into()))?;
    name(&body.display_name, "display_name")?;
    if phone_number::normalise(&body.phone).as_deref() != Ok(body.phone.as_str()) {
        return Err(Refusal::at(Code::BadValue, "phone").into());
    }
    if store(state.user_by_phone(&body.phone))?.is_some() {
        return Err(Refusal::at(Code::AlreadyExists, "phone").into());
    }
    let user = User {
        id: UserId(op.row_id()),
        display_name: body.display_name.clone(),
        phone: body.phone.clone(),
        unit: body.unit,
        grants_rev: 0,
        active: true,
    };
    Ok(Decision::applied(Ver::first(context.server_epoch), vec![Change::PutUser(user)]))
}

/// A grant's revision and the user's move together: phones compare the user's.
fn new_grant(user: &mut User, id: GrantId, role: Role, unit: UnitId, from: Day, decision: Option<String>) -> Grant {
    user.grants_rev += 1;
    Grant { id, user: user.id, role: role.code().to_owned(), unit, from, to: None, ended: None, decision }
}

fn end(user: &mut User, grant: Grant, to: Day, now: ServerMs) -> Grant {
    user.grants_rev += 1;
    Grant { to: Some(to), ended: Some((user.grants_rev, now)), ..grant }
}

pub(super) fn add_member<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &AddMember,
) -> Result<Decision, Stop<S::Error>> {
    let Some((scope, team)) = store(state.register(RowType::TEAM, body.team.0))? else {
        return Err(Refusal::at(Code::NotFound, "team").into());
    };
    // A foreign team and one that is not there are answered alike.
    if context.may(op, Action::WriteTeam, scope).role().is_none() {
        return Err(Refusal::at(Code::NotFound, "team").into());
    }
    let Some(identity) = team.group::<TeamIdentity>(team::IDENTITY) else {
        return Err(Refusal::at(Code::NotFound, "team").into());
    };
    let Some(mut user) = store(state.user(body.user))? else {
        return Err(Refusal::at(Code::NotFound, "user").into());
    };
    name(&body.display_name, "display_name")?;
    one_of(&body.position, &["leader", "deputy", "member"], "position")?;
    if body.organisation != ORGANISATION_OTHER {
        one_of(&body.organisation, &ORGANISATIONS, "organisation")?;
    }
    let role = if body.position == "leader" { Role::TeamLeader } else { Role::Member };
    let grant = new_grant(&mut user, GrantId(op.row_id()), role, identity.unit, body.from, None);
    let ver = Ver::first(context.server_epoch);
    let who = MemberIdentity {
        team: body.team,
        user: body.user,
        display_name: body.display_name.clone(),
        ext: Ext::default(),
    };
    let position = MemberPosition {
        position: body.position.clone(),
        organisation: body.organisation.clone(),
        ext: Ext::default(),
    };
    let validity = Validity { from: body.from, to: None, ext: Ext::default() };
    let values = [
        (team_member::IDENTITY, Raw(who.cbor())),
        (team_member::POSITION, Raw(position.cbor())),
        (team_member::VALIDITY, Raw(validity.cbor())),
    ];
    let register = Register::new(RowType::TEAM_MEMBER, op.row_id(), context.stamp(ver), values);
    let changes = vec![Change::PutRegister { scope, register }, Change::PutGrant(grant), Change::PutUser(user)];
    Ok(Decision::applied(ver, changes))
}

pub(super) fn end_member<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &EndMember,
) -> Result<Decision, Stop<S::Error>> {
    let Some((scope, member)) = store(state.register(RowType::TEAM_MEMBER, body.member.0))? else {
        return Err(Code::NotFound.into());
    };
    allowed(context.may(op, Action::WriteTeam, scope))?;
    let (Some(who), Some(validity)) =
        (member.group::<MemberIdentity>(team_member::IDENTITY), member.group::<Validity>(team_member::VALIDITY))
    else {
        return Err(Code::NotFound.into());
    };
    if validity.to.is_some() {
        return Err(Code::WrongState.into());
    }
    if body.to < validity.from {
        return Err(Refusal::at(Code::BadValue, "to").into());
    }
    let ver = member.ver.next(context.server_epoch);
    let mut register = Register { ver, ..member };
    let ended = Validity { to: Some(body.to.max(Day(validity.from.0 + 1))), ..validity };
    register.groups.insert(team_member::VALIDITY, Group::set(Raw(ended.cbor()), context.stamp(ver)));
    let mut changes = vec![Change::PutRegister { scope, register }];
    if let Some(mut user) = store(state.user(who.user))? {
        // The grant that came with this membership carries its id.
        if let Some(grant) = store(state.grant(GrantId(body.member.0)))?
            && grant.ended.is_none()
        {
            changes.push(Change::PutGrant(end(&mut user, grant, body.to, context.received)));
            changes.push(Change::PutUser(user));
        }
    }
    Ok(Decision::applied(ver, changes))
}

pub(super) fn give_grant<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &GiveGrant,
) -> Result<Decision, Stop<S::Error>> {
    let role = Role::from_code(&body.role).ok_or_else(|| Refusal::at(Code::BadValue, "role"))?;
    let scope = ScopeId::from(body.unit);
    allowed(context.may(op, action_for(role), scope))?;
    let Some(mut user) = store(state.user(body.user))? else {
        return Err(Refusal::at(Code::NotFound, "user").into());
    };
    let is_installation = scope == INSTALLATION;
    if is_installation != (role == Role::Admin)
        || (!is_installation && store(state.register(RowType::UNIT, body.unit.0))?.is_none())
    {
        return Err(Refusal::at(Code::NotFound, "unit").into());
    }
    if let Some(decision) = &body.decision {
        name(decision, "decision")?;
    }
    let grant = new_grant(&mut user, GrantId(op.row_id()), role, body.unit, body.from, body.decision.clone());
    let ver = Ver::first(context.server_epoch);
    Ok(Decision::applied(ver, vec![Change::PutGrant(grant), Change::PutUser(user)]))
}

pub(super) fn end_grant<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &EndGrant,
) -> Result<Decision, Stop<S::Error>> {
    let Some(grant) = store(state.grant(body.grant))? else { return Err(Code::NotFound.into()) };
    let role = Role::from_code(&grant.role).ok_or(Code::NotFound)?;
    allowed(context.may(op, action_for(role), grant.unit.into()))?;
    if grant.ended.is_some() {
        return Err(Code::WrongState.into());
    }
    let Some(mut user) = store(state.user(grant.user))? else { return Err(Code::NotFound.into()) };
    let grant = end(&mut user, grant, body.to, context.received);
    let ver = Ver::first(context.server_epoch);
    Ok(Decision::applied(ver, vec![Change::PutGrant(grant), Change::PutUser(user)]))
}

fn action_for(role: Role) -> Action {
    if matches!(role, Role::Member | Role::TeamLeader) { Action::GrantTeamRole } else { Action::GrantOfficeRole }
}

pub(super) fn set_period<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SetPeriod,
) -> Result<Decision, Stop<S::Error>> {
    let scope = ScopeId::from(body.commune);
    allowed(context.may(op, Action::SetPeriod, scope))?;
    if store(state.register(RowType::UNIT, body.commune.0))?.is_none() {
        return Err(Refusal::at(Code::NotFound, "commune").into());
    }
    let id = period_id(body.commune, body.month);
    let value = PeriodStatus { commune: body.commune, month: body.month, open: body.open, ext: Ext::default() };
    let current = store(state.register(RowType::PERIOD, id))?;
    let ver = match &current {
        Some((_, current)) => current.ver.next(context.server_epoch),
        None => Ver::first(context.server_epoch),
    };
    let values = [(period::STATUS, Raw(value.cbor()))];
    let register = Register::new(RowType::PERIOD, id, context.stamp(ver), values);
    Ok(Decision::applied(ver, vec![Change::PutRegister { scope, register }]))
}

/// Whether a reorganisation is in effect.
fn is_applied(row: &Register) -> bool {
    let status: Option<ReorganisationStatus> = row.group(reorganisation::STATUS);
    status.is_some_and(|status| status.status == "applied")
}

fn reorganisation_status(context: &Context<'_>, status: &str) -> Raw {
    let (by, at) = (context.principal.user, context.received);
    Raw(ReorganisationStatus { status: status.to_owned(), by, at, ext: Ext::default() }.cbor())
}

/// One row per day and set of communes: what was undone may be applied again.
pub(super) fn record_reorganisation<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &RecordReorganisation,
) -> Result<Decision, Stop<S::Error>> {
    allowed(context.may(op, Action::GrantOfficeRole, INSTALLATION))?;
    name(&body.what.basis, "basis")?;
    if body.scope != INSTALLATION && store(state.register(RowType::UNIT, body.scope.0))?.is_none() {
        return Err(Refusal::at(Code::NotFound, "scope").into());
    }
    let (scope, ver) = match store(state.register(RowType::REORGANISATION, body.id))? {
        None => (body.scope, Ver::first(context.server_epoch)),
        Some((scope, before)) if !is_applied(&before) => (scope, before.ver.next(context.server_epoch)),
        Some(_) => return Err(Code::AlreadyExists.into()),
    };
    let values = [
        (reorganisation::WHAT, Raw(body.what.cbor())),
        (reorganisation::STATUS, reorganisation_status(context, "applied")),
    ];
    let register = Register::new(RowType::REORGANISATION, body.id, context.stamp(ver), values);
    Ok(Decision::applied(ver, vec![Change::PutRegister { scope, register }]))
}

/// Units that the reorganisation opened end on their first day: they were never in force.
pub(super) fn undo_reorganisation<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &ReorganisationRef,
) -> Result<Decision, Stop<S::Error>> {
    allowed(context.may(op, Action::GrantOfficeRole, INSTALLATION))?;
    let Some((scope, row)) = store(state.register(RowType::REORGANISATION, body.id))? else {
        return Err(Code::NotFound.into());
    };
    if !is_applied(&row) {
        return Err(Code::WrongState.into());
    }
    let what: Option<ReorganisationWhat> = row.group(reorganisation::WHAT);
    let status = reorganisation_status(context, "undone");
    let (ver, register) = with_group(context, row, reorganisation::STATUS, status);
    let mut changes = vec![Change::PutRegister { scope, register }];
    for opened in what.into_iter().flat_map(|what| what.opened) {
        if let Some((scope, unit)) = store(state.register(RowType::UNIT, opened.0))?
            && let Some(validity) = unit.group::<Validity>(unit::VALIDITY)
        {
            let never = Raw(Validity { to: Some(validity.from), ..validity }.cbor());
            let (_, register) = with_group(context, unit, unit::VALIDITY, never);
            changes.push(Change::PutRegister { scope, register });
        }
    }
    Ok(Decision::applied(ver, changes))
}
