//! An attempt past its `until` without an answer.

use std::time::Duration;

use solekey_core::{
    AnswerNote, Cause, Decision, Delay, Generation, InDoubt, KEEP_ANSWERS, Need, NewFacts, Policy,
    PolicySettings, Replay, Revocation, Row, Settle,
    flight::{
        AnswersView, CacheView, Command, Delivery, Event, Knowledge, LeaseView, Recheck, RowView, StoreReply,
    },
};

use crate::fixture::{
    NO_ANSWERS, Pilot, answered, claim_of, claimed, delay, exchange, facts, fingerprint, id, millis,
    moment_at, open, overdue_row, policy, presents, rotation, row_with, secs, settled, slept, store_at,
};

/// A span watched with checks every ten seconds: twice as long as an outage between two of them could have lasted has
/// to be added, for the owner's failed try and its sleep after it.
const WATCHED: u64 = 60 + 2 * 10;

const UNREADABLE: AnswersView = AnswersView::Unreadable;

/// A row whose token lives for `left` from the start, its attempt claimed at the start.
pub(crate) fn doubtful(left: u64) -> Row {
    let mut row = row_with(facts(1, Some(secs(7200))), secs(7200 - left));
    open(&mut row, 50, secs(0));
    row
}

/// Checks every ten seconds, flight after flight of one process, from `from` on, until something is presented.
pub(crate) fn presented_at(
    mut pilot: Pilot,
    row: &Row,
    from: u64,
    answers: impl Fn(Duration) -> AnswersView,
) -> Option<Duration> {
    pilot.clock = secs(from);
    let need = Need::RefreshedAhead;
    for _ in 0..2000 {
        pilot = pilot.again(need);
        let commands = pilot.decide(row, answers(pilot.clock));
        if presents(&commands) {
            let claim = claimed(&commands);
            assert_eq!(claim.seen, row.open.map(|open| open.id), "a further attempt names the one it saw");
            return Some(pilot.clock);
        }
        pilot.pass(secs(10));
    }
    None
}

pub(crate) fn with_replay(replay: Replay) -> Pilot {
    Pilot::with(policy(replay), Need::RefreshedAhead, Knowledge::default(), Duration::ZERO)
}

#[test]
fn a_family_is_risked_only_when_its_access_token_has_ended() {
    let row = doubtful(300);
    let pilot = with_replay(Replay::STRICT_FAMILY);
    // 300 s and one skew of 60 s.
    assert_eq!(presented_at(pilot, &row, 0, |_| NO_ANSWERS), Some(secs(360)));
}

#[test]
fn the_end_of_the_wait_is_delivered_to_every_caller() {
    let row = doubtful(300);
    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    pilot.clock = secs(70);
    let (at, why) = delay(&pilot.decide(&row, NO_ANSWERS));
    assert_eq!((at, why), (moment_at(secs(360)), Delay::InDoubt));
}

/// B5.
#[test]
fn a_family_is_risked_at_once_when_its_access_token_was_rejected_after_the_claim() {
    let row = doubtful(3600);
    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    let mut knowledge = Knowledge::default();
    knowledge.reject(row.generation);
    pilot = Pilot::with(pilot.policy, Need::RefreshedAhead, knowledge, Duration::ZERO);
    assert_eq!(
        presented_at(pilot, &row, 0, |_| NO_ANSWERS),
        Some(secs(WATCHED)),
        "the watch is kept all the same"
    );
}

/// B5.
#[test]
fn a_family_is_risked_when_half_of_the_refresh_tokens_life_is_gone() {
    let mut long = facts(1, Some(secs(100_000)));
    long.refresh_expires_in = Some(secs(1000));
    risked_at_half(policy(Replay::STRICT_FAMILY), long, 1000);
}

/// B5.
#[test]
fn a_family_is_risked_at_half_of_a_refresh_life_that_only_its_provider_configures() {
    let known = PolicySettings {
        quarantine: Some(secs(60)),
        refresh_life: Some(secs(3600)),
        ..PolicySettings::default()
    };
    risked_at_half(known.build().unwrap(), facts(1, Some(secs(100_000))), 3600);
}

