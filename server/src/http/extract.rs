//! What comes in: bodies, queries, ids, who is asking. Everything that is not as it should be becomes a problem with a
//! stable code; nothing that was typed is repeated.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;
use sync_protocol::ids::UserId;
use sync_protocol::row::Ver;
use uuid::Uuid;

use super::App;
use super::error::HttpError;
use crate::accounts::Identity;
use crate::problem::ProblemCode;

/// Largest JSON body.
pub const JSON_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for a JSON body.
const JSON_TIMEOUT: Duration = Duration::from_secs(15);
/// Keys of a body that are tried one by one to find the one that is to blame.
const BLAME_KEYS_MAX: usize = 40;

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, HttpError>>>>;

/// Reads a whole body within a limit and a time.
pub async fn read_body(
    request: &HttpRequest,
    payload: web::Payload,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, HttpError> {
    let claimed = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if claimed.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > bytes_max as u64) {
        return Err(ProblemCode::BodyTooLarge.into());
    }
    match tokio::time::timeout(timeout, payload.to_bytes_limited(bytes_max)).await {
        Err(_) => Err(ProblemCode::RequestTimeout.into()),
        Ok(Err(_)) => Err(ProblemCode::BodyTooLarge.into()),
        Ok(Ok(Err(_))) => Err(ProblemCode::Malformed.into()),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

/// A JSON body. The content type must say so: a form on a foreign page cannot send that.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = HttpError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move {
            let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(ProblemCode::ContentTypeNotAllowed.into());
            }
            let payload = payload.await.map_err(|_| ProblemCode::Malformed)?;
            let bytes = read_body(&request, payload, JSON_BYTES_MAX, JSON_TIMEOUT).await?;
            read_json(&bytes).map(Self)
        })
    }
}

/// Reads a JSON text. The nesting is limited for all of it, also for what nobody asked for.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpError> {
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
        let is_deep = error.to_string().starts_with("recursion limit exceeded");
        if is_deep { ProblemCode::TooDeep } else { ProblemCode::Malformed }
    })?;
    T::deserialize(&json).map_err(|error| {
        let field = named_field(&error.to_string()).or_else(|| {
            let object = json.as_object()?;
            object.keys().take(BLAME_KEYS_MAX).find(|key| is_to_blame::<T>(object, key)).cloned()
        });
        HttpError::bad_value(field.unwrap_or_else(|| "body".into()))
    })
}

/// Whether leaving a key out changes what is wrong: then its value is what was wrong.
fn is_to_blame<T: DeserializeOwned>(object: &serde_json::Map<String, serde_json::Value>, key: &str) -> bool {
    let mut without = object.clone();
    without.remove(key);
    match T::deserialize(serde_json::Value::Object(without)) {
        Ok(_) => true,
        Err(error) => error.to_string().starts_with(&format!("missing field `{key}`")),
    }
}

/// The field that serde names, when the name is one of ours or could be one.
fn named_field(message: &str) -> Option<String> {
    let rest = message.strip_prefix("missing field `").or_else(|| message.strip_prefix("unknown field `"))?;
    let name = rest.split('`').next()?;
    let is_plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    Some(if is_plain { name.to_owned() } else { "body".to_owned() })
}

/// The query of an address. Unknown names are refused, so that a misspelt filter is no missing filter.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = HttpError;
    type Future = std::future::Ready<Result<Self, HttpError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = |query: &str| web::Query::<T>::from_query(query);
        let query = request.query_string();
        std::future::ready(read(query).map(|query| Self(query.into_inner())).map_err(|error| {
            let message = error.to_string();
            let message = message.split(": ").last().unwrap_or_default();
            let field = named_field(message).or_else(|| {
                let pairs: Vec<&str> = query.split('&').take(BLAME_KEYS_MAX).collect();
                let blamed = (0..pairs.len()).find(|at| {
                    let others = pairs.iter().enumerate().filter(|(other, _)| other != at).map(|(_, pair)| *pair);
                    read(&others.collect::<Vec<_>>().join("&")).is_ok()
                });
                let name = blamed.and_then(|at| pairs[at].split('=').next())?;
                let is_plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                is_plain.then(|| name.to_owned())
            });
            HttpError::bad_value(field.unwrap_or_else(|| "query".into()))
        }))
    }
}

/// The id in a path. What is no id names nothing, so it is not found, like an id of nothing.
#[derive(Clone, Copy, Debug)]
pub struct Id(pub Uuid);

impl FromRequest for Id {
    type Error = HttpError;
    type Future = std::future::Ready<Result<Self, HttpError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|text| Uuid::try_parse(text).ok());
        std::future::ready(id.map(Self).ok_or_else(|| ProblemCode::NotFound.into()))
    }
}

/// The cookie of a desk in a browser. The prefix binds it to this host, to the whole of it and to an encrypted line.
pub const DESK_COOKIE: &str = "__Host-thonso";

