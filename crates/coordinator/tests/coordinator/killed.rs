//! A replica is killed at a call of one of its ports.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account,
    ports::{Cache as _, Store as _},
};
use solekey_testkit::memory::Fault;

use crate::{
    fixture::{World, policy},
    mortal::{Death, mortal},
};

/// A world with an account that is due, after a replica died over it.
async fn bereft(death: Death) -> (Arc<World>, Account) {
    let (world, account) = World::overdue().await;
    let (owner, pulse) = mortal(&world, policy(), death);
    let owner = owner.build().await.unwrap();
    let _ = owner.token_within(&account, Duration::from_millis(500)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(pulse.is_gone(), "{death:?}");
    owner.shutdown(Duration::ZERO).await;
    (world, account)
}

/// Returns what another replica serves, and after how long.
async fn inherit(world: &World, account: &Account) -> (String, Duration) {
    let heir = world.replica().await;
    let asked = tokio::time::Instant::now();
    let token = heir.token(account).await.unwrap();
    (token.expose_secret().to_owned(), asked.elapsed())
}

#[tokio::test(start_paused = true)]
async fn before_its_claim_another_one_presents_once_the_lease_has_ended() {
    let (world, account) = bereft(Death::Before("claim")).await;
    assert_eq!(world.provider.presentations(), 0);
    let (token, after) = inherit(&world, &account).await;
    assert_eq!(token, "access-a-2");
    assert!(after <= policy().lease_ttl() + Duration::from_secs(1), "{after:?}");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn before_its_claim_and_without_redis_another_one_presents_at_once() {
    let (world, account) = World::overdue().await;
    world.lose_redis();
    let (owner, pulse) = mortal(&world, policy(), Death::Before("claim"));
    let owner = owner.build().await.unwrap();
    let _ = owner.token_within(&account, Duration::from_millis(500)).await;
    assert!(pulse.is_gone());
    owner.shutdown(Duration::ZERO).await;
    let (token, after) = inherit(&world, &account).await;
    assert_eq!(token, "access-a-2");
    assert!(after < Duration::from_secs(1), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn before_its_claim_is_acknowledged_the_attempt_is_waited_for_like_any_other() {
    let (world, account) = bereft(Death::After("claim")).await;
    let open = world.store.load(&account).await.unwrap().record.unwrap().row.open.unwrap();
    let (token, _) = inherit(&world, &account).await;
    assert_eq!(token, "access-a-2");
    let loaded = world.store.load(&account).await.unwrap();
    let row = loaded.record.unwrap().row;
    assert!(row.facts.unwrap().made_at >= open.until, "nothing is presented before its end");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn after_the_commit_and_before_the_answer_the_row_has_the_pair() {
    let (world, account) = World::overdue().await;
    world.answers.faults().fail_next_of("write", 1, Fault::NotApplied);
    let (owner, pulse) = mortal(&world, policy(), Death::After("commit"));
    let owner = owner.build().await.unwrap();
    let _ = owner.token_within(&account, Duration::from_millis(500)).await;
    assert!(pulse.is_gone());
    owner.shutdown(Duration::ZERO).await;
    let rotated = world
        .answers
        .all(&account)
        .iter()
        .any(|answer| matches!(answer.note.content, solekey_core::Content::Rotated(_)));
    assert!(!rotated, "there is no witness");
    assert_eq!(inherit(&world, &account).await.0, "access-a-2");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn after_the_commit_and_before_the_publication_others_adopt_the_row() {
    let (world, account) = bereft(Death::Before("publish")).await;
    let committed = world.store.load(&account).await.unwrap().record.unwrap().row.generation;
    assert!(world.cache.read(&account).await.unwrap().known < Some(committed), "nobody was notified");
    let (token, after) = inherit(&world, &account).await;
    assert_eq!(token, "access-a-2");
    assert!(after <= policy().lease_ttl() + Duration::from_secs(1), "{after:?}");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn before_it_releases_the_lease_nobody_waits_for_it() {
    let (world, account) = bereft(Death::Before("release")).await;
    let (token, after) = inherit(&world, &account).await;
    assert_eq!(token, "access-a-2");
    assert!(after < Duration::from_millis(10), "{after:?}: the shared cache has the token");
    assert_eq!(world.provider.presentations(), 1);
}
