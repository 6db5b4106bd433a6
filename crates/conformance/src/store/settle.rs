//! Ending an attempt without an answer.

use solekey_core::{Decision, NewVerdict, Open, Revocation, Settle};

use super::{
    StoreSubject,
    bench::{LONG, account, after, id, not_before, settle_of, token},
};

pub(super) async fn closes_the_first_attempt_and_leaves_a_verdict(subject: StoreSubject) {
    let a = account("a");
    let logged_in = subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let before = subject.load(&a).await.now;
    let row = subject.settle(&a, &settle_of(&claimed, Some(not_before(LONG, 4)))).await;
    let verdict = row.current_verdict().expect("a verdict");
    let Decision::NotBefore { at, .. } = verdict.decision else { panic!("{verdict:?}") };
    assert_eq!((verdict.generation, verdict.strikes), (logged_in.generation, 4));
    assert!(at >= before + LONG && row.due_at == Some(at));
    assert_eq!((row.open, row.generation, row.facts), (None, logged_in.generation, logged_in.facts));
    assert_eq!((row.minted, &*row.presented), (claimed.minted, &[token(1)][..]), "history stays");
}

pub(super) async fn of_a_second_attempt_keeps_the_doubt(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    subject.claim_and_doubt(&a).await;
    let second = subject.claim(&a).await;
    let open = second.open.expect("open");
    let row = subject.settle(&a, &settle_of(&second, Some(not_before(LONG, 2)))).await;
    let verdict = row.current_verdict().expect("a verdict");
    let Decision::NotBefore { at, .. } = verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(row.open, Some(Open { until: at, ..open }));

    let b = account("b");
    subject.log_in(&b, token(2)).await;
    subject.claim_and_doubt(&b).await;
    let second = subject.claim(&b).await;
    let row = subject.settle(&b, &settle_of(&second, None)).await;
    let doubt = row.open.expect("the doubt stays");
    assert!(doubt.until <= subject.load(&b).await.now && doubt.id == second.open.expect("open").id);
}

pub(super) async fn without_a_verdict_keeps_the_old_one(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let settled = subject.settle(&a, &settle_of(&claimed, Some(not_before(LONG, 5)))).await;
    let claimed = subject.claim(&a).await;
    let row = subject.settle(&a, &Settle { due_in: None, ..settle_of(&claimed, None) }).await;
    assert_eq!((row.verdict, row.due_at, row.open), (settled.verdict, None, None));
}

pub(super) async fn can_require_a_login(subject: StoreSubject) {
    let a = account("a");
    let logged_in = subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let decision = Decision::LogIn { why: Revocation::Reused };
    let request = settle_of(&claimed, Some(NewVerdict { decision, strikes: 1 }));
    let row = subject.settle(&a, &Settle { due_in: None, ..request }).await;
    let verdict = row.current_verdict().expect("a verdict");
    assert_eq!(verdict.decision, Decision::LogIn { why: Revocation::Reused });
    assert_eq!((verdict.generation, row.due_at, row.facts), (logged_in.generation, None, logged_in.facts));
}

pub(super) async fn of_anything_else_is_refused(subject: StoreSubject) {
    let (a, nobody) = (account("a"), account("nobody"));
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let before = subject.load(&a).await;
    let right = settle_of(&claimed, Some(not_before(LONG, 1)));
    for wrong in [Settle { id: id(), ..right }, Settle { from: after(&claimed), ..right }] {
        subject.moved(&a, &before, subject.store().settle(&a, &wrong).await).await;
    }
    subject.settle(&a, &right).await;
    let before = subject.load(&a).await;
    subject.moved(&a, &before, subject.store().settle(&a, &right).await).await;
    let before = subject.load(&nobody).await;
    subject.moved(&nobody, &before, subject.store().settle(&nobody, &right).await).await;
}
