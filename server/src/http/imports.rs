//! Whole lists from a spreadsheet.

use std::time::Duration;

use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Query, read_body};
use super::papers::{PaperQuery, file};
use crate::import::columns::Sort;
use crate::import::sheet::{self, FILE_BYTES_MAX};
use crate::import::{self, ImportView};
use crate::problem::ProblemCode;
use crate::reading::papers::language;

/// Longest wait for a file: 20 MiB over a line of 1.5 Mbit/s.
const FILE_TIMEOUT: Duration = Duration::from_secs(120);

/// Where a list goes.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// The commune.
    pub unit: Uuid,
    /// Whether only to look what is wrong and what would be entered. Without it: `true`.
    pub dry_run: Option<bool>,
}

fn sort(path: &web::Path<String>) -> Result<Sort, HttpError> {
    Sort::from_code(path).ok_or_else(|| ProblemCode::NotFound.into())
}

/// Brings a list into a commune: the body is an Excel workbook or a CSV file in UTF-8. All of it is entered or, while one
/// row is at fault, nothing. Only looks unless `dry_run=false` is said. The same file may be sent twice: rows that are
/// there already are counted as known.
#[utoipa::path(post, path = "/api/v1/imports/{sort}", tag = "administration",
    params(ImportQuery, ("sort" = String, Path, description = "`villages`, `teams`, `members` or `households`")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = ImportView), ChangeRefusals))]
pub async fn bring(
    app: Data<App>,
    caller: Caller,
    path: web::Path<String>,
    query: Query<ImportQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<web::Json<ImportView>, HttpError> {
    let sort = sort(&path)?;
    let bytes = read_body(&request, payload, FILE_BYTES_MAX, FILE_TIMEOUT).await?;
    let read = web::block(move || sheet::read(&bytes)).await.map_err(|_| ProblemCode::Internal)?;
    let sheet = read.map_err(import::ImportError::from)?;
    let dry_run = query.0.dry_run.unwrap_or(true);
    Ok(web::Json(app.desk.import(caller.user(), query.0.unit, sort, sheet, dry_run).await?))
}

/// Gives the empty table of a list, with what each column takes on a second sheet.
#[utoipa::path(get, path = "/api/v1/imports/{sort}/template", tag = "administration",
    params(PaperQuery, ("sort" = String, Path, description = "`villages`, `teams`, `members` or `households`")),
    responses((status = 200, description = "An Excel workbook"), Refusals))]
pub async fn template(
    _caller: Caller,
    path: web::Path<String>,
    query: Query<PaperQuery>,
) -> Result<HttpResponse, HttpError> {
    let (sort, lang) = (sort(&path)?, language(query.0.lang.as_deref())?);
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    file(move || Ok(import::template(sort, lang)?), kind, format!("{}.xlsx", sort.code())).await
}
