//! Answers that arrived whole and were not understood.

use solekey_core::{
    AnswerNote, Content, Decision, Delay, Need, Outcome, Replay, Revocation, Row, UnreadNote,
    flight::{AnswersView, Command, Delivery, Event, Knowledge, NextStep, Notice, StoreReply, dry_run},
};

use crate::fixture::{
    NO_ANSWERS, Pilot, claimed, delay, facts, id, moment_at, open, overdue_row, policy, presents, secs,
    settled, slept, store_at,
};

const WHY: Revocation = Revocation::AnswerUnread;
const REVOKING: [Replay; 3] = [Replay::STRICT, Replay::STRICT_FAMILY, Replay::grace(secs(30))];

fn log_in(row: &Row) -> Command {
    Command::Deliver(Delivery::LogIn { generation: row.generation, why: WHY })
}

/// A flight that has read an answer that it does not understand, the row then, and what it does.
fn unread(replay: Replay) -> (Pilot, Row, Vec<Command>) {
    let mut row = overdue_row();
    let mut pilot = Pilot::of(replay);
    pilot.exchange(&mut row);
    pilot.pass(secs(1));
    let commands = pilot.hear_outcome(Outcome::Unread);
    (pilot, row, commands)
}

/// The note of the answer to the attempt that is open.
fn note_of(row: &Row) -> AnswerNote {
    let open = row.open.unwrap();
    AnswerNote {
        attempt: open.attempt,
        claim: open.id,
        made_from: row.generation,
        content: Content::Unread,
        access_ends: None,
    }
}

fn kept(note: AnswerNote) -> AnswersView {
    AnswersView::Read { newest: None, unread: Some(UnreadNote::of(&note)), kept_since: store_at(secs(0)) }
}

#[test]
fn it_is_written_down_and_forbids_presentations_at_once() {
    for replay in REVOKING {
        let (mut pilot, mut row, commands) = unread(replay);
        let [Command::WriteAnswer(note), Command::Settle(settle)] = commands[..] else {
            panic!("{commands:?}")
        };
        let expected = AnswerNote { access_ends: Some(store_at(secs(0))), ..note_of(&row) };
        assert_eq!(note, expected, "its request was sent then");
        row.settle(&settle, pilot.store_now()).unwrap();
        assert!(row.is_unread() && row.open.is_some(), "whoever saw none before it is to find it");
        let commands = pilot.hear(Event::Settled(pilot.done(&row)));
        assert!(commands.contains(&log_in(&row)), "{commands:?}");
        assert!(
            commands.iter().any(|command| matches!(
                command,
                Command::Publish(Notice::Verdict(verdict)) if verdict.decision == Decision::LogIn { why: WHY }
            )),
            "{commands:?}"
        );
        assert!(pilot.flight.is_committed(), "a shutdown waits for the answer");
        assert!(pilot.hear(Event::AnswerWritten(true)).is_empty());
        assert!(pilot.flight.is_over());
        // Nobody presents again, with or without what was kept.
        for answers in [NO_ANSWERS, kept(note)] {
            let mut later = pilot.again(Need::Valid);
            later.pass(secs(1_000_000));
            let commands = later.decide(&row, answers);
            assert!(!presents(&commands) && commands.contains(&log_in(&row)), "{commands:?}");
        }
    }
}

#[test]
fn what_could_not_be_written_is_written_again_while_callers_go() {
    let (mut pilot, mut row, commands) = unread(Replay::STRICT_FAMILY);
    let [write, Command::Settle(settle)] = commands[..] else { panic!("{commands:?}") };
    assert!(pilot.hear(Event::AnswerWritten(false)).is_empty());
    let commands = pilot.hear(Event::Settled(StoreReply::Unknown));
    assert!(commands.contains(&log_in(&row)), "{commands:?}");
    pilot.clock += slept(&commands).since(pilot.now());
    assert_eq!(pilot.hear(Event::Woken), [write, Command::Settle(settle)]);
    row.settle(&settle, pilot.store_now()).unwrap();
    pilot.hear(Event::Settled(pilot.done(&row)));
    let commands = pilot.hear(Event::AnswerWritten(false));
    pilot.clock += slept(&commands).since(pilot.now());
    assert_eq!(pilot.hear(Event::Woken), [write], "the mark is made");
    pilot.hear(Event::AnswerWritten(true));
    assert!(pilot.flight.is_over());
}

