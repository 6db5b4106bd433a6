//! A resource refused an access token: one rotation for the cluster, and what follows when that does not help.

use std::time::Duration;

use solekey_core::{
    Cause, Claim, Commit, Delay, Evidence, Fingerprint, Generation, Need, Outcome, Replay, Row,
    flight::{Command, Delivery, Event, Knowledge, ShelfView, Source, TokenView},
};

use crate::fixture::{
    NO_ANSWERS, PUBLISH_ROW, Pilot, claim_of, claimed, delay, facts, fingerprint, held, id, open, policy,
    presents, rotation, row_with, secs, settled, store_at,
};

fn fresh_row() -> Row {
    row_with(facts(1, Some(secs(7200))), secs(60))
}

fn rejecting(generation: Generation, access: Fingerprint) -> Pilot {
    Pilot::new(Need::NotThis { generation, access })
}

/// A reporter of the row's own token.
fn reporter(row: &Row) -> Pilot {
    rejecting(row.generation, held(row).access)
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
    let commit = Commit { note, seen: None, evidence: Some(secs(interval)), due_in: None, as_of: None };
    row.commit(&commit, store_at(secs(at))).unwrap();
    row
}

/// The interval that a rotation on evidence started now would write.
fn interval_of(pilot: &mut Pilot, row: &mut Row) -> Duration {
    pilot.judge_past_mark(row);
    let commands = pilot.hear_outcome(Outcome::Success(facts(3, Some(secs(7200)))));
    match commands[..] {
        [_, Command::CommitOwn(commit)] => commit.evidence.unwrap(),
        ref other => panic!("{other:?}"),
    }
}

impl Pilot {
    /// As `judge`, through a shelf that is away, without the marks.
    fn judge_marking(&mut self, row: &Row) -> Vec<Command> {
        self.start();
        self.hear(Event::Shelf(None));
        self.hear(Event::Loaded(self.done(row)));
        self.hear(Event::Lease(solekey_core::flight::LeaseView::Away));
        self.look(row, NO_ANSWERS)
    }

    fn judge_past_mark(&mut self, row: &mut Row) {
        let claim = claimed(&self.judge(row, NO_ANSWERS));
        assert_eq!(claim.cause, Cause::Rejected);
        row.claim(&claim, self.store_now()).unwrap();
        assert_eq!(self.hear(Event::Claimed(self.done(row))), [Command::Exchange]);
    }
}

#[test]
fn a_rejected_token_is_marked_before_anything_is_looked_at() {
    let row = fresh_row();
    let commands = reporter(&row).start();
    assert_eq!(commands, [Command::Mark(row.generation), Command::Register, Command::ReadShelf]);
}

#[test]
fn s_t63_a_rejected_token_is_rotated_although_it_is_fresh() {
    let row = fresh_row();
    let claim = claimed(&reporter(&row).judge(&row, NO_ANSWERS));
    assert_eq!((claim.cause, claim.from), (Cause::Rejected, row.generation));
}

#[test]
fn b04_a_report_of_a_token_that_was_replaced_adopts_the_successor() {
    let row = rotated_on_evidence(0, 300);
    let mut late = rejecting(fresh_row().generation, fingerprint(1));
    late.start();
    late.hear(Event::Shelf(None));
    let commands = late.hear(Event::Loaded(late.done(&row)));
    assert_eq!(commands, [PUBLISH_ROW, token(&row)]);
}

#[test]
fn m_t13_reports_that_meet_the_rotation_wait_for_it() {
    let mut row = fresh_row();
    let claim = Claim { cause: Cause::Rejected, ..claim_of(&row, 50, None, secs(0)) };
    row.claim(&claim, store_at(secs(0))).unwrap();
    let commands = reporter(&row).judge(&row, NO_ANSWERS);
    assert!(!presents(&commands));
    assert_eq!(delay(&commands).1, Delay::InFlight);
}

