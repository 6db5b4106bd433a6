//! What is said about an account beforehand, beside what a flight then does.

use solekey_core::{
    Cause, Delay, Need, NewVerdict, Replay, Revocation, Row, Ruling, Settle,
    flight::{AnswersView, Context, Knowledge, Prospect, RowView, rehearse},
};

use crate::doubt::with_replay;
use crate::fixture::{
    NO_ANSWERS, answered, facts, id, moment_at, open, overdue_row, policy, rotation, row_with, secs, store_at,
};

/// At so many seconds, for the background, by a process that knows nothing.
fn prospect(row: Option<&Row>, answers: AnswersView, at: u64) -> Prospect {
    prospect_of(Need::RefreshedAhead, Knowledge::default(), row, answers, at)
}

fn prospect_of(
    need: Need,
    knowledge: Knowledge,
    row: Option<&Row>,
    answers: AnswersView,
    at: u64,
) -> Prospect {
    let policy = policy(Replay::STRICT_FAMILY);
    let cx = Context { now: moment_at(secs(at)), policy: &policy, id: id(100), jitter: 0 };
    let view = RowView { row: row.cloned(), now: store_at(secs(at)), asked: cx.now };
    rehearse(&cx, need, knowledge, 0, &view, answers)
}

fn ruled(ruling: Ruling<std::time::Duration>) -> Row {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let verdict = Some(NewVerdict { ruling, strikes: 1 });
    row.settle(&Settle { id: id(50), from: row.generation, verdict, due_in: None }, store_at(secs(1)))
        .unwrap();
    row
}

#[test]
fn a_fresh_token_is_served_and_an_overdue_one_presented() {
    let fresh = row_with(facts(1, Some(secs(36_000))), secs(0));
    assert_eq!(prospect(Some(&fresh), NO_ANSWERS, 1), Prospect::Serve { generation: fresh.generation });
    let due = Prospect::Present { cause: Cause::Due, again: false };
    assert_eq!(prospect(Some(&overdue_row()), NO_ANSWERS, 1), due);
}

#[test]
fn an_answer_beside_the_row_comes_first() {
    let row = overdue_row();
    let note = rotation(&row, 60, facts(2, Some(secs(3600))), store_at(secs(1)));
    assert!(
        matches!(prospect(Some(&row), answered(note), 2), Prospect::Adopt(found) if found.claim == id(60))
    );
}

#[test]
fn an_attempt_is_waited_for_and_its_doubt_watched() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let wait = |at, why| Prospect::Wait { at: moment_at(secs(at)), why };
    assert_eq!(prospect(Some(&row), NO_ANSWERS, 10), wait(60, Delay::InFlight));
    // Nobody has watched it yet: a whole span from now.
    assert_eq!(prospect(Some(&row), NO_ANSWERS, 70), wait(130, Delay::InDoubt));
}

#[test]
fn a_person_is_told_that_the_token_would_be_presented_again() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    for at in (61..=141).step_by(10) {
        pilot = pilot.again(Need::RefreshedAhead);
        pilot.clock = secs(at);
        pilot.judge(&row, NO_ANSWERS);
    }
    let knowledge = pilot.flight.knowledge().clone();
    let again = prospect_of(Need::Now { seen: None }, knowledge, Some(&row), NO_ANSWERS, 141);
    assert_eq!(again, Prospect::Present { cause: Cause::Operator, again: true });
}

#[test]
fn verdicts_are_told_as_they_stand() {
    let cooling = ruled(Ruling::NotBefore { at: secs(30), why: Delay::RateLimited });
    let wait = Prospect::Wait { at: moment_at(secs(31)), why: Delay::RateLimited };
    assert_eq!(prospect(Some(&cooling), NO_ANSWERS, 10), wait);
    let ended = ruled(Ruling::LogIn { why: Revocation::Reused });
    assert_eq!(prospect(Some(&ended), NO_ANSWERS, 10), Prospect::LogIn { why: Revocation::Reused });
}

#[test]
fn an_id_that_nobody_knows_is_unknown() {
    assert_eq!(prospect(None, NO_ANSWERS, 1), Prospect::Unknown);
    let mut deleted = overdue_row();
    deleted.delete(id(70), store_at(secs(1)));
    assert_eq!(prospect(Some(&deleted), NO_ANSWERS, 2), Prospect::Unknown);
}
