//! Review: the list, one visit, and what an officer decides.

use actix_web::web::{self, Data};
use serde::{Deserialize, Serialize};
use sync_protocol::cbor::{Cbor, Ext, Raw};
use sync_protocol::entity::{ReturnReason, VoidReason};
use sync_protocol::ids::*;
use sync_protocol::op::{ApproveVisit, Intent, ReturnVisit, VoidVisit};
use sync_protocol::outcome::{Code, Outcome, Verdict};
use sync_protocol::text::clean_lines;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Id, Json, Once, Query, hash};
use crate::desk::{Done, Pick};
use crate::problem::ProblemCode;
use crate::reading::Page;
use crate::reading::quality::{QualityQuery, TeamSignals};
use crate::reading::visits::{ReasonView, VisitLine, VisitQuery, VisitView};

/// What became of a change.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Changed {
    /// The row that was made or changed.
    pub id: Uuid,
    /// `applied`, or `applied_with_case` when people must settle a disagreement.
    pub verdict: String,
    /// The version of the row now; a 64-bit number as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ver: Option<String>,
    /// The case that was opened or joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Uuid>,
}

/// What became of one visit of many.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BulkOutcome {
    /// The visit.
    pub id: Uuid,
    /// `applied` or `rejected`.
    pub verdict: String,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// In Vietnamese.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail_vi: Option<String>,
    /// In English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail_en: Option<String>,
    /// The version of the visit's state now; a 64-bit number as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ver: Option<String>,
}

/// What became of many visits.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BulkOutcomes {
    /// One for each visit, in the order asked.
    pub outcomes: Vec<BulkOutcome>,
}

/// Approves a visit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The content that was looked at; 32 hexadecimal digits.
    pub content_hash: String,
}

/// Sends a visit back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBack {
    /// The content that was looked at; 32 hexadecimal digits.
    pub content_hash: String,
    /// Why; at least one.
    pub reasons: Vec<ReasonView>,
    /// The reviewer's own words.
    #[serde(default)]
    pub note: Option<String>,
}

/// Declares a visit void.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Void {
    /// `duplicate`, `wrong_household`, `entered_by_mistake`, `other`.
    pub code: String,
    /// In free words.
    #[serde(default)]
    pub text: Option<String>,
}

/// One visit of many.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkVisit {
    /// The visit.
    pub id: Uuid,
    /// Its content when the list was made; 32 hexadecimal digits.
    pub content_hash: String,
    /// Whether the officer opened it.
    #[serde(default)]
    pub looked_at: bool,
}

/// Approves visits by sample.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkApprove {
    /// 1 to 200 different visits.
    pub visits: Vec<BulkVisit>,
}

/// Turns the outcome of one op into an answer: only what had its effect is a success.
pub(super) fn changed(done: Option<Done>, id: Option<Uuid>) -> Result<web::Json<Changed>, HttpError> {
    let (outcome, row) = done.ok_or(ProblemCode::Internal)?;
    match outcome.verdict {
        Verdict::Applied | Verdict::AppliedWithCase => Ok(web::Json(Changed {
            id: id.unwrap_or(row),
            verdict: verdict(&outcome).to_owned(),
            ver: outcome.ver.map(|ver| ver.0.to_string()),
            case: outcome.case.map(|case| case.0),
        })),
        // Whatever is not there, and however: one refusal, to the byte. A field would tell what does exist.
        Verdict::Rejected if outcome.code.as_deref() == Some(Code::NotFound.text()) => {
            Err(ProblemCode::NotFound.into())
        }
        Verdict::Rejected if outcome.code.as_deref() == Some(Code::NotAllowed.text()) => {
            Err(ProblemCode::NotAllowed.into())
        }
        Verdict::Rejected | Verdict::Deferred => Err(HttpError::Refused(Box::new(outcome))),
    }
}

fn verdict(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Applied => "applied",
        Verdict::AppliedWithCase => "applied_with_case",
        Verdict::Deferred => "deferred",
        Verdict::Rejected => "rejected",
    }
}

/// Does one thing, and says what became of it.
pub(super) async fn perform(
    app: &App,
    caller: Caller,
    once: Once,
    intent: Intent,
    id: Option<Uuid>,
) -> Result<web::Json<Changed>, HttpError> {
    let mut done = app.desk.perform_once(caller.user(), once.0, vec![intent]).await?;
    changed(done.pop(), id)
}

/// Lists visits, oldest received first.
#[utoipa::path(
    get,
    path = "/api/v1/visits",
    tag = "review",
    params(VisitQuery), responses((status = 200, body = Page<VisitLine>), Refusals)
)]
pub async fn list(
    app: Data<App>,
    caller: Caller,
    query: Query<VisitQuery>,
) -> Result<web::Json<Page<VisitLine>>, HttpError> {
    Ok(web::Json(app.reading.visits(caller.user(), query.0).await?))
}

