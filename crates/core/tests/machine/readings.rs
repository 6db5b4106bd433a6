//! Answers that come when their callers were let go.

use solekey_core::{
    Decision, Delay, Need, Outcome, Replay,
    flight::{Command, Event, Flight, Reading, Recheck, StoreReply},
};

use crate::fixture::{
    NO_ANSWERS, Pilot, claimed, delay, facts, millis, moment_at, open, overdue_row, policy, presents, secs,
    settled,
};

/// A flight that has let its callers go after the exchange timeout, and its row.
fn let_go() -> (Pilot, solekey_core::Row, Reading) {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.exchange(&mut row);
    pilot.pass(secs(10));
    let commands = pilot.hear(Event::ExchangeTimeout);
    let [Command::ReadOn(reading), ..] = commands[..] else { panic!("{commands:?}") };
    assert!(commands.contains(&Command::ReleaseLease), "{commands:?}");
    assert_eq!(delay(&commands), (moment_at(secs(60)), Delay::InDoubt));
    assert!(pilot.flight.is_over());
    (pilot, row, reading)
}

/// The flight of the reading's outcome, in the same process.
fn of(pilot: &Pilot, reading: Reading) -> Pilot {
    pilot.in_its_place(Flight::of_reading(reading, pilot.flight.knowledge().clone(), 0, pilot.now()))
}

fn pair() -> Outcome<solekey_core::NewFacts> {
    Outcome::Success(facts(2, Some(secs(3600))))
}

#[test]
fn callers_are_let_go_after_the_exchange_timeout_and_the_attempt_stays_open() {
    let (pilot, row, _) = let_go();
    assert!(row.open.unwrap().in_flight(pilot.store_now()));
    assert!(matches!(pilot.flight.recheck(), Recheck::CheckAt(_)));
}

#[test]
fn a_late_pair_is_written_as_an_answer_and_into_the_row_and_delivered_to_nobody() {
    let (mut pilot, mut row, reading) = let_go();
    pilot.pass(secs(100));
    let mut late = of(&pilot, reading);
    let [Command::WriteAnswer(note), Command::CommitOwn(commit)] = late.hear_outcome(pair())[..] else {
        panic!("two copies");
    };
    // Its lifetime counts from the send.
    assert_eq!(note.content.facts().unwrap().expires_in, Some(secs(3600 - 110)));
    row.commit(&commit, late.store_now()).unwrap();
    late.hear(Event::AnswerWritten(true));
    let published = late.hear(Event::Committed(late.done(&row)));
    assert!(matches!(published[..], [Command::Publish(_)]), "{published:?}");
    assert!(late.flight.is_over() && late.flight.recheck() == Recheck::Over);
    assert_eq!((row.generation, row.open), (note.attempt, None));
}

#[test]
fn a_late_pair_is_committed_over_another_attempt_which_stays_alone_until_its_end() {
    let (mut pilot, mut row, reading) = let_go();
    pilot.pass(secs(60));
    open(&mut row, 7, pilot.clock);
    let until = row.open.unwrap().until;
    let mut late = of(&pilot, reading);
    let [_, Command::CommitOwn(commit)] = late.hear_outcome(pair())[..] else { panic!("two copies") };
    row.commit(&commit, late.store_now()).unwrap();
    let decision = row.current_verdict().unwrap().decision;
    assert_eq!(decision, Decision::NotBefore { at: until, why: Delay::InFlight });
}

#[test]
fn a_late_pair_never_replaces_that_of_a_later_attempt() {
    let (mut pilot, mut row, reading) = let_go();
    pilot.pass(secs(60));
    open(&mut row, 7, pilot.clock);
    let newer = solekey_core::AnswerNote {
        attempt: row.open.unwrap().attempt,
        claim: row.open.unwrap().id,
        made_from: row.generation,
        content: solekey_core::Content::Rotated(facts(3, Some(secs(3600)))),
        access_ends: None,
    };
    row.commit(&crate::fixture::commit(newer), pilot.store_now()).unwrap();
    let mut late = of(&pilot, reading);
    let [_, Command::CommitOwn(commit)] = late.hear_outcome(pair())[..] else { panic!("two copies") };
    assert!(row.commit(&commit, late.store_now()).is_err());
    late.hear(Event::AnswerWritten(true));
    assert_eq!(late.hear(Event::Committed(StoreReply::Moved(late.view(&row)))), [Command::Load]);
    let commands = late.read_again(&row, NO_ANSWERS);
    assert!(!presents(&commands) && late.flight.is_over(), "{commands:?}");
}

