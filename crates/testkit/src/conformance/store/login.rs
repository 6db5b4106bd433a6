//! Taking in a login.

use solekey_core::{
    Account, Fingerprint, Generation, Login, LoginEffect, NewFacts,
    ports::{LoggedIn, StoreError},
};

use super::{
    StoreSubject,
    bench::{LONG, account, commit_of, facts, id, login, not_before, payload, settle_of, token},
};

pub(super) async fn creates_a_row(subject: StoreSubject) {
    let a = account("a");
    let before = subject.load(&a).await.now;
    let wish = login(token(1));
    let done = subject.try_log_in(&a, &wish).await.expect("logs in");
    assert_eq!(done.effect, LoginEffect::New);
    let row = subject.row(&a).await;
    let made = row.facts.expect("a credential");
    assert!(row.generation.get() >= before.as_micros() && row.minted == row.generation);
    assert_eq!((row.made_by, row.made_from, row.rotations), (wish.id, Generation::ZERO, 0));
    assert_eq!((made.access, made.refresh), (wish.facts.access, wish.facts.refresh));
    assert_eq!((made.expires_at, row.due_at), (Some(made.made_at + LONG), Some(made.made_at + LONG)));
    assert_eq!((row.open, row.verdict, row.presented.len()), (None, None, 0));
    assert_eq!(subject.record(&a).await.payload, payload("again"));
}

pub(super) async fn of_the_same_token_changes_nothing(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.claim(&a).await;
    let before = subject.load(&a).await;
    let done = subject.try_log_in(&a, &login(token(1))).await.expect("the same is welcome");
    assert_eq!((done.effect, &done.loaded.record), (LoginEffect::Same, &before.record));
    subject.untouched(&a, &before).await;
}

pub(super) async fn repeated_by_id_changes_nothing(subject: StoreSubject) {
    let a = account("a");
    let wish = Login { accept_spent: true, ..login(token(1)) };
    let first = subject.try_log_in(&a, &wish).await.expect("logs in");
    let again = subject.try_log_in(&a, &wish).await.expect("repeats");
    assert_eq!((again.effect, again.loaded.record), (LoginEffect::New, first.loaded.record));
}

pub(super) async fn of_a_presented_token_is_refused(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.rotate(&a, token(2)).await;
    subject.rotate(&a, token(3)).await;
    subject.log_in(&a, token(4)).await;
    let before = subject.load(&a).await;
    for spent in [1, 2, 3] {
        refused(subject.try_log_in(&a, &login(token(spent))).await);
    }
    subject.untouched(&a, &before).await;
}

pub(super) async fn of_a_token_of_another_account_is_refused(subject: StoreSubject) {
    let (a, b, c) = (account("a"), account("b"), account("c"));
    subject.log_in(&a, token(1)).await;
    refused(subject.try_log_in(&b, &login(token(1))).await);
    assert_eq!(subject.load(&b).await.record, None, "a refusal creates nothing");

    subject.rotate(&a, token(2)).await;
    subject.log_in(&b, token(10)).await;
    let before = subject.load(&b).await;
    refused(subject.try_log_in(&b, &login(token(1))).await);
    refused(subject.try_log_in(&b, &login(token(2))).await);
    subject.untouched(&b, &before).await;

    subject.log_in(&b, token(11)).await;
    refused(subject.try_log_in(&c, &login(token(10))).await);
    subject.store().delete(&a, id()).await.expect("deletes");
    refused(subject.try_log_in(&c, &login(token(2))).await);
}

pub(super) async fn at_another_provider_is_free(subject: StoreSubject) {
    subject.log_in(&account("a"), token(1)).await;
    let elsewhere = Account::new("other", "a").expect("a valid name");
    subject.log_in(&elsewhere, token(1)).await;
    assert_eq!(held(&subject, &account("a")).await, Some(token(1)));
}

pub(super) async fn may_insist(subject: StoreSubject) {
    let (a, b) = (account("a"), account("b"));
    subject.log_in(&a, token(1)).await;
    let row = subject.rotate(&a, token(2)).await;
    for wanted in [token(2), token(1)] {
        insist(&subject, &a, wanted).await;
        insist(&subject, &b, wanted).await;
    }
    assert!(subject.row(&a).await.generation > row.generation);
    refused(subject.try_log_in(&account("c"), &login(token(1))).await);
    subject.store().delete(&b, id()).await.expect("deletes");
    refused(subject.try_log_in(&account("c"), &login(token(2))).await);
}

pub(super) async fn voids_verdict_and_attempt(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    subject.settle(&a, &settle_of(&claimed, Some(not_before(LONG, 1)))).await;
    let claimed = subject.claim(&a).await;
    let row = subject.log_in(&a, token(2)).await;
    assert_eq!((row.open, row.verdict), (None, None));
    assert!(row.generation > claimed.minted && row.presented == [token(1)]);
    let before = subject.load(&a).await;
    let late = subject.try_commit(&a, &commit_of(&claimed, token(3))).await;
    subject.moved(&a, &before, late).await;
}

pub(super) async fn without_a_refresh_token_goes_by_the_access_token(subject: StoreSubject) {
    let a = account("a");
    let bare = |access| NewFacts { access, refresh: None, ..facts(token(0)) };
    let wish = |access| Login { facts: bare(access), ..login(token(0)) };
    let effect = async |access| subject.try_log_in(&a, &wish(access)).await.expect("logs in").effect;
    assert_eq!(effect(token(1)).await, LoginEffect::New);
    assert_eq!(effect(token(1)).await, LoginEffect::Same);
    assert_eq!(effect(token(2)).await, LoginEffect::New);
    assert_eq!(
        subject.try_log_in(&account("b"), &wish(token(2))).await.expect("logs in").effect,
        LoginEffect::New
    );
}

pub(super) async fn after_a_delete_is_newer(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.store().delete(&a, id()).await.expect("deletes");
    let tombstone = subject.row(&a).await;
    refused(subject.try_log_in(&a, &login(token(1))).await);
    let row = subject.log_in(&a, token(2)).await;
    assert!(row.generation > tombstone.generation && !row.is_gone());
}

async fn held(subject: &StoreSubject, account: &Account) -> Option<Fingerprint> {
    subject.row(account).await.facts.and_then(|facts| facts.refresh)
}

async fn insist(subject: &StoreSubject, account: &Account, wanted: Fingerprint) {
    let wish = Login { accept_spent: true, ..login(wanted) };
    let done = subject.try_log_in(account, &wish).await.expect("insists");
    assert_eq!(done.effect, LoginEffect::New);
    assert_eq!(held(subject, account).await, Some(wanted));
}

fn refused(answered: Result<LoggedIn, StoreError>) {
    assert!(matches!(answered, Err(StoreError::AlreadyPresented)), "{answered:?}");
}
