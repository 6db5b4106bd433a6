//! The lease of an account, against a real server.
#![allow(clippy::unwrap_used)]

mod model;

use std::{sync::Arc, time::Duration};

use solekey_conformance::lease::{self, LeaseSubject};
use solekey_redis_link::{LinkOptions, RedisLink};
use solekey_redis_lock::{RedisLease, RedisLock};
use solekey_testkit::redis::redis_for_tests;

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

/// A loaded machine may be slow; these tests are not about that.
fn patient() -> LinkOptions {
    let bound = Duration::from_secs(60);
    LinkOptions { command_timeout: bound, connect_timeout: bound, slow: bound, ..LinkOptions::default() }
}
