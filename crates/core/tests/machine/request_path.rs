//! From a caller's need to the lease: shared cache, first read of the row, waiting.

use std::time::Duration;

use solekey_core::{
    Decision, Delay, Fence, Generation, Need, Replay, Verdict,
    flight::{
        CacheView, Command, Delivery, Event, Knowledge, LeaseView, Notice, Source, StoreReply, TokenView,
    },
};

use crate::fixture::{
    NO_ANSWERS, Pilot, delay, facts, facts_of, fingerprint, millis, moment_at, open, overdue_row, policy,
    presents, publish_row, row_with, secs, slept,
};

fn cached(generation: Generation, left: u64) -> CacheView {
    let token = TokenView {
        generation,
        access: fingerprint(1),
        valid: secs(left),
        good: secs(left.saturating_sub(60)),
        lifetime: Some(secs(3600)),
    };
    CacheView { known: Some(generation), token: Some(token), ..CacheView::default() }
}

fn delayed(generation: Generation, left: u64, why: Delay) -> CacheView {
    let decision = Decision::NotBefore { at: secs(left), why };
    let verdict = Some(Verdict { generation, decision, strikes: 0 });
    CacheView { known: Some(generation), verdict, ..CacheView::default() }
}

const G: Generation = Generation::new(7);

#[test]
fn registering_for_notifications_precedes_the_read_of_the_shared_cache() {
    assert_eq!(Pilot::new(Need::Valid).start(), [Command::Register, Command::ReadSharedCache]);
}

#[test]
fn a_good_token_in_the_shared_cache_is_delivered_without_reading_the_row() {
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    let delivery = Delivery::Token { generation: G, source: Source::SharedCache };
    assert_eq!(pilot.hear(Event::SharedCache(Some(cached(G, 3600)))), [Command::Deliver(delivery)]);
    assert!(pilot.flight.is_over());
}

#[test]
fn a_token_in_the_shared_cache_that_is_older_than_what_is_known_is_not_delivered() {
    let mut pilot = Pilot::patient(Need::Valid, secs(8));
    pilot.start();
    let newer = Generation::new(G.get() + 1);
    pilot.hear(Event::SharedCache(Some(CacheView { known: Some(newer), ..CacheView::default() })));
    pilot.hear(Event::Lease(LeaseView::Busy));
    pilot.hear(Event::Woken);
    // The cache was lost meanwhile, and somebody who has not heard of the newer one yet published an older token.
    let commands = pilot.hear(Event::SharedCache(Some(cached(G, 3600))));
    assert!(matches!(commands[..], [Command::TakeLease { .. }]), "{commands:?}");
}

#[test]
fn a_token_inside_refresh_ahead_is_good_for_a_caller_and_not_for_the_refresher() {
    for (need, good) in [(Need::Valid, true), (Need::RefreshedAhead, false)] {
        let mut pilot = Pilot::new(need);
        pilot.start();
        pilot.hear(Event::SharedCache(Some(cached(G, 300))));
        assert_eq!(pilot.flight.is_over(), good, "{need:?}");
    }
}

#[test]
fn a_token_in_a_shared_cache_that_lags_behind_this_process_is_served_to_nobody() {
    let knowledge = Knowledge { known: Generation::new(8), ..Knowledge::default() };
    let mut pilot = Pilot::with(policy(Replay::STRICT_FAMILY), Need::Valid, knowledge, Duration::ZERO);
    pilot.start();
    let floor = Some(Fence::new(8));
    assert_eq!(pilot.hear(Event::SharedCache(Some(cached(G, 3600)))), [Command::TakeLease { floor }]);
}

#[test]
fn a_rejected_token_in_the_shared_cache_is_served_to_nobody() {
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    let view = CacheView { rejected: Some(G), ..cached(G, 3600) };
    assert!(matches!(pilot.hear(Event::SharedCache(Some(view)))[..], [Command::TakeLease { .. }]));
}

/// S-T11.
#[test]
fn an_id_that_the_store_does_not_know_is_answered_without_a_lease() {
    for shared_cache in [Some(CacheView::default()), None] {
        let mut pilot = Pilot::new(Need::Valid);
        pilot.start();
        assert_eq!(pilot.hear(Event::SharedCache(shared_cache)), [Command::Load]);
        let view = solekey_core::flight::RowView { row: None, now: pilot.store_now(), asked: pilot.now() };
        // A store that forgot the account would get it back from its answers.
        assert_eq!(pilot.hear(Event::Loaded(StoreReply::Done(view))), [Command::ReadAnswers]);
        assert_eq!(pilot.hear(Event::Answers(NO_ANSWERS)), [Command::Deliver(Delivery::Unknown)]);
        assert!(pilot.flight.is_over());
    }
}

