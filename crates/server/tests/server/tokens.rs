//! Tokens, rejections, refreshes.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use solekey_testkit::provider::{AuthorizationServer, Fault, Replay, Reply};

use crate::fixture::{Answer, World, account, token, unix_now, within};

fn rejected(id: &str) -> String {
    format!("/v1/accounts/acme/{id}/rejected")
}

fn refresh(id: &str) -> String {
    format!("/v1/accounts/acme/{id}/refresh")
}

#[tokio::test]
async fn a_fresh_token_is_handed_out_as_it_came() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    let expires_at = unix_now() + 3600;
    let document = json!({
        "access_token": pair.access_token, "refresh_token": pair.refresh_token, "expires_at": expires_at,
    });
    assert_eq!(sidecar.put(&account("alice"), document.to_string()).await.status, 201);

    let answer = sidecar.get(&token("alice")).await;
    assert_eq!(answer.access_token(), pair.access_token);
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(answer.body["stale"], json!(false));
    assert!(answer.generation() > 0);
    // Not later, and earlier by no more than a busy machine needs to take it in.
    let returned = answer.body["expires_at"].as_u64().unwrap();
    assert!(
        (expires_at - 60..=expires_at).contains(&returned),
        "{returned}, where the document has {expires_at}"
    );
    assert_eq!(answer.body.as_object().unwrap().len(), 5);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test]
async fn an_unknown_expiry_is_null() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    let document =
        json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token}).to_string();
    assert_eq!(sidecar.put(&account("alice"), document).await.status, 201);

    let answer = sidecar.get(&token("alice")).await;
    assert_eq!(answer.access_token(), pair.access_token);
    assert_eq!(answer.body["expires_at"], Value::Null);
}

/// S-T39.
#[tokio::test]
async fn an_expired_token_is_refreshed_once_for_all_who_request_it() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;

    let path = token("alice");
    let answers = join_all((0..50).map(|_| sidecar.get(&path))).await;
    let newest = world.provider.newest("alice").unwrap().access_token;
    assert!(answers.iter().all(|answer| answer.access_token() == newest));
    assert_eq!((world.provider.rotations(), world.provider.double_presentations()), (1, 0));
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once_however_many_report_it() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    let body = json!({"access_token": pair.access_token}).to_string();

    let path = rejected("alice");
    let answers = join_all((0..20).map(|_| sidecar.post(&path, body.clone()))).await;
    let newest = world.provider.newest("alice").unwrap().access_token;
    assert!(answers.iter().all(|answer| answer.access_token() == newest));
    assert_ne!(newest, pair.access_token);
    assert_eq!(world.provider.rotations(), 1);
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), newest);
}

#[tokio::test]
async fn a_rejection_may_name_the_generation() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let first = sidecar.get(&token("alice")).await;
    let body = json!({"generation": first.generation()}).to_string();

    let second = sidecar.post(&rejected("alice"), body.clone()).await;
    assert_ne!(second.access_token(), first.access_token());
    assert!(second.generation() > first.generation());
    // Who reports the old one once more gets what there is by now.
    assert_eq!(sidecar.post(&rejected("alice"), body).await.access_token(), second.access_token());
    assert_eq!(world.provider.rotations(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_the_current_one_costs_no_rotation() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;

    let answer = sidecar.post(&rejected("alice"), r#"{"access_token":"from long ago"}"#).await;
    assert_eq!(answer.access_token(), pair.access_token);
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test]
async fn a_generation_nobody_has_reached_is_no_evidence() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let before = sidecar.get(&token("alice")).await;

    for generation in [before.generation() + 1, u64::MAX] {
        let body = json!({"generation": generation}).to_string();
        for path in [rejected("alice"), refresh("alice")] {
            let answer = sidecar.post(&path, body.clone()).await;
            assert_eq!((answer.code(), answer.field()), ((422, "invalid_input"), "generation"), "{path}");
        }
    }
    assert_eq!(sidecar.get(&token("alice")).await.body, before.body);
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test]
async fn an_operator_refreshes_now_and_only_once_for_what_they_saw() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let seen = sidecar.get(&token("alice")).await.generation();

    let body = json!({"generation": seen}).to_string();
    let first = sidecar.post(&refresh("alice"), body.clone()).await;
    assert!(first.generation() > seen);
    assert_eq!(sidecar.post(&refresh("alice"), body).await.access_token(), first.access_token());
    assert_eq!(world.provider.rotations(), 1);
    // Without a body, any success of the last seconds will do.
    assert_eq!(sidecar.post(&refresh("alice"), "").await.access_token(), first.access_token());
    assert_eq!(world.provider.rotations(), 1);
}