#[test]
fn a_row_that_went_on_meanwhile_is_read_again() {
    let (mut pilot, mut row, _) = unread(Replay::STRICT_FAMILY);
    row.delete(id(9), pilot.store_now());
    assert!(pilot.hear(Event::Settled(StoreReply::Moved(pilot.view(&row)))).is_empty());
    assert_eq!(pilot.hear(Event::AnswerWritten(true)), [Command::Load]);
}

#[test]
fn where_nothing_is_lost_by_presenting_again_it_is_a_doubt() {
    for replay in [Replay::NON_ROTATING, Replay::UNTIL_USED] {
        let (mut pilot, row, commands) = unread(replay);
        let [Command::WriteAnswer(note)] = commands[..] else { panic!("{commands:?}") };
        let commands = pilot.hear(Event::AnswerWritten(true));
        assert_eq!(delay(&commands), (moment_at(secs(60)), Delay::InDoubt));
        let mut later = Pilot::of(replay);
        later.pass(secs(200));
        let commands = later.decide(&row, kept(note));
        if replay == Replay::NON_ROTATING {
            claimed(&commands);
        } else {
            assert_eq!(delay(&commands).1, Delay::InDoubt, "once it was watched");
        }
    }
}

/// Its owner died after it had written the answer.
#[test]
fn an_attempt_with_an_answer_that_was_not_understood_is_settled_by_the_next() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = note_of(&row);
    let mut early = Pilot::of(Replay::STRICT_FAMILY);
    assert_eq!(delay(&early.decide(&row, kept(note))).1, Delay::InFlight);
    let mut heir = Pilot::of(Replay::STRICT_FAMILY);
    heir.pass(secs(61));
    let settle = settled(&heir.decide(&row, kept(note)));
    row.settle(&settle, heir.store_now()).unwrap();
    assert!(row.is_unread());
    assert!(heir.hear(Event::Settled(heir.done(&row))).contains(&log_in(&row)));
}

#[test]
fn the_attempt_of_somebody_else_is_watched_before_a_login_is_asked_for() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = note_of(&row);
    open(&mut row, 51, secs(60));
    let mut pilot = Pilot::of(Replay::STRICT_FAMILY);
    pilot.pass(secs(121));
    for _ in 0..20 {
        let commands = pilot.decide(&row, kept(note));
        assert!(!presents(&commands), "{commands:?}");
        if let [Command::Settle(settle)] = commands[..] {
            row.settle(&settle, pilot.store_now()).unwrap();
            assert!(row.is_unread() && row.open.is_some(), "the doubt stays");
            assert!(pilot.clock >= secs(121 + 60), "{:?}", pilot.clock);
            return;
        }
        pilot = pilot.again(Need::Valid);
        pilot.pass(secs(10));
    }
    panic!("nobody asked for a login");
}

#[test]
fn a_store_that_forgot_the_attempt_presents_nothing_either() {
    let mut claimed_once = overdue_row();
    open(&mut claimed_once, 50, secs(0));
    let note = note_of(&claimed_once);
    let row = overdue_row();
    for knowledge in [Knowledge::default(), Knowledge { known: note.attempt, ..Knowledge::default() }] {
        let mut pilot = Pilot::with(policy(Replay::STRICT_FAMILY), Need::Valid, knowledge, secs(0));
        pilot.pass(secs(1_000_000));
        let commands = pilot.decide(&row, kept(note));
        assert!(!presents(&commands) && commands.contains(&log_in(&row)), "{commands:?}");
    }
}

