//! Leases on a real server that is paused, emptied and asked by many at once.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
#[path = "../../../redis-link/tests/fixture/mod.rs"]
mod fixture;
mod lives;
mod model;

use std::time::{Duration, Instant};

use fixture::{HANG, Server, heals, quick, steady, until, within};
use solekey_redis_link::{LinkError, LinkOptions, RedisLink, cmd};
use solekey_redis_lock::{
    AcquireError, AcquireOptions, Acquired, Guard, LeaseLost, LeaseToken, RedisLock, Released, Renewed,
};
use tokio::task::JoinSet;

const KEY: &str = "lease";
const LONG: Duration = Duration::from_secs(600);

async fn lock(server: &Server) -> RedisLock {
    RedisLock::new(link(server).await)
}

/// A link that is up, and stays up on a busy machine.
async fn link(server: &Server) -> RedisLink {
    link_with(server, steady()).await
}

/// A link and a lock that soon notice silence.
async fn hasty(server: &Server) -> (RedisLock, RedisLink) {
    let link = link_with(server, quick()).await;
    (RedisLock::new(link.clone()), link)
}

async fn link_with(server: &Server, options: LinkOptions) -> RedisLink {
    let link = RedisLink::connect(&server.url(), options).await.unwrap();
    heals(&link).await;
    link
}

async fn try_acquire(lock: &RedisLock, ttl: Duration) -> Result<Guard, AcquireError> {
    within("an acquire ends", lock.try_acquire(KEY, ttl, AcquireOptions::default())).await
}

async fn acquire(lock: &RedisLock, max_wait: Duration) -> Result<Guard, AcquireError> {
    within("an acquire ends", lock.acquire(KEY, LONG, max_wait, AcquireOptions::default())).await
}

async fn raw(lock: &RedisLock, token: LeaseToken, ttl: Duration) -> Acquired {
    lock.acquire_raw(KEY, token, ttl, 0, 0).await.unwrap()
}

/// The value at the key, without the token.
async fn stored(link: &RedisLink) -> Option<String> {
    let value: Option<String> = link.query(cmd("GET").arg(KEY)).await.unwrap();
    value.map(|value| value.split(' ').nth(1).unwrap().to_owned())
}

async fn is_free(link: &RedisLink) -> bool {
    stored(link).await.as_deref() != Some("held")
}

#[tokio::test]
async fn a_held_lease_is_busy_for_others_until_it_is_released() {
    let server = Server::start().await;
    let (ours, theirs) = (lock(&server).await, lock(&server).await);
    let guard = try_acquire(&ours, LONG).await.unwrap();
    assert!(
        matches!(try_acquire(&theirs, LONG).await, Err(AcquireError::Busy { remaining }) if remaining <= LONG)
    );
    let fence = guard.fence();
    assert_eq!(guard.release().await, Ok(Released::Released));
    assert!(try_acquire(&theirs, LONG).await.unwrap().fence() > fence);
}

/// M-T2.
#[tokio::test]
async fn a_hundred_contenders_have_one_winner() {
    let server = Server::start().await;
    let lock = lock(&server).await;
    let mut contenders = JoinSet::new();
    for _ in 0..100 {
        let lock = lock.clone();
        contenders.spawn(async move { try_acquire(&lock, LONG).await });
    }
    let outcomes = contenders.join_all().await;
    let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(winners.len(), 1);
    assert!(losers.iter().all(|loser| matches!(loser, Err(AcquireError::Busy { .. }))));
}

#[tokio::test]
async fn waiters_take_turns_with_growing_fences() {
    let server = Server::start().await;
    let lock = lock(&server).await;
    let mut waiters = JoinSet::new();
    for _ in 0..20 {
        let lock = lock.clone();
        waiters.spawn(async move {
            let guard = acquire(&lock, HANG).await.unwrap();
            let fence = guard.fence();
            assert_eq!(guard.release().await, Ok(Released::Released));
            fence
        });
    }
    let mut fences = waiters.join_all().await;
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), 20);
}

