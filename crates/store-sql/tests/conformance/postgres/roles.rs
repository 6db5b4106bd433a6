//! A server that is a standby, or has become one.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use solekey_core::{
    Account, ClaimId, Settle,
    ports::{Loaded, Store, StoreError, Trouble},
};
use solekey_store_sql::{PostgresError, PostgresStore};
use solekey_testkit::{
    postgres::{PostgresServer, is_waived},
    wait::{BOUND, eventually},
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
        assert_refused("a pin that is not there", store.pinned("nobody").await);
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
    let settled = async || store.claims_wait().is_zero().then_some(()).ok_or("they wait");
    eventually("claims are taken again", settled).await;
    assert_eq!(rotate(&store, &a).await.rotations, 1);
    assert_eq!(store.list(None, None, 10).await.unwrap().rows.len(), 1);
    assert_eq!(store.list(Some("nobody"), None, 10).await.unwrap().rows, []);
}

/// A22. The copy is a standby that had not received the last changes when it was promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_that_lost_a_claim_its_owner_repeats_it_before_others_claim() {
    if is_waived() {
        return;
    }
    let mut server = PostgresServer::start().await.unwrap();
    let owner = PostgresStore::connect(&server.url()).await.unwrap();
    let other = PostgresStore::connect(&server.url()).await.unwrap();
    let a = account("a");
    log_in(&owner, &a).await;
    server.copy().await.unwrap();
    let loaded = eventually("the server is back", async || loads(&owner, &a).await).await;
    eventually("the server is back", async || loads(&other, &a).await).await;
    assert_eq!((owner.restarts(), other.restarts()), (0, 0), "it has what it acknowledged");
    let claim = claim_on(&loaded, Duration::from_mins(1));
    owner.claim(&a, &claim).await.unwrap();

    server.fail_over_to_copy().await.unwrap();
    let others = claim_on(&loaded, Duration::from_mins(1));
    let refused = eventually("the server is the primary", async || match other.claim(&a, &others).await {
        Err(StoreError::Unavailable(error)) => Err(error.to_string()),
        done => Ok(done),
    })
    .await;
    assert!(matches!(refused, Err(StoreError::Late)), "{refused:?}");
    let found = other.load(&a).await.unwrap();
    assert_eq!(found.record.as_ref().unwrap().row.open, None, "the claim is lost");
    assert_eq!(other.restarts(), 1);
    // It asks for nothing but that.
    tokio::time::timeout(BOUND, owner.restarted(0)).await.unwrap();
    assert_eq!(owner.restarts(), 1);
    owner.repeat_claim(&a, &claim).await.unwrap();
    let open = other.load(&a).await.unwrap().record.unwrap().row.open.unwrap();
    assert_eq!(open.id, claim.id);
    let settled = async || other.claims_wait().is_zero().then_some(()).ok_or("they wait");
    eventually("claims are taken again", settled).await;
    let moved = other.claim(&a, &claim_on(&found, Duration::from_mins(1))).await;
    assert!(matches!(moved, Err(StoreError::Moved(_))), "{moved:?}");
}

async fn loads(store: &PostgresStore, account: &Account) -> Result<Loaded, String> {
    store.load(account).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_role_that_may_not_see_the_timeline_is_served() {
    if is_waived() {
        return;
    }
    let server = PostgresServer::start().await.unwrap();
    let mut administrator = PgConnection::connect(&server.url()).await.unwrap();
    for statement in [
        "CREATE ROLE app LOGIN",
        "GRANT CREATE ON DATABASE postgres TO app",
        "REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC",
    ] {
        sqlx::raw_sql(statement).execute(&mut administrator).await.unwrap();
    }
    let url = format!("postgres://app@{}/postgres", server.address());
    let (store, a) = (PostgresStore::connect(&url).await.unwrap(), account("a"));
    log_in(&store, &a).await;
    // From the sixth time on a statement may have a plan that does not know its arguments.
    for _ in 0..10 {
        rotate(&store, &a).await;
    }
    assert!(store.restarts() == 0 && store.claims_wait().is_zero());
}
