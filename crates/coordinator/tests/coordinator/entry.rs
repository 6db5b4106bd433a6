//! One entry point for every refresh: what it does with lease, store and provider, and what a caller's end changes.

use std::time::Duration;

use solekey::{Login, LoginOptions, TokenError};
use solekey_core::{
    Account, Delay, Row,
    ports::{Lease as _, Store as _},
};
use solekey_testkit::memory::Fault;

use crate::fixture::{HOUR, Script, World, account, policy};

async fn row(world: &World, account: &Account) -> Row {
    world.store.load(account).await.unwrap().record.unwrap().row
}

/// S-T1.
#[tokio::test(start_paused = true)]
async fn a_refresh_takes_one_lease_sends_one_request_and_writes_the_credential_once() {
    let (world, account) = World::overdue().await;
    let before = row(&world, &account).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    replica.shutdown(Duration::from_secs(5)).await;
    let after = row(&world, &account).await;
    assert!(after.generation > before.generation && after.made_from == before.generation);
    let calls = ["claim", "commit", "settle"].map(|change| world.store.faults().calls(change));
    assert_eq!((world.provider.presentations(), calls), (1, [1, 1, 0]));
    assert_eq!(["acquire", "release"].map(|call| world.lease.faults().calls(call)), [1, 1]);
    assert_eq!(world.lease.lease_key(&account).unwrap().ends, None, "given back");
}