#[test]
fn a_late_flight_claims_nothing_although_the_row_it_finds_is_overdue() {
    let (mut pilot, mut row, reading) = let_go();
    pilot.pass(secs(60));
    let document = solekey_core::Login {
        id: crate::fixture::id(9),
        facts: facts(4, Some(secs(0))),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&document, false, pilot.store_now()).unwrap();
    let mut late = of(&pilot, reading);
    late.hear_outcome(pair());
    late.hear(Event::AnswerWritten(true));
    late.hear(Event::Committed(StoreReply::Moved(late.view(&row))));
    pilot.pass(secs(60));
    let commands = late.read_again(&row, NO_ANSWERS);
    assert!(!presents(&commands) && late.flight.is_over(), "{commands:?}");
}

#[test]
fn a_late_loss_leaves_the_doubt_as_it_is_and_has_it_rechecked() {
    let (mut pilot, _, reading) = let_go();
    pilot.pass(secs(90));
    let mut late = of(&pilot, reading);
    assert_eq!(late.hear_outcome(Outcome::Ambiguous), []);
    assert!(late.flight.is_over());
    assert_eq!(late.flight.recheck(), Recheck::CheckAt(late.now()));
}

#[test]
fn a_late_refusal_settles_its_own_attempt_and_no_other() {
    let (mut pilot, mut row, reading) = let_go();
    pilot.pass(secs(30));
    let refused = Outcome::Refused { retry_after: Some(secs(5)), why: Delay::RateLimited };
    let mut late = of(&pilot, reading);
    let settle = settled(&late.hear_outcome(refused));
    row.settle(&settle, late.store_now()).unwrap();
    assert_eq!(row.open, None);
    late.hear(Event::Settled(late.done(&row)));
    assert!(late.flight.is_over());

    let (mut pilot, mut row, reading) = let_go();
    pilot.pass(secs(60));
    open(&mut row, 7, pilot.clock);
    let mut late = of(&pilot, reading);
    let settle = settled(&late.hear_outcome(refused));
    assert!(row.settle(&settle, late.store_now()).is_err());
    late.hear(Event::Settled(StoreReply::Moved(late.view(&row))));
    assert!(late.flight.is_over());
}

/// Watches the row's attempt once per second; returns the first time at which the token is presented again.
fn watched(pilot: &Pilot, row: &solekey_core::Row, bound: u64) -> Option<u64> {
    let mut pilot = pilot.clone();
    for second in 10..bound {
        pilot.clock = secs(second);
        pilot = pilot.again(Need::Resolved);
        let commands = pilot.decide(row, NO_ANSWERS);
        if presents(&commands) {
            claimed(&commands);
            return Some(second);
        }
    }
    None
}

/// A20: its own pair may arrive at any moment.
#[test]
fn a_process_presents_nothing_during_its_own_reading() {
    let (pilot, row, _) = let_go();
    assert_eq!(pilot.policy.read_limit(), secs(240));
    assert_eq!(watched(&pilot, &row, 300), Some(240));
}

#[test]
fn a_person_who_requests_a_refresh_waits_for_the_own_reading_too() {
    let (mut pilot, row, _) = let_go();
    pilot.clock = secs(100);
    let mut person = pilot.again(Need::Now { seen: Some(row.generation) });
    let commands = person.decide(&row, NO_ANSWERS);
    assert!(!presents(&commands), "{commands:?}");
}

#[test]
fn where_spent_tokens_do_no_harm_the_own_reading_delays_nothing() {
    let mut row = overdue_row();
    let mut pilot = Pilot::of(Replay::NON_ROTATING);
    pilot.exchange(&mut row);
    pilot.pass(secs(10));
    pilot.hear(Event::ExchangeTimeout);
    pilot.clock = secs(60) + millis(1);
    let mut next = pilot.again(Need::Valid);
    claimed(&next.decide(&row, NO_ANSWERS));
}

#[test]
fn inside_a_window_of_grace_the_end_of_the_own_reading_is_awaited_only_where_it_fits() {
    for (window, at) in [(100, 72), (1000, 240)] {
        let mut row = overdue_row();
        let mut pilot = Pilot::of(Replay::grace(secs(window)));
        pilot.exchange(&mut row);
        pilot.pass(secs(10));
        pilot.hear(Event::ExchangeTimeout);
        assert_eq!(watched(&pilot, &row, 300), Some(at), "{window}");
    }
}

#[test]
fn an_answer_is_read_for_four_spans_an_hour_at_most() {
    assert_eq!(policy(Replay::STRICT_FAMILY).read_limit(), secs(240));
    let settings = solekey_core::PolicySettings { quarantine: Some(secs(7200)), ..Default::default() };
    assert_eq!(settings.build().unwrap().read_limit(), secs(3600));
}
