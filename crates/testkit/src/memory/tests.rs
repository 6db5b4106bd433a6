//! The ports in memory pass the lists that they are there to stand in for.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, ClaimId, Moment, StoreTime,
    ports::{Answers, Clock, Store, StoreError, Trouble},
};

use super::*;
use crate::conformance::{
    self, Report,
    answers::AnswersSubject,
    cache::CacheSubject,
    lease::LeaseSubject,
    news::{Ends, NewsSubject},
    pace::PaceSubject,
    store::{Foreign, StoreSubject},
};

struct NewerVersion(Arc<MemoryStore>);

#[async_trait]
impl Foreign for NewerVersion {
    async fn set_format(&self, account: &Account, format: u16) {
        self.0.set_format(account, format);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_passes_the_list_of_stores() {
    let build = async || {
        let store = Arc::new(MemoryStore::new());
        StoreSubject::new(store.clone(), Arc::new(NewerVersion(store)))
    };
    complete(&conformance::store::run("memory", build).await, conformance::store::CASES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_ports_in_memory_pass_their_lists() {
    let lease = async || LeaseSubject::new(Arc::new(MemoryLease::new()));
    complete(&conformance::lease::run("memory", lease).await, conformance::lease::CASES.len());
    let answers = async || AnswersSubject::new(Arc::new(MemoryAnswers::new()));
    complete(&conformance::answers::run("memory", answers).await, conformance::answers::CASES.len());
    let cache = async || CacheSubject::new(Arc::new(MemoryCache::new()));
    complete(&conformance::cache::run("memory", cache).await, conformance::cache::CASES.len());
    let news = async || {
        let one = MemoryNews::new();
        let another = Arc::new(one.of_another());
        NewsSubject::new(Arc::new(Ends { one: Arc::new(one), another }))
    };
    complete(&conformance::news::run("memory", news).await, conformance::news::CASES.len());
    let pace = async || PaceSubject::new(Arc::new(MemoryPace::new()));
    complete(&conformance::pace::run("memory", pace).await, conformance::pace::CASES.len());
}

#[tokio::test]
#[should_panic(expected = "forgetful: answers: answers::come_back_as_they_were_written")]
async fn an_adapter_that_loses_what_it_took_fails_by_the_name_of_the_case() {
    struct Forgetful(MemoryAnswers);

    #[async_trait]
    impl Answers for Forgetful {
        async fn write(&self, account: &Account, answer: &solekey_core::Answer) -> Result<(), Trouble> {
            let payload = solekey_core::Sealed::default();
            self.0.write(account, &solekey_core::Answer { payload, ..answer.clone() }).await
        }

        async fn newest(&self, account: &Account) -> Result<solekey_core::Found, Trouble> {
            self.0.newest(account).await
        }

        async fn reseal(
            &self,
            account: &Account,
            attempt: solekey_core::Generation,
            claim: solekey_core::ClaimId,
            payload: &solekey_core::Sealed,
        ) -> Result<(), Trouble> {
            self.0.reseal(account, attempt, claim, payload).await
        }

        async fn erase(&self, account: &Account, before: solekey_core::Generation) -> Result<(), Trouble> {
            self.0.erase(account, before).await
        }

        async fn enrol(
            &self,
            enrolment: &solekey_core::ports::Enrolment,
        ) -> Result<solekey_core::ports::Enrolment, Trouble> {
            self.0.enrol(enrolment).await
        }
    }

    let build = async || AnswersSubject::new(Arc::new(Forgetful(MemoryAnswers::new())));
    conformance::answers::run("forgetful", build).await;
}

#[tokio::test]
async fn faults_strike_before_or_after_the_work_and_end() {
    let (store, account) = (MemoryStore::new(), Account::new("acme", "a").unwrap());
    let pin = async |value: &'static [u8]| store.pin("x", value).await;
    store.faults().fail_next_of("pin", 1, Fault::UnknownBefore);
    store.faults().fail_next_of("pin", 1, Fault::UnknownAfter);
    store.faults().fail_next(1, Fault::NotApplied);
    assert!(matches!(pin(b"1").await, Err(StoreError::Unavailable(Trouble::Unknown(_)))));
    assert!(matches!(pin(b"2").await, Err(StoreError::Unavailable(Trouble::Unknown(_)))));
    assert!(matches!(store.load(&account).await, Err(StoreError::Unavailable(Trouble::NotApplied(_)))));
    assert_eq!(pin(b"3").await.unwrap(), b"2", "the second was carried out, the first was not");
    store.faults().leave();
    assert!(pin(b"4").await.is_err());
    store.faults().come_back();
    assert!(pin(b"5").await.is_ok());
    assert_eq!(store.faults().calls("pin"), 5);
}

#[tokio::test]
async fn a_store_goes_back_to_a_snapshot_while_its_clock_goes_on() {
    let store = MemoryStore::with_clock(MemoryClock::standing(StoreTime::from_micros(10)));
    store.pin("kept", b"1").await.unwrap();
    let snapshot = store.snapshot();
    let before = store.identity().await.unwrap();
    store.pin("lost", b"1").await.unwrap();
    store.clock().advance(Duration::from_micros(5));
    store.restore(&snapshot);
    let after = store.identity().await.unwrap();
    assert_eq!((after.id, after.now), (before.id, StoreTime::from_micros(15)));
    assert_eq!(store.pin("lost", b"2").await.unwrap(), b"2");
    store.wipe();
    assert_ne!(store.identity().await.unwrap().id, before.id);
    assert_eq!(store.delete(&Account::new("acme", "a").unwrap(), id()).await.unwrap().record, None);
}

#[tokio::test(start_paused = true)]
async fn clocks_follow_a_paused_runtime() {
    let (server, process) = (MemoryClock::tokio(StoreTime::from_micros(0)), TestClock::tokio());
    let (moment, wall) = (process.now(), process.wall());
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(server.now(), StoreTime::from_micros(90_000_000));
    assert_eq!(process.now().since(moment), Duration::from_secs(90));
    process.set_wall(wall);
    process.advance(Duration::from_secs(10));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(process.wall(), wall + Duration::from_secs(11), "set back, then on");
    assert_eq!(process.now().since(moment), Duration::from_secs(101));
    process.set_moment(Moment::from_micros(1));
    assert_eq!(process.now(), Moment::from_micros(1));
}

fn complete(report: &Report, cases: usize) {
    println!("{report}");
    assert_eq!(report.passed.len(), cases);
}

fn id() -> ClaimId {
    ClaimId::new(uuid::Uuid::new_v4())
}
