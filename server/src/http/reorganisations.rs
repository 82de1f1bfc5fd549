//! Reorganisations of communes.

use actix_web::web::{self, Data};

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Id, Json, Query};
use crate::reading::Page;
use crate::reorganisation::{NewReorganisation, PreviewQuery, PreviewView, ReorganisationView};

type Answer<T> = Result<web::Json<T>, HttpError>;

/// Says what a reorganisation would do, what must be assigned by hand and what stands in the way. Changes nothing.
#[utoipa::path(get, path = "/api/v1/reorganisations/preview", tag = "administration",
    params(PreviewQuery), responses((status = 200, body = PreviewView), Refusals))]
pub async fn preview(app: Data<App>, caller: Caller, query: Query<PreviewQuery>) -> Answer<PreviewView> {
    Ok(web::Json(app.desk.preview_reorganisation(caller.user(), query.0).await?))
}

/// Lists the reorganisations that were applied, with the roles that wait for confirmation.
#[utoipa::path(get, path = "/api/v1/reorganisations", tag = "administration",
    responses((status = 200, body = Page<ReorganisationView>), Refusals))]
pub async fn list(app: Data<App>, caller: Caller) -> Answer<Page<ReorganisationView>> {
    let items = app.desk.reorganisations(caller.user()).await?;
    Ok(web::Json(Page { items, next: None }))
}

/// Applies a reorganisation: all of it, or nothing. A repeat is refused with `already_applied`.
#[utoipa::path(post, path = "/api/v1/reorganisations", tag = "administration",
    responses((status = 200, body = ReorganisationView), ChangeRefusals))]
pub async fn apply(app: Data<App>, caller: Caller, body: Json<NewReorganisation>) -> Answer<ReorganisationView> {
    Ok(web::Json(app.desk.apply_reorganisation(caller.user(), body.0).await?))
}

/// Takes a reorganisation back, unless something depends on it.
#[utoipa::path(post, path = "/api/v1/reorganisations/{id}/undo", tag = "administration",
    params(("id" = uuid::Uuid, Path, description = "The reorganisation")),
    responses((status = 200, body = ReorganisationView), ChangeRefusals))]
pub async fn undo(app: Data<App>, caller: Caller, id: Id) -> Answer<ReorganisationView> {
    Ok(web::Json(app.desk.undo_reorganisation(caller.user(), id.0).await?))
}