#[test]
fn b04_a_successor_with_the_same_string_is_not_adopted() {
    let row = fresh_row();
    let older = Generation::new(row.generation.get() - 1);
    let mut pilot = rejecting(older, held(&row).access);
    pilot.start();
    pilot.hear(Event::Shelf(None));
    let commands = pilot.hear(Event::Loaded(pilot.done(&row)));
    assert!(matches!(commands[..], [Command::Mark(_), Command::TakeLease { .. }]), "{commands:?}");
}

#[test]
fn a_report_that_knows_its_tokens_string_alone_marks_the_generation_that_has_it() {
    let row = fresh_row();
    let report = || rejecting(Generation::ZERO, held(&row).access);
    let mark = Command::Mark(row.generation);
    let mut pilot = report();
    assert_eq!(pilot.start(), [Command::Register, Command::ReadShelf], "nothing is known to mark yet");
    let mut at_shelf = pilot.clone();
    assert_eq!(at_shelf.hear(on_shelf(&row, None))[0], mark);
    assert!(at_shelf.flight.knowledge().is_rejected(row.generation));

    pilot.hear(Event::Shelf(Some(ShelfView { known: Some(row.generation), ..ShelfView::default() })));
    pilot.hear(Event::Lease(solekey_core::flight::LeaseView::Away));
    let commands = pilot.look(&row, NO_ANSWERS);
    assert_eq!(commands[0], mark);
    assert_eq!(claimed(&commands[1..]).cause, Cause::Rejected);
}

#[test]
fn a_report_of_a_string_that_nobody_has_marks_nothing() {
    let row = fresh_row();
    let mut pilot = rejecting(Generation::ZERO, fingerprint(77));
    let mut commands = pilot.start();
    commands.extend(pilot.hear(Event::Shelf(None)));
    commands.extend(pilot.hear(Event::Loaded(pilot.done(&row))));
    assert!(!commands.iter().any(|command| matches!(command, Command::Mark(_))), "{commands:?}");
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
        let commands = rejecting(generation, access).judge_marking(&row);
        assert_eq!(claimed(&commands).cause, cause);
    }
    let mut marked = Knowledge::default();
    marked.reject(row.generation);
    let need = Need::NotThis { generation: older, access: fingerprint(9) };
    let mut pilot = Pilot::with(policy(Replay::STRICT_FAMILY), need, marked, Duration::ZERO);
    assert_eq!(claimed(&pilot.judge_marking(&row)).cause, Cause::Rejected);

    let (_, commit) = rejecting(older, fingerprint(9)).record(&mut row);
    assert_eq!(commit.evidence, None);
}

#[test]
fn an_unknown_hash_counts_as_older_than_the_current_token() {
    let row = fresh_row();
    let mut pilot = rejecting(Generation::ZERO, fingerprint(77));
    pilot.start();
    pilot.hear(Event::Shelf(None));
    let commands = pilot.hear(Event::Loaded(pilot.done(&row)));
    assert_eq!(commands, [PUBLISH_ROW, token(&row)]);
}

#[test]
fn a_rejected_token_is_withheld_from_everyone_until_one_rotation_was_tried() {
    let row = fresh_row();
    let mut knowledge = Knowledge::default();
    knowledge.reject(row.generation);
    let mut other = Pilot::with(policy(Replay::STRICT_FAMILY), Need::Valid, knowledge, Duration::ZERO);
    assert_eq!(claimed(&other.judge(&row, NO_ANSWERS)).cause, Cause::Rejected);
}

#[test]
fn a_rotation_that_was_tried_and_failed_gives_the_token_back() {
    let mut row = fresh_row();
    let mut pilot = reporter(&row);
    pilot.judge_past_mark(&mut row);
    let settle =
        settled(&pilot.hear_outcome(Outcome::Refused { retry_after: None, why: Delay::RateLimited }));
    row.settle(&settle, pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Settled(pilot.done(&row)));
    assert!(commands.contains(&Command::Unmark(row.generation)), "{commands:?}");
    assert!(!pilot.flight.knowledge().is_rejected(row.generation));
}

