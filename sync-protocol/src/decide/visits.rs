//! Visits: recorded once as an event, corrected and voided by later events, reviewed in a register beside them.

use crate::access::{Access, Action, Role};
use crate::catalogue::{ActivityContent, ActivityFacts, EvidencePolicy, QUANTITY_CAP, Severity};
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::cases::Disputes;
use crate::decide::field_cases::{self, Openings, openings, openings_at};
use crate::decide::registers::{in_force, one_of, plan_status, short_code, text, with_group, works_in};
use crate::decide::{Change, Context, Decision, Refusal, State, Stop, allowed, store};
use crate::entity::*;
use crate::ids::*;
use crate::merge::{Meeting, after, meet};
use crate::op::*;
use crate::outcome::Code;
use crate::row::{Event, Group, Register, RowType, Ver, flag};
use crate::text::TextLimit;
use crate::workflow::{Refused, VisitStatus, correction, transition};

const WORDS: TextLimit = TextLimit { max_chars: 2_000, newline: true };
const NAME: TextLimit = TextLimit { max_chars: 120, newline: false };
const FIELD: TextLimit = TextLimit { max_chars: 60, newline: false };
/// Most activities of one visit.
const ACTIVITIES_MAX: usize = 50;
/// Most people who came along.
const MEMBERS_MAX: usize = 20;
/// Most reasons of one return.
const REASONS_MAX: usize = 30;
/// A visit that arrives later than this is flagged (docs/DOMAIN.md §6).
const LATE_DAYS: u32 = 7;
/// A visit older than this is flagged; the phone asks before it is saved (catalogue, `visit_date_window`).
const OLD_DAYS: u32 = 60;
/// Why a visit may be sent back.
const RETURN_CODES: [&str; 7] =
    ["wrong_answer", "missing_answer", "evidence_unclear", "duplicate", "wrong_household", "wrong_day", "other"];
/// Why a visit may be declared void.
const VOID_CODES: [&str; 4] = ["duplicate", "wrong_household", "entered_by_mistake", "other"];

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::WrongState => Code::WrongState,
            Refused::NotAllowed => Code::NotAllowed,
            Refused::PeriodClosed => Code::PeriodClosed,
        }
        .into()
    }
}

/// The state of a visit that nobody touched since it was recorded. It is not stored: only a second op makes a row of it.
pub fn initial_state(event: &Event) -> Register {
    let stamp = event.stamp();
    let pointer =
        VisitPointer { event: event.id, hash: content_hash(&event.body.0), voided_by: None, ext: Ext::default() };
    let status = if event.submitted { VisitStatus::Submitted } else { VisitStatus::Done };
    let status = VisitStatusValue {
        status: status.code().to_owned(),
        handed_in: None,
        was_returned: false,
        ext: Ext::default(),
    };
    let values = [(visit_state::CONTENT, Raw(pointer.cbor())), (visit_state::STATUS, Raw(status.cbor()))];
    Register::new(RowType::VISIT_STATE, event.id.0, stamp, values)
}

/// A visit's next status, with what must stay known of the earlier ones: when it was first handed in, and whether it
/// was ever sent back.
fn next_status(context: &Context<'_>, recorded: &Event, before: VisitStatusValue, status: VisitStatus) -> Raw {
    let first_handed_in = status == VisitStatus::Submitted && !recorded.submitted && before.handed_in.is_none();
    let next = VisitStatusValue {
        status: status.code().to_owned(),
        handed_in: if first_handed_in { Some(context.received) } else { before.handed_in },
        was_returned: before.was_returned || status == VisitStatus::Returned,
        ext: before.ext,
    };
    Raw(next.cbor())
}

/// The reporting month of a day. One rule for everyone, so that phone and desk count the same.
pub fn reporting_month(day: Day) -> Month {
    Month::of_day(day, Month::LAST_DAY_DEFAULT)
}

struct Visit {
    scope: ScopeId,
    recorded: Event,
    state: Register,
    pointer: VisitPointer,
    status: VisitStatus,
    value: VisitStatusValue,
}

