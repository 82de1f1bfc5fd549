//! What a commune or province announces to its villages.

use actix_web::web::{self, Data};
use serde::Deserialize;
use sync_protocol::cbor::Ext;
use sync_protocol::ids::*;
use sync_protocol::op::{Intent, PublishAnnouncement, WithdrawAnnouncement};
use sync_protocol::text::{clean, clean_lines};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, Id, Json, Once, Query, day};
use super::visits::{Changed, perform};
use crate::reading::Page;
use crate::reading::announcements::{AnnouncementQuery, AnnouncementView};

/// Announces something. It goes to the phones of all villages below the unit with their next sync.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Announce {
    /// The commune or province that speaks.
    pub unit: Uuid,
    /// What it is about; at most 120 characters.
    pub title: String,
    /// What it says: plain text, at most 2,000 characters.
    pub body: String,
    /// First day on which it is in force.
    #[schema(format = Date)]
    pub from: String,
    /// Last day.
    #[schema(format = Date)]
    pub to: String,
}

/// Lists announcements.
#[utoipa::path(
    get,
    path = "/api/v1/announcements",
    tag = "announcements",
    params(AnnouncementQuery),
    responses((status = 200, body = Page<AnnouncementView>), Refusals)
)]
pub async fn list(
    app: Data<App>,
    caller: Caller,
    query: Query<AnnouncementQuery>,
) -> Result<web::Json<Page<AnnouncementView>>, HttpError> {
    Ok(web::Json(app.reading.announcements(caller.user(), query.0).await?))
}

/// Announces something to the villages below a commune or province.
#[utoipa::path(
    post,
    path = "/api/v1/announcements",
    tag = "announcements",
    params(("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")),
    responses((status = 200, body = Changed), ChangeRefusals)
)]
pub async fn publish(
    app: Data<App>,
    caller: Caller,
    once: Once,
    body: Json<Announce>,
) -> Result<web::Json<Changed>, HttpError> {
    let said = body.0;
    let intent = PublishAnnouncement {
        unit: UnitId(said.unit),
        title: clean(&said.title),
        body: clean_lines(&said.body),
        from: day(&said.from, "from")?,
        to: day(&said.to, "to")?,
        ext: Ext::default(),
    };
    perform(&app, caller, once, Intent::AnnouncementPublish(intent), None).await
}

/// Takes an announcement back; it disappears from phones with their next sync.
#[utoipa::path(
    post,
    path = "/api/v1/announcements/{id}/withdraw",
    tag = "announcements",
    params(
        ("id" = Uuid, Path, description = "The announcement"),
        ("Idempotency-Key" = Option<Uuid>, Header, description = "Has its effect once")
    ),
    responses((status = 200, body = Changed), ChangeRefusals)
)]
pub async fn withdraw(app: Data<App>, caller: Caller, once: Once, id: Id) -> Result<web::Json<Changed>, HttpError> {
    let intent = WithdrawAnnouncement { announcement: AnnouncementId(id.0), ext: Ext::default() };
    perform(&app, caller, once, Intent::AnnouncementWithdraw(intent), Some(id.0)).await
}
