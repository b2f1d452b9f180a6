//! Answers of the receiver: status, headers and JSON.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use storno_sql::ingest::{BodyError, Ingested};

/// Why a request as a whole was not taken. Nothing of it was stored.
#[derive(Debug)]
pub(super) enum Refusal {
    Unauthorized,
    Forbidden,
    NotFound(String),
    /// Neither array nor lines, or not gzip.
    Unreadable(String),
    Encoding,
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// Too much is under way: come again.
    Busy,
    Stopping,
    /// It may work later.
    Failed(String),
}

#[derive(Serialize)]
struct Refused {
    error: String,
}

#[derive(Serialize)]
struct Accepted<'a> {
    accepted: u64,
    duplicate: u64,
    rejected: Vec<Rejected<'a>>,
    /// Rejected rows besides those.
    #[serde(skip_serializing_if = "Option::is_none")]
    unlisted: Option<u64>,
}

#[derive(Serialize)]
struct Rejected<'a> {
    row: u64,
    code: u16,
    reason: &'a str,
}

/// 200 with counts; 422 when rows came and none was stored or known.
pub(super) fn accepted(ingested: &Ingested) -> Response {
    let rejected = ingested.rejected.iter().map(|rejected| Rejected {
        row: rejected.row,
        code: rejected.code,
        reason: &rejected.reason,
    });
    let nothing = ingested.accepted + ingested.duplicate == 0 && !ingested.rejected.is_empty();
    let status = match nothing {
        true => StatusCode::UNPROCESSABLE_ENTITY,
        false => StatusCode::OK,
    };
    let body = Accepted {
        accepted: ingested.accepted,
        duplicate: ingested.duplicate,
        rejected: rejected.collect(),
        unlisted: Some(ingested.unlisted).filter(|count| *count > 0),
    };
    (status, Json(body)).into_response()
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) | BodyError::TooManyRows => Self::TooLarge,
            BodyError::Busy => Self::Busy,
            BodyError::Gzip(_) | BodyError::Json(_) => Self::Unreadable(error.to_string()),
        }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let (status, header, text) = match refusal {
            Refusal::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                Some((header::WWW_AUTHENTICATE, "Bearer")),
                "a valid bearer token is needed".into(),
            ),
            Refusal::Forbidden => (
                StatusCode::FORBIDDEN,
                None,
                "the token is for another table".into(),
            ),
            Refusal::NotFound(text) => (StatusCode::NOT_FOUND, None, text),
            Refusal::Unreadable(text) => (StatusCode::BAD_REQUEST, None, text),
            Refusal::Encoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                None,
                "content is taken as it is, or packed with gzip".into(),
            ),
            Refusal::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                None,
                "the body is too large: send fewer rows at once".into(),
            ),
            Refusal::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                None,
                "the body did not come in time".into(),
            ),
            Refusal::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                Some((header::RETRY_AFTER, "1")),
                "too much is under way".into(),
            ),
            Refusal::Stopping => unavailable("the server is stopping".into()),
            Refusal::Failed(text) => unavailable(text),
        };
        let mut response = (status, Json(Refused { error: text })).into_response();
        if let Some((name, value)) = header {
            let headers = response.headers_mut();
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

type Parts = (StatusCode, Option<(HeaderName, &'static str)>, String);

fn unavailable(text: String) -> Parts {
    let later = Some((header::RETRY_AFTER, "5"));
    (StatusCode::SERVICE_UNAVAILABLE, later, text)
}
