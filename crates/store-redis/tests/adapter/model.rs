//! The scripts compared with the functions they repeat: rows and answers in Redis and those in memory.

use std::sync::Arc;

use solekey_conformance::model::{self, AnswersPairs, Backstage, Make, Plan, RedisStage, StorePairs};
use solekey_redis_link::RedisLink;
use solekey_store_redis::{RedisAnswers, RedisStore};

use crate::fixture::patient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_redis_7_do_what_the_store_in_memory_does() {
    stores_agree_on(Make::Redis7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_valkey_9_do_what_the_store_in_memory_does() {
    stores_agree_on(Make::Valkey9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_redis_7_do_what_the_answers_in_memory_do() {
    answers_agree_on(Make::Redis7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_on_valkey_9_do_what_the_answers_in_memory_do() {
    answers_agree_on(Make::Valkey9).await;
}

async fn stores_agree_on(make: Make) {
    if make.is_waived() {
        return println!("model store: without {make}, by name");
    }
    let build = async || {
        let (server, link) = server(make).await;
        let store = RedisStore::new(link, server.prefix()).unwrap();
        StorePairs::new(RedisStage { store, server }).await
    };
    println!("{}", model::run(&make.version().unwrap(), Plan::from_env(), build).await);
}

async fn answers_agree_on(make: Make) {
    if make.is_waived() {
        return println!("model answers: without {make}, by name");
    }
    let build = async || {
        let (server, link) = server(make).await;
        let answers = RedisAnswers::new(link, server.prefix()).unwrap();
        AnswersPairs::new(Arc::new(answers), server)
    };
    println!("{}", model::run(&make.version().unwrap(), Plan::from_env(), build).await);
}

async fn server(make: Make) -> (Backstage, RedisLink) {
    let server = Backstage::start(make).await.unwrap();
    let link = RedisLink::connect(&server.url(), patient()).await.unwrap();
    (server, link)
}
