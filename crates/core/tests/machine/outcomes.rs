//! The outcomes of an exchange, and the writing down of its answer.

use std::time::Duration;

use solekey_core::{
    AnswerNote, Decision, Delay, KEEP_ANSWERS, Login, MAX_RETRY_AFTER, Need, NewFacts, Outcome, Replay,
    Revocation, Row, StoreTime, Verdict,
    flight::{AnswersView, Command, Delivery, Event, Knowledge, Notice, Source, StoreReply, Subject, Watch},
};

use crate::fixture::{
    NO_ANSWERS, Pilot, answered, claimed, delay, exchange, facts, facts_of, id, moment_at, open, overdue_row,
    policy, presents, publish_own, rotation, secs, settled, slept, store_at,
};

const DOWN: StoreReply = StoreReply::NotApplied;

fn flown() -> (Pilot, Row) {
    let mut row = overdue_row();
    let mut pilot = Pilot::of(Replay::STRICT_FAMILY);
    pilot.exchange(&mut row);
    (pilot, row)
}

/// A flight that has read a new pair, the row as it is then, and the two copies to be written.
fn recording(replay: Replay) -> (Pilot, Row, AnswerNote, solekey_core::Commit) {
    let mut row = overdue_row();
    let mut pilot = Pilot::of(replay);
    let (note, commit) = pilot.record(&mut row);
    (pilot, row, note, commit)
}

fn own(note: AnswerNote) -> Command {
    Command::Deliver(Delivery::Token { generation: note.attempt, source: Source::Own })
}

fn outcome(outcome: Outcome<NewFacts>) -> (Pilot, Row, Vec<Command>) {
    let (mut pilot, row) = flown();
    let commands = pilot.hear_outcome(outcome);
    (pilot, row, commands)
}

#[test]
fn a_pair_is_written_as_an_answer_and_into_the_row_at_once() {
    let (_, row, note, commit) = recording(Replay::STRICT_FAMILY);
    assert_eq!(note, commit.note);
    assert_eq!((note.attempt, note.claim), (row.open.unwrap().attempt, row.open.unwrap().id));
    assert_eq!((note.made_from, commit.seen), (row.generation, Some(note.claim)));
}

/// A17.
#[test]
fn a_lifetime_counts_from_before_the_send() {
    let (mut pilot, _) = flown();
    pilot.pass(secs(7));
    let commands = pilot.hear_outcome(Outcome::Success(facts(2, Some(secs(3600)))));
    let [Command::WriteAnswer(note), _] = commands[..] else { panic!("{commands:?}") };
    assert_eq!(note.content.facts().unwrap().expires_in, Some(secs(3593)));
    assert_eq!(note.access_ends, Some(pilot.store_now() + secs(3593)));
}

#[test]
fn a_committed_pair_is_published_and_delivered_at_once_and_its_answer_awaited() {
    let (mut pilot, mut row, note, commit) = recording(Replay::STRICT_FAMILY);
    row.commit(&commit, pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Committed(pilot.done(&row)));
    assert_eq!(commands, [publish_own(note), own(note), Command::ReleaseLease]);
    assert!(!pilot.flight.is_over(), "the witness is not written yet");
    assert_eq!(pilot.hear(Event::AnswerWritten(true)), []);
    assert!(pilot.flight.is_over());
}

#[test]
fn a_witness_that_cannot_be_written_does_not_delay_a_committed_pair() {
    let (mut pilot, mut row, note, commit) = recording(Replay::STRICT_FAMILY);
    assert_eq!(pilot.hear(Event::AnswerWritten(false)), []);
    row.commit(&commit, pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Committed(pilot.done(&row)));
    assert_eq!(commands, [publish_own(note), own(note), Command::ReleaseLease]);
    assert!(pilot.flight.is_over());
}