/// S-T6.
#[test]
fn a_good_row_is_adopted_without_a_lease() {
    let row = row_with(facts(1, Some(secs(7200))), secs(10));
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    pilot.hear(Event::SharedCache(None));
    let delivery = Delivery::Token { generation: row.generation, source: Source::Row };
    let commands = pilot.hear(Event::Loaded(pilot.done(&row)));
    assert_eq!(commands, [publish_row(&row), Command::Deliver(delivery)]);
}

#[test]
fn a_busy_lease_is_waited_for_and_every_poll_is_a_full_step() {
    let mut pilot = Pilot::patient(Need::Valid, secs(8));
    pilot.start();
    pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
    let commands = pilot.hear(Event::Lease(LeaseView::Busy));
    assert!(matches!(commands[..], [Command::Sleep { or_change: true, .. }]), "{commands:?}");
    pilot.pass(millis(25));
    assert_eq!(pilot.hear(Event::Woken), [Command::Register, Command::ReadSharedCache]);
    let again = pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
    assert!(
        matches!(again[..], [Command::TakeLease { .. }]),
        "a lease that is free without a notification is taken: {again:?}"
    );
}

#[test]
fn polls_go_from_25_to_250_milliseconds() {
    let mut pilot = Pilot::patient(Need::Valid, secs(60));
    pilot.jitter = 999;
    pilot.start();
    let mut waits = Vec::new();
    for _ in 0..8 {
        pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
        let until = slept(&pilot.hear(Event::Lease(LeaseView::Busy)));
        waits.push(until.since(pilot.now()));
        pilot.pass(until.since(pilot.now()));
        pilot.hear(Event::Woken);
    }
    assert!(waits.is_sorted() && waits[0] >= millis(25), "{waits:?}");
    assert!(waits[7] > millis(245) && waits[7] <= millis(250), "{waits:?}");
}

/// S-T59.
#[test]
fn waiting_for_others_gives_up_at_its_bound() {
    let mut pilot = Pilot::patient(Need::Valid, millis(40));
    pilot.start();
    pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
    pilot.hear(Event::Lease(LeaseView::Busy));
    pilot.pass(millis(25));
    pilot.hear(Event::Woken);
    pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
    let until = slept(&pilot.hear(Event::Lease(LeaseView::Busy)));
    assert_eq!(until, moment_at(millis(40)), "the last sleep ends with the bound");
    pilot.pass(millis(15));
    let (at, why) = delay(&pilot.hear(Event::Woken));
    assert_eq!(why, Delay::InFlight);
    assert!(at > pilot.now());
    assert!(pilot.flight.is_over());
}

/// S-T3.
#[test]
fn without_patience_a_busy_lease_is_a_retry_at() {
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
    assert_eq!(delay(&pilot.hear(Event::Lease(LeaseView::Busy))).1, Delay::InFlight);
}

#[test]
fn a_delay_in_the_shared_cache_is_obeyed_without_a_lease_unless_a_person_requests_the_refresh() {
    for (need, obeyed) in [(Need::Valid, true), (Need::Now { seen: None }, false)] {
        let mut pilot = Pilot::new(need);
        pilot.start();
        let commands = pilot.hear(Event::SharedCache(Some(delayed(G, 30, Delay::RateLimited))));
        if obeyed {
            assert_eq!(delay(&commands), (moment_at(secs(30)), Delay::RateLimited));
        } else {
            assert!(matches!(commands[..], [Command::TakeLease { .. }]), "{commands:?}");
        }
    }
}

#[test]
fn a_delay_about_an_older_generation_is_void() {
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    let view = CacheView { known: Some(Generation::new(8)), ..delayed(G, 30, Delay::RateLimited) };
    assert!(matches!(pilot.hear(Event::SharedCache(Some(view)))[..], [Command::TakeLease { .. }]));
}

#[test]
fn a_log_in_in_the_shared_cache_is_confirmed_by_the_row() {
    let verdict = Verdict {
        generation: G,
        decision: Decision::LogIn { why: solekey_core::Revocation::Refused },
        strikes: 0,
    };
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    let view = CacheView { known: Some(G), verdict: Some(verdict), ..CacheView::default() };
    assert!(matches!(pilot.hear(Event::SharedCache(Some(view)))[..], [Command::TakeLease { .. }]));
}

/// S-T4.
#[test]
fn a_lease_that_cannot_be_had_does_not_stop_a_refresh() {
    let row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    pilot.hear(Event::SharedCache(None));
    pilot.hear(Event::Loaded(pilot.done(&row)));
    assert_eq!(pilot.hear(Event::Lease(LeaseView::Away)), [Command::Load]);
    let commands = pilot.read_again(&row, NO_ANSWERS);
    assert!(matches!(commands[..], [Command::Claim(_)]), "{commands:?}");
}

#[test]
fn the_lease_is_requested_with_a_fence_above_what_is_known() {
    let mut pilot = Pilot::new(Need::Valid);
    pilot.start();
    let commands = pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
    assert_eq!(commands, [Command::TakeLease { floor: Some(Fence::new(7)) }]);
}

