//! The scripts of the lease against the lease in memory.

use std::sync::Arc;

use solekey_conformance::model::{self, Backstage, LeasePairs, Make, Plan};
use solekey_redis_link::RedisLink;
use solekey_redis_lock::{RedisLease, RedisLock};

use crate::patient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_redis_7_do_what_the_lease_in_memory_does() {
    agree_on(Make::Redis7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_valkey_9_do_what_the_lease_in_memory_does() {
    agree_on(Make::Valkey9).await;
}

async fn agree_on(make: Make) {
    if make.is_waived() {
        return println!("model lease: without {make}, by name");
    }
    let build = async || {
        let server = Backstage::start(make).await.unwrap();
        let link = RedisLink::connect(&server.url(), patient()).await.unwrap();
        let lease = RedisLease::new(RedisLock::new(link), server.prefix());
        LeasePairs::new(Arc::new(lease), server)
    };
    println!("{}", model::run(&make.version().unwrap(), Plan::from_env(), build).await);
}
