//! Lists of what is entered at the desk. One handler for each; what a list shows, and to whom, is for `reading` to say.

use actix_web::web::{self, Data};
use sync_protocol::ids::CampaignId;

use super::App;
use super::error::{HttpError, Refusals};
use super::extract::{Caller, Id, Query};
use crate::reading::Page;
use crate::reading::campaigns::{CampaignDayQuery, CampaignDayView, CampaignQuery, CampaignView};
use crate::reading::lists::*;

type Listed<T> = Result<web::Json<Page<T>>, HttpError>;

/// Lists targets; drafts for those who may publish them.
#[utoipa::path(get, path = "/api/v1/targets", tag = "reports", params(TargetQuery),
    responses((status = 200, body = Page<TargetView>), Refusals))]
pub async fn targets(app: Data<App>, caller: Caller, query: Query<TargetQuery>) -> Listed<TargetView> {
    Ok(web::Json(app.reading.targets(caller.user(), query.0).await?))
}

/// Lists base numbers.
#[utoipa::path(get, path = "/api/v1/denominators", tag = "reports", params(DenominatorQuery),
    responses((status = 200, body = Page<DenominatorView>), Refusals))]
pub async fn denominators(app: Data<App>, caller: Caller, query: Query<DenominatorQuery>) -> Listed<DenominatorView> {
    Ok(web::Json(app.reading.denominators(caller.user(), query.0).await?))
}

/// Lists numbers that were typed for a period.
#[utoipa::path(get, path = "/api/v1/manual-numbers", tag = "reports", params(NumberQuery),
    responses((status = 200, body = Page<NumberView>), Refusals))]
pub async fn numbers(app: Data<App>, caller: Caller, query: Query<NumberQuery>) -> Listed<NumberView> {
    Ok(web::Json(app.reading.numbers(caller.user(), query.0).await?))
}

/// Lists reports that were saved or handed in, with how they stand.
#[utoipa::path(get, path = "/api/v1/report-rows", tag = "reports", params(ReportRowQuery),
    responses((status = 200, body = Page<ReportRowView>), Refusals))]
pub async fn report_rows(app: Data<App>, caller: Caller, query: Query<ReportRowQuery>) -> Listed<ReportRowView> {
    Ok(web::Json(app.reading.report_rows(caller.user(), query.0).await?))
}

/// Lists recognitions; those of persons where the asker reads rows.
#[utoipa::path(get, path = "/api/v1/recognitions", tag = "programmes", params(RecognitionQuery),
    responses((status = 200, body = Page<RecognitionView>), Refusals))]
pub async fn recognitions(app: Data<App>, caller: Caller, query: Query<RecognitionQuery>) -> Listed<RecognitionView> {
    Ok(web::Json(app.reading.recognitions(caller.user(), query.0).await?))
}

/// Lists courses that were held.
#[utoipa::path(get, path = "/api/v1/course-runs", tag = "programmes", params(CourseRunQuery),
    responses((status = 200, body = Page<CourseRunView>), Refusals))]
pub async fn course_runs(app: Data<App>, caller: Caller, query: Query<CourseRunQuery>) -> Listed<CourseRunView> {
    Ok(web::Json(app.reading.course_runs(caller.user(), query.0).await?))
}

/// Lists what members reached in courses.
#[utoipa::path(get, path = "/api/v1/course-results", tag = "programmes", params(CourseResultQuery),
    responses((status = 200, body = Page<CourseResultView>), Refusals))]
pub async fn course_results(
    app: Data<App>,
    caller: Caller,
    query: Query<CourseResultQuery>,
) -> Listed<CourseResultView> {
    Ok(web::Json(app.reading.course_results(caller.user(), query.0).await?))
}

/// Lists support certificates, those that were taken back too.
#[utoipa::path(get, path = "/api/v1/support-certificates", tag = "programmes", params(SupportQuery),
    responses((status = 200, body = Page<SupportView>), Refusals))]
pub async fn support_certificates(app: Data<App>, caller: Caller, query: Query<SupportQuery>) -> Listed<SupportView> {
    Ok(web::Json(app.reading.support_certificates(caller.user(), query.0).await?))
}

/// Lists markets.
#[utoipa::path(get, path = "/api/v1/markets", tag = "registers", params(MarketQuery),
    responses((status = 200, body = Page<MarketView>), Refusals))]
pub async fn markets(app: Data<App>, caller: Caller, query: Query<MarketQuery>) -> Listed<MarketView> {
    Ok(web::Json(app.reading.markets(caller.user(), query.0).await?))
}

/// Lists businesses.
#[utoipa::path(get, path = "/api/v1/businesses", tag = "registers", params(BusinessQuery),
    responses((status = 200, body = Page<BusinessView>), Refusals))]
pub async fn businesses(app: Data<App>, caller: Caller, query: Query<BusinessQuery>) -> Listed<BusinessView> {
    Ok(web::Json(app.reading.businesses(caller.user(), query.0).await?))
}

/// Lists products.
#[utoipa::path(get, path = "/api/v1/products", tag = "registers", params(ProductQuery),
    responses((status = 200, body = Page<ProductView>), Refusals))]
pub async fn products(app: Data<App>, caller: Caller, query: Query<ProductQuery>) -> Listed<ProductView> {
    Ok(web::Json(app.reading.products(caller.user(), query.0).await?))
}

/// Lists persons, as the asker may see them.
#[utoipa::path(get, path = "/api/v1/persons", tag = "registers", params(PersonQuery),
    responses((status = 200, body = Page<PersonView>), Refusals))]
pub async fn persons(app: Data<App>, caller: Caller, query: Query<PersonQuery>) -> Listed<PersonView> {
    Ok(web::Json(app.reading.persons(caller.user(), query.0).await?))
}

/// Lists campaigns; drafts for those who may publish them.
#[utoipa::path(get, path = "/api/v1/campaigns", tag = "programmes", params(CampaignQuery),
    responses((status = 200, body = Page<CampaignView>), Refusals))]
pub async fn campaigns(app: Data<App>, caller: Caller, query: Query<CampaignQuery>) -> Listed<CampaignView> {
    Ok(web::Json(app.reading.campaigns(caller.user(), query.0).await?))
}

/// Shows what a campaign achieved day by day.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/days", tag = "programmes",
    params(("id" = Uuid, Path, description = "The campaign"), CampaignDayQuery),
    responses((status = 200, body = Page<CampaignDayView>), Refusals))]
pub async fn campaign_days(
    app: Data<App>,
    caller: Caller,
    id: Id,
    query: Query<CampaignDayQuery>,
) -> Listed<CampaignDayView> {
    Ok(web::Json(app.reading.campaign_days(caller.user(), CampaignId(id.0), query.0).await?))
}

/// Counts what signing for a team and month would count now; nothing is changed by looking.
#[utoipa::path(get, path = "/api/v1/support-certificates/preview", tag = "programmes", params(SupportPreviewQuery),
    responses((status = 200, body = SupportPreview), Refusals))]
pub async fn support_preview(
    app: Data<App>,
    caller: Caller,
    query: Query<SupportPreviewQuery>,
) -> Result<web::Json<SupportPreview>, HttpError> {
    Ok(web::Json(app.reading.support_preview(caller.user(), query.0).await?))
}
