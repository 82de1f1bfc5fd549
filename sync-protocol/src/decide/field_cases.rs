//! Cases from the field: opened by hand or by an activity, moved on step by step, never lost.
//!
//! The steps are those of `case_flow`. Every step is dated by the server's day, so that no phone's clock makes an answer
//! late. Source: docs/DOMAIN.md §7, docs/PROTOCOL.md, K1 to K7.

use std::collections::BTreeMap;

use crate::access::{Action, Role};
use crate::calendar::Holidays;
use crate::case_flow::{Case, CaseKind, CaseRefused, CaseStatus, CaseTerms, transition};
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::registers::{is_here, parent_of, put_groups, put_new, unit_in_force, words};
use crate::decide::{Change, Context, Decision, Refusal, State, Stop, store};
use crate::entity::*;
use crate::household::description_mark;
use crate::ids::*;
use crate::op::{AdvanceCase, Op, OpenCase, activities_with_ids, read_content};
use crate::outcome::Code;
use crate::row::{Event, Register, RowType};
use crate::text::TextLimit;

impl From<CaseRefused> for Refusal {
    fn from(refused: CaseRefused) -> Self {
        let rule = Some(refused.code().to_owned());
        match refused {
            CaseRefused::WrongState(..) | CaseRefused::BackInTime => Self { rule, ..Code::WrongState.into() },
            CaseRefused::NotAllowed => Code::NotAllowed.into(),
            CaseRefused::Missing(_) | CaseRefused::BadText(_) | CaseRefused::ForbiddenNumber(_) => {
                Self { rule, ..Self::at(Code::BadValue, "text") }
            }
        }
    }
}

/// What an activity opens a case about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Opening {
    activity: ActivityId,
    kind: CaseKind,
    village: UnitId,
    household: Option<HouseholdId>,
}

/// The cases that a visit's content opens, by id.
pub(super) type Openings = BTreeMap<CaseId, Opening>;

/// The cases that the content of an event opens: one for each activity of a kind that lives on as a case.
pub(super) fn openings(context: &Context<'_>, event: &Event) -> Openings {
    let Ok(content) = read_content(&event.body) else { return Openings::new() };
    let opening = |(activity, answers): (ActivityId, &Activity)| {
        let kind = context.catalogue.kind(&answers.kind).filter(|kind| kind.is_case())?;
        let kind = CaseKind::from_code(&kind.code)?;
        let (village, household) = (content.village, content.household);
        Some((field_case_id(activity, kind), Opening { activity, kind, village, household }))
    };
    activities_with_ids(event.id, event.at, &content).into_iter().filter_map(opening).collect()
}

/// The same for an event that is stored; none for one that a phone no longer holds.
pub(super) fn openings_at<S: State>(
    state: &mut S,
    context: &Context<'_>,
    event: EventId,
) -> Result<Openings, Stop<S::Error>> {
    let event = store(state.event(event))?;
    Ok(event.map(|(_, event)| openings(context, &event)).unwrap_or_default())
}

fn due(case: &Case) -> Option<Day> {
    case.due(&CaseTerms::default(), Holidays::shipped()).ok()
}

/// Where a case says what it is about.
enum About {
    Activity(VisitId, ActivityId),
    Text(String, Option<HouseholdId>),
}

/// The groups of a case that is opened now.
fn opened(
    context: &Context<'_>,
    case: &Case,
    role: Role,
    unit: UnitId,
    household: Option<HouseholdId>,
    about: About,
) -> [(u8, Raw); 2] {
    let (visit, activity, text, other) = match about {
        About::Activity(visit, activity) => (Some(visit), Some(activity), None, None),
        About::Text(text, other) => (None, None, Some(text), other),
    };
    let flow = CaseFlow {
        kind: case.kind().code().to_owned(),
        unit,
        household,
        opened_by: context.principal.user,
        role: role.code().to_owned(),
        opened: context.today(),
        due: due(case),
        receiver: None,
        visit,
        activity,
        text,
        withdrawn: None,
        other,
        described: None,
        ext: Ext::default(),
    };
    let steps = CaseSteps { steps: Vec::new(), ext: Ext::default() };
    [(case::FLOW, Raw(flow.cbor())), (case::STEPS, Raw(steps.cbor()))]
}

pub(super) fn open<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &OpenCase,
) -> Result<Decision, Stop<S::Error>> {
    let scope = ScopeId::from(body.unit);
    let roles = context.roles(op, Action::OpenCase, scope)?;
    unit_in_force(state, context, body.unit, "unit")?;
    let kind = CaseKind::from_code(&body.kind).ok_or_else(|| Refusal::at(Code::BadValue, "kind"))?;
    if let Some(household) = body.household {
        is_here(state, scope, RowType::HOUSEHOLD, household.0, "household")?;
    }
    if let Some(other) = body.other {
        if kind != CaseKind::Duplicate || body.household.is_none_or(|household| household == other) {
            return Err(Refusal::at(Code::BadValue, "other").into());
        }
        // It may lie in another village, but not where the asker sees nothing.
        let at = store(state.register(RowType::HOUSEHOLD, other.0))?.map(|(at, _)| at);
        if at.is_none_or(|at| context.roles(op, Action::OpenCase, at).is_err()) {
            return Err(Refusal::at(Code::NotFound, "other").into());
        }
    }
    words(&body.text, TextLimit::NOTE, "text")?;
    let role = roles.into_iter().find(|role| kind.may_open(*role)).ok_or(Code::NotAllowed)?;
    let case = Case::open(kind, body.unit, role, context.today()).map_err(Refusal::from)?;
    let values = opened(context, &case, role, body.unit, body.household, About::Text(body.text.clone(), body.other));
    Ok(put_new(context, scope, RowType::CASE, op.row_id(), values))
}

