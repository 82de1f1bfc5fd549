//! The HTTP door: bytes, status codes, size limits, who is asking. No rule lives here.
//!
//! One table of routes makes the router and the OpenAPI document; one layer around all of them refuses what is never
//! taken, gives every request an id, writes refusals and the access log.

pub mod account;
pub mod admin;
pub mod announcements;
pub mod cases;
pub mod counts;
pub mod error;
pub mod extract;
pub mod health;
pub mod households;
pub mod imports;
pub mod league;
pub mod lists;
pub mod live;
pub mod office;
pub mod openapi;
pub mod pages;
pub mod papers;
pub mod programmes;
pub mod registers;
pub mod reorganisations;
pub mod reports;
pub mod sync;
pub mod visits;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpServer;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, ServiceConfig};

use self::error::HttpError;
use self::openapi::Frame;
use crate::accounts::Accounts;
use crate::desk::Desk;
use crate::problem::ProblemCode;
use crate::reading::Reading;
use crate::startup::Instance;
use crate::storage::Store;
use crate::sync::{Clock, Random, SyncService};

/// Longest wait for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a quiet connection is kept: a phone that syncs twice in a row saves a handshake.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long running requests may take when the server stops.
const SHUTDOWN_TIMEOUT_S: u64 = 20;

/// Everything that handlers use.
pub struct App {
    /// The store, for readiness only.
    pub store: Store,
    /// The exchange with phones.
    pub sync: Arc<SyncService>,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// The desk's door for changes.
    pub desk: Arc<Desk>,
    /// The desk's reads.
    pub reading: Arc<Reading>,
    /// The server's clock.
    pub clock: Clock,
    /// Randomness, for the ids of requests.
    pub random: Random,
    /// Whether new requests are taken. Once false they get 503 with `Retry-After`; running ones go on.
    pub accepting: Arc<AtomicBool>,
}

impl App {
    fn draw_request_id(&self) -> String {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        crate::reading::hex(&bytes)
    }
}

/// The handlers' half of an instance. `main` and the tests build it here.
pub fn app(instance: &Instance) -> Data<App> {
    Data::new(App {
        store: instance.store.clone(),
        sync: Arc::clone(&instance.sync),
        accounts: Arc::clone(&instance.accounts),
        desk: Arc::clone(&instance.desk),
        reading: Arc::clone(&instance.reading),
        clock: Arc::clone(&instance.clock),
        random: Arc::clone(&instance.random),
        accepting: Arc::new(AtomicBool::new(true)),
    })
}