fn load<S: State>(state: &mut S, id: VisitId) -> Result<Visit, Stop<S::Error>> {
    let Some((scope, recorded)) = store(state.event(id.into()))? else { return Err(Code::NotFound.into()) };
    if recorded.row_type() != RowType::VISIT_RECORDED {
        return Err(Code::NotFound.into());
    }
    let register = match store(state.register(RowType::VISIT_STATE, id.0))? {
        Some((_, register)) => register,
        None => initial_state(&recorded),
    };
    let pointer = register.group::<VisitPointer>(visit_state::CONTENT);
    let value = register.group::<VisitStatusValue>(visit_state::STATUS);
    let status = value.as_ref().and_then(|value| VisitStatus::from_code(&value.status));
    match (pointer, value, status) {
        (Some(pointer), Some(value), Some(status)) => {
            Ok(Visit { scope, recorded, state: register, pointer, status, value })
        }
        // A status that a newer server wrote: this version must not guess.
        _ => Err(Code::NeedsServerUpdate.into()),
    }
}

impl Visit {
    /// The content that holds now.
    fn content<S: State>(&self, state: &mut S) -> Result<VisitContent, Stop<S::Error>> {
        let event = if self.pointer.event == self.recorded.id {
            Some(self.recorded.clone())
        } else {
            store(state.event(self.pointer.event))?.map(|(_, event)| event)
        };
        let event = event.ok_or(Code::NotFound)?;
        read_content(&event.body).map_err(|fault| Refusal::from(fault).into())
    }

    fn finish(self, changes: Vec<Change>) -> Decision {
        let ver = self.state.ver;
        let mut all = vec![Change::PutRegister { scope: self.scope, register: self.state }];
        all.extend(changes);
        Decision::applied(ver, all)
    }

    /// The group for a status that it comes to now.
    fn coming_to(&self, context: &Context<'_>, status: VisitStatus) -> (u8, Vec<u8>) {
        (visit_state::STATUS, next_status(context, &self.recorded, self.value.clone(), status).0)
    }

    /// Gives the state its next version and sets the groups that rules move on.
    fn advance(&mut self, context: &Context<'_>, values: impl IntoIterator<Item = (u8, Vec<u8>)>) {
        self.state.ver = self.state.ver.next(context.server_epoch);
        let stamp = context.stamp(self.state.ver);
        for (key, value) in values {
            let mut group = Group::set(Raw(value), stamp);
            group.case = self.state.groups.get(&key).and_then(|before| before.case);
            self.state.groups.insert(key, group);
        }
    }
}

pub(super) fn record<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &RecordVisit,
) -> Result<Decision, Stop<S::Error>> {
    let content = read_content(&body.content).map_err(Refusal::from)?;
    let scope = ScopeId::from(content.village);
    let access = context.may(op, Action::WriteVisit, scope);
    let role = allowed(access).map_err(|refusal| refused_write(context, scope, refusal))?;
    let mut flags = check_content(state, context, scope, &content)?;
    flags |= flags_of_arrival(state, context, op, access, &content)?;

    let ver = Ver::first(context.server_epoch);
    let mut event = new_event(context, op, RowType::VISIT_RECORDED, None, ver, flags, body.content.clone());
    event.submitted = body.submit;
    let visit = event.visit_id();
    let opened = openings(context, &event);
    let mut changes = vec![Change::PutEvent { scope, event }];
    changes.extend(field_cases::follow(state, context, scope, visit, role, &Openings::new(), &opened)?);
    if let Some(plan) = body.plan {
        let Some((at, current)) = store(state.register(RowType::PLAN, plan.0))? else {
            return Err(Refusal::at(Code::NotFound, "plan").into());
        };
        if at != scope {
            return Err(Refusal::at(Code::NotFound, "plan").into());
        }
        // A plan that was cancelled or done meanwhile does not refuse the visit: the visit is a fact.
        if current.group::<PlanStatus>(plan::STATUS).is_some_and(|status| status.status == "planned") {
            let value = Raw(plan_status("done", Some(visit), None).cbor());
            let (_, register) = with_group(context, current, plan::STATUS, value);
            changes.push(Change::PutRegister { scope, register });
        }
    }
    Ok(Decision::applied(ver, changes))
}

/// Somebody whose grant has ended for good learns that, not that the village does not exist.
fn refused_write(context: &Context<'_>, scope: ScopeId, refusal: Refusal) -> Refusal {
    let held = context.principal.holdings.iter().any(|holding| holding.scope == scope && holding.ended.is_some());
    if held { Code::GrantEnded.into() } else { refusal }
}

