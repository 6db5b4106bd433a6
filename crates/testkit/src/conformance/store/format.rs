//! Rows of a newer version.

use solekey_core::{Commit, ROW_FORMAT, Settle, ports::StoreError};

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
    assert!(!subject.row(&b).await.is_gone(), "other rows are not affected");

    subject.set_format(&a, ROW_FORMAT).await;
    subject.untouched(&a, &before).await;
    subject.commit(&a, &commit).await;
}

fn unreadable<T: std::fmt::Debug>(newer: u16, answered: Result<T, StoreError>) {
    let refused = matches!(answered, Err(StoreError::UnreadableFormat { found }) if found == newer);
    assert!(refused, "expected UnreadableFormat, got {answered:?}");
}