/// Serves on a listener until it is stopped through the server's handle.
pub fn run(listener: TcpListener, app: Data<App>) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let app = app.clone();
        actix_web::App::new().configure(move |config| configure(config, app))
    });
    let server = server
        .client_request_timeout(HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

macro_rules! routes {
    ($($path:literal { $($method:ident $($handler:ident)::+),+ })+) => {
        /// Every route: method and path.
        pub const ROUTES: &[(&str, &str)] = &[$($((stringify!($method), $path),)+)+];

        fn register(config: &mut ServiceConfig) {
            $(config.service(
                web::resource($path)
                    $(.route(web::$method().to($($handler)::+)))+
                    .default_service(web::to(|| async {
                        let allow = allow(&[$(stringify!($method)),+]);
                        Err::<&'static str, HttpError>(HttpError::method_not_allowed(allow))
                    })),
            );)+
        }

        /// The contract, made from the handlers.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($($handler)::+),+),+), modifiers(&Frame))]
        pub struct Document;
    };
}

routes! {
    "/" { get health::index }
    "/app" { get pages::app_root }
    "/app/{file:.*}" { get pages::app }
    "/desk" { get pages::desk_root }
    "/desk/{file:.*}" { get pages::desk }
    "/openapi.json" { get openapi::document }
    "/health/live" { get health::live }
    "/health/ready" { get health::ready }
    "/sync" { post sync::exchange }
    "/api/v1/auth/enrol" { post account::enrol }
    "/api/v1/auth/sign-in" { post account::sign_in }
    "/api/v1/auth/desk" { post account::sign_in_desk }
    "/api/v1/auth/refresh" { post account::refresh }
    "/api/v1/auth/sign-out" { post account::sign_out }
    "/api/v1/me" { get account::me }
    "/api/v1/users" { get admin::users, post admin::create_user }
    "/api/v1/users/{id}/enrolment-code" { post account::give_code }
    "/api/v1/users/{id}/password" { post account::set_password }
    "/api/v1/users/{id}/devices" { get account::devices }
    "/api/v1/devices/{id}/ledger" { get account::ledger }
    "/api/v1/devices/{id}/adopt" { post account::adopt }
    "/api/v1/devices/{id}/revoke" { post account::revoke_device }
    "/api/v1/units" { get admin::units, post admin::create_village }
    "/api/v1/units/{id}" { get admin::unit, patch admin::change_unit }
    "/api/v1/teams" { get admin::teams, post admin::create_team }
    "/api/v1/teams/{id}" { get admin::team }
    "/api/v1/teams/{id}/members" { get admin::members, post admin::add_member }
    "/api/v1/members/{id}/end" { post admin::end_member }
    "/api/v1/grants" { get admin::grants, post admin::give_grant }
    "/api/v1/grants/{id}/end" { post admin::end_grant }
    "/api/v1/periods" { get admin::periods, post admin::set_period }
    "/api/v1/audit" { get admin::audit }
    "/api/v1/visits" { get visits::list }
    "/api/v1/visits/bulk-approve" { post visits::bulk_approve }
    "/api/v1/visits/{id}" { get visits::show }
    "/api/v1/visits/{id}/approve" { post visits::approve }
    "/api/v1/visits/{id}/return" { post visits::send_back }
    "/api/v1/visits/{id}/void" { post visits::void }
    "/api/v1/quality" { get visits::quality }
    "/api/v1/cases" { get cases::list }
    "/api/v1/cases/{id}" { get cases::show }
    "/api/v1/cases/{id}/resolve" { post cases::resolve }
    "/api/v1/households/search" { post households::search }
    "/api/v1/households/{id}" { get households::show }
    "/api/v1/households/{id}/move" { post households::relocate }
    "/api/v1/households/{id}/merge" { post office::merge }
    "/api/v1/households/{id}/unmerge" { post office::unmerge }
    "/api/v1/duplicates" { get office::duplicates }
    "/api/v1/duplicates/dismiss" { post office::dismiss_duplicate }
    "/api/v1/field-cases" { get office::field_cases, post office::open_case }
    "/api/v1/field-cases/{id}/advance" { post office::advance_case }
    "/api/v1/denominators" { get lists::denominators, post office::set_base }
    "/api/v1/manual-numbers" { get lists::numbers, post office::set_number }
    "/api/v1/targets" { get lists::targets, post office::draft_target }
    "/api/v1/targets/{id}" { patch office::change_target }
    "/api/v1/targets/{id}/publish" { post office::publish_target }
    "/api/v1/announcements" { get announcements::list, post announcements::publish }
    "/api/v1/announcements/{id}/withdraw" { post announcements::withdraw }
    "/api/v1/counts" { get counts::counts }
    "/api/v1/live" { get live::live }
    "/api/v1/overview" { get counts::overview }
    "/api/v1/figures" { get counts::figures }
    "/api/v1/figures/places" { get counts::places }
    "/api/v1/shapes" { get counts::shapes }
    "/api/v1/figures/{code}/behind" { get counts::behind }
    "/api/v1/recognitions/{id}/certificate" { get papers::certificate }
    "/api/v1/support-certificates/export" { get papers::support }
    "/api/v1/league" { get league::league }
    "/api/v1/teams/{id}/score" { get league::score }
    "/api/v1/reports/{code}/state" { get reports::state }
    "/api/v1/reports/{code}/versions" { get reports::versions }
    "/api/v1/reports/{code}" { get reports::report }
    "/api/v1/reports/{code}/save" { post office::save_report }
    "/api/v1/reports/{code}/submit" { post office::submit_report }
    "/api/v1/report-rows" { get lists::report_rows }
    "/api/v1/report-rows/{id}/review" { post office::review_report }
    "/api/v1/catalogue" { get counts::catalogue }
    "/api/v1/indicators" { get counts::indicators }
    "/api/v1/country/unit" { get admin::country_unit }
    "/api/v1/imports/{sort}" { post imports::bring }
    "/api/v1/imports/{sort}/template" { get imports::template }
    "/api/v1/reorganisations" { get reorganisations::list, post reorganisations::apply }
    "/api/v1/reorganisations/preview" { get reorganisations::preview }
    "/api/v1/reorganisations/{id}/undo" { post reorganisations::undo }
    "/api/v1/persons" { get lists::persons, post registers::create_person }
    "/api/v1/persons/{id}" { patch registers::change_person }
    "/api/v1/businesses" { get lists::businesses, post registers::create_business }
    "/api/v1/businesses/{id}" { patch registers::change_business }
    "/api/v1/products" { get lists::products, post registers::create_product }
    "/api/v1/products/{id}" { patch registers::change_product }
    "/api/v1/markets" { get lists::markets, post registers::create_market }
    "/api/v1/markets/{id}" { patch registers::change_market }
    "/api/v1/units/{id}/attributes" { patch registers::change_attributes }
    "/api/v1/units/{id}/privacy" { patch registers::change_privacy }
    "/api/v1/campaigns" { get lists::campaigns, post programmes::create_campaign }
    "/api/v1/campaigns/{id}" { patch programmes::change_campaign }
    "/api/v1/campaigns/{id}/days" { get lists::campaign_days }
    "/api/v1/campaigns/{id}/publish" { post programmes::publish_campaign }
    "/api/v1/campaigns/{id}/close" { post programmes::close_campaign }
    "/api/v1/recognitions" { get lists::recognitions, post programmes::propose_recognition }
    "/api/v1/recognitions/{id}/advance" { post programmes::advance_recognition }
    "/api/v1/course-runs" { get lists::course_runs, post programmes::record_course }
    "/api/v1/course-results" { get lists::course_results, post programmes::set_course_result }
    "/api/v1/support-certificates" { get lists::support_certificates, post programmes::sign_support }
    "/api/v1/support-certificates/preview" { get lists::support_preview }
    "/api/v1/support-certificates/{id}/revoke" { post programmes::revoke_support }
}

/// The methods of a path, as `Allow` wants them.
fn allow(methods: &[&str]) -> &'static str {
    match methods {
        ["get"] => "GET",
        ["post"] => "POST",
        ["patch"] => "PATCH",
        ["get", "post"] => "GET, POST",
        ["get", "patch"] => "GET, PATCH",
        _ => "GET, POST, PATCH",
    }
}