#[test]
fn an_answer_is_published_and_delivered_only_once_the_store_is_known_to_be_away() {
    let (mut pilot, mut row, note, commit) = recording(Replay::STRICT_FAMILY);
    assert_eq!(pilot.hear(Event::AnswerWritten(true)), []);
    let commands = pilot.hear(Event::Committed(DOWN));
    assert_eq!(commands[..2], [publish_own(note), own(note)]);

    // The commit is retried for as long as the process lives.
    let until = slept(&commands);
    pilot.pass(until.since(pilot.now()));
    let again = pilot.hear(Event::Woken);
    assert!(matches!(again[..], [Command::CommitOwn(retried)] if retried.note.claim == commit.note.claim));
    row.commit(&commit, pilot.store_now()).unwrap();
    pilot.hear(Event::Committed(pilot.done(&row)));
    assert!(pilot.flight.is_over());
}

/// S-T67.
#[test]
fn with_store_and_answers_away_a_pair_is_served_from_memory_and_not_published() {
    for (replay, served) in
        [(Replay::STRICT_FAMILY, true), (Replay::STRICT, true), (Replay::UNTIL_USED, false)]
    {
        let (mut pilot, _, note, _) = recording(replay);
        pilot.hear(Event::AnswerWritten(false));
        let commands = pilot.hear(Event::Committed(DOWN));
        assert_eq!(commands.contains(&own(note)), served, "{replay:?}");
        assert!(!commands.contains(&publish_own(note)));
        assert!(!pilot.flight.is_over());
    }
}

#[test]
fn both_copies_are_retried_at_least_every_quarter_of_the_span() {
    let (mut pilot, _, note, _) = recording(Replay::STRICT_FAMILY);
    pilot.jitter = 999;
    for _ in 0..50 {
        pilot.hear(Event::AnswerWritten(false));
        let until = slept(&pilot.hear(Event::Committed(StoreReply::Unknown)));
        assert!(until.since(pilot.now()) <= pilot.policy.span() / 4);
        pilot.pass(until.since(pilot.now()));
        let commands = pilot.hear(Event::Woken);
        let [Command::WriteAnswer(again), Command::CommitOwn(_)] = commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!(again.claim, note.claim);
    }
}

#[test]
fn a_pair_written_after_an_outage_is_published_then() {
    let (mut pilot, mut row, note, commit) = recording(Replay::UNTIL_USED);
    pilot.hear(Event::AnswerWritten(false));
    let until = slept(&pilot.hear(Event::Committed(DOWN)));
    pilot.pass(until.since(pilot.now()));
    pilot.hear(Event::Woken);
    pilot.hear(Event::AnswerWritten(true));
    row.commit(&commit, pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Committed(pilot.done(&row)));
    assert_eq!(commands[..2], [publish_own(note), own(note)]);
}

#[test]
fn history_is_never_published() {
    for answer_first in [true, false] {
        let (mut pilot, mut row, _, _) = recording(Replay::STRICT_FAMILY);
        row.delete(id(80), pilot.store_now());
        let moved = Event::Committed(StoreReply::Moved(pilot.view(&row)));
        let (first, second) = if answer_first {
            (Event::AnswerWritten(true), moved)
        } else {
            (moved, Event::AnswerWritten(true))
        };
        assert_eq!(pilot.hear(first), []);
        // The read of a tombstone erases the answer: not before it was written.
        assert_eq!(pilot.hear(second), [Command::Load]);
        let commands = pilot.read_again(&row, NO_ANSWERS);
        assert!(commands.contains(&Command::EraseAnswers(row.generation)), "{commands:?}");
        assert!(commands.contains(&Command::Deliver(Delivery::Unknown)));
    }
}

#[test]
fn a_pair_whose_row_moved_below_it_is_committed_again() {
    let (mut pilot, row, note, _) = recording(Replay::STRICT_FAMILY);
    // The store forgot the attempt, and somebody opened another one since.
    let mut forgetful = overdue_row();
    open(&mut forgetful, 60, secs(0));
    assert_eq!(forgetful.generation, row.generation);
    let commands = pilot.hear(Event::Committed(StoreReply::Moved(pilot.view(&forgetful))));
    let [Command::CommitOwn(again)] = commands[..] else { panic!("{commands:?}") };
    assert_eq!((again.note.claim, again.seen), (note.claim, Some(id(60))));
}

