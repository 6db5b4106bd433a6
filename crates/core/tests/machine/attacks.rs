//! Executions that broke earlier rules, played to their end: one owner acts while another one, or the store, stands
//! still.

use std::time::Duration;

use solekey_core::{
    AnswerNote, Candidate, Claim, Decision, Delay, Fence, Freshness, Generation, InDoubt, Need, NewVerdict,
    Outcome, PolicySettings, Replay, Revocation, Row, Settle,
    flight::{CacheView, Command, Event, Knowledge, LeaseView, StoreReply, TokenView},
};

use crate::{
    doubt::{doubtful, presented_at, with_replay},
    fixture::{
        NO_ANSWERS, Pilot, answered, claim_of, claimed, commit, delay, exchange, facts, facts_of,
        fingerprint, id, open, overdue_row, policy, presents, rotation, row_with, secs, settled, store_at,
    },
};

/// Reads row and answers without shared cache and lease, as a process whose Redis is down.
fn alone(pilot: &mut Pilot, row: &Row) -> Vec<Command> {
    pilot.start();
    pilot.hear(Event::SharedCache(None));
    pilot.hear(Event::Loaded(pilot.done(row)));
    assert_eq!(pilot.hear(Event::Lease(LeaseView::Away)), [Command::Load]);
    pilot.read_again(row, NO_ANSWERS)
}

/// The answer of the row's open attempt.
fn answer_of(row: &Row, number: u8) -> AnswerNote {
    let open = row.open.unwrap();
    AnswerNote {
        attempt: open.attempt,
        claim: open.id,
        ..rotation(row, 0, facts(number, Some(secs(3600))), open.first.at)
    }
}

/// A1.
#[test]
fn an_owner_stopped_past_its_until_sends_nothing_although_it_had_no_lease_to_lose() {
    let mut row = overdue_row();
    let mut stopped = Pilot::new(Need::Valid);
    let claim = claimed(&alone(&mut stopped, &row));
    row.claim(&claim, stopped.store_now()).unwrap();
    let acknowledged = stopped.done(&row);

    // Another process watches the attempt to its end, presents and commits.
    let at = presented_at(with_replay(Replay::STRICT_FAMILY), &row, 0, |_| NO_ANSWERS).unwrap();
    open(&mut row, 60, at);
    row.commit(&commit(answer_of(&row, 2)), store_at(at)).unwrap();

    stopped.clock = at + secs(1);
    let commands = stopped.hear(Event::Claimed(acknowledged));
    assert!(!presents(&commands), "{commands:?}");
    let settle = settled(&commands);
    assert!(row.settle(&settle, stopped.store_now()).is_err(), "it has nothing left to settle");
    assert_eq!(facts_of(&row).access, facts(2, None).access);
}

/// A1.
#[test]
fn an_exchange_is_sent_only_where_its_answer_can_still_be_written_down_before_until() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    let claim = claimed(&alone(&mut pilot, &row));
    row.claim(&claim, pilot.store_now()).unwrap();
    // Of 60 s the exchange may take 10, and the writing of its answer 2.
    pilot.pass(secs(49));
    let commands = pilot.hear(Event::Claimed(pilot.done(&row)));
    assert_eq!(settled(&commands).id, claim.id, "its body might be read, and be nowhere when others read");
    let too_short = PolicySettings { quarantine: Some(secs(12)), ..PolicySettings::default() };
    assert_eq!(too_short.build().unwrap_err().field(), "quarantine");
}

/// A2.
#[test]
fn a_grant_with_life_left_is_not_presented_while_an_earlier_request_may_still_arrive() {
    // The owner was frozen between its last check and the write: nobody knows if its bytes will arrive.
    let row = doubtful(3600);
    let at = presented_at(with_replay(Replay::STRICT_FAMILY), &row, 3000, |_| NO_ANSWERS);
    assert_eq!(at, Some(secs(3660)), "when the access token has ended, and a skew has passed");
}

/// A2.
#[test]
fn where_policy_requires_a_login_a_frozen_owners_request_stays_the_only_one() {
    let settings = PolicySettings {
        in_doubt: InDoubt::AskLogin,
        quarantine: Some(secs(60)),
        ..PolicySettings::default()
    };
    let mut row = doubtful(0);
    let frozen = answer_of(&row, 2);
    let mut pilot = Pilot::with(settings.build().unwrap(), Need::Valid, Knowledge::default(), Duration::ZERO);
    let settle = loop {
        pilot = pilot.again(Need::Valid);
        let commands = pilot.decide(&row, NO_ANSWERS);
        assert!(!presents(&commands) && pilot.clock < secs(600), "{commands:?}");
        if let [Command::Settle(settle)] = commands[..] {
            break settle;
        }
        pilot.pass(secs(10));
    };
    row.settle(&settle, pilot.store_now()).unwrap();
    for later in [secs(3600), secs(100_000)] {
        let mut next = pilot.again(Need::Valid);
        next.pass(later);
        assert!(!presents(&next.decide(&row, NO_ANSWERS)));
    }
    // And should the request arrive after all, its pair is as good as any.
    row.commit(&commit(frozen), pilot.store_now()).unwrap();
    assert_eq!((facts_of(&row).access, row.current_verdict()), (facts(2, None).access, None));
}

