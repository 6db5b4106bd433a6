//! What meets at the same instant.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use solekey_core::ports::{Store, StoreError};
use solekey_testkit::postgres::is_waived;
use sqlx::Connection as _;

use super::database::Database;
use crate::fixture::{account, claim_on, log_in, login, payload, rotate};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_logins_with_one_token_at_the_same_instant_one_is_taken() {
    if is_waived() {
        return;
    }
    let database = Database::new().await;
    let stores = [database.open().await, database.open().await];
    for round in 0..20 {
        let facts = login().facts;
        let attempts = (0..8).map(|n| {
            let store = &stores[n % stores.len()];
            async move {
                let login = solekey_core::Login { facts, ..login() };
                store.login(&account(&format!("{round}-{n}")), &login, &payload()).await
            }
        });
        let done = join_all(attempts).await;
        let taken = done.iter().filter(|login| login.is_ok()).count();
        let refused = done.iter().filter(|login| matches!(login, Err(StoreError::AlreadyPresented))).count();
        assert_eq!((taken, refused), (1, 7), "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_taken_at_once_are_disjoint_and_nobody_waits_for_anybody() {
    if is_waived() {
        return;
    }
    let database = Database::new().await;
    let store = Arc::new(database.open().await);
    for n in 0..60 {
        let login = solekey_core::Login { due_in: Some(Duration::ZERO), ..login() };
        store.login(&account(&n.to_string()), &login, &payload()).await.unwrap();
    }
    // Somebody sits on one of the rows: the others are taken without it.
    let mut stuck = database.connect().await;
    let mut held = stuck.begin_with("BEGIN").await.unwrap();
    sqlx::query("SELECT FROM solekey.account WHERE id = '7' FOR UPDATE").fetch_all(&mut *held).await.unwrap();
    let batches = join_all((0..6).map(|_| store.due("acme", Duration::from_mins(2), 20))).await;
    let taken: Vec<_> = batches.into_iter().flat_map(Result::unwrap).collect();
    let distinct: BTreeSet<_> = taken.iter().map(|account| account.id().to_owned()).collect();
    assert_eq!((taken.len(), distinct.len()), (59, 59));
    held.rollback().await.unwrap();
    let left = store.due("acme", Duration::from_mins(2), 20).await.unwrap();
    assert_eq!(left, [account("7")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_taken_holds_no_lock_on_its_rows() {
    if is_waived() {
        return;
    }
    let (database, a) = (Database::new().await, account("a"));
    let store = database.open().await;
    let login = solekey_core::Login { due_in: Some(Duration::ZERO), ..login() };
    store.login(&a, &login, &payload()).await.unwrap();
    assert_eq!(store.due("acme", Duration::from_mins(2), 20).await.unwrap(), [a]);
    // Whoever took it is about to spend seconds with a provider.
    let mut another = database.connect().await;
    let locked = sqlx::query("SELECT FROM solekey.account FOR UPDATE NOWAIT").fetch_all(&mut another).await;
    assert_eq!(locked.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_that_waited_past_its_instant_for_somebody_elses_lock_is_not_made() {
    if is_waived() {
        return;
    }
    let (database, a) = (Database::new().await, account("a"));
    let store = Arc::new(database.open().await);
    log_in(&*store, &a).await;
    let loaded = store.load(&a).await.unwrap();
    let mut stuck = database.connect().await;
    let mut held = stuck.begin_with("BEGIN").await.unwrap();
    sqlx::query("SELECT FROM solekey.account FOR UPDATE").fetch_all(&mut *held).await.unwrap();
    let claim = solekey_core::Claim {
        not_after: loaded.now + Duration::from_millis(500),
        ..claim_on(&loaded, Duration::from_mins(1))
    };
    let (waiting, at) = (store.clone(), a.clone());
    let claimed = tokio::spawn(async move { waiting.claim(&at, &claim).await });
    // It waits for the lock, and the instant passes on the server's clock.
    database.until_somebody_waits().await;
    while store.load(&a).await.unwrap().now <= claim.not_after {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.rollback().await.unwrap();
    let claimed = claimed.await.unwrap();
    assert!(matches!(claimed, Err(StoreError::Late)), "{claimed:?}");
    assert_eq!(store.load(&a).await.unwrap().record.unwrap().row.open, None);
    assert_eq!(rotate(&*store, &a).await.rotations, 1);
}
