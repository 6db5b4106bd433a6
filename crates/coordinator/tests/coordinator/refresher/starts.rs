//! The rate at which background refreshes are started.

use std::time::Duration;

use solekey_core::Moment;
use tokio::time::Instant;

use super::{limits, once_each, secs, shut_down};
use crate::fixture::{World, policy};

fn are_apart(times: &[Moment], least: Duration) -> bool {
    times.windows(2).all(|pair| pair[1].since(pair[0]) >= least)
}

/// S-T83.
#[tokio::test(start_paused = true)]
async fn starts_are_an_interval_apart_whichever_replica_makes_them() {
    let world = World::new();
    let accounts = world.overdue_accounts(30).await;
    let began = Instant::now();
    let (fleet, diary) = world.fleet(3, limits(5, 6)).await;
    while diary.all() < 30 {
        assert!(began.elapsed() < Duration::from_secs(30), "as fast as that: {}", diary.all());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let granted = world.rate_limiter.granted("acme");
    assert_eq!(granted.len(), accounts.len(), "a start each");
    assert!(are_apart(&granted, Duration::from_millis(200)), "{granted:?}");
    let times = diary.times();
    assert!(times.windows(6).all(|six| six[5] - six[0] >= Duration::from_millis(900)), "{times:?}");
    assert!(began.elapsed() >= Duration::from_millis(29 * 200));
    shut_down(fleet).await;
}

/// S-T82.
#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_at_once_than_all_replicas_may() {
    let world = World::new();
    let accounts = world.overdue_accounts(40).await;
    let (fleet, diary) = world.fleet(3, limits(1_000, 2)).await;
    secs(30).await;
    assert_eq!(diary.presentations(), once_each(&accounts));
    assert_eq!(diary.most(), 2, "two, and not more");
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_that_cannot_be_started() {
    let world = World::new();
    world.overdue_accounts(20).await;
    world.provider.close();
    let (fleet, diary) = world.fleet(1, limits(1_000, 3)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(diary.seen.lock().unwrap().taken <= 6, "no more than can be under way");
    world.provider.open();
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn requests_do_not_wait_for_starts_and_due_refreshes_yield_to_them() {
    let world = World::new();
    let accounts = world.overdue_accounts(5).await;
    let slow = limits(1, 4);
    let asked = world.with_refresher(policy(), slow).without_refresher().build().await.unwrap();
    let began = Instant::now();
    for account in &accounts {
        asked.token(account).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(1), "nobody was held up");
    world.log_in("idle", Duration::from_secs(1)).await;
    let (fleet, diary) = world.fleet(1, slow).await;
    while diary.all() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(5), "after {:?}", began.elapsed());
    assert!(began.elapsed() <= Duration::from_secs(11), "after {:?}", began.elapsed());
    shut_down(fleet).await;
    asked.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn without_what_is_shared_each_process_keeps_the_share_it_had() {
    let world = World::new();
    world.overdue_accounts(60).await;
    let (fleet, diary) = world.fleet(2, limits(4, 4)).await;
    secs(5).await;
    world.rate_limiter.faults().leave();
    let (before, since) = (diary.all(), Instant::now());
    secs(8).await;
    let started = diary.times().into_iter().filter(|at| *at > since).count();
    assert!((20..=36).contains(&started), "{started} in eight seconds, four a second together");
    assert!(before > 10, "{before}");
    shut_down(fleet).await;
}
