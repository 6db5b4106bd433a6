//! Answers of real endpoints, and of what stands before them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use solekey_testkit::provider::{AuthorizationServer, Decision, Fault, Replay, Reply};

use crate::gateway::{present, refresh};

async fn answered(reply: Reply) -> (AuthorizationServer, reqwest::Response) {
    let server = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let granted = server.grant("alice");
    server.inject(Fault::Answer(reply).once());
    let response = present(&server, &granted.refresh_token).await.unwrap();
    assert_eq!(server.log()[0].decision, Decision::Answered);
    assert_eq!(server.newest("alice"), Some(granted), "the token was not spent");
    (server, response)
}

#[tokio::test]
async fn each_dialect_has_the_status_and_the_shape_of_its_model() {
    for (reply, status, pointer, value) in [
        (Reply::InvalidGrant, 400, "/error", "invalid_grant"),
        (Reply::OpenAi("refresh_token_reused"), 401, "/error/code", "refresh_token_reused"),
        (Reply::ClaudeInvalidGrant, 400, "/error", "invalid_grant"),
        (Reply::ClaudeNotFound, 404, "/error/type", "not_found_error"),
        (Reply::GitHub, 200, "/error", "bad_refresh_token"),
        (Reply::Slack, 200, "/error", "invalid_refresh_token"),
        (Reply::X, 400, "/error", "invalid_request"),
        (Reply::Auth0, 403, "/error", "invalid_grant"),
        (Reply::Exact, 401, "/error", "unauthorized_client"),
        (Reply::InvalidClient, 401, "/error", "invalid_client"),
        (Reply::UnauthorizedClient, 400, "/error", "unauthorized_client"),
        (Reply::UseDpopNonce, 400, "/error", "use_dpop_nonce"),
        (Reply::RateLimited(None), 429, "/error/type", "rate_limit_error"),
        (Reply::Unavailable(None), 503, "/error/type", "temporarily_unavailable"),
    ] {
        let (_server, response) = answered(reply.clone()).await;
        assert_eq!(response.status(), status, "{reply:?}");
        assert!(!response.headers().contains_key("retry-after"), "{reply:?}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body.pointer(pointer), Some(&json!(value)), "{reply:?}");
        assert!(body.get("access_token").is_none());
    }
}

#[tokio::test]
async fn retry_after_and_the_nonce_come_as_headers() {
    let wait = Some(Duration::from_secs(7));
    for (reply, header, value) in [
        (Reply::RateLimited(wait), "retry-after", "7"),
        (Reply::Unavailable(wait), "retry-after", "7"),
        (Reply::UseDpopNonce, "dpop-nonce", "testkit-nonce"),
    ] {
        let (_server, response) = answered(reply).await;
        assert_eq!(response.headers()[header], value);
    }
}

#[tokio::test]
async fn bodies_that_are_no_token_answer() {
    let (_server, html) = answered(Reply::Html(StatusCode::FORBIDDEN)).await;
    assert_eq!(html.status(), 403);
    assert!(html.text().await.unwrap().starts_with("<!doctype html>"));

    let (_server, error) = answered(Reply::ServerError).await;
    assert_eq!(error.status(), 500);
    assert!(serde_json::from_str::<Value>(&error.text().await.unwrap()).is_err());

    let (_server, huge) = answered(Reply::Huge).await;
    assert_eq!(huge.status(), 200);
    assert!(huge.bytes().await.unwrap().len() > 2 << 20);

    let (_server, empty) = answered(Reply::Empty200).await;
    assert_eq!(empty.status(), 200);
    assert!(empty.bytes().await.unwrap().is_empty());

    let (_server, without) = answered(Reply::NoAccessToken200).await;
    assert_eq!(without.json::<Value>().await.unwrap(), json!({"token_type": "Bearer"}));

    let (_server, garbage) = answered(Reply::Garbage200).await;
    assert_eq!(garbage.status(), 200);
    assert!(garbage.json::<Value>().await.is_err());
}

#[tokio::test]
async fn a_redirect_loop_leads_back_to_where_it_was_met() {
    let (server, response) = answered(Reply::RedirectLoop).await;
    assert_eq!(response.status(), 307);
    let target = response.url().join(response.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!(target.as_str(), server.token_url());
}

#[tokio::test]
async fn a_raw_reply_is_sent_as_it_is() {
    let headers = [("content-type", "text/plain"), ("content-length", "999"), ("x-a", "b")];
    let headers =
        headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let reply = Reply::Raw { status: StatusCode::IM_A_TEAPOT, headers, body: "short and stout".into() };
    let (_server, response) = answered(reply).await;
    assert_eq!((response.status().as_u16(), &response.headers()["x-a"]), (418, &"b".parse().unwrap()));
    assert_eq!(response.text().await.unwrap(), "short and stout");
}

#[tokio::test]
async fn a_reply_after_processing_hides_a_rotation() {
    let server = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let granted = server.grant("alice");
    server.inject(Fault::AnswerAfter(Reply::Unavailable(None)).once());
    assert_eq!(present(&server, &granted.refresh_token).await.unwrap().status(), 503);
    assert_ne!(server.newest("alice"), Some(granted));
    assert_eq!(server.rotations(), 1);
}

#[tokio::test]
async fn a_natural_refusal_speaks_the_configured_dialect() {
    let refusal = Reply::OpenAi("refresh_token_reused");
    let server = AuthorizationServer::builder().refusal(refusal).start().await.unwrap();
    let granted = server.grant("alice");
    refresh(&server, &granted.refresh_token).await;
    let response = present(&server, &granted.refresh_token).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "refresh_token_reused");
    assert_eq!(server.burned_accounts(), ["alice"]);
}