#[tokio::test]
async fn a_waiter_that_was_not_served_in_time_learns_how_long_it_may_take() {
    let server = Server::start().await;
    let lock = lock(&server).await;
    let _guard = try_acquire(&lock, LONG).await.unwrap();
    let outcome = acquire(&lock, Duration::from_millis(60)).await;
    assert!(matches!(outcome, Err(AcquireError::Busy { remaining }) if remaining > LONG / 2));
}

#[tokio::test]
async fn a_waiter_without_push_finds_a_free_lease_by_polling() {
    let server = Server::start().await;
    let options = solekey_redis_lock::LockOptions { channel: None, ..Default::default() };
    let lock = RedisLock::with_options(link(&server).await, options);
    let guard = try_acquire(&lock, LONG).await.unwrap();
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { acquire(&lock, HANG).await.map(drop) }
    });
    guard.release().await.unwrap();
    assert_eq!(waiter.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_release_is_published_on_the_channel() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    let mut change_feed = link.subscribe(["solekey:lock"]).await;
    try_acquire(&lock, LONG).await.unwrap().release().await.unwrap();
    let event = within("the notification arrives", change_feed.next()).await.unwrap();
    assert!(
        matches!(event, solekey_redis_link::Event::Notification(notification) if *notification.payload == *KEY.as_bytes())
    );
}

#[tokio::test]
async fn a_repeated_acquire_is_the_same_grant() {
    let server = Server::start().await;
    let (lock, token) = (lock(&server).await, LeaseToken::random());
    let Acquired::Granted { fence: first, .. } = raw(&lock, token, LONG).await else { panic!("not granted") };
    let Acquired::Granted { fence: second, .. } = raw(&lock, token, LONG).await else {
        panic!("not granted")
    };
    assert_eq!(first, second);
}

/// N-3.
#[tokio::test]
async fn a_release_by_another_token_leaves_the_lease_alone() {
    let server = Server::start().await;
    let (lock, owner) = (lock(&server).await, LeaseToken::random());
    raw(&lock, owner, LONG).await;
    assert_eq!(lock.release_raw(KEY, LeaseToken::random()).await, Ok(Released::Lost));
    assert!(matches!(raw(&lock, LeaseToken::random(), LONG).await, Acquired::Busy { .. }));
    assert_eq!(lock.release_raw(KEY, owner).await, Ok(Released::Released));
}

/// M-T4.
#[tokio::test]
async fn a_release_that_is_repeated_says_the_same() {
    let server = Server::start().await;
    let (lock, token) = (lock(&server).await, LeaseToken::random());
    raw(&lock, token, LONG).await;
    for _ in 0..2 {
        assert_eq!(lock.release_raw(KEY, token).await, Ok(Released::Released));
    }
}

#[tokio::test]
async fn a_tombstone_is_free_and_keeps_the_last_fence_for_a_day() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    let far = 9_000_000_000_000_000;
    let options = AcquireOptions { floor: far, ..AcquireOptions::default() };
    let guard = lock.try_acquire(KEY, LONG, options).await.unwrap();
    assert_eq!(guard.fence().get(), far + 1);
    guard.release().await.unwrap();
    assert_eq!(stored(&link).await.as_deref(), Some("free"));
    let ttl: u64 = link.query(cmd("TTL").arg(KEY)).await.unwrap();
    assert!((86_000..=86_400).contains(&ttl), "{ttl}");
    assert_eq!(try_acquire(&lock, LONG).await.unwrap().fence().get(), far + 2);
}

#[tokio::test]
async fn a_lease_that_ended_by_itself_leaves_its_fence() {
    let server = Server::start().await;
    let (lock, token) = (lock(&server).await, LeaseToken::random());
    // As if the server's clock had been stepped back by an hour after this grant.
    let ahead = lock_time(&lock).await + 3_600_000_000;
    let granted = lock.acquire_raw(KEY, token, Duration::from_millis(1), ahead, 0).await.unwrap();
    assert!(matches!(granted, Acquired::Granted { fence, .. } if fence.get() == ahead + 1), "{granted:?}");
    let next = acquire(&lock, HANG).await.unwrap();
    assert_eq!(next.fence().get(), ahead + 2);
    assert_eq!(lock.release_raw(KEY, token).await, Ok(Released::Lost));
    assert_eq!(lock.renew_raw(KEY, token, LONG).await, Ok(Renewed::Lost));
}