/// A family is risked when half of that life is gone, plus one skew, and not before.
fn risked_at_half(policy: Policy, long: NewFacts, life: u64) {
    let mut row = row_with(long, secs(0));
    open(&mut row, 50, secs(0));
    let pilot = Pilot::with(policy, Need::Now { seen: None }, Knowledge::default(), Duration::ZERO);
    let mut pilot = pilot.again(Need::Resolved);
    let half = life / 2 + 60;
    for (clock, presented) in [(half - 10, false), (half, true)] {
        // Watched all along.
        let mut watching = pilot.clone();
        for second in (clock - WATCHED..=clock).step_by(10) {
            watching.clock = secs(second);
            watching = watching.again(Need::Resolved);
            let commands = watching.decide(&row, NO_ANSWERS);
            if second == clock {
                assert_eq!(presents(&commands), presented, "at {clock}");
            }
        }
        pilot.clock = secs(clock);
    }
}

#[test]
fn a_provider_that_refuses_spent_tokens_gets_the_token_again_after_one_watched_span() {
    let row = doubtful(300);
    assert_eq!(presented_at(with_replay(Replay::STRICT), &row, 0, |_| NO_ANSWERS), Some(secs(WATCHED)));
}

/// A3.
#[test]
fn a_resolver_that_comes_late_watches_for_a_whole_span_of_its_own() {
    // The store's clock may have been stepped: `until` has passed there, not here.
    for replay in [Replay::STRICT, Replay::STRICT_FAMILY, Replay::UNTIL_USED] {
        let row = doubtful(0);
        assert_eq!(
            presented_at(with_replay(replay), &row, 100, |_| NO_ANSWERS),
            Some(secs(100 + WATCHED)),
            "{replay:?}"
        );
    }
}

/// A3.
#[test]
fn a_watch_over_another_attempt_starts_anew() {
    let row = doubtful(0);
    let mut pilot = with_replay(Replay::STRICT);
    for second in (60..=110).step_by(10) {
        pilot = pilot.again(Need::Valid);
        pilot.clock = secs(second);
        assert!(!presents(&pilot.decide(&row, NO_ANSWERS)));
    }
    let mut other = row.clone();
    open(&mut other, 51, secs(111));
    assert_eq!(presented_at(pilot, &other, 120, |_| NO_ANSWERS), Some(secs(120 + WATCHED)));
}

#[test]
fn a_watch_lasts_longer_by_twice_what_an_outage_between_two_checks_could_have_lasted() {
    let row = doubtful(0);
    for (step, presented) in [(1, 62), (5, 70), (15, 90)] {
        let mut pilot = with_replay(Replay::STRICT);
        let first = (0..=120).step_by(step).find(|second| {
            pilot = pilot.again(Need::Valid);
            pilot.clock = secs(*second);
            presents(&pilot.decide(&row, NO_ANSWERS))
        });
        assert_eq!(first, Some(presented), "checks every {step} s");
    }
}

#[test]
fn a_watch_with_a_gap_in_it_starts_anew() {
    let row = doubtful(0);
    let mut pilot = with_replay(Replay::STRICT);
    pilot.clock = secs(60);
    pilot.decide(&row, NO_ANSWERS);
    // Nobody checked for half of a span: an outage could have come and gone.
    assert_eq!(presented_at(pilot, &row, 90, |_| NO_ANSWERS), Some(secs(90 + WATCHED)));
}

#[test]
fn a_failed_read_starts_the_watch_anew() {
    let row = doubtful(0);
    let outage = |clock: Duration| if clock == secs(100) { UNREADABLE } else { NO_ANSWERS };
    assert_eq!(presented_at(with_replay(Replay::STRICT_FAMILY), &row, 60, outage), Some(secs(110 + WATCHED)));

    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    for second in (60..=100).step_by(10) {
        pilot = pilot.again(Need::Valid);
        pilot.clock = secs(second);
        pilot.decide(&row, NO_ANSWERS);
    }
    pilot = pilot.again(Need::Valid);
    pilot.reach_load(&row);
    pilot.hear(Event::Loaded(StoreReply::NotApplied));
    assert_eq!(presented_at(pilot, &row, 110, |_| NO_ANSWERS), Some(secs(110 + WATCHED)));
}

