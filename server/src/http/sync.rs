//! The exchange with phones.

use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};

use super::App;
use super::error::{HttpError, ProblemBody};
use super::extract::read_body;

/// Largest body.
pub const SYNC_BYTES_MAX: usize = 1024 * 1024;
/// Longest wait for a body: a phone on a hill is slow.
const SYNC_TIMEOUT: Duration = Duration::from_secs(60);

/// Takes a device's ops; gives back outcomes, then new rows of the granted buckets.
///
/// Body and answer are frames as written in PROTOCOL.md. 200 whatever became of each op: a rejected op is an outcome.
/// 401: sign in again. 426: update the app. 503 or 507 with `Retry-After`: come back later, nothing was half done.
#[utoipa::path(
    post,
    path = "/sync",
    tag = "sync",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Frames; see PROTOCOL.md", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, description = "Not a readable request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "The session is not valid", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large: send less at once", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Sent with a Content-Encoding", body = ProblemBody, content_type = "application/problem+json"),
        (status = 426, description = "The app is too old", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Come back later", body = ProblemBody, content_type = "application/problem+json"),
        (status = 507, description = "The server's disk is full", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(())
)]
pub async fn exchange(app: Data<App>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, HttpError> {
    let body = read_body(&request, payload, SYNC_BYTES_MAX, SYNC_TIMEOUT).await?;
    let answer = app.sync.exchange(&body).await?;
    Ok(HttpResponse::Ok().body(answer))
}
