//! News by LISTEN and NOTIFY.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Generation,
    ports::{Heard, Listen, News},
};
use solekey_store_sql::PostgresStore;
use solekey_testkit::{
    conformance::news::{self, Ends, NewsSubject},
    postgres::{PostgresServer, is_waived, postgres_for_tests},
};

use super::database::Database;
use crate::fixture::account;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_does_what_all_news_do() {
    if is_waived() {
        return;
    }
    // One server for all databases of this test, which come and go.
    let _server = postgres_for_tests().await.unwrap();
    let report = news::run("postgres", async || {
        let database = Database::new().await;
        let (one, another) = (database.open().await.news(), database.open().await.news());
        NewsSubject::new(Arc::new(Ends { one: Arc::new(one), another: Arc::new(another) })).keeping(database)
    });
    let report = report.await;
    println!("{report}");
    assert_eq!(report.passed.len(), news::CASES.len());
}

/// Longer than anything here takes; met only when something hangs.
async fn heard(listener: &mut dyn Listen) -> Heard {
    let heard = tokio::time::timeout(Duration::from_secs(30), listener.next()).await;
    heard.expect("heard in time").expect("there are always more")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_whose_session_was_ended_hears_of_a_gap_and_then_goes_on() {
    if is_waived() {
        return;
    }
    let (database, key) = (Database::new().await, account("a").key());
    let store = database.open().await;
    let (here, there) = (store.news(), store.news());
    let mut listener = there.listen().await;
    let killed = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    assert_eq!(killed.fetch_all(&mut database.connect().await).await.unwrap().len(), 1);
    // Told to nobody.
    here.tell(key, Generation::new(1)).await.unwrap();
    assert_eq!(heard(&mut *listener).await, Heard::Gap);
    here.tell(key, Generation::new(2)).await.unwrap();
    assert_eq!(heard(&mut *listener).await, Heard::Changed { key, generation: Generation::new(2) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_came_before_its_server_or_outlived_it_hears_of_a_gap() {
    if is_waived() {
        return;
    }
    let (mut server, key) = (PostgresServer::start().await.unwrap(), account("a").key());
    server.kill9();
    let store = PostgresStore::open(&server.url()).unwrap();
    let (here, there) = (store.news(), store.news());
    let mut listener = there.listen().await;
    for generation in 1..=2 {
        assert!(here.tell(key, Generation::new(generation)).await.is_err());
        server.restart().await.unwrap();
        assert_eq!(heard(&mut *listener).await, Heard::Gap);
        here.tell(key, Generation::new(generation)).await.unwrap();
        assert_eq!(
            heard(&mut *listener).await,
            Heard::Changed { key, generation: Generation::new(generation) }
        );
        server.kill9();
    }
}