/// A4.
#[test]
fn unreadable_answers_are_doubt_until_none_could_be_kept_any_more() {
    for replay in [Replay::STRICT, Replay::STRICT_FAMILY, Replay::UNTIL_USED] {
        let row = doubtful(0);
        assert_eq!(presented_at(with_replay(replay), &row, 60, |_| UNREADABLE), None, "{replay:?}");
        // A week by the store's clock, which may have been stepped: then a watch by this process' own.
        let week = KEEP_ANSWERS.as_secs();
        let after = presented_at(with_replay(replay), &row, week, |_| UNREADABLE);
        assert_eq!(after, Some(secs(week + WATCHED)), "{replay:?}");
    }
}

/// A4.
#[test]
fn a_location_that_has_kept_everything_only_since_after_the_claim_cannot_report_none() {
    let row = doubtful(0);
    let since = |at: u64| AnswersView::Read { newest: None, unread: None, kept_since: store_at(secs(at)) };
    assert_eq!(presented_at(with_replay(Replay::STRICT_FAMILY), &row, 60, |_| since(1)), None);
    assert!(presented_at(with_replay(Replay::STRICT_FAMILY), &row, 60, |_| since(0)).is_some());
}

#[test]
fn a_pair_whose_answer_was_written_late_lives_no_longer_for_it() {
    let row = doubtful(0);
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        access_ends: Some(store_at(secs(50))),
        ..rotation(&row, 50, facts(2, Some(secs(3600))), store_at(secs(20)))
    };
    for (clock, left) in [(10, secs(40)), (70, secs(0))] {
        let mut pilot = Pilot::new(Need::Valid);
        pilot.clock = secs(clock);
        let commands = pilot.decide(&row, answered(note));
        let [Command::CommitFound(commit)] = commands[..] else { panic!("{commands:?}") };
        assert_eq!(commit.note.content.facts().unwrap().expires_in, Some(left));
        assert_eq!(commit.as_of, Some(pilot.store_now()));
    }
}

/// A4.
#[test]
fn the_answers_are_read_again_once_until_has_passed() {
    let mut row = doubtful(0);
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, Some(secs(3600))), store_at(secs(20)))
    };
    let mut pilot = Pilot::with(policy(Replay::STRICT), Need::Valid, Knowledge::default(), secs(300));
    let mut commands = pilot.decide(&row, NO_ANSWERS);
    // One flight waits from before `until` to after it, checking all the time.
    while pilot.clock < secs(61) {
        let until = slept(&commands);
        pilot.pass(until.since(pilot.now()));
        assert_eq!(pilot.hear(Event::Woken), [Command::Register, Command::ReadSharedCache]);
        pilot.hear(Event::SharedCache(Some(CacheView {
            known: Some(row.generation),
            ..CacheView::default()
        })));
        assert_eq!(pilot.hear(Event::Lease(LeaseView::Away)), [Command::Load]);
        assert_eq!(
            pilot.hear(Event::Loaded(pilot.done(&row))),
            [Command::ReadAnswers],
            "at {:?}",
            pilot.clock
        );
        let in_flight = pilot.clock < secs(60);
        commands = pilot.hear(Event::Answers(if in_flight { NO_ANSWERS } else { answered(note) }));
        if !in_flight {
            break;
        }
    }
    let [Command::CommitFound(found)] = commands[..] else { panic!("{commands:?}") };
    row.commit(&found, pilot.store_now()).unwrap();
    assert_eq!(row.generation, note.attempt);
}

#[test]
fn where_spent_tokens_do_no_harm_the_token_is_presented_as_soon_as_until_has_passed() {
    for replay in [Replay::NON_ROTATING, Replay::OLD_STAYS_VALID, Replay::TIMER] {
        assert_eq!(presented_at(with_replay(replay), &doubtful(300), 0, |_| UNREADABLE), Some(secs(60)));
    }
}

