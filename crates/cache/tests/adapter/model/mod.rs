//! The scripts of the shelf against the shelf in memory, and the level of this process against a plain account of it.

mod process;

use std::sync::Arc;

use solekey_cache::RedisCache;
use solekey_redis_link::RedisLink;
use solekey_testkit::{
    model::{self, Backstage, CacheTwins, Plan},
    redis::Make,
};

use crate::fixture::patient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_redis_7_do_what_the_shelf_in_memory_does() {
    agree_on(Make::Redis7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_valkey_9_do_what_the_shelf_in_memory_does() {
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
        CacheTwins::new(Arc::new(cache), server).await
    };
    println!("{}", model::run(&make.version().unwrap(), Plan::from_env(), build).await);
}
