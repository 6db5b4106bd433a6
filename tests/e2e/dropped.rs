//! Callers that stop waiting.

use std::{future::poll_fn, pin::pin, task::Poll};

use solekey::{AccessToken, Solekey, TokenError, core::Account};
use solekey_testkit::provider::Fault;
use tokio::runtime::Handle;

use crate::{
    fleet::{Fleet, Mode, Plan},
    wait::{eventually, within},
};

/// Polls a future that often, then drops it; what it came to, if it was ready before.
async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops a call after each of its polls in turn, every time on an account of its own whose refresh it starts, until one
/// call comes to its end. Returns how many were dropped.
async fn dropped_everywhere<F>(fleet: &Fleet, name: &str, call: F) -> usize
where
    F: AsyncFn(&Solekey, &Account) -> Result<AccessToken, TokenError>,
{
    let replica = fleet.first();
    for polls in 0..MOST_POLLS {
        let (account, _) = fleet.log_in_due(&format!("{name}-{polls}")).await;
        let outcome = within("polls", polled(polls, call(replica, &account))).await;
        if polls > 0 {
            // The refresh went on without its caller.
            let rotated = |provider: &solekey_testkit::provider::AuthorizationServer| {
                provider.tally_of(account.id()).rotations == 1
            };
            within("a rotation", fleet.provider.wait_until(rotated)).await;
        }
        fleet.assert_all_serve_the_newest(&account).await;
        fleet.assert_presented(&account, 1);
        if let Some(outcome) = outcome {
            outcome.expect("a token");
            return polls;
        }
    }
    panic!("{name}: no end after {MOST_POLLS} polls");
}

async fn nothing_but_the_waiting_changes(mode: Mode) {
    let tasks = Handle::current().metrics();
    let fleet = Fleet::start(Plan { mode, replicas: 1, ..Plan::default() }).await;
    let dropped = [
        dropped_everywhere(&fleet, "token", async |replica, account| replica.token(account).await).await,
        dropped_everywhere(&fleet, "refresh", async |replica, account| replica.refresh(account, None).await)
            .await,
    ];
    assert!(dropped.iter().all(|polls| *polls > 1), "each call waits at least once: {dropped:?}");
    let Fleet { provider, replicas, .. } = fleet;
    let shutdown = within("shutdown", replicas[0].shutdown(solekey::DEFAULT_DRAIN)).await;
    assert_eq!(shutdown.in_doubt, 0);
    assert_eq!(replicas[0].health().await.flights, 0);
    drop(replicas);
    provider.stop().await;
    eventually("no task is left", async || (tasks.num_alive_tasks() == 0).then_some(())).await;
}

/// N-1.
#[tokio::test]
async fn a_caller_dropped_at_every_await_of_a_call_changes_nothing_but_its_waiting() {
    nothing_but_the_waiting_changes(Mode::RedisAndSqlite).await;
}

#[tokio::test]
async fn a_caller_dropped_at_every_await_of_a_call_changes_nothing_without_redis() {
    nothing_but_the_waiting_changes(Mode::Embedded).await;
}

#[tokio::test]
async fn the_first_caller_leaves_and_the_others_get_what_it_started() {
    let fleet = Fleet::start(Plan { mode: Mode::Redis, replicas: 2, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_due("a").await;
    fleet.provider.inject(Fault::HoldBefore.once());
    let replica = fleet.first();
    let mut first = Box::pin(replica.token(&account));
    tokio::select! {
        early = &mut first => panic!("{early:?}"),
        _ = within("the request", fleet.provider.held(account.id())) => {}
    }
    drop(first);
    let others = async { tokio::join!(replica.token(&account), fleet.replicas[1].token(&account)) };
    let release = async {
        eventually("the others wait", async || (replica.health().await.waiting == 1).then_some(())).await;
        fleet.provider.release(account.id());
    };
    let ((one, other), ()) = within("tokens", async { tokio::join!(others, release) }).await;
    assert_eq!(one.unwrap().expose_secret(), other.unwrap().expose_secret());
    fleet.assert_presented(&account, 1);
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.shut_down().await;
}

/// A call takes a handful.
const MOST_POLLS: usize = 50;