/// A7.
#[test]
fn a_retry_inside_the_window_has_to_end_inside_it() {
    let row = doubtful(500);
    let retried = |window: u64, from: u64| {
        presented_at(with_replay(Replay::grace(secs(window))), &row, from, |_| NO_ANSWERS)
    };
    assert_eq!(retried(120, 0), Some(secs(WATCHED)), "watched since before `until`");
    assert_eq!(retried(120, 100), Some(secs(100)), "the watch would not fit the window");
    // 10 s for the exchange and 2 s for writing its answer down.
    assert_eq!(retried(120, 108), Some(secs(108)));
    assert!(retried(120, 109) >= Some(secs(560)), "outside of it the family is at risk");
}

/// A7.
#[test]
fn a_retry_whose_claim_took_too_long_for_the_window_is_not_sent() {
    let mut row = doubtful(500);
    let mut pilot = with_replay(Replay::grace(secs(120)));
    pilot.clock = secs(100);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    row.claim(&claim, pilot.store_now()).unwrap();
    for (passed, sent) in [(secs(8), true), (secs(8) + millis(1), false)] {
        let mut pilot = pilot.clone();
        pilot.pass(passed);
        let commands = pilot.hear(Event::Claimed(pilot.done(&row)));
        if sent {
            assert_eq!(commands, [exchange(&row)]);
        } else {
            assert_eq!(settled(&commands).id, claim.id);
        }
    }
}

/// A7.
#[test]
fn a_window_counts_from_the_first_attempt() {
    let mut row = doubtful(500);
    open(&mut row, 51, secs(60));
    assert_eq!(row.open.unwrap().first.at, store_at(secs(0)));
    // Past the second attempt's `until` the window of the first is over.
    let pilot = with_replay(Replay::grace(secs(120)));
    assert_eq!(presented_at(pilot, &row, 121, |_| NO_ANSWERS), Some(secs(561)));
}

/// Prefers a login over presenting a token that may be spent.
fn asking() -> Pilot {
    let settings = PolicySettings {
        in_doubt: InDoubt::AskLogin,
        quarantine: Some(secs(60)),
        ..PolicySettings::default()
    };
    Pilot::with(settings.build().unwrap(), Need::Valid, Knowledge::default(), Duration::ZERO)
}

/// Checks every ten seconds from `from` on; returns the time at which a login is asked for, and the command.
fn asked_at(row: &Row, from: u64, answers: AnswersView) -> Option<(Duration, Settle, Pilot)> {
    let mut pilot = asking();
    pilot.clock = secs(from);
    for _ in 0..2000 {
        pilot = pilot.again(Need::Valid);
        if let [Command::Settle(settle)] = pilot.decide(row, answers)[..] {
            return Some((pilot.clock, settle, pilot));
        }
        assert!(pilot.flight.is_over());
        pilot.pass(secs(10));
    }
    None
}

#[test]
fn policy_may_require_a_login_instead_of_a_last_chance() {
    let mut row = doubtful(0);
    let (at, settle, mut pilot) = asked_at(&row, 0, NO_ANSWERS).unwrap();
    assert_eq!(at, secs(WATCHED));
    row.settle(&settle, pilot.store_now()).unwrap();
    assert_eq!(row.current_verdict().unwrap().decision, Decision::LogIn { why: Revocation::InDoubt });
    let commands = pilot.hear(Event::Settled(pilot.done(&row)));
    let log_in = Delivery::LogIn { generation: row.generation, why: Revocation::InDoubt };
    assert!(commands.contains(&Command::Deliver(log_in)));
}

#[test]
fn a_login_is_requested_only_once_the_attempt_was_watched() {
    // The store's clock may have been stepped: `until` has passed there, not here.
    let asked = asked_at(&doubtful(0), 100, NO_ANSWERS).unwrap().0;
    assert_eq!(asked, secs(100 + WATCHED));
}

#[test]
fn a_login_is_requested_only_when_the_answers_show_that_there_is_none() {
    let since = AnswersView::Read { newest: None, unread: None, kept_since: store_at(secs(1)) };
    for answers in [UNREADABLE, since] {
        assert!(asked_at(&doubtful(0), 60, answers).is_none());
        let week = KEEP_ANSWERS.as_secs();
        assert_eq!(asked_at(&doubtful(0), week, answers).unwrap().0, secs(week + WATCHED));
    }
}

