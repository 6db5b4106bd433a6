//! A resource refused an access token: one rotation for the cluster, and the rules when that does not help.

use std::time::Duration;

use solekey_core::{
    Cause, Claim, Commit, Delay, Evidence, Fingerprint, Generation, Need, Outcome, Replay, Row,
    flight::{CacheView, Command, Delivery, Event, Knowledge, Source, TokenView},
};

use crate::fixture::{
    NO_ANSWERS, Pilot, claim_of, claimed, delay, exchange, facts, facts_of, fingerprint, id, open, policy,
    presents, publish_row, rotation, row_with, secs, settled, store_at,
};

fn fresh_row() -> Row {
    row_with(facts(1, Some(secs(7200))), secs(60))
}

fn rejecting(generation: Generation, access: Fingerprint) -> Pilot {
    Pilot::new(Need::NotThis { generation, access })
}

/// A reporter of the row's own token.
fn reporter(row: &Row) -> Pilot {
    rejecting(row.generation, facts_of(row).access)
}

fn token(row: &Row) -> Command {
    Command::Deliver(Delivery::Token { generation: row.generation, source: Source::Row })
}

/// The row after its token was rejected and rotated at `at`, with this interval.
fn rotated_on_evidence(at: u64, interval: u64) -> Row {
    let mut row = fresh_row();
    let claim = Claim { cause: Cause::Rejected, ..claim_of(&row, 50, None, secs(at)) };
    row.claim(&claim, store_at(secs(at))).unwrap();
    let note = rotation(&row, 50, facts(2, Some(secs(7200))), store_at(secs(at)));
    let note = solekey_core::AnswerNote { attempt: row.open.unwrap().attempt, ..note };
    let commit = Commit {
        note,
        seen: None,
        evidence: Some(secs(interval)),
        due_in: None,
        as_of: None,
        forgotten: None,
    };
    row.commit(&commit, store_at(secs(at))).unwrap();
    row
}

/// The interval that a rotation on evidence started now would write.
fn interval_of(pilot: &mut Pilot, row: &mut Row) -> Duration {
    pilot.decide_past_rejection(row);
    let commands = pilot.hear_outcome(Outcome::Success(facts(3, Some(secs(7200)))));
    match commands[..] {
        [_, Command::CommitOwn(commit)] => commit.evidence.unwrap(),
        ref other => panic!("{other:?}"),
    }
}

impl Pilot {
    /// As `decide`, with the shared cache and the lease away, without the marks.
    fn decide_marking(&mut self, row: &Row) -> Vec<Command> {
        self.start();
        self.hear(Event::SharedCache(None));
        self.hear(Event::Loaded(self.done(row)));
        self.hear(Event::Lease(solekey_core::flight::LeaseView::Away));
        self.read_again(row, NO_ANSWERS)
    }

    fn decide_past_rejection(&mut self, row: &mut Row) {
        let claim = claimed(&self.decide(row, NO_ANSWERS));
        assert_eq!(claim.cause, Cause::Rejected);
        row.claim(&claim, self.store_now()).unwrap();
        assert_eq!(self.hear(Event::Claimed(self.done(row))), [exchange(row)]);
    }
}

#[test]
fn a_rejected_token_is_marked_before_anything_is_read() {
    let row = fresh_row();
    let commands = reporter(&row).start();
    assert_eq!(
        commands,
        [Command::MarkRejected(row.generation), Command::Register, Command::ReadSharedCache]
    );
}

/// S-T63.
#[test]
fn a_rejected_token_is_rotated_although_it_is_fresh() {
    let row = fresh_row();
    let claim = claimed(&reporter(&row).decide(&row, NO_ANSWERS));
    assert_eq!((claim.cause, claim.from), (Cause::Rejected, row.generation));
}

/// B4.
#[test]
fn a_report_of_a_token_that_was_replaced_adopts_the_successor() {
    let row = rotated_on_evidence(0, 300);
    let mut late = rejecting(fresh_row().generation, fingerprint(1));
    late.start();
    late.hear(Event::SharedCache(None));
    let commands = late.hear(Event::Loaded(late.done(&row)));
    assert_eq!(commands, [publish_row(&row), token(&row)]);
}

