//! Conflict cases.

use actix_web::web::{self, Data};
use serde::Deserialize;
use sync_protocol::ids::*;
use utoipa::ToSchema;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Id, Json, Once, Query, ver};
use super::visits::{Changed, changed};
use crate::desk::Choice;
use crate::reading::Page;
use crate::reading::cases::{CaseLine, CaseQuery, CaseView};

/// Settles a case: by `side` or by `value`, not by both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// The version of the case that was looked at.
    pub base_ver: String,
    /// The number of the side that holds from now on.
    #[serde(default)]
    pub side: Option<u32>,
    /// A third answer, of the same form as the sides. A visit's content can only be chosen among the sides.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub value: Option<serde_json::Value>,
}

/// Lists cases.
#[utoipa::path(
    get,
    path = "/api/v1/cases",
    tag = "review",
    params(CaseQuery), responses((status = 200, body = Page<CaseLine>), Refusals)
)]
pub async fn list(
    app: Data<App>,
    caller: Caller,
    query: Query<CaseQuery>,
) -> Result<web::Json<Page<CaseLine>>, HttpError> {
    Ok(web::Json(app.reading.cases(caller.user(), query.0).await?))
}

/// Shows one case with everything that people said.
#[utoipa::path(
    get,
    path = "/api/v1/cases/{id}",
    tag = "review",
    params(("id" = Uuid, Path, description = "The case")),
    responses((status = 200, body = CaseView), Refusals)
)]
pub async fn show(app: Data<App>, caller: Caller, id: Id) -> Result<web::Json<CaseView>, HttpError> {
    Ok(web::Json(app.reading.case(caller.user(), CaseId(id.0)).await?))
}

/// Settles a case.
#[utoipa::path(
    post,
    path = "/api/v1/cases/{id}/resolve",
    tag = "review",
    params(
        ("id" = Uuid, Path, description = "The case"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals)
)]
pub async fn resolve(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<Resolve>,
) -> Result<web::Json<Changed>, HttpError> {
    let base_ver = ver(&body.0.base_ver, "base_ver")?;
    let choice = match (body.0.side, body.0.value) {
        (Some(side), None) => Choice::Side(usize::try_from(side).unwrap_or(usize::MAX)),
        (None, Some(value)) => Choice::Value(value),
        _ => return Err(HttpError::bad_value_because("side", "either a side or a value is expected")),
    };
    let done = app.desk.resolve_case(caller.user(), once.0, CaseId(id.0), base_ver, choice).await?;
    changed(Some(done), Some(id.0))
}
