//! Files that were imported before.

use reqwest::StatusCode;
use serde_json::json;
use solekey_testkit::{
    provider::{AuthorizationServer, Pair, Replay},
    redis::redis_for_tests,
};

use crate::sidecar::{Settings, Sidecar, path};

/// The file of the Codex CLI.
fn auth_json(pair: &Pair) -> String {
    let Pair { access_token, refresh_token, .. } = pair;
    json!({
        "OPENAI_API_KEY": null,
        "tokens": {"id_token": "id", "access_token": access_token, "refresh_token": refresh_token, "account_id": "x"},
        "last_refresh": "2024-12-28T12:34:56.123456Z",
    })
    .to_string()
}

async fn spent_files_are_refused(head: &str) {
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let settings = Settings::new(&provider, head);
    let sidecars = [
        Sidecar::start(&settings, "one", folder.path()).await,
        Sidecar::start(&settings, "other", folder.path()).await,
    ];
    let [one, other] = &sidecars;
    let file = auth_json(&provider.grant("a"));
    assert_eq!(one.import("a", &file).await.status, StatusCode::CREATED);
    assert_eq!(other.import("a", &file).await.status, StatusCode::OK, "nothing has changed");
    let pair = other.import("b", &file).await;
    assert_eq!((pair.status, pair.code()), (StatusCode::CONFLICT, "already_presented"));
    assert_eq!(other.token("b").await.status, StatusCode::NOT_FOUND);

    let refreshed = one.ask(reqwest::Method::POST, &format!("{}/refresh", path("a")), "").await;
    let newest = provider.newest("a").unwrap();
    assert_eq!(refreshed.token(), newest.access_token);
    for (sidecar, id) in [(one, "a"), (other, "a"), (other, "b")] {
        let refused = sidecar.import(id, &file).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "already_presented"));
    }
    for sidecar in &sidecars {
        assert_eq!(sidecar.token("a").await.token(), newest.access_token);
    }
    assert_eq!((provider.presentations(), provider.double_presentations()), (1, 0));

    // A person who knows better gets what they asked for: the provider revokes the grant.
    let accepted = other.import("a", &file).await;
    assert_eq!(accepted.status, StatusCode::CONFLICT);
    let accept = format!("{}?accept_spent=true", path("a"));
    let accepted = other.ask(reqwest::Method::PUT, &accept, &file).await;
    assert_eq!(accepted.status, StatusCode::CREATED);
    let spent = one.ask(reqwest::Method::POST, &format!("{}/refresh", path("a")), "").await;
    assert_eq!((spent.status, spent.code()), (StatusCode::UNAUTHORIZED, "reauth_required"));
    assert_eq!(provider.burned_accounts(), ["a"]);

    // A deleted account's spent file is refused as well.
    assert_eq!(one.ask(reqwest::Method::DELETE, &path("a"), "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(other.import("a", &file).await.status, StatusCode::CONFLICT);
    assert_eq!(other.import("a", &auth_json(&provider.grant("a"))).await.status, StatusCode::CREATED);
    for sidecar in sidecars {
        assert_eq!(sidecar.token("a").await.token(), provider.newest("a").unwrap().access_token);
        sidecar.stop().await;
    }
}

#[tokio::test]
async fn a_spent_auth_json_is_refused_and_so_is_one_login_under_two_ids() {
    let redis = redis_for_tests().await.unwrap();
    let head = format!("[redis]\nurl = \"{}\"\nprefix = \"{}\"", redis.url, redis.prefix);
    spent_files_are_refused(&head).await;
}

#[tokio::test]
async fn a_spent_auth_json_is_refused_without_redis() {
    spent_files_are_refused("").await;
}