/// M-T13.
#[test]
fn reports_that_meet_the_rotation_wait_for_it() {
    let mut row = fresh_row();
    let claim = Claim { cause: Cause::Rejected, ..claim_of(&row, 50, None, secs(0)) };
    row.claim(&claim, store_at(secs(0))).unwrap();
    let commands = reporter(&row).decide(&row, NO_ANSWERS);
    assert!(!presents(&commands));
    assert_eq!(delay(&commands).1, Delay::InFlight);
}

/// B4.
#[test]
fn a_successor_with_the_same_string_is_not_adopted() {
    let row = fresh_row();
    let older = Generation::new(row.generation.get() - 1);
    let mut pilot = rejecting(older, facts_of(&row).access);
    pilot.start();
    pilot.hear(Event::SharedCache(None));
    let commands = pilot.hear(Event::Loaded(pilot.done(&row)));
    assert!(matches!(commands[..], [Command::MarkRejected(_), Command::TakeLease { .. }]), "{commands:?}");
}

#[test]
fn a_report_that_knows_its_tokens_string_alone_marks_the_generation_that_has_it() {
    let row = fresh_row();
    let report = || rejecting(Generation::ZERO, facts_of(&row).access);
    let mark = Command::MarkRejected(row.generation);
    let mut pilot = report();
    assert_eq!(pilot.start(), [Command::Register, Command::ReadSharedCache], "nothing is known to mark yet");
    let mut at_shared_cache = pilot.clone();
    assert_eq!(at_shared_cache.hear(on_shared_cache(&row, None))[0], mark);
    assert!(at_shared_cache.flight.knowledge().is_rejected(row.generation));

    pilot.hear(Event::SharedCache(Some(CacheView { known: Some(row.generation), ..CacheView::default() })));
    pilot.hear(Event::Lease(solekey_core::flight::LeaseView::Away));
    let commands = pilot.read_again(&row, NO_ANSWERS);
    assert_eq!(commands[0], mark);
    assert_eq!(claimed(&commands[1..]).cause, Cause::Rejected);
}

#[test]
fn a_report_of_a_string_that_nobody_has_marks_nothing() {
    let row = fresh_row();
    let mut pilot = rejecting(Generation::ZERO, fingerprint(77));
    let mut commands = pilot.start();
    commands.extend(pilot.hear(Event::SharedCache(None)));
    commands.extend(pilot.hear(Event::Loaded(pilot.done(&row))));
    assert!(!commands.iter().any(|command| matches!(command, Command::MarkRejected(_))), "{commands:?}");
    assert!(!pilot.flight.knowledge().is_rejected(row.generation));
}

#[test]
fn a_report_about_an_older_token_is_no_evidence_against_one_that_is_due_anyway() {
    // Its token is inside the skew.
    let mut row = row_with(facts(1, Some(secs(7200))), secs(7190));
    let older = Generation::new(row.generation.get() - 1);
    for (generation, access, cause) in [
        (older, fingerprint(9), Cause::Due),
        (older, fingerprint(1), Cause::Rejected),
        (row.generation, fingerprint(9), Cause::Rejected),
    ] {
        let commands = rejecting(generation, access).decide_marking(&row);
        assert_eq!(claimed(&commands).cause, cause);
    }
    let mut marked = Knowledge::default();
    marked.reject(row.generation);
    let need = Need::NotThis { generation: older, access: fingerprint(9) };
    let mut pilot = Pilot::with(policy(Replay::STRICT_FAMILY), need, marked, Duration::ZERO);
    assert_eq!(claimed(&pilot.decide_marking(&row)).cause, Cause::Rejected);

    let (_, commit) = rejecting(older, fingerprint(9)).record(&mut row);
    assert_eq!(commit.evidence, None);
}

