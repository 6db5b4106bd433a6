//! The file itself: opening, closing, what is left.

#![allow(clippy::unwrap_used)]

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use solekey_core::{
    Archived, Login,
    ports::{Store, StoreError, Trouble},
};
use solekey_store_sql::{OpenError, SqliteStore};
use sqlx::{Connection as _, Row as _};

use crate::fixture::{Location, account, claim_on, commit_of, log_in, login, payload, rotate};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    log_in(&store, &a).await;
    let row = rotate(&store, &a).await;
    let identity = store.identity().await.unwrap().id;
    store.pin("seal", b"check").await.unwrap();
    drop(store);

    let store = place.open().await;
    let record = store.load(&a).await.unwrap().record.unwrap();
    assert_eq!((record.row, record.payload), (row, payload()));
    assert_eq!(store.identity().await.unwrap().id, identity);
    assert_eq!(store.pin("seal", b"another").await.unwrap(), b"check");
}

#[tokio::test]
async fn the_file_and_its_journals_are_for_their_owner_alone() {
    let place = Location::new();
    let store = place.open().await;
    log_in(&store, &account("a")).await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place.path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["solekey.db", "solekey.db-shm", "solekey.db-wal"]);
}

#[tokio::test]
async fn a_path_that_cannot_be_a_store_is_refused_by_name() {
    let place = Location::new();
    let folder = place.path.parent().unwrap();
    let missing = SqliteStore::open(folder.join("missing/solekey.db")).await.unwrap_err();
    assert!(matches!(missing, OpenError::File { .. }) && missing.to_string().contains("missing/solekey.db"));
    assert!(matches!(SqliteStore::open(folder).await.unwrap_err(), OpenError::File { .. }));

    let text = "This is a letter, and no database at all. ".repeat(100);
    std::fs::write(&place.path, &text).unwrap();
    let refused = SqliteStore::open(&place.path).await.unwrap_err();
    assert!(matches!(refused, OpenError::Database { .. }), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&place.path).unwrap(), text, "left alone");
}

#[tokio::test]
async fn a_file_of_a_newer_schema_is_refused_and_left_alone() {
    let place = Location::new();
    place.open().await.close().await;
    let mut connection = place.connect().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', TRUE, x'00', 0)";
    sqlx::query(later).execute(&mut connection).await.unwrap();
    let refused = SqliteStore::open(&place.path).await.unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { version: 9999, .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn opened_for_the_first_time_by_many_at_once_it_is_one_store() {
    for _ in 0..5 {
        let place = std::sync::Arc::new(Location::new());
        let open = |_| {
            let place = std::sync::Arc::clone(&place);
            tokio::spawn(async move { place.open().await.identity().await.unwrap().id })
        };
        let openers: Vec<_> = (0..6).map(open).collect();
        let mut identities = std::collections::BTreeSet::new();
        for opener in openers {
            identities.insert(opener.await.unwrap());
        }
        assert_eq!(identities.len(), 1);
    }
}

#[tokio::test]
async fn a_row_is_read_at_no_time_before_the_latest_that_another_process_wrote() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    log_in(&store, &a).await;
    let ahead = store.load(&a).await.unwrap().now + Duration::from_hours(1);
    let mut connection = place.connect().await;
    let seen = i64::try_from(ahead.as_micros()).unwrap();
    sqlx::query("UPDATE clock SET seen = ?").bind(seen).execute(&mut connection).await.unwrap();
    assert!(store.load(&a).await.unwrap().now >= ahead);
}

#[tokio::test]
async fn time_goes_on_from_the_latest_in_the_file() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    let hour = Duration::from_hours(1);
    let ahead = store.identity().await.unwrap().now + hour;
    store.close().await;
    let mut connection = place.connect().await;
    let seen = i64::try_from(ahead.as_micros()).unwrap();
    sqlx::query("UPDATE clock SET seen = ?").bind(seen).execute(&mut connection).await.unwrap();

    let store = place.open().await;
    let row = log_in(&store, &a).await;
    assert!(row.generation.get() >= ahead.as_micros());
    let first = store.load(&a).await.unwrap().now;
    assert!(first >= ahead && first < ahead + hour);
    drop(store);
    let reopened = place.open().await.load(&a).await.unwrap().now;
    assert!(reopened >= row.facts.unwrap().made_at, "not before the last change, whoever made it");
}

#[tokio::test]
async fn the_table_of_presented_tokens_is_as_bounded_as_the_rows() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    log_in(&store, &a).await;
    for _ in 0..solekey_core::MAX_PRESENTED + 5 {
        rotate(&store, &a).await;
    }
    let mut connection = place.connect().await;
    let count = sqlx::query("SELECT count(*) FROM presented").fetch_one(&mut connection).await.unwrap();
    assert_eq!(
        usize::try_from(count.get::<i64, _>(0)).unwrap(),
        solekey_core::MAX_PRESENTED + 1,
        "those presented, and the one held"
    );
}