#[test]
fn a_login_is_requested_for_a_store_that_went_back_once_the_answers_can_be_read() {
    let row = row_with(facts(1, Some(secs(7200))), secs(7200));
    let known = Generation::new(row.generation.get() + 1);
    let asked = |answers| {
        let knowledge = Knowledge { known, ..Knowledge::default() };
        let mut pilot = Pilot::with(asking().policy, Need::Valid, knowledge, Duration::ZERO);
        let log_in = Delivery::LogIn { generation: row.generation, why: Revocation::InDoubt };
        pilot.decide(&row, answers).contains(&Command::Deliver(log_in))
    };
    assert!(asked(NO_ANSWERS) && !asked(UNREADABLE));
}

#[test]
fn an_operator_need_not_wait_for_the_access_token_but_for_the_watch() {
    let row = doubtful(3600);
    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    for second in (60..=60 + WATCHED).step_by(10) {
        pilot = pilot.again(Need::Now { seen: Some(row.generation) });
        pilot.clock = secs(second);
        assert_eq!(presents(&pilot.decide(&row, NO_ANSWERS)), second == 60 + WATCHED, "at {second}");
    }
}

#[test]
fn others_learn_from_a_claim_on_evidence_that_the_token_is_withheld() {
    let mut row = row_with(facts(1, Some(secs(7200))), secs(0));
    let claim = solekey_core::Claim { cause: Cause::Rejected, ..claim_of(&row, 50, None, secs(0)) };
    row.claim(&claim, store_at(secs(0))).unwrap();
    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    pilot = pilot.again(Need::Valid);
    pilot.reach_load(&overdue_row());
    assert_eq!(delay(&pilot.read_again(&row, NO_ANSWERS)).1, Delay::InFlight);
    assert!(pilot.flight.knowledge().is_rejected(row.generation));
}

/// A process that knows a generation its store has forgotten.
fn remembering(replay: Replay, known: Generation) -> Pilot {
    let knowledge = Knowledge { known, ..Knowledge::default() };
    Pilot::with(policy(replay), Need::Valid, knowledge, Duration::ZERO)
}

/// A11.
#[test]
fn a_store_that_went_back_is_doubt_from_the_start_and_has_no_window() {
    let row = row_with(facts(1, Some(secs(7200))), secs(7200 - 300));
    let known = Generation::new(row.generation.get() + 1);
    for replay in [Replay::STRICT_FAMILY, Replay::grace(secs(100_000)), Replay::UNTIL_USED] {
        let pilot = remembering(replay, known);
        assert_eq!(presented_at(pilot, &row, 0, |_| NO_ANSWERS), Some(secs(360)), "{replay:?}");
    }
    assert_eq!(
        presented_at(remembering(Replay::STRICT, known), &row, 0, |_| NO_ANSWERS),
        Some(secs(WATCHED))
    );
    assert_eq!(presented_at(remembering(Replay::STRICT, known), &row, 0, |_| UNREADABLE), None);
}

/// A11.
#[test]
fn a_store_that_went_back_does_not_have_its_old_token_served() {
    let row = row_with(facts(1, Some(secs(7200))), secs(0));
    let mut pilot = remembering(Replay::STRICT_FAMILY, Generation::new(row.generation.get() + 1));
    assert_eq!(delay(&pilot.decide(&row, NO_ANSWERS)).1, Delay::InDoubt);
}

/// A11.
#[test]
fn a_store_that_went_back_gets_its_future_from_the_answers() {
    let row = overdue_row();
    let note = rotation(&row, 60, facts(2, None), store_at(secs(0)));
    let mut pilot = remembering(Replay::STRICT_FAMILY, note.attempt);
    let commands = pilot.decide(&row, answered(note));
    assert!(matches!(commands[..], [Command::CommitFound(_)]), "{commands:?}");
}

