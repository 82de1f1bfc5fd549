//! Counts, figures, the catalogue and the indicators.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{self, Data};
use sync_protocol::catalogue::Catalogue;

use super::App;
use super::error::{HttpError, Refusals};
use super::extract::{Caller, Query};
use crate::reading::counts::{CountQuery, CountView};
use crate::reading::figures::{BehindQuery, BehindView, FigureQuery, FiguresView};
use crate::reading::overview::{OverviewQuery, OverviewView};
use crate::reading::places::{PlaceFigures, PlaceShape, PlacesQuery, ShapesQuery};
use crate::reading::{Page, indicators};

/// Counts visits and activities, with what is needed to explain the numbers.
#[utoipa::path(
    get,
    path = "/api/v1/counts",
    tag = "reports",
    params(CountQuery), responses((status = 200, body = CountView), Refusals)
)]
pub async fn counts(
    app: Data<App>,
    caller: Caller,
    query: Query<CountQuery>,
) -> Result<web::Json<CountView>, HttpError> {
    Ok(web::Json(app.reading.counts(caller.user(), query.0).await?))
}

/// Shows a unit at a glance: what waits, what the month has brought, which teams and phones are silent.
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    tag = "reports",
    params(OverviewQuery), responses((status = 200, body = OverviewView), Refusals)
)]
pub async fn overview(
    app: Data<App>,
    caller: Caller,
    query: Query<OverviewQuery>,
) -> Result<web::Json<OverviewView>, HttpError> {
    Ok(web::Json(app.reading.overview(caller.user(), query.0).await?))
}

/// Works out every indicator of a unit for a period, and what each kind of activity achieved.
#[utoipa::path(
    get,
    path = "/api/v1/figures",
    tag = "reports",
    params(FigureQuery), responses((status = 200, body = FiguresView), Refusals)
)]
pub async fn figures(
    app: Data<App>,
    caller: Caller,
    query: Query<FigureQuery>,
) -> Result<web::Json<FiguresView>, HttpError> {
    Ok(web::Json(app.reading.figures(caller.user(), query.0).await?))
}

/// Gives one number for every village of a commune, or for every commune of a province: what a map shows.
#[utoipa::path(
    get,
    path = "/api/v1/figures/places",
    tag = "reports",
    params(PlacesQuery), responses((status = 200, body = PlaceFigures), Refusals)
)]
pub async fn places(
    app: Data<App>,
    caller: Caller,
    query: Query<PlacesQuery>,
) -> Result<web::Json<PlaceFigures>, HttpError> {
    Ok(web::Json(app.reading.places(caller.user(), query.0).await?))
}

/// Gives the shapes of the places directly inside a unit, where the operator has put a file of them beside the database.
#[utoipa::path(
    get,
    path = "/api/v1/shapes",
    tag = "reports",
    params(ShapesQuery), responses((status = 200, body = Page<PlaceShape>), Refusals)
)]
pub async fn shapes(
    app: Data<App>,
    caller: Caller,
    query: Query<ShapesQuery>,
) -> Result<web::Json<Page<PlaceShape>>, HttpError> {
    Ok(web::Json(app.reading.shapes(caller.user(), query.0).await?))
}

/// Opens a figure: the activities, villages, teams, cases or entries that its numerator rests on.
#[utoipa::path(
    get,
    path = "/api/v1/figures/{code}/behind",
    tag = "reports",
    params(BehindQuery, ("code" = String, Path, description = "An indicator, or a kind of activity")),
    responses((status = 200, body = Page<BehindView>), Refusals)
)]
pub async fn behind(
    app: Data<App>,
    caller: Caller,
    code: web::Path<String>,
    query: Query<BehindQuery>,
) -> Result<web::Json<Page<BehindView>>, HttpError> {
    Ok(web::Json(app.reading.behind(caller.user(), code.into_inner(), query.0).await?))
}

/// The activity catalogue: kinds, questions, lists and rules.
#[utoipa::path(
    get,
    path = "/api/v1/catalogue",
    tag = "reports",
    responses((status = 200, description = "The catalogue as it ships", content_type = "application/json"), Refusals)
)]
pub async fn catalogue(_: Caller) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).body(Catalogue::SHIPPED_JSON)
}

/// The indicators, bases, citizen sets and team scores, each formula also in words (`formula_text`).
#[utoipa::path(
    get,
    path = "/api/v1/indicators",
    tag = "reports",
    responses((status = 200, description = "The indicators as they ship", content_type = "application/json"), Refusals)
)]
pub async fn indicators(_: Caller) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).body(indicators::indicators())
}