/// A5.
#[test]
fn an_answer_that_turns_up_after_a_log_in_verdict_is_committed_and_lifts_it() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = answer_of(&row, 2);
    let verdict = NewVerdict { decision: Decision::LogIn { why: Revocation::Refused }, strikes: 0 };
    let settle = Settle { id: id(50), from: row.generation, verdict: Some(verdict), due_in: None };
    row.settle(&settle, store_at(secs(70))).unwrap();
    assert!(row.current_verdict().is_some());

    let mut pilot = Pilot::new(Need::Valid);
    pilot.clock = secs(80);
    let commands = pilot.decide(&row, answered(note));
    let [Command::CommitFound(found)] = commands[..] else { panic!("{commands:?}") };
    row.commit(&found, pilot.store_now()).unwrap();
    assert_eq!((facts_of(&row).access, row.current_verdict()), (facts(2, None).access, None));
}

/// A provider with a leeway of 100 s.
fn leeway() -> Pilot {
    with_replay(Replay::grace(secs(100)))
}

/// A6.
#[test]
fn a_second_attempt_that_was_refused_leaves_the_grant_to_the_rules_of_doubt() {
    let limited = Outcome::Refused { retry_after: None, why: Delay::RateLimited };
    for outcome in [Outcome::NotSent, limited] {
        // The first attempt was processed and its answer lost; the second one comes within the leeway.
        let mut row = doubtful(500);
        let mut pilot = leeway();
        pilot.clock = secs(61);
        let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
        row.claim(&claim, pilot.store_now()).unwrap();
        assert_eq!(pilot.hear(Event::Claimed(pilot.done(&row))), [exchange(&row)]);
        row.settle(&settled(&pilot.hear_outcome(outcome)), pilot.store_now()).unwrap();
        pilot.hear(Event::Settled(pilot.done(&row)));

        let mut other = leeway();
        other.clock = secs(120);
        let commands = other.decide(&row, NO_ANSWERS);
        assert_eq!(delay(&commands).1, Delay::InDoubt, "{outcome:?}");
        assert_eq!(presented_at(leeway(), &row, 120, |_| NO_ANSWERS), Some(secs(560)), "{outcome:?}");
    }
}

/// A7.
#[test]
fn a_lease_that_outlasts_the_window_costs_the_window_and_not_the_grant() {
    let row = doubtful(500);
    let mut late = leeway();
    late.clock = secs(99);
    late.start();
    late.hear(Event::SharedCache(Some(CacheView { known: Some(row.generation), ..CacheView::default() })));
    assert_eq!(delay(&late.hear(Event::Lease(LeaseView::Busy))).1, Delay::InFlight);
    // The dead owner's lease is over, and so is the leeway.
    assert_eq!(presented_at(late, &row, 101, |_| NO_ANSWERS), Some(secs(561)));

    for millis in [10, 100, 1_000, 10_000, 60_000, 120_000] {
        let exchange_timeout = Duration::from_millis(millis);
        let settings =
            PolicySettings { exchange_timeout, replay: Replay::grace(secs(30)), ..PolicySettings::default() };
        let policy = settings.build().unwrap();
        assert!(policy.lease_ttl() <= policy.span(), "nobody is kept from a doubt by a lease: {millis} ms");
    }
}

/// A8.
#[test]
fn an_owner_that_meets_an_older_pair_commits_its_own_over_it() {
    let mut row = doubtful(500);
    // The first owner's answer comes late; meanwhile a second one has presented within the window.
    let late = answer_of(&row, 2);
    let mut second = with_replay(Replay::grace(secs(150)));
    second.clock = secs(120);
    let claim = claimed(&second.decide(&row, NO_ANSWERS));
    row.claim(&claim, second.store_now()).unwrap();
    assert_eq!(second.hear(Event::Claimed(second.done(&row))), [exchange(&row)]);
    let commands = second.hear_outcome(Outcome::Success(facts(3, Some(secs(3600)))));
    let [Command::WriteAnswer(_), Command::CommitOwn(own)] = commands[..] else { panic!("{commands:?}") };

    row.commit(&solekey_core::Commit { seen: Some(claim.id), ..commit(late) }, second.store_now()).unwrap();
    assert!(row.commit(&own, second.store_now()).is_err(), "the row is not as it was seen");
    second.hear(Event::AnswerWritten(true));
    let commands = second.hear(Event::Committed(StoreReply::Moved(second.view(&row))));
    let [Command::CommitOwn(again)] = commands[..] else { panic!("{commands:?}") };
    row.commit(&again, second.store_now()).unwrap();
    assert_eq!(facts_of(&row).access, facts(3, None).access, "the pair issued last is the one that lives");
    assert!(row.commit(&commit(late), second.store_now()).is_err());
}

