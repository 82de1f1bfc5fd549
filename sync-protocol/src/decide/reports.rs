//! Reports: typed texts beside the figures that the rows give, handed in, returned or accepted.
//!
//! One row per unit, kind and period. A late report is taken and marked. Source: docs/DOMAIN.md §11.

use crate::access::{Action, Role};
use crate::calendar::{CutOff, Period, Report};
use crate::cbor::{Cbor, Ext, Raw};
use crate::decide::office::{group, reach};
use crate::decide::registers::{level_of, put_groups, put_new, seen, short_code, words};
use crate::decide::{Context, Decision, Refusal, ReportOf, State, Stop, store};
use crate::entity::*;
use crate::ids::*;
use crate::op::{AcceptReport, Op, ReturnReport, SaveReport, SubmitReport};
use crate::outcome::Code;
use crate::row::{Register, RowType, Ver};
use crate::text::TextLimit;

/// Most sections of one report.
const SECTIONS_MAX: usize = 30;

/// Who writes a report of a unit of this level, and who reviews it; `None` where there is no such report.
fn hands(report: Report, level: &str) -> Option<(Role, Option<Role>)> {
    match (report, level) {
        (Report::TeamMonth, "village" | "commune") => Some((Role::TeamLeader, Some(Role::CommuneOfficer))),
        (Report::CommuneMonth | Report::Quarter | Report::HalfYear | Report::Year, "commune") => {
            Some((Role::CommuneOfficer, Some(Role::ProvinceOfficer)))
        }
        (Report::ProvinceMonth | Report::Quarter | Report::HalfYear | Report::Year, "province") => {
            Some((Role::ProvinceOfficer, None))
        }
        _ => None,
    }
}

/// A report that its author is writing.
struct Desk {
    scope: ScopeId,
    frame: ReportFrame,
    due: Option<Day>,
    /// The row, if there is one already, and where it stands.
    current: Option<(Register, ReportState)>,
}

/// Finds the report of a unit and period for its author, while it is theirs to write.
fn at_desk<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    (unit, kind, month): (UnitId, &str, Month),
    base_ver: Option<Ver>,
) -> Result<Desk, Stop<S::Error>> {
    let scope = ScopeId::from(unit);
    let roles = context.roles(op, Action::WriteReport, scope)?;
    let report = Report::from_code(kind).ok_or_else(|| Refusal::at(Code::BadValue, "kind"))?;
    let row = store(state.register(RowType::UNIT, unit.0))?.ok_or_else(|| Refusal::at(Code::NotFound, "unit"))?.1;
    let (author, _) =
        hands(report, &level_of(&row).unwrap_or_default()).ok_or_else(|| Refusal::at(Code::BadValue, "unit"))?;
    if !roles.contains(&author) {
        return Err(Code::NotAllowed.into());
    }
    let period = Period::of_month(report.period_kind(), month);
    let (first, _) = period.days(CutOff::default()).ok_or_else(|| Refusal::at(Code::BadValue, "month"))?;
    if first > context.today() {
        return Err(Refusal::by_rule(Code::BadValue, "month", "in_future").into());
    }
    let month = period.last_month();
    let frame = ReportFrame { unit, kind: kind.to_owned(), month, ext: Ext::default() };
    let current = match store(state.register(RowType::REPORT, report_id(unit, kind, month)))? {
        None => None,
        Some((at, _)) if at != scope => return Err(Code::NotFound.into()),
        Some((_, register)) => {
            let stands: ReportState = group(&register, report::STATE)?;
            if !matches!(stands.status.as_str(), "draft" | "returned") {
                return Err(Code::WrongState.into());
            }
            for key in [report::TEXTS, report::STATE] {
                seen(context, &register, key, base_ver.unwrap_or_default())?;
            }
            Some((register, stands))
        }
    };
    Ok(Desk { scope, frame, due: report.due(month, CutOff::default()), current })
}

impl Desk {
    fn put(self, context: &Context<'_>, values: impl IntoIterator<Item = (u8, Raw)>) -> Decision {
        match self.current {
            Some((register, _)) => put_groups(context, self.scope, register, values),
            None => {
                let id = report_id(self.frame.unit, &self.frame.kind, self.frame.month);
                let frame = (report::FRAME, Raw(self.frame.cbor()));
                put_new(context, self.scope, RowType::REPORT, id, values.into_iter().chain([frame]))
            }
        }
    }
}

fn stands(context: &Context<'_>, status: &str, due: Option<Day>) -> ReportState {
    ReportState {
        status: status.to_owned(),
        by: context.principal.user,
        day: context.today(),
        due,
        late: false,
        snapshot: None,
        reason: None,
        ext: Ext::default(),
    }
}