/// A22.
#[test]
fn an_answer_brought_back_into_a_store_that_forgot_everything_is_in_doubt_for_a_whole_span() {
    let note = rotation(&overdue_row(), 60, facts(2, Some(secs(7200))), store_at(secs(0)));
    let mut pilot = with_replay(Replay::STRICT_FAMILY);
    let commands = pilot.decide(&Row::empty(), answered(note));
    let [Command::CommitFound(commit)] = commands[..] else { panic!("{commands:?}") };
    let mut row = Row::empty();
    // Its access token lives for another 300 s.
    let as_of = Some(store_at(secs(300)) - secs(7200));
    row.commit(&solekey_core::Commit { as_of, ..commit }, store_at(secs(0))).unwrap();
    let open = row.open.unwrap();
    assert_eq!((open.cause, open.until), (Cause::Forgotten, store_at(secs(60))));
    for (replay, expected) in [
        (Replay::STRICT_FAMILY, 360),
        (Replay::STRICT, WATCHED),
        (Replay::grace(secs(600)), 360),
        (Replay::UNTIL_USED, 360),
        (Replay::NON_ROTATING, 60),
    ] {
        assert_eq!(
            presented_at(with_replay(replay), &row, 0, |_| NO_ANSWERS),
            Some(secs(expected)),
            "{replay:?}"
        );
    }
}

#[test]
fn an_account_that_the_store_forgot_is_not_called_unknown_while_its_answers_cannot_be_read() {
    for (known, answers, delivery) in [
        (Generation::new(7), UNREADABLE, Delivery::RetryAt { at: moment_at(secs(1)), why: Delay::StoreDown }),
        (Generation::new(7), NO_ANSWERS, Delivery::Unknown),
        (Generation::ZERO, UNREADABLE, Delivery::Unknown),
    ] {
        let mut pilot = remembering(Replay::STRICT_FAMILY, known);
        pilot.start();
        pilot.hear(Event::SharedCache(Some(CacheView::default())));
        let nothing = RowView { row: None, now: pilot.store_now(), asked: pilot.now() };
        assert_eq!(pilot.hear(Event::Loaded(StoreReply::Done(nothing))), [Command::ReadAnswers]);
        assert_eq!(pilot.hear(Event::Answers(answers)), [Command::Deliver(delivery)]);
    }
}

#[test]
fn a_verdict_decided_after_a_store_went_back_stays_valid() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let verdict =
        solekey_core::NewVerdict { decision: Decision::LogIn { why: Revocation::Refused }, strikes: 0 };
    let settle =
        solekey_core::Settle { id: id(50), from: row.generation, verdict: Some(verdict), due_in: None };
    row.settle(&settle, store_at(secs(1))).unwrap();
    let pilot = remembering(Replay::STRICT, Generation::new(row.generation.get() + 1));
    assert_eq!(presented_at(pilot, &row, 2, |_| NO_ANSWERS), None);
}

/// Runs the flights that nobody asked for, each at the time that the one before planned; returns the time of the
/// presentation and the number of checks until then.
fn kept_recheck(mut pilot: Pilot, row: &Row) -> (Duration, usize) {
    for checks in 1..1000 {
        let Recheck::CheckAt(at) = pilot.flight.recheck() else { panic!("nobody checks again") };
        pilot.clock = at.since(moment_at(Duration::ZERO));
        pilot = pilot.again(Need::Resolved);
        if presents(&pilot.decide(row, NO_ANSWERS)) {
            return (pilot.clock, checks);
        }
    }
    panic!("the doubt is never resolved");
}

fn with_default_numbers(replay: Replay) -> Pilot {
    let policy = PolicySettings { replay, ..PolicySettings::default() }.build().unwrap();
    Pilot::with(policy, Need::Valid, Knowledge::default(), secs(8))
}

#[test]
fn a_doubt_is_watched_to_its_end_without_any_request() {
    for (replay, span, within) in [(Replay::STRICT, 20, 28), (Replay::STRICT_FAMILY, 60, 84)] {
        let mut row = overdue_row();
        let mut pilot = with_default_numbers(replay);
        pilot.exchange(&mut row);
        assert_eq!(delay(&pilot.hear_outcome(solekey_core::Outcome::Ambiguous)).0, moment_at(secs(span)));
        assert!(pilot.flight.is_over(), "callers are sent away");
        let (presented, checks) = kept_recheck(pilot, &row);
        assert!(presented >= secs(span) && presented <= secs(within), "{replay:?}: {presented:?}");
        assert!(checks <= 12, "{replay:?}: {checks} checks");
    }
}

