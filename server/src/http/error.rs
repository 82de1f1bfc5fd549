//! The one place where a refusal becomes a response: problem details with a stable code, worded in both languages.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use sync_protocol::outcome::{Code, Outcome};
use sync_protocol::units::CannotUndo;
use utoipa::ToSchema;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use uuid::Uuid;

use crate::accounts::AccountError;
use crate::auth::token::TokenFault;
use crate::desk::{BulkError, ResolveError, SampleGap, SupportError};
use crate::import::ImportError;
use crate::problem::{FieldProblem, Problem, ProblemCode};
use crate::reading::ReadError;
use crate::reorganisation::{ItemView, ReorganisationError};
use crate::storage::StorageError;
use crate::sync::SyncError;

/// Seconds after which a caller may come back, where nothing better is known.
const RETRY_AFTER_S: u64 = 10;
/// Seconds after which a caller may come back when the disk is full.
const RETRY_AFTER_FULL_S: u64 = 300;

/// Why a request has no good answer.
#[derive(Clone, PartialEq, Debug)]
pub enum HttpError {
    /// One of the standing refusals.
    Standing {
        /// Which.
        code: ProblemCode,
        /// The field that is to blame.
        field: Option<String>,
        /// What is wrong with the field, in English; never what was typed.
        reason: Option<String>,
        /// Seconds to wait.
        retry_after_s: Option<u64>,
        /// The methods that the path has, for 405.
        allow: Option<&'static str>,
    },
    /// An op of the desk had no effect.
    Refused(Box<Outcome>),
    /// Too few visits were looked at.
    Sample(SampleGap),
    /// A standing refusal with everything that is to blame.
    Listed {
        /// Which.
        code: ProblemCode,
        /// What is to blame.
        errors: Vec<FieldProblem>,
    },
}

impl HttpError {
    /// One of the standing refusals.
    pub fn new(code: ProblemCode) -> Self {
        let retry_after_s = match code {
            ProblemCode::StorageFull => Some(RETRY_AFTER_FULL_S),
            code if code.may_retry() => Some(RETRY_AFTER_S),
            _ => None,
        };
        Self::Standing { code, field: None, reason: None, retry_after_s, allow: None }
    }

    /// A value that is not taken.
    pub fn bad_value(field: impl Into<String>) -> Self {
        Self::bad_value_because(field, "the value is missing or not of the expected form")
    }

    /// A value that is not taken, and why.
    pub fn bad_value_because(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Standing {
            code: ProblemCode::ValidationFailed,
            field: Some(field.into()),
            reason: Some(reason.into()),
            retry_after_s: None,
            allow: None,
        }
    }

