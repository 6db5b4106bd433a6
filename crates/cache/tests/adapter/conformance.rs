//! The list that every shelf passes.

use std::sync::Arc;

use solekey_testkit::conformance::{Subject, cache, pace};

use crate::fixture::Fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_shelf_does() {
    let build = async || {
        let fixture = Fixture::new().await;
        let shelf: Arc<dyn solekey_core::ports::Cache> = Arc::new(fixture.cache.clone());
        Subject::new(shelf).keeping(fixture)
    };
    let report = cache::run("redis", build).await;
    assert_eq!(report.passed.len(), cache::CASES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_pace_does() {
    let build = async || {
        let fixture = Fixture::new().await;
        let gates: Arc<dyn solekey_core::ports::Pace> = Arc::new(fixture.pace());
        Subject::new(gates).keeping(fixture)
    };
    let report = pace::run("redis", build).await;
    assert_eq!(report.passed.len(), pace::CASES.len());
}