/// Whether the attempt that `commands` settle gives the rejected token back.
fn gives_back(pilot: &mut Pilot, row: &mut Row, commands: &[Command]) -> bool {
    row.settle(&settled(commands), pilot.store_now()).unwrap();
    let commands = pilot.hear(Event::Settled(pilot.done(row)));
    let unmarked = commands.contains(&Command::Unmark(row.generation));
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
        (Outcome::Withheld, false),
        (Outcome::NonceWanted, false),
        (Outcome::OtherClient, false),
    ] {
        let mut row = fresh_row();
        let mut pilot = reporter(&row);
        pilot.judge_past_mark(&mut row);
        let commands = pilot.hear_outcome(outcome);
        assert_eq!(gives_back(&mut pilot, &mut row, &commands), tried, "{outcome:?}");
    }
}

#[test]
fn a_grant_that_ended_over_a_rejected_token_was_tried() {
    let mut row = fresh_row();
    let mut pilot = reporter(&row);
    pilot.judge_past_mark(&mut row);
    pilot.hear_outcome(Outcome::Permanent(solekey_core::Revocation::Refused));
    let commands = pilot.look(&row, NO_ANSWERS);
    assert!(gives_back(&mut pilot, &mut row, &commands));
}

#[test]
fn an_attempt_that_was_never_sent_gives_no_rejected_token_back() {
    // Too late for its exchange, or the process stops.
    for drains in [false, true] {
        let mut row = fresh_row();
        let mut pilot = reporter(&row);
        let claim = claimed(&pilot.judge(&row, NO_ANSWERS));
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

/// The row's token on the shelf, marked or not.
fn on_shelf(row: &Row, rejected: Option<Generation>) -> Event {
    let token = TokenView {
        generation: row.generation,
        access: held(row).access,
        valid: secs(7000),
        good: secs(6900),
        lifetime: Some(secs(7200)),
    };
    let known = Some(row.generation);
    Event::Shelf(Some(ShelfView { known, token: Some(token), rejected, ..ShelfView::default() }))
}

/// Whether the next plain request of this process is served from the shelf, which shows no mark.
fn is_served_unmarked(pilot: &Pilot, row: &Row) -> bool {
    let mut next = pilot.again(Need::Valid);
    next.start();
    let delivery = Delivery::Token { generation: row.generation, source: Source::Shelf };
    next.hear(on_shelf(row, None)) == [Command::Deliver(delivery)]
}

#[test]
fn a_mark_seen_on_the_shelf_ends_when_it_is_taken_back_there() {
    let row = fresh_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    pilot.hear(on_shelf(&row, Some(row.generation)));
    assert!(pilot.flight.knowledge().is_rejected(row.generation));
    assert!(is_served_unmarked(&pilot, &row));
}

#[test]
fn a_mark_of_ones_own_ends_when_another_replica_takes_it_back() {
    let row = fresh_row();
    let mut pilot = reporter(&row);
    pilot.start();
    pilot.hear(Event::Marked { generation: row.generation, shared: true });
    pilot.hear(on_shelf(&row, Some(row.generation)));
    assert!(pilot.flight.knowledge().is_rejected(row.generation));
    assert!(is_served_unmarked(&pilot, &row));
}

#[test]
fn a_mark_that_the_shelf_did_not_take_counts_whatever_the_shelf_shows() {
    let row = fresh_row();
    let mut failed = reporter(&row);
    failed.start();
    failed.hear(Event::Marked { generation: row.generation, shared: false });
    failed.hear(on_shelf(&row, None));
    assert!(!is_served_unmarked(&failed, &row));

    let mut forgotten = reporter(&row);
    forgotten.start();
    forgotten.hear(Event::Marked { generation: row.generation, shared: true });
    forgotten.hear(Event::Shelf(Some(ShelfView::default())));
    assert!(!is_served_unmarked(&forgotten, &row), "a shelf that knows nothing keeps no mark");
}

#[test]
fn a_mark_learnt_from_a_claim_ends_with_its_attempt() {
    let mut row = fresh_row();
    let plain = row.clone();
    let claim = Claim { cause: Cause::Rejected, ..claim_of(&row, 50, None, secs(0)) };
    row.claim(&claim, store_at(secs(0))).unwrap();
    let mut pilot = Pilot::new(Need::AtLeast(row.generation));
    pilot.reach_load(&row_with(facts(1, Some(secs(3600))), secs(3600)));
    delay(&pilot.look(&row, NO_ANSWERS));
    assert!(pilot.flight.knowledge().is_rejected(row.generation));

    // Settled: no process that sees the row has a reason to withhold its token.
    let mut next = pilot.again(Need::Valid);
    next.start();
    next.hear(Event::Shelf(None));
    assert_eq!(next.hear(Event::Loaded(next.done(&plain))), [PUBLISH_ROW, token(&plain)]);
    assert!(is_served_unmarked(&pilot, &row), "nor has one that sees the shelf");
}

#[test]
fn a_successor_rejected_within_five_minutes_is_kept_and_its_reporter_told() {
    let row = rotated_on_evidence(0, 300);
    let mut pilot = reporter(&row);
    pilot.clock = secs(299);
    let commands = pilot.judge(&row, NO_ANSWERS);
    let rejected = Delivery::RejectedAgain { at: crate::fixture::moment_at(secs(300)) };
    assert!(commands.contains(&Command::Deliver(rejected)), "{commands:?}");
    assert!(commands.contains(&Command::Unmark(row.generation)), "it goes on being served to everybody else");
    assert!(!presents(&commands));

    // The process remembers: its next reporter is answered without a look.
    let mut next = pilot.again(Need::NotThis { generation: row.generation, access: held(&row).access });
    assert_eq!(next.start(), [Command::Deliver(rejected)]);
}

#[test]
fn b03_a_mark_on_the_successor_does_not_hold_up_whoever_reported_an_older_token() {
    let row = rotated_on_evidence(0, 300);
    let need = Need::NotThis { generation: Generation::new(1), access: fingerprint(99) };
    let knowledge = Knowledge { rejected: Some(row.generation), ..Knowledge::default() };
    let mut pilot = Pilot::with(policy(Replay::STRICT_FAMILY), need, knowledge, Duration::ZERO);
    pilot.clock = secs(100);
    pilot.start();
    let commands = pilot.judge(&row, NO_ANSWERS);
    assert!(commands.contains(&Command::Unmark(row.generation)), "{commands:?}");
    assert!(!presents(&commands), "{commands:?}");
    assert!(commands.iter().any(|command| matches!(command, Command::Deliver(Delivery::Token { .. }))));
}

#[test]
fn b03_after_five_minutes_evidence_counts_again_and_the_interval_doubles_to_an_hour() {
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
        due_in: None,
        as_of: None,
    };
    row.login(&login, false, store_at(secs(1))).unwrap();
    assert_eq!(row.evidence, None);
}

#[test]
fn b16_a_person_who_asks_for_a_refresh_of_what_they_saw_gets_one_and_later_clicks_share_it() {
    let mut row = fresh_row();
    let seen = row.generation;
    claimed(&Pilot::new(Need::Now { seen: Some(seen) }).judge(&row, NO_ANSWERS));
    open(&mut row, 50, secs(0));
    let note = solekey_core::AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, Some(secs(7200))), store_at(secs(0)))
    };
    row.commit(&crate::fixture::commit(note), store_at(secs(1))).unwrap();
    let mut later = Pilot::new(Need::Now { seen: Some(seen) });
    later.clock = secs(60);
    later.start();
    later.hear(Event::Shelf(None));
    assert_eq!(later.hear(Event::Loaded(later.done(&row))), [PUBLISH_ROW, token(&row)]);

    // Without a generation any success of the last five seconds will do.
    let mut click = Pilot::new(Need::Now { seen: None });
    click.clock = secs(3);
    assert!(click.judge(&row, NO_ANSWERS).contains(&token(&row)));
}
