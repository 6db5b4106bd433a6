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
    let request = login(token(1));
    let done = subject.try_log_in(&a, &request).await.expect("logs in");
    assert_eq!(done.effect, LoginEffect::New);
    let row = subject.row(&a).await;
    let made = row.facts.expect("a credential");
    assert!(row.generation.get() >= before.as_micros() && row.minted == row.generation);
    assert_eq!((row.made_by, row.made_from, row.rotations), (request.id, Generation::ZERO, 0));
    assert_eq!((made.access, made.refresh), (request.facts.access, request.facts.refresh));
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
    let request = Login { accept_spent: true, ..login(token(1)) };
    let first = subject.try_log_in(&a, &request).await.expect("logs in");
    let again = subject.try_log_in(&a, &request).await.expect("repeats");
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
    subject.claim(&a).await;
    subject.store().delete(&a, id()).await.expect("deletes");
    refused(subject.try_log_in(&c, &login(token(2))).await);
}

pub(super) async fn of_a_token_that_was_only_held_is_new_after_a_delete(subject: StoreSubject) {
    let (a, b) = (account("a"), account("b"));
    for _ in 0..2 {
        subject.log_in(&a, token(1)).await;
        subject.store().delete(&a, id()).await.expect("deletes");
        let tombstone = subject.row(&a).await;
        assert_eq!((tombstone.left, tombstone.presented.len()), (Some(token(1)), 0));
    }
    subject.log_in(&b, token(1)).await;
    refused(subject.try_log_in(&a, &login(token(1))).await);
    subject.store().delete(&b, id()).await.expect("deletes");

    // What a later login stands for may have been made from it.
    let row = subject.log_in(&a, token(2)).await;
    assert_eq!((row.left, &*row.presented), (None, &[token(1)][..]));
    refused(subject.try_log_in(&a, &login(token(1))).await);
    subject.rotate(&a, token(3)).await;
    subject.store().delete(&a, id()).await.expect("deletes");
    refused(subject.try_log_in(&a, &login(token(2))).await);
    let row = subject.log_in(&a, token(3)).await;
    assert_eq!((row.left, &*row.presented), (None, &[token(2), token(1)][..]));
}

pub(super) async fn of_any_token_spent_before_is_refused_however_many_there_were(subject: StoreSubject) {
    let [a, b, c] = ["a", "b", "c"].map(account);
    subject.log_in(&a, token(0)).await;
    subject.log_in(&b, token(1_000)).await;
    for n in 1..=ROTATIONS {
        subject.rotate(&a, token(n)).await;
    }
    let (before, of_b) = (subject.load(&a).await, subject.load(&b).await);
    for spent in 0..ROTATIONS {
        refused(subject.try_log_in([&a, &b, &c][spent as usize % 3], &login(token(spent))).await);
        refused(subject.try_log_in(&a, &login(token(spent))).await);
    }
    subject.untouched(&a, &before).await;
    subject.untouched(&b, &of_b).await;
    assert_eq!(subject.load(&c).await.record, None);

    insist(&subject, &a, token(3)).await;
    let done = subject.try_log_in(&a, &login(token(3))).await.expect("the same is welcome");
    assert_eq!(done.effect, LoginEffect::Same);
    subject.store().delete(&a, id()).await.expect("deletes");
    for spent in (0..ROTATIONS).step_by(7) {
        for account in [&a, &c] {
            refused(subject.try_log_in(account, &login(token(spent))).await);
        }
    }
    subject.log_in(&c, token(ROTATIONS + 1)).await;
}

pub(super) async fn of_a_token_of_another_provider_is_refused(subject: StoreSubject) {
    let (a, other) = (account("a"), Account::new("other", "a").expect("a valid name"));
    subject.log_in(&a, token(1)).await;
    refused(subject.try_log_in(&other, &login(token(1))).await);
    subject.rotate(&a, token(2)).await;
    for known in [1, 2] {
        refused(subject.try_log_in(&other, &login(token(known))).await);
    }
    assert_eq!(subject.load(&other).await.record, None, "a refusal creates nothing");
    insist(&subject, &other, token(2)).await;
    assert_eq!(held(&subject, &a).await, Some(token(2)));
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
    let request = |access| Login { facts: bare(access), ..login(token(0)) };
    let effect = async |access| subject.try_log_in(&a, &request(access)).await.expect("logs in").effect;
    assert_eq!(effect(token(1)).await, LoginEffect::New);
    assert_eq!(effect(token(1)).await, LoginEffect::Same);
    assert_eq!(effect(token(2)).await, LoginEffect::New);
    assert_eq!(
        subject.try_log_in(&account("b"), &request(token(2))).await.expect("logs in").effect,
        LoginEffect::New
    );
}