pub(super) fn save<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SaveReport,
) -> Result<Decision, Stop<S::Error>> {
    let desk = at_desk(state, context, op, (body.unit, &body.kind, body.month), body.base_ver)?;
    if body.texts.len() > SECTIONS_MAX || !body.texts.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(Refusal::at(Code::BadValue, "texts").into());
    }
    for (section, said) in &body.texts {
        short_code(section, "texts")?;
        words(said, TextLimit::NOTE, &format!("texts.{section}"))?;
    }
    let texts = ReportTexts { texts: body.texts.clone(), ext: Ext::default() };
    let mut values = vec![(report::TEXTS, Raw(texts.cbor()))];
    if desk.current.is_none() {
        values.push((report::STATE, Raw(stands(context, "draft", desk.due).cbor())));
    }
    Ok(desk.put(context, values))
}

pub(super) fn submit<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &SubmitReport,
) -> Result<Decision, Stop<S::Error>> {
    let desk = at_desk(state, context, op, (body.unit, &body.kind, body.month), body.base_ver)?;
    // Whether it was late was settled when it was first handed in.
    let late = match &desk.current {
        Some((_, before)) if before.status == "returned" => before.late,
        _ => desk.due.is_some_and(|due| context.today() > due),
    };
    let typed = desk.current.as_ref().and_then(|(register, _)| register.group::<ReportTexts>(report::TEXTS));
    let typed = typed.map(|typed| typed.texts).unwrap_or_default();
    let kind = Report::from_code(&desk.frame.kind).ok_or_else(|| Refusal::at(Code::BadValue, "kind"))?;
    let of = ReportOf { unit: desk.frame.unit, report: kind, month: desk.frame.month, texts: &typed };
    let now = store(state.report_figures(&of))?;
    // Nobody hands in other figures than those they saw.
    if body.snapshot.zip(now).is_some_and(|(seen, now)| seen != now) {
        return Err(Code::ContentChanged.into());
    }
    let snapshot = now.or(body.snapshot);
    let next = ReportState { late, snapshot, ..stands(context, "submitted", desk.due) };
    Ok(desk.put(context, [(report::STATE, Raw(next.cbor()))]))
}

/// Finds a submitted report for its reviewer, who has seen what was handed in.
fn in_review<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    id: ReportId,
    base_ver: Ver,
) -> Result<(ScopeId, Register, ReportState), Stop<S::Error>> {
    let (scope, register) = reach(state, context, op, RowType::REPORT, id.0, Action::ReviewReport)?;
    let frame: ReportFrame = group(&register, report::FRAME)?;
    let row = store(state.register(RowType::UNIT, frame.unit.0))?;
    let level = row.and_then(|(_, unit)| level_of(&unit)).unwrap_or_default();
    let reviewer = Report::from_code(&frame.kind).and_then(|kind| hands(kind, &level)).and_then(|(_, role)| role);
    let roles = context.roles(op, Action::ReviewReport, scope)?;
    if reviewer.is_none_or(|reviewer| !roles.contains(&reviewer)) {
        return Err(Code::NotAllowed.into());
    }
    let stands: ReportState = group(&register, report::STATE)?;
    if stands.status != "submitted" {
        return Err(Code::WrongState.into());
    }
    for key in [report::TEXTS, report::STATE] {
        seen(context, &register, key, base_ver)?;
    }
    Ok((scope, register, stands))
}

pub(super) fn send_back<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &ReturnReport,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register, before) = in_review(state, context, op, body.report, body.base_ver)?;
    if body.reason.is_empty() {
        return Err(Code::ReasonMissing.into());
    }
    words(&body.reason, TextLimit::NOTE, "reason")?;
    let (late, snapshot, reason) = (before.late, before.snapshot, Some(body.reason.clone()));
    let next = ReportState { late, snapshot, reason, ..stands(context, "returned", before.due) };
    Ok(put_groups(context, scope, register, [(report::STATE, Raw(next.cbor()))]))
}

pub(super) fn accept<S: State>(
    state: &mut S,
    context: &Context<'_>,
    op: &Op,
    body: &AcceptReport,
) -> Result<Decision, Stop<S::Error>> {
    let (scope, register, before) = in_review(state, context, op, body.report, body.base_ver)?;
    let (late, snapshot) = (before.late, before.snapshot);
    let next = ReportState { late, snapshot, ..stands(context, "accepted", before.due) };
    Ok(put_groups(context, scope, register, [(report::STATE, Raw(next.cbor()))]))
}