#[test]
fn a_wait_for_a_tokens_end_is_slept_through_until_a_watch_still_fits() {
    let row = doubtful(500);
    let mut pilot = with_default_numbers(Replay::STRICT_FAMILY).again(Need::RefreshedAhead);
    pilot.clock = secs(61);
    delay(&pilot.decide(&row, NO_ANSWERS));
    let (presented, checks) = kept_recheck(pilot, &row);
    // At the token's end and one skew of 60 s.
    assert_eq!(presented, secs(560));
    assert!(checks <= 13, "{checks} checks");
}

#[test]
fn a_person_who_wants_to_present_earlier_has_the_watch_kept() {
    let row = doubtful(3600);
    let mut pilot = with_default_numbers(Replay::STRICT_FAMILY).again(Need::Now { seen: None });
    pilot.clock = secs(61);
    let (at, why) = delay(&pilot.decide(&row, NO_ANSWERS));
    assert_eq!((at, why), (moment_at(secs(121)), Delay::InDoubt));
    let mut clicked = at;
    while let Recheck::CheckAt(at) = pilot.flight.recheck()
        && pilot.clock < secs(300)
    {
        pilot.clock = at.min(clicked).since(moment_at(Duration::ZERO));
        let clicks = pilot.now() == clicked;
        pilot = pilot.again(if clicks { Need::Now { seen: None } } else { Need::Resolved });
        let commands = pilot.decide(&row, NO_ANSWERS);
        if presents(&commands) {
            assert!(clicks, "only the person may risk the grant");
            return;
        }
        if clicks {
            clicked = delay(&commands).0;
        }
    }
    panic!("the person never gets to present");
}

#[test]
fn a_recheck_examines_a_doubt_behind_a_fresh_token() {
    let mut row = row_with(facts(1, Some(secs(7200))), secs(0));
    open(&mut row, 50, secs(0));
    let mut pilot = with_default_numbers(Replay::STRICT).again(Need::Resolved);
    pilot.clock = secs(61);
    pilot.start();
    let token = solekey_core::flight::TokenView {
        generation: row.generation,
        access: fingerprint(1),
        valid: secs(7000),
        good: secs(6900),
        lifetime: Some(secs(7200)),
    };
    let shared_cache = CacheView { known: Some(row.generation), token: Some(token), ..CacheView::default() };
    assert!(matches!(pilot.hear(Event::SharedCache(Some(shared_cache)))[..], [Command::TakeLease { .. }]));
    pilot.hear(Event::Lease(LeaseView::Away));
    assert_eq!(delay(&pilot.read_again(&row, NO_ANSWERS)).1, Delay::InDoubt);
    assert!(matches!(pilot.flight.recheck(), Recheck::CheckAt(_)));
}

#[test]
fn doubt_rechecks_end_when_no_attempt_is_open_any_more() {
    let mut row = doubtful(0);
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, Some(secs(3600))), store_at(secs(20)))
    };
    row.commit(&crate::fixture::commit(note), store_at(secs(20))).unwrap();
    let mut pilot = with_default_numbers(Replay::STRICT_FAMILY).again(Need::Resolved);
    pilot.clock = secs(30);
    pilot.start();
    pilot.hear(Event::SharedCache(None));
    pilot.hear(Event::Loaded(pilot.done(&row)));
    assert!(pilot.flight.is_over());
    assert_eq!(pilot.flight.recheck(), Recheck::Over);
}

#[test]
fn without_readable_answers_a_doubt_is_rechecked_once_a_span() {
    let row = doubtful(0);
    let mut pilot = with_default_numbers(Replay::STRICT_FAMILY).again(Need::Resolved);
    pilot.clock = secs(61);
    pilot.decide(&row, UNREADABLE);
    assert_eq!(pilot.flight.recheck(), Recheck::CheckAt(moment_at(secs(121))), "there is no watch to keep");
}
