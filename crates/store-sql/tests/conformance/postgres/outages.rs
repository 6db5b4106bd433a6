//! Servers that die, hang, or are the wrong ones.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use solekey_core::ports::{Store, StoreError, Trouble};
use solekey_store_sql::{PostgresError, PostgresStore};
use solekey_testkit::{
    postgres::{PostgresServer, is_waived},
    proxy::{Direction, FaultProxy, Mode},
    wait::eventually,
};
use sqlx::Connection as _;

use super::database::Database;
use crate::fixture::{account, claim_on, commit_of, log_in, payload, rotate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_killed_server_and_the_store_finds_it_again() {
    if is_waived() {
        return;
    }
    let (mut server, a) = (PostgresServer::start().await.unwrap(), account("a"));
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    let identity = store.identity().await.unwrap().id;
    log_in(&store, &a).await;
    for round in 1..=3 {
        let row = rotate(&store, &a).await;
        let loaded = store.load(&a).await.unwrap();
        let claimed = store.claim(&a, &claim_on(&loaded, Duration::from_mins(1))).await.unwrap();
        let commit = commit_of(&claimed.record.unwrap().row);
        server.kill9();
        let refused = store.commit(&a, &commit, &payload()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        server.restart().await.unwrap();
        // Connections of before the outage are found to be dead one by one.
        let loaded = eventually("a row", async || {
            store.load(&a).await.map_err(|error| {
                assert!(matches!(error, StoreError::Unavailable(Trouble::NotApplied(_))));
                error.to_string()
            })
        })
        .await;
        assert_eq!(loaded.record.unwrap().row.generation, row.generation, "round {round}");
        store.commit(&a, &commit, &payload()).await.unwrap();
        store.commit(&a, &commit, &payload()).await.unwrap();
        let row = store.load(&a).await.unwrap().record.unwrap().row;
        assert_eq!((row.made_by, row.rotations), (commit.note.claim, 2 * round));
    }
    assert_eq!(store.identity().await.unwrap().id, identity);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_reply_is_lost_is_of_unknown_outcome_and_repeated_changes_nothing() {
    if is_waived() {
        return;
    }
    let (database, a) = (Database::new().await, account("a"));
    let direct = database.open().await;
    log_in(&direct, &a).await;
    let mut url = url::Url::parse(&database.url).unwrap();
    let target = url.socket_addrs(|| Some(5432)).unwrap()[0];
    let proxy = FaultProxy::start(target).await.unwrap();
    url.set_ip_host(proxy.address().ip()).unwrap();
    url.set_port(Some(proxy.address().port())).unwrap();
    let store = Arc::new(PostgresStore::connect(url.as_str()).await.unwrap());

    let loaded = store.load(&a).await.unwrap();
    let claim = claim_on(&loaded, Duration::from_mins(1));
    // Somebody's lock holds the write up until its reply has nowhere to go.
    let mut other = database.connect().await;
    let mut held = other.begin_with("BEGIN").await.unwrap();
    sqlx::query("SELECT FROM solekey.account FOR UPDATE").fetch_all(&mut *held).await.unwrap();
    let (waiting, at) = (store.clone(), a.clone());
    let claimed = tokio::spawn(async move { waiting.claim(&at, &claim).await });
    database.until_somebody_waits().await;
    proxy.set(Mode::Lose(Direction::ToClient)).await;
    held.rollback().await.unwrap();
    let unknown = claimed.await.unwrap();
    assert!(matches!(unknown, Err(StoreError::Unavailable(Trouble::Unknown(_)))), "{unknown:?}");
    proxy.set(Mode::Pass).await;

    let found = direct.load(&a).await.unwrap().record;
    assert_eq!(found.as_ref().and_then(|record| record.row.open).map(|open| open.id), Some(claim.id));
    let again = store.claim(&a, &claim).await.unwrap();
    assert_eq!(again.record, found, "on a new connection, without a change");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_were_opened_before_their_server_make_its_tables_once_when_it_is_there() {
    if is_waived() {
        return;
    }
    let (mut server, a) = (PostgresServer::start().await.unwrap(), account("a"));
    server.kill9();
    let stores = [(); 8].map(|()| PostgresStore::open(&server.url()).unwrap());
    let early = stores[0].load(&a).await;
    assert!(matches!(early, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{early:?}");
    server.restart().await.unwrap();
    let identities = join_all(stores.iter().map(async |store| {
        eventually("an identity", async || store.identity().await.map_err(|error| error.to_string())).await.id
    }));
    let identities: BTreeSet<_> = identities.await.into_iter().collect();
    assert_eq!(identities.len(), 1);
    log_in(&stores[0], &a).await;
    assert!(stores[1].load(&a).await.unwrap().record.is_some());
}

#[tokio::test]
async fn urls_are_refused_without_repeating_their_passwords() {
    for url in
        ["nonsense", "mysql://u:s3cret@h/db", "postgres:u:s3cret@h/db", "postgres://u:s3cret@h:port/db"]
    {
        let refused = PostgresStore::open(url).unwrap_err();
        let message = format!("{refused} {refused:?}");
        assert!(!message.contains("s3cret"), "{message}");
        assert!(matches!(refused, PostgresError::Url { .. }), "{message}");
    }
    let away = PostgresStore::connect("postgres://u:s3cret@127.0.0.1:1/db").await.unwrap_err();
    let message = format!("{away} {away:?}");
    assert!(!message.contains("s3cret"), "{message}");
    assert!(matches!(away, PostgresError::Database(_)), "{message}");
}
