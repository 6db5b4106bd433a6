//! The ports in memory pass the lists of what they stand in for, and an adapter that does not is named.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use solekey_conformance::{
    Report,
    answers::{self, AnswersSubject},
    cache::{self, CacheSubject},
    change_feed::{self, ChangeFeedSubject, Ends},
    lease::{self, LeaseSubject},
    rate_limiter::{self, RateLimiterSubject},
    store::{self, StoreSubject},
};
use solekey_core::{
    Account, Answer, ClaimId, Found, Generation, Sealed,
    ports::{Answers, Registration, Trouble},
};
use solekey_testkit::memory::{
    MemoryAnswers, MemoryCache, MemoryChangeFeed, MemoryLease, MemoryRateLimiter, MemoryStore,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_passes_the_list_of_stores() {
    let build = async || {
        let store = Arc::new(MemoryStore::new());
        StoreSubject::new(store.clone(), store)
    };
    complete(&store::run("memory", build).await, store::CASES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_ports_in_memory_pass_their_lists() {
    let lease = async || LeaseSubject::new(Arc::new(MemoryLease::new()));
    complete(&lease::run("memory", lease).await, lease::CASES.len());
    let answers = async || AnswersSubject::new(Arc::new(MemoryAnswers::new()));
    complete(&answers::run("memory", answers).await, answers::CASES.len());
    let cache = async || CacheSubject::new(Arc::new(MemoryCache::new()));
    complete(&cache::run("memory", cache).await, cache::CASES.len());
    let change_feed = async || {
        let one = MemoryChangeFeed::new();
        let another = Arc::new(one.of_another());
        ChangeFeedSubject::new(Arc::new(Ends { one: Arc::new(one), another }))
    };
    complete(&change_feed::run("memory", change_feed).await, change_feed::CASES.len());
    let rate_limiter = async || RateLimiterSubject::new(Arc::new(MemoryRateLimiter::new()));
    complete(&rate_limiter::run("memory", rate_limiter).await, rate_limiter::CASES.len());
}

#[tokio::test]
#[should_panic(expected = "forgetful: answers: answers::come_back_as_they_were_written")]
async fn an_adapter_that_loses_what_it_took_fails_by_the_name_of_the_case() {
    struct Forgetful(MemoryAnswers);

    #[async_trait]
    impl Answers for Forgetful {
        async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
            let payload = Sealed::default();
            self.0.write(account, &Answer { payload, ..answer.clone() }).await
        }

        async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
            self.0.newest(account).await
        }

        async fn reseal(
            &self,
            account: &Account,
            attempt: Generation,
            claim: ClaimId,
            payload: &Sealed,
        ) -> Result<(), Trouble> {
            self.0.reseal(account, attempt, claim, payload).await
        }

        async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
            self.0.erase(account, before).await
        }

        async fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
            self.0.register(registration).await
        }

        async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
            self.0.register_anew(registration).await
        }
    }

    let build = async || AnswersSubject::new(Arc::new(Forgetful(MemoryAnswers::new())));
    answers::run("forgetful", build).await;
}

fn complete(report: &Report, cases: usize) {
    println!("{report}");
    assert_eq!(report.passed.len(), cases);
}