/// S-T27.
#[test]
fn a_reply_that_was_lost_does_not_hide_a_commit_that_was_made() {
    let (mut pilot, mut row, note, commit) = recording(Replay::STRICT_FAMILY);
    pilot.hear(Event::AnswerWritten(false));
    row.commit(&commit, pilot.store_now()).unwrap();
    let until = slept(&pilot.hear(Event::Committed(StoreReply::Unknown)));
    pilot.pass(until.since(pilot.now()));
    pilot.hear(Event::Woken);
    let before = row.clone();
    row.commit(&commit, pilot.store_now()).unwrap();
    assert_eq!(row, before);
    pilot.hear(Event::AnswerWritten(true));
    assert!(pilot.hear(Event::Committed(pilot.done(&row))).contains(&publish_own(note)));
    assert_eq!(row.generation, note.attempt);
}

/// B1.
#[test]
fn nothing_sent_and_our_fault_cool_this_process_alone() {
    for (heard, why) in [(Outcome::NotSent, Delay::Unreachable), (Outcome::OurFault, Delay::OurFault)] {
        let (mut pilot, mut row, commands) = outcome(heard);
        let settle = settled(&commands);
        assert_eq!(settle.verdict, None);
        row.settle(&settle, pilot.store_now()).unwrap();
        let commands = pilot.hear(Event::Settled(pilot.done(&row)));
        assert!(!commands.iter().any(|command| matches!(command, Command::Publish(_))), "{commands:?}");
        assert!(commands.contains(&Command::ReleaseLease), "others can try");
        assert_eq!(delay(&commands), (moment_at(secs(1)), why));

        let mut next = pilot.again(solekey_core::Need::Valid);
        assert_eq!(delay(&next.decide(&row, NO_ANSWERS)).1, why);
        let mut other = Pilot::of(Replay::STRICT_FAMILY);
        claimed(&other.decide(&row, NO_ANSWERS));
    }
}

#[test]
fn a_login_ends_what_this_process_cools_down_for() {
    let (pilot, mut row, commands) = outcome(Outcome::NotSent);
    row.settle(&settled(&commands), pilot.store_now()).unwrap();
    let login = Login {
        id: id(3),
        facts: facts(3, Some(secs(0))),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&login, false, pilot.store_now()).unwrap();
    let mut next = pilot.again(solekey_core::Need::Valid);
    claimed(&next.decide(&row, NO_ANSWERS));
}

#[test]
fn what_a_commit_takes_is_not_added_to_a_tokens_life() {
    let (pilot, mut row, _, commit) = recording(Replay::STRICT_FAMILY);
    row.commit(&commit, pilot.store_now() + secs(30)).unwrap();
    assert_eq!(facts_of(&row).expires_at, Some(pilot.store_now() + secs(3600)));
}

#[test]
fn a_refusal_before_processing_settles_the_attempt_with_the_wait_it_requests() {
    let refused = |retry_after| Outcome::Refused { retry_after, why: Delay::RateLimited };
    for (heard, span) in [
        (refused(Some(secs(120))), secs(120)),
        (refused(Some(secs(31_536_000))), MAX_RETRY_AFTER),
        (refused(None), secs(1)),
    ] {
        let (mut pilot, mut row, commands) = outcome(heard);
        row.settle(&settled(&commands), pilot.store_now()).unwrap();
        assert_eq!(row.open, None);
        let verdict = row.current_verdict().unwrap();
        assert_eq!(verdict.decision, Decision::NotBefore { at: store_at(span), why: Delay::RateLimited });
        let commands = pilot.hear(Event::Settled(pilot.done(&row)));
        let verdict = Verdict {
            decision: Decision::NotBefore { at: moment_at(span), why: Delay::RateLimited },
            ..verdict.map(|_| pilot.now())
        };
        assert!(commands.contains(&Command::Publish(Notice::Verdict(verdict))), "{commands:?}");
    }
}