    /// The path exists, the method does not.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let code = ProblemCode::MethodNotAllowed;
        Self::Standing { code, field: None, reason: None, retry_after_s: None, allow: Some(allow) }
    }

    fn status(&self) -> u16 {
        match self {
            Self::Standing { code, .. } | Self::Listed { code, .. } => code.status(),
            Self::Refused(outcome) => refused_status(outcome),
            Self::Sample(_) => ProblemCode::SampleIncomplete.status(),
        }
    }

    /// The stable code, for the log.
    pub fn code(&self) -> &str {
        match self {
            Self::Standing { code, .. } | Self::Listed { code, .. } => code.as_str(),
            Self::Refused(outcome) => outcome.code.as_deref().unwrap_or("refused"),
            Self::Sample(_) => ProblemCode::SampleIncomplete.as_str(),
        }
    }

    /// The response, naming the request.
    pub fn response(&self, request_id: &str) -> HttpResponse {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CONTENT_TYPE, Problem::MEDIA_TYPE));
        if let Self::Standing { retry_after_s: Some(seconds), .. } = self {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Self::Standing { allow: Some(allow), .. } = self {
            response.insert_header((header::ALLOW, *allow));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.body(serde_json::to_vec(&self.body(request_id)).unwrap_or_default())
    }

    fn body(&self, request_id: &str) -> ProblemBody {
        match self {
            Self::Standing { code, field, reason, .. } => {
                let mut problem = Problem::new(*code, request_id);
                if let Some(field) = field {
                    problem = problem.with_field(field);
                }
                if let (Some(field), Some(reason)) = (field, reason) {
                    problem.errors.push(FieldProblem {
                        field: field.clone(),
                        code: "bad_value".into(),
                        detail_vi: Code::BadValue.vi().into(),
                        detail_en: reason.clone(),
                    });
                }
                ProblemBody::from(problem)
            }
            Self::Refused(outcome) => {
                let code = outcome.code.as_deref().and_then(Code::from_text);
                ProblemBody {
                    type_urn: format!("urn:thonso:problem:{}", self.code()),
                    title: "Không thực hiện được".into(),
                    status: self.status(),
                    code: self.code().to_owned(),
                    detail_vi: code.map_or("Việc này không được thực hiện.", Code::vi).into(),
                    detail_en: code.map_or("This was not done.", Code::en).into(),
                    field: outcome.field.clone(),
                    rule: outcome.rule.clone(),
                    ..ProblemBody::from(Problem::new(ProblemCode::NotFound, request_id))
                }
            }
            Self::Listed { code, errors } => {
                ProblemBody::from(Problem::new(*code, request_id).with_errors(errors.clone()))
            }
            Self::Sample(gap) => ProblemBody {
                sample: Some(SampleView {
                    flagged: gap.flagged.iter().map(|visit| visit.0).collect(),
                    needed: u32::try_from(gap.needed).unwrap_or(u32::MAX),
                    looked_at: u32::try_from(gap.looked_at).unwrap_or(u32::MAX),
                }),
                ..ProblemBody::from(Problem::new(ProblemCode::SampleIncomplete, request_id))
            },
        }
    }
}

/// What somebody at the desk should do next decides the status: give it up, look again, or put it right.
fn refused_status(outcome: &Outcome) -> u16 {
    match outcome.code.as_deref().and_then(Code::from_text) {
        Some(Code::NotFound) => 404,
        Some(Code::NotAllowed) => 403,
        Some(
            Code::ContentChanged
            | Code::WrongState
            | Code::PeriodClosed
            | Code::CaseOpen
            | Code::AlreadyResolved
            | Code::OwnVisit
            | Code::AlreadyExists
            | Code::CaseOtherKind,
        ) => 409,
        _ => 422,
    }
}

/// A refusal as it travels: problem details (RFC 9457) with a stable code.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `urn:thonso:problem:<code>`.
    #[serde(rename = "type")]
    #[schema(example = "urn:thonso:problem:not_found")]
    pub type_urn: String,
    /// A few words in Vietnamese.
    pub title: String,
    /// The HTTP status again, for who only keeps the body.
    #[schema(example = 404)]
    pub status: u16,
    /// What programs match on: a code of the table in the description, or of an op's outcome.
    #[schema(example = "not_found")]
    pub code: String,
    /// What happened and what to do, in Vietnamese.
    pub detail_vi: String,
    /// The same in English.
    pub detail_en: String,
    /// Names this request in the server's log.
    pub request_id: String,
    /// The field that is to blame, when there is just one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The rule behind the code: a finding of the catalogue, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Every field that is to blame.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// What is missing before visits may be approved together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleView>,
}

impl From<Problem> for ProblemBody {
    fn from(problem: Problem) -> Self {
        Self {
            type_urn: problem.type_urn,
            title: problem.title,
            status: problem.status,
            code: problem.code.as_str().to_owned(),
            detail_vi: problem.detail_vi,
            detail_en: problem.detail_en,
            request_id: problem.request_id,
            field: problem.field,
            rule: None,
            errors: problem.errors,
            sample: None,
        }
    }
}

