//! A server that is a standby, or has become one.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use solekey_core::{
    ClaimId, Settle,
    ports::{Store, StoreError, Trouble},
};
use solekey_store_sql::{PostgresError, PostgresStore};
use solekey_testkit::{
    postgres::{PostgresServer, is_waived},
    wait::eventually,
};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::fixture::{account, claim_on, log_in, login, payload, rotate};

fn assert_refused<T: std::fmt::Debug>(what: &str, answer: Result<T, StoreError>) {
    assert!(
        matches!(answer, Err(StoreError::Unavailable(Trouble::NotApplied(_)))),
        "{what} of a standby: {answer:?}"
    );
}

/// A standby may lag behind, and what it does not have is not absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_neither_read_nor_written_and_is_a_store_again_once_it_is_promoted() {
    if is_waived() {
        return;
    }
    let mut server = PostgresServer::start().await.unwrap();
    let (store, a) = (PostgresStore::connect(&server.url()).await.unwrap(), account("a"));
    log_in(&store, &a).await;
    let loaded = store.load(&a).await.unwrap();
    let claim = claim_on(&loaded, Duration::from_mins(1));
    store.pin("name", b"value").await.unwrap();

    server.kill9();
    let data = server.log_path().parent().unwrap().join("data");
    std::fs::write(data.join("standby.signal"), "").unwrap();
    server.restart().await.unwrap();
    let refused = PostgresStore::connect(&server.url()).await.unwrap_err();
    assert!(matches!(refused, PostgresError::Standby), "{refused:?}");
    // The connections of before may be dead, which would be a refusal, too.
    for _ in 0..10 {
        let settle = Settle { id: claim.id, from: claim.from, verdict: None, due_in: None };
        assert_refused("a row", store.load(&a).await);
        assert_refused("no row", store.load(&account("b")).await);
        assert_refused("the identity", store.identity().await);
        assert_refused("a page", store.list(None, None, 10).await);
        assert_refused("an empty page", store.list(Some("nobody"), None, 10).await);
        assert_refused("what is due", store.due("acme", Duration::from_mins(1), 10).await);
        assert_refused("a pin", store.pin("name", b"value").await);
        assert_refused("a pin that is moved", store.repin("name", b"value", b"another").await);
        assert_refused("a claim", store.claim(&a, &claim).await);
        assert_refused("a settling", store.settle(&a, &settle).await);
        assert_refused("a login", store.login(&account("b"), &login(), &payload()).await);
        assert_refused("a delete", store.delete(&a, ClaimId::new(Uuid::new_v4())).await);
    }

    let mut administrator = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query("SELECT pg_promote()").execute(&mut administrator).await.unwrap();
    let found = eventually("the server is the primary", async || {
        store.load(&a).await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(found.record, loaded.record);
    assert_eq!(rotate(&store, &a).await.rotations, 1);
    assert_eq!(store.list(None, None, 10).await.unwrap().rows.len(), 1);
    assert_eq!(store.list(Some("nobody"), None, 10).await.unwrap().rows, []);
}
