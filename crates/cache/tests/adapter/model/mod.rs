//! The scripts of the shared cache compared with the one in memory, and the level of this process compared with a plain
//! model.

mod process;

use std::sync::Arc;

use solekey_cache::{RedisCache, RedisRateLimiter};
use solekey_conformance::model::{self, Backstage, CachePairs, Make, Plan, RateLimiterPairs};
use solekey_redis_link::RedisLink;

use crate::fixture::patient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_redis_7_do_what_the_shared_cache_in_memory_does() {
    agree_on(Make::Redis7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_valkey_9_do_what_the_shared_cache_in_memory_does() {
    agree_on(Make::Valkey9).await;
}

async fn agree_on(make: Make) {
    if make.is_waived() {
        return println!("model cache: without {make}, by name");
    }
    let build = async || {
        let server = Backstage::start(make).await.unwrap();
        let link = RedisLink::connect(&server.url(), patient()).await.unwrap();
        let cache = RedisCache::new(link, server.prefix()).unwrap();
        CachePairs::new(Arc::new(cache), server).await
    };
    println!("{}", model::run(&make.version().unwrap(), Plan::from_env(), build).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_redis_7_do_what_the_rate_limiter_in_memory_does() {
    rate_limiters_agree_on(Make::Redis7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_valkey_9_do_what_the_rate_limiter_in_memory_does() {
    rate_limiters_agree_on(Make::Valkey9).await;
}

async fn rate_limiters_agree_on(make: Make) {
    if make.is_waived() {
        return println!("model limiter: without {make}, by name");
    }
    let build = async || {
        let server = Backstage::start(make).await.unwrap();
        let link = RedisLink::connect(&server.url(), patient()).await.unwrap();
        let limiter = RedisRateLimiter::new(link, server.prefix()).unwrap();
        RateLimiterPairs::new(Arc::new(limiter), server)
    };
    println!("{}", model::run(&make.version().unwrap(), Plan::from_env(), build).await);
}
