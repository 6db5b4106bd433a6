//! The rate at which background refreshes are started.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Admission, BreakerRequest, ClaimId, Limits, Moment,
    ports::{RateLimiter, Start, StartReply, StartRequest, Trouble},
};
use solekey_testkit::memory::MemoryRateLimiter;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::{limits, once_each, secs, shut_down};
use crate::{
    fixture::{HOUR, World, policy},
    rejections::refused,
};

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

#[tokio::test(start_paused = true)]
async fn a_start_that_was_not_needed_is_not_taken_for_that_of_the_next_request() {
    let world = World::new();
    let accounts = world.overdue_accounts(2).await;
    let other = world.replica().await;
    let (fleet, diary) = world.fleet(1, limits(1, 4)).await;
    while diary.all() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The other account waits for its start.
    let presented = diary.presentations();
    let late = accounts.iter().find(|account| !presented.contains_key(account.id())).unwrap();
    other.token(late).await.unwrap();
    secs(10).await;
    assert_eq!((diary.all(), diary.ended("refreshed"), diary.ended("fresh")), (1, 1, 1));
    let recorded = || world.rate_limiter.faults().calls("record");
    let before = recorded();
    let token = fleet[0].token(late).await.unwrap();
    fleet[0].token_after_rejection(late, refused(&token)).await.unwrap();
    secs(1).await;
    assert_eq!((diary.all(), recorded() - before), (2, 1), "it goes ahead of those that are due");
    shut_down(fleet).await;
    other.shutdown(Duration::from_secs(1)).await;
}

/// Grants starts, and its replies never arrive.
struct Mute {
    limiter: Arc<MemoryRateLimiter>,
    granted: Notify,
}

#[async_trait]
impl RateLimiter for Mute {
    async fn request(&self, provider: &str, request: &StartRequest) -> Result<StartReply, Trouble> {
        self.limiter.request(provider, request).await?;
        self.granted.notify_one();
        std::future::pending().await
    }

    async fn release(&self, provider: &str, permit: ClaimId) -> Result<(), Trouble> {
        self.limiter.release(provider, permit).await
    }

    async fn record(&self, provider: &str, starts: u32, limits: Limits) -> Result<(), Trouble> {
        self.limiter.record(provider, starts, limits).await
    }

    async fn pause(&self, provider: &str, span: Duration) -> Result<(), Trouble> {
        self.limiter.pause(provider, span).await
    }

    async fn breaker(&self, endpoint: &str, request: BreakerRequest) -> Result<Admission, Trouble> {
        self.limiter.breaker(endpoint, request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_permit_whose_grant_was_not_waited_for_is_given_back() {
    let world = World::new();
    world.overdue_accounts(1).await;
    let one = limits(1_000, 1);
    let mute = Arc::new(Mute { limiter: world.rate_limiter.clone(), granted: Notify::new() });
    let replica = world.with_refresher(policy(), one).rate_limiter(mute.clone()).build().await.unwrap();
    mute.granted.notified().await;
    shut_down(vec![replica]).await;
    secs(1).await;
    assert_eq!((world.provider.presentations(), world.rate_limiter.granted("acme").len()), (0, 1));
    let (who, permit) = (Uuid::new_v4(), ClaimId::new(Uuid::new_v4()));
    let next = StartRequest { who, permit, limits: one, ttl: HOUR };
    assert_eq!(world.rate_limiter.request("acme", &next).await.unwrap().start, Start::Granted);
}
