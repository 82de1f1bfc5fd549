//! Getting in, staying in, being put out.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sync_protocol::ids::*;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::error::{ChangeRefusals, HttpError, Refusals};
use super::extract::{Caller, DESK_COOKIE, Id, Json};
use crate::accounts::SignedIn;
use crate::auth::password::Secret;
use crate::reading::people::MeView;
use crate::reading::rfc3339;
use crate::storage::Device;

/// Brings a phone in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The one-time code.
    #[schema(example = "12345678")]
    pub code: String,
    /// The SEC1 form of the device's P-256 key, in base64.
    pub device_public_key: String,
    /// What its owner calls the device.
    pub device_label: String,
}

/// Lets somebody in at the desk.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The phone number that is the sign-in name.
    pub phone: String,
    /// The password.
    pub password: String,
}

/// Who came in at the desk's pages.
#[derive(Serialize, ToSchema)]
pub struct DeskSignedIn {
    /// The user.
    pub user_id: Uuid,
    /// The user's name.
    pub display_name: String,
}

/// Asks for the next tokens.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The refresh token.
    pub refresh_token: String,
}

/// Sets a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The new password.
    pub password: String,
}

/// What a caller gets who came in.
#[derive(Serialize, ToSchema)]
pub struct SignedInView {
    /// The user.
    pub user_id: Uuid,
    /// The user's name.
    pub display_name: String,
    /// The device; absent at the desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<Uuid>,
    /// The session; a 64-bit number as text.
    pub session_id: String,
    /// The key with which the device seals its hellos, in base64; absent at the desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_key: Option<String>,
    /// For all other calls: `Authorization: Bearer …`.
    pub access_token: String,
    /// For the next access token. May be shown again until its successor was used.
    pub refresh_token: String,
    /// Life of the access token, in seconds.
    pub expires_in_s: u32,
    /// The server's time, for a device that wants to know how wrong its clock is.
    #[schema(format = DateTime)]
    pub server_time: String,
}

/// A code that brings one phone in.
#[derive(Serialize, ToSchema)]
pub struct CodeView {
    /// The code; shown once.
    pub code: String,
    /// Until when it holds.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// A device.
#[derive(Serialize, ToSchema)]
pub struct DeviceView {
    /// The device.
    pub id: Uuid,
    /// What its owner calls it.
    pub label: String,
    /// When it was enrolled.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last heard.
    #[schema(format = DateTime)]
    pub last_seen_at: String,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub revoked_at: Option<String>,
}

/// The devices of an account.
#[derive(Serialize, ToSchema)]
pub struct DeviceList {
    /// The devices.
    pub items: Vec<DeviceView>,
}

/// What a phone has brought, and what of it waits.
#[derive(Serialize, ToSchema)]
pub struct LedgerView {
    /// The phone.
    pub device: DeviceView,
    /// Ops that were taken in from it. What it recorded after it was last heard is not known here.
    pub held: u64,
    /// What was delivered after it was revoked and has no effect yet, in the order in which it was made.
    pub waiting: Vec<WaitingView>,
}

/// An op without effect.
#[derive(Serialize, ToSchema)]
pub struct WaitingView {
    /// What it wants: the name of the op.
    pub action: String,
    /// When it was received.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// For a visit: its village.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub village: Option<Uuid>,
    /// For a visit: its day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    pub day: Option<String>,
}

/// What became of adopted work.
#[derive(Serialize, ToSchema)]
pub struct AdoptedView {
    /// Ops that had their effect.
    pub applied: u32,
    /// Ops that had their effect with a case: somebody else said something different.
    pub with_case: u32,
    /// Ops that were refused; they are kept.
    pub rejected: u32,
    /// Ops that still wait.
    pub waiting: u32,
}

fn address(request: &HttpRequest) -> IpAddr {
    // Whatever a proxy says is not believed: the limits of attempts hang on it.
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip())
}