/// A21.
#[tokio::test]
async fn a_lease_lasts_no_longer_than_it_was_granted_for_when_the_clock_steps_back() {
    let server = Server::start().await;
    let (ours, theirs, link) = (lock(&server).await, lock(&server).await, link(&server).await);
    let guard = try_acquire(&ours, LONG).await.unwrap();
    // As if the server's clock had been stepped back by an hour since: the end lies an hour ahead.
    let lease: String = link.query(cmd("GET").arg(KEY)).await.unwrap();
    let words: Vec<&str> = lease.split(' ').collect();
    let [fence, held, token, end, ttl] = words[..] else { panic!("{lease}") };
    let end = end.parse::<u64>().unwrap() + 3_600_000_000;
    let ahead = format!("{fence} {held} {token} {end} {ttl}");
    link.query::<()>(cmd("SET").arg(KEY).arg(ahead)).await.unwrap();
    for _ in 0..2 {
        let busy = theirs.acquire_raw(KEY, LeaseToken::random(), HANG, 0, 0).await.unwrap();
        assert!(matches!(busy, Acquired::Busy { remaining, .. } if remaining <= LONG), "{busy:?}");
    }
    let lease: String = link.query(cmd("GET").arg(KEY)).await.unwrap();
    let cut: u64 = lease.split(' ').nth(3).unwrap().parse().unwrap();
    assert!(cut + 2_900_000_000 < end, "{lease}");
    guard.release().await.unwrap();
    assert!(is_free(&link).await);
}

/// About the server's time in µs: a fence of another key.
async fn lock_time(lock: &RedisLock) -> u64 {
    let guard = lock.try_acquire("other", LONG, AcquireOptions::default()).await.unwrap();
    guard.fence().get()
}

#[tokio::test]
async fn flushall_and_expiry_do_not_send_fences_back() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    let mut last = None;
    for forget in ["FLUSHALL", "EXPIRY", "FLUSHALL"] {
        let guard = try_acquire(&lock, LONG).await.unwrap();
        assert!(Some(guard.fence()) > last, "{:?} after {last:?}", guard.fence());
        last = Some(guard.fence());
        match forget {
            "EXPIRY" => link.query::<()>(cmd("PEXPIRE").arg(KEY).arg(0)).await.unwrap(),
            flush => link.query::<()>(&cmd(flush)).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_fence_is_above_its_floor_whatever_the_server_says() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    let floor = try_acquire(&lock, LONG).await.unwrap().fence().get() + 3_600_000_000;
    link.query::<()>(&cmd("FLUSHALL")).await.unwrap();
    let options = AcquireOptions { floor, ..AcquireOptions::default() };
    assert_eq!(lock.try_acquire(KEY, LONG, options).await.unwrap().fence().get(), floor + 1);
}

#[tokio::test]
async fn a_request_executed_after_its_instant_is_refused_and_leaves_nothing() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    assert_eq!(lock.not_after(Duration::ZERO), 0);
    assert_eq!(lock.acquire_raw(KEY, LeaseToken::random(), LONG, 0, 1).await, Ok(Acquired::Late));
    assert_eq!(stored(&link).await, None);
    let in_time = lock.not_after(LONG);
    assert!(in_time > 0);
    let granted = lock.acquire_raw(KEY, LeaseToken::random(), LONG, 0, in_time).await;
    assert!(matches!(granted, Ok(Acquired::Granted { .. })));
}

#[tokio::test]
async fn a_token_released_before_its_acquire_arrives_leaves_no_ghost() {
    let server = Server::start().await;
    let (lock, link, token) = (lock(&server).await, link(&server).await, LeaseToken::random());
    raw(&lock, token, LONG).await;
    lock.release_raw(KEY, token).await.unwrap();
    assert_eq!(raw(&lock, token, LONG).await, Acquired::Late);
    assert!(is_free(&link).await);
}