fn new_event(
    context: &Context<'_>,
    op: &Op,
    ty: RowType,
    visit: Option<VisitId>,
    ver: Ver,
    flags: u32,
    body: Raw,
) -> Event {
    Event {
        ty: ty.0,
        id: EventId(op.row_id()),
        ver,
        visit,
        author: context.principal.user,
        epoch: context.epoch,
        n: context.n,
        received: context.received,
        flags,
        at: op.at,
        body,
        submitted: false,
        ext: Ext::default(),
    }
}

/// Checks what a visit says: refers to things that are there, answers what the catalogue asks. Gives flags.
fn check_content<S: State>(
    state: &mut S,
    context: &Context<'_>,
    scope: ScopeId,
    content: &VisitContent,
) -> Result<u32, Stop<S::Error>> {
    let mut flags = 0;
    let Some((_, village)) = store(state.register(RowType::UNIT, scope.0))? else {
        return Err(Refusal::at(Code::NotFound, "village").into());
    };
    in_force(&village, content.day.min(context.today()))
        .map_err(|refusal| Refusal { field: Some("village".into()), ..refusal })?;

    if !works_in(state, content.team, scope)? {
        return Err(Refusal::at(Code::NotFound, "team").into());
    }
    if let Some(household) = content.household {
        match store(state.register(RowType::HOUSEHOLD, household.0))? {
            Some((at, _)) if at == scope => {}
            _ if store(state.has_left(scope, RowType::HOUSEHOLD, household.0))? => flags |= flag::HOUSEHOLD_MOVED,
            _ => return Err(Refusal::at(Code::NotFound, "household").into()),
        }
    }
    if !context
        .catalogue
        .list("visit_type")
        .is_some_and(|list| list.iter().any(|choice| choice.code == content.visit_type))
    {
        return Err(Refusal::at(Code::NeedsServerUpdate, "visit_type").into());
    }
    match (&content.result, content.activities.is_empty()) {
        (Some(result), _) => one_of(result, &["absent", "refused"], "result")?,
        (None, true) => return Err(Code::NothingDone.into()),
        (None, false) => {}
    }
    short_code(&content.catalogue, "catalogue")?;
    for (words, limit, field) in [
        (&content.summary, WORDS, "summary"),
        (&content.partner_org, NAME, "partner_org"),
        (&content.quantity_reason, WORDS, "quantity_reason"),
    ] {
        if let Some(words) = words {
            text(words, limit, field)?;
        }
    }
    if content.activities.len() > ACTIVITIES_MAX {
        return Err(Refusal::at(Code::BadValue, "activities").into());
    }
    if content.members.len() > MEMBERS_MAX {
        return Err(Refusal::at(Code::BadValue, "members").into());
    }
    if content.minutes.is_some_and(|minutes| minutes > 24 * 60) {
        return Err(Refusal::at(Code::BadValue, "minutes").into());
    }
    if content.place.is_some_and(|(lat, lon)| lat.abs() > 90_000 || lon.abs() > 180_000) {
        return Err(Refusal::at(Code::BadValue, "place").into());
    }
    for (index, activity) in content.activities.iter().enumerate() {
        flags |= check_activity(context, content, index, activity)?;
    }
    Ok(flags)
}

fn check_activity(
    context: &Context<'_>,
    content: &VisitContent,
    index: usize,
    activity: &Activity,
) -> Result<u32, Refusal> {
    let Some(kind) = context.catalogue.kind(&activity.kind) else {
        return Err(Refusal::at(Code::NeedsServerUpdate, format!("activities[{index}]")));
    };
    let answers = ActivityContent { kind: activity.kind.clone(), fields: activity.fields.clone() };
    let facts = ActivityFacts {
        visit_day: content.day,
        evidence: &[],
        last_approved: None,
        evidence_policy: EvidencePolicy::FlagOnly,
    };
    let mut flags = 0;
    for finding in context.catalogue.validate(&answers, &facts) {
        let field = match &finding.field {
            Some(field) => format!("activities[{index}].{field}"),
            None => format!("activities[{index}]"),
        };
        match (finding.severity, finding.code.as_str()) {
            (Severity::Error, _) => {
                return Err(Refusal { code: Code::ValidationFailed, field: Some(field), rule: Some(finding.code) });
            }
            (_, "evidence_missing") => flags |= flag::EVIDENCE_MISSING,
            (_, "unknown_field") => flags |= flag::UNKNOWN_FIELD,
            _ => {}
        }
    }
    match kind.counts_only() {
        Some(rule) if content.household.is_some() => {
            let field = Some(format!("activities[{index}]"));
            Err(Refusal { code: Code::ValidationFailed, field, rule: Some(rule.code.clone()) })
        }
        _ => Ok(flags),
    }
}