/// K-T22.
#[test]
fn cooldowns_double_from_a_second_to_five_minutes() {
    let mut row = overdue_row();
    let mut waits = Vec::new();
    let mut pilot = Pilot::of(Replay::STRICT_FAMILY);
    pilot.jitter = 999;
    for _ in 0..12 {
        pilot = pilot.again(solekey_core::Need::Valid);
        pilot.exchange(&mut row);
        let settle =
            settled(&pilot.hear_outcome(Outcome::Refused { retry_after: None, why: Delay::ProviderDown }));
        row.settle(&settle, pilot.store_now()).unwrap();
        let Decision::NotBefore { at, .. } = row.current_verdict().unwrap().decision else {
            panic!("{row:?}")
        };
        waits.push(at.since(pilot.store_now()));
        pilot.pass(secs(301));
    }
    assert!(waits.is_sorted() && waits[0] == secs(1) && waits[3] > secs(6), "{waits:?}");
    assert!(waits[11] > secs(295) && waits[11] <= secs(300), "{waits:?}");
}

/// A14.
#[test]
fn an_ambiguous_outcome_leaves_the_attempt_open() {
    let (_, row, commands) = outcome(Outcome::Ambiguous);
    assert!(!commands.iter().any(|command| matches!(command, Command::Settle(_))), "{commands:?}");
    assert_eq!(
        delay(&commands),
        (moment_at(secs(60)), Delay::InDoubt),
        "nothing is presented before its `until`"
    );
    let decision = Decision::NotBefore { at: moment_at(secs(60)), why: Delay::InDoubt };
    let verdict = Verdict { generation: row.generation, decision, strikes: 0 };
    assert!(commands.contains(&Command::Publish(Notice::Verdict(verdict))), "{commands:?}");
}

#[test]
fn a_nonce_that_is_wanted_is_claimed_for_once_more() {
    let (mut pilot, mut row, commands) = outcome(Outcome::NonceWanted);
    let first = row.open.unwrap().id;
    row.settle(&settled(&commands), pilot.store_now()).unwrap();
    assert_eq!(pilot.hear(Event::Settled(pilot.done(&row))), [Command::Load]);
    let claim = claimed(&pilot.read_again(&row, NO_ANSWERS));
    assert_ne!(claim.id, first, "another attempt");
    row.claim(&claim, pilot.store_now()).unwrap();
    assert_eq!(pilot.hear(Event::Claimed(pilot.done(&row))), [exchange(&row)]);
    let settle = settled(&pilot.hear_outcome(Outcome::NonceWanted));
    assert!(settle.verdict.is_some(), "the second time it is a refusal");
}

#[test]
fn another_client_is_tried_by_an_attempt_of_its_own_and_once() {
    let (mut pilot, mut row, commands) = outcome(Outcome::OtherClient);
    let first = row.open.unwrap().id;
    row.settle(&settled(&commands), pilot.store_now()).unwrap();
    assert_eq!(pilot.hear(Event::Settled(pilot.done(&row))), [Command::Load]);
    let claim = claimed(&pilot.read_again(&row, NO_ANSWERS));
    assert_ne!(claim.id, first, "another attempt");
    row.claim(&claim, pilot.store_now()).unwrap();
    assert_eq!(pilot.hear(Event::Claimed(pilot.done(&row))), [exchange(&row)]);
    let settle = settled(&pilot.hear_outcome(Outcome::OtherClient));
    assert_eq!(settle.verdict, None, "the second time it is our fault, and says nothing about the account");
}

/// S-T19.
#[test]
fn an_invalid_grant_over_a_row_that_moved_adopts_what_is_there() {
    let (mut pilot, mut row, commands) = outcome(Outcome::Permanent(Revocation::Reused));
    assert_eq!(commands, [Command::Load]);
    let note = rotation(&row, 60, facts(2, Some(secs(3600))), store_at(secs(0)));
    row.commit(&crate::fixture::commit(note), pilot.store_now()).unwrap();
    let commands = pilot.read_again(&row, NO_ANSWERS);
    let delivery = Delivery::Token { generation: note.attempt, source: Source::Row };
    assert!(commands.contains(&Command::Deliver(delivery)), "{commands:?}");
}