/// A page sends this with what it asks by itself: a desk that nobody touches is not kept open.
const UNATTENDED: &str = "x-unattended";
/// What a page asks only by itself.
const LIVE: &str = "/api/v1/live";

/// Who is asking: the bearer of a valid access token, or a desk's page. What they may do is for others to say.
#[derive(Clone, Copy, Debug)]
pub struct Caller(pub Identity);

impl Caller {
    /// The user.
    pub fn user(&self) -> UserId {
        self.0.user
    }
}

impl FromRequest for Caller {
    type Error = HttpError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = request.app_data::<Data<App>>().ok_or(ProblemCode::Internal)?;
            let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            if token.is_none()
                && let Some(cookie) = request.cookie(DESK_COOKIE)
            {
                if !request.method().is_safe() && !is_from_own_page(&request) {
                    return Err(ProblemCode::NotAllowed.into());
                }
                let is_attended = !request.headers().contains_key(UNATTENDED) && request.path() != LIVE;
                return Ok(Self(app.accounts.authenticate_desk(cookie.value(), is_attended).await?));
            }
            let (scheme, token) = token.and_then(|value| value.split_once(' ')).ok_or(ProblemCode::TokenInvalid)?;
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Err(ProblemCode::TokenInvalid.into());
            }
            Ok(Self(app.accounts.authenticate(token.trim()).await?))
        })
    }
}

/// Whether a browser says that a page of ours asks. A cookie travels by itself: without such a word it changes nothing.
fn is_from_own_page(request: &HttpRequest) -> bool {
    let said = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    match said(header::HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == "same-origin",
        None => {
            let origin = said(header::ORIGIN).and_then(|origin| origin.split_once("://"));
            origin.is_some_and(|(_, host)| said(header::HOST) == Some(host))
        }
    }
}

/// The key under which a change is made once, however often it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Once(pub Option<Uuid>);

impl FromRequest for Once {
    type Error = HttpError;
    type Future = std::future::Ready<Result<Self, HttpError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        const NAME: &str = "idempotency-key";
        let key = request.headers().get(NAME).map(|value| {
            // The draft standard writes the key in quotes.
            let text = value.to_str().unwrap_or_default().trim_matches('"');
            Uuid::try_parse(text).map_err(|_| HttpError::bad_value_because("idempotency_key", "a UUID is expected"))
        });
        std::future::ready(key.transpose().map(Self))
    }
}

/// A version that travels as text.
pub fn ver(text: &str, field: &str) -> Result<Ver, HttpError> {
    text.parse().map(Ver).map_err(|_| HttpError::bad_value(field))
}

/// A day that travels as `YYYY-MM-DD`.
pub fn day(text: &str, field: &str) -> Result<sync_protocol::ids::Day, HttpError> {
    sync_protocol::ids::Day::parse(text).ok_or_else(|| HttpError::bad_value(field))
}

/// A content hash that travels as hexadecimal.
pub fn hash(text: &str, field: &str) -> Result<[u8; 16], HttpError> {
    let wrong = || HttpError::bad_value(field);
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 16];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only read")]
        day: String,
        #[expect(dead_code, reason = "only read")]
        count: u32,
    }

    fn fault(json: &str) -> (ProblemCode, Option<String>) {
        match read_json::<Body>(json.as_bytes()) {
            Err(HttpError::Standing { code, field, .. }) => (code, field),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_field_to_blame_is_named_and_its_value_is_not() {
        let failed = |field: &str| (ProblemCode::ValidationFailed, Some(field.to_owned()));
        assert_eq!(fault(r#"{"day": "x"}"#), failed("count"));
        assert_eq!(fault(r#"{"day": "x", "count": "secret"}"#), failed("count"));
        assert_eq!(fault(r#"{"day": 1, "count": 1}"#), failed("day"));
        assert_eq!(fault(r#"{"day": "x", "count": 1, "extra": 1}"#), failed("extra"));
        assert_eq!(fault(r#"{"day": "x", "count": 1, "<script>": 1}"#), failed("body"));
        assert_eq!(fault("[]"), failed("body"));
        assert_eq!(fault("{"), (ProblemCode::Malformed, None));
    }

    #[test]
    fn deep_json_is_refused_wherever_it_is() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(fault(&deep(100_000)).0, ProblemCode::TooDeep);
        assert_eq!(fault(&format!(r#"{{"nobody_asked": {}}}"#, deep(130))).0, ProblemCode::TooDeep);
        assert_eq!(fault(&deep(100)).0, ProblemCode::ValidationFailed);
    }

    #[test]
    fn a_hash_is_32_hexadecimal_digits() {
        assert_eq!(hash(&"0f".repeat(16), "h").unwrap(), [15; 16]);
        for bad in ["", "zz", &"0f".repeat(15), &"é".repeat(16)] {
            assert!(hash(bad, "h").is_err(), "{bad}");
        }
        assert!(hash(&"+f".repeat(16), "h").is_err());
    }
}