fn view(app: &App, signed_in: SignedIn) -> web::Json<SignedInView> {
    web::Json(SignedInView {
        user_id: signed_in.user.0,
        display_name: signed_in.display_name,
        device_id: signed_in.device.map(|device| device.0),
        session_id: signed_in.session.to_string(),
        sync_key: signed_in.sync_key.map(|key| STANDARD.encode(key)),
        access_token: signed_in.access_token,
        refresh_token: signed_in.refresh_token,
        expires_in_s: u32::try_from(signed_in.expires_in_s).unwrap_or(u32::MAX),
        server_time: rfc3339((app.clock)().0),
    })
}

/// Registers a phone with a one-time code.
#[utoipa::path(
    post,
    path = "/api/v1/auth/enrol",
    tag = "account",
    responses((status = 200, body = SignedInView), ChangeRefusals),
    security(())
)]
pub async fn enrol(
    app: Data<App>,
    request: HttpRequest,
    body: Json<Enrol>,
) -> Result<web::Json<SignedInView>, HttpError> {
    let Enrol { code, device_public_key, device_label } = body.0;
    let public_key = STANDARD.decode(device_public_key);
    let public_key = public_key.map_err(|_| HttpError::bad_value("device_public_key"))?;
    let signed_in = app.accounts.enrol(&code, &public_key, &device_label, address(&request)).await?;
    Ok(view(&app, signed_in))
}

/// Lets an officer or admin in at the desk.
#[utoipa::path(
    post,
    path = "/api/v1/auth/sign-in",
    tag = "account",
    responses((status = 200, body = SignedInView), ChangeRefusals),
    security(())
)]
pub async fn sign_in(
    app: Data<App>,
    request: HttpRequest,
    body: Json<SignIn>,
) -> Result<web::Json<SignedInView>, HttpError> {
    let SignIn { phone, password } = body.0;
    let signed_in = app.accounts.sign_in(&phone, Secret::new(password), address(&request)).await?;
    Ok(view(&app, signed_in))
}

/// Lets an officer or admin in at the desk's pages: the session is a cookie that no script can read.
#[utoipa::path(
    post,
    path = "/api/v1/auth/desk",
    tag = "account",
    responses((status = 200, body = DeskSignedIn), ChangeRefusals),
    security(())
)]
pub async fn sign_in_desk(app: Data<App>, request: HttpRequest, body: Json<SignIn>) -> Result<HttpResponse, HttpError> {
    let SignIn { phone, password } = body.0;
    let signed_in = app.accounts.sign_in(&phone, Secret::new(password), address(&request)).await?;
    let cookie = desk_cookie(app.accounts.desk_cookie(signed_in.session));
    let said = DeskSignedIn { user_id: signed_in.user.0, display_name: signed_in.display_name };
    Ok(HttpResponse::Ok().cookie(cookie).json(said))
}

/// Gone with the browser's window at the latest; the server ends it sooner.
fn desk_cookie(value: String) -> Cookie<'static> {
    Cookie::build(DESK_COOKIE, value).path("/").secure(true).http_only(true).same_site(SameSite::Strict).finish()
}

/// Gives the next tokens.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "account",
    responses((status = 200, body = SignedInView), ChangeRefusals),
    security(())
)]
pub async fn refresh(app: Data<App>, body: Json<Refresh>) -> Result<web::Json<SignedInView>, HttpError> {
    let signed_in = app.accounts.refresh(&body.0.refresh_token).await?;
    Ok(view(&app, signed_in))
}

/// Ends the session.
#[utoipa::path(
    post,
    path = "/api/v1/auth/sign-out",
    tag = "account",
    responses((status = 204, description = "Done"), Refusals)
)]
pub async fn sign_out(app: Data<App>, caller: Caller) -> Result<HttpResponse, HttpError> {
    app.accounts.sign_out(caller.0).await?;
    let mut gone = desk_cookie(String::new());
    gone.make_removal();
    Ok(HttpResponse::NoContent().cookie(gone).finish())
}

/// Who is asking, and what they may do where.
#[utoipa::path(get, path = "/api/v1/me", tag = "account", responses((status = 200, body = MeView), Refusals))]
pub async fn me(app: Data<App>, caller: Caller) -> Result<web::Json<MeView>, HttpError> {
    Ok(web::Json(app.reading.me(caller.user()).await?))
}