#[tokio::test]
async fn an_acquire_on_a_paused_server_is_ambiguous_and_its_late_execution_leaves_no_ghost() {
    let server = Server::start().await;
    let (lock, link) = hasty(&server).await;
    try_acquire(&lock, LONG).await.unwrap().release().await.unwrap();
    let before: String = link.query(cmd("GET").arg(KEY)).await.unwrap();
    server.pause();
    assert_eq!(try_acquire(&lock, LONG).await.unwrap_err(), AcquireError::Ambiguous);
    server.resume();
    heals(&link).await;
    within("the shutdown ends", lock.shutdown()).await;
    // Not even a grant that was released again: that would have left a larger fence.
    assert_eq!(link.query::<String>(cmd("GET").arg(KEY)).await.unwrap(), before);
}

#[tokio::test]
async fn an_ambiguous_acquire_that_was_executed_is_released_by_the_janitor() {
    let server = Server::start().await;
    // A lock that has never heard the server's clock cannot name an instant.
    let (lock, link) = hasty(&server).await;
    server.pause();
    assert_eq!(try_acquire(&lock, LONG).await.unwrap_err(), AcquireError::Ambiguous);
    server.resume();
    heals(&link).await;
    acquire(&lock, HANG).await.unwrap();
}

#[tokio::test]
async fn an_acquire_whose_first_answer_was_lost_is_granted_by_asking_again() {
    let server = Server::start().await;
    let link_options = LinkOptions { command_timeout: Duration::from_millis(300), ..quick() };
    let link = RedisLink::connect(&server.url(), link_options).await.unwrap();
    let lock = RedisLock::new(link.clone());
    let mut states = link.watch_state();
    server.pause();
    let options = AcquireOptions { patience: HANG, ..AcquireOptions::default() };
    let acquiring = tokio::spawn({
        let lock = lock.clone();
        async move { lock.try_acquire(KEY, LONG, options).await }
    });
    within("requests time out", states.wait_for(|state| !state.is_up())).await.unwrap();
    server.resume();
    let guard = within("the acquire ends", acquiring).await.unwrap().unwrap();
    assert_eq!(guard.release().await, Ok(Released::Released));
}

#[tokio::test]
async fn a_dropped_acquire_leaves_no_lease_behind() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    for _ in 0..100 {
        let mut acquiring = Box::pin(lock.try_acquire(KEY, LONG, AcquireOptions::default()));
        assert!(futures_util::poll!(acquiring.as_mut()).is_pending());
        tokio::task::yield_now().await;
        drop(acquiring);
    }
    until("the lease is free", async || is_free(&link).await).await;
    try_acquire(&lock, LONG).await.unwrap();
}

#[tokio::test]
async fn a_dropped_guard_is_released_by_the_janitor() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    drop(try_acquire(&lock, LONG).await.unwrap());
    until("the lease is free", async || is_free(&link).await).await;
}

#[tokio::test]
async fn an_acquire_that_arrives_behind_its_release_is_released_all_the_same() {
    let server = Server::start().await;
    let (lock, link, token) = (lock(&server).await, link(&server).await, LeaseToken::random());
    lock.release_later(KEY, token, LONG);
    // The janitor runs releases in order: once this one is done, so is the release of the token that holds nothing yet.
    drop(try_acquire(&lock, LONG).await.unwrap());
    until("the guard is released", async || is_free(&link).await).await;
    assert!(matches!(raw(&lock, token, LONG).await, Acquired::Granted { .. }));
    until("the janitor asks again", async || is_free(&link).await).await;
}

#[tokio::test]
async fn a_lease_that_lasts_too_long_is_refused_and_takes_nobody_along() {
    let server = Server::start().await;
    let lock = lock(&server).await;
    for ttl in [Duration::MAX, Duration::from_hours(24 * 400)] {
        let refused = lock.acquire_raw("other", LeaseToken::random(), ttl, 0, 0).await;
        assert!(refused.is_err_and(|error| error.is_not_applied() && error.to_string().contains("ttl")));
    }
    assert!(try_acquire(&lock, LONG).await.is_ok());
}

