//! A careless client of the token endpoint, and how long a test waits for anything.

use std::future::Future;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;
use solekey_testkit::provider::{AuthorizationServer, Pair};
use solekey_testkit::wait::within;

pub(crate) fn client() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

/// Presents a refresh token on a connection of its own.
pub(crate) async fn present(server: &AuthorizationServer, refresh_token: &str) -> reqwest::Result<Response> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    client().post(server.token_url()).form(&form).send().await
}

/// Presents a refresh token that the server must accept.
pub(crate) async fn refresh(server: &AuthorizationServer, refresh_token: &str) -> Pair {
    let response = present(server, refresh_token).await.unwrap();
    assert_eq!(response.status(), 200);
    pair(&response.json().await.unwrap())
}

/// Presents a refresh token that the server must refuse.
pub(crate) async fn refused(server: &AuthorizationServer, refresh_token: &str) {
    let response = present(server, refresh_token).await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "invalid_grant");
}

pub(crate) fn pair(answer: &Value) -> Pair {
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    Pair {
        access_token: text("access_token"),
        refresh_token: text("refresh_token"),
        expires_in: Duration::from_secs(answer["expires_in"].as_u64().unwrap()),
    }
}

pub(crate) async fn get_resource(server: &AuthorizationServer, access_token: &str) -> Response {
    client().get(server.resource_url()).bearer_auth(access_token).send().await.unwrap()
}

/// Waits for what must happen.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    within("what must happen", what).await
}

/// Starts a presentation in the background.
pub(crate) fn spawn_present(
    server: &AuthorizationServer,
    refresh_token: &str,
) -> tokio::task::JoinHandle<reqwest::Result<Response>> {
    let form = [("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token.to_owned())];
    tokio::spawn(client().post(server.token_url()).form(&form).send())
}
