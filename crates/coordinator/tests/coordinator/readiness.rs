//! What an instance says of its own health.

use std::time::Duration;

use solekey_testkit::memory::Fault;

use crate::fixture::{HOUR, World};

const FOREVER: usize = 1_000;

#[tokio::test(start_paused = true)]
async fn however_many_ask_store_and_answers_are_written_once_in_five_seconds() {
    let world = World::new();
    let replica = world.replica().await;
    let writes = || (world.store.faults().calls("repin"), world.answers.faults().calls("write"));
    let (rows, answers) = writes();
    for _ in 0..10 {
        let asked = (0..10).map(|_| replica.health());
        let asked = futures_util::future::join_all(asked).await;
        assert!(asked.iter().all(solekey::Health::is_whole));
    }
    assert_eq!(writes(), (rows + 1, answers + 1));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(replica.health().await.is_whole());
    assert_eq!(writes(), (rows + 2, answers + 2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_read_and_refuses_writes_serves_and_refreshes_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    for refusing in ["store", "answers"] {
        let faults = if refusing == "store" { world.store.faults() } else { world.answers.faults() };
        let call = if refusing == "store" { "repin" } else { "write" };
        faults.fail_next_of(call, FOREVER, Fault::NotApplied);
        tokio::time::sleep(Duration::from_secs(6)).await;
        let health = replica.health().await;
        assert!(health.is_ready() && !health.is_whole() && health.serve.up, "{health:?}");
        assert!(health.refresh.why.unwrap().contains(refusing));
        replica.token(&account).await.unwrap();
        faults.heal();
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(replica.health().await.is_whole());
    }
}

#[tokio::test(start_paused = true)]
async fn with_store_and_cache_away_a_process_serves_while_it_holds_a_valid_token() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (replica, other) = (world.replica().await, world.replica().await);
    replica.token(&account).await.unwrap();
    world.store.faults().leave();
    world.cache.faults().leave();
    let held = replica.health().await;
    assert!(held.is_ready() && !held.is_whole() && !held.store, "{held:?}");
    assert!(held.refresh.why.is_some(), "{held:?}");
    let empty = other.health().await;
    assert!(!empty.is_ready() && empty.serve.why.is_some(), "{empty:?}");
    tokio::time::sleep(HOUR).await;
    assert!(!replica.health().await.is_ready(), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_probes_and_cannot_be_read_refreshes_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    world.store.faults().fail_next_of("load", FOREVER, Fault::NotApplied);
    let health = replica.health().await;
    assert!(health.is_ready() && !health.is_whole(), "{health:?}");
    assert!(health.refresh.why.unwrap().contains("cannot be read"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_everything_under_a_running_process_is_named() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    assert!(!replica.health().await.store_replaced);
    world.store.wipe();
    for _ in 0..2 {
        let health = replica.health().await;
        assert!(health.store_replaced && health.is_whole(), "{health:?}");
    }
    replica.token(&account).await.unwrap();
}