/// What a reviewer should look at because of when and how a visit arrived. Never a reason to refuse: clocks lie.
fn flags_of_arrival<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    access: Access,
    content: &VisitContent,
) -> Result<u32, Stop<S::Error>> {
    let today = context.today();
    let age = today.0.saturating_sub(content.day.0);
    let hour = (op.at.0 / 3_600_000 + 7) % 24;
    let author = context.principal.user;
    let already = store(state.activities_on(author, content.day))?;
    let many = u32::try_from(content.activities.len()).unwrap_or(u32::MAX).saturating_add(already) > QUANTITY_CAP;
    let open = period_is_open(state, content.village, content.day)?;
    let conditions = [
        (flag::LATE, age > LATE_DAYS),
        (flag::OLD_DAY, age > OLD_DAYS),
        (flag::FUTURE_DAY, content.day > today),
        (flag::AFTER_GRANT_ENDED, matches!(access, Access::Late(_))),
        (flag::NIGHT, !(5..22).contains(&hour)),
        (flag::QUANTITY, many),
        (flag::PERIOD_CLOSED, !open),
    ];
    Ok(conditions.iter().filter(|(_, holds)| *holds).fold(0, |flags, (bit, _)| flags | bit))
}

/// A reporting month is open until the commune closes it: the one in which the village lay on that day.
fn period_is_open<S: State>(state: &mut S, village: UnitId, day: Day) -> Result<bool, Stop<S::Error>> {
    let Some((_, village)) = store(state.register(RowType::UNIT, village.0))? else { return Ok(true) };
    let Some(parent) = village.group::<UnitParent>(unit::PARENT) else { return Ok(true) };
    let id = period_id(parent.on(day), reporting_month(day));
    let period = store(state.register(RowType::PERIOD, id))?;
    let status = period.and_then(|(_, period)| period.group::<PeriodStatus>(period::STATUS));
    Ok(status.is_none_or(|status| status.open))
}

pub(super) fn submit<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &VisitRef,
) -> Result<Decision, Stop<S::Error>> {
    let mut visit = load(state, body.visit)?;
    let access = context.may(op, Action::WriteVisit, visit.scope);
    let role = allowed(access).map_err(|refusal| refused_write(context, visit.scope, refusal))?;
    not_void(&visit)?;
    transition(visit.status, VisitStatus::Submitted, role, true).map_err(Refusal::from)?;
    visit.advance(context, [visit.coming_to(context, VisitStatus::Submitted)]);
    Ok(visit.finish(vec![]))
}

fn not_void(visit: &Visit) -> Result<(), Refusal> {
    if visit.pointer.voided_by.is_some() {
        Err(Refusal { code: Code::WrongState, field: None, rule: Some("void".into()) })
    } else {
        Ok(())
    }
}

