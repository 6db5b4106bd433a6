//! Requests for tokens, and reports of rejected ones.

use std::time::{Duration, SystemTime};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Uri};
use serde::Serialize;
use solekey::{AccessToken, core::Generation};

use super::{
    Shared,
    account_path::AccountPath,
    body::{self, Fields},
    evidence,
    failure::Failure,
    query::Query,
};

#[derive(Serialize)]
struct Token<'a> {
    access_token: &'a str,
    token_type: &'a str,
    /// Seconds since 1970.
    expires_at: Option<u64>,
    generation: Generation,
    stale: bool,
}

pub(super) async fn token(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    Query::none(&uri)?;
    let token = match wait(&headers)? {
        Some(wait) => api.solekey.token_within(&account, wait).await?,
        None => api.solekey.token(&account).await?,
    };
    Ok(answer(&token))
}

pub(super) async fn rejected(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
    body: Body,
) -> Result<Response, Failure> {
    Query::none(&uri)?;
    let body = body::read(body).await?;
    let fields = Fields::parse(&body, &["access_token", "generation"])?;
    let token = match (fields.secret("access_token")?, fields.generation("generation")?) {
        (Some(rejected), None) => api.solekey.token_after_rejected_secret(&account, &rejected).await?,
        (None, Some(rejected)) => {
            evidence::check(&api.solekey, &account, rejected).await?;
            api.solekey.token_after_rejected_generation(&account, rejected).await?
        }
        _ => return Err(Failure::invalid("access_token", "either access_token or generation")),
    };
    Ok(answer(&token))
}

pub(super) async fn refresh(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
    body: Body,
) -> Result<Response, Failure> {
    Query::none(&uri)?;
    let body = body::read(body).await?;
    let seen = match &body[..] {
        [] => None,
        body => Fields::parse(body, &["generation"])?.generation("generation")?,
    };
    if let Some(seen) = seen {
        evidence::check(&api.solekey, &account, seen).await?;
    }
    Ok(answer(&api.solekey.refresh(&account, seen).await?))
}

fn answer(token: &AccessToken) -> Response {
    Json(Token {
        access_token: token.expose_secret(),
        token_type: token.token_type(),
        expires_at: token.expires_at().map(unix_seconds),
        generation: token.generation(),
        stale: token.is_stale(),
    })
    .into_response()
}

/// To the nearest second: the instant has been counted down by several clocks, and a whole second should come out as it
/// went in.
fn unix_seconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since + Duration::from_millis(500)).as_secs()
}

/// Returns the time that this caller can wait, if the request has the header.
fn wait(headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
    let Some(value) = headers.get(WAIT) else { return Ok(None) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok());
    let millis = millis.ok_or_else(|| Failure::invalid(WAIT, "milliseconds, a whole number"))?;
    Ok(Some(Duration::from_millis(millis)))
}

const WAIT: &str = "x-token-wait-ms";

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_header_of_the_time_to_wait_is_in_milliseconds() {
        let read = |value: &'static str| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(WAIT), HeaderValue::from_static(value))]);
            wait(&headers).ok().flatten()
        };
        assert_eq!(read("1500"), Some(Duration::from_millis(1500)));
        assert_eq!([read("1.5"), read("-1"), read("")], [None; 3]);
        assert_eq!(wait(&HeaderMap::new()).ok(), Some(None));
    }
}
