//! The lists that every store and every place of answers passes.

use std::sync::Arc;

use solekey_conformance::{
    Subject, answers,
    store::{self, StoreSubject},
};
use solekey_core::ports::{Answers, Store};

use crate::fixture::{Fixture, Newer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_store_does() {
    let build = async || {
        let fixture = Fixture::new().await;
        let store: Arc<dyn Store> = Arc::new(fixture.store.clone());
        let newer = Newer { link: fixture.link.clone(), prefix: fixture.prefix.clone() };
        StoreSubject::new(store, Arc::new(newer)).keeping(fixture)
    };
    let report = store::run("redis", build).await;
    assert_eq!(report.passed.len(), store::CASES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_does_what_every_location_of_answers_does() {
    let build = async || {
        let fixture = Fixture::new().await;
        let answers: Arc<dyn Answers> = Arc::new(fixture.answers.clone());
        Subject::new(answers).keeping(fixture)
    };
    let report = answers::run("redis", build).await;
    assert_eq!(report.passed.len(), answers::CASES.len());
}
