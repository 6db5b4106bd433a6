//! The lease of an account, against a real server.
#![allow(clippy::unwrap_used)]

mod model;

use std::{sync::Arc, time::Duration};

use solekey_conformance::lease::{self, LeaseSubject};
use solekey_core::{
    Account, ClaimId,
    ports::{Lease, LeaseReply},
};
use solekey_redis_link::{LinkOptions, RedisLink};
use solekey_redis_lock::{RedisLease, RedisLock};
use solekey_testkit::{
    proxy::{Direction, FaultProxy, Mode},
    redis::{RedisServer, redis_for_tests},
    wait::eventually,
};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_lease_does() {
    let build = async || {
        let server = redis_for_tests().await.unwrap();
        let link = RedisLink::connect(&server.url, patient()).await.unwrap();
        let lease = RedisLease::new(RedisLock::new(link), &server.prefix);
        LeaseSubject::new(Arc::new(lease)).keeping(server)
    };
    let report = lease::run("redis", build).await;
    assert_eq!(report.passed.len(), lease::CASES.len());
}

async fn lease_at(url: &str, options: LinkOptions) -> RedisLease {
    RedisLease::new(RedisLock::new(RedisLink::connect(url, options).await.unwrap()), "p")
}

async fn acquire(lease: &RedisLease, account: &Account) -> Option<ClaimId> {
    let token = ClaimId::new(Uuid::new_v4());
    let reply = lease.acquire(account, token, Duration::from_secs(600), None).await;
    matches!(reply, Ok(LeaseReply::Granted { .. })).then_some(token)
}

async fn is_held(lease: &RedisLease, account: &Account) -> bool {
    let token = ClaimId::new(Uuid::new_v4());
    let reply = lease.acquire(account, token, Duration::from_secs(600), None).await;
    matches!(reply, Ok(LeaseReply::Busy { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_whose_grant_or_release_nobody_heard_of_is_given_back() {
    let server = RedisServer::start().await.unwrap();
    let path = FaultProxy::start(server.address()).await.unwrap();
    let options = LinkOptions { command_timeout: Duration::from_secs(1), ..patient() };
    let ours = lease_at(&format!("redis://{}", path.address()), options).await;
    let theirs = lease_at(&server.url(), patient()).await;
    let is_free = async |account: &Account| {
        let token =
            eventually("it is given back", async || acquire(&theirs, account).await.ok_or("taken")).await;
        theirs.release(account, token).await.unwrap();
    };

    let account = Account::new("acme", "granted").unwrap();
    let token = eventually("the link is up", async || acquire(&ours, &account).await.ok_or("down")).await;
    ours.release(&account, token).await.unwrap();
    path.set(Mode::Lose(Direction::ToClient)).await;
    assert_eq!(acquire(&ours, &account).await, None);
    // The reply was lost; so are those to whoever gives the lease back.
    path.set(Mode::Cut).await;
    path.set(Mode::Pass).await;
    is_free(&account).await;

    let account = Account::new("acme", "released").unwrap();
    let token = eventually("the link is up", async || acquire(&ours, &account).await.ok_or("down")).await;
    path.set(Mode::Lose(Direction::ToServer)).await;
    ours.release(&account, token).await.unwrap_err();
    path.set(Mode::Cut).await;
    assert!(is_held(&theirs, &account).await, "it was not released");
    // Longer than an acquire may come late.
    tokio::time::sleep(Duration::from_secs(3)).await;
    path.set(Mode::Pass).await;
    is_free(&account).await;
}

/// A loaded machine may be slow; these tests are not about that.
fn patient() -> LinkOptions {
    let bound = Duration::from_secs(60);
    LinkOptions { command_timeout: bound, connect_timeout: bound, slow: bound, ..LinkOptions::default() }
}
