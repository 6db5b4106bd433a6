//! The change feed of processes that share a file.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use solekey_conformance::change_feed::{self, ChangeFeedSubject, Ends};
use solekey_core::{
    Generation,
    ports::{ChangeFeed as _, Heard},
};
use solekey_testkit::wait::within;
use sqlx::Executor as _;

use crate::fixture::{Location, account};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_does_what_every_change_feed_does() {
    let report = change_feed::run("sqlite", async || {
        let location = Location::new();
        let (one, another) = (location.open().await.change_feed(), location.open().await.change_feed());
        ChangeFeedSubject::new(Arc::new(Ends { one: Arc::new(one), another: Arc::new(another) }))
            .keeping(location)
    });
    let report = report.await;
    println!("{report}");
    assert_eq!(report.passed.len(), change_feed::CASES.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_missed_some_hears_of_a_gap_and_then_of_the_rest() {
    let (location, key) = (Location::new(), account("a").key());
    let (here, there) = (location.open().await.change_feed(), location.open().await.change_feed());
    let mut listener = there.listen().await;
    for generation in 1..=3 {
        here.notify(key, Generation::new(generation)).await.unwrap();
    }
    // As if thousands had been made in between.
    location.connect().await.execute("DELETE FROM notification WHERE generation < 3").await.unwrap();
    for expected in [Heard::Gap, Heard::Changed { key, generation: Generation::new(3) }] {
        assert_eq!(within("something is heard", listener.next()).await, Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_notifications_alone_stay_in_the_file() {
    let (location, key) = (Location::new(), account("a").key());
    let feed = location.open().await.change_feed();
    feed.notify(key, Generation::new(1)).await.unwrap();
    let mut connection = location.connect().await;
    // As if thousands had been made in between.
    connection.execute("UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'notification'").await.unwrap();
    feed.notify(key, Generation::new(2)).await.unwrap();
    let left = sqlx::query_scalar::<_, i64>("SELECT generation FROM notification");
    assert_eq!(left.fetch_all(&mut connection).await.unwrap(), [2]);
}