pub(super) async fn of_an_access_token_alone_replaces_no_pair_unless_it_is_accepted(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let before = subject.load(&a).await;
    let held_access = subject.row(&a).await.facts.expect("a pair").access;
    let bare = NewFacts { refresh: None, ..facts(token(9)) };
    let lesser = Login { facts: bare, ..login(token(9)) };
    let same_access = Login { facts: NewFacts { access: held_access, ..bare }, ..login(token(9)) };
    for request in [lesser, same_access] {
        let answered = subject.try_log_in(&a, &request).await;
        assert!(matches!(answered, Err(StoreError::Lesser)), "{answered:?}");
        let spent = subject.try_log_in(&a, &Login { accept_spent: true, ..request }).await;
        assert!(matches!(spent, Err(StoreError::Lesser)), "{spent:?}");
    }
    subject.untouched(&a, &before).await;
    let accepted = Login { id: id(), accept_lesser: true, ..lesser };
    assert_eq!(subject.try_log_in(&a, &accepted).await.expect("is accepted").effect, LoginEffect::New);
    assert_eq!(held(&subject, &a).await, None);
    refused(subject.try_log_in(&a, &login(token(1))).await);
}

pub(super) async fn that_amends_keeps_what_was_decided_about_its_token(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let settled = subject.settle(&a, &settle_of(&claimed, Some(not_before(LONG, 1)))).await;
    let new = NewFacts { access: token(50), ..facts(token(1)) };
    let request = Login { facts: new, amends: Some(settled.made_by), ..login(token(1)) };
    let done = subject.try_log_in(&a, &request).await.expect("amends");
    assert_eq!(done.effect, LoginEffect::New);
    let row = subject.row(&a).await;
    let (verdict, before) =
        (row.current_verdict().expect("stands"), settled.current_verdict().expect("is there"));
    assert_eq!((verdict.decision, verdict.strikes), (before.decision, before.strikes));
    assert!(row.generation > settled.minted && row.due_at == settled.due_at);
    assert_eq!(row.facts.map(|facts| (facts.access, facts.refresh)), Some((token(50), Some(token(1)))));
    assert_eq!((&row.presented, row.made_by), (&settled.presented, request.id));
    let again = subject.try_log_in(&a, &request).await.expect("repeats");
    assert_eq!((again.effect, again.loaded.record.map(|record| record.row)), (LoginEffect::New, Some(row)));
}

pub(super) async fn that_amends_moves_nothing_but_the_credential_it_saw(subject: StoreSubject) {
    let a = account("a");
    let row = subject.log_in(&a, token(1)).await;
    let amending = |made_by, refresh| {
        let new = NewFacts { access: token(50), ..facts(refresh) };
        Login { facts: new, amends: Some(made_by), ..login(refresh) }
    };
    let before = subject.load(&a).await;
    for request in [amending(id(), token(1)), amending(row.made_by, token(2))] {
        subject.moved(&a, &before, subject.try_log_in(&a, &request).await.map(|done| done.loaded)).await;
    }
    // Its attempt may have spent the token: whatever comes of it, it is not forgotten.
    let claimed = subject.claim(&a).await;
    let before = subject.load(&a).await;
    let request = amending(claimed.made_by, token(1));
    subject.moved(&a, &before, subject.try_log_in(&a, &request).await.map(|done| done.loaded)).await;
    let spent = Login { accept_spent: true, ..request };
    subject.moved(&a, &before, subject.try_log_in(&a, &spent).await.map(|done| done.loaded)).await;
}

pub(super) async fn after_a_delete_is_newer(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.store().delete(&a, id()).await.expect("deletes");
    let tombstone = subject.row(&a).await;
    let row = subject.log_in(&a, token(1)).await;
    assert!(row.generation > tombstone.generation && !row.is_gone());
}

/// Far more than a row lists.
const ROTATIONS: u64 = 200;

async fn held(subject: &StoreSubject, account: &Account) -> Option<Fingerprint> {
    subject.row(account).await.facts.and_then(|facts| facts.refresh)
}

async fn insist(subject: &StoreSubject, account: &Account, wanted: Fingerprint) {
    let request = Login { accept_spent: true, ..login(wanted) };
    let done = subject.try_log_in(account, &request).await.expect("insists");
    assert_eq!(done.effect, LoginEffect::New);
    assert_eq!(held(subject, account).await, Some(wanted));
}

fn refused(answered: Result<LoggedIn, StoreError>) {
    assert!(matches!(answered, Err(StoreError::AlreadyPresented)), "{answered:?}");
}