/// A10.
#[test]
fn numbers_never_repeat_over_delete_and_login_although_the_clock_stands_still() {
    let mut row = overdue_row();
    let now = store_at(secs(0));
    let mut minted = vec![row.generation];
    for n in 0..3 {
        row.delete(id(70 + n), now);
        minted.push(row.generation);
        let login = solekey_core::Login {
            id: id(80 + n),
            facts: facts(40 + u8::try_from(n).unwrap(), None),
            accept_spent: false,
            accept_lesser: false,
            amends: None,
            due_in: None,
            as_of: None,
        };
        row.login(&login, false, now).unwrap();
        minted.push(row.generation);
        let claim = Claim { span: Duration::ZERO, ..claim_of(&row, 90 + n, None, secs(0)) };
        row.claim(&claim, now).unwrap();
        minted.push(row.open.unwrap().attempt);
    }
    assert!(minted.is_sorted_by(|one, next| one < next), "{minted:?}");
}

/// A10.
#[test]
fn a_store_that_went_back_with_its_clock_mints_above_every_generation_known() {
    // An hour of commits is gone from the row, and from the clock.
    let mut row = overdue_row();
    let known = Generation::new(store_at(secs(3600)).as_micros());
    let knowledge = Knowledge { known, ..Knowledge::default() };
    let mut pilot = Pilot::with(policy(Replay::NON_ROTATING), Need::Valid, knowledge, Duration::ZERO);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    row.claim(&claim, pilot.store_now()).unwrap();
    assert!(row.open.unwrap().attempt > known, "no cache or answer may hold another pair of that number");
}

/// B4.
#[test]
fn an_older_token_in_the_shared_cache_is_not_served_to_the_reporter_of_the_newer_one() {
    let row = row_with(facts(1, Some(secs(7200))), secs(60));
    let older = Generation::new(row.generation.get() - 1);
    let need = Need::NotThis { generation: row.generation, access: facts_of(&row).access };
    let newer = Generation::new(row.generation.get() + 1);
    for (generation, access) in [(older, fingerprint(9)), (newer, facts_of(&row).access)] {
        let candidate = Candidate { generation, access, freshness: Freshness::Fresh };
        assert!(!need.is_met_by(&candidate), "another string, but an older one; or the same, a newer one");
    }
    let mut pilot = Pilot::new(need);
    pilot.start();
    // Redis is back from an outage, and shows what it had before.
    let token = TokenView {
        generation: older,
        access: fingerprint(9),
        valid: secs(3600),
        good: secs(3540),
        lifetime: Some(secs(7200)),
    };
    let shared_cache = CacheView { known: Some(older), token: Some(token), ..CacheView::default() };
    let commands = pilot.hear(Event::SharedCache(Some(shared_cache)));
    assert!(!commands.iter().any(|command| matches!(command, Command::Deliver(_))), "{commands:?}");
    assert!(pilot.flight.knowledge().is_rejected(row.generation), "the mark on the newer one stays");
}

/// B5.
#[test]
fn a_token_of_unknown_end_has_ended_once_its_assumed_lifetime_is_over() {
    let mut row = row_with(facts(1, None), secs(0));
    open(&mut row, 50, secs(0));
    let at = presented_at(with_replay(Replay::STRICT_FAMILY), &row, 1200, |_| NO_ANSWERS);
    assert_eq!(at, Some(secs(1800 + 60)), "half an hour, and one skew");
}

/// B17.
#[test]
fn a_fence_that_is_too_low_costs_neither_a_retry_nor_a_generation() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    // The lease was granted by a server that has forgotten every fence.
    pilot.reach_load(&row);
    let claim = claimed(&pilot.read_again(&row, NO_ANSWERS));
    assert!(claim.fence > Some(Fence::new(row.generation.get())), "{claim:?}");
    row.claim(&claim, store_at(secs(0)) - secs(7200)).unwrap();
    assert_eq!(pilot.hear(Event::Claimed(pilot.done(&row))), [exchange(&row)], "at the first try");
    assert!(row.open.unwrap().attempt > row.generation);
}

/// A19.
#[test]
fn a_fence_or_a_number_that_no_store_can_have_minted_bounds_no_claim() {
    let never = 1 << 53;
    for (known, fence) in [(0, u64::MAX), (0, never), (never, 5), (u64::MAX, u64::MAX)] {
        let mut row = overdue_row();
        let knowledge = Knowledge { known: Generation::new(known), ..Knowledge::default() };
        let mut pilot = Pilot::with(policy(Replay::NON_ROTATING), Need::Valid, knowledge, Duration::ZERO);
        let claim = claimed(&pilot.decide_with_fence(&row, NO_ANSWERS, Fence::new(fence)));
        assert!(claim.fence < Some(Fence::new(never)), "{claim:?}");
        row.claim(&claim, pilot.store_now()).unwrap();
        let attempt = row.open.unwrap().attempt;
        assert!(attempt > row.generation && attempt < Generation::new(never), "numbers are left: {attempt}");
    }
}
