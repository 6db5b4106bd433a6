//! Whose time has come.

// Within an account only its memoised key is mutable, which its order does not depend on.
#![allow(clippy::mutable_key_type)]

use std::{collections::BTreeSet, time::Duration};

use solekey_core::{Account, Decision, Login, NewVerdict, ROW_FORMAT, Revocation, Settle, ports::Store};

use super::{
    StoreSubject,
    bench::{LONG, SHORT, account, claim_on, id, login, settle_of, token},
};
use crate::wait::until;

pub(super) async fn comes_earliest_first_and_is_postponed(subject: StoreSubject) {
    let [second, first, third, later] = ["b", "c", "a", "d"].map(account);
    log_in_due(&subject, &second, 1, SHORT).await;
    log_in_due(&subject, &first, 2, Duration::ZERO).await;
    log_in_due(&subject, &third, 3, SHORT * 2).await;
    log_in_due(&subject, &later, 4, LONG).await;
    // Not in the order of their logins, unless these take longer than what lies between the times.
    let mut expected = Vec::new();
    for account in [&first, &second, &third] {
        expected.push((subject.row(account).await.due_at.expect("due some time"), account.clone()));
    }
    expected.sort_by_key(|(at, _)| *at);
    let (last, latest) = expected.last().expect("three");
    subject.passed(latest, *last).await;

    let before = subject.load(&first).await;
    let expected: Vec<_> = expected.into_iter().map(|(_, account)| account).collect();
    assert_eq!(due(&subject, LONG, 10).await, expected);
    assert_eq!(due(&subject, LONG, 10).await, []);
    let row = subject.row(&first).await;
    assert!(row.due_at.expect("due again") >= before.now + LONG);
    let unpushed =
        solekey_core::Row { due_at: before.record.as_ref().and_then(|record| record.row.due_at), ..row };
    assert_eq!(Some(unpushed), before.record.map(|record| record.row), "only the time moves");
}

pub(super) async fn comes_again_after_the_visibility_timeout(subject: StoreSubject) {
    let a = account("a");
    log_in_due(&subject, &a, 1, Duration::ZERO).await;
    take(&subject, &a, SHORT).await;
    take(&subject, &a, LONG).await;
    subject.claim(&a).await;
    assert_eq!(due(&subject, LONG, 1).await, [], "a claim moves the time to the end of its flight");
}

pub(super) async fn is_bounded(subject: StoreSubject) {
    let accounts = (0..5).map(|n| account(&n.to_string())).collect::<Vec<_>>();
    for (account, n) in accounts.iter().zip(0..) {
        log_in_due(&subject, account, n, Duration::ZERO).await;
    }
    let last = subject.row(&accounts[4]).await.due_at.expect("due");
    subject.passed(&accounts[4], last).await;
    let (first, rest) = (due(&subject, LONG, 2).await, due(&subject, LONG, 10).await);
    assert_eq!((&first[..], &rest[..]), (&accounts[..2], &accounts[2..]));
}

pub(super) async fn never_comes_for_tombstones_and_without_a_time(subject: StoreSubject) {
    let [dead, deleted, idle, live] = ["dead", "deleted", "idle", "live"].map(account);
    log_in_due(&subject, &dead, 1, Duration::ZERO).await;
    let claimed = subject.claim(&dead).await;
    let verdict = NewVerdict { decision: Decision::LogIn { why: Revocation::Refused }, strikes: 0 };
    subject.settle(&dead, &Settle { due_in: None, ..settle_of(&claimed, Some(verdict)) }).await;
    log_in_due(&subject, &deleted, 2, Duration::ZERO).await;
    subject.store().delete(&deleted, id()).await.expect("deletes");
    let never = Login { due_in: None, ..login(token(3)) };
    subject.try_log_in(&idle, &never).await.expect("logs in");
    log_in_due(&subject, &live, 4, Duration::ZERO).await;
    let last = subject.row(&live).await.due_at.expect("due");
    subject.passed(&live, last).await;
    assert_eq!(due(&subject, LONG, 10).await, [live]);
}