/// Gives out a code that brings one phone in for an account.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/enrolment-code",
    tag = "account",
    params(("id" = Uuid, Path, description = "The user")),
    responses((status = 200, body = CodeView), Refusals)
)]
pub async fn give_code(app: Data<App>, caller: Caller, id: Id) -> Result<web::Json<CodeView>, HttpError> {
    let (code, expires) = app.accounts.give_code(caller.user(), UserId(id.0)).await?;
    Ok(web::Json(CodeView { code, expires_at: rfc3339(expires.0) }))
}

/// Sets a password; all sessions of the account end.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/password",
    tag = "account",
    params(("id" = Uuid, Path, description = "The user")),
    responses((status = 204, description = "Done"), ChangeRefusals)
)]
pub async fn set_password(
    app: Data<App>,
    caller: Caller,
    id: Id,
    body: Json<NewPassword>,
) -> Result<HttpResponse, HttpError> {
    app.accounts.set_password(caller.user(), UserId(id.0), Secret::new(body.0.password)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The devices of an account.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/devices",
    tag = "account",
    params(("id" = Uuid, Path, description = "The user")),
    responses((status = 200, body = DeviceList), Refusals)
)]
pub async fn devices(app: Data<App>, caller: Caller, id: Id) -> Result<web::Json<DeviceList>, HttpError> {
    let devices = app.accounts.devices_of(caller.user(), UserId(id.0)).await?;
    let items = devices.into_iter().map(device_view);
    Ok(web::Json(DeviceList { items: items.collect() }))
}

/// Revokes a device: it may deliver what it holds, into the late queue, and reads nothing any more.
#[utoipa::path(
    post,
    path = "/api/v1/devices/{id}/revoke",
    tag = "account",
    params(("id" = Uuid, Path, description = "The device")),
    responses((status = 204, description = "Done"), Refusals)
)]
pub async fn revoke_device(app: Data<App>, caller: Caller, id: Id) -> Result<HttpResponse, HttpError> {
    app.accounts.revoke_device(caller.user(), DeviceId(id.0)).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn device_view(device: Device) -> DeviceView {
    DeviceView {
        id: device.id.0,
        label: device.label,
        created_at: rfc3339(device.created.0),
        last_seen_at: rfc3339(device.last_seen.0),
        revoked_at: device.revoked.map(|at| rfc3339(at.0)),
    }
}

/// Shows what a phone has brought, and what it delivered after it was revoked.
#[utoipa::path(
    get,
    path = "/api/v1/devices/{id}/ledger",
    tag = "account",
    params(("id" = Uuid, Path, description = "The device")),
    responses((status = 200, body = LedgerView), Refusals)
)]
pub async fn ledger(app: Data<App>, caller: Caller, id: Id) -> Result<web::Json<LedgerView>, HttpError> {
    let ledger = app.desk.ledger(caller.user(), DeviceId(id.0)).await?;
    let waiting = ledger.waiting.into_iter().map(|one| WaitingView {
        action: one.action,
        received_at: rfc3339(one.received.0),
        village: one.visit.map(|(village, _)| village.0),
        day: one.visit.map(|(_, day)| day.to_string()),
    });
    Ok(web::Json(LedgerView { device: device_view(ledger.device), held: ledger.held, waiting: waiting.collect() }))
}

/// Adopts what a revoked phone delivered late: it is decided as its owner's work, as of when it was received.
#[utoipa::path(
    post,
    path = "/api/v1/devices/{id}/adopt",
    tag = "account",
    params(("id" = Uuid, Path, description = "The device")),
    responses((status = 200, body = AdoptedView), Refusals)
)]
pub async fn adopt(app: Data<App>, caller: Caller, id: Id) -> Result<web::Json<AdoptedView>, HttpError> {
    let adopted = app.desk.adopt(caller.user(), DeviceId(id.0)).await?;
    let crate::late::Adopted { applied, with_case, rejected, waiting } = adopted;
    Ok(web::Json(AdoptedView { applied, with_case, rejected, waiting }))
}