#[test]
fn a_newer_row_makes_it_history() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = note_of(&row);
    let login = solekey_core::Login {
        id: id(3),
        facts: facts(5, Some(secs(1))),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&login, false, store_at(secs(100))).unwrap();
    let mut pilot = Pilot::of(Replay::STRICT_FAMILY);
    pilot.pass(secs(200));
    claimed(&pilot.decide(&row, kept(note)));
}

#[test]
fn a_person_may_present_all_the_same() {
    let (mut pilot, mut row, commands) = unread(Replay::STRICT_FAMILY);
    let [Command::WriteAnswer(note), Command::Settle(settle)] = commands[..] else { panic!("{commands:?}") };
    row.settle(&settle, pilot.store_now()).unwrap();
    pilot.hear(Event::AnswerWritten(true));
    pilot.hear(Event::Settled(pilot.done(&row)));
    let mut person = pilot.again(Need::Now { seen: None });
    person.pass(secs(10));
    let claim = claimed(&person.decide(&row, kept(note)));
    row.claim(&claim, person.store_now()).unwrap();
    person.hear(Event::Claimed(person.done(&row)));
    // And knows no better when the provider does not take it.
    assert_eq!(person.hear_outcome(Outcome::Permanent(Revocation::Refused)), [Command::Load]);
    let settle = settled(&person.read_again(&row, kept(note)));
    assert_eq!(settle.verdict.unwrap().decision, Decision::LogIn { why: WHY });
}

#[test]
fn what_resolves_doubts_reads_the_answers_of_a_row_although_its_token_is_good() {
    let mut row = crate::fixture::row_with(facts(1, Some(secs(7200))), secs(10));
    open(&mut row, 50, secs(0));
    let mut pilot = Pilot::of(Replay::STRICT_FAMILY);
    let settle = solekey_core::Settle {
        id: id(50),
        from: row.generation,
        verdict: Some(solekey_core::NewVerdict { decision: Decision::LogIn { why: WHY }, strikes: 0 }),
        due_in: None,
    };
    let note = AnswerNote { content: Content::Rotated(facts(2, Some(secs(3600)))), ..note_of(&row) };
    row.settle(&settle, pilot.store_now()).unwrap();
    assert!(row.is_unread());
    pilot = Pilot::with(policy(Replay::STRICT_FAMILY), Need::Resolved, Knowledge::default(), secs(0));
    pilot.pass(secs(10));
    let commands = pilot.decide(&row, crate::fixture::answered(note));
    assert!(matches!(commands[..], [Command::CommitFound(_)]), "{commands:?}");
    let view = pilot.view(&row);
    let policy = policy(Replay::STRICT_FAMILY);
    let cx = solekey_core::flight::Context { now: pilot.now(), policy: &policy, id: id(77), jitter: 0 };
    let next = dry_run(&cx, Need::Resolved, Knowledge::default(), 0, &view, crate::fixture::answered(note));
    assert!(matches!(next, NextStep::Adopt(_)), "{next:?}");
}

/// It was read before the attempt whose answer was not understood, or before its verdict.
#[test]
fn a_claim_that_was_on_its_way_is_refused() {
    let before = overdue_row();
    let mut row = before.clone();
    open(&mut row, 50, secs(0));
    let settle = solekey_core::Settle {
        id: id(50),
        from: row.generation,
        verdict: Some(solekey_core::NewVerdict { decision: Decision::LogIn { why: WHY }, strikes: 0 }),
        due_in: None,
    };
    row.settle(&settle, store_at(secs(1))).unwrap();
    let person = |claim| solekey_core::Claim { cause: solekey_core::Cause::Operator, ..claim };
    let plain = crate::fixture::claim_of(&before, 51, None, secs(9));
    let further = crate::fixture::claim_of(&row, 52, Some(id(50)), secs(9));
    for claim in [plain, person(plain), further] {
        assert!(row.clone().claim(&claim, store_at(secs(2))).is_err(), "{claim:?}");
    }
    assert!(row.claim(&person(further), store_at(secs(2))).is_ok());
}