/// S-T2.
#[tokio::test(start_paused = true)]
async fn what_else_a_document_says_outlives_a_refresh() {
    let world = World::new();
    let account = account("a");
    world.provider.grant("a", HOUR);
    let document = br#"{"refresh_token":"refresh-a-1","rate_limited_until":1900000000}"#;
    let replica = world.replica().await;
    replica.login(&account, document, false).await.unwrap();
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    let stored = world.store.load(&account).await.unwrap().record.unwrap().payload;
    let text = String::from_utf8_lossy(stored.as_bytes());
    assert!(text.contains(r#""rate_limited_until":1900000000"#) && text.contains("refresh-a-2"), "{text}");
}

/// S-T5.
#[tokio::test(start_paused = true)]
async fn where_there_is_no_lease_at_all_an_account_is_refreshed_once() {
    let (world, account) = World::overdue().await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        let replica = world.embedded(policy()).build().await.unwrap();
        let account = account.clone();
        calls.push(async move { replica.token(&account).await });
    }
    for token in futures_util::future::join_all(calls).await {
        assert_eq!(token.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!((world.provider.presentations(), world.lease.faults().calls("acquire")), (1, 0));
}

/// S-T12.
#[tokio::test(start_paused = true)]
async fn the_same_id_at_another_provider_is_another_account() {
    let world = World::new();
    let ours = world.log_in("a", HOUR).await;
    let endpoint = world.provider.clone() as std::sync::Arc<dyn solekey_core::ports::TokenEndpoint>;
    let other = solekey::Provider::new("other", policy(), endpoint).unwrap();
    let replica = world.builder(policy()).provider(other).build().await.unwrap();
    let theirs = Account::new("other", "a").unwrap();
    assert!(matches!(replica.token(&theirs).await, Err(TokenError::UnknownAccount)));
    let document = world.provider.grant("a", HOUR);
    replica.login(&theirs, document.as_bytes(), false).await.unwrap();
    assert_eq!(replica.token(&theirs).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(replica.token(&ours).await.unwrap().expose_secret(), "access-a-1");
}

/// S-T13.
#[tokio::test(start_paused = true)]
async fn an_account_that_lost_its_refresh_token_is_one_clear_state() {
    let (world, account) = World::overdue().await;
    let (operator, replica) = (world.replica().await, world.replica().await);
    let only = br#"{"access_token":"access-a-x","expires_in":60}"#;
    assert_eq!(operator.login(&account, only, false).await.unwrap(), Login::Lesser);
    let options = LoginOptions { accept_lesser: true, ..LoginOptions::default() };
    operator.login_with(&account, only, options).await.unwrap();
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-x");
    tokio::time::sleep(Duration::from_secs(61)).await;
    for replica in [&replica, &operator] {
        let answer = replica.token(&account).await;
        assert!(
            matches!(answer, Err(TokenError::LogIn { why: solekey_core::Revocation::NoRefreshToken })),
            "{answer:?}"
        );
    }
    assert_eq!(world.provider.presentations(), 0);
}

/// S-T15.
#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_during_the_exchange_leaves_no_lease_behind() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    world.provider.close();
    tokio::time::timeout(Duration::from_millis(150), replica.token(&account)).await.unwrap_err();
    assert!(world.lease.lease_key(&account).unwrap().ends.is_some(), "held");
    world.provider.open();
    replica.shutdown(Duration::from_secs(5)).await;
    assert_eq!(world.lease.lease_key(&account).unwrap().ends, None, "given back");
}

/// S-T16.
#[tokio::test(start_paused = true)]
async fn a_success_after_the_deadline_is_committed() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    let late = replica.token_within(&account, Duration::from_millis(20)).await;
    assert!(matches!(late, Err(TokenError::RetryAt { why: Delay::InFlight, .. })), "{late:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(row(&world, &account).await.rotations, 1);
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

/// S-T18.
#[tokio::test(start_paused = true)]
async fn an_answer_without_a_token_is_no_refresh_and_leaves_the_credential() {
    let (world, account) = World::overdue().await;
    let before = row(&world, &account).await;
    world.provider.script([Script::Answer(200, "{}")]);
    let replica = world.replica().await;
    let answer = replica.token_within(&account, Duration::from_secs(1)).await;
    assert!(matches!(answer, Err(TokenError::LogIn { .. })), "{answer:?}");
    let after = row(&world, &account).await;
    assert_eq!((after.generation, after.facts, after.rotations), (before.generation, before.facts, 0));
    assert!(after.is_unread(), "nobody presents it again");
}

/// S-T20.
#[tokio::test(start_paused = true)]
async fn a_refusal_over_an_unchanged_row_is_reported_and_changes_no_credential() {
    let (world, account) = World::overdue().await;
    let before = row(&world, &account).await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    let answer = world.replica().await.token(&account).await;
    assert!(matches!(answer, Err(TokenError::LogIn { .. })), "{answer:?}");
    let after = row(&world, &account).await;
    assert_eq!((after.generation, after.facts), (before.generation, before.facts));
    assert_eq!(after.current_verdict().unwrap().generation, before.generation);
}

/// S-T57.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_failed_changes_nothing_but_the_time_of_the_next_one() {
    let (world, account) = World::overdue().await;
    let before = row(&world, &account).await;
    world.provider.script([Script::Later(30)]);
    world.replica().await.token_within(&account, Duration::from_secs(1)).await.unwrap_err();
    let after = row(&world, &account).await;
    assert_eq!((after.generation, after.facts, after.open), (before.generation, before.facts, None));
    assert_eq!(after.rotations, before.rotations);
}

/// S-T66.
#[tokio::test(start_paused = true)]
async fn a_success_is_published_once_and_is_a_success_although_that_fails() {
    let (world, account) = World::overdue().await;
    let published = || world.cache.faults().calls("publish");
    let (before, replica) = (published(), world.replica().await);
    replica.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(published() - before, 1);

    let (world, account) = World::overdue().await;
    world.cache.faults().fail_next_of("publish", 3, Fault::NotApplied);
    let replica = world.replica().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(row(&world, &account).await.rotations, 1);
}

/// M-T10.
#[tokio::test(start_paused = true)]
async fn nothing_is_built_without_a_location_to_keep_what_was_rotated() {
    let world = World::new();
    let endpoint = world.provider.clone() as std::sync::Arc<dyn solekey_core::ports::TokenEndpoint>;
    let provider = || solekey::Provider::new("acme", policy(), endpoint.clone()).unwrap();
    let homeless = solekey::Solekey::builder().provider(provider()).answers(world.answers.clone());
    let error = homeless.build().await.unwrap_err().to_string();
    assert!(error.contains("store"), "{error}");
    let forgetful = solekey::Solekey::builder().provider(provider()).store(world.store.clone());
    let error = forgetful.build().await.unwrap_err().to_string();
    assert!(error.contains("state_dir"), "{error}");
}

/// K-T9.
#[tokio::test(start_paused = true)]
async fn a_refresh_replaces_both_tokens_and_is_counted() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    let before = row(&world, &account).await.facts.unwrap();
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    let after = row(&world, &account).await;
    let facts = after.facts.unwrap();
    assert!(facts.access != before.access && facts.refresh != before.refresh);
    assert_eq!(replica.state(&account).await.unwrap().rotations, 1);
}

/// K-T13.
#[tokio::test(start_paused = true)]
async fn of_ten_callers_one_after_the_other_over_two_ended_tokens_all_succeed() {
    let world = World::new();
    let accounts =
        [world.log_in("a", Duration::from_secs(1)).await, world.log_in("b", Duration::from_secs(1)).await];
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replica = world.replica().await;
    let calls = (0..10).map(|caller: u32| {
        let (replica, account) = (replica.clone(), accounts[caller as usize % 2].clone());
        async move {
            tokio::time::sleep(Duration::from_millis(10) * caller).await;
            replica.token(&account).await
        }
    });
    for token in futures_util::future::join_all(calls).await {
        token.unwrap();
    }
    assert_eq!(world.provider.presentations(), 2);
}

/// C-T2.
#[tokio::test(start_paused = true)]
async fn with_two_hours_left_nothing_is_sent_and_nothing_written() {
    let world = World::new();
    let account = world.log_in("a", 2 * HOUR).await;
    let changes = || ["claim", "commit", "settle", "login"].map(|change| world.store.faults().calls(change));
    let before = changes();
    let replica = world.replica().await;
    for _ in 0..60 {
        replica.token(&account).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!((world.provider.presentations(), changes()), (0, before));
}

/// C-T4.
#[tokio::test(start_paused = true)]
async fn without_an_account_there_is_nothing_to_do() {
    let world = World::new();
    let replica = world.replica().await;
    let answer = replica.token(&account("nobody")).await;
    assert!(matches!(answer, Err(TokenError::UnknownAccount)), "{answer:?}");
    tokio::time::sleep(HOUR).await;
    let changes = ["claim", "commit", "settle"].map(|change| world.store.faults().calls(change));
    assert_eq!((world.provider.presentations(), changes), (0, [0; 3]));
    assert_eq!(world.lease.faults().calls("acquire"), 0);
}

/// C-T9.
#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_costs_a_wait_and_no_account() {
    let (world, account) = World::overdue().await;
    world.store.faults().leave();
    let replica = world.replica().await;
    let answer = replica.token_within(&account, Duration::from_secs(5)).await;
    assert!(matches!(answer, Err(TokenError::RetryAt { why: Delay::StoreDown, .. })), "{answer:?}");
    assert_eq!(world.provider.presentations(), 0);
    world.store.faults().come_back();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

/// S-T58.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_lease_gets_the_new_token_and_never_the_ended_one() {
    let (world, account) = World::overdue().await;
    let (owner, loser) = (world.replica().await, world.replica().await);
    world.provider.close();
    let owned = tokio::spawn({
        let account = account.clone();
        async move { owner.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let waits = tokio::spawn({
        let (loser, account) = (loser.clone(), account.clone());
        async move { loser.token(&account).await }
    });
    let impatient = loser.token_within(&account, Duration::from_millis(300)).await;
    assert!(matches!(impatient, Err(TokenError::RetryAt { .. })), "{impatient:?}");
    world.provider.open();
    for token in [owned.await.unwrap(), waits.await.unwrap()] {
        assert_eq!(token.unwrap().expose_secret(), "access-a-2");
    }
}

/// S-T47.
#[tokio::test(start_paused = true)]
async fn a_token_of_unknown_end_is_served_while_another_holds_the_lease() {
    let world = World::new();
    let account = account("a");
    world.provider.grant("a", HOUR);
    let replica = world.replica().await;
    let document = br#"{"access_token":"access-a-1","refresh_token":"refresh-a-1"}"#;
    replica.login(&account, document, false).await.unwrap();
    tokio::time::sleep(HOUR).await;
    let other = solekey_core::ClaimId::new(uuid::Uuid::from_u128(1));
    world.lease.acquire(&account, other, Duration::from_secs(60), None).await.unwrap();
    let token = replica.token_within(&account, Duration::from_secs(1)).await.unwrap();
    assert_eq!((token.expose_secret(), token.is_stale()), ("access-a-1", true));
    assert_eq!(world.provider.presentations(), 0);
}

/// N-2.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_half_a_minute_after_a_success_costs_nothing() {
    let (world, account) = World::overdue().await;
    let (owner, other) = (world.replica().await, world.replica().await);
    world.provider.close();
    let owned = tokio::spawn({
        let (owner, account) = (owner.clone(), account.clone());
        async move { owner.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.store.faults().leave();
    world.provider.open();
    assert_eq!(owned.await.unwrap().unwrap().expose_secret(), "access-a-2");
    for _ in 0..30 {
        for replica in [&owner, &other] {
            assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.provider.presentations(), 1);
    world.store.faults().come_back();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let row = row(&world, &account).await;
    assert_eq!((row.rotations, row.open, world.provider.presentations()), (1, None, 1));
}

/// S-T76.
#[tokio::test(start_paused = true)]
async fn what_goes_wrong_after_the_commit_and_past_the_attempts_time_makes_no_success_a_failure() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    world.answers.faults().fail_next_of("write", 100, Fault::UnknownBefore);
    world.cache.faults().fail_next_of("publish", 100, Fault::UnknownBefore);
    world.lease.faults().fail_next_of("release", 100, Fault::UnknownBefore);
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    let row = row(&world, &account).await;
    assert_eq!((row.rotations, row.open, row.verdict), (1, None, None));
    assert_eq!(world.provider.presentations(), 1);
}