/// Puts everything behind one layer. `main` and the tests build the same application with this.
pub fn configure(config: &mut ServiceConfig, app: Data<App>) {
    config.app_data(app).service(
        web::scope("")
            .wrap(from_fn(layer))
            .configure(register)
            .default_service(web::to(|| async { Err::<&'static str, HttpError>(ProblemCode::NotFound.into()) })),
    );
}

/// The path whose answers carry nothing that HTTP does not need: every byte costs somebody on a hill.
const LEAN: &str = "/sync";

/// Around every request: refuse what is never taken, name the request, write refusals, log.
async fn layer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let begun = Instant::now();
    let app = request.app_data::<Data<App>>().cloned().ok_or(HttpError::new(ProblemCode::Internal))?;
    let request_id = app.draw_request_id();
    let method = request.method().clone();
    // The pattern, never the address: that may hold what nobody should log.
    let route = request.match_pattern().filter(|pattern| !pattern.is_empty()).unwrap_or_else(|| "-".to_owned());
    let is_lean = request.path() == LEAN;

    let refused = if is_encoded(request.headers()) {
        Some(ProblemCode::EncodingNotAllowed)
    } else if is_from_elsewhere(&method, request.headers()) {
        Some(ProblemCode::NotAllowed)
    } else if !app.accepting.load(Ordering::SeqCst) && route != "/health/live" {
        Some(ProblemCode::Unavailable)
    } else {
        None
    };
    let response = match refused {
        Some(code) => request.into_response(HttpError::new(code).response(&request_id)),
        None => {
            let response = next.call(request).await?.map_into_boxed_body();
            name_refusal(response, &request_id)
        }
    };
    let mut response = response;
    if !is_lean {
        dress(response.headers_mut(), &request_id);
    }
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(target: "thonso::access", %method, route, status, duration_ms, request_id, "request");
    Ok(response)
}

/// Bodies come as they are: ours are compressed inside, within limits that a general decompressor does not have.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether a page of another origin wants to change something. Browsers say so themselves; other callers say nothing.
fn is_from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    !method.is_safe() && site.is_some_and(|site| site != b"same-origin" && site != b"none")
}

/// Writes a refusal again, now that the request has an id.
fn name_refusal(response: ServiceResponse<BoxBody>, request_id: &str) -> ServiceResponse<BoxBody> {
    let named = match response.response().error() {
        Some(error) => match error.as_error::<HttpError>() {
            Some(refusal) => refusal.response(request_id),
            None => foreign(response.status().as_u16()).response(request_id),
        },
        None => return response,
    };
    response.into_response(named)
}

/// A refusal that the framework made before any of ours.
fn foreign(status: u16) -> HttpError {
    match status {
        404 => ProblemCode::NotFound,
        408 => ProblemCode::RequestTimeout,
        413 => ProblemCode::BodyTooLarge,
        400..=499 => ProblemCode::Malformed,
        _ => ProblemCode::Internal,
    }
    .into()
}

fn dress(headers: &mut HeaderMap, request_id: &str) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        // Pages say for themselves what they may do and how long they are kept.
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}
