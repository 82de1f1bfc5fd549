//! What the commune steers with: merged households, cases from the field, base and typed numbers, targets, reports handed in.

use std::collections::BTreeMap;

use actix_web::web::{self, Data};
use serde::Deserialize;
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::{TargetClears, TargetGoal, denominator_id, manual_number_id, report_id, target};
use sync_protocol::ids::*;
use sync_protocol::op::*;
use sync_protocol::row::{ByKey, Ver};
use sync_protocol::text::clean;
use sync_protocol::units::TargetId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Id, Json, Once, Query, day, ver};
use super::visits::{Changed, changed, perform};
use crate::reading::Page;
use crate::reading::duplicates::{PairQuery, PairView};
use crate::reading::field_cases::{FieldCaseQuery, FieldCaseView};

type Answer<T> = Result<web::Json<T>, HttpError>;

fn optional_ver(text: Option<&str>) -> Result<Option<Ver>, HttpError> {
    text.map(|text| ver(text, "base_ver")).transpose()
}

/// 64 hexadecimal digits.
fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(hash)
}

fn month(text: &str) -> Result<Month, HttpError> {
    Month::parse(text).ok_or_else(|| HttpError::bad_value("month"))
}

/// Merges a household, that of the path, into another one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The household that stays.
    pub into: Uuid,
    /// Its version, as it was seen; a 64-bit number as text.
    pub into_ver: String,
    /// The version of the one that is merged, as it was seen.
    pub base_ver: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Opens a case from the field.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFieldCase {
    /// The village or commune.
    pub unit: Uuid,
    /// `citizen_feedback`, `device_need`, `coverage_gap_report`, `scam_report`, `data_subject_request`, `duplicate`.
    pub kind: String,
    /// Whose need or word it is.
    #[serde(default)]
    pub household: Option<Uuid>,
    /// The other household of a `duplicate`: the two may be one.
    #[serde(default)]
    pub other: Option<Uuid>,
    /// What it is about; no numbers of persons, telephones or accounts.
    pub text: String,
}

/// Says that two households are not the same.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotTheSame {
    /// One of the pair.
    pub first: Uuid,
    /// The other.
    pub second: Uuid,
    /// Why; no numbers of persons, telephones or accounts.
    pub reason: String,
}

/// Takes a case from the field one step on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseStep {
    /// `acknowledged`, `forwarded`, `resolved`, `rejected`, `closed`, or `open` again.
    pub to: String,
    /// The receiver, the answer or the reason, where the step needs one.
    #[serde(default)]
    pub text: Option<String>,
}

/// Enters a base number of a unit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBase {
    /// The village or commune.
    pub unit: Uuid,
    /// A code of the indicators file that officers enter: `households`, `adults_15_plus`, …
    pub code: String,
    /// First day; it holds until a later one begins.
    pub from: String,
    /// The number.
    pub value: u64,
    /// Where it was taken from.
    pub source: String,
    /// The version that was seen, when there is one already.
    #[serde(default)]
    pub base_ver: Option<String>,
}

/// Types a number of a commune for a period.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNumber {
    /// The commune.
    pub unit: Uuid,
    /// A code of the indicators file.
    pub code: String,
    /// `month`, `quarter`, `half_year`, `year`.
    pub span: String,
    /// A reporting month of the period, `YYYY-MM`.
    pub month: String,
    /// The number: digits with at most one dot.
    pub value: String,
    /// Where it was taken from.
    pub source: String,
    /// The version that was seen, when there is one already.
    #[serde(default)]
    pub base_ver: Option<String>,
}

/// Saves what is typed into a report.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportTexts {
    /// Whose report.
    pub unit: Uuid,
    /// A reporting month of its period, `YYYY-MM`.
    pub month: String,
    /// By the code of the place, as the report's layout names it: `documents`, `difficulties`, `next`, …
    pub texts: BTreeMap<String, String>,
    /// The version that was seen, when the report was saved before.
    #[serde(default)]
    pub base_ver: Option<String>,
}

