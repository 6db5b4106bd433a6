//! HTTP as such.

use reqwest::Method;

use crate::fixture::{Answer, World, account, token};

#[tokio::test]
async fn a_wrong_method_is_answered_with_an_error_in_json() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    for (method, path) in [
        (Method::POST, "/v1/accounts/acme/alice/token"),
        (Method::GET, "/v1/accounts/acme/alice/rejected"),
        (Method::GET, "/v1/accounts/acme/alice/refresh"),
        (Method::PATCH, "/v1/accounts/acme/alice"),
        (Method::PUT, "/v1/accounts"),
        (Method::POST, "/healthz"),
        (Method::DELETE, "/readyz"),
    ] {
        let answer = Answer::of(sidecar.request(method.clone(), path)).await;
        assert_eq!(answer.code(), (405, "method_not_allowed"), "{method} {path}");
        assert!(answer.headers.contains_key("allow"), "{method} {path}");
    }
    let answer = sidecar.get("/v1/nothing").await;
    assert_eq!(answer.code(), (404, "not_found"));
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[tokio::test]
async fn nothing_is_for_caches() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    for path in
        ["/v1/accounts/acme/alice/token", "/v1/accounts", "/readyz", "/nothing", "/v1/accounts/x/y/token"]
    {
        let headers = sidecar.get(path).await.headers;
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn a_head_request_gets_the_head_of_an_answer() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let answer = Answer::of(sidecar.request(Method::HEAD, &token("alice"))).await;
    assert_eq!((answer.status, answer.body), (200, serde_json::Value::Null));
}

#[tokio::test]
async fn the_largest_body_that_is_taken_is_64_kib() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    let body = |size: usize| {
        let head = format!(
            r#"{{"access_token":"{}","refresh_token":"{}","x":""#,
            pair.access_token, pair.refresh_token
        );
        let fill = "x".repeat(size - head.len() - 2);
        format!("{head}{fill}\"}}")
    };
    let over = sidecar.put(&account("alice"), body(64 * 1024 + 1)).await;
    assert_eq!((over.code(), over.field()), ((422, "invalid_input"), "document"));
    assert_eq!(sidecar.get(&account("alice")).await.code(), (404, "unknown_account"));
    assert_eq!(sidecar.put(&account("alice"), body(64 * 1024)).await.status, 201);
}
