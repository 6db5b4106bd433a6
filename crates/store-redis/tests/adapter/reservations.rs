//! Reservations whose holder dies halfway.

use std::time::Duration;

use solekey_core::{
    Account, AnswerNote, Archived, Commit, Content, NewFacts,
    ports::{Store, StoreError},
};
use solekey_redis_link::{Script, Value, cmd};

use crate::{
    fixture::Fixture,
    requests::{account, claim, commit, id, login, payload, token},
};

async fn log_in(fixture: &Fixture, account: &Account, refresh: u64) -> Result<(), StoreError> {
    fixture.store.login(account, &login(refresh), &payload()).await.map(drop)
}

fn refused(answered: Result<(), StoreError>) {
    assert!(matches!(answered, Err(StoreError::AlreadyPresented)), "{answered:?}");
}

/// Makes every entry of every token this many seconds older than it is.
async fn age(fixture: &Fixture, secs: i32) {
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
async fn a_reservation_without_a_row_stays_valid_while_its_login_may_be_under_way() {
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
async fn a_reservation_that_a_step_back_of_the_clock_left_ahead_ages_from_then_on() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    log_in(&fixture, &alice, 1).await.unwrap();
    lose_row(&fixture, &alice).await;
    age(&fixture, -3600).await;
    refused(log_in(&fixture, &bob, 1).await);
    age(&fixture, 100).await;
    log_in(&fixture, &bob, 1).await.unwrap();
}

/// What the adapter runs after the reservation.
static LOGIN: Script = Script::new(concat!(
    include_str!("../../lua/spent.lua"),
    include_str!("../../lua/row.lua"),
    include_str!("../../lua/login.lua")
));

#[tokio::test]
async fn a_login_that_outlasted_its_reservation_is_late() {
    let fixture = Fixture::new().await;
    let keys = ["rec", "spent"]
        .map(|kind| format!("{}:{}", fixture.prefix, crate::fixture::key_of(&account("alice"), kind)));
    let time: (u64, u64) = fixture.link.query(&cmd("TIME")).await.unwrap();
    for (not_after, expected) in [(time.0 - 1, "late"), (time.0 + 600, "done")] {
        let [row, archive] = &keys;
        let call = fixture.link.script(&LOGIN).key(row).key(archive).arg("acme alice").arg(id().to_string());
        let call = call.arg(0).arg(0).arg(not_after * 1_000_000).arg("").arg(token(9).to_string());
        let call = call.arg(token(1).to_string()).arg("").arg("").arg("sealed").arg("").arg(0).arg("");
        let reply: Vec<Value> = call.run().await.unwrap();
        assert_eq!(reply[0], Value::BulkString(expected.as_bytes().to_vec()), "{reply:?}");
    }
}

#[tokio::test]
async fn an_old_reservation_with_a_row_behind_it_stays_valid() {
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
async fn a_commit_that_comes_after_its_account_was_deleted_leaves_the_mark_of_the_token_it_held() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    log_in(&fixture, &alice, 1).await.unwrap();
    let claimed =
        fixture.store.claim(&alice, &claim(&fixture.store.load(&alice).await.unwrap())).await.unwrap();
    let rotated = commit(&claimed.record.unwrap().row, 2);
    fixture.store.commit(&alice, &rotated, &payload()).await.unwrap();
    let deleted = fixture.store.delete(&alice, id()).await.unwrap();
    assert!(deleted.record.unwrap().row.is_gone());

    // Its process got no reply, and repeats it.
    fixture.store.commit(&alice, &rotated, &payload()).await.unwrap_err();
    log_in(&fixture, &alice, 3).await.unwrap();
    refused(log_in(&fixture, &bob, 2).await);
}

#[tokio::test]
async fn tokens_a_row_no_longer_lists_leave_no_key_behind() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    log_in(&fixture, &alice, 0).await.unwrap();
    rotate(&fixture, &alice, 1..=80).await;
    let keys = fixture.keys("").await;
    let archives = keys.iter().filter(|key| key.ends_with(":spent")).count();
    let tokens = keys.iter().filter(|key| key.contains(":rt:")).count();
    // The account's archive and the part of the other that has these tokens; the tokens presented, and the one held.
    assert_eq!((archives, tokens - 1), (2, 65), "{keys:?}");
}

#[tokio::test]
async fn spent_tokens_are_forgotten_when_their_time_is_over_and_never_by_count() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    log_in(&fixture, &alice, 0).await.unwrap();
    rotate(&fixture, &alice, 1..=200).await;
    let length = archive_lengths(&fixture).await;
    assert_eq!(length, [136 * 10, 136 * 10]);

    // The time of the first 70 is over.
    for key in archives(&fixture).await {
        for entry in 0..70 {
            let _: i64 = fixture.ask("SETRANGE", &key, &[&(entry * 10 + 8).to_string(), "\x01\x01"]).await;
        }
    }
    rotate(&fixture, &alice, 201..=201).await;
    assert_eq!(archive_lengths(&fixture).await, [73 * 10, 73 * 10], "64 leave at once");
    for spent in [70, 71, 100, 200] {
        refused(log_in(&fixture, &alice, spent).await);
        refused(log_in(&fixture, &bob, spent).await);
    }
    log_in(&fixture, &bob, 66).await.unwrap();
    log_in(&fixture, &alice, 65).await.unwrap();
}

