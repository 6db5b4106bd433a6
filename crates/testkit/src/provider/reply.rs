use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// An answer of the token endpoint that carries no working pair.
///
/// The dialects repeat what real endpoints were seen to say about a refresh token they do not accept; the rest is
/// what stands between a client and an endpoint on a bad day.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// RFC 6749: 400 `invalid_grant`.
    InvalidGrant,
    /// OpenAI: 401 with `error.code`, e.g. `refresh_token_reused`, `refresh_token_expired`.
    OpenAi(&'static str),
    /// Anthropic: 400 `invalid_grant`, "Refresh token not found or invalid".
    ClaudeInvalidGrant,
    /// Anthropic: 404 `not_found_error`.
    ClaudeNotFound,
    /// GitHub: **200** `error=bad_refresh_token`.
    GitHub,
    /// Slack: **200** `{"ok":false,"error":"invalid_refresh_token"}`.
    Slack,
    /// X: 400 `invalid_request`, "Value passed for the token was invalid."
    X,
    /// Auth0 and Atlassian: 403 `invalid_grant`.
    Auth0,
    /// Exact: 401 `unauthorized_client`, "Old refresh token used".
    Exact,
    /// 401 `invalid_client`: the client is at fault, not the token.
    InvalidClient,
    /// 400 `unauthorized_client`: the client is at fault, not the token.
    UnauthorizedClient,
    /// 400 `use_dpop_nonce` with a `DPoP-Nonce` header (RFC 9449): ask again at once.
    UseDpopNonce,
    /// 429, with Retry-After in seconds when given.
    RateLimited(Option<Duration>),
    /// 503, with Retry-After in seconds when given.
    Unavailable(Option<Duration>),
    /// A bare 500.
    ServerError,
    /// An HTML page, as proxies and firewalls send it.
    Html(StatusCode),
    /// 307 to the same URL, for ever.
    RedirectLoop,
    /// 200 and 2 MiB of JSON.
    Huge,
    /// 200 without a body.
    Empty200,
    /// 200 and a JSON object without any token.
    NoAccessToken200,
    /// 200 `application/json` that is not JSON.
    Garbage200,
    /// Anything else, byte for byte.
    Raw {
        /// Status line.
        status: StatusCode,
        /// All headers except `content-length`.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
}

impl Reply {
    /// Renders the answer; `path` is what was asked for.
    pub(super) fn into_response(self, path: &str) -> Response {
        match self {
            Self::InvalidGrant => {
                error(StatusCode::BAD_REQUEST, "invalid_grant", "the refresh token is invalid")
            }
            Self::OpenAi(code) => openai(code),
            Self::ClaudeInvalidGrant => {
                error(StatusCode::BAD_REQUEST, "invalid_grant", "Refresh token not found or invalid")
            }
            Self::ClaudeNotFound => answer(
                StatusCode::NOT_FOUND,
                &json!({"type": "error", "error": {"type": "not_found_error", "message": "Not found"}}),
            ),
            Self::GitHub => error(
                StatusCode::OK,
                "bad_refresh_token",
                "The refresh token passed is incorrect or expired.",
            ),
            Self::Slack => answer(StatusCode::OK, &json!({"ok": false, "error": "invalid_refresh_token"})),
            Self::X => {
                error(StatusCode::BAD_REQUEST, "invalid_request", "Value passed for the token was invalid.")
            }
            Self::Auth0 => error(StatusCode::FORBIDDEN, "invalid_grant", "Unknown or invalid refresh token."),
            Self::Exact => error(StatusCode::UNAUTHORIZED, "unauthorized_client", "Old refresh token used"),
            Self::InvalidClient => {
                let reply = error(StatusCode::UNAUTHORIZED, "invalid_client", "client authentication failed");
                with(reply, header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""))
            }
            Self::UnauthorizedClient => {
                error(StatusCode::BAD_REQUEST, "unauthorized_client", "the client may not use this grant")
            }
            Self::UseDpopNonce => {
                let reply = error(StatusCode::BAD_REQUEST, "use_dpop_nonce", "a nonce is required");
                with(reply, NONCE, HeaderValue::from_static("testkit-nonce"))
            }
            Self::RateLimited(after) => busy(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", after),
            Self::Unavailable(after) => {
                busy(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", after)
            }
            Self::ServerError => {
                body(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "internal server error")
            }
            Self::Html(status) => body(status, "text/html", HTML),
            Self::RedirectLoop => redirect(path),
            Self::Huge => body(StatusCode::OK, JSON, huge()),
            Self::Empty200 => body(StatusCode::OK, JSON, Bytes::new()),
            Self::NoAccessToken200 => answer(StatusCode::OK, &json!({"token_type": "Bearer"})),
            Self::Garbage200 => body(StatusCode::OK, JSON, &b"{\"access_token\": \xff\xfe"[..]),
            Self::Raw { status, headers, body } => raw(status, headers, body),
        }
    }
}

/// A JSON answer that caches must not keep (RFC 6749, 5.1).
pub(super) fn answer(status: StatusCode, value: &Value) -> Response {
    body(status, JSON, value.to_string())
}

/// An error in the shape of RFC 6749, 5.2.
pub(super) fn error(status: StatusCode, code: &str, description: &str) -> Response {
    answer(status, &json!({"error": code, "error_description": description}))
}

/// A proof of possession that proves nothing (RFC 9449, 5).
pub(super) fn bad_proof(why: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "invalid_dpop_proof", why)
}

/// As AT Protocol says it.
pub(super) fn bound_to_another_key() -> Response {
    let reply = error(StatusCode::UNAUTHORIZED, "invalid_token", "bound to another key");
    with(reply, header::WWW_AUTHENTICATE, HeaderValue::from_static("DPoP error=\"invalid_token\""))
}

/// Puts a nonce into an answer, in the place of any other.
pub(super) fn bring_nonce(response: &mut Response, nonce: &str) {
    if let Ok(nonce) = HeaderValue::from_str(nonce) {
        response.headers_mut().insert(NONCE, nonce);
    }
}

fn openai(code: &str) -> Response {
    let message = "Your refresh token has already been used to generate a new access token.";
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    answer(StatusCode::UNAUTHORIZED, &json!({"error": error}))
}

fn busy(status: StatusCode, kind: &str, after: Option<Duration>) -> Response {
    let reply = answer(status, &json!({"type": "error", "error": {"type": kind, "message": "slow down"}}));
    match after {
        Some(after) => with(reply, header::RETRY_AFTER, after.as_secs().into()),
        None => reply,
    }
}

fn redirect(path: &str) -> Response {
    let reply = body(StatusCode::TEMPORARY_REDIRECT, "text/plain", "over there");
    let target = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/token"));
    with(reply, header::LOCATION, target)
}

fn raw(status: StatusCode, headers: HeaderMap, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

fn with(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

fn body(status: StatusCode, content_type: &'static str, bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Valid JSON up to its end, so that only a cap on the size saves the reader.
fn huge() -> Bytes {
    let padding = "x".repeat(HUGE_BYTES);
    json!({"access_token": "at-huge", "token_type": "Bearer", "padding": padding}).to_string().into()
}

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const HUGE_BYTES: usize = 2 << 20;
const JSON: &str = "application/json";
const HTML: &str = "<!doctype html><html><head><title>One moment</title></head><body><h1>Checking your browser</h1>\
                    </body></html>";