/// Lists what in the visits of some days is worth a second look, team by team: a question, never a verdict. A team sees its own
/// at once, the commune three working days after the last visit behind it arrived.
#[utoipa::path(get, path = "/api/v1/quality", tag = "visits",
    params(QualityQuery), responses((status = 200, body = Page<TeamSignals>), Refusals))]
pub async fn quality(
    app: Data<App>,
    caller: Caller,
    query: Query<QualityQuery>,
) -> Result<web::Json<Page<TeamSignals>>, HttpError> {
    Ok(web::Json(app.reading.quality(caller.user(), query.0).await?))
}

/// Shows one visit with everything that happened to it.
#[utoipa::path(
    get,
    path = "/api/v1/visits/{id}",
    tag = "review",
    params(("id" = Uuid, Path, description = "The visit")),
    responses((status = 200, body = VisitView), Refusals)
)]
pub async fn show(app: Data<App>, caller: Caller, id: Id) -> Result<web::Json<VisitView>, HttpError> {
    Ok(web::Json(app.reading.visit(caller.user(), VisitId(id.0)).await?))
}

/// Approves a visit. Holds for the content that was looked at and for no other.
#[utoipa::path(
    post,
    path = "/api/v1/visits/{id}/approve",
    tag = "review",
    params(
        ("id" = Uuid, Path, description = "The visit"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals)
)]
pub async fn approve(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<Approve>,
) -> Result<web::Json<Changed>, HttpError> {
    let hash = hash(&body.0.content_hash, "content_hash")?;
    let intent = ApproveVisit { visit: VisitId(id.0), hash, batch: None, ext: Ext::default() };
    perform(&app, caller, once, Intent::VisitApprove(intent), Some(id.0)).await
}

/// Sends a visit back with reasons, each at the place it is about.
#[utoipa::path(
    post,
    path = "/api/v1/visits/{id}/return",
    tag = "review",
    params(
        ("id" = Uuid, Path, description = "The visit"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals)
)]
pub async fn send_back(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<SendBack>,
) -> Result<web::Json<Changed>, HttpError> {
    let SendBack { content_hash, reasons, note } = body.0;
    let reasons = reasons.into_iter().map(|ReasonView { code, activity, field, text }| {
        let text = text.as_deref().map(clean_lines).filter(|text| !text.is_empty());
        ReturnReason { code, activity, field, text, ext: Ext::default() }
    });
    let intent = ReturnVisit {
        visit: VisitId(id.0),
        hash: hash(&content_hash, "content_hash")?,
        reasons: reasons.collect(),
        note: note.as_deref().map(clean_lines).filter(|note| !note.is_empty()),
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::VisitReturn(intent), Some(id.0)).await
}

/// Declares a visit void: it stays, and counts nowhere.
#[utoipa::path(
    post,
    path = "/api/v1/visits/{id}/void",
    tag = "review",
    params(
        ("id" = Uuid, Path, description = "The visit"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals)
)]
pub async fn void(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<Void>,
) -> Result<web::Json<Changed>, HttpError> {
    let text = body.0.text.as_deref().map(clean_lines).filter(|text| !text.is_empty());
    let reason = VoidReason { code: body.0.code, text, ext: Ext::default() };
    let intent = VoidVisit { visit: VisitId(id.0), reason: Raw(reason.cbor()), ext: Ext::default() };
    perform(&app, caller, once, Intent::VisitVoid(intent), Some(id.0)).await
}

/// Approves visits by sample: every flagged one and a tenth of the others must have been looked at.
#[utoipa::path(
    post,
    path = "/api/v1/visits/bulk-approve",
    tag = "review",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = BulkOutcomes), ChangeRefusals)
)]
pub async fn bulk_approve(
    app: Data<App>,
    caller: Caller,
    once: Once,
    body: Json<BulkApprove>,
) -> Result<web::Json<BulkOutcomes>, HttpError> {
    let picks = body.0.visits.iter().enumerate().map(|(at, visit)| {
        let hash = hash(&visit.content_hash, &format!("visits.{at}.content_hash"))?;
        Ok(Pick { visit: VisitId(visit.id), hash, looked_at: visit.looked_at })
    });
    let picks = picks.collect::<Result<Vec<Pick>, HttpError>>()?;
    let done = app.desk.approve_by_sample(caller.user(), once.0, picks).await?;
    let outcomes = body.0.visits.iter().zip(done).map(|(visit, (outcome, _))| {
        let code = outcome.code.as_deref().and_then(Code::from_text);
        BulkOutcome {
            id: visit.id,
            verdict: verdict(&outcome).to_owned(),
            detail_vi: code.map(|code| code.vi().to_owned()),
            detail_en: code.map(|code| code.en().to_owned()),
            ver: outcome.ver.map(|ver| ver.0.to_string()),
            code: outcome.code,
        }
    });
    Ok(web::Json(BulkOutcomes { outcomes: outcomes.collect() }))
}