#[tokio::test]
async fn both_archives_remember_a_token_for_as_long_as_refresh_tokens_of_its_account_may_live() {
    let fixture = Fixture::new().await;
    let day = Duration::from_secs(86_400);
    for (first, life, days) in
        [(1_000, None, 400), (2_000, Some(30 * day), 400), (3_000, Some(800 * day), 800)]
    {
        let account = account(&first.to_string());
        log_in(&fixture, &account, first).await.unwrap();
        for refresh in first + 1..first + 70 {
            let loaded = fixture.store.load(&account).await.unwrap();
            let claimed = fixture.store.claim(&account, &claim(&loaded)).await.unwrap();
            let commit = lasting(commit(&claimed.record.unwrap().row, refresh), life);
            fixture.store.commit(&account, &commit, &payload()).await.unwrap();
        }
        let today = Archived::day(fixture.store.identity().await.unwrap().now);
        for key in archives(&fixture).await {
            let bytes: Vec<u8> = fixture.ask("GET", &key, &[]).await;
            for entry in bytes.chunks(10) {
                let until = u16::from_be_bytes([entry[8], entry[9]]);
                let ahead = until - today;
                assert!(ahead == days || ahead + 1 == days, "{key}: {ahead} of {days} days");
            }
            let _: i64 = fixture.ask("DEL", &key, &[]).await;
        }
    }
}

fn lasting(commit: Commit, life: Option<Duration>) -> Commit {
    let Content::Rotated(facts) = commit.note.content else { unreachable!("it is a rotation") };
    let content = Content::Rotated(NewFacts { refresh_expires_in: life, ..facts });
    Commit { note: AnswerNote { content, ..commit.note }, ..commit }
}

#[tokio::test]
async fn a_token_is_known_whose_process_died_before_the_other_archive_had_it() {
    let fixture = Fixture::new().await;
    let (alice, bob) = (account("alice"), account("bob"));
    log_in(&fixture, &alice, 0).await.unwrap();
    rotate(&fixture, &alice, 1..=70).await;
    let token = fixture
        .keys(&token(50).to_string())
        .await
        .remove(0)
        .replace(&token(50).to_string(), &token(1).to_string());
    let token = token.strip_prefix(&format!("{}:", fixture.prefix)).unwrap();
    let _: i64 = fixture.ask("DEL", "rt:{00}:spent", &[]).await;
    let _: i64 = fixture.ask("ZADD", token, &["1", &alice.key().to_string()]).await;
    refused(log_in(&fixture, &bob, 1).await);
    refused(log_in(&fixture, &alice, 1).await);
    refused(log_in(&fixture, &alice, 2).await);
}

#[tokio::test]
async fn a_token_that_was_only_held_when_its_account_was_deleted_is_free_until_a_login_follows() {
    let fixture = Fixture::new().await;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(account);
    let delete = async |account| fixture.store.delete(account, crate::requests::id()).await.map(drop);
    log_in(&fixture, &alice, 1).await.unwrap();
    delete(&alice).await.unwrap();
    log_in(&fixture, &bob, 1).await.unwrap();
    refused(log_in(&fixture, &alice, 1).await);
    delete(&bob).await.unwrap();
    log_in(&fixture, &alice, 2).await.unwrap();
    refused(log_in(&fixture, &bob, 1).await);
    refused(log_in(&fixture, &carol, 1).await);
}

async fn rotate(fixture: &Fixture, account: &Account, to: std::ops::RangeInclusive<u64>) {
    for refresh in to {
        let loaded = fixture.store.load(account).await.unwrap();
        let claimed = fixture.store.claim(account, &claim(&loaded)).await.unwrap();
        let commit = commit(&claimed.record.unwrap().row, refresh);
        fixture.store.commit(account, &commit, &payload()).await.unwrap();
    }
}

/// The keys of both archives, without the prefix.
async fn archives(fixture: &Fixture) -> Vec<String> {
    let keys = fixture.keys(":spent").await;
    keys.iter().map(|key| key.strip_prefix(&format!("{}:", fixture.prefix)).unwrap().to_owned()).collect()
}

async fn archive_lengths(fixture: &Fixture) -> Vec<usize> {
    let mut lengths = Vec::new();
    for key in archives(fixture).await {
        lengths.push(fixture.ask("STRLEN", &key, &[]).await);
    }
    lengths
}
