//! Readers outlive the writers' troubles; no rotated pair is lost.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use solekey::{Provider, Solekey, TokenError};
use solekey_core::{
    Account, Delay, Dialect, Revocation,
    ports::{Cache as _, ExchangeRequest, Store as _, TokenEndpoint, Wire},
};
use solekey_testkit::memory::{Fault, TestClock};

use crate::fixture::{HOUR, Script, World, policy};

const SOON: Duration = Duration::from_secs(3600 - 30);

#[tokio::test(start_paused = true)]
async fn a_valid_token_is_served_with_redis_store_and_provider_down() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    world.store.faults().leave();
    world.cache.faults().leave();
    world.lease.faults().leave();
    world.answers.faults().leave();
    tokio::time::sleep(SOON).await;
    let token = replica.token_within(&account, Duration::from_secs(1)).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-1");
    assert!(token.is_stale(), "a refresh is overdue");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let error = replica.token_within(&account, Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, TokenError::RetryAt { .. }), "never past its expiry: {error:?}");
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_redis_the_claims_alone_coordinate() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.cache.faults().leave();
    world.lease.faults().leave();
    let replicas = [world.replica().await, world.replica().await, world.replica().await];
    let calls = replicas.iter().map(|replica| replica.token(&account));
    for token in futures_util::future::join_all(calls).await {
        assert_eq!(token.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!(world.provider.presentations(), 1);
}

/// S-T9.
#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_is_repeated_until_the_store_takes_it() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.store.faults().fail_next_of("commit", 5, Fault::UnknownBefore);
    let replica = world.replica().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(replica.state(&account).await.unwrap().rotations, 1);
}

/// S-T26.
#[tokio::test(start_paused = true)]
async fn with_store_and_answers_down_after_the_exchange_the_token_is_served_from_memory() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.store.faults().fail_next_of("commit", 3, Fault::NotApplied);
    world.answers.faults().fail_next_of("write", 3, Fault::NotApplied);
    let replica = world.replica().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(replica.state(&account).await.unwrap().rotations, 1, "kept until it could be written");
    assert_eq!(world.provider.doubles(), 0);
}

/// M-T9.
#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_written_down_is_not_served_past_its_end() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.store.faults().fail_next_of("commit", usize::from(u16::MAX), Fault::NotApplied);
    let replica = world.replica().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    tokio::time::sleep(HOUR).await;
    for _ in 0..3 {
        let late = replica.token_within(&account, Duration::from_secs(2)).await;
        assert!(matches!(late, Err(TokenError::RetryAt { .. })), "{late:?}");
    }
    assert_eq!(world.provider.doubles(), 0);
}

/// S-T80.
#[tokio::test(start_paused = true)]
async fn an_answer_that_another_owner_left_is_committed_and_nothing_is_presented_again() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let owner = world.replica().await;
    world.store.faults().fail_next_of("commit", usize::from(u16::MAX), Fault::NotApplied);
    let call = tokio::time::timeout(Duration::from_secs(20), owner.token(&account)).await;
    assert_eq!(call.unwrap().unwrap().expose_secret(), "access-a-2");
    owner.shutdown(Duration::ZERO).await;
    world.store.faults().heal();
    world.cache.wipe();
    let heir = world.replica().await;
    assert_eq!(heir.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_resolved_only_when_nothing_is_left_to_lose() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600 - 300)).await;
    world.provider.script([Script::LoseAnswer]);
    replica.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let token = replica.token(&account).await.unwrap();
    assert_eq!(token.expose_secret(), "access-a-1", "still served");
    assert_eq!(world.provider.presentations(), 1, "and nothing presented while it is valid");
    tokio::time::sleep(Duration::from_secs(181 + 60)).await;
    let error = replica.token(&account).await.unwrap_err();
    assert!(
        matches!(error, TokenError::LogIn { why: Revocation::AnswerLost }),
        "the pair was lost: {error:?}"
    );
    assert_eq!(world.provider.presentations(), 2);
}

