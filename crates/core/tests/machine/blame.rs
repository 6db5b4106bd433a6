//! The cause of a refusal: our own lost answer, somebody else, or just a refusal.

use solekey_core::{
    Decision, Delay, Login, Need, Outcome, Replay, Revocation, Row,
    flight::{Event, Knowledge, Subject, Watch},
};

use crate::fixture::{
    NO_ANSWERS, Pilot, facts, facts_of, id, moment_at, open, overdue_row, policy, rotation, secs, settled,
    store_at,
};

/// Hears a refusal, finds nothing that contradicts it, and settles; returns the cause that is written into the row.
fn refused(pilot: &mut Pilot, row: &mut Row, reported: Revocation) -> Revocation {
    pilot.hear_outcome(Outcome::Permanent(reported));
    let settle = settled(&pilot.read_again(row, NO_ANSWERS));
    row.settle(&settle, pilot.store_now()).unwrap();
    pilot.hear(Event::Settled(pilot.done(row)));
    match row.current_verdict().unwrap().decision {
        Decision::LogIn { why } => why,
        other @ Decision::NotBefore { .. } => panic!("{other:?}"),
    }
}

fn first_attempt(row: &mut Row) -> Pilot {
    let mut pilot = Pilot::of(Replay::STRICT_FAMILY);
    pilot.exchange(row);
    pilot
}

#[test]
fn a_token_that_was_used_and_presented_here_once_was_used_by_somebody_else() {
    let mut row = overdue_row();
    let mut pilot = first_attempt(&mut row);
    assert_eq!(refused(&mut pilot, &mut row, Revocation::Reused), Revocation::RotatedElsewhere);
}

#[test]
fn a_refusal_that_does_not_speak_of_use_blames_nobody() {
    for reported in [Revocation::Refused, Revocation::Expired] {
        let mut row = overdue_row();
        let mut pilot = first_attempt(&mut row);
        assert_eq!(refused(&mut pilot, &mut row, reported), reported);
    }
}

#[test]
fn after_an_attempt_in_doubt_it_was_our_own_answer_that_was_lost() {
    for reported in [Revocation::Refused, Revocation::Reused] {
        let mut row = overdue_row();
        open(&mut row, 50, secs(0));
        let subject = Subject::Attempt(id(50));
        let seen = Watch { subject, since: moment_at(secs(60)), last: moment_at(secs(200)), widest: secs(0) };
        let knowledge = Knowledge { watch: Some(seen), ..Knowledge::default() };
        let mut pilot = Pilot::with(policy(Replay::STRICT), Need::Valid, knowledge, secs(0));
        pilot.clock = secs(200);
        pilot.exchange(&mut row);
        assert_eq!(refused(&mut pilot, &mut row, reported), Revocation::AnswerLost);
    }
}

#[test]
fn a_token_presented_before_is_no_evidence_against_others() {
    // Refused without being processed, and presented again.
    let mut row = overdue_row();
    let mut pilot = first_attempt(&mut row);
    let later = Outcome::Refused { retry_after: Some(secs(5)), why: Delay::RateLimited };
    row.settle(&settled(&pilot.hear_outcome(later)), pilot.store_now()).unwrap();
    pilot.pass(secs(6));
    let mut next = pilot.again(Need::Valid);
    next.exchange(&mut row);
    assert_eq!(refused(&mut next, &mut row, Revocation::Reused), Revocation::Reused);

    // Handed in again by an operator who insisted, long after it was spent.
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = rotation(&row, 50, facts(2, Some(secs(3600))), store_at(secs(1)));
    let seen = row.open.map(|open| open.id);
    row.commit(&solekey_core::Commit { seen, ..crate::fixture::commit(note) }, store_at(secs(1))).unwrap();
    let spent = facts(1, Some(secs(0)));
    assert_ne!(facts_of(&row).refresh, spent.refresh);
    let login = Login {
        id: id(3),
        facts: spent,
        accept_spent: true,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&login, false, store_at(secs(2))).unwrap();
    let mut pilot = Pilot::of(Replay::STRICT_FAMILY);
    pilot.clock = secs(10);
    pilot.exchange(&mut row);
    assert_eq!(refused(&mut pilot, &mut row, Revocation::Reused), Revocation::Reused);
}

#[test]
fn a_nonce_that_was_missing_is_no_presentation() {
    let mut row = overdue_row();
    let mut pilot = first_attempt(&mut row);
    row.settle(&settled(&pilot.hear_outcome(Outcome::NonceWanted)), pilot.store_now()).unwrap();
    pilot.hear(Event::Settled(pilot.done(&row)));
    let claim = crate::fixture::claimed(&pilot.read_again(&row, NO_ANSWERS));
    row.claim(&claim, pilot.store_now()).unwrap();
    pilot.hear(Event::Claimed(pilot.done(&row)));
    assert_eq!(refused(&mut pilot, &mut row, Revocation::Reused), Revocation::RotatedElsewhere);
}

#[test]
fn a_store_that_went_back_may_have_forgotten_that_the_token_was_presented() {
    let mut row = overdue_row();
    let known = solekey_core::Generation::new(row.generation.get() + 1_000);
    let knowledge = Knowledge { known, ..Knowledge::default() };
    let mut pilot = Pilot::with(policy(Replay::NON_ROTATING), Need::Valid, knowledge, secs(0));
    pilot.exchange(&mut row);
    assert_eq!(refused(&mut pilot, &mut row, Revocation::Reused), Revocation::Reused);
}

#[test]
fn a_person_who_tries_once_more_does_not_take_the_name_away() {
    let mut row = overdue_row();
    let mut pilot = first_attempt(&mut row);
    refused(&mut pilot, &mut row, Revocation::Reused);
    let mut person = pilot.again(Need::Now { seen: Some(row.generation) });
    person.exchange(&mut row);
    assert_eq!(refused(&mut person, &mut row, Revocation::Refused), Revocation::RotatedElsewhere);
}