/// A5.
#[test]
fn an_invalid_grant_with_a_newer_answer_stored_commits_that_answer() {
    let (mut pilot, row, _) = outcome(Outcome::Permanent(Revocation::Reused));
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 60, facts(2, None), store_at(secs(0)))
    };
    let commands = pilot.read_again(&row, answered(note));
    assert!(matches!(commands[..], [Command::CommitFound(found)] if found.note == note), "{commands:?}");
}

/// A5.
#[test]
fn an_invalid_grant_with_unreadable_answers_is_doubt() {
    let since = AnswersView::Read { newest: None, unread: None, kept_since: store_at(secs(1)) };
    for answers in [AnswersView::Unreadable, since] {
        let (mut pilot, row, _) = outcome(Outcome::Permanent(Revocation::Refused));
        let commands = pilot.read_again(&row, answers);
        assert!(!commands.iter().any(|command| matches!(command, Command::Settle(_))));
        assert_eq!(delay(&commands).1, Delay::InDoubt);
    }
    let (mut pilot, _, _) = outcome(Outcome::Permanent(Revocation::Refused));
    assert_eq!(delay(&pilot.hear(Event::Loaded(DOWN))).1, Delay::InDoubt);
}

/// A row whose first attempt was claimed at the start and lost, presented once more at `at`, and refused.
fn refused_again(replay: Replay, at: Duration) -> (Pilot, Row) {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let since = moment_at(at.saturating_sub(secs(60)));
    let subject = Subject::Attempt(id(50));
    let watch = Some(Watch { subject, since, last: moment_at(at), widest: Duration::ZERO });
    let knowledge = Knowledge { watch, ..Knowledge::default() };
    let mut pilot = Pilot::with(policy(replay), Need::Valid, knowledge, Duration::ZERO);
    pilot.clock = at;
    pilot.exchange(&mut row);
    assert_eq!(pilot.hear_outcome(Outcome::Permanent(Revocation::Refused)), [Command::Load]);
    (pilot, row)
}

/// The location of answers began anew a minute after the start.
const EMPTIED: AnswersView = AnswersView::Read {
    newest: None,
    unread: None,
    kept_since: StoreTime::from_micros(1_000_000_060_000_000),
};

#[test]
fn where_tokens_are_never_spent_a_refusal_is_believed_although_answers_were_lost() {
    for replay in [Replay::NON_ROTATING, Replay::OLD_STAYS_VALID, Replay::TIMER] {
        let (mut pilot, mut row) = refused_again(replay, secs(120));
        row.settle(&settled(&pilot.read_again(&row, EMPTIED)), pilot.store_now()).unwrap();
        assert_eq!(row.current_verdict().unwrap().decision, Decision::LogIn { why: Revocation::Refused });
    }
}

#[test]
fn a_refusal_is_believed_once_no_answer_could_be_kept_any_more() {
    for answers in [EMPTIED, AnswersView::Unreadable] {
        let (mut pilot, row) = refused_again(Replay::STRICT, KEEP_ANSWERS.saturating_sub(secs(1)));
        assert_eq!(delay(&pilot.read_again(&row, answers)).1, Delay::InDoubt);
        let (mut pilot, row) = refused_again(Replay::STRICT, KEEP_ANSWERS);
        settled(&pilot.read_again(&row, answers));
    }
}

