//! Whether the server lives and whether it can work. No details to strangers.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::error::{HttpError, ProblemBody};
use crate::problem::ProblemCode;

/// Longest wait for the store.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// What answers here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Index {
    /// The name of the service.
    pub service: String,
    /// Where the contract is.
    pub openapi: String,
    /// Where the desk's interface begins.
    pub api: String,
    /// Where phones exchange.
    pub sync: String,
}

/// How the server is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

fn ok() -> web::Json<Health> {
    web::Json(Health { status: "ok".into() })
}

/// Names the service and where to read on; a person's browser is led to the app.
#[utoipa::path(get, path = "/", tag = "health", responses((status = 200, body = Index)), security(()))]
pub async fn index(request: HttpRequest) -> HttpResponse {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        return HttpResponse::SeeOther().insert_header((header::LOCATION, "/app/")).finish();
    }
    HttpResponse::Ok().json(Index {
        service: "Thôn Số".into(),
        openapi: "/openapi.json".into(),
        api: "/api/v1".into(),
        sync: "/sync".into(),
    })
}

/// Answers while the process lives.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Health)), security(()))]
pub async fn live() -> web::Json<Health> {
    ok()
}

/// Answers 200 while the server can take work: the door is open and the store writes.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    responses(
        (status = 200, body = Health),
        (status = 503, description = "Not now", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(())
)]
pub async fn ready(app: Data<App>) -> Result<web::Json<Health>, HttpError> {
    let written = app.store.write(|tx| tx.meta("ready").map(drop));
    match tokio::time::timeout(READY_TIMEOUT, written).await {
        Ok(Ok(())) => Ok(ok()),
        _ => Err(ProblemCode::Unavailable.into()),
    }
}