pub(super) async fn is_shared_out_among_takers(subject: StoreSubject) {
    let accounts: BTreeSet<_> = (0..40).map(|n| account(&n.to_string())).collect();
    for (account, n) in accounts.iter().zip(0..) {
        log_in_due(&subject, account, n, Duration::ZERO).await;
    }
    for account in &accounts {
        let at = subject.row(account).await.due_at.expect("due");
        subject.passed(account, at).await;
    }
    let takers: Vec<_> = (0..6).map(|_| tokio::spawn(take_all(subject.store().clone()))).collect();
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.expect("takes"));
    }
    let once: BTreeSet<_> = taken.iter().cloned().collect();
    assert_eq!((taken.len(), once), (accounts.len(), accounts));
}

/// A13.
pub(super) async fn comes_when_an_attempt_may_be_in_doubt(subject: StoreSubject) {
    let a = account("a");
    log_in_due(&subject, &a, 1, LONG).await;
    assert_eq!(due(&subject, LONG, 10).await, []);
    // Its owner dies. The access token has long to live, so that nobody asks for another.
    subject.claim_and_doubt(&a).await;
    assert_eq!(due(&subject, LONG, 10).await, [a]);
}

/// B13.
pub(super) async fn taken_leaves_the_row_to_whoever_claims(subject: StoreSubject) {
    let a = account("a");
    log_in_due(&subject, &a, 1, Duration::ZERO).await;
    let request = claim_on(&subject.load(&a).await);
    take(&subject, &a, LONG).await;
    // The batch is still being worked on.
    subject.accepted(&a, subject.store().claim(&a, &request).await).await;
}

pub(super) async fn is_requested_by_provider(subject: StoreSubject) {
    let ours: Vec<_> = (0..3).map(|n| account(&format!("ours-{n}"))).collect();
    let theirs = Account::new("other", "theirs").expect("a valid name");
    log_in_due(&subject, &theirs, 10, Duration::ZERO).await;
    for (account, n) in ours.iter().zip(0..) {
        log_in_due(&subject, account, n, Duration::ZERO).await;
    }
    let last = subject.row(&ours[2]).await.due_at.expect("due");
    subject.passed(&ours[2], last).await;
    assert_eq!(
        due(&subject, LONG, 10).await,
        ours,
        "the other provider's came first, and is not ours to take"
    );
    let other = subject.store().due("other", LONG, 10).await.expect("asks what is due");
    assert_eq!(other, [theirs]);
    assert_eq!(subject.store().due("nobody", LONG, 10).await.expect("asks what is due"), []);
}

pub(super) async fn leaves_a_row_of_a_newer_version_to_it(subject: StoreSubject) {
    let [newer, ours] = ["newer", "ours"].map(account);
    log_in_due(&subject, &newer, 1, Duration::ZERO).await;
    log_in_due(&subject, &ours, 2, Duration::ZERO).await;
    let last = subject.row(&ours).await.due_at.expect("due");
    subject.passed(&ours, last).await;
    let before = subject.load(&newer).await;
    subject.set_format(&newer, ROW_FORMAT + 1).await;
    // One at a time: it is passed over, and not taken in place of the next.
    assert_eq!(due(&subject, SHORT, 1).await, std::slice::from_ref(&ours));
    assert!(!due(&subject, SHORT, 10).await.contains(&newer));

    // The newer version, which knows it, finds it due.
    subject.set_format(&newer, ROW_FORMAT).await;
    subject.untouched(&newer, &before).await;
    until("the row is taken", async || due(&subject, LONG, 10).await.contains(&newer).then_some(())).await;
}

async fn log_in_due(subject: &StoreSubject, account: &Account, n: u64, due_in: Duration) {
    let request = Login { due_in: Some(due_in), ..login(token(n)) };
    subject.try_log_in(account, &request).await.expect("logs in");
}

async fn due(subject: &StoreSubject, hold: Duration, limit: usize) -> Vec<Account> {
    subject.store().due(ACME, hold, limit).await.expect("asks what is due")
}

/// Waits until the account is due, and takes it.
async fn take(subject: &StoreSubject, account: &Account, hold: Duration) {
    let at = subject.row(account).await.due_at.expect("due some time");
    subject.passed(account, at).await;
    assert_eq!(due(subject, hold, 1).await, std::slice::from_ref(account));
}

async fn take_all(store: std::sync::Arc<dyn Store>) -> Vec<Account> {
    let mut taken = Vec::new();
    loop {
        let batch = store.due(ACME, LONG, 3).await.expect("asks what is due");
        if batch.is_empty() {
            return taken;
        }
        taken.extend(batch);
    }
}

/// The provider of these accounts.
const ACME: &str = "acme";