pub(super) fn advance<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &AdvanceCase,
) -> Result<Decision, Stop<S::Error>> {
    let Some((scope, register)) = store(state.register(RowType::CASE, body.case.0))? else {
        return Err(Code::NotFound.into());
    };
    // A grant for a province reaches its communes; a forwarded case may lie in a village below.
    let mut roles = context.roles(op, Action::AdvanceCase, scope).unwrap_or_default();
    if let Some(above) = parent_of(state, scope.into())? {
        roles.extend(context.roles(op, Action::AdvanceCase, above.into()).unwrap_or_default());
    }
    let Some(weakest) = roles.first().copied() else { return Err(Code::NotFound.into()) };
    let Some(mut flow) = register.group::<CaseFlow>(case::FLOW) else { return Err(Code::CaseOtherKind.into()) };
    let (Some(mut case), Some(mut steps)) = (Case::read(&register), register.group::<CaseSteps>(case::STEPS)) else {
        return Err(Code::NeedsServerUpdate.into());
    };
    if flow.withdrawn.is_some() {
        return Err(Refusal { rule: Some("withdrawn".into()), ..Code::WrongState.into() }.into());
    }
    let to = CaseStatus::from_code(&body.to).ok_or_else(|| Refusal::at(Code::BadValue, "to"))?;
    let fits = |role: &Role| transition(case.kind(), case.status(), to, *role).is_ok();
    let role = roles.iter().copied().find(fits).unwrap_or(weakest);
    let day = context.today().max(case.last_day());
    case.advance(to, role, body.text.as_deref().unwrap_or_default(), day).map_err(Refusal::from)?;
    steps.steps.push(CaseStepTaken {
        to: to.code().to_owned(),
        day,
        role: role.code().to_owned(),
        by: context.principal.user,
        text: body.text.clone().filter(|text| !text.is_empty()),
        ext: Ext::default(),
    });
    flow.receiver = case.receiver().map(str::to_owned);
    if to == CaseStatus::Open {
        flow.due = due(&case);
    }
    if let (CaseStatus::Rejected, Some(one), Some(other)) = (to, flow.household, flow.other) {
        let one = store(state.register(RowType::HOUSEHOLD, one.0))?;
        let other = store(state.register(RowType::HOUSEHOLD, other.0))?;
        flow.described = one.zip(other).map(|((_, one), (_, other))| description_mark(&one, &other));
    }
    let values = [(case::FLOW, Raw(flow.cbor())), (case::STEPS, Raw(steps.cbor()))];
    Ok(put_groups(context, scope, register, values))
}

/// What a visit's cases do when its content changes: an activity that is new opens one, an activity that is gone takes
/// back the one that nobody has touched, and one that is there again brings it back. Whatever somebody has taken up
/// stays.
pub(super) fn follow<S: State>(
    state: &mut S,
    context: &Context<'_>,
    scope: ScopeId,
    visit: VisitId,
    role: Role,
    before: &Openings,
    now: &Openings,
) -> Result<Vec<Change>, Stop<S::Error>> {
    let mut changes = Vec::new();
    for (id, opening) in now {
        let Opening { activity, kind, village, household } = *opening;
        match store(state.register(RowType::CASE, id.0))? {
            Some(known) => changes.extend(withdraw(context, visit, known, None)),
            None => {
                let case = Case::open(kind, village, role, context.today()).map_err(Refusal::from)?;
                let values = opened(context, &case, role, village, household, About::Activity(visit, activity));
                changes.extend(put_new(context, scope, RowType::CASE, id.0, values).changes);
            }
        }
    }
    for id in before.keys().filter(|id| !now.contains_key(*id)) {
        if let Some(known) = store(state.register(RowType::CASE, id.0))? {
            changes.extend(withdraw(context, visit, known, Some(context.today())));
        }
    }
    Ok(changes)
}

/// Takes a visit's own untouched case back, or brings it back. A foreign visit that names the same activity moves nothing.
fn withdraw(
    context: &Context<'_>,
    visit: VisitId,
    (scope, register): (ScopeId, Register),
    withdrawn: Option<Day>,
) -> Vec<Change> {
    let untouched = register.group::<CaseSteps>(case::STEPS).is_some_and(|steps| steps.steps.is_empty());
    match register.group::<CaseFlow>(case::FLOW) {
        Some(flow) if untouched && flow.visit == Some(visit) && flow.withdrawn.is_some() != withdrawn.is_some() => {
            let value = Raw(CaseFlow { withdrawn, ..flow }.cbor());
            put_groups(context, scope, register, [(case::FLOW, value)]).changes
        }
        _ => Vec::new(),
    }
}
