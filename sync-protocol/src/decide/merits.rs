//! Recognitions, courses, and the certificate that a team was active in a month.
//!
//! Source: docs/DOMAIN.md §8, §10.

use crate::access::Action;
use crate::calendar::{CutOff, Period, PeriodKind};
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::office::{group, reach};
use crate::decide::registers::{level_of, name, put_groups, put_new, short_code, unit_in_force, words};
use crate::decide::{Context, Decision, Refusal, State, Stop, allowed, store};
use crate::entity::*;
use crate::ids::*;
use crate::indicator::Indicators;
use crate::op::*;
use crate::outcome::Code;
use crate::recognition_flow::{Needs, Status, What, transition};
use crate::row::RowType;
use crate::team::{Measure, QuizRecord, Score, SupportRefused};
use crate::text::TextLimit;

// ---------------------------------------------------------------------------------------------------------------------
// Recognitions

pub(super) fn propose<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &ProposeRecognition,
) -> Result<Decision, Stop<S::Error>> {
    let scope = ScopeId::from(body.unit);
    let roles = context.roles(op, Action::ProposeRecognition, scope)?;
    let unit = unit_in_force(state, context, body.unit, "unit")?;
    let what = What::from_code(&body.what).ok_or_else(|| Refusal::at(Code::BadValue, "what"))?;
    let role = roles.into_iter().find(|role| what.may_propose(*role)).ok_or(Code::NotAllowed)?;
    let level = level_of(&unit).unwrap_or_default();
    let indicators = Indicators::shipped();
    let (fitting_unit, known_set) = match what {
        What::DigitalCitizen => (level == "village", indicators.citizen_sets().iter().any(|set| set.code == body.set)),
        What::DigitalCommune => (
            level == "commune" && body.subject == body.unit.0,
            indicators.set(&body.set).is_some_and(|set| set.recognition.is_some()),
        ),
    };
    if !fitting_unit {
        return Err(Refusal::at(Code::BadValue, "unit").into());
    }
    if !known_set {
        return Err(Refusal::at(Code::BadValue, "set").into());
    }
    if what == What::DigitalCitizen && !body.consent {
        return Err(Refusal::at(Code::ConsentMissing, "consent").into());
    }
    let subject = RecognitionSubject {
        what: body.what.clone(),
        subject: Some(body.subject),
        set: body.set.clone(),
        consent: body.consent,
        ext: Ext::default(),
    };
    let first = RecognitionStep {
        to: Status::Proposed.code().to_owned(),
        day: context.today(),
        role: role.code().to_owned(),
        by: context.principal.user,
        number: None,
        reason: None,
        ext: Ext::default(),
    };
    let steps = RecognitionSteps { steps: vec![first], ext: Ext::default() };
    let values = [(recognition::SUBJECT, Raw(subject.cbor())), (recognition::STEPS, Raw(steps.cbor()))];
    Ok(put_new(context, scope, RowType::RECOGNITION, op.row_id(), values))
}

pub(super) fn advance<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &AdvanceRecognition,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register) =
        reach(state, context, op, RowType::RECOGNITION, body.recognition.0, Action::AdvanceRecognition)?;
    let roles = context.roles(op, Action::AdvanceRecognition, scope)?;
    let subject: RecognitionSubject = group(&register, recognition::SUBJECT)?;
    let mut steps: RecognitionSteps = group(&register, recognition::STEPS)?;
    let what = What::from_code(&subject.what).ok_or(Code::NeedsServerUpdate)?;
    let last = steps.steps.last().ok_or(Code::NeedsServerUpdate)?;
    let from = Status::from_code(&last.to).ok_or(Code::NeedsServerUpdate)?;
    let to = Status::from_code(&body.to).ok_or_else(|| Refusal::at(Code::BadValue, "to"))?;
    let mut answers = roles.into_iter().map(|role| transition(what, from, to, role).map(|needs| (role, needs)));
    let first = answers.next().ok_or(Code::NotFound)?;
    let (role, needs) = answers.fold(first, |best, next| best.or(next)).map_err(Refusal::from)?;
    let is_decided = needs == Needs::Decision;
    if is_decided != body.number.is_some() {
        return Err(Refusal::at(Code::BadValue, "number").into());
    }
    if is_decided != body.day.is_some() || body.day.is_some_and(|day| day > context.today()) {
        return Err(Refusal::at(Code::BadValue, "day").into());
    }
    body.number.iter().try_for_each(|number| name(number, "number"))?;
    match (&body.reason, needs) {
        (None, Needs::Reason) => return Err(Code::ReasonMissing.into()),
        (Some(reason), Needs::Reason) => words(reason, TextLimit::NOTE, "reason")?,
        (Some(_), _) => return Err(Refusal::at(Code::BadValue, "reason").into()),
        (None, _) => {}
    }
    steps.steps.push(RecognitionStep {
        to: body.to.clone(),
        day: body.day.unwrap_or(context.today()),
        role: role.code().to_owned(),
        by: context.principal.user,
        number: body.number.clone(),
        reason: body.reason.clone(),
        ext: Ext::default(),
    });
    Ok(put_groups(context, scope, register, [(recognition::STEPS, Raw(steps.cbor()))]))
}