/// B1.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_cools_this_process_only() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script([Script::NotSent]);
    let (sick, well) = (world.replica().await, world.replica().await);
    let call = tokio::spawn({
        let (sick, account) = (sick.clone(), account.clone());
        async move { sick.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(150)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(well.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert!(began.elapsed() < Duration::from_secs(1), "the other replica need not cool down");
    assert_eq!(call.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_notification_ends_a_long_delay_elsewhere() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script([Script::Later(3600)]);
    let held_up = world.embedded(policy()).build().await.unwrap();
    for _ in 0..10 {
        let error = held_up.token(&account).await.unwrap_err();
        assert!(matches!(error, TokenError::RetryAt { why: Delay::RateLimited, .. }), "{error:?}");
    }
    let reads = world.store.faults().calls("load");
    let error = held_up.token(&account).await.unwrap_err();
    assert!(error.retry_after().unwrap() > Duration::from_secs(3000), "{error:?}");
    assert_eq!(world.store.faults().calls("load"), reads, "one read serves all who ask at once");
    let operator = world.embedded(policy()).build().await.unwrap();
    let document = world.provider.grant("a", HOUR);
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(held_up.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_change_feed_ends_remembered_delays() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script([Script::Later(3600)]);
    let held_up = world.replica().await;
    for _ in 0..2 {
        // The notification of the first time ends what it left in memory.
        let error = held_up.token(&account).await.unwrap_err();
        assert!(matches!(error, TokenError::RetryAt { why: Delay::RateLimited, .. }), "{error:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let operator = world.embedded(policy()).build().await.unwrap();
    let document = world.provider.grant("a", HOUR);
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    world.cache.wipe();
    world.cache.gap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(held_up.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

/// S-T61.
#[tokio::test(start_paused = true)]
async fn what_changed_while_the_shared_cache_was_away_is_published_once_it_is_back() {
    for (document, shown, served) in [
        (None, false, None),
        (Some(r#"{"refresh_token":"refresh-a-2"}"#), false, Some("access-a-3")),
        (
            Some(r#"{"access_token":"access-a-2","refresh_token":"refresh-a-2","expires_in":3600}"#),
            true,
            Some("access-a-2"),
        ),
    ] {
        let world = World::new();
        let account = world.log_in("a", HOUR).await;
        let (one, warm) = (world.replica().await, world.replica().await);
        warm.token(&account).await.unwrap();
        world.cache.faults().leave();
        one.delete(&account).await.unwrap();
        if let Some(document) = document {
            world.provider.grant("a", HOUR);
            one.login(&account, document.as_bytes(), false).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.cache.faults().come_back();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let shared_cache = world.cache.read(&account).await.unwrap();
        let newest = world.store.load(&account).await.unwrap().record.unwrap().row.generation;
        assert_eq!(
            (shared_cache.known, shared_cache.gone),
            (Some(newest), document.is_none()),
            "{document:?}"
        );
        assert_eq!(shared_cache.token.is_some(), shown, "{document:?}");
        // The notification marks the entry; the read it causes runs behind the first request.
        let _ = warm.token(&account).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let token = warm.token(&account).await.ok();
        assert_eq!(token.as_ref().map(solekey::AccessToken::expose_secret), served, "{document:?}");
    }
}

/// C-T5.
#[tokio::test(start_paused = true)]
async fn a_refused_grant_is_one_clear_state_and_a_login_ends_it_everywhere() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    let (one, other) = (world.replica().await, world.replica().await);
    for _ in 0..5 {
        assert!(matches!(one.token(&account).await, Err(TokenError::LogIn { .. })));
        assert!(matches!(other.token(&account).await, Err(TokenError::LogIn { .. })));
    }
    assert_eq!(world.provider.presentations(), 1);
    let document = world.provider.grant("a", HOUR);
    one.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(one.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

/// S-T46.
#[tokio::test(start_paused = true)]
async fn a_token_whose_grant_has_ended_is_served_to_its_end_marked_stale() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    assert!(!replica.token(&account).await.unwrap().is_stale());
    tokio::time::sleep(Duration::from_secs(3600 - 300)).await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    let error = replica.refresh(&account, None).await.unwrap_err();
    assert!(matches!(error, TokenError::LogIn { .. }), "{error:?}");
    let token = replica.token(&account).await.unwrap();
    assert_eq!((token.expose_secret(), token.is_stale()), ("access-a-1", true));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(matches!(replica.token(&account).await, Err(TokenError::LogIn { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_html_page_never_ends_a_grant() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world
        .provider
        .script([Script::Answer(403, "<html>blocked</html>"), Script::Answer(502, "<html>bad</html>")]);
    let replica = world.replica().await;
    let token = replica.token(&account).await;
    assert!(matches!(token, Ok(_) | Err(TokenError::RetryAt { .. })), "{token:?}");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_longer_than_the_lease_is_presented_once() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.close();
    let (owner, heir) = (world.replica_with(policy()).await, world.replica().await);
    let call = tokio::spawn({
        let account = account.clone();
        async move { owner.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.lease.wipe();
    let other = tokio::spawn({
        let account = account.clone();
        async move { heir.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.provider.open();
    assert_eq!(call.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert_eq!(other.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

/// B2.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_accepted_stops_all_accounts_of_this_process_until_one_gets_through() {
    let world = World::new();
    let mut accounts = Vec::new();
    for id in ["a", "b", "c", "d", "e"] {
        accounts.push(world.log_in(id, Duration::from_secs(1)).await);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let unaccepted = Script::Answer(401, r#"{"error":"invalid_client"}"#);
    world.provider.script([unaccepted.clone(), unaccepted.clone(), unaccepted]);
    let (sick, well) = (world.replica().await, world.replica().await);
    for account in &accounts[..3] {
        let error = sick.token_within(account, Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, TokenError::RetryAt { .. }), "never the account's fault: {error:?}");
    }
    let error = sick.token_within(&accounts[3], Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, TokenError::RetryAt { why: Delay::OurFault, .. }), "{error:?}");
    assert_eq!(world.provider.presentations(), 3, "the fourth account was not tried");
    assert!(well.token(&accounts[4]).await.is_ok(), "other replicas need not hold back");
    for account in &accounts[..4] {
        assert!(sick.token(account).await.is_ok(), "and the breaker opens by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_access_token_is_followed_by_another_refresh() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script([Script::WithoutAccessToken]);
    let replica = world.replica().await;
    let token = replica.token(&account).await.unwrap();
    assert_eq!((token.expose_secret(), token.is_stale()), ("access-a-3", false));
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
}

/// A11.
#[tokio::test(start_paused = true)]
async fn a_store_that_went_back_behind_a_token_that_is_served_is_not_believed() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (warm, other) = (world.replica().await, world.replica().await);
    warm.token(&account).await.unwrap();
    let snapshot = world.store.snapshot();
    other.refresh(&account, None).await.unwrap();
    // The newer token comes by the notification, not by a flight.
    tokio::time::sleep(Duration::from_secs(2)).await;
    warm.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let newer = warm.token(&account).await.unwrap();
    assert_eq!(newer.expose_secret(), "access-a-2");
    world.store.restore(&snapshot);
    world.answers.wipe();
    world.cache.wipe();
    warm.refresh(&account, Some(newer.generation())).await.unwrap_err();
    assert_eq!(world.provider.presentations(), 1, "the row's token is spent");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_starts_over_an_emptied_store_refreshes_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let goes_on = world.replica().await;
    goes_on.token(&account).await.unwrap();
    // Redis was the store, and is back empty; the answers lie in files.
    world.store.wipe();
    world.cache.wipe();
    let starts = world.replica().await;
    for _ in 0..3 {
        let answer = starts.token(&account).await.unwrap_err();
        assert!(
            matches!(&answer, TokenError::Configuration { field, .. } if field == "store.url"),
            "{answer:?}"
        );
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(goes_on.token(&account).await.unwrap().expose_secret(), "access-a-1");
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_delete_while_redis_is_away_is_seen_within_half_a_minute_by_replicas_in_use() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (operator, warm) = (world.replica().await, world.replica().await);
    warm.token(&account).await.unwrap();
    world.lose_redis();
    operator.delete(&account).await.unwrap();
    operator.shutdown(Duration::from_secs(1)).await;
    for _ in 0..32 {
        let _ = warm.token(&account).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(matches!(warm.token(&account).await, Err(TokenError::UnknownAccount)));
}

/// A token endpoint with a bug.
struct Panicking;

#[async_trait]
impl TokenEndpoint for Panicking {
    async fn exchange(&self, _: &Account, _: ExchangeRequest<'_>, _: Duration) -> Wire {
        panic!("a bug in the endpoint, which the test put there")
    }

    fn dialect(&self) -> &Dialect {
        static DIALECT: LazyLock<Dialect> = LazyLock::new(Dialect::rfc6749);
        &DIALECT
    }

    fn client(&self) -> &'static str {
        "panicking"
    }
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_panics_makes_its_callers_retry_and_leaves_a_doubt() {
    let (world, account) = World::overdue().await;
    let endpoint = Provider::new("acme", policy(), Arc::new(Panicking)).unwrap();
    let broken = Solekey::builder()
        .provider(endpoint)
        .store(world.store.clone())
        .answers(world.answers.clone())
        .cache(world.cache.clone())
        .clock(Arc::new(TestClock::tokio()));
    let broken = broken.build().await.unwrap();
    let answer = broken.token(&account).await;
    assert!(matches!(answer, Err(TokenError::RetryAt { why: Delay::InFlight, .. })), "{answer:?}");
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert!(row.open.is_some(), "its request may have been sent");
    assert_eq!(broken.shutdown(Duration::from_secs(1)).await.in_doubt, 0, "nothing is left of the flight");
    assert_eq!(world.replica().await.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_unknown_outcome_is_retried_three_times() {
    for (fails, done) in [(3, true), (4, false)] {
        for fault in [Fault::UnknownBefore, Fault::UnknownAfter] {
            let world = World::new();
            let account = world.log_in("a", HOUR).await;
            let replica = world.replica().await;
            world.store.faults().fail_next_of("delete", fails, fault);
            let deleted = replica.delete(&account).await;
            assert_eq!(deleted.is_ok(), done, "{fails} {fault:?}: {deleted:?}");
            assert_eq!(world.store.faults().calls("delete"), 4);
            let gone = world.store.load(&account).await.unwrap().record.unwrap().row.is_gone();
            assert_eq!(gone, done || fault == Fault::UnknownAfter, "{fails} {fault:?}");
        }
    }
}
