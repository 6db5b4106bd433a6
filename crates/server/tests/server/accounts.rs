//! Logging in, showing, listing, deleting.

use serde_json::{Value, json};

use crate::fixture::{World, account, document, token};

#[tokio::test]
async fn a_login_is_new_once_and_unchanged_afterwards() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let document = document(&world.provider.grant("alice"), 3600);

    let first = sidecar.put(&account("alice"), document.clone()).await;
    assert_eq!((first.status, first.text("login")), (201, "new"));
    let again = sidecar.put(&account("alice"), document).await;
    assert_eq!((again.status, again.text("login")), (200, "unchanged"));
    assert_eq!(again.generation(), first.generation());
}

#[tokio::test]
async fn the_auth_json_of_the_codex_cli_is_taken() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    let document = json!({
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": "e30.e30.x", "access_token": pair.access_token, "refresh_token": pair.refresh_token,
            "account_id": "acc-1",
        },
        "last_refresh": "2026-11-20T10:00:00.000000Z",
    });
    assert_eq!(sidecar.put(&account("alice"), document.to_string()).await.status, 201);
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), pair.access_token);
}

#[tokio::test]
async fn the_files_of_other_command_line_tools_are_taken_and_refreshed() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let past = 1_700_000_000_000_u64;
    for (id, wrap) in [
        (
            "claude",
            (|access, refresh, end| json!({"claudeAiOauth": {"accessToken": access, "refreshToken": refresh, "expiresAt": end, "scopes": ["a"]}}))
                as fn(&str, &str, u64) -> Value,
        ),
        (
            "gemini",
            |access, refresh, end| json!({"access_token": access, "refresh_token": refresh, "expiry_date": end, "token_type": "Bearer"}),
        ),
        (
            "gateway",
            |access, refresh, end| json!({"access_token": access, "refresh_token": refresh, "expires_at": (end / 1000).to_string()}),
        ),
    ] {
        let pair = world.provider.grant(id);
        let document = wrap(&pair.access_token, &pair.refresh_token, past);
        assert_eq!(sidecar.put(&account(id), document.to_string()).await.status, 201, "{id}");
        let served = sidecar.get(&token(id)).await;
        assert_eq!(served.status, 200, "{id}");
        assert_ne!(served.access_token(), pair.access_token, "{id} is refreshed");
    }
    let odd = sidecar.put(&account("odd"), json!({"claudeAiOauth": {"accessToken": 1}}).to_string()).await;
    assert_eq!((odd.status, odd.text("field")), (422, "claudeAiOauth.accessToken"));
}

#[tokio::test]
async fn a_spent_token_is_refused_unless_an_operator_insists() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let spent = document(&world.provider.grant("alice"), -60);
    assert_eq!(sidecar.put(&account("alice"), spent.clone()).await.status, 201);
    let current = sidecar.get(&token("alice")).await;
    let before = sidecar.state("alice").await;

    for path in
        [account("alice"), account("somebody-else"), format!("{}?accept_spent=false", account("alice"))]
    {
        assert_eq!(sidecar.put(&path, spent.clone()).await.code(), (409, "already_presented"), "{path}");
    }
    assert_eq!(sidecar.state("alice").await, before);
    assert_eq!(sidecar.get(&account("somebody-else")).await.code(), (404, "unknown_account"));
    assert_eq!(sidecar.get(&token("alice")).await.body, current.body);
    assert_eq!(world.provider.presentations(), 1);

    let insisted = sidecar.put(&format!("{}?accept_spent=true", account("alice")), spent).await;
    assert_eq!(insisted.status, 201);
    assert!(insisted.generation() > current.generation());
}

#[tokio::test]
async fn a_state_says_what_an_operator_needs_and_no_secret() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    let shown = sidecar.get(&account("alice")).await;
    assert_eq!(shown.status, 200);
    assert_eq!((shown.text("provider"), shown.text("id"), shown.text("status")), ("acme", "alice", "fresh"));
    assert_eq!((&shown.body["rotations"], &shown.body["refreshable"]), (&json!(0), &json!(true)));
    let listed = sidecar.get("/v1/accounts").await;
    let explained = sidecar.get(&format!("{}?explain=true", account("alice"))).await;
    assert_eq!((&explained.body["state"], &explained.body["next"]["step"]), (&shown.body, &json!("serve")));
    for answer in [&shown, &listed, &explained] {
        let text = answer.body.to_string();
        assert!(!text.contains(&pair.access_token) && !text.contains(&pair.refresh_token), "{text}");
    }
}

#[tokio::test]
async fn accounts_are_listed_page_by_page() {
    let world = World::new().await;
    let two = format!("{}{}", world.config(), world.provider_table("").replace("acme", "other"));
    let sidecar = crate::fixture::Sidecar::start(&two).await;
    for id in ["a", "b", "c", "d", "e"] {
        sidecar.log_in(id, &world.provider.grant(id)).await;
    }
    let other = document(&world.provider.grant("f"), 60);
    assert_eq!(sidecar.put("/v1/accounts/other/f", other).await.status, 201);

    let mut seen = Vec::new();
    let mut path = "/v1/accounts?limit=2".to_owned();
    for page in 1.. {
        assert!(page <= 3, "{seen:?}");
        let listed = sidecar.get(&path).await;
        assert_eq!(listed.status, 200);
        let accounts = listed.body["accounts"].as_array().unwrap();
        assert!(accounts.len() <= 2);
        seen.extend(accounts.iter().map(|account| account["id"].as_str().unwrap().to_owned()));
        let Value::String(next) = &listed.body["next"] else { break };
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("cursor", next).finish();
        path = format!("/v1/accounts?limit=2&{query}");
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "c", "d", "e", "f"]);

    let only = sidecar.get("/v1/accounts?provider=other").await;
    assert_eq!(only.body["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(sidecar.get("/v1/accounts?provider=nobody").await.code(), (404, "unknown_provider"));
}

#[tokio::test]
async fn a_deleted_account_is_gone_until_the_next_login() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let before = sidecar.get(&token("alice")).await.generation();

    let deleted = sidecar.delete(&account("alice")).await;
    assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    for path in [account("alice"), token("alice")] {
        assert_eq!(sidecar.get(&path).await.code(), (404, "unknown_account"), "{path}");
    }
    assert_eq!(sidecar.delete(&account("alice")).await.code(), (404, "unknown_account"));
    assert_eq!(sidecar.delete("/v1/accounts/other/alice").await.code(), (404, "unknown_provider"));

    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    let after = sidecar.get(&token("alice")).await;
    assert_eq!(after.access_token(), pair.access_token);
    assert!(after.generation() > before);
}
