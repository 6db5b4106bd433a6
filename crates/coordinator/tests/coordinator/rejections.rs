//! Tokens that a resource refused.

use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use solekey::{AccessToken, Login, Rejection, TokenError};
use solekey_core::{Delay, Revocation, Sealed, ports::Cache as _};
use solekey_testkit::memory::Fault;

use crate::fixture::{HOUR, Script, World, account};

pub(crate) fn refused(token: &AccessToken) -> Rejection {
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
    token.rejected_by(StatusCode::UNAUTHORIZED, &headers).unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_reports_of_one_token_on_four_replicas_cause_one_rotation() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        let replica = world.replica().await;
        let rejection = refused(&replica.token(&account).await.unwrap());
        for _ in 0..50 {
            let (replica, account, rejection) = (replica.clone(), account.clone(), rejection.clone());
            calls.push(async move { replica.token_after_rejection(&account, rejection).await });
        }
    }
    for token in join_all(calls).await {
        assert_eq!(token.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!(world.provider.presentations(), 1);
}

/// S-T93.
#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_withheld_from_everyone_until_a_rotation_was_tried() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (reporter, other) = (world.replica().await, world.replica().await);
    let token = reporter.token(&account).await.unwrap();
    let report = tokio::spawn({
        let (reporter, account, rejection) = (reporter.clone(), account.clone(), refused(&token));
        async move { reporter.token_after_rejection(&account, rejection).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(reporter.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(report.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_was_refused_gives_the_token_back_on_every_replica_that_reported_it() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    world.provider.script(vec![Script::Answer(429, "{}"); 20]);
    let replicas = [world.replica().await, world.replica().await, world.replica().await];
    let rejection = refused(&replicas[0].token(&account).await.unwrap());
    replicas[1].token(&account).await.unwrap();
    for replica in &replicas[..2] {
        let (replica, account, rejection) = (replica.clone(), account.clone(), rejection.clone());
        tokio::spawn(async move { replica.token_after_rejection(&account, rejection).await });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    // This one saw the mark, and the claim it caused.
    replicas[2].token_within(&account, Duration::from_millis(20)).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(150)).await;
    for replica in &replicas {
        let token = replica.token_within(&account, Duration::from_millis(50)).await.unwrap();
        assert_eq!(token.expose_secret(), "access-a-1");
    }
    assert_eq!(world.provider.presentations(), 1);
}

/// S-T72.
#[tokio::test(start_paused = true)]
async fn a_replica_that_has_the_token_reads_again_when_another_marks_it_rejected() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let warm = world.replica().await;
    let token = warm.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.cache.reject(&account, token.generation(), &Sealed::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    // The notification asks for a read; it runs behind the first request.
    warm.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(warm.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_finds_a_newer_token_finds_its_mark_too() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (warm, other) = (world.replica().await, world.replica().await);
    warm.token(&account).await.unwrap();
    let document = world.provider.grant("a", HOUR);
    other.login(&account, document.as_bytes(), false).await.unwrap();
    let newer = other.token(&account).await.unwrap();
    world.cache.reject(&account, newer.generation(), &Sealed::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    warm.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(warm.token(&account).await.unwrap().expose_secret(), "access-a-3");
}

/// B3.
#[tokio::test(start_paused = true)]
async fn the_successor_rejected_again_speaks_about_the_resource_and_is_served_to_the_others() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    let first = replica.token(&account).await.unwrap();
    let second = replica.token_after_rejection(&account, refused(&first)).await.unwrap();
    let error = replica.token_after_rejection(&account, refused(&second)).await.unwrap_err();
    assert!(matches!(error, TokenError::RetryAt { why: Delay::RejectedAgain, .. }), "{error:?}");
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.replica().await.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_generation_that_the_account_never_reached_is_evidence_of_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    for replica in [world.replica().await, world.replica().await] {
        let bogus = solekey_core::Generation::new(u64::MAX);
        let token = replica.token_after_rejected_generation(&account, bogus).await.unwrap();
        assert_eq!(token.expose_secret(), "access-a-1");
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    }
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_the_store_away_a_generation_that_nobody_has_seen_is_evidence_of_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    for replica in [world.replica().await, world.replica().await] {
        replica.token(&account).await.unwrap();
        world.store.faults().leave();
        let bogus = solekey_core::Generation::new(u64::MAX);
        let token = replica.token_after_rejected_generation(&account, bogus).await.unwrap();
        assert_eq!(token.expose_secret(), "access-a-1");
        world.store.faults().come_back();
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    }
    assert_eq!(world.cache.read(&account).await.unwrap().rejected, None);
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_the_store_away_a_rejection_of_what_is_in_the_shared_cache_counts() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (warm, cold) = (world.replica().await, world.replica().await);
    let token = warm.token(&account).await.unwrap();
    world.store.faults().leave();
    let answer = cold.token_after_rejected_generation(&account, token.generation()).await;
    assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "never back to its reporter: {answer:?}");
    world.store.faults().come_back();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cold.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

/// S-T64.
#[tokio::test(start_paused = true)]
async fn a_string_that_is_not_the_current_token_counts_as_older() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    let old = solekey_core::secret("access-a-0");
    let token = replica.token_after_rejected_secret(&account, &old).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-1");
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_string_reported_to_a_replica_that_does_not_serve_it_is_withheld_by_all() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (reporter, other) = (world.replica().await, world.replica().await);
    world.provider.close();
    let report = tokio::spawn({
        let account = account.clone();
        let rejected = solekey_core::secret("access-a-1");
        async move { reporter.token_after_rejected_secret(&account, &rejected).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let served = other.token_within(&account, Duration::from_millis(50)).await;
    assert!(served.is_err(), "{served:?}");
    world.provider.open();
    assert_eq!(report.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_report_about_an_unknown_account_leaves_the_shared_cache_alone() {
    let world = World::new();
    let replica = world.replica().await;
    let rejected = solekey_core::secret("access-a-0");
    let nobody = crate::fixture::account("nobody");
    let error = replica.token_after_rejected_secret(&nobody, &rejected).await.unwrap_err();
    assert!(matches!(error, TokenError::UnknownAccount), "{error:?}");
    assert_eq!(world.cache.faults().calls("reject"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_does_not_come_back_with_an_answer_that_has_no_access_token() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    let rejection = refused(&replica.token(&account).await.unwrap());
    world.provider.script([Script::WithoutAccessToken]);
    let token = replica.token_after_rejection(&account, rejection).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-3");
}

#[tokio::test(start_paused = true)]
async fn a_token_taken_before_the_store_was_heard_of_is_known_again_when_it_is_reported() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    world.store.faults().leave();
    let replica = world.replica().await;
    let rejection = refused(&replica.token(&account).await.expect("the shared cache has it"));
    world.store.faults().come_back();
    tokio::time::sleep(Duration::from_secs(2)).await;

    // The same string, under a newer generation.
    let document = r#"{"access_token":"access-a-1","refresh_token":"refresh-a-1","expires_in":3600}"#;
    world.replica().await.login(&account, document.as_bytes(), true).await.unwrap();
    let token = replica.token_after_rejection(&account, rejection).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn what_is_written_down_bears_the_stores_fingerprints() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.store.faults().fail_next_of("identity", 2, Fault::NotApplied);
    let stranger = world.replica().await;
    assert_eq!(stranger.token(&account).await.unwrap().expose_secret(), "access-a-2");
    let document = r#"{"access_token":"access-a-2","refresh_token":"refresh-a-2","expires_in":3600}"#;
    let again = world.replica().await.login(&account, document.as_bytes(), false).await.unwrap();
    assert!(matches!(again, Login::Same { .. }), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_not_served_as_stale_while_its_rotation_is_under_way() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    let token = replica.token(&account).await.unwrap();
    world.provider.close();
    let report = tokio::spawn({
        let (replica, account, rejection) = (replica.clone(), account.clone(), refused(&token));
        async move { replica.token_after_rejection(&account, rejection).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let answer = replica.token_within(&account, Duration::from_millis(10)).await;
    assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "{answer:?}");
    world.provider.open();
    assert_eq!(report.await.unwrap().unwrap().expose_secret(), "access-a-2");
}

/// S-T65.
#[tokio::test(start_paused = true)]
async fn a_401_about_the_token_costs_one_rotation_and_other_refusals_cost_none() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    let token = replica.token(&account).await.unwrap();
    for (status, challenge) in [
        (StatusCode::FORBIDDEN, "Bearer error=\"invalid_token\""),
        (StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\""),
        (StatusCode::UNAUTHORIZED, "Bearer error=\"insufficient_scope\""),
        (StatusCode::UNAUTHORIZED, "Basic realm=\"a proxy\""),
    ] {
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_str(challenge).unwrap())]);
        assert!(token.rejected_by(status, &headers).is_none(), "{status} {challenge}");
    }
    assert!(token.rejected_by(StatusCode::FORBIDDEN, &HeaderMap::new()).is_none());
    let next = replica.token_after_rejection(&account, refused(&token)).await.unwrap();
    assert_eq!((next.expose_secret(), world.provider.presentations()), ("access-a-2", 1));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_without_a_refresh_token_is_the_end_of_that_token_and_of_nothing_else() {
    let world = World::new();
    let account = account("a");
    let (one, other) = (world.replica().await, world.replica().await);
    one.login(&account, br#"{"access_token":"access-a-x","expires_in":3600}"#, false).await.unwrap();
    let token = one.token(&account).await.unwrap();
    let answer = one.token_after_rejection(&account, refused(&token)).await;
    assert!(matches!(answer, Err(TokenError::LogIn { why: Revocation::NoRefreshToken })), "{answer:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let answer = other.token(&account).await;
    assert!(matches!(answer, Err(TokenError::LogIn { why: Revocation::NoRefreshToken })), "{answer:?}");
    one.login(&account, br#"{"access_token":"access-a-y","expires_in":3600}"#, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for replica in [&one, &other] {
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-y");
    }
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_replicas_that_report_one_token_one_after_the_other_cost_one_rotation() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let mut reports = Vec::new();
    for _ in 0..100 {
        let replica = world.replica().await;
        let rejection = refused(&replica.token(&account).await.unwrap());
        reports.push((replica, rejection));
    }
    for (replica, rejection) in reports {
        let token = replica.token_after_rejection(&account, rejection).await.unwrap();
        assert_eq!(token.expose_secret(), "access-a-2");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.provider.presentations(), 1);
}
