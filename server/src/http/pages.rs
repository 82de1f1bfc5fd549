//! The pages that the program carries: the field app and the desk. Made by `cargo xtask web`, packed when they were made.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use super::error::HttpError;
use crate::problem::ProblemCode;

/// A file of the pages.
struct Page {
    /// Below `web/dist`: `app/index.html`.
    path: &'static str,
    /// As it is.
    bytes: &'static [u8],
    /// Packed with brotli, where that makes it smaller.
    packed: Option<&'static [u8]>,
}

static PAGES: &[Page] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Nothing from elsewhere, nothing inline; the core is WebAssembly and runs in a worker.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; \
                      style-src 'self'; img-src 'self' data: blob:; manifest-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// As above, without WebAssembly and workers; and no text becomes markup but what Svelte's own policy lets through.
const DESK_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
                           img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                           require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

/// What is shown where the program was built without its pages.
const MISSING: &str = "<!doctype html><html lang=\"vi\"><meta charset=\"utf-8\"><title>Thôn Số</title>\
    <p>Máy chủ này được dựng mà không có các trang của ứng dụng. Hãy chạy <code>cargo xtask web</code> rồi dựng lại máy chủ.</p>\
    <p lang=\"en\">This server was built without the pages of the app. Run <code>cargo xtask web</code>, then build the server again.</p>";

/// The field app. Its files carry a digest in their names and may be kept for ever; the others are asked for again.
#[utoipa::path(
    get,
    path = "/app/{file}",
    tag = "pages",
    params(("file" = String, Path, description = "A file of the field app; empty for its page")),
    responses((status = 200, description = "The file"), (status = 404, description = "No such file")),
    security(())
)]
pub async fn app(request: HttpRequest, file: web::Path<String>) -> Result<HttpResponse, HttpError> {
    let name = if file.is_empty() { "index.html" } else { file.as_str() };
    serve(&request, "app", name, POLICY)
}

/// The desk. Every address below it that is no file is a place within the page, so that it can be kept and sent on.
#[utoipa::path(
    get,
    path = "/desk/{file}",
    tag = "pages",
    params(("file" = String, Path, description = "A file of the desk, or a place within its page")),
    responses((status = 200, description = "The file, or the page"), (status = 404, description = "No such file")),
    security(())
)]
pub async fn desk(request: HttpRequest, file: web::Path<String>) -> Result<HttpResponse, HttpError> {
    let is_place = !file.starts_with("assets/") && !file.rsplit('/').next().unwrap_or_default().contains('.');
    let name = if is_place { "index.html" } else { file.as_str() };
    serve(&request, "desk", name, DESK_POLICY)
}

/// The address without its last stroke leads to the page.
#[utoipa::path(get, path = "/desk", tag = "pages", responses((status = 308, description = "See /desk/")), security(()))]
pub async fn desk_root() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/desk/")).finish()
}

fn serve(request: &HttpRequest, folder: &str, name: &str, policy: &'static str) -> Result<HttpResponse, HttpError> {
    let page = PAGES.iter().find(|page| page.path.split_once('/') == Some((folder, name)));
    let Some(page) = page else {
        if PAGES.is_empty() && name == "index.html" {
            let mut response = HttpResponse::ServiceUnavailable();
            return Ok(response.content_type("text/html; charset=utf-8").body(MISSING));
        }
        return Err(ProblemCode::NotFound.into());
    };
    let lasting = name.starts_with("assets/");
    let mut response = HttpResponse::Ok();
    response.content_type(media_type(name));
    response.insert_header((header::CONTENT_SECURITY_POLICY, policy));
    response.insert_header((header::VARY, "accept-encoding"));
    let kept = if lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.insert_header((header::CACHE_CONTROL, kept));
    Ok(match page.packed.filter(|_| takes_brotli(request.headers())) {
        Some(packed) => response.insert_header((header::CONTENT_ENCODING, "br")).body(packed),
        None => response.body(page.bytes),
    })
}

/// The address without its last stroke leads to the page.
#[utoipa::path(get, path = "/app", tag = "pages", responses((status = 308, description = "See /app/")), security(()))]
pub async fn app_root() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/app/")).finish()
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let value = headers.get(header::ACCEPT_ENCODING).and_then(|value: &HeaderValue| value.to_str().ok());
    value.is_some_and(|value| value.split(',').any(|one| matches!(one.trim().split(';').next(), Some("br"))))
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_pages_go_only_to_browsers_that_read_them() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_brotli(&headers)
        };
        assert!(with("gzip, deflate, br, zstd"));
        assert!(with("br;q=1.0"));
        assert!(!with("gzip, deflate"));
        assert!(!with("brx"));
        assert!(!takes_brotli(&HeaderMap::new()));
    }
}
