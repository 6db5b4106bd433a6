//! Waiters and wake-ups.

use std::{future::Future, pin::pin, sync::Arc, task::Context};

use solekey_cache::{WaitMap, Waiting, Wake};
use solekey_testkit::wait::BOUND;

use crate::fixture::{account, generation};

async fn woken(waiting: &mut Waiting) -> Option<Wake> {
    tokio::time::timeout(BOUND, waiting.woken()).await.ok()
}

/// Polls once: the interleaving is the test's, not the scheduler's.
fn now_or_never(waiting: &mut Waiting) -> Option<Wake> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match pin!(waiting.woken()).poll(&mut context) {
        std::task::Poll::Ready(wake) => Some(wake),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_wake_up_between_registering_and_awaiting_is_not_lost() {
    let map = WaitMap::new(10);
    let key = account("alice").key();
    let mut waiting = map.register(key);
    // Here the caller checks and finds nothing; here the owner publishes.
    assert_eq!(map.wake(key, generation(7)), 1);
    assert_eq!(now_or_never(&mut waiting), Some(Wake::Changed(generation(7))));
    assert_eq!(now_or_never(&mut waiting), None, "each wake-up is reported once");
}

#[test]
fn a_notification_before_registering_is_not_heard() {
    let map = WaitMap::new(10);
    let key = account("alice").key();
    let mut early = map.register(key);
    map.wake(key, generation(7));
    let mut late = map.register(key);
    assert_eq!(now_or_never(&mut early), Some(Wake::Changed(generation(7))));
    assert_eq!(now_or_never(&mut late), None);
}

#[test]
fn a_dropped_wait_keeps_its_wake_up() {
    let map = WaitMap::new(10);
    let key = account("alice").key();
    let mut waiting = map.register(key);
    assert_eq!(now_or_never(&mut waiting), None);
    map.wake(key, generation(7));
    assert_eq!(now_or_never(&mut waiting), Some(Wake::Changed(generation(7))));
}

#[test]
fn only_the_account_that_changed_is_woken_and_a_gap_wakes_everybody() {
    let map = WaitMap::new(10);
    let (alice, bob) = (account("alice").key(), account("bob").key());
    let (mut a, mut b) = (map.register(alice), map.register(bob));
    map.wake(alice, generation(7));
    assert_eq!(now_or_never(&mut a), Some(Wake::Changed(generation(7))));
    assert_eq!(now_or_never(&mut b), None);
    map.wake_all();
    assert_eq!([now_or_never(&mut a), now_or_never(&mut b)], [Some(Wake::Gap), Some(Wake::Gap)]);
}

#[test]
fn nobody_is_left_behind_when_waiters_leave() {
    let map = WaitMap::new(10);
    let key = account("alice").key();
    let (first, second) = (map.register(key), map.register(key));
    drop(first);
    assert_eq!((map.len(), map.wake(key, generation(1))), (1, 1));
    drop(second);
    assert_eq!((map.len(), map.wake(key, generation(2))), (0, 0));
}

#[test]
fn beyond_the_limit_waiters_are_deaf_until_others_leave() {
    let map = WaitMap::new(1);
    let key = account("alice").key();
    let seated = map.register(key);
    let mut deaf = map.register(key);
    map.wake(key, generation(1));
    assert_eq!(now_or_never(&mut deaf), None);
    drop((seated, deaf));
    let mut next = map.register(key);
    map.wake(key, generation(2));
    assert_eq!(now_or_never(&mut next), Some(Wake::Changed(generation(2))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_waiters_of_one_account_all_wake() {
    let map = WaitMap::new(100_000);
    let key = account("alice").key();
    let mut tasks = Vec::new();
    for _ in 0..5_000 {
        let mut waiting = map.register(key);
        tasks.push(tokio::spawn(async move { woken(&mut waiting).await }));
    }
    assert_eq!(map.wake(key, generation(7)), 5_000);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Some(Wake::Changed(generation(7))));
    }
    assert!(map.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn registrations_departures_and_wake_ups_at_once_lose_nobody() {
    let map = WaitMap::new(100_000);
    let key = account("alice").key();
    let churn: Vec<_> = (0..4)
        .map(|_| {
            let map = Arc::clone(&map);
            tokio::spawn(async move {
                for number in 1..2_000 {
                    let mut waiting = map.register(key);
                    map.wake(key, generation(number));
                    woken(&mut waiting).await.expect("is woken");
                }
            })
        })
        .collect();
    for task in churn {
        task.await.unwrap();
    }
    assert!(map.is_empty());
    assert_eq!(map.wake(key, generation(1)), 0);
}
