//! Transactions of SQLite that fail at their end.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use solekey_core::{
    Login,
    ports::{Store, StoreError, Trouble},
};

use crate::fixture::{Location, account, claim_on, log_in, login, payload, rotate};

const MINUTE: Duration = Duration::from_mins(1);

fn is_unknown<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable(Trouble::Unknown(_))))
}

/// A rule that is checked at the commit, and that every change breaks.
const FAIL: &str = "
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER of_account AFTER UPDATE ON account BEGIN INSERT INTO child VALUES (1); END;
    CREATE TRIGGER of_meta AFTER INSERT ON meta BEGIN INSERT INTO child VALUES (1); END;
    CREATE TRIGGER of_pin AFTER UPDATE ON meta BEGIN INSERT INTO child VALUES (1); END;";

const FAIL_NO_MORE: &str = "DROP TRIGGER of_account; DROP TRIGGER of_meta; DROP TRIGGER of_pin;";

#[tokio::test]
async fn a_change_whose_commit_fails_is_of_unknown_outcome_and_can_be_repeated() {
    let (place, a) = (Location::new(), account("a"));
    let store = place.open().await;
    log_in(&store, &a).await;
    store
        .login(&account("due"), &Login { due_in: Some(Duration::ZERO), ..login() }, &payload())
        .await
        .unwrap();
    store.pin("there", b"value").await.unwrap();
    let before = store.load(&a).await.unwrap();
    let claim = claim_on(&before, MINUTE);
    let mut other = place.connect().await;
    sqlx::raw_sql(FAIL).execute(&mut other).await.unwrap();

    for _ in 0..2 {
        let claimed = store.claim(&a, &claim).await;
        assert!(is_unknown(&claimed), "{claimed:?}");
        let pinned = store.pin("name", b"value").await;
        assert!(is_unknown(&pinned), "{pinned:?}");
        let moved = store.repin("there", b"value", b"another").await;
        assert!(is_unknown(&moved), "{moved:?}");
        let due = store.due("acme", MINUTE, 10).await;
        assert!(is_unknown(&due), "{due:?}");
    }
    assert_eq!(store.load(&a).await.unwrap().record, before.record);

    sqlx::raw_sql(FAIL_NO_MORE).execute(&mut other).await.unwrap();
    let claimed = store.claim(&a, &claim).await.unwrap().record.unwrap().row;
    assert_eq!(claimed.open.map(|open| open.id), Some(claim.id));
    assert_eq!(store.pin("name", b"another").await.unwrap(), b"another", "the first was not made");
    assert_eq!(store.due("acme", MINUTE, 10).await.unwrap(), [account("due")]);
    let b = account("b");
    log_in(&store, &b).await;
    assert_eq!(rotate(&store, &b).await.rotations, 1);
}