#[tokio::test]
async fn spent_tokens_are_forgotten_when_their_time_is_over_and_never_by_count() {
    let (place, a, b) = (Location::new(), account("a"), account("b"));
    let store = place.open().await;
    let mut held = vec![log_in(&store, &a).await.facts.unwrap()];
    for _ in 0..200 {
        held.push(rotate(&store, &a).await.facts.unwrap());
    }
    let mut connection = place.connect().await;
    assert_eq!(spent(&mut connection).await, 136);
    let until =
        sqlx::query("SELECT min(until), max(until) FROM spent").fetch_one(&mut connection).await.unwrap();
    let day = i64::from(Archived::day(store.identity().await.unwrap().now)) + 400;
    let (first, last): (i64, i64) = (until.get(0), until.get(1));
    assert!(first >= day - 1 && last <= day, "{first} to {last}, not {day}");
    let login = |n: usize| Login { facts: held[n].as_of(held[n].made_at), ..login() };
    sqlx::query("UPDATE spent SET until = 1 WHERE token = ?")
        .bind(i64::from_be_bytes(held[7].refresh.unwrap().short().to_be_bytes()))
        .execute(&mut connection)
        .await
        .unwrap();
    for n in (0..200).filter(|n| *n != 7) {
        let refused = store.login(&b, &login(n), &payload()).await;
        assert!(matches!(refused, Err(StoreError::AlreadyPresented)), "{n}: {refused:?}");
    }
    store.login(&b, &login(7), &payload()).await.unwrap();

    // Those whose time is over leave with the next ones that come.
    sqlx::query("UPDATE spent SET until = 1").execute(&mut connection).await.unwrap();
    for _ in 0..120 {
        rotate(&store, &a).await;
    }
    let left = spent(&mut connection).await;
    assert!((120..150).contains(&left), "{left}");
}

#[tokio::test]
async fn a_token_that_comes_into_the_archive_again_is_remembered_for_the_longer_of_both_times() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    let first = log_in(&store, &a).await.facts.unwrap().refresh.unwrap();
    let token = i64::from_be_bytes(first.short().to_be_bytes());
    let mut connection = place.connect().await;
    let enter = sqlx::query("INSERT INTO spent (token, until) VALUES (?, 60000)").bind(token);
    enter.execute(&mut connection).await.unwrap();
    for _ in 0..=solekey_core::MAX_PRESENTED {
        rotate(&store, &a).await;
    }
    let kept = sqlx::query("SELECT until FROM spent WHERE token = ?").bind(token);
    assert_eq!(kept.fetch_one(&mut connection).await.unwrap().get::<i64, _>(0), 60_000);
    assert_eq!(spent(&mut connection).await, 1, "it came, and no other");
}

async fn spent(connection: &mut sqlx::SqliteConnection) -> i64 {
    sqlx::query("SELECT count(*) FROM spent").fetch_one(connection).await.unwrap().get(0)
}

#[tokio::test]
async fn what_changes_nothing_waits_for_no_lock() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    log_in(&store, &a).await;
    let before = store.load(&a).await.unwrap();
    let claim = claim_on(&before, Duration::from_mins(1));
    let claimed = store.claim(&a, &claim).await.unwrap().record.unwrap().row;
    let commit = commit_of(&claimed);
    let row = store.commit(&a, &commit, &payload()).await.unwrap().record.unwrap().row;

    let mut other = place.connect().await;
    let _held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let again = store.commit(&a, &commit, &payload()).await.unwrap();
    assert_eq!(again.record.unwrap().row, row, "found and committed by another");
    let late = store.claim(&a, &claim_on(&before, Duration::from_mins(1))).await;
    assert!(matches!(late, Err(StoreError::Moved(_))), "{late:?}");
}

#[tokio::test]
async fn a_change_waits_for_another_process_and_is_not_applied_where_that_never_ends() {
    let (place, a) = (Location::new(), account("a"));
    let store = std::sync::Arc::new(place.open().await);
    log_in(&*store, &a).await;
    let claim = claim_on(&store.load(&a).await.unwrap(), Duration::from_mins(1));
    let mut other = place.connect().await;
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.claim(&a, &claim).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{refused:?}");
    let (waiting, b) = (std::sync::Arc::clone(&store), a.clone());
    let change = tokio::spawn(async move { waiting.claim(&b, &claim).await });
    tokio::task::yield_now().await;
    held.rollback().await.unwrap();
    assert!(change.await.unwrap().unwrap().record.unwrap().row.open.is_some());
}

#[tokio::test]
async fn a_closed_store_applies_nothing() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    log_in(&store, &a).await;
    store.close().await;
    let refused = store.delete(&a, solekey_core::ClaimId::new(uuid::Uuid::new_v4())).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{refused:?}");
    assert!(matches!(store.load(&a).await, Err(StoreError::Unavailable(_))));
    assert!(place.open().await.load(&a).await.unwrap().record.unwrap().row.facts.is_some());
}