/// M-T3.
#[tokio::test]
async fn of_many_concurrent_requests_each_key_has_one_winner_and_a_foreign_value_fails_only_its_own() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    link.query::<()>(cmd("RPUSH").arg("key-0").arg("x")).await.unwrap();
    link.query::<()>(cmd("SET").arg("key-1").arg("no lease")).await.unwrap();
    let asked = (0..400).map(|number| {
        let lock = lock.clone();
        tokio::spawn(async move {
            let key = format!("key-{}", number % 20);
            let token = LeaseToken::random();
            (number % 20, lock.acquire_raw(&key, token, LONG, 0, 0).await)
        })
    });
    let mut winners = [0; 20];
    for asked in asked.collect::<Vec<_>>() {
        let (key, acquired) = within("each is answered", asked).await.unwrap();
        match acquired {
            Ok(Acquired::Granted { .. }) => winners[key] += 1,
            Ok(Acquired::Busy { .. }) => {}
            Err(LinkError::Refused { code, .. }) if key < 2 => assert_eq!(code, "NOTALEASE"),
            other => panic!("{key}: {other:?}"),
        }
    }
    assert_eq!((&winners[..2], &winners[2..]), (&[0, 0][..], &[1; 18][..]));
}

#[tokio::test]
async fn a_shutdown_awaits_the_release_of_dropped_guards() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    drop(try_acquire(&lock, LONG).await.unwrap());
    within("the shutdown ends", lock.shutdown()).await;
    assert!(is_free(&link).await);
}

#[tokio::test]
async fn the_janitor_goes_on_after_an_outage() {
    let server = Server::start().await;
    let (lock, link) = hasty(&server).await;
    let guard = try_acquire(&lock, LONG).await.unwrap();
    server.pause();
    drop(guard);
    until("the outage is noticed", async || {
        matches!(lock.release_raw("other", LeaseToken::random()).await, Err(LinkError::Down { .. }))
    })
    .await;
    server.resume();
    heals(&link).await;
    until("the lease is free", async || is_free(&link).await).await;
}

#[tokio::test]
async fn a_guard_dropped_after_the_end_of_its_runtime_leaves_the_lease_to_its_time() {
    let server = Server::start().await;
    let url = server.url();
    let guard = std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let link = RedisLink::connect(&url, steady()).await.unwrap();
            try_acquire(&RedisLock::new(link), LONG).await.unwrap()
        })
    });
    drop(guard.join().unwrap());
    assert_eq!(stored(&link(&server).await).await.as_deref(), Some("held"));
}

#[tokio::test]
async fn a_deadline_is_never_later_than_the_lease_of_the_server() {
    let server = Server::start().await;
    let lock = lock(&server).await;
    let guard = try_acquire(&lock, LONG).await.unwrap();
    let ours = guard.remaining();
    let Acquired::Busy { remaining: theirs } = raw(&lock, LeaseToken::random(), LONG).await else {
        panic!("not held")
    };
    let passed_since = ours.saturating_sub(guard.remaining());
    // The server says whole milliseconds.
    assert!(ours <= theirs + Duration::from_millis(1) + passed_since);
    assert!(guard.ensure(LONG / 2).is_ok());
    assert_eq!(guard.ensure(LONG + Duration::from_secs(1)), Err(LeaseLost));
}

#[tokio::test]
async fn a_lease_counts_from_before_its_acquire_was_sent() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    let ttl = Duration::from_secs(10);
    // For longer than the margins of a lease of this length, which would hide it.
    let _: String = link.query(cmd("CLIENT").arg("PAUSE").arg(600).arg("ALL")).await.unwrap();
    let asked = Instant::now();
    let guard = try_acquire(&lock, ttl).await.unwrap();
    let passed = asked.elapsed();
    assert!(guard.remaining() + passed <= ttl);
}