#[test]
fn an_unknown_hash_counts_as_older_than_the_current_token() {
    let row = fresh_row();
    let mut pilot = rejecting(Generation::ZERO, fingerprint(77));
    pilot.start();
    pilot.hear(Event::SharedCache(None));
    let commands = pilot.hear(Event::Loaded(pilot.done(&row)));
    assert_eq!(commands, [publish_row(&row), token(&row)]);
}

#[test]
fn a_rejected_token_is_withheld_from_everyone_until_one_rotation_was_tried() {
    let row = fresh_row();
    let mut knowledge = Knowledge::default();
    knowledge.reject(row.generation);
    let mut other = Pilot::with(policy(Replay::STRICT_FAMILY), Need::Valid, knowledge, Duration::ZERO);
    assert_eq!(claimed(&other.decide(&row, NO_ANSWERS)).cause, Cause::Rejected);
}

#[test]
fn a_rotation_that_was_tried_and_failed_gives_the_token_back() {
    let mut row = fresh_row();
    let mut pilot = reporter(&row);
    pilot.decide_past_rejection(&mut row);
    let settle =
        settled(&pilot.hear_outcome(Outcome::Refused { retry_after: None, why: Delay::RateLimited }));
    row.settle(&settle, pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Settled(pilot.done(&row)));
    assert!(commands.contains(&Command::ClearRejection(row.generation)), "{commands:?}");
    assert!(!pilot.flight.knowledge().is_rejected(row.generation));
}

/// Returns true if the attempt that `commands` settle clears the rejection.
fn gives_back(pilot: &mut Pilot, row: &mut Row, commands: &[Command]) -> bool {
    row.settle(&settled(commands), pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Settled(pilot.done(row)));
    let unmarked = commands.contains(&Command::ClearRejection(row.generation));
    assert_eq!(unmarked, !pilot.flight.knowledge().is_rejected(row.generation));
    unmarked
}

#[test]
fn only_what_the_provider_answered_counts_as_tried() {
    let refused = Outcome::Refused { retry_after: None, why: Delay::RateLimited };
    for (outcome, tried) in [
        (refused, true),
        (Outcome::OurFault, true),
        (Outcome::NotSent, false),
        (Outcome::Withheld(Delay::OurFault), false),
        (Outcome::NonceWanted, false),
        (Outcome::OtherClient, false),
    ] {
        let mut row = fresh_row();
        let mut pilot = reporter(&row);
        pilot.decide_past_rejection(&mut row);
        let commands = pilot.hear_outcome(outcome);
        assert_eq!(gives_back(&mut pilot, &mut row, &commands), tried, "{outcome:?}");
    }
}

#[test]
fn a_grant_that_ended_over_a_rejected_token_was_tried() {
    let mut row = fresh_row();
    let mut pilot = reporter(&row);
    pilot.decide_past_rejection(&mut row);
    pilot.hear_outcome(Outcome::Permanent(solekey_core::Revocation::Refused));
    let commands = pilot.read_again(&row, NO_ANSWERS);
    assert!(gives_back(&mut pilot, &mut row, &commands));
}

#[test]
fn an_attempt_that_was_never_sent_gives_no_rejected_token_back() {
    // Too late for its exchange, or the process stops.
    for drains in [false, true] {
        let mut row = fresh_row();
        let mut pilot = reporter(&row);
        let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
        row.claim(&claim, pilot.store_now()).unwrap();
        if drains {
            pilot.hear(Event::Drain);
        } else {
            pilot.pass(secs(49));
        }
        let commands = pilot.hear(Event::Claimed(pilot.done(&row)));
        assert!(!gives_back(&mut pilot, &mut row, &commands));
    }
}

/// The row's token in the shared cache, marked or not.
fn on_shared_cache(row: &Row, rejected: Option<Generation>) -> Event {
    let token = TokenView {
        generation: row.generation,
        access: facts_of(row).access,
        valid: secs(7000),
        good: secs(6900),
        lifetime: Some(secs(7200)),
    };
    let known = Some(row.generation);
    Event::SharedCache(Some(CacheView { known, token: Some(token), rejected, ..CacheView::default() }))
}

