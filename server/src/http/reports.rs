//! Reports as files.

use actix_web::HttpResponse;
use actix_web::http::header::{ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::{self, Data};
use serde::Deserialize;
use serde_json::json;
use sync_protocol::calendar::Report;
use uuid::Uuid;

use super::App;
use super::error::{HttpError, Refusals};
use super::extract::{Caller, Query};
use crate::export::{self, ExportError};
use crate::problem::ProblemCode;
use crate::reading::campaign_report::CampaignReportQuery;
use crate::reading::hex;
use crate::reading::reports::{ReportQuery, ReportStateView, Shown, VersionView};

/// Which report is wanted, and as what.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportFileQuery {
    /// A commune (`commune_month`), a province (`province_month`), or the unit of a team (`team_month`).
    pub unit: Uuid,
    /// The reporting month, `YYYY-MM`; left out for `campaign_day`.
    #[param(example = "2026-12")]
    #[serde(default)]
    pub month: String,
    /// The team, for `team_month`.
    pub team: Option<Uuid>,
    /// The campaign, for `campaign_day`.
    pub campaign: Option<Uuid>,
    /// The day, `YYYY-MM-DD`, for `campaign_day`. Without it: today.
    #[param(format = Date)]
    pub day: Option<String>,
    /// `vi` or `en`. Without it: `vi`.
    pub lang: Option<String>,
    /// `json`, `html`, `pdf`, `xlsx` or `csv`. Without it: `json`.
    pub format: Option<String>,
    /// Which table, for `csv`: its code, as the JSON names it.
    pub table: Option<String>,
    /// A version that was kept, exactly as it was handed in. Without it: made now from the rows.
    pub version: Option<u32>,
}

/// Makes a report from the rows: the document with its data dictionary, or a file to print or to go on working with.
#[utoipa::path(
    get,
    path = "/api/v1/reports/{code}",
    tag = "reports",
    params(ReportFileQuery, ("code" = String, Path, description = "`commune_month`, `province_month`, `team_month`, `campaign_day`, …")),
    responses((status = 200, description = "The report in the format asked for"), Refusals)
)]
pub async fn report(
    app: Data<App>,
    caller: Caller,
    code: web::Path<String>,
    query: Query<ReportFileQuery>,
) -> Result<HttpResponse, HttpError> {
    let ReportFileQuery { unit, month, team, campaign, day, lang, format, table, version } = query.0;
    let format = format.unwrap_or_else(|| "json".to_owned());
    if !["json", "html", "pdf", "xlsx", "csv"].contains(&format.as_str()) {
        return Err(HttpError::bad_value("format"));
    }
    let code = code.into_inner();
    let (name, shown) = if code == Report::CampaignDay.code() {
        let name = day.clone().unwrap_or_else(|| "chien-dich".to_owned());
        for (stray, field) in [(!month.is_empty(), "month"), (team.is_some(), "team"), (version.is_some(), "version")] {
            if stray {
                return Err(HttpError::bad_value(field));
            }
        }
        (name, app.reading.campaign_report(caller.user(), CampaignReportQuery { unit, campaign, day, lang }).await?)
    } else {
        for (stray, field) in [(campaign.is_some(), "campaign"), (day.is_some(), "day")] {
            if stray {
                return Err(HttpError::bad_value(field));
            }
        }
        let query = ReportQuery { unit, month: month.clone(), team, lang };
        (month, app.reading.shown_report(caller.user(), code, query, version).await?)
    };
    let figures = hex(&shown.figures);
    let rendered = web::block(move || render(&shown, &format, table.as_deref()))
        .await
        .unwrap_or_else(|_| Err(ExportError::Pdf("the rendering was cut off".to_owned())));
    let rendered = rendered.map_err(|error| {
        tracing::error!(%error, "a report could not be rendered");
        HttpError::from(ProblemCode::Internal)
    })?;
    let (kind, ending, bytes) = rendered.ok_or_else(|| HttpError::bad_value("table"))?;
    let mut response = HttpResponse::Ok();
    response.content_type(kind).insert_header(("x-report-figures", figures));
    if !matches!(ending, "json" | "html") {
        response.insert_header(ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(format!("bao-cao-{name}.{ending}"))],
        });
    }
    Ok(response.body(bytes))
}

type Rendered = (&'static str, &'static str, Vec<u8>);

/// Content type, ending and bytes; `None` when there is no such table.
fn render(shown: &Shown, format: &str, table: Option<&str>) -> Result<Option<Rendered>, ExportError> {
    let document = &shown.document;
    Ok(Some(match format {
        "html" => ("text/html; charset=utf-8", "html", export::html(document).into_bytes()),
        "pdf" => ("application/pdf", "pdf", export::pdf(document)?),
        "xlsx" => {
            let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            (kind, "xlsx", export::xlsx(document)?)
        }
        "csv" => {
            let tables = export::csv(document)?;
            let Some((_, bytes)) = tables.into_iter().find(|(code, _)| Some(code.as_str()) == table) else {
                return Ok(None);
            };
            ("text/csv; charset=utf-8", "csv", bytes)
        }
        _ => ("application/json", "json", json(shown).into_bytes()),
    }))
}

/// The document with what names its figures, and how it differs from the last version that was kept.
fn json(shown: &Shown) -> String {
    let mut value = export::json_value(&shown.document);
    let changed = shown.changed.iter().map(|one| {
        json!({
            "table": one.table, "title": one.title, "row": one.row, "column": one.column,
            "column_title": one.column_title, "was": one.was, "is": one.is,
        })
    });
    value["figures_hash"] = json!(hex(&shown.figures));
    value["version"] = json!(shown.version);
    value["changed"] = json!(changed.collect::<Vec<_>>());
    format!("{value:#}\n")
}

/// Shows how a report stands, and what is typed into it.
#[utoipa::path(
    get,
    path = "/api/v1/reports/{code}/state",
    tag = "reports",
    params(ReportQuery, ("code" = String, Path, description = "Which report: `commune_month`, …")),
    responses((status = 200, body = ReportStateView), Refusals)
)]
pub async fn state(
    app: Data<App>,
    caller: Caller,
    code: web::Path<String>,
    query: Query<ReportQuery>,
) -> Result<web::Json<ReportStateView>, HttpError> {
    Ok(web::Json(app.reading.report_state(caller.user(), code.into_inner(), query.0).await?))
}

/// Lists the versions of a report that were kept: when it was handed in, and when its month was closed.
#[utoipa::path(
    get,
    path = "/api/v1/reports/{code}/versions",
    tag = "reports",
    params(ReportQuery, ("code" = String, Path, description = "Which report: `commune_month`, …")),
    responses((status = 200, body = Vec<VersionView>), Refusals)
)]
pub async fn versions(
    app: Data<App>,
    caller: Caller,
    code: web::Path<String>,
    query: Query<ReportQuery>,
) -> Result<web::Json<Vec<VersionView>>, HttpError> {
    Ok(web::Json(app.reading.report_versions(caller.user(), code.into_inner(), query.0).await?))
}