/// A correction replaces the whole content. Two corrections that have not seen each other are both kept, and a person
/// chooses; what a reviewer is looking at never changes under their eyes.
pub(super) fn correct<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CorrectVisit,
) -> Result<Decision, Stop<S::Error>> {
    let mut visit = load(state, body.visit)?;
    let access = context.may(op, Action::WriteVisit, visit.scope);
    let role = allowed(access).map_err(|refusal| refused_write(context, visit.scope, refusal))?;
    not_void(&visit)?;
    let content = read_content(&body.content).map_err(Refusal::from)?;
    // A visit stays in its village: its rows live there.
    if ScopeId::from(content.village) != visit.scope {
        return Err(Refusal::at(Code::BadValue, "village").into());
    }
    let mut flags = check_content(state, context, visit.scope, &content)?;
    flags |= flags_of_arrival(state, context, op, access, &content)? & !flag::QUANTITY;

    let event_ver = Ver::first(context.server_epoch);
    let mut event =
        new_event(context, op, RowType::VISIT_CORRECTED, Some(body.visit), event_ver, flags, body.content.clone());
    event.submitted = body.submit;
    let pointer = VisitPointer {
        event: event.id,
        hash: content_hash(&body.content.0),
        voided_by: None,
        ext: visit.pointer.ext.clone(),
    };
    let value = Raw(pointer.cbor());
    let before = visit.state.clone();
    let Some(group) = before.groups.get(&visit_state::CONTENT) else { return Err(Code::NotFound.into()) };
    let writer = context.writer(body.base_ver);
    let meeting = meet(group, &value, &writer);
    let knows_status = before
        .groups
        .get(&visit_state::STATUS)
        .is_none_or(|group| group.stamps.iter().all(|stamp| writer.knows(stamp)));

    let (coming, guarded, meeting) = match correction(visit.status, role, body.submit) {
        Ok(status) => (status, false, meeting),
        // The visit moved on without the author knowing: the correction is kept as the other side of a case.
        Err(Refused::WrongState) if !knows_status => (visit.status, true, Meeting::Clash),
        Err(refused) => return Err(Refusal::from(refused).into()),
    };
    let mut disputes = Disputes::new(op);
    let ver = before.ver.next(context.server_epoch);
    let mut next = after(group, &value, context.stamp(ver), meeting, guarded);
    if meeting == Meeting::Clash {
        next.case = Some(store(disputes.open(state, context, visit.scope, &before, visit_state::CONTENT, &value))?);
    } else {
        store(disputes.join(state, context, &before, visit_state::CONTENT, &value))?;
    }
    let mut cases = Vec::new();
    if next.value == value {
        let (before, now) = (openings_at(state, context, visit.pointer.event)?, openings(context, &event));
        cases = field_cases::follow(state, context, visit.scope, body.visit, role, &before, &now)?;
    }
    visit.advance(context, []);
    visit.state.groups.insert(visit_state::CONTENT, next);
    if coming != visit.status {
        let (key, value) = visit.coming_to(context, coming);
        visit.state.groups.insert(key, Group::set(Raw(value), context.stamp(ver)));
    }
    let mut changes = vec![Change::PutEvent { scope: visit.scope, event }];
    changes.extend(cases);
    let case = disputes.finish(&mut changes);
    Ok(visit.finish(changes).with_case(case))
}

/// What follows when a case about a visit's content is settled. `next` holds the chosen content already; gives the
/// changes of cases that its activities open or leave.
///
/// A void visit stays void. An approval holds for the content that was approved: when another one is chosen, the visit
/// waits for a review again, which only an open reporting month allows.
pub(super) fn settle<S: State>(
    state: &mut S,
    context: &Context<'_>,
    scope: ScopeId,
    role: Role,
    before: &Register,
    next: &mut Register,
) -> Result<Vec<Change>, Stop<S::Error>> {
    let content = |register: &Register| register.group::<VisitPointer>(visit_state::CONTENT);
    let (Some(old), Some(new)) = (content(before), content(next)) else { return Err(Code::NotFound.into()) };
    let stamp = context.stamp(next.ver);
    let status: Option<VisitStatusValue> = before.group(visit_state::STATUS);
    let approved = status.filter(|status| status.status == VisitStatus::Approved.code());
    if let Some(value) = approved
        && old.hash != new.hash
    {
        let event = store(state.event(old.event))?.ok_or(Code::NotFound)?.1;
        let day = read_content(&event.body).map_err(Refusal::from)?.day;
        if !period_is_open(state, UnitId::from(scope), day)? {
            return Err(Code::PeriodClosed.into());
        }
        let recorded = store(state.event(EventId(before.id)))?.ok_or(Code::NotFound)?.1;
        let value = next_status(context, &recorded, value, VisitStatus::Submitted);
        next.groups.insert(visit_state::STATUS, Group::set(value, stamp));
    }
    if old.voided_by.is_some() {
        let value = Raw(VisitPointer { voided_by: old.voided_by, ..new }.cbor());
        next.groups.insert(visit_state::CONTENT, Group::set(value, stamp));
        return Ok(Vec::new());
    }
    let (then, now) = (openings_at(state, context, old.event)?, openings_at(state, context, new.event)?);
    field_cases::follow(state, context, scope, VisitId(next.id), role, &then, &now)
}

