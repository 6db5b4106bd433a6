//! Putting an answer into the row.

use std::time::Duration;

use solekey_core::{
    AnswerNote, Cause, Claim, Commit, Content, Decision, Delay, Forgotten, Generation, MAX_PRESENTED,
    StoreTime, Verdict,
};

use super::{
    StoreSubject,
    bench::{
        LONG, SHORT, account, after, claim_on, commit_of, facts, id, login, not_before, payload, settle_of,
        token,
    },
};

pub(super) async fn puts_the_answer_into_the_row(subject: StoreSubject) {
    let a = account("a");
    let logged_in = subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let before = subject.load(&a).await.now;
    let request = commit_of(&claimed, token(2));
    let row = subject.commit(&a, &request).await;
    let made = row.facts.expect("a credential");
    assert_eq!((row.generation, row.made_by), (request.note.attempt, request.note.claim));
    assert_eq!((row.made_from, row.minted), (logged_in.generation, request.note.attempt));
    assert_eq!((row.open, row.verdict, row.rotations), (None, None, 1));
    assert_eq!((made.refresh, made.lifetime()), (Some(token(2)), Some(LONG)));
    assert!(made.made_at >= before && row.due_at == Some(made.made_at + LONG));
    assert_eq!(row.presented, [token(1)]);
    assert_eq!(subject.record(&a).await.payload, payload("commit"));
}

pub(super) async fn repeated_changes_nothing(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let request = commit_of(&subject.claim(&a).await, token(2));
    let first = subject.commit(&a, &request).await;
    let again = subject.accepted(&a, subject.try_commit(&a, &request).await).await;
    assert_eq!(again, first);
    assert_eq!(subject.record(&a).await.payload, payload("commit"), "the first payload stays");

    let next = subject.claim(&a).await;
    let again = subject.accepted(&a, subject.try_commit(&a, &request).await).await;
    assert_eq!(again, next, "a late repetition leaves the next attempt open");
}

pub(super) async fn of_an_older_attempt_is_refused(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let request = commit_of(&subject.claim(&a).await, token(2));
    subject.log_in(&a, token(3)).await;
    let before = subject.load(&a).await;
    subject.moved(&a, &before, subject.try_commit(&a, &request).await).await;

    let same_number = AnswerNote { attempt: subject.row(&a).await.generation, ..request.note };
    let same_number = Commit { note: same_number, seen: None, ..request };
    subject.moved(&a, &before, subject.try_commit(&a, &same_number).await).await;
}

pub(super) async fn fits_the_generation_or_the_attempt_seen(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let own = commit_of(&claimed, token(2));
    let note =
        AnswerNote { attempt: after(&claimed), claim: id(), made_from: Generation::new(7), ..own.note };
    let before = subject.load(&a).await;
    for seen in [None, Some(id())] {
        let foreign = Commit { note, seen, ..own };
        subject.moved(&a, &before, subject.try_commit(&a, &foreign).await).await;
    }
    let row = subject.commit(&a, &Commit { note, ..own }).await;
    assert_eq!((row.generation, row.made_from, row.open), (note.attempt, Generation::new(7), None));

    let later = AnswerNote { attempt: after(&row), claim: id(), ..note };
    let row = subject.commit(&a, &Commit { note: later, seen: None, ..own }).await;
    assert_eq!(row.generation, later.attempt, "no attempt seen, none open");
}

pub(super) async fn past_another_attempt_in_flight_leaves_its_end_as_verdict(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let first = subject.claim_and_doubt(&a).await;
    let second = subject.claim(&a).await.open.expect("open");
    let late = Commit { seen: None, ..commit_of(&first, token(2)) };
    let row = subject.commit(&a, &late).await;
    let verdict = Verdict {
        generation: late.note.attempt,
        decision: Decision::NotBefore { at: second.until, why: Delay::InFlight },
        strikes: 0,
    };
    assert_eq!((row.current_verdict(), row.open), (Some(verdict), None));
    assert_eq!(row.minted, second.attempt, "what was minted stays minted");

    let b = account("b");
    subject.log_in(&b, token(3)).await;
    let first = subject.claim_and_doubt(&b).await;
    subject.claim_and_doubt(&b).await;
    let row = subject.commit(&b, &Commit { seen: None, ..commit_of(&first, token(4)) }).await;
    assert_eq!((row.verdict, row.open), (None, None), "an attempt in doubt is not under way any more");
}

pub(super) async fn clears_a_verdict(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    subject.settle(&a, &settle_of(&claimed, Some(not_before(SHORT, 3)))).await;
    let row = subject.rotate(&a, token(2)).await;
    assert_eq!(row.verdict, None);
}

pub(super) async fn keeps_the_evidence_until_a_login(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let interval = Duration::from_secs(5 * 60);
    let claimed = subject.claim(&a).await;
    let row = subject.commit(&a, &Commit { evidence: Some(interval), ..commit_of(&claimed, token(2)) }).await;
    let evidence = row.evidence.expect("evidence is written");
    assert_eq!((evidence.interval, Some(evidence.at)), (interval, row.facts.map(|facts| facts.made_at)));
    assert_eq!(subject.rotate(&a, token(3)).await.evidence, Some(evidence));
    assert_eq!(subject.log_in(&a, token(4)).await.evidence, None);
}