#[tokio::test]
async fn a_lease_that_runs_out_is_lost() {
    let server = Server::start().await;
    let lock = lock(&server).await;
    // So long that a busy machine receives the grant before it is over.
    let guard = try_acquire(&lock, Duration::from_secs(3)).await.unwrap();
    within("the loss is reported", guard.lost()).await;
    assert_eq!(guard.ensure(Duration::ZERO), Err(LeaseLost));
    assert!(guard.renew().await.is_err());
}

#[tokio::test]
async fn a_lease_taken_away_is_lost_at_the_next_renewal() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    let guard = try_acquire(&lock, LONG).await.unwrap();
    link.query::<()>(&cmd("FLUSHALL")).await.unwrap();
    let other = raw(&lock, LeaseToken::random(), LONG).await;
    assert!(matches!(other, Acquired::Granted { .. }));
    assert_eq!(guard.renew().await, Err(LeaseLost.into()));
    within("the loss is reported", guard.lost()).await;
    assert_eq!(guard.release().await, Ok(Released::Lost));
    assert!(!is_free(&link).await);
}

#[tokio::test]
async fn a_renewal_prolongs_and_never_creates() {
    let server = Server::start().await;
    let (lock, link, token) = (lock(&server).await, link(&server).await, LeaseToken::random());
    raw(&lock, token, Duration::from_secs(30)).await;
    assert_eq!(lock.renew_raw(KEY, token, LONG).await, Ok(Renewed::Renewed));
    let left = raw(&lock, LeaseToken::random(), LONG).await;
    assert!(matches!(left, Acquired::Busy { remaining } if remaining > LONG / 2), "{left:?}");
    assert_eq!(lock.renew_raw(KEY, LeaseToken::random(), LONG).await, Ok(Renewed::Lost));
    link.query::<()>(&cmd("FLUSHALL")).await.unwrap();
    assert_eq!(lock.renew_raw(KEY, token, LONG).await, Ok(Renewed::Lost));
    assert_eq!(stored(&link).await, None);
}

#[tokio::test]
async fn a_guard_kept_alive_outlives_its_first_time() {
    let server = Server::start().await;
    let lock = lock(&server).await;
    // Renewed after a third of it: there is time for a machine that is busy.
    let mut guard = try_acquire(&lock, Duration::from_secs(6)).await.unwrap();
    let (first, fence) = (guard.deadline(), guard.fence());
    guard.keep_alive();
    until("the first time is over", async || std::time::Instant::now() > first).await;
    assert!(guard.ensure(Duration::ZERO).is_ok());
    assert_eq!(guard.fence(), fence);
    assert_eq!(guard.release().await, Ok(Released::Released));
}

#[tokio::test]
async fn arguments_that_cannot_be_right_are_refused_by_name() {
    let server = Server::absent();
    let lock = RedisLock::new(RedisLink::connect(&server.url(), quick()).await.unwrap());
    let field = |outcome: Result<Guard, AcquireError>| match outcome {
        Err(AcquireError::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(try_acquire(&lock, Duration::from_millis(99)).await), "ttl");
    let options = AcquireOptions { floor: 1 << 53, ..AcquireOptions::default() };
    assert_eq!(field(lock.try_acquire(KEY, LONG, options).await), "floor");
}

#[tokio::test]
async fn without_a_server_an_acquire_says_so_at_once() {
    let server = Server::absent();
    let lock = RedisLock::new(RedisLink::connect(&server.url(), quick()).await.unwrap());
    let outcome = acquire(&lock, HANG).await;
    assert!(matches!(outcome, Err(AcquireError::Transport(LinkError::Down { .. }))), "{outcome:?}");
}

#[tokio::test]
async fn a_key_that_contains_something_else_is_left_alone() {
    let server = Server::start().await;
    let (lock, link) = (lock(&server).await, link(&server).await);
    link.query::<()>(cmd("SET").arg(KEY).arg("something of yours")).await.unwrap();
    let outcome = try_acquire(&lock, LONG).await;
    assert!(
        matches!(&outcome, Err(AcquireError::Transport(LinkError::Refused { code, .. })) if code == "NOTALEASE"),
        "{outcome:?}"
    );
    assert_eq!(link.query::<String>(cmd("GET").arg(KEY)).await.unwrap(), "something of yours");
}
