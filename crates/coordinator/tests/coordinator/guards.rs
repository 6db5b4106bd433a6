//! Requests that cannot be served, and the answers of callers that do not wait.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use solekey::{Solekey, TokenError};
use solekey_core::{Account, Delay, PolicySettings, Replay, Revocation, Stale};

use crate::fixture::{Script, World, account};

async fn impatient(world: &World, stale: Stale) -> Solekey {
    let settings = PolicySettings {
        replay: Replay::STRICT_FAMILY,
        exchange_timeout: Duration::from_secs(1),
        quarantine: Some(Duration::from_secs(3)),
        max_wait: Duration::ZERO,
        stale,
        ..PolicySettings::default()
    };
    world.replica_with(settings.build().unwrap()).await
}

/// An account whose token is valid for ten seconds more, which is within its skew.
async fn nearly_over(world: &World) -> Account {
    let account = world.log_in("a", Duration::from_secs(200)).await;
    tokio::time::sleep(Duration::from_secs(190)).await;
    account
}

/// S-T31.
#[tokio::test(start_paused = true)]
async fn a_token_may_be_served_while_it_is_refreshed_and_refused_once_that_failed() {
    for (stale, after_failure) in [(Stale::WhileRefreshing, false), (Stale::Serve, true)] {
        let world = World::new();
        let account = nearly_over(&world).await;
        let replica = impatient(&world, stale).await;
        world.provider.script([Script::Later(60)]);
        world.provider.close();
        let meanwhile = replica.token(&account).await.unwrap();
        assert!(meanwhile.is_stale());
        world.provider.open();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.provider.presentations(), 1);
        match replica.token(&account).await {
            Ok(token) => assert!(after_failure && token.is_stale(), "{stale:?}"),
            Err(TokenError::RetryAt { why: Delay::RateLimited, .. }) => assert!(!after_failure, "{stale:?}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// S-T41.
#[tokio::test(start_paused = true)]
async fn an_account_of_a_provider_that_nobody_configured_is_refused_as_that() {
    let world = World::new();
    world.log_in("a", Duration::from_secs(3600)).await;
    let replica = world.replica().await;
    let foreign = Account::new("antigravity", "a").unwrap();
    assert!(matches!(replica.token(&foreign).await, Err(TokenError::UnknownProvider)));
    assert!(matches!(replica.token(&account("b")).await, Err(TokenError::UnknownAccount)));
    assert_eq!(world.provider.presentations(), 0);
}

/// S-T44.
#[tokio::test(start_paused = true)]
async fn a_document_without_a_token_is_refused_by_the_name_of_what_it_lacks() {
    let world = World::new();
    let replica = world.replica().await;
    for document in ["{}", r#"{"access_token":""}"#, r#"{"access_token":"  ","refresh_token":null}"#] {
        let error = replica.login(&account("a"), document.as_bytes(), false).await.unwrap_err();
        assert!(error.to_string().contains("access_token"), "{document}: {error}");
    }
    assert!(matches!(replica.token(&account("a")).await, Err(TokenError::UnknownAccount)));
}

/// S-T54, S-T55, S-T63.
#[tokio::test(start_paused = true)]
async fn a_static_key_is_served_for_ever_and_rejected_once() {
    let world = World::new();
    let key = account("key");
    let replica = world.replica().await;
    replica.login(&key, br#"{"access_token":"sk-static"}"#, false).await.unwrap();
    for days in [0, 1, 2, 8] {
        tokio::time::sleep(Duration::from_secs(days * 86_400)).await;
        let token = replica.token(&key).await.unwrap();
        assert!(!token.is_stale(), "after {days} more days");
    }
    let token = replica.token(&key).await.unwrap();
    let refused = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, refused)]);
    let rejection = token.rejected_by(StatusCode::UNAUTHORIZED, &headers).expect("evidence");
    let answer = replica.token_after_rejection(&key, rejection).await.unwrap_err();
    assert!(matches!(answer, TokenError::LogIn { why: Revocation::NoRefreshToken }), "{answer:?}");
    let answer = replica.refresh(&key, None).await.unwrap_err();
    assert!(matches!(answer, TokenError::LogIn { why: Revocation::NoRefreshToken }), "{answer:?}");
    assert_eq!(world.provider.presentations(), 0);
}