pub(super) async fn does_not_add_its_own_time_to_a_tokens_life(subject: StoreSubject) {
    let a = account("a");
    subject.log_in(&a, token(1)).await;
    let claimed = subject.claim(&a).await;
    let open = claimed.open.expect("an attempt is open");
    let earlier = open.first.at - Duration::from_secs(7);
    let request = Commit { as_of: Some(earlier), ..commit_of(&claimed, token(2)) };
    let facts = subject.commit(&a, &request).await.facts.expect("a credential");
    let expires_in = request.note.content.facts().and_then(|facts| facts.expires_in).expect("a lifetime");
    assert_eq!((facts.made_at, facts.expires_at), (earlier, Some(earlier + expires_in)));
    let claimed = subject.claim(&a).await;
    let ahead =
        Commit { as_of: Some(StoreTime::from_micros(u64::MAX >> 12)), ..commit_of(&claimed, token(3)) };
    let facts = subject.commit(&a, &ahead).await.facts.expect("a credential");
    assert!(facts.made_at <= subject.load(&a).await.now, "no clock runs ahead of the store's");
}

pub(super) async fn creates_a_forgotten_row(subject: StoreSubject) {
    let a = account("forgotten");
    let attempt = Generation::new(subject.load(&a).await.now.as_micros());
    let note = AnswerNote {
        attempt,
        claim: id(),
        made_from: Generation::new(attempt.get() - 5),
        content: Content::Rotated(facts(token(1))),
        access_ends: None,
    };
    let request = Commit { note, seen: None, evidence: None, due_in: None, as_of: None, forgotten: None };
    let row = subject.commit(&a, &request).await;
    assert_eq!((row.generation, row.minted, row.made_by), (attempt, attempt, note.claim));
    assert_eq!((row.facts.and_then(|facts| facts.refresh), row.due_at), (Some(token(1)), None));
    let taken = subject.try_log_in(&account("thief"), &login(token(1))).await;
    assert!(taken.is_err(), "the token belongs to the row that came back");
    subject.rotate(&a, token(2)).await;

    let b = account("never seen");
    let unseen = Commit { seen: Some(id()), ..request };
    let before = subject.load(&b).await;
    subject.moved(&b, &before, subject.try_commit(&b, &unseen).await).await;
}

pub(super) async fn into_a_forgotten_row_leaves_it_in_doubt(subject: StoreSubject) {
    let a = account("forgotten");
    let attempt = Generation::new(subject.load(&a).await.now.as_micros());
    let content = Content::Rotated(facts(token(1)));
    let made_from = Generation::new(attempt.get() - 5);
    let note = AnswerNote { attempt, claim: id(), made_from, content, access_ends: None };
    let forgotten = Some(Forgotten { id: id(), span: LONG });
    let found = Commit { note, seen: None, evidence: None, due_in: None, as_of: None, forgotten };
    let row = subject.commit(&a, &found).await;
    let open = row.open.expect("somebody may be presenting");
    assert_eq!((Some(open.id), open.cause), (forgotten.map(|lost| lost.id), Cause::Forgotten));
    assert!(open.first.is_forgotten() && open.until == open.first.at + LONG, "{open:?}");
    let before = subject.load(&a).await;
    for seen in [None, Some(open.id)] {
        let claim = Claim { seen, ..claim_on(&before) };
        subject.moved(&a, &before, subject.store().claim(&a, &claim).await).await;
    }
    // Another answer that is found leaves it so, whatever it was made from.
    let newer = AnswerNote { attempt: after(&row), claim: id(), made_from: row.generation, ..note };
    let again = Some(Forgotten { id: id(), span: LONG });
    let row = subject.commit(&a, &Commit { note: newer, forgotten: again, ..found }).await;
    assert_eq!(row.open.map(|open| open.id), again.map(|lost| lost.id));
    // Its owner's own commit ends it; the request of another may still be under way.
    let own = AnswerNote { attempt: after(&row), claim: id(), made_from: row.generation, ..note };
    let row = subject.commit(&a, &Commit { note: own, forgotten: None, ..found }).await;
    assert_eq!(row.open, None);
    assert!(row.current_verdict().is_some());
}

pub(super) async fn of_a_login_or_a_delete_is_no_rotation(subject: StoreSubject) {
    let a = account("a");
    let row = subject.log_in(&a, token(1)).await;
    let note = AnswerNote {
        attempt: after(&row),
        claim: id(),
        made_from: Generation::ZERO,
        content: Content::LoggedIn(facts(token(2))),
        access_ends: None,
    };
    let login = Commit { note, seen: None, evidence: None, due_in: Some(LONG), as_of: None, forgotten: None };
    let row = subject.commit(&a, &login).await;
    assert_eq!((row.generation, row.rotations, &*row.presented), (note.attempt, 0, &[token(1)][..]));

    let note = AnswerNote { attempt: after(&row), claim: id(), content: Content::Deleted, ..note };
    let row = subject.commit(&a, &Commit { note, due_in: None, ..login }).await;
    assert!(row.is_gone() && row.due_at.is_none() && row.generation == note.attempt);
    assert_eq!(row.presented, [token(2), token(1)]);
    assert!(subject.record(&a).await.payload.is_empty(), "a tombstone holds no credential");
    assert_eq!(subject.store().list(None, None, 10).await.expect("lists").rows, []);
}

pub(super) async fn keeps_the_newest_presented_tokens_only(subject: StoreSubject) {
    let a = account("a");
    let last = MAX_PRESENTED as u64 + 6;
    subject.log_in(&a, token(0)).await;
    for n in 1..=last {
        subject.rotate(&a, token(n)).await;
    }
    let row = subject.row(&a).await;
    let newest: Vec<_> = (0..last).rev().map(token).take(MAX_PRESENTED).collect();
    assert_eq!((row.presented, row.rotations), (newest, last));
    let oldest_known = subject.try_log_in(&account("b"), &login(token(last - MAX_PRESENTED as u64))).await;
    assert!(oldest_known.is_err(), "still known");
}
