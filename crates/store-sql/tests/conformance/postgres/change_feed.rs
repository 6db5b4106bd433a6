//! The change feed by LISTEN and NOTIFY.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use solekey_conformance::change_feed::{self, ChangeFeedSubject, Ends};
use solekey_core::{
    Generation,
    ports::{ChangeFeed, Heard, Listen},
};
use solekey_store_sql::PostgresStore;
use solekey_testkit::{
    postgres::{PostgresServer, is_waived, postgres_for_tests},
    wait::within,
};

use super::database::Database;
use crate::fixture::account;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_does_what_every_change_feed_does() {
    if is_waived() {
        return;
    }
    // One server for all databases of this test, which come and go.
    let _server = postgres_for_tests().await.unwrap();
    let report = change_feed::run("postgres", async || {
        let database = Database::new().await;
        let (one, another) = (database.open().await.change_feed(), database.open().await.change_feed());
        ChangeFeedSubject::new(Arc::new(Ends { one: Arc::new(one), another: Arc::new(another) }))
            .keeping(database)
    });
    let report = report.await;
    println!("{report}");
    assert_eq!(report.passed.len(), change_feed::CASES.len());
}

async fn heard(listener: &mut dyn Listen) -> Heard {
    within("something is heard", listener.next()).await.expect("there are always more")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_whose_session_was_ended_hears_of_a_gap_and_then_goes_on() {
    if is_waived() {
        return;
    }
    let (database, key) = (Database::new().await, account("a").key());
    let store = database.open().await;
    let (here, there) = (store.change_feed(), store.change_feed());
    let mut listener = there.listen().await;
    let killed = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    assert_eq!(killed.fetch_all(&mut database.connect().await).await.unwrap().len(), 1);
    // Heard by nobody.
    here.notify(key, Generation::new(1)).await.unwrap();
    assert_eq!(heard(&mut *listener).await, Heard::Gap);
    here.notify(key, Generation::new(2)).await.unwrap();
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
    let (here, there) = (store.change_feed(), store.change_feed());
    let mut listener = there.listen().await;
    for generation in 1..=2 {
        assert!(here.notify(key, Generation::new(generation)).await.is_err());
        server.restart().await.unwrap();
        assert_eq!(heard(&mut *listener).await, Heard::Gap);
        here.notify(key, Generation::new(generation)).await.unwrap();
        assert_eq!(
            heard(&mut *listener).await,
            Heard::Changed { key, generation: Generation::new(generation) }
        );
        server.kill9();
    }
}
