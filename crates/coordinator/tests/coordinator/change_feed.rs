//! The change feed, for where the shared cache cannot notify.

use std::{sync::Arc, time::Duration};

use solekey::{Change, Solekey, TokenError};
use solekey_core::Account;
use solekey_testkit::memory::{MemoryChangeFeed, TestClock};

use crate::fixture::{HOUR, Script, World, policy};

/// A replica that polls nothing: its clock stands still, so that the time of a poll never comes.
async fn patient(world: &World, change_feed: &MemoryChangeFeed) -> Solekey {
    let builder = world.embedded(policy()).change_feed(Arc::new(change_feed.of_another()));
    builder.clock(Arc::new(TestClock::standing())).build().await.unwrap()
}

/// A replica that waits for another one's exchange, and the answer it gets in the end.
async fn waiting(
    world: &Arc<World>,
    change_feed: &MemoryChangeFeed,
    account: &Account,
) -> (Solekey, tokio::task::JoinHandle<Result<String, TokenError>>) {
    world.provider.close();
    let owner =
        world.embedded(policy()).change_feed(Arc::new(change_feed.of_another())).build().await.unwrap();
    let _ = owner.token_within(account, Duration::from_millis(500)).await;
    let waiter = patient(world, change_feed).await;
    let account = account.clone();
    let asked = tokio::spawn(async move {
        let token = tokio::time::timeout(HOUR, waiter.token(&account)).await;
        token.expect("it is woken").map(|token| token.expose_secret().to_owned())
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    (owner, asked)
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_without_redis_is_woken_by_them_without_a_poll() {
    let (world, account) = World::overdue().await;
    let change_feed = MemoryChangeFeed::new();
    let (_owner, asked) = waiting(&world, &change_feed, &account).await;
    world.provider.open();
    assert_eq!(asked.await.unwrap().unwrap(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_may_have_missed_them_reads_again() {
    let (world, account) = World::overdue().await;
    let change_feed = MemoryChangeFeed::new();
    let (owner, asked) = waiting(&world, &change_feed, &account).await;
    change_feed.faults().leave();
    world.provider.open();
    assert_eq!(owner.token(&account).await.unwrap().expose_secret(), "access-a-2");
    tokio::time::sleep(HOUR / 2).await;
    assert!(!asked.is_finished(), "nobody notified it");
    change_feed.gap();
    assert_eq!(asked.await.unwrap().unwrap(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn one_change_of_the_store_is_published_once_however_many_read_it() {
    let (world, account) = World::overdue().await;
    let change_feed = MemoryChangeFeed::new();
    world.provider.close();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let replica =
            world.embedded(policy()).change_feed(Arc::new(change_feed.of_another())).build().await.unwrap();
        let account = account.clone();
        asked.spawn(async move { replica.token(&account).await.map(|token| token.generation()) });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(
        change_feed.faults().calls("notify"),
        0,
        "whoever finds an attempt in flight says nothing new"
    );
    world.provider.open();
    let answer: Result<Vec<_>, _> = asked.join_all().await.into_iter().collect();
    assert_eq!(answer.unwrap().len(), 5);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((change_feed.faults().calls("notify"), world.provider.presentations()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_published_and_a_waiting_caller_gets_its_retry_time() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Later(300)]);
    let change_feed = MemoryChangeFeed::new();
    let (_owner, asked) = waiting(&world, &change_feed, &account).await;
    world.provider.open();
    let answer = asked.await.unwrap();
    assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "{answer:?}");
    assert_eq!(change_feed.faults().calls("notify"), 1);
}

#[tokio::test(start_paused = true)]
async fn logins_and_deletes_are_published_to_the_others_and_not_back() {
    let world = Arc::new(World::new());
    let change_feed = MemoryChangeFeed::new();
    let one = world.embedded(policy()).change_feed(Arc::new(change_feed.of_another())).build().await.unwrap();
    let another =
        world.embedded(policy()).change_feed(Arc::new(change_feed.of_another())).build().await.unwrap();
    let (mut here, mut there) = (one.subscribe(), another.subscribe());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let account = crate::fixture::account("a");
    let document = world.provider.grant("a", HOUR);
    one.login(&account, document.as_bytes(), false).await.unwrap();
    one.delete(&account).await.unwrap();
    for _ in 0..2 {
        let (here, there) = (here.next().await.unwrap(), there.next().await.unwrap());
        assert!(matches!(here, Change::Account { key, .. } if key == account.key()), "{here:?}");
        assert_eq!(here, there);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let more = tokio::time::timeout(Duration::from_secs(1), here.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn they_are_sent_once_where_the_shared_cache_is_away_and_not_at_all_where_it_is_not() {
    let (world, account) = World::overdue().await;
    let change_feed = MemoryChangeFeed::new();
    let replica =
        world.builder(policy()).change_feed(Arc::new(change_feed.of_another())).build().await.unwrap();
    replica.token(&account).await.unwrap();
    // Callers are answered before the others are notified.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(change_feed.faults().calls("notify"), 0);
    world.cache.faults().leave();
    let document = world.provider.grant("b", HOUR);
    replica.login(&crate::fixture::account("b"), document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(world.cache.faults().calls("time") > 5, "the publication is tried again and again");
    assert_eq!(change_feed.faults().calls("notify"), 1);
}