/// What is missing before visits may be approved together.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SampleView {
    /// Flagged visits that nobody looked at.
    pub flagged: Vec<Uuid>,
    /// How many visits without a flag must be looked at.
    pub needed: u32,
    /// How many were.
    pub looked_at: u32,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The outer layer writes the response again with the request's id.
    fn error_response(&self) -> HttpResponse {
        self.response("")
    }
}

impl From<ProblemCode> for HttpError {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

impl From<StorageError> for HttpError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full => ProblemCode::StorageFull.into(),
            StorageError::Busy => ProblemCode::Busy.into(),
            error @ (StorageError::FromNewerVersion { .. }
            | StorageError::Damaged(_)
            | StorageError::GivenUp(_)
            | StorageError::Failed(_)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the store failed");
                ProblemCode::Internal.into()
            }
        }
    }
}

impl From<ReadError> for HttpError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => ProblemCode::NotFound.into(),
            ReadError::NotAllowed => ProblemCode::NotAllowed.into(),
            ReadError::BadValue(field) => Self::bad_value(field),
            ReadError::Storage(error) => error.into(),
        }
    }
}

impl From<AccountError> for HttpError {
    fn from(error: AccountError) -> Self {
        let code = match error {
            AccountError::SignInFailed => ProblemCode::SignInFailed,
            AccountError::DeviceRequired => ProblemCode::DeviceRequired,
            AccountError::DeviceRevoked => ProblemCode::DeviceRevoked,
            AccountError::SessionRevoked => ProblemCode::SessionRevoked,
            AccountError::CodeInvalid => ProblemCode::CodeInvalid,
            AccountError::TooManyAttempts { wait_ms } => {
                return Self::Standing {
                    code: ProblemCode::TooManyAttempts,
                    field: None,
                    reason: None,
                    retry_after_s: Some(wait_ms.div_ceil(1_000).max(1)),
                    allow: None,
                };
            }
            AccountError::Busy => ProblemCode::Busy,
            AccountError::BadValue { field, reason } => return Self::bad_value_because(field, reason),
            AccountError::NotAllowed => ProblemCode::NotAllowed,
            AccountError::NotFound => ProblemCode::NotFound,
            AccountError::Token(TokenFault::Expired) => ProblemCode::TokenExpired,
            AccountError::Token(TokenFault::Invalid) => ProblemCode::TokenInvalid,
            AccountError::Storage(error) => return error.into(),
            AccountError::Internal => ProblemCode::Internal,
        };
        code.into()
    }
}

impl From<SyncError> for HttpError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::NoHello(reason) => Self::Standing {
                code: ProblemCode::Malformed,
                field: Some("hello".into()),
                reason: Some(reason),
                retry_after_s: None,
                allow: None,
            },
            SyncError::Version => ProblemCode::UpdateNeeded.into(),
            SyncError::Session => ProblemCode::SessionRevoked.into(),
            SyncError::TooManyOps => ProblemCode::BatchTooLarge.into(),
            SyncError::Storage(error) => error.into(),
        }
    }
}

impl From<SupportError> for HttpError {
    fn from(error: SupportError) -> Self {
        let refused = match error {
            SupportError::NotEarned(refused) => refused,
            SupportError::Storage(error) => return error.into(),
        };
        let missing = refused.map(|refused| FieldProblem {
            field: "month".to_owned(),
            code: refused.code().to_owned(),
            detail_vi: refused.vi(),
            detail_en: refused.to_string(),
        });
        Self::Listed { code: ProblemCode::SupportNotEarned, errors: missing.into_iter().collect() }
    }
}

impl From<ImportError> for HttpError {
    fn from(error: ImportError) -> Self {
        let errors = match error {
            ImportError::NotAllowed => return ProblemCode::NotAllowed.into(),
            ImportError::NotFound => return ProblemCode::NotFound.into(),
            ImportError::Storage(error) => return error.into(),
            ImportError::Faulty(found) => found.errors,
            ImportError::Sheet(fault) => vec![FieldProblem {
                field: "file".to_owned(),
                code: fault.code().to_owned(),
                detail_vi: fault.vi().to_owned(),
                detail_en: fault.en().to_owned(),
            }],
        };
        Self::Listed { code: ProblemCode::ImportRefused, errors }
    }
}

