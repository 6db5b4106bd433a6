//! Events that meet at the same instant.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use solekey_core::ports::{Store, StoreError};
use solekey_testkit::{postgres::is_waived, wait::eventually};
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

#[tokio::test]
async fn spent_tokens_are_forgotten_when_their_time_is_over_and_never_by_count() {
    if is_waived() {
        return;
    }
    let (database, a, b) = (Database::new().await, account("a"), account("b"));
    let store = database.open().await;
    let mut held = vec![log_in(&store, &a).await.facts.unwrap()];
    for _ in 0..150 {
        held.push(rotate(&store, &a).await.facts.unwrap());
    }
    let mut connection = database.connect().await;
    let until = "SELECT min(until)::bigint, max(until)::bigint FROM solekey.spent";
    let until = sqlx::query(until).fetch_one(&mut connection).await.unwrap();
    let day = i64::from(solekey_core::Archived::day(store.identity().await.unwrap().now)) + 400;
    let [first, last]: [i64; 2] = [0, 1].map(|column| sqlx::Row::get(&until, column));
    assert!(first >= day - 1 && last <= day, "{first} to {last}, not {day}");
    let login = |n: usize| solekey_core::Login { facts: held[n].as_of(held[n].made_at), ..login() };
    let over = "UPDATE solekey.spent SET until = 1 WHERE token = $1";
    let token = i64::from_be_bytes(held[7].refresh.unwrap().short().to_be_bytes());
    sqlx::query(over).bind(token).execute(&mut connection).await.unwrap();
    for n in (0..150).filter(|n| *n != 7) {
        let refused = store.login(&b, &login(n), &payload()).await;
        assert!(matches!(refused, Err(StoreError::AlreadyPresented)), "{n}: {refused:?}");
    }
    store.login(&b, &login(7), &payload()).await.unwrap();

    // Those whose time is over leave with the next ones that come.
    sqlx::query("UPDATE solekey.spent SET until = 1").execute(&mut connection).await.unwrap();
    for _ in 0..80 {
        rotate(&store, &a).await;
    }
    let left = sqlx::query("SELECT count(*) FROM solekey.spent").fetch_one(&mut connection).await.unwrap();
    let left: i64 = sqlx::Row::get(&left, 0);
    assert!((80..110).contains(&left), "{left}");
}

#[tokio::test]
async fn a_token_that_comes_into_the_archive_again_is_remembered_for_the_longer_of_both_times() {
    if is_waived() {
        return;
    }
    let (database, a) = (Database::new().await, account("a"));
    let store = database.open().await;
    let first = log_in(&store, &a).await.facts.unwrap().refresh.unwrap();
    let token = i64::from_be_bytes(first.short().to_be_bytes());
    let mut connection = database.connect().await;
    let enter = sqlx::query("INSERT INTO solekey.spent (token, until) VALUES ($1, 30000)").bind(token);
    enter.execute(&mut connection).await.unwrap();
    for _ in 0..=solekey_core::MAX_PRESENTED {
        rotate(&store, &a).await;
    }
    let kept = sqlx::query("SELECT token, until::bigint FROM solekey.spent").fetch_all(&mut connection).await;
    let kept: Vec<(i64, i64)> =
        kept.unwrap().iter().map(|row| (sqlx::Row::get(row, 0), sqlx::Row::get(row, 1))).collect();
    assert_eq!(kept, [(token, 30_000)]);
}

#[tokio::test]
async fn a_row_of_a_newer_format_is_not_moved_when_the_clock_stepped_back_and_holds_nobody_up() {
    if is_waived() {
        return;
    }
    let (database, a, b) = (Database::new().await, account("a"), account("b"));
    let store = database.open().await;
    for account in [&a, &b] {
        let login = solekey_core::Login { due_in: Some(Duration::ZERO), ..login() };
        store.login(account, &login, &payload()).await.unwrap();
    }
    let mut connection = database.connect().await;
    let newer =
        "UPDATE solekey.account SET format = 30000, changed_at = changed_at + 3600000000 WHERE id = 'a'";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    assert_eq!(store.due("acme", Duration::from_mins(2), 20).await.unwrap(), [b]);
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
    // The one that took it is about to use seconds with a provider.
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
    eventually("a claim that waits for the lock until after its instant", async || {
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
        eventually("the instant passes", async || {
            (store.load(&a).await.unwrap().now > claim.not_after).then_some(())
        })
        .await;
        held.rollback().await.unwrap();
        match claimed.await.unwrap() {
            Err(StoreError::Late) => Ok(()),
            // A machine that stands still for as long as the store waits for a lock: nothing was shown.
            Err(error @ StoreError::Unavailable(_)) => Err(error.to_string()),
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(store.load(&a).await.unwrap().record.unwrap().row.open, None);
    assert_eq!(rotate(&*store, &a).await.rotations, 1);
}