#[test]
fn a_draining_process_ends_waits_and_claims_nothing_more() {
    let mut waiting = Pilot::patient(Need::Valid, secs(8));
    waiting.start();
    waiting.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
    waiting.hear(Event::Lease(LeaseView::Busy));
    assert_eq!(delay(&waiting.hear(Event::Drain)).1, Delay::ShuttingDown);
    assert!(waiting.flight.is_over());

    let row = overdue_row();
    let mut checking = Pilot::patient(Need::Valid, secs(8));
    checking.reach_load(&row);
    assert_eq!(checking.hear(Event::Drain), []);
    let commands = checking.read_again(&row, NO_ANSWERS);
    assert!(!presents(&commands));
    assert_eq!(delay(&commands).1, Delay::ShuttingDown);
}

#[test]
fn a_draining_process_settles_an_attempt_that_was_not_sent() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    let claim = crate::fixture::claimed(&pilot.decide(&row, NO_ANSWERS));
    assert_eq!(pilot.hear(Event::Drain), []);
    row.claim(&claim, pilot.store_now()).unwrap();
    let settle = crate::fixture::settled(&pilot.hear(Event::Claimed(pilot.done(&row))));
    assert_eq!((settle.id, settle.verdict), (claim.id, None));
}

#[test]
fn a_draining_process_still_writes_down_what_it_has_read() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.exchange(&mut row);
    assert!(pilot.flight.is_committed());
    assert_eq!(pilot.hear(Event::Drain), []);
    let commands = pilot.hear_outcome(solekey_core::Outcome::Success(facts(2, None)));
    assert!(matches!(commands[..], [Command::WriteAnswer(_), Command::CommitOwn(_)]), "{commands:?}");
}

#[test]
fn an_attempt_in_flight_is_published_as_a_not_before_and_the_lease_is_released() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let mut pilot = Pilot::new(Need::Valid);
    pilot.clock = secs(20);
    let verdict = Verdict {
        generation: row.generation,
        decision: Decision::NotBefore { at: moment_at(secs(60)), why: Delay::InFlight },
        strikes: 0,
    };
    let commands = pilot.decide(&row, NO_ANSWERS);
    assert_eq!(commands[..2], [Command::Publish(Notice::Verdict(verdict)), Command::ReleaseLease]);
    assert_eq!(delay(&commands), (moment_at(secs(60)), Delay::InFlight));
    assert_eq!(facts_of(&row).access, fingerprint(1));
}

/// S-T95.
#[test]
fn flights_that_see_different_reasons_for_a_delay_do_not_publish_them_in_turn_for_ever() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let mut pilot = Pilot::patient(Need::Valid, secs(300));
    let published = |commands: &[Command]| {
        commands.iter().filter(|command| matches!(command, Command::Publish(Notice::Verdict(_)))).count()
    };
    let mut commands = pilot.decide(&row, NO_ANSWERS);
    assert_eq!(published(&commands), 1);
    for _ in 0..3 {
        // The other one, a person's, has just published that the provider limits the rate.
        let until = slept(&commands);
        pilot.pass(until.since(pilot.now()));
        pilot.hear(Event::Woken);
        let decision = Decision::NotBefore { at: std::time::Duration::ZERO, why: Delay::RateLimited };
        let verdict = Some(Verdict { generation: G, decision, strikes: 0 });
        pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), verdict, ..CacheView::default() })));
        pilot.hear(Event::Lease(LeaseView::Away));
        commands = pilot.read_again(&row, NO_ANSWERS);
        assert_eq!(published(&commands), 0);
    }
}

#[test]
fn a_hiccup_of_the_store_after_long_waiting_costs_a_second_and_the_next_ones_more() {
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let mut pilot = Pilot::patient(Need::Valid, secs(300));
    let poll = |pilot: &mut Pilot, commands: &[Command]| {
        let until = slept(commands);
        pilot.pass(until.since(pilot.now()));
        pilot.hear(Event::Woken);
        pilot.hear(Event::SharedCache(Some(CacheView { known: Some(G), ..CacheView::default() })));
        pilot.hear(Event::Lease(LeaseView::Away));
    };
    let mut commands = pilot.decide(&row, NO_ANSWERS);
    for _ in 0..20 {
        poll(&mut pilot, &commands);
        commands = pilot.read_again(&row, NO_ANSWERS);
    }
    let hiccups = |pilot: &mut Pilot, mut commands: Vec<Command>| {
        let mut waits = Vec::new();
        for _ in 0..3 {
            poll(pilot, &commands);
            commands = pilot.hear(Event::Loaded(StoreReply::NotApplied));
            waits.push(slept(&commands).since(pilot.now()));
        }
        assert_eq!(waits, [secs(1), millis(1500), secs(3)]);
        commands
    };
    let commands = hiccups(&mut pilot, commands);
    // A load that succeeds ends the series.
    poll(&mut pilot, &commands);
    let commands = pilot.read_again(&row, NO_ANSWERS);
    hiccups(&mut pilot, commands);
}
