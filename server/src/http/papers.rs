//! Papers beside the reports, as files.

use actix_web::HttpResponse;
use actix_web::http::header::{ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::{self, Data};
use serde::Deserialize;

use super::App;
use super::error::{HttpError, Refusals};
use super::extract::{Caller, Id, Query};
use crate::export::{self, ExportError};
use crate::problem::ProblemCode;
use crate::reading::papers::{SupportFileQuery, language};

/// In which language a paper is wanted.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PaperQuery {
    /// `vi` or `en`. Without it: `vi`.
    pub lang: Option<String>,
}

type Made = Result<Vec<u8>, ExportError>;

pub(super) async fn file(
    make: impl FnOnce() -> Made + Send + 'static,
    kind: &str,
    name: String,
) -> Result<HttpResponse, HttpError> {
    let cut_off = |_| Err(ExportError::Pdf("the rendering was cut off".to_owned()));
    let bytes = web::block(make).await.unwrap_or_else(cut_off).map_err(|error| {
        tracing::error!(%error, "a paper could not be rendered");
        HttpError::from(ProblemCode::Internal)
    })?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name)],
    };
    Ok(HttpResponse::Ok().content_type(kind).insert_header(disposition).body(bytes))
}

/// Makes the certificate of a recognition that is granted: one page with number, commune and date, also as a QR code. No
/// person's name is on it; it is written in by hand.
#[utoipa::path(get, path = "/api/v1/recognitions/{id}/certificate", tag = "reports",
    params(PaperQuery, ("id" = Uuid, Path, description = "The recognition")),
    responses((status = 200, description = "A PDF"), Refusals))]
pub async fn certificate(
    app: Data<App>,
    caller: Caller,
    id: Id,
    query: Query<PaperQuery>,
) -> Result<HttpResponse, HttpError> {
    let lang = language(query.0.lang.as_deref())?;
    let paper = app.reading.recognition_paper(caller.user(), id.0, lang).await?;
    file(move || export::certificate(&paper, lang), "application/pdf", "chung-nhan.pdf".to_owned()).await
}

/// Lists the support certificates of a month for payment.
#[utoipa::path(get, path = "/api/v1/support-certificates/export", tag = "reports",
    params(SupportFileQuery), responses((status = 200, description = "A spreadsheet or a CSV file"), Refusals))]
pub async fn support(
    app: Data<App>,
    caller: Caller,
    query: Query<SupportFileQuery>,
) -> Result<HttpResponse, HttpError> {
    let format = query.0.format.clone().unwrap_or_else(|| "xlsx".to_owned());
    let name = format!("ho-tro-{}.{format}", query.0.month);
    let kind = match format.as_str() {
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "csv" => "text/csv; charset=utf-8",
        _ => return Err(HttpError::bad_value("format")),
    };
    let document = app.reading.support_paper(caller.user(), query.0).await?;
    let make = move || match format.as_str() {
        "xlsx" => export::xlsx(&document),
        _ => Ok(export::csv(&document)?.into_iter().map(|(_, bytes)| bytes).next().unwrap_or_default()),
    };
    file(make, kind, name).await
}