/// Hands a report in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandIn {
    /// Whose report.
    pub unit: Uuid,
    /// A reporting month of its period, `YYYY-MM`.
    pub month: String,
    /// The version that was seen, when the report was saved before.
    #[serde(default)]
    pub base_ver: Option<String>,
    /// What names the figures that were seen, as reading the report gives it: 64 hexadecimal digits. With it the report is
    /// refused (`content_changed`) when its figures have changed since.
    #[serde(default)]
    pub seen: Option<String>,
}

/// Accepts a report, or sends it back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The version that was seen.
    pub base_ver: String,
    /// Why it is sent back; only then.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Merges a household into another one.
#[utoipa::path(post, path = "/api/v1/households/{id}/merge", tag = "households",
    params(
        ("id" = Uuid, Path, description = "The household that is merged"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn merge(app: Data<App>, caller: Caller, once: Once, id: Id, body: Json<Merge>) -> Answer<Changed> {
    let intent = MergeHouseholds {
        winner: HouseholdId(body.0.into),
        loser: HouseholdId(id.0),
        winner_ver: ver(&body.0.into_ver, "into_ver")?,
        loser_ver: ver(&body.0.base_ver, "base_ver")?,
        reason: body.0.reason.as_deref().map(clean).filter(|reason| !reason.is_empty()),
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::HouseholdMerge(intent), Some(body.0.into)).await
}

/// Makes a merged household one of its own again.
#[utoipa::path(post, path = "/api/v1/households/{id}/unmerge", tag = "households",
    params(
        ("id" = Uuid, Path, description = "The household that was merged"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn unmerge(app: Data<App>, caller: Caller, once: Once, id: Id) -> Answer<Changed> {
    let intent = UnmergeHousehold { loser: HouseholdId(id.0), ext: Ext::default() };
    perform(&app, caller, once, Intent::HouseholdUnmerge(intent), Some(id.0)).await
}

/// Lists cases from the field.
#[utoipa::path(get, path = "/api/v1/field-cases", tag = "cases",
    params(FieldCaseQuery), responses((status = 200, body = Page<FieldCaseView>), Refusals))]
pub async fn field_cases(app: Data<App>, caller: Caller, query: Query<FieldCaseQuery>) -> Answer<Page<FieldCaseView>> {
    Ok(web::Json(app.reading.field_cases(caller.user(), query.0).await?))
}

/// Opens a case from the field.
#[utoipa::path(post, path = "/api/v1/field-cases", tag = "cases",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn open_case(app: Data<App>, caller: Caller, once: Once, body: Json<NewFieldCase>) -> Answer<Changed> {
    let NewFieldCase { unit, kind, household, other, text } = body.0;
    let intent = OpenCase {
        unit: UnitId(unit),
        kind,
        household: household.map(HouseholdId),
        other: other.map(HouseholdId),
        text: clean(&text),
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::CaseOpen(intent), None).await
}

/// Takes a case from the field one step on.
#[utoipa::path(post, path = "/api/v1/field-cases/{id}/advance", tag = "cases",
    params(
        ("id" = Uuid, Path, description = "The case"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn advance_case(app: Data<App>, caller: Caller, once: Once, id: Id, body: Json<CaseStep>) -> Answer<Changed> {
    let text = body.0.text.as_deref().map(clean).filter(|text| !text.is_empty());
    let intent = AdvanceCase { case: CaseId(id.0), to: body.0.to, text, ext: Ext::default() };
    perform(&app, caller, once, Intent::CaseAdvance(intent), Some(id.0)).await
}

/// Lists households that look alike, the most alike first, across the villages of a commune, with what speaks for each
/// pair. Without those that were merged, and without pairs of which somebody has said that they are not the same.
#[utoipa::path(get, path = "/api/v1/duplicates", tag = "households", params(PairQuery),
    responses((status = 200, body = Page<PairView>), Refusals))]
pub async fn duplicates(app: Data<App>, caller: Caller, query: Query<PairQuery>) -> Answer<Page<PairView>> {
    Ok(web::Json(app.reading.duplicates(caller.user(), query.0).await?))
}

/// Says that two households are not the same: a case about the pair is opened, or the open one taken, and rejected with
/// the reason. The pair is not listed again while that stands.
#[utoipa::path(post, path = "/api/v1/duplicates/dismiss", tag = "households",
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn dismiss_duplicate(app: Data<App>, caller: Caller, body: Json<NotTheSame>) -> Answer<Changed> {
    let NotTheSame { first, second, reason } = body.0;
    match app.desk.not_the_same(caller.user(), HouseholdId(first), HouseholdId(second), clean(&reason)).await? {
        Ok(case) => {
            let verdict = "applied".to_owned();
            Ok(web::Json(Changed { id: case.0, verdict, ver: None, case: Some(case.0) }))
        }
        Err(outcome) => changed(Some((outcome, first)), None),
    }
}

/// Enters a base number with its source.
#[utoipa::path(post, path = "/api/v1/denominators", tag = "reports",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn set_base(app: Data<App>, caller: Caller, once: Once, body: Json<NewBase>) -> Answer<Changed> {
    let NewBase { unit, code, from, value, source, base_ver } = body.0;
    let (unit, from) = (UnitId(unit), day(&from, "from")?);
    let id = denominator_id(unit, &code, from);
    let base_ver = optional_ver(base_ver.as_deref())?;
    let intent = SetDenominator { unit, code, from, value, source: clean(&source), base_ver, ext: Ext::default() };
    perform(&app, caller, once, Intent::DenominatorSet(intent), Some(id)).await
}