/// Returns true if the next plain request of this process is served from the shared cache, which shows no mark.
fn is_served_unmarked(pilot: &Pilot, row: &Row) -> bool {
    let mut next = pilot.again(Need::Valid);
    next.start();
    let delivery = Delivery::Token { generation: row.generation, source: Source::SharedCache };
    next.hear(on_shared_cache(row, None)) == [Command::Deliver(delivery)]
}

#[test]
fn a_mark_seen_in_the_shared_cache_ends_when_it_is_cleared_there() {
    let row = fresh_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    pilot.hear(on_shared_cache(&row, Some(row.generation)));
    assert!(pilot.flight.knowledge().is_rejected(row.generation));
    assert!(is_served_unmarked(&pilot, &row));
}

#[test]
fn a_mark_of_ones_own_ends_when_another_replica_clears_it() {
    let row = fresh_row();
    let mut pilot = reporter(&row);
    pilot.start();
    pilot.hear(Event::RejectionMarked { generation: row.generation, shared: true });
    pilot.hear(on_shared_cache(&row, Some(row.generation)));
    assert!(pilot.flight.knowledge().is_rejected(row.generation));
    assert!(is_served_unmarked(&pilot, &row));
}

#[test]
fn a_mark_that_the_shared_cache_did_not_take_counts_whatever_the_shared_cache_shows() {
    let row = fresh_row();
    let mut failed = reporter(&row);
    failed.start();
    failed.hear(Event::RejectionMarked { generation: row.generation, shared: false });
    failed.hear(on_shared_cache(&row, None));
    assert!(!is_served_unmarked(&failed, &row));

    let mut forgotten = reporter(&row);
    forgotten.start();
    forgotten.hear(Event::RejectionMarked { generation: row.generation, shared: true });
    forgotten.hear(Event::SharedCache(Some(CacheView::default())));
    assert!(!is_served_unmarked(&forgotten, &row), "a cache that does not know the account keeps no mark");
}

#[test]
fn a_mark_learnt_from_a_claim_ends_with_its_attempt() {
    let mut row = fresh_row();
    let plain = row.clone();
    let claim = Claim { cause: Cause::Rejected, ..claim_of(&row, 50, None, secs(0)) };
    row.claim(&claim, store_at(secs(0))).unwrap();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.reach_load(&row_with(facts(1, Some(secs(3600))), secs(3600)));
    delay(&pilot.read_again(&row, NO_ANSWERS));
    assert!(pilot.flight.knowledge().is_rejected(row.generation));

    // Settled: no process that sees the row has a reason to withhold its token.
    let mut next = pilot.again(Need::Valid);
    next.start();
    next.hear(Event::SharedCache(None));
    assert_eq!(next.hear(Event::Loaded(next.done(&plain))), [publish_row(&plain), token(&plain)]);
    assert!(is_served_unmarked(&pilot, &row), "nor has one that sees the shared cache");
}

#[test]
fn a_successor_rejected_within_five_minutes_is_kept_and_its_reporter_gets_rejected_again() {
    let row = rotated_on_evidence(0, 300);
    let mut pilot = reporter(&row);
    pilot.clock = secs(299);
    let commands = pilot.decide(&row, NO_ANSWERS);
    let rejected = Delivery::RejectedAgain { at: crate::fixture::moment_at(secs(300)) };
    assert!(commands.contains(&Command::Deliver(rejected)), "{commands:?}");
    assert!(
        commands.contains(&Command::ClearRejection(row.generation)),
        "it goes on being served to everybody else"
    );
    assert!(!presents(&commands));

    // The process remembers: its next reporter is answered without a read.
    let mut next = pilot.again(Need::NotThis { generation: row.generation, access: facts_of(&row).access });
    assert_eq!(next.start(), [Command::Deliver(rejected)]);
}

