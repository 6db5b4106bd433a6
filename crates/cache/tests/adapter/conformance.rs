//! The list that every shared cache passes.

use std::sync::Arc;

use solekey_conformance::{Subject, cache, rate_limiter};

use crate::fixture::Fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_shared_cache_does() {
    let build = async || {
        let fixture = Fixture::new().await;
        let shared_cache: Arc<dyn solekey_core::ports::Cache> = Arc::new(fixture.cache.clone());
        Subject::new(shared_cache).keeping(fixture)
    };
    let report = cache::run("redis", build).await;
    assert_eq!(report.passed.len(), cache::CASES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_rate_limiter_does() {
    let build = async || {
        let fixture = Fixture::new().await;
        let limiter: Arc<dyn solekey_core::ports::RateLimiter> = Arc::new(fixture.rate_limiter());
        Subject::new(limiter).keeping(fixture)
    };
    let report = rate_limiter::run("redis", build).await;
    assert_eq!(report.passed.len(), rate_limiter::CASES.len());
}