#[test]
fn a_refusal_that_leaves_doubt_is_retried_more_and_more_rarely() {
    let mut row = overdue_row();
    let mut pilot = Pilot::of(Replay::NON_ROTATING);
    let mut tried = Vec::new();
    while pilot.clock < secs(2000) {
        pilot = pilot.again(Need::Valid);
        let commands = pilot.decide(&row, AnswersView::Unreadable);
        if presents(&commands) {
            tried.push(pilot.clock);
            row.claim(&claimed(&commands), pilot.store_now()).unwrap();
            pilot.hear(Event::Claimed(pilot.done(&row)));
            pilot.hear_outcome(Outcome::Permanent(Revocation::Refused));
            assert_eq!(delay(&pilot.read_again(&row, AnswersView::Unreadable)).1, Delay::InDoubt);
        }
        pilot.pass(secs(1));
    }
    let last = tried.windows(2).last().map(|pair| pair[1].saturating_sub(pair[0]));
    assert!(tried.len() > 3 && last >= Some(secs(225)), "{tried:?}");
}

/// S-T8.
#[test]
fn an_invalid_grant_with_nothing_newer_anywhere_is_the_end_of_the_grant() {
    let (mut pilot, mut row, _) = outcome(Outcome::Permanent(Revocation::Refused));
    let commands = pilot.read_again(&row, NO_ANSWERS);
    row.settle(&settled(&commands), pilot.store_now()).unwrap();
    assert_eq!(row.current_verdict().unwrap().decision, Decision::LogIn { why: Revocation::Refused });
    let commands = pilot.hear(Event::Settled(pilot.done(&row)));
    let log_in = Delivery::LogIn { generation: row.generation, why: Revocation::Refused };
    assert!(commands.contains(&Command::Deliver(log_in)), "{commands:?}");
    assert!(pilot.flight.is_over());
}

/// S-T78.
#[test]
fn a_verdict_that_meets_a_row_that_moved_is_void() {
    let (mut pilot, mut row, _) = outcome(Outcome::Permanent(Revocation::Refused));
    let settle = settled(&pilot.read_again(&row, NO_ANSWERS));
    let note = rotation(&row, 60, facts(2, Some(secs(3600))), store_at(secs(0)));
    row.commit(&crate::fixture::commit(note), pilot.store_now()).unwrap();
    assert!(row.settle(&settle, pilot.store_now()).is_err());
    assert_eq!(pilot.hear(Event::Settled(StoreReply::Moved(pilot.view(&row)))), [Command::Load]);
    let commands = pilot.read_again(&row, NO_ANSWERS);
    let delivery = Delivery::Token { generation: note.attempt, source: Source::Row };
    assert!(commands.contains(&Command::Deliver(delivery)));
}

/// S-T79.
#[test]
fn a_settling_is_repeated_until_it_is_acknowledged() {
    let (mut pilot, mut row, commands) =
        outcome(Outcome::Refused { retry_after: None, why: Delay::RateLimited });
    let settle = settled(&commands);
    let commands = pilot.hear(Event::Settled(StoreReply::Unknown));
    assert_eq!(delay(&commands).1, Delay::RateLimited, "callers need not wait for it");
    let until = slept(&commands);
    pilot.pass(until.since(pilot.now()));
    assert_eq!(pilot.hear(Event::Woken), [Command::Settle(settle)]);
    row.settle(&settle, pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Settled(pilot.done(&row)));
    assert!(!presents(&commands));
    assert!(pilot.flight.is_over());
}

/// A flight whose provider sent a new refresh token and no access token, once that is written down.
fn without_access_token(mut pilot: Pilot, row: &mut Row) -> (Pilot, Vec<Command>) {
    let nothing = NewFacts { refresh: facts(2, None).refresh, ..facts(1, Some(secs(0))) };
    let commands = pilot.hear_outcome(Outcome::Success(nothing));
    let [Command::WriteAnswer(_), Command::CommitOwn(commit)] = commands[..] else { panic!("{commands:?}") };
    row.commit(&commit, pilot.store_now()).unwrap();
    assert_eq!(pilot.hear(Event::AnswerWritten(true)), []);
    let commands = pilot.hear(Event::Committed(pilot.done(row)));
    (pilot, commands)
}