pub(super) fn void<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &VoidVisit,
) -> Result<Decision, Stop<S::Error>> {
    let mut visit = load(state, body.visit)?;
    let team = context.may(op, Action::WriteVisit, visit.scope).role();
    let role = match team {
        Some(role) => role,
        None => allowed(context.may(op, Action::ReturnVisit, visit.scope))?,
    };
    not_void(&visit)?;
    // The team may take back what it has not handed in, or got back; the commune also what lies before it.
    let fitting = match visit.status {
        VisitStatus::Done | VisitStatus::Returned => true,
        VisitStatus::Submitted => matches!(role, Role::CommuneOfficer),
        _ => false,
    };
    if !fitting {
        return Err(Code::WrongState.into());
    }
    let reason = VoidReason::from_cbor(&body.reason.0).map_err(|_| Refusal::at(Code::BadValue, "reason"))?;
    one_of(&reason.code, &VOID_CODES, "reason.code")?;
    if let Some(words) = &reason.text {
        text(words, WORDS, "reason.text")?;
    }
    let event = new_event(
        context,
        op,
        RowType::VISIT_VOIDED,
        Some(body.visit),
        Ver::first(context.server_epoch),
        0,
        body.reason.clone(),
    );
    let scope = visit.scope;
    let opened = openings_at(state, context, visit.pointer.event)?;
    let cases = field_cases::follow(state, context, scope, body.visit, role, &opened, &Openings::new())?;
    let pointer = VisitPointer { voided_by: Some(event.id), ..visit.pointer.clone() };
    visit.advance(context, [(visit_state::CONTENT, pointer.cbor())]);
    let mut changes = vec![Change::PutEvent { scope, event }];
    changes.extend(cases);
    Ok(visit.finish(changes))
}

/// What both reviews check: the reviewer saw the content that holds now, and did not make the visit.
fn reviewable<S: State>(
    state: &mut S,
    context: &Context<'_>,
    visit: &Visit,
    hash: &[u8; 16],
) -> Result<(), Stop<S::Error>> {
    not_void(visit)?;
    if visit.pointer.hash != *hash {
        return Err(Code::ContentChanged.into());
    }
    let content = visit.content(state)?;
    let reviewer = context.principal.user;
    let corrector = store(state.event(visit.pointer.event))?.map(|(_, event)| event.author);
    if visit.recorded.author == reviewer || corrector == Some(reviewer) || content.members.contains(&reviewer) {
        return Err(Code::OwnVisit.into());
    }
    Ok(())
}

pub(super) fn send_back<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &ReturnVisit,
) -> Result<Decision, Stop<S::Error>> {
    let mut visit = load(state, body.visit)?;
    let role = allowed(context.may(op, Action::ReturnVisit, visit.scope))?;
    let day = visit.content(state)?.day;
    let open = period_is_open(state, UnitId::from(visit.scope), day)?;
    transition(visit.status, VisitStatus::Returned, role, open).map_err(Refusal::from)?;
    reviewable(state, context, &visit, &body.hash)?;
    if body.reasons.is_empty() {
        return Err(Code::ReasonMissing.into());
    }
    if body.reasons.len() > REASONS_MAX {
        return Err(Refusal::at(Code::BadValue, "reasons").into());
    }
    for (index, reason) in body.reasons.iter().enumerate() {
        one_of(&reason.code, &RETURN_CODES, &format!("reasons[{index}].code"))?;
        if let Some(words) = &reason.text {
            text(words, WORDS, &format!("reasons[{index}].text"))?;
        }
        if let Some(code) = &reason.field {
            text(code, FIELD, &format!("reasons[{index}].field"))?;
        }
    }
    if let Some(note) = &body.note {
        text(note, WORDS, "note")?;
    }
    let review = Review {
        decision: "returned".into(),
        by: context.principal.user,
        at: context.received,
        hash: body.hash,
        reasons: body.reasons.clone(),
        note: body.note.clone(),
        batch: None,
        ext: Ext::default(),
    };
    visit.advance(context, [visit.coming_to(context, VisitStatus::Returned), (visit_state::REVIEW, review.cbor())]);
    Ok(visit.finish(vec![]))
}

pub(super) fn approve<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &ApproveVisit,
) -> Result<Decision, Stop<S::Error>> {
    let mut visit = load(state, body.visit)?;
    let role = allowed(context.may(op, Action::ApproveVisit, visit.scope))?;
    transition(visit.status, VisitStatus::Approved, role, true).map_err(Refusal::from)?;
    reviewable(state, context, &visit, &body.hash)?;
    if visit.state.groups.get(&visit_state::CONTENT).is_some_and(|group| group.case.is_some()) {
        return Err(Code::CaseOpen.into());
    }
    let review = Review {
        decision: "approved".into(),
        by: context.principal.user,
        at: context.received,
        hash: body.hash,
        reasons: vec![],
        note: None,
        batch: body.batch.clone(),
        ext: Ext::default(),
    };
    visit.advance(context, [visit.coming_to(context, VisitStatus::Approved), (visit_state::REVIEW, review.cbor())]);
    Ok(visit.finish(vec![]))
}