/// Types a number for a period.
#[utoipa::path(post, path = "/api/v1/manual-numbers", tag = "reports",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn set_number(app: Data<App>, caller: Caller, once: Once, body: Json<NewNumber>) -> Answer<Changed> {
    let NewNumber { unit, code, span, month: of, value, source, base_ver } = body.0;
    let (unit, month) = (UnitId(unit), month(&of)?);
    let id = manual_number_id(unit, &code, &span, month);
    let base_ver = optional_ver(base_ver.as_deref())?;
    let source = clean(&source);
    let intent = SetManual { unit, code, period: span, month, value, source, base_ver, ext: Ext::default() };
    perform(&app, caller, once, Intent::ManualSet(intent), Some(id)).await
}

/// Saves what is typed into a report.
#[utoipa::path(post, path = "/api/v1/reports/{code}/save", tag = "reports",
    params(
        ("code" = String, Path, description = "Which report: `commune_month`, …"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn save_report(
    app: Data<App>,
    caller: Caller,
    once: Once,
    code: web::Path<String>,
    body: Json<ReportTexts>,
) -> Answer<Changed> {
    let (unit, kind, month) = (UnitId(body.0.unit), code.into_inner(), month(&body.0.month)?);
    let texts = body.0.texts.into_iter().map(|(code, text)| (code, clean(&text))).collect();
    let (id, base_ver) = (report_id(unit, &kind, month), optional_ver(body.0.base_ver.as_deref())?);
    let intent = SaveReport { unit, kind, month, texts, base_ver, ext: Ext::default() };
    perform(&app, caller, once, Intent::ReportSave(intent), Some(id)).await
}

/// Hands a report in. A late one is taken and marked.
#[utoipa::path(post, path = "/api/v1/reports/{code}/submit", tag = "reports",
    params(
        ("code" = String, Path, description = "Which report: `commune_month`, …"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn submit_report(
    app: Data<App>,
    caller: Caller,
    once: Once,
    code: web::Path<String>,
    body: Json<HandIn>,
) -> Answer<Changed> {
    let (unit, kind, month) = (UnitId(body.0.unit), code.into_inner(), month(&body.0.month)?);
    let (id, base_ver) = (report_id(unit, &kind, month), optional_ver(body.0.base_ver.as_deref())?);
    let snapshot = body.0.seen.as_deref().map(|seen| hash(seen).ok_or_else(|| HttpError::bad_value("seen")));
    let snapshot = snapshot.transpose()?;
    let intent = SubmitReport { unit, kind, month, snapshot, base_ver, ext: Ext::default() };
    perform(&app, caller, once, Intent::ReportSubmit(intent), Some(id)).await
}

/// Accepts a report that was handed in, or sends it back with a reason.
#[utoipa::path(post, path = "/api/v1/report-rows/{id}/review", tag = "reports",
    params(
        ("id" = Uuid, Path, description = "The report's row, as saving and handing in name it"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn review_report(app: Data<App>, caller: Caller, once: Once, id: Id, body: Json<Verdict>) -> Answer<Changed> {
    let (report, base_ver) = (ReportId(id.0), ver(&body.0.base_ver, "base_ver")?);
    let intent = match body.0.reason.as_deref().map(clean) {
        Some(reason) => Intent::ReportReturn(ReturnReport { report, base_ver, reason, ext: Ext::default() }),
        None => Intent::ReportAccept(AcceptReport { report, base_ver, ext: Ext::default() }),
    };
    perform(&app, caller, once, intent, Some(id.0)).await
}

/// A target of a unit; it may be written bit by bit, and is published when it is clear in all five respects.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetBody {
    /// The unit.
    pub unit: Uuid,
    /// The indicator that is to reach the value …
    #[serde(default)]
    pub indicator: Option<String>,
    /// … or the kind of which so many activities are to be done.
    #[serde(default)]
    pub kind: Option<String>,
    /// How much: digits with at most one dot.
    pub value: String,
    /// Rõ việc: what is to be done.
    #[serde(default)]
    pub task: Option<String>,
    /// Rõ người: the person or team that answers for it.
    #[serde(default)]
    pub person: Option<String>,
    /// Rõ thời gian: the first day.
    #[serde(default)]
    pub from: Option<String>,
    /// Rõ thời gian: the last day.
    #[serde(default)]
    pub due: Option<String>,
    /// Rõ sản phẩm: what proves it.
    #[serde(default)]
    pub product: Option<String>,
    /// Rõ nguồn lực: money, devices, partners.
    #[serde(default)]
    pub resource: Option<String>,
    /// The version that was seen, when the target is there already.
    #[serde(default)]
    pub base_ver: Option<String>,
}

impl TargetBody {
    fn groups(&self) -> Result<ByKey<Raw>, HttpError> {
        let words = |text: &Option<String>| text.as_deref().map(clean).filter(|text| !text.is_empty());
        let on = |text: &Option<String>, field: &str| text.as_deref().map(|text| day(text, field)).transpose();
        let goal = TargetGoal {
            indicator: self.indicator.clone(),
            kind: self.kind.clone(),
            value: self.value.clone(),
            ext: Ext::default(),
        };
        let clears = TargetClears {
            task: words(&self.task),
            person: words(&self.person),
            from: on(&self.from, "from")?,
            due: on(&self.due, "due")?,
            product: words(&self.product),
            resource: words(&self.resource),
            ext: Ext::default(),
        };
        Ok(ByKey([(target::GOAL, Raw(goal.cbor())), (target::CLEARS, Raw(clears.cbor()))].into()))
    }
}

/// Publishes a target.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The version that was seen.
    pub base_ver: String,
}

/// Drafts a target.
#[utoipa::path(post, path = "/api/v1/targets", tag = "reports",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn draft_target(app: Data<App>, caller: Caller, once: Once, body: Json<TargetBody>) -> Answer<Changed> {
    let intent = CreateRow { scope: ScopeId(body.0.unit), groups: body.0.groups()?, id: None, ext: Ext::default() };
    perform(&app, caller, once, Intent::TargetCreate(intent), None).await
}

/// Changes a target that is not published.
#[utoipa::path(patch, path = "/api/v1/targets/{id}", tag = "reports",
    params(
        ("id" = Uuid, Path, description = "The target"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn change_target(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<TargetBody>,
) -> Answer<Changed> {
    let base_ver = ver(body.0.base_ver.as_deref().unwrap_or_default(), "base_ver")?;
    let intent = SetGroups { id: id.0, base_ver, groups: body.0.groups()?, ext: Ext::default() };
    perform(&app, caller, once, Intent::TargetSet(intent), Some(id.0)).await
}

/// Publishes a target; refused while one of the five clears is empty, naming every one.
#[utoipa::path(post, path = "/api/v1/targets/{id}/publish", tag = "reports",
    params(
        ("id" = Uuid, Path, description = "The target"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals))]
pub async fn publish_target(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<Publish>,
) -> Answer<Changed> {
    let base_ver = ver(&body.0.base_ver, "base_ver")?;
    let intent = PublishTarget { target: TargetId(id.0), base_ver, ext: Ext::default() };
    perform(&app, caller, once, Intent::TargetPublish(intent), Some(id.0)).await
}
