//! Documents as people have them.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::fixture::{World, account, document, token, unix_now};

#[tokio::test]
async fn an_access_token_alone_replaces_no_pair_unless_it_is_accepted() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    for bare in [
        json!({"access_token": "at-bare"}),
        json!({"access_token": pair.access_token, "expires_in": 60}),
        json!({"tokens": {"access_token": "at-bare"}}),
    ] {
        for path in [account("alice"), format!("{}?accept_spent=true", account("alice"))] {
            assert_eq!(
                sidecar.put(&path, bare.to_string()).await.code(),
                (409, "lesser_credential"),
                "{bare}"
            );
        }
    }
    assert_eq!(sidecar.get(&account("alice")).await.body["refreshable"], true);
    let accepted = format!("{}?accept_lesser=true", account("alice"));
    assert_eq!(sidecar.put(&accepted, json!({"access_token": "at-bare"}).to_string()).await.status, 201);
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), "at-bare");
    assert_eq!(
        sidecar.put(&account("alice"), document(&pair, 3600)).await.code(),
        (409, "already_presented")
    );
}

#[tokio::test]
async fn what_a_document_corrects_is_amended_and_the_same_is_unchanged() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    let of = |expires_in: u64, more: serde_json::Value| {
        let mut document = json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token,
                                  "expired": (unix_now() + expires_in) * 1000});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document.to_string()
    };
    let put = async |body: String| sidecar.put(&account("alice"), body).await;
    let first = put(of(3600, json!({}))).await;
    let same = put(of(3600, json!({}))).await;
    assert_eq!((same.status, same.text("login"), same.generation()), (200, "unchanged", first.generation()));
    let corrected = put(of(7200, json!({"key_id": "k2"}))).await;
    assert_eq!((corrected.status, corrected.text("login")), (200, "amended"));
    assert!(corrected.generation() > first.generation());
    let state = sidecar.get(&account("alice")).await;
    assert_eq!((state.text("status"), &state.body["generation"]), ("fresh", &corrected.body["generation"]));
    let served = sidecar.get(&token("alice")).await;
    let end = served.body["expires_at"].as_u64().unwrap();
    assert!(end.abs_diff(unix_now() + 7200) < 300, "{served:?}");
    assert_eq!(world.provider.presentations(), 0);
    let exported = sidecar.post(&format!("{}/export", account("alice")), "").await;
    assert_eq!(
        (exported.text("key_id"), exported.text("refresh_token")),
        ("k2", pair.refresh_token.as_str())
    );
    assert_eq!(exported.headers["x-shape"], "flat");
    assert_eq!(exported.body["expired"].as_u64().unwrap() / 1000, end);
}

#[tokio::test]
async fn a_lifetime_counts_from_when_the_file_was_written() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    let document =
        json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token, "expires_in": 3600});
    let day_ago =
        (SystemTime::now() - Duration::from_hours(24)).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let path = format!("{}?written_at={}", account("alice"), day_ago.as_secs());
    assert_eq!(sidecar.put(&path, document.to_string()).await.status, 201);
    assert_eq!(sidecar.get(&account("alice")).await.text("status"), "expired");
    for odd in ["yesterday", "-1", "1.5", ""] {
        let path = format!("{}?written_at={odd}", account("alice"));
        assert_eq!(sidecar.put(&path, document.to_string()).await.field(), "written_at", "{odd}");
    }
}

#[tokio::test]
async fn of_a_large_file_the_credential_alone_is_kept() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    let records = "x".repeat(3 * 1024 * 1024);
    let file = json!({
        "mcpOAuth": {"server": {"accessToken": records}},
        "claudeAiOauth": {"accessToken": pair.access_token, "refreshToken": pair.refresh_token,
                          "expiresAt": (unix_now() + 3600) * 1000, "scopes": ["a"]},
    });
    assert_eq!(sidecar.put(&account("alice"), file.to_string()).await.status, 201);
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), pair.access_token);
    let exported = sidecar.post(&format!("{}/export", account("alice")), "").await;
    assert_eq!(exported.headers["x-shape"], "claude_code");
    assert_eq!(exported.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["claudeAiOauth"]);
    let huge = json!({"access_token": "at", "x": "x".repeat(4 * 1024 * 1024)}).to_string();
    let refused = sidecar.put(&account("bob"), huge).await;
    assert_eq!((refused.status, refused.field()), (422, "document"));
    assert!(refused.text("message").contains("4 MiB"), "{refused:?}");
}

#[tokio::test]
async fn an_account_that_is_not_there_is_not_exported_and_a_body_is_refused() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let export = |id: &str| format!("{}/export", account(id));
    assert_eq!(sidecar.post(&export("nobody"), "").await.code(), (404, "unknown_account"));
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    assert_eq!(sidecar.post(&export("alice"), "{}").await.status, 422);
    assert_eq!(sidecar.get(&export("alice")).await.status, 405);
}
