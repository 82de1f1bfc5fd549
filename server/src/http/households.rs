//! Households.

use actix_web::web::{self, Data};
use serde::Deserialize;
use sync_protocol::cbor::Ext;
use sync_protocol::ids::*;
use sync_protocol::op::{Intent, MoveRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Id, Json, Once, ver};
use super::visits::{Changed, perform};
use crate::reading::Page;
use crate::reading::households::{HouseholdSearch, HouseholdView};

/// Sends a household to another village.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Relocate {
    /// The version that was looked at.
    pub base_ver: String,
    /// The village it goes to.
    pub to: Uuid,
}

/// Searches households. A search is a POST because names must not stand in addresses; it changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/households/search",
    tag = "households",
    responses((status = 200, body = Page<HouseholdView>), Refusals)
)]
pub async fn search(
    app: Data<App>,
    caller: Caller,
    body: Json<HouseholdSearch>,
) -> Result<web::Json<Page<HouseholdView>>, HttpError> {
    Ok(web::Json(app.reading.households(caller.user(), body.0).await?))
}

/// Shows one household.
#[utoipa::path(
    get,
    path = "/api/v1/households/{id}",
    tag = "households",
    params(("id" = Uuid, Path, description = "The household")),
    responses((status = 200, body = HouseholdView), Refusals)
)]
pub async fn show(app: Data<App>, caller: Caller, id: Id) -> Result<web::Json<HouseholdView>, HttpError> {
    Ok(web::Json(app.reading.household(caller.user(), HouseholdId(id.0)).await?))
}

/// Sends a household to another village; its open cases go along.
#[utoipa::path(
    post,
    path = "/api/v1/households/{id}/move",
    tag = "households",
    params(
        ("id" = Uuid, Path, description = "The household"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals)
)]
pub async fn relocate(
    app: Data<App>,
    caller: Caller,
    once: Once,
    id: Id,
    body: Json<Relocate>,
) -> Result<web::Json<Changed>, HttpError> {
    let base_ver = ver(&body.0.base_ver, "base_ver")?;
    let intent = MoveRow { id: id.0, base_ver, to: ScopeId(body.0.to), ext: Ext::default() };
    perform(&app, caller, once, Intent::HouseholdMove(intent), Some(id.0)).await
}