impl From<BulkError> for HttpError {
    fn from(error: BulkError) -> Self {
        match error {
            BulkError::BadList => Self::bad_value_because("visits", error.to_string()),
            BulkError::NotAllowed => ProblemCode::NotAllowed.into(),
            BulkError::Sample(gap) => Self::Sample(gap),
            BulkError::Storage(error) => error.into(),
        }
    }
}

impl From<ReorganisationError> for HttpError {
    fn from(error: ReorganisationError) -> Self {
        let line = |field: String, code: &str, vi: String, en: String| FieldProblem {
            field,
            code: code.to_owned(),
            detail_vi: vi,
            detail_en: en,
        };
        match error {
            ReorganisationError::NotAllowed => ProblemCode::NotAllowed.into(),
            ReorganisationError::NotFound => ProblemCode::NotFound.into(),
            ReorganisationError::BadValue { field, reason } => Self::bad_value_because(field, reason),
            ReorganisationError::Blocked(blocks) => {
                let about = |item: &ItemView, words: &str| format!("{}: {words}", item.name);
                let lines = blocks.into_iter().map(|block| {
                    let (vi, en) = (about(&block.item, &block.vi), about(&block.item, &block.en));
                    line(block.item.path(), &block.code, vi, en)
                });
                Self::Listed { code: ProblemCode::ReorganisationBlocked, errors: lines.collect() }
            }
            ReorganisationError::Depends(items) => {
                let lines = items.into_iter().map(|item| {
                    let words = |words: &str| format!("{}: {words}", item.name);
                    line(item.path(), CannotUndo::CODE, words(CannotUndo::VI), words(CannotUndo::EN))
                });
                Self::Listed { code: ProblemCode::CannotUndo, errors: lines.collect() }
            }
            ReorganisationError::Refused(refused) => {
                let text = refused.outcome.code.clone().unwrap_or_default();
                let code = Code::from_text(&text);
                let words = |words: Option<&str>| format!("{}: {}", refused.name, words.unwrap_or(&text));
                let line =
                    line(refused.object.to_string(), &text, words(code.map(Code::vi)), words(code.map(Code::en)));
                Self::Listed { code: ProblemCode::ReorganisationBlocked, errors: vec![line] }
            }
            ReorganisationError::Storage(error) => error.into(),
        }
    }
}

impl From<ResolveError> for HttpError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::BadChoice(field) => Self::bad_value(field),
            ResolveError::Storage(error) => error.into(),
        }
    }
}

/// The refusals that any route of the desk may answer with, for the document.
pub struct Refusals;

impl utoipa::IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusal = |description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            let response = ResponseBuilder::new().description(description);
            RefOr::T(response.content(Problem::MEDIA_TYPE, content).build())
        };
        [
            ("400", "Something in the request is not valid"),
            ("401", "Sign in again"),
            ("403", "Not a function of the caller's role"),
            ("404", "Not there, or not the caller's to see"),
            ("503", "Come back later"),
        ]
        .map(|(status, description)| (status.to_owned(), refusal(description)))
        .into()
    }
}

/// The refusals of a change besides those of any route, for the document.
pub struct ChangeRefusals;

impl utoipa::IntoResponses for ChangeRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = Refusals::responses();
        let refusal = responses.get("400").cloned();
        for (status, description) in [
            ("409", "Somebody was faster, or the thing is in another state: look again"),
            ("413", "The body is too large"),
            ("415", "Not JSON, or sent with a Content-Encoding"),
            ("422", "Readable, but not taken: `field` and `rule` say what and why"),
        ] {
            if let Some(RefOr::T(mut response)) = refusal.clone() {
                response.description = description.to_owned();
                responses.insert(status.to_owned(), RefOr::T(response));
            }
        }
        responses
    }
}
