//! Callers: many, impatient, gone.

use std::{future::Future as _, pin::pin, task::Context, time::Duration};

use futures_util::{FutureExt as _, future::join_all, task::noop_waker};
use solekey::TokenError;
use solekey_core::{Delay, Policy, PolicySettings, Replay};

use crate::fixture::{HOUR, Script, World, account};

/// S-T37.
#[tokio::test(start_paused = true)]
async fn a_fresh_token_is_served_without_presenting_anything() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    let token = replica.token(&account).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-1");
    assert!(!token.is_stale());
    assert_eq!(world.provider.presentations(), 0);
}

/// S-T22.
#[tokio::test(start_paused = true)]
async fn two_hundred_callers_on_four_replicas_cause_one_presentation() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        let replica = world.replica().await;
        for _ in 0..50 {
            let (replica, account) = (replica.clone(), account.clone());
            calls.push(async move { replica.token(&account).await });
        }
    }
    for token in join_all(calls).await {
        assert_eq!(token.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!(world.provider.presentations(), 1);
}

/// C-T3.
#[tokio::test(start_paused = true)]
async fn inside_refresh_ahead_the_old_token_is_served_at_once_and_one_refresh_runs_behind() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600 - 300)).await;
    for _ in 0..20 {
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

/// S-T49.
#[tokio::test(start_paused = true)]
async fn a_caller_dropped_at_any_await_changes_only_its_own_waiting() {
    for polls in 0..40 {
        let world = World::new();
        let account = world.log_in("a", Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let replica = world.replica().await;
        {
            let mut call = pin!(replica.token(&account));
            let waker = noop_waker();
            for _ in 0..polls {
                if call.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        }
        let other = world.replica().await;
        let token = other.token(&account).await.unwrap();
        assert_eq!(token.expose_secret(), "access-a-2", "dropped after {polls} polls");
        let end = replica.shutdown(Duration::from_secs(5)).await;
        assert_eq!((world.provider.presentations(), world.provider.doubles(), end.in_doubt), (1, 0, 0));
    }
}

/// S-T17.
#[tokio::test(start_paused = true)]
async fn the_flight_outlives_the_caller_that_started_it() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replica = world.replica().await;
    let first = tokio::time::timeout(Duration::from_millis(50), replica.token(&account)).await;
    assert!(first.is_err(), "the exchange takes longer");
    let second = tokio::time::timeout(Duration::from_millis(100), replica.token(&account)).await;
    assert_eq!(second.expect("the first caller's flight goes on").unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

/// S-T14.
#[tokio::test(start_paused = true)]
async fn a_wait_ends_within_its_bound_with_a_time_to_come_back() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.close();
    let replica = world.replica().await;
    let began = tokio::time::Instant::now();
    let error = replica.token_within(&account, Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(began.elapsed().as_millis() / 10, 50);
    assert!(matches!(error, TokenError::RetryAt { why: Delay::InFlight, .. }), "{error:?}");
    assert!(error.retry_after().unwrap() >= Duration::from_secs(1));
}

/// S-T7.
#[tokio::test(start_paused = true)]
async fn a_requested_refresh_is_not_answered_by_a_flight_that_only_reads() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let cold = world.replica().await;
    let (read, refreshed, other) =
        tokio::join!(cold.token(&account), cold.refresh(&account, None), cold.refresh(&account, None));
    assert_eq!(read.unwrap().expose_secret(), "access-a-1");
    assert_eq!(refreshed.unwrap().expose_secret(), "access-a-2");
    assert_eq!(other.unwrap().expose_secret(), "access-a-2", "two who ask share one refresh");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_requested_refresh_is_not_answered_by_the_verdict_that_another_flight_found() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    world.replica().await.token(&account).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let cold = world.replica().await;
    let (read, refreshed) = tokio::join!(cold.token(&account), cold.refresh(&account, None));
    assert!(matches!(read, Err(TokenError::LogIn { .. })), "{read:?}");
    assert_eq!(refreshed.unwrap().expose_secret(), "access-a-2", "a person may try all the same");
}

/// K-T10.
#[tokio::test(start_paused = true)]
async fn a_refresh_requested_during_a_refresh_takes_that_one() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replica = world.replica().await;
    let (read, refreshed) = tokio::join!(replica.token(&account), replica.refresh(&account, None));
    assert_eq!(read.unwrap().expose_secret(), "access-a-2");
    assert_eq!(refreshed.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

/// B12.
#[tokio::test(start_paused = true)]
async fn an_unknown_account_is_answered_without_a_lease_and_remembered_for_a_moment() {
    let world = World::new();
    let replica = world.replica().await;
    for _ in 0..10 {
        let error = replica.token(&account("nobody")).await.unwrap_err();
        assert!(matches!(error, TokenError::UnknownAccount), "{error:?}");
    }
    assert_eq!(world.lease.faults().calls("acquire"), 0);
    assert_eq!(world.store.faults().calls("load"), 1);
}

/// K-T14.
#[tokio::test(start_paused = true)]
async fn an_unknown_provider_is_named() {
    let world = World::new();
    let replica = world.replica().await;
    let stranger = solekey_core::Account::new("other", "a").unwrap();
    assert!(matches!(replica.token(&stranger).await, Err(TokenError::UnknownProvider)));
}

/// S-T40.
#[tokio::test(start_paused = true)]
async fn a_waiter_on_another_replica_hears_of_the_token_without_polling_for_it() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (owner, loser) = (world.replica().await, world.replica().await);
    let owned = tokio::spawn({
        let account = account.clone();
        async move { owner.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waited = loser.token(&account).await.unwrap();
    assert_eq!(waited.expose_secret(), owned.await.unwrap().unwrap().expose_secret());
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_wait_gets_what_a_read_finds() {
    let world = World::new();
    let dead = world.log_in("dead", Duration::from_secs(1)).await;
    let gone = world.log_in("gone", Duration::from_secs(1)).await;
    let held = world.log_in("held", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let other = world.replica().await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#), Script::Later(60)]);
    other.token(&dead).await.unwrap_err();
    other.token(&held).await.unwrap_err();
    other.delete(&gone).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;

    let hasty = world.replica_with(hasty()).await;
    for (account, shown) in
        [(&gone, "unknown"), (&dead, "log in"), (&held, "held up"), (&account("never"), "unknown")]
    {
        for _ in 0..3 {
            let error = hasty.token(account).await.unwrap_err();
            let name = match error {
                TokenError::UnknownAccount => "unknown",
                TokenError::LogIn { .. } => "log in",
                TokenError::RetryAt { why: Delay::RateLimited, .. } => "held up",
                _ => panic!("{account:?}: {error:?}"),
            };
            assert_eq!(name, shown, "{account:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_wait_waits_for_no_exchange_and_no_other_owner() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (owner, other) = (world.replica_with(hasty()).await, world.replica_with(hasty()).await);
    for replica in [&owner, &other] {
        let began = tokio::time::Instant::now();
        let error = replica.token(&account).await.unwrap_err();
        assert!(matches!(error, TokenError::RetryAt { why: Delay::InFlight, .. }), "{error:?}");
        assert!(began.elapsed() < Duration::from_millis(5), "{:?}", began.elapsed());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for replica in [&owner, &other] {
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_flight_learnt_is_remembered_although_its_caller_has_gone() {
    let world = World::new();
    let replica = world.replica().await;
    assert!(replica.token(&account("nobody")).now_or_never().is_none(), "the read takes a moment");
    tokio::time::sleep(Duration::from_millis(1)).await;
    let error = replica.token(&account("nobody")).await.unwrap_err();
    assert!(matches!(error, TokenError::UnknownAccount), "{error:?}");
    assert_eq!(world.store.faults().calls("load"), 1);
}

/// As the fixture's policy, for callers that do not wait.
fn hasty() -> Policy {
    let settings = PolicySettings {
        replay: Replay::STRICT_FAMILY,
        exchange_timeout: Duration::from_secs(1),
        quarantine: Some(Duration::from_secs(3)),
        max_wait: Duration::ZERO,
        ..PolicySettings::default()
    };
    settings.build().unwrap()
}