// ---------------------------------------------------------------------------------------------------------------------
// Courses

pub(super) fn record_course<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &CourseRun,
) -> Result<Decision, Stop<S::Error>> {
    let scope = ScopeId::from(body.unit);
    allowed(context.may(op, Action::RecordCourse, scope))?;
    if store(state.register(RowType::UNIT, body.unit.0))?.is_none() {
        return Err(Refusal::at(Code::NotFound, "unit").into());
    }
    short_code(&body.course, "course")?;
    name(&body.trainer, "trainer")?;
    if body.day > context.today() {
        return Err(Refusal::by_rule(Code::BadValue, "day", "in_future").into());
    }
    for (count, field) in [(body.women, "women"), (body.aged_60, "aged_60")] {
        if count > body.participants {
            return Err(Refusal::at(Code::BadValue, field).into());
        }
    }
    let values = [(course_run::RUN, Raw(body.cbor()))];
    Ok(put_new(context, scope, RowType::COURSE_RUN, op.row_id(), values))
}

/// Adds one attempt to a member's own record. Attempts add up and the best stays, in whatever order they arrive.
pub(super) fn set_course_result<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SetCourseResult,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, membership) = reach(state, context, op, RowType::TEAM_MEMBER, body.member.0, Action::WriteOwnResult)?;
    if group::<MemberIdentity>(&membership, team_member::IDENTITY)?.user != context.principal.user {
        return Err(Code::NotAllowed.into());
    }
    short_code(&body.course, "course")?;
    if body.of == 0 || body.right > body.of {
        return Err(Refusal::at(Code::BadValue, "right").into());
    }
    let id = course_result_id(body.member, &body.course);
    let score = Score { right: body.right, of: body.of };
    let record = |before: QuizRecord, ext: Ext| {
        let after = before.with(score);
        let best = after.best.unwrap_or(score);
        let record = CourseRecord {
            member: body.member,
            course: body.course.clone(),
            right: best.right,
            of: best.of,
            attempts: after.attempts,
            ext,
        };
        [(course_result::RECORD, Raw(record.cbor()))]
    };
    let Some((at, current)) = store(state.register(RowType::COURSE_RESULT, id))? else {
        let values = record(QuizRecord::default(), Ext::default());
        return Ok(put_new(context, scope, RowType::COURSE_RESULT, id, values));
    };
    let before: CourseRecord = group(&current, course_result::RECORD)?;
    let (right, of) = (before.right, before.of);
    let known = QuizRecord { best: Some(Score { right, of }), attempts: before.attempts };
    Ok(put_groups(context, at, current, record(known, before.ext)))
}

// ---------------------------------------------------------------------------------------------------------------------
// Support

pub(super) fn sign_support<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SignSupport,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, _) = reach(state, context, op, RowType::TEAM, body.team.0, Action::SignSupport)?;
    let measure = Measure::from_code(&body.measure).ok_or_else(|| Refusal::at(Code::BadValue, "measure"))?;
    let days = Period::of_month(PeriodKind::Month, body.month).days(CutOff::default());
    let (first, _) = days.ok_or_else(|| Refusal::at(Code::BadValue, "month"))?;
    if first > context.today() {
        return Err(Refusal::by_rule(Code::BadValue, "month", "in_future").into());
    }
    let (month, found, minimum) = (body.month, body.found, body.minimum);
    if found < minimum {
        let refused = SupportRefused { month, measure, found, minimum };
        return Err(Refusal::by_rule(Code::BadValue, "found", refused.code()).into());
    }
    let certificate = Certificate {
        team: body.team,
        month,
        measure: body.measure.clone(),
        found,
        minimum,
        amount_vnd: body.amount_vnd,
        by: context.principal.user,
        day: context.today(),
        ext: Ext::default(),
    };
    let id = support_id(body.team, month);
    let values = [(support_certificate::CERTIFICATE, Raw(certificate.cbor()))];
    match store(state.register(RowType::SUPPORT_CERTIFICATE, id))? {
        None => Ok(put_new(context, scope, RowType::SUPPORT_CERTIFICATE, id, values)),
        Some((at, mut current)) => match current.groups.remove(&support_certificate::REVOKED) {
            Some(_) => Ok(put_groups(context, at, current, values)),
            None => Err(Code::AlreadyExists.into()),
        },
    }
}

pub(super) fn revoke_support<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &RevokeSupport,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register) =
        reach(state, context, op, RowType::SUPPORT_CERTIFICATE, body.certificate.0, Action::SignSupport)?;
    if register.groups.contains_key(&support_certificate::REVOKED) {
        return Err(Code::WrongState.into());
    }
    if body.reason.is_empty() {
        return Err(Code::ReasonMissing.into());
    }
    words(&body.reason, TextLimit::NOTE, "reason")?;
    let (reason, by, day) = (body.reason.clone(), context.principal.user, context.today());
    let revoked = Revocation { reason, by, day, ext: Ext::default() };
    Ok(put_groups(context, scope, register, [(support_certificate::REVOKED, Raw(revoked.cbor()))]))
}
