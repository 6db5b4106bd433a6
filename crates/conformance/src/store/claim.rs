//! Opening an attempt.

use std::time::Duration;

use solekey_core::{
    Cause, Claim, ClaimId, Decision, Fence, Generation, NewVerdict, Revocation, ports::StoreError,
};

use super::{
    StoreSubject,
    bench::{LONG, SHORT, account, claim_on, id, not_before, settle_of, token},
};

pub(super) async fn mints_above_fence_clock_and_last_mint(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let before = subject.load(&a).await;
    let plain = subject.claim(&a).await;
    assert!(plain.minted.get() >= before.now.as_micros(), "not below the store's clock");
    subject.settle(&a, &settle_of(&plain, None)).await;

    let ahead = Fence::new((before.now + LONG).as_micros());
    let claim = Claim { fence: Some(ahead), ..claim_on(&subject.load(&a).await) };
    let fenced = subject.accepted(&a, subject.store().claim(&a, &claim).await).await;
    assert_eq!(fenced.minted, Generation::new(ahead.get()), "not below the fence");
    assert_eq!(fenced.open.expect("open").attempt, fenced.minted);
    subject.settle(&a, &settle_of(&fenced, None)).await;

    let last = subject.claim(&a).await;
    assert_eq!(last.minted.get(), fenced.minted.get() + 1, "above the last mint");
}

pub(super) async fn opens_an_attempt_and_remembers_the_token(subject: StoreSubject) {
    let a = account("a");
    let logged_in = subject.log_in(&a, token(1)).await;
    let before = subject.load(&a).await;
    let claim = Claim { cause: Cause::Operator, ..claim_on(&before) };
    let claimed = subject.accepted(&a, subject.store().claim(&a, &claim).await).await;
    let open = claimed.open.expect("open");
    assert_eq!((open.id, open.cause), (claim.id, Cause::Operator));
    assert!(open.is_first() && open.attempt > logged_in.generation);
    assert!(open.first.at >= before.now && open.until == open.first.at + claim.span);
    assert_eq!(claimed.due_at, Some(open.until));
    assert_eq!(claimed.presented, [token(1)]);
    assert_eq!((claimed.generation, claimed.facts), (logged_in.generation, logged_in.facts));
}

pub(super) async fn repeated_changes_nothing_even_when_late(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claim = claim_on(&subject.load(&a).await);
    let first = subject.accepted(&a, subject.store().claim(&a, &claim).await).await;
    let again = subject.accepted(&a, subject.store().claim(&a, &claim).await).await;
    let late = Claim { not_after: subject.load(&a).await.now - LONG, ..claim };
    let late = subject.accepted(&a, subject.store().claim(&a, &late).await).await;
    assert_eq!([again, late], [first.clone(), first]);
}

pub(super) async fn is_refused_when_late(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let before = subject.load(&a).await;
    let late = Claim { not_after: before.now - Duration::from_secs(1), ..claim_on(&before) };
    let answered = subject.store().claim(&a, &late).await;
    assert!(matches!(answered, Err(StoreError::Late)), "{answered:?}");
    subject.untouched(&a, &before).await;
}

pub(super) async fn is_refused_from_another_generation(subject: StoreSubject) {
    let a = account("a");
    let row = subject.log_in(&a, token(1)).await;
    let before = subject.load(&a).await;
    for from in [
        Generation::ZERO,
        Generation::new(row.generation.get() - 1),
        Generation::new(row.generation.get() + 1),
    ] {
        let claim = Claim { from, ..claim_on(&before) };
        subject.moved(&a, &before, subject.store().claim(&a, &claim).await).await;
    }
}

pub(super) async fn is_refused_while_an_attempt_is_in_flight(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.claim(&a).await;
    let before = subject.load(&a).await;
    for seen in [claim_on(&before).seen, None, Some(id())] {
        let claim = Claim { seen, ..claim_on(&before) };
        subject.moved(&a, &before, subject.store().claim(&a, &claim).await).await;
    }
}

pub(super) async fn is_refused_for_a_tombstone_and_for_nothing(subject: StoreSubject) {
    let (a, nobody) = (account("a"), account("nobody"));
    subject.log_in(&a, token(1)).await;
    subject.store().delete(&a, id()).await.expect("deletes");
    for account in [a, nobody] {
        let before = subject.load(&account).await;
        let answered = subject.store().claim(&account, &claim_on(&before)).await;
        subject.moved(&account, &before, answered).await;
    }
}

pub(super) async fn in_doubt_needs_to_have_seen_the_attempt(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.claim_and_doubt(&a).await;
    let before = subject.load(&a).await;
    for seen in [None, Some(id())] {
        let claim = Claim { seen, ..claim_on(&before) };
        subject.moved(&a, &before, subject.store().claim(&a, &claim).await).await;
    }
    let closed = account("closed");
    subject.log_in(&closed, token(2)).await;
    let before = subject.load(&closed).await;
    let claim = Claim { seen: Some(id()), ..claim_on(&before) };
    subject.moved(&closed, &before, subject.store().claim(&closed, &claim).await).await;
}

pub(super) async fn in_doubt_keeps_the_first_attempt(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let first = subject.claim_and_doubt(&a).await.open.expect("open");
    let second = subject.claim_and_doubt(&a).await.open.expect("open");
    let third = subject.claim(&a).await;
    let open = third.open.expect("open");
    assert_eq!((second.first, open.first), (first.first, first.first));
    assert!(first.attempt < second.attempt && second.attempt < open.attempt && !open.is_first());
    assert_eq!(third.presented, [token(1)], "one token, however often it is presented");

    let settled = subject.settle(&a, &settle_of(&third, Some(not_before(SHORT, 1)))).await;
    subject.passed(&a, settled.open.expect("in doubt").until).await;
    let fourth: ClaimId = subject.claim(&a).await.open.expect("open").id;
    assert_ne!(fourth, open.id);
}

pub(super) async fn is_refused_over_an_answer_that_was_not_understood_but_for_a_person(
    subject: StoreSubject,
) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let before = subject.load(&a).await;
    let stale = claim_on(&before);
    let claimed = subject.claim(&a).await;
    let decision = Decision::LogIn { why: Revocation::AnswerUnread };
    subject.settle(&a, &settle_of(&claimed, Some(NewVerdict { decision, strikes: 0 }))).await;
    let unread = subject.load(&a).await;
    let row = unread.record.as_ref().expect("a row").row.clone();
    assert!(row.is_unread() && row.open.map(|open| open.id) == claimed.open.map(|open| open.id), "{row:?}");
    for claim in [stale, Claim { cause: Cause::Operator, ..stale }, claim_on(&unread)] {
        let refused = subject.store().claim(&a, &claim).await;
        assert!(matches!(refused, Err(StoreError::Moved(_))), "{claim:?}: {refused:?}");
    }
    let person = Claim { cause: Cause::Operator, ..claim_on(&unread) };
    let again = subject.accepted(&a, subject.store().claim(&a, &person).await).await;
    assert!(again.open.is_some_and(|open| open.id == person.id && !open.is_first()));
}
