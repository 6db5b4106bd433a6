//! The next step by a dry run, compared with what a flight then does.

use solekey_core::{
    Cause, Decision, Delay, Need, NewVerdict, Replay, Revocation, Row, Settle,
    flight::{AnswersView, Context, Knowledge, NextStep, RowView, dry_run},
};

use crate::doubt::with_replay;
use crate::fixture::{
    NO_ANSWERS, answered, facts, id, moment_at, open, overdue_row, policy, rotation, row_with, secs, store_at,
};

/// At so many seconds, for the background, by a process that knows nothing.
fn next_step(row: Option<&Row>, answers: AnswersView, at: u64) -> NextStep {
    next_step_of(Need::RefreshedAhead, Knowledge::default(), row, answers, at)
}

fn next_step_of(
    need: Need,
    knowledge: Knowledge,
    row: Option<&Row>,
    answers: AnswersView,
    at: u64,
) -> NextStep {
    let policy = policy(Replay::STRICT_FAMILY);
    let cx = Context { now: moment_at(secs(at)), policy: &policy, id: id(100), jitter: 0 };
    let view = RowView { row: row.cloned(), now: store_at(secs(at)), asked: cx.now };
    dry_run(&cx, need, knowledge, 0, &view, answers)
}

fn with_verdict(decision: Decision<std::time::Duration>) -> Row {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let verdict = Some(NewVerdict { decision, strikes: 1 });
    row.settle(&Settle { id: id(50), from: row.generation, verdict, due_in: None }, store_at(secs(1)))
        .unwrap();
    row
}

#[test]
fn a_fresh_token_is_served_and_an_overdue_one_presented() {
    let fresh = row_with(facts(1, Some(secs(36_000))), secs(0));
    assert_eq!(next_step(Some(&fresh), NO_ANSWERS, 1), NextStep::Serve { generation: fresh.generation });
    let due = NextStep::Present { cause: Cause::Due, again: false };
    assert_eq!(next_step(Some(&overdue_row()), NO_ANSWERS, 1), due);
}

#[test]
fn a_stored_answer_newer_than_the_row_is_adopted_first() {
    let row = overdue_row();
    let note = rotation(&row, 60, facts(2, Some(secs(3600))), store_at(secs(1)));
    assert!(
        matches!(next_step(Some(&row), answered(note), 2), NextStep::Adopt(found) if found.claim == id(60))
    );
}

#[test]
fn an_attempt_is_waited_for_and_its_doubt_watched() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let wait = |at, why| NextStep::Wait { at: moment_at(secs(at)), why };
    assert_eq!(next_step(Some(&row), NO_ANSWERS, 10), wait(60, Delay::InFlight));
    // Nobody has watched it yet: a whole span from now.
    assert_eq!(next_step(Some(&row), NO_ANSWERS, 70), wait(130, Delay::InDoubt));
}

#[test]
fn a_dry_run_for_a_person_shows_that_the_token_would_be_presented_again() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    for at in (61..=141).step_by(10) {
        pilot = pilot.again(Need::RefreshedAhead);
        pilot.clock = secs(at);
        pilot.decide(&row, NO_ANSWERS);
    }
    let knowledge = pilot.flight.knowledge().clone();
    let again = next_step_of(Need::Now { seen: None }, knowledge, Some(&row), NO_ANSWERS, 141);
    assert_eq!(again, NextStep::Present { cause: Cause::Operator, again: true });
}

#[test]
fn verdicts_are_reported_as_they_stand() {
    let cooling = with_verdict(Decision::NotBefore { at: secs(30), why: Delay::RateLimited });
    let wait = NextStep::Wait { at: moment_at(secs(31)), why: Delay::RateLimited };
    assert_eq!(next_step(Some(&cooling), NO_ANSWERS, 10), wait);
    let ended = with_verdict(Decision::LogIn { why: Revocation::Reused });
    assert_eq!(next_step(Some(&ended), NO_ANSWERS, 10), NextStep::LogIn { why: Revocation::Reused });
}

#[test]
fn an_id_that_nobody_knows_is_unknown() {
    assert_eq!(next_step(None, NO_ANSWERS, 1), NextStep::Unknown);
    let mut deleted = overdue_row();
    deleted.delete(id(70), store_at(secs(1)));
    assert_eq!(next_step(Some(&deleted), NO_ANSWERS, 2), NextStep::Unknown);
}
