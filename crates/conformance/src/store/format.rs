//! Rows of a newer version.

use solekey_core::{Account, Commit, ROW_FORMAT, Settle, ports::StoreError};

use super::{
    StoreSubject,
    bench::{account, claim_on, commit_of, id, login, payload, settle_of, token},
};

pub(super) async fn of_a_newer_version_is_left_alone(subject: StoreSubject) {
    let (a, b) = (account("a"), account("b"));
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    subject.log_in(&b, token(2)).await;
    let before = subject.load(&a).await;
    let (store, newer) = (subject.store(), ROW_FORMAT + 1);
    let commit: Commit = commit_of(&claimed, token(3));
    let settle: Settle = settle_of(&claimed, None);
    subject.set_format(&a, newer).await;

    unreadable(newer, store.load(&a).await);
    unreadable(newer, store.claim(&a, &claim_on(&before)).await);
    unreadable(newer, store.commit(&a, &commit, &payload("x")).await);
    unreadable(newer, store.settle(&a, &settle).await);
    unreadable(newer, store.login(&a, &login(token(4)), &payload("x")).await);
    unreadable(newer, store.delete(&a, id()).await);
    let made_by = before.record.as_ref().expect("logged in").row.made_by;
    unreadable(newer, store.reseal(&a, made_by, &payload("x")).await);
    assert!(!subject.row(&b).await.is_gone(), "other rows are not affected");

    subject.set_format(&a, ROW_FORMAT).await;
    subject.untouched(&a, &before).await;
    subject.commit(&a, &commit).await;
}

pub(super) async fn of_a_newer_version_is_left_out_of_listings(subject: StoreSubject) {
    let accounts = ["a", "b", "c"].map(account);
    for (account, n) in accounts.iter().zip(1..) {
        subject.log_in(account, token(n)).await;
    }
    subject.set_format(&accounts[1], ROW_FORMAT + 1).await;
    // One at a time: a page that shows nothing is not the last one.
    assert_eq!(listed(&subject).await, [accounts[0].clone(), accounts[2].clone()]);
    subject.set_format(&accounts[1], ROW_FORMAT).await;
    assert_eq!(listed(&subject).await, accounts);
}

async fn listed(subject: &StoreSubject) -> Vec<Account> {
    let (mut listed, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = subject.store().list(None, cursor.as_deref(), 1).await.expect("lists");
        listed.extend(page.rows.into_iter().map(|(account, _)| account));
        cursor = page.next;
        if cursor.is_none() {
            listed.sort();
            return listed;
        }
    }
}

fn unreadable<T: std::fmt::Debug>(newer: u16, answered: Result<T, StoreError>) {
    let refused = matches!(answered, Err(StoreError::UnreadableFormat { found }) if found == newer);
    assert!(refused, "expected UnreadableFormat, got {answered:?}");
}