#[tokio::test]
async fn a_caller_that_cannot_be_served_gets_the_reason() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    for path in ["token", "rejected", "refresh"] {
        let method = if path == "token" { Method::GET } else { Method::POST };
        let body = if path == "rejected" { r#"{"access_token":"x"}"# } else { "" };
        for (account, code) in [("acme/nobody", "unknown_account"), ("other/alice", "unknown_provider")] {
            let path = format!("/v1/accounts/{account}/{path}");
            let answer = Answer::of(sidecar.request(method.clone(), &path).body(body)).await;
            assert_eq!(answer.code(), (404, code), "{path}");
        }
    }
}

#[tokio::test]
async fn a_withdrawn_grant_requires_a_login_and_the_login_ends_that() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
    world.provider.withdraw("alice");

    let answer = sidecar.get(&token("alice")).await;
    assert_eq!(answer.code(), (401, "reauth_required"));
    assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    assert!(answer.body.get("retry_after").is_none());
    assert_eq!(sidecar.state("alice").await["status"], "login_needed");

    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), pair.access_token);
}

#[tokio::test]
async fn a_provider_that_is_down_is_worth_coming_back_to() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
    world.provider.inject(Fault::Answer(Reply::RateLimited(Some(Duration::from_secs(40)))));

    let answer = sidecar.get(&token("alice")).await;
    assert_eq!(answer.code(), (503, "refresh_unavailable"));
    let after = answer.body["retry_after"].as_u64().unwrap();
    assert!((1..=41).contains(&after), "{after}");
    assert_eq!(answer.headers["retry-after"], after.to_string().as_str());
}

#[tokio::test]
async fn a_valid_token_is_served_although_its_grant_is_gone() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    world.provider.withdraw("alice");

    assert_eq!(sidecar.post(&refresh("alice"), "").await.code(), (401, "reauth_required"));
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), pair.access_token);
}

#[tokio::test]
async fn a_caller_says_how_long_it_can_wait() {
    let world = World::new().await;
    let sidecar = world.sidecar_with("max_wait = \"60s\"").await;
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
    world.provider.inject(Fault::HoldBefore.on("alice"));

    let path = token("alice");
    let hurried = Answer::of(sidecar.request(Method::GET, &path).header("X-Token-Wait-Ms", "50")).await;
    assert_eq!(hurried.code(), (503, "refresh_unavailable"));
    let patient = async {
        let held = within(world.provider.held("alice")).await;
        assert_eq!(held.seq, world.provider.log()[0].seq);
        world.provider.clear_faults();
        world.provider.release("alice");
    };
    let (answer, ()) = tokio::join!(sidecar.get(&path), patient);
    assert_eq!(answer.access_token(), world.provider.newest("alice").unwrap().access_token);
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test]
async fn a_sidecar_that_is_configured_not_to_wait_does_not() {
    let world = World::new().await;
    let sidecar = world.sidecar_with("on_lock_held = \"use_existing\"").await;
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
    world.provider.inject(Fault::HoldBefore.on("alice"));
    assert_eq!(sidecar.get(&token("alice")).await.code(), (503, "refresh_unavailable"));
    within(world.provider.held("alice")).await;
    world.provider.clear_faults();
    world.provider.release("alice");
    crate::fixture::until(async || sidecar.get(&token("alice")).await.status == 200).await;
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test]
async fn the_client_proves_itself_as_configured() {
    use solekey_server::Environment;
    use solekey_testkit::provider::Client;

    let (id, secret) = ("gateway".to_owned(), "hush".to_owned());
    let provider = AuthorizationServer::builder()
        .replay(Replay::Strict)
        .client(Client::Basic { id, secret })
        .start()
        .await
        .unwrap();
    let world = World { provider, folder: tempfile::tempdir().unwrap() };
    let config = world.config_with("client_auth = \"basic\"\nclient_secret_env = \"SECRET\"");
    let environment: Environment = [("SECRET", "hush")].into_iter().collect();
    let sidecar = crate::fixture::Sidecar::start_in(&config, &environment).await.unwrap();
    sidecar.log_in_expired("alice", &world.provider.grant("alice")).await;
    assert_eq!(sidecar.get(&token("alice")).await.status, 200);
}
