//! Futures that are dropped, and writers that are stuck.

#![allow(clippy::unwrap_used)]

use std::{future::Future, pin::pin, task::Context, time::Duration};

use futures_util::task::noop_waker;
use solekey_core::ports::{Store, StoreError, Trouble};
use solekey_testkit::wait::eventually;
use sqlx::Connection as _;

use crate::fixture::{Location, account, claim_on, commit_of, log_in, login, payload, rotate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_carried_out_after_its_future_was_dropped() {
    let (place, a) = (Location::new(), account("a"));
    let (store, other) = (place.open().await, place.open().await);
    log_in(&store, &a).await;
    for round in 0..20 {
        let loaded = store.load(&a).await.unwrap();
        let claimed = store.claim(&a, &claim_on(&loaded, Duration::from_mins(1))).await.unwrap();
        let commit = commit_of(&claimed.record.unwrap().row);
        poll_and_drop(store.commit(&a, &commit, &payload()), round);
        let committed = async || {
            let row = other.load(&a).await.unwrap().record.unwrap().row;
            (row.made_by == commit.note.claim).then_some(())
        };
        eventually("a commit", committed).await;
        log_in(&other, &account(&format!("other {round}"))).await;
    }
    assert_eq!(other.load(&a).await.unwrap().record.unwrap().row.rotations, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_changes_that_nobody_waits_for() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    poll_and_drop(store.login(&a, &login(), &payload()), 1);
    store.close().await;
    assert!(place.open().await.load(&a).await.unwrap().record.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_stuck_in_another_process_is_waited_for_and_then_reported_as_not_applied() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    let row = log_in(&store, &a).await;
    let mut stuck = place.connect().await;
    let held = stuck.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let loaded = store.load(&a).await.unwrap();
    assert_eq!(loaded.record.as_ref().unwrap().row, row, "readers do not wait for writers");
    let refused = store.claim(&a, &claim_on(&loaded, Duration::from_mins(1))).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{refused:?}");
    held.rollback().await.unwrap();
    assert_eq!(store.load(&a).await.unwrap().record.unwrap().row, row);
    assert_eq!(rotate(&store, &a).await.rotations, 1);
}

/// Polls a few times, so that the future is dropped at various places, or done.
fn poll_and_drop<T>(future: impl Future<Output = T>, times: usize) {
    let mut future = pin!(future);
    let waker = noop_waker();
    for _ in 0..=times {
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
        std::thread::yield_now();
    }
}
