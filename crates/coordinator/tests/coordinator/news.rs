//! News beside the shelf, for where the shelf has none to tell.

use std::{sync::Arc, time::Duration};

use solekey::{Change, Solekey, TokenError};
use solekey_core::Account;
use solekey_testkit::memory::{MemoryNews, TestClock};

use crate::fixture::{HOUR, Script, World, policy};

/// A replica that polls nothing: its clock stands still, so that the time of a poll never comes.
async fn patient(world: &World, news: &MemoryNews) -> Solekey {
    let builder = world.embedded(policy()).news(Arc::new(news.of_another()));
    builder.clock(Arc::new(TestClock::standing())).build().await.unwrap()
}

/// A replica that waits for another one's exchange, and what it is told in the end.
async fn waiting(
    world: &Arc<World>,
    news: &MemoryNews,
    account: &Account,
) -> (Solekey, tokio::task::JoinHandle<Result<String, TokenError>>) {
    world.provider.close();
    let owner = world.embedded(policy()).news(Arc::new(news.of_another())).build().await.unwrap();
    let _ = owner.token_within(account, Duration::from_millis(500)).await;
    let waiter = patient(world, news).await;
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
    let news = MemoryNews::new();
    let (_owner, asked) = waiting(&world, &news, &account).await;
    world.provider.open();
    assert_eq!(asked.await.unwrap().unwrap(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_may_have_missed_them_looks() {
    let (world, account) = World::overdue().await;
    let news = MemoryNews::new();
    let (owner, asked) = waiting(&world, &news, &account).await;
    news.faults().leave();
    world.provider.open();
    assert_eq!(owner.token(&account).await.unwrap().expose_secret(), "access-a-2");
    tokio::time::sleep(HOUR / 2).await;
    assert!(!asked.is_finished(), "nobody told it");
    news.gap();
    assert_eq!(asked.await.unwrap().unwrap(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn one_change_of_the_store_is_told_once_however_many_look_at_it() {
    let (world, account) = World::overdue().await;
    let news = MemoryNews::new();
    world.provider.close();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let replica = world.embedded(policy()).news(Arc::new(news.of_another())).build().await.unwrap();
        let account = account.clone();
        asked.spawn(async move { replica.token(&account).await.map(|token| token.generation()) });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(news.faults().calls("tell"), 0, "whoever finds an attempt in flight says nothing new");
    world.provider.open();
    let told: Result<Vec<_>, _> = asked.join_all().await.into_iter().collect();
    assert_eq!(told.unwrap().len(), 5);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((news.faults().calls("tell"), world.provider.presentations()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_told_and_whoever_waits_comes_back_when_it_says() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Later(300)]);
    let news = MemoryNews::new();
    let (_owner, asked) = waiting(&world, &news, &account).await;
    world.provider.open();
    let told = asked.await.unwrap();
    assert!(matches!(told, Err(TokenError::RetryAt { .. })), "{told:?}");
    assert_eq!(news.faults().calls("tell"), 1);
}

#[tokio::test(start_paused = true)]
async fn logins_and_deletes_are_told_to_the_others_and_not_back() {
    let world = Arc::new(World::new());
    let news = MemoryNews::new();
    let one = world.embedded(policy()).news(Arc::new(news.of_another())).build().await.unwrap();
    let another = world.embedded(policy()).news(Arc::new(news.of_another())).build().await.unwrap();
    let (mut here, mut there) = (one.subscribe(), another.subscribe());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let account = crate::fixture::account("a");
    let document = world.provider.grant("a", HOUR);
    one.login(&account, document.as_bytes(), false).await.unwrap();
    one.delete(&account).await.unwrap();
    for _ in 0..2 {
        let (told, heard) = (here.next().await.unwrap(), there.next().await.unwrap());
        assert!(matches!(told, Change::Account { key, .. } if key == account.key()), "{told:?}");
        assert_eq!(told, heard);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let more = tokio::time::timeout(Duration::from_secs(1), here.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn they_are_told_once_where_the_shelf_is_away_and_not_at_all_where_it_is_not() {
    let (world, account) = World::overdue().await;
    let news = MemoryNews::new();
    let replica = world.builder(policy()).news(Arc::new(news.of_another())).build().await.unwrap();
    replica.token(&account).await.unwrap();
    // Callers are told before the others are.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(news.faults().calls("tell"), 0);
    world.cache.faults().leave();
    let document = world.provider.grant("b", HOUR);
    replica.login(&crate::fixture::account("b"), document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(world.cache.faults().calls("time") > 5, "the shelf is told again and again");
    assert_eq!(news.faults().calls("tell"), 1);
}