#[test]
fn an_answer_without_an_access_token_is_written_down_and_hands_out_no_old_one() {
    let (pilot, mut row) = flown();
    let (mut pilot, commands) = without_access_token(pilot, &mut row);
    assert_eq!(commands, [Command::Load]);
    let commands = pilot.read_again(&row, NO_ANSWERS);
    assert_eq!(delay(&commands), (moment_at(secs(5)), Delay::JustRefreshed));

    let mut next = pilot.again(solekey_core::Need::Valid);
    next.pass(secs(5));
    assert_eq!(Some(claimed(&next.decide(&row, NO_ANSWERS)).presents), facts(2, None).refresh);
}

#[test]
fn a_reporter_is_not_given_its_own_token_back_with_a_new_generation() {
    let fresh = || crate::fixture::row_with(facts(1, Some(secs(7200))), secs(60));
    let report = |row: &mut Row| {
        let access = crate::fixture::facts_of(row).access;
        let mut pilot = Pilot::new(solekey_core::Need::NotThis { generation: row.generation, access });
        pilot.exchange(row);
        pilot
    };
    // No access token came back: the next exchange brings one, after a pause.
    let mut row = fresh();
    let pilot = report(&mut row);
    let (mut pilot, commands) = without_access_token(pilot, &mut row);
    assert_eq!(commands, [Command::Load]);
    assert_eq!(delay(&pilot.read_again(&row, NO_ANSWERS)).1, Delay::JustRefreshed);

    // The same string came back, valid: the evidence is about the resource.
    let mut row = fresh();
    let mut pilot = report(&mut row);
    let same = NewFacts { refresh: facts(2, None).refresh, ..facts(1, Some(secs(3600))) };
    let commands = pilot.hear_outcome(Outcome::Success(same));
    let [_, Command::CommitOwn(commit)] = commands[..] else { panic!("{commands:?}") };
    row.commit(&commit, pilot.store_now()).unwrap();
    pilot.hear(Event::AnswerWritten(true));
    assert_eq!(pilot.hear(Event::Committed(pilot.done(&row))), [publish_own(commit.note), Command::Load]);
    let commands = pilot.read_again(&row, NO_ANSWERS);
    let is_rejected_again =
        |command: &Command| matches!(command, Command::Deliver(Delivery::RejectedAgain { .. }));
    assert!(commands.iter().any(is_rejected_again), "{commands:?}");
}

/// B9.
#[test]
fn a_new_token_that_has_ended_already_is_handed_to_whoever_waited_for_it() {
    let (mut pilot, mut row) = flown();
    let commands = pilot.hear_outcome(Outcome::Success(facts(2, Some(secs(0)))));
    let [Command::WriteAnswer(note), Command::CommitOwn(commit)] = commands[..] else {
        panic!("{commands:?}")
    };
    row.commit(&commit, pilot.store_now()).unwrap();
    assert!(pilot.hear(Event::Committed(pilot.done(&row))).contains(&own(note)));
}

/// S-T21.
#[test]
fn an_invalid_grant_while_the_store_is_away_ends_no_grant() {
    for answer in [DOWN, StoreReply::Unknown] {
        let (mut pilot, _, _) = outcome(Outcome::Permanent(Revocation::Refused));
        let commands = pilot.hear(Event::Loaded(answer));
        assert!(!commands.iter().any(|command| matches!(command, Command::Settle(_))), "{commands:?}");
        assert_eq!(delay(&commands).1, Delay::InDoubt);
    }
}

/// S-T71.
#[test]
fn a_success_clears_the_delay_that_was_decided_before_it() {
    let (mut pilot, mut row, commands) =
        outcome(Outcome::Refused { retry_after: Some(secs(5)), why: Delay::RateLimited });
    row.settle(&settled(&commands), pilot.store_now()).unwrap();
    assert!(row.current_verdict().is_some());
    pilot.pass(secs(6));
    let mut next = pilot.again(Need::Valid);
    let (note, commit) = next.record(&mut row);
    row.commit(&commit, next.store_now()).unwrap();
    assert_eq!((row.verdict, row.open), (None, None));
    assert!(next.hear(Event::Committed(next.done(&row))).contains(&publish_own(note)));
}