/// B3.
#[test]
fn a_mark_on_the_successor_does_not_delay_whoever_reported_an_older_token() {
    let row = rotated_on_evidence(0, 300);
    let need = Need::NotThis { generation: Generation::new(1), access: fingerprint(99) };
    let knowledge = Knowledge { rejected: Some(row.generation), ..Knowledge::default() };
    let mut pilot = Pilot::with(policy(Replay::STRICT_FAMILY), need, knowledge, Duration::ZERO);
    pilot.clock = secs(100);
    pilot.start();
    let commands = pilot.decide(&row, NO_ANSWERS);
    assert!(commands.contains(&Command::ClearRejection(row.generation)), "{commands:?}");
    assert!(!presents(&commands), "{commands:?}");
    assert!(commands.iter().any(|command| matches!(command, Command::Deliver(Delivery::Token { .. }))));
}

#[test]
fn a_mark_on_the_successor_is_cleared_for_everybody_although_its_row_is_not_good_enough_yet() {
    let mut row = rotated_on_evidence(0, 300);
    open(&mut row, 60, secs(100));
    let knowledge = Knowledge { rejected: Some(row.generation), ..Knowledge::default() };
    let mut pilot = Pilot::with(policy(Replay::STRICT_FAMILY), Need::Resolved, knowledge, Duration::ZERO);
    pilot.clock = secs(101);
    let commands = pilot.decide(&row, NO_ANSWERS);
    assert_eq!(commands.first(), Some(&Command::ClearRejection(row.generation)), "{commands:?}");
    assert_eq!(delay(&commands).1, Delay::InFlight, "the attempt is waited for");
    assert!(!pilot.flight.knowledge().is_rejected(row.generation));
}

/// B3.
#[test]
fn after_five_minutes_evidence_counts_again_and_the_interval_doubles_to_an_hour() {
    for (interval, next) in [(300, 600), (600, 1200), (2400, 3600), (3600, 3600)] {
        let mut row = rotated_on_evidence(0, interval);
        let mut pilot = reporter(&row);
        pilot.clock = secs(interval);
        assert_eq!(interval_of(&mut pilot, &mut row), secs(next), "after {interval} s");
    }
}

#[test]
fn evidence_long_after_the_last_rotation_starts_over() {
    let mut row = rotated_on_evidence(0, 1200);
    let mut pilot = reporter(&row);
    pilot.clock = secs(2400);
    assert_eq!(interval_of(&mut pilot, &mut row), secs(300));
}

#[test]
fn an_ordinary_rotation_writes_no_evidence() {
    let mut row = crate::fixture::overdue_row();
    let (_, commit) = Pilot::new(Need::Valid).record(&mut row);
    assert_eq!(commit.evidence, None);
}

#[test]
fn a_login_forgets_all_evidence() {
    let mut row = rotated_on_evidence(0, 300);
    assert_eq!(row.evidence, Some(Evidence { at: store_at(secs(0)), interval: secs(300) }));
    let login = solekey_core::Login {
        id: id(81),
        facts: facts(5, None),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&login, false, store_at(secs(1))).unwrap();
    assert_eq!(row.evidence, None);
}

/// B16.
#[test]
fn a_person_who_requests_a_refresh_of_what_they_saw_gets_one_and_later_clicks_share_it() {
    let mut row = fresh_row();
    let seen = row.generation;
    claimed(&Pilot::new(Need::Now { seen: Some(seen) }).decide(&row, NO_ANSWERS));
    open(&mut row, 50, secs(0));
    let note = solekey_core::AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, Some(secs(7200))), store_at(secs(0)))
    };
    row.commit(&crate::fixture::commit(note), store_at(secs(1))).unwrap();
    let mut later = Pilot::new(Need::Now { seen: Some(seen) });
    later.clock = secs(60);
    later.start();
    later.hear(Event::SharedCache(None));
    assert_eq!(later.hear(Event::Loaded(later.done(&row))), [publish_row(&row), token(&row)]);

    // Without a generation any success of the last five seconds will do.
    let mut click = Pilot::new(Need::Now { seen: None });
    click.clock = secs(3);
    assert!(click.decide(&row, NO_ANSWERS).contains(&token(&row)));
}
