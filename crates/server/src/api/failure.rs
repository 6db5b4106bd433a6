//! The responses of requests that fail.

use std::time::Duration;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use solekey::{AccountError, TokenError, core::InputError};

use crate::guard::Refused;

/// A status and a JSON body `{code, message, field?, retry_after?}`.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Failure {
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has other methods")
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server made a mistake")
    }

    pub(super) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not arrive in time")
    }

    /// As many connections as this process serves: the next second may have room for one.
    pub(super) fn overloaded() -> Self {
        let message = "there are as many connections as this process serves";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).later(Some(RETRY_SLOT))
    }

    pub(super) fn already_presented() -> Self {
        let message = "the refresh token was presented before, or another account holds it; using it could revoke \
                       the grant (accept_spent=true overrides)";
        Self::new(StatusCode::CONFLICT, "already_presented", message)
    }

    pub(super) fn lesser() -> Self {
        let message = "the account has a refresh token, and the document has none: it would end with its access token \
                       (accept_lesser=true overrides)";
        Self::new(StatusCode::CONFLICT, "lesser_credential", message)
    }

    pub(super) fn invalid(field: impl Into<String>, expected: impl Into<String>) -> Self {
        InputError::new(field, expected).into()
    }

    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, body: Body { code, message: message.into(), field: None, retry_after: None } }
    }

    fn about(mut self, field: &str) -> Self {
        self.body.field = Some(field.to_owned());
        self
    }

    fn later(mut self, after: Option<Duration>) -> Self {
        self.body.retry_after = after.map(whole_seconds);
        self
    }

    fn unavailable(message: impl Into<String>, after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "refresh_unavailable", message).later(Some(after))
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", error.to_string()).about(error.field())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::HostNotAllowed => {
                let message = "Host has to be given once, as localhost, a loopback address or one of `hosts` in the \
                               configuration, and the target has to agree with it";
                Self::new(StatusCode::MISDIRECTED_REQUEST, "host_not_allowed", message).about("hosts")
            }
            Refused::CrossSite => {
                let message = "pages of other sites (Sec-Fetch-Site, Origin) are not answered";
                Self::new(StatusCode::FORBIDDEN, "cross_site", message)
            }
            Refused::FormBody => {
                let message =
                    "a body of a type that forms have is not read: application/json, or no Content-Type";
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "form_body", message)
            }
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let code = match &error {
            TokenError::LogIn { .. } => "reauth_required",
            TokenError::Configuration { .. } => "misconfigured",
            TokenError::UnknownAccount => "unknown_account",
            TokenError::UnknownProvider => "unknown_provider",
            // Whatever the library learns to say, clients can come back.
            TokenError::RetryAt { .. } | TokenError::ShuttingDown | _ => "refresh_unavailable",
        };
        let failure = Self::new(error.status(), code, error.to_string()).later(error.retry_after());
        match &error {
            TokenError::Configuration { field, .. } => failure.about(field),
            _ => failure,
        }
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Input(error) => error.into(),
            AccountError::UnknownProvider => TokenError::UnknownProvider.into(),
            AccountError::UnknownAccount => TokenError::UnknownAccount.into(),
            AccountError::Configuration(error) => error.into(),
            AccountError::ShuttingDown => TokenError::ShuttingDown.into(),
            other => Self::unavailable(other.to_string(), RETRY_STORE),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, body } = self;
        let retry_after = body.retry_after;
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            // Gateways pass this on, and RFC 9110 requires a challenge with every 401.
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Bearer error="invalid_token""#),
            );
        }
        response
    }
}

/// Rounded up: who comes back early has come for nothing.
fn whole_seconds(span: Duration) -> u64 {
    (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1)
}

/// A store that is away is asked again every second anyway.
const RETRY_STORE: Duration = Duration::from_secs(1);
const RETRY_SLOT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis}");
        }
    }

    #[test]
    fn a_401_carries_a_challenge() {
        let failure = Failure::new(StatusCode::UNAUTHORIZED, "reauth_required", "x");
        assert!(failure.into_response().headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
