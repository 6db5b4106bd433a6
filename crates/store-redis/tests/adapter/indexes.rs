//! Indexes that lag behind their rows.

use std::time::Duration;

use solekey_core::{
    Account, Login,
    ports::{Store, StoreError, Trouble},
};

use solekey_testkit::wait::eventually;

use crate::{
    fixture::{Fixture, key_of},
    requests::{HOUR, account, claim, login, payload},
};

async fn log_in(fixture: &Fixture, account: &Account, refresh: u64, due_in: Duration) {
    let request = Login { due_in: Some(due_in), ..login(refresh) };
    fixture.store.login(account, &request, &payload()).await.unwrap();
}

async fn listed(fixture: &Fixture) -> Vec<Account> {
    let page = fixture.store.list(None, None, 100).await.unwrap();
    page.rows.into_iter().map(|(account, _)| account).collect()
}

async fn score(fixture: &Fixture, account: &Account) -> Option<f64> {
    fixture.ask("ZSCORE", DUE, &[&account.key().to_string()]).await
}

#[tokio::test]
async fn what_the_indexes_lost_a_rebuild_finds_again() {
    let fixture = Fixture::new().await;
    let (now, later) = (account("now"), account("later"));
    log_in(&fixture, &now, 1, Duration::ZERO).await;
    log_in(&fixture, &later, 2, HOUR).await;
    let _: i64 = fixture.ask("DEL", DUE, &[]).await;
    let _: i64 = fixture.ask("DEL", "accounts", &[]).await;
    assert_eq!(listed(&fixture).await, []);

    assert_eq!(fixture.store.rebuild_index().await.unwrap(), 2);
    assert_eq!(listed(&fixture).await.len(), 2);
    assert_eq!(fixture.store.due("acme", HOUR, 10).await.unwrap(), [now]);
}

/// A21.
#[tokio::test]
async fn accounts_that_a_step_back_of_the_clock_left_behind_are_found() {
    let fixture = Fixture::new().await;
    let (now, later, answered) = (account("now"), account("later"), account("answered"));
    log_in(&fixture, &now, 1, Duration::ZERO).await;
    log_in(&fixture, &later, 2, HOUR).await;
    assert_eq!(fixture.store.due("nobody", HOUR, 10).await.unwrap(), []);
    assert_eq!(fixture.store.due("acme", Duration::ZERO, 10).await.unwrap(), std::slice::from_ref(&now));
    let due_in = score(&fixture, &later).await.unwrap();
    // As if the clock had stepped back by a day: all that is written there lies a day ahead.
    let day = (24 * HOUR).as_micros().to_string();
    for account in [&now, &later] {
        for instant in ["made_at", "expires_at", "due_at", "changed_at"] {
            let row = key_of(account, "rec");
            let _: u64 = fixture.ask("HINCRBY", &row, &[instant, &day]).await;
        }
        let _: f64 = fixture.ask("ZINCRBY", DUE, &[&day, &account.key().to_string()]).await;
    }
    let _: u64 = fixture.ask("HINCRBY", &format!("{DUE}:clock"), &["seen", &day]).await;
    log_in(&fixture, &answered, 3, HOUR).await;

    // One at a time; it was due some milliseconds after its last change, and is so again.
    let taken = eventually("the account is taken", async || {
        let taken = fixture.store.due("acme", HOUR, 1).await.unwrap();
        (!taken.is_empty()).then_some(taken)
    });
    assert_eq!(taken.await, [now]);
    assert_eq!(fixture.store.due("acme", HOUR, 10).await.unwrap(), [], "once");
    let corrected = score(&fixture, &later).await.unwrap();
    assert!(corrected < due_in + HOUR.as_secs_f64() * 1e6, "{corrected} is not as long from now as it was");
}

#[tokio::test]
async fn a_login_that_an_index_does_not_take_in_is_no_success_and_repeating_it_enters_the_account() {
    for index in ["accounts", DUE] {
        let fixture = Fixture::new().await;
        let alice = account("alice");
        let request = Login { due_in: Some(Duration::ZERO), ..login(1) };
        let _: String = fixture.ask("SET", index, &["not an index"]).await;
        let answer = fixture.store.login(&alice, &request, &payload()).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(Trouble::Unknown(_)))), "{index}: {answer:?}");
        let _: i64 = fixture.ask("DEL", index, &[]).await;

        fixture.store.login(&alice, &request, &payload()).await.unwrap();
        assert_eq!(listed(&fixture).await, std::slice::from_ref(&alice), "{index}");
        assert_eq!(fixture.store.due("acme", HOUR, 10).await.unwrap(), [alice], "{index}");
    }
}

#[tokio::test]
async fn a_rebuild_moves_late_entries_forward_and_none_back() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    log_in(&fixture, &alice, 1, HOUR).await;
    let right = score(&fixture, &alice).await.unwrap();
    let key = alice.key().to_string();
    for (wrong, rebuilt) in [(right + 9e9, right), (right - 9e6, right - 9e6)] {
        let _: i64 = fixture.ask("ZADD", DUE, &[&format!("{wrong:.0}"), &key]).await;
        fixture.store.rebuild_index().await.unwrap();
        assert!((score(&fixture, &alice).await.unwrap() - rebuilt).abs() < 1.0);
    }
}

#[tokio::test]
async fn an_entry_that_comes_too_early_is_corrected_and_not_handed_out() {
    let fixture = Fixture::new().await;
    let [early, gone, lost, due] = ["early", "gone", "lost", "due"].map(account);
    log_in(&fixture, &early, 1, HOUR).await;
    log_in(&fixture, &gone, 2, HOUR).await;
    fixture.store.delete(&gone, crate::requests::id()).await.unwrap();
    log_in(&fixture, &due, 3, Duration::ZERO).await;
    let right = score(&fixture, &early).await.unwrap();
    for account in [&early, &gone, &lost] {
        let _: i64 = fixture.ask("ZADD", DUE, &["1", &account.key().to_string()]).await;
    }
    // One at a time: entries that lead nowhere do not use up the limit.
    assert_eq!(fixture.store.due("acme", HOUR, 1).await.unwrap(), [due]);
    assert!((score(&fixture, &early).await.unwrap() - right).abs() < 1.0);
    assert_eq!((score(&fixture, &gone).await, score(&fixture, &lost).await), (None, None));
}

#[tokio::test]
async fn the_due_index_follows_every_change() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    log_in(&fixture, &alice, 1, Duration::ZERO).await;
    let request = claim(&fixture.store.load(&alice).await.unwrap());
    let claimed = fixture.store.claim(&alice, &request).await.unwrap().record.unwrap().row;
    let expected: f64 = claimed.due_at.unwrap().as_micros().to_string().parse().unwrap();
    assert!((score(&fixture, &alice).await.unwrap() - expected).abs() < 1.0);
    fixture.store.delete(&alice, crate::requests::id()).await.unwrap();
    assert_eq!(score(&fixture, &alice).await, None);
}

#[tokio::test]
async fn a_cursor_of_another_make_is_refused() {
    let fixture = Fixture::new().await;
    fixture.store.list(None, Some("[\"acme\",\"x\"]"), 10).await.unwrap_err();
}

/// The index of the provider these accounts have.
const DUE: &str = "due:{822b33ad87c148a0}";
