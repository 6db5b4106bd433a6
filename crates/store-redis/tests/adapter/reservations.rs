//! What becomes of reservations when somebody dies halfway.

use solekey_core::{
    Account,
    ports::{Store, StoreError},
};

use crate::{
    fixture::Fixture,
    wishes::{account, claim, commit, login, payload, token},
};

async fn log_in(fixture: &Fixture, account: &Account, refresh: u64) -> Result<(), StoreError> {
    fixture.store.login(account, &login(refresh), &payload()).await.map(drop)
}

fn refused(answered: Result<(), StoreError>) {
    assert!(matches!(answered, Err(StoreError::AlreadyPresented)), "{answered:?}");
}

/// Makes every entry of every token this many seconds older than it is.
async fn age(fixture: &Fixture, secs: u32) {
    for key in fixture.keys(&format!("{}", token(1))).await {
        let key = key.strip_prefix(&format!("{}:", fixture.prefix)).unwrap().to_owned();
        let entries: Vec<(String, f64)> = fixture.ask("ZRANGE", &key, &["0", "-1", "WITHSCORES"]).await;
        for (account, at) in entries {
            let older = format!("{:.0}", at - f64::from(secs) * 1e6);
            let _: i64 = fixture.ask("ZADD", &key, &[&older, &account]).await;
        }
    }
}

async fn lose_row(fixture: &Fixture, account: &Account) {
    let _: i64 = fixture.ask("DEL", &crate::fixture::key_of(account, "rec"), &[]).await;
}

#[tokio::test]
async fn a_reservation_without_a_row_holds_while_its_login_may_be_under_way() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    log_in(&fixture, &alice, 1).await.unwrap();
    // As if alice's process had died between the reservation and the row.
    lose_row(&fixture, &alice).await;
    refused(log_in(&fixture, &bob, 1).await);
    age(&fixture, 50).await;
    refused(log_in(&fixture, &bob, 1).await);

    age(&fixture, 50).await;
    log_in(&fixture, &bob, 1).await.unwrap();
    refused(log_in(&fixture, &alice, 1).await);
}

#[tokio::test]
async fn an_old_reservation_with_a_row_behind_it_holds() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    log_in(&fixture, &alice, 1).await.unwrap();
    age(&fixture, 1_000_000).await;
    refused(log_in(&fixture, &bob, 1).await);

    let claimed =
        fixture.store.claim(&alice, &claim(&fixture.store.load(&alice).await.unwrap())).await.unwrap();
    let rotated = commit(&claimed.record.unwrap().row, 2);
    fixture.store.commit(&alice, &rotated, &payload()).await.unwrap();
    age(&fixture, 1_000_000).await;
    refused(log_in(&fixture, &bob, 1).await);
    refused(log_in(&fixture, &bob, 2).await);
}

#[tokio::test]
async fn of_two_accounts_that_insisted_on_a_token_each_keeps_it_from_others() {
    let fixture = Fixture::new().await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(account);
    log_in(&fixture, &alice, 1).await.unwrap();
    let insisting = solekey_core::Login { accept_spent: true, ..login(1) };
    fixture.store.login(&bob, &insisting, &payload()).await.unwrap();
    lose_row(&fixture, &bob).await;
    age(&fixture, 1_000).await;
    refused(log_in(&fixture, &carol, 1).await);
}

#[tokio::test]
async fn a_refused_change_takes_its_reservation_back() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    log_in(&fixture, &alice, 1).await.unwrap();
    let claimed =
        fixture.store.claim(&alice, &claim(&fixture.store.load(&alice).await.unwrap())).await.unwrap();
    let late = commit(&claimed.record.unwrap().row, 2);
    log_in(&fixture, &alice, 3).await.unwrap();
    fixture.store.commit(&alice, &late, &payload()).await.unwrap_err();
    log_in(&fixture, &bob, 2).await.unwrap();
}

#[tokio::test]
async fn tokens_a_row_no_longer_remembers_leave_no_key_behind() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    log_in(&fixture, &alice, 0).await.unwrap();
    for refresh in 1..=80 {
        let loaded = fixture.store.load(&alice).await.unwrap();
        let claimed = fixture.store.claim(&alice, &claim(&loaded)).await.unwrap();
        fixture
            .store
            .commit(&alice, &commit(&claimed.record.unwrap().row, refresh), &payload())
            .await
            .unwrap();
    }
    // Those presented and the one held.
    assert_eq!(fixture.keys("rt:*").await.len(), 65);
}
