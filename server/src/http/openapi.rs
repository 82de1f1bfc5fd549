//! The contract as a document: generated from the handlers, so that it cannot say anything else.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Info, License};
use utoipa::{Modify, OpenApi};

use super::Document;

/// What the handlers cannot say: the title, and that everything needs a token unless it says otherwise.
pub struct Frame;

impl Modify for Frame {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info = Info::new("Thôn Số", env!("CARGO_PKG_VERSION"));
        document.info.description = Some(
            "The desk's interface: reviewing visits, administration, counts. Field phones use `/sync`; see PROTOCOL.md. \
             Refusals are problem details with a stable `code`; see API.md."
                .into(),
        );
        document.info.license = None::<License>;
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
        for (path, item) in &mut document.paths.paths {
            let methods = [("get", &mut item.get), ("post", &mut item.post), ("patch", &mut item.patch)];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    operation.operation_id = Some(operation_id(method, path));
                }
            }
        }
    }
}

/// The name of an operation, from its method and path: handlers of different things may share a name, operations must not.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.filter(|word| !matches!(*word, "api" | "v1"));
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// The contract.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "health",
    responses((status = 200, description = "This document", content_type = "application/json")),
    security(())
)]
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).body(text())
}

/// The document as text, with a line for each thing, so that changes can be read.
pub fn text() -> String {
    Document::openapi().to_pretty_json().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn no_two_operations_share_a_name() {
        let document: serde_json::Value = serde_json::from_str(&super::text()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let names: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    /// The contract as it is committed: the desk's types are made from it, and a change of it is read before it is made.
    #[test]
    fn the_committed_contract_is_the_one_that_is_served() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        let served = super::text() + "\n";
        if std::env::var_os("OPENAPI_WRITE").is_some() {
            std::fs::write(file, &served).unwrap();
        }
        let committed = std::fs::read_to_string(file).unwrap();
        assert!(committed == served, "write it anew: OPENAPI_WRITE=1 cargo test -p thonso-server --lib openapi");
    }
}
