//! Under the lease: the decisions by row and answers, and the claim.

use solekey_core::{
    AnswerNote, Decision, Delay, Fence, Generation, Login, Need, NewVerdict, PolicySettings, Refusal,
    Revocation, Row, Settle, Verdict,
    flight::{Command, Delivery, Event, Knowledge, Notice, Source, StoreReply},
};

use crate::fixture::{
    NO_ANSWERS, Pilot, answered, claimed, delay, exchange, facts, facts_of, fingerprint, id, millis,
    moment_at, open, overdue_row, presents, publish_row, rotated_row, rotation, row_with, secs, settled,
    slept, store_at,
};

/// Puts a verdict on the row, as the settling of an attempt does.
fn with_verdict(mut row: Row, decision: Decision<std::time::Duration>) -> Row {
    open(&mut row, 50, secs(0));
    let verdict = Some(NewVerdict { decision, strikes: 3 });
    row.settle(&Settle { id: id(50), from: row.generation, verdict, due_in: None }, store_at(secs(0)))
        .unwrap();
    row
}

#[test]
fn the_claim_is_durable_before_anything_is_sent() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    assert_eq!((claim.from, claim.seen), (row.generation, None));
    assert_eq!(Some(claim.presents), facts_of(&row).refresh);
    row.claim(&claim, pilot.store_now()).unwrap();
    assert_eq!(pilot.hear(Event::Claimed(pilot.done(&row))), [exchange(&row)]);
}

#[test]
fn an_answer_newer_than_the_row_is_committed_before_anything_else() {
    let log_in = with_verdict(overdue_row(), Decision::LogIn { why: Revocation::Refused });
    let wait = with_verdict(overdue_row(), Decision::NotBefore { at: secs(60), why: Delay::RateLimited });
    for mut row in [overdue_row(), log_in, wait] {
        let note = rotation(&row, 60, facts(2, Some(secs(3600))), store_at(secs(0)));
        let mut pilot = Pilot::new(Need::Valid);
        let commands = pilot.decide(&row, answered(note));
        let [Command::CommitFound(found)] = commands[..] else { panic!("{commands:?}") };
        assert_eq!((found.note, found.seen), (note, row.open.map(|open| open.id)));

        row.commit(&found, pilot.store_now()).unwrap();
        let delivery = Delivery::Token { generation: note.attempt, source: Source::Row };
        let commands = pilot.hear(Event::Committed(pilot.done(&row)));
        assert_eq!(commands, [publish_row(&row), Command::Deliver(delivery), Command::ReleaseLease]);
    }
}

#[test]
fn an_answer_is_committed_over_an_attempt_in_flight_and_over_doubt() {
    for clock in [secs(30), secs(90)] {
        let mut row = overdue_row();
        open(&mut row, 50, secs(0));
        let note = AnswerNote {
            attempt: row.open.unwrap().attempt,
            ..rotation(&row, 50, facts(2, None), store_at(secs(1)))
        };
        let mut pilot = Pilot::new(Need::Valid);
        pilot.clock = clock;
        let commands = pilot.decide(&row, answered(note));
        let [Command::CommitFound(found)] = commands[..] else { panic!("{commands:?}") };
        assert_eq!(found.seen, Some(id(50)));
    }
}

#[test]
fn an_answer_older_than_the_row_is_history() {
    let row = rotated_row(secs(3600), secs(3600));
    let note =
        AnswerNote { attempt: Generation::new(1), ..rotation(&row, 60, facts(3, None), store_at(secs(0))) };
    let mut pilot = Pilot::new(Need::Valid);
    claimed(&pilot.decide(&row, answered(note)));
}

#[test]
fn a_commit_that_finds_the_row_moved_loads_it_again() {
    let row = overdue_row();
    let note = rotation(&row, 60, facts(2, None), store_at(secs(0)));
    let mut pilot = Pilot::new(Need::Valid);
    pilot.decide(&row, answered(note));
    assert_eq!(pilot.hear(Event::Committed(StoreReply::Moved(pilot.view(&row)))), [Command::Load]);
}

#[test]
fn a_row_that_moves_at_every_read_is_left_to_others() {
    let row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    claimed(&pilot.decide(&row, NO_ANSWERS));
    for _ in 0..100 {
        let commands = pilot.hear(Event::Claimed(StoreReply::Moved(pilot.view(&row))));
        if pilot.flight.is_over() {
            assert_eq!(delay(&commands).1, Delay::InFlight);
            return;
        }
        claimed(&pilot.read_again(&row, NO_ANSWERS));
    }
    panic!("it never stopped checking");
}

#[test]
fn a_not_before_forbids_presenting_and_is_published() {
    let decision = Decision::NotBefore { at: secs(60), why: Delay::RateLimited };
    let row = with_verdict(overdue_row(), decision);
    let verdict = Verdict {
        generation: row.generation,
        decision: Decision::NotBefore { at: moment_at(secs(60)), why: Delay::RateLimited },
        strikes: 3,
    };
    let mut pilot = Pilot::new(Need::Valid);
    let commands = pilot.decide(&row, NO_ANSWERS);
    assert_eq!(commands[..2], [Command::Publish(Notice::Verdict(verdict)), Command::ReleaseLease]);
    assert_eq!(delay(&commands), (moment_at(secs(60)), Delay::RateLimited));
}

#[test]
fn a_not_before_that_has_passed_forbids_nothing() {
    let row = with_verdict(overdue_row(), Decision::NotBefore { at: secs(60), why: Delay::RateLimited });
    let mut pilot = Pilot::new(Need::Valid);
    pilot.clock = secs(60);
    claimed(&pilot.decide(&row, NO_ANSWERS));
}

#[test]
fn log_in_ends_the_flight_and_a_person_may_still_try() {
    let row = with_verdict(overdue_row(), Decision::LogIn { why: Revocation::Refused });
    let mut pilot = Pilot::new(Need::Valid);
    let commands = pilot.decide(&row, NO_ANSWERS);
    let delivery = Delivery::LogIn { generation: row.generation, why: Revocation::Refused };
    assert!(commands.contains(&Command::Deliver(delivery)), "{commands:?}");
    assert!(!presents(&commands));

    let mut operator = Pilot::new(Need::Now { seen: Some(row.generation) });
    claimed(&operator.decide(&row, NO_ANSWERS));
}

#[test]
fn a_login_voids_the_verdict_about_the_generation_before() {
    let mut row = with_verdict(overdue_row(), Decision::LogIn { why: Revocation::Refused });
    let login = Login {
        id: id(70),
        facts: facts(5, Some(secs(7200))),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    };
    row.login(&login, false, store_at(secs(1))).unwrap();
    assert_eq!((row.open, row.current_verdict()), (None, None));
    let mut pilot = Pilot::new(Need::RefreshedAhead);
    pilot.clock = secs(7150);
    claimed(&pilot.decide(&row, NO_ANSWERS));
}

/// B9.
#[test]
fn a_success_of_the_last_5_seconds_is_not_rotated_away() {
    let row = rotated_row(millis(4800), secs(5));
    let mut pilot = Pilot::new(Need::Valid);
    let delivery = Delivery::Token { generation: row.generation, source: Source::Row };
    assert!(pilot.decide(&row, NO_ANSWERS).contains(&Command::Deliver(delivery)));

    // A provider that hands out tokens already expired: nobody rotates with every request.
    let expired = rotated_row(secs(3), secs(0));
    let mut pilot = Pilot::new(Need::Valid);
    let commands = pilot.decide(&expired, NO_ANSWERS);
    assert_eq!(delay(&commands), (moment_at(secs(2)), Delay::JustRefreshed));

    let mut person = Pilot::new(Need::Now { seen: Some(expired.generation) });
    claimed(&person.decide(&expired, NO_ANSWERS));
}

/// S-T70.
#[test]
fn without_a_refresh_token_the_access_token_serves_until_it_ends() {
    let mut only = facts(1, Some(secs(30)));
    only.refresh = None;
    let row = row_with(only, secs(0));
    let mut pilot = Pilot::new(Need::RefreshedAhead);
    let delivery = Delivery::Token { generation: row.generation, source: Source::Row };
    pilot.clock = secs(28);
    assert!(pilot.decide(&row, NO_ANSWERS).contains(&Command::Deliver(delivery)));

    let mut pilot = Pilot::new(Need::Valid);
    pilot.clock = secs(30);
    let log_in = Delivery::LogIn { generation: row.generation, why: Revocation::NoRefreshToken };
    assert!(pilot.decide(&row, NO_ANSWERS).contains(&Command::Deliver(log_in)));
}

/// S-T54, S-T55, S-T63.
#[test]
fn a_key_that_nobody_can_refresh_serves_until_it_is_rejected() {
    let mut key = facts(1, None);
    key.refresh = None;
    let row = row_with(key, secs(0));
    for age in [0, 1800, 86_400, 10 * 365 * 86_400] {
        let mut pilot = Pilot::new(Need::RefreshedAhead);
        pilot.clock = secs(age);
        let delivery = Delivery::Token { generation: row.generation, source: Source::Row };
        let commands = pilot.first_read(&row);
        assert!(commands.contains(&Command::Deliver(delivery)), "after {age} s: {commands:?}");
    }
    for need in
        [Need::NotThis { generation: row.generation, access: fingerprint(1) }, Need::Now { seen: None }]
    {
        let log_in = Delivery::LogIn { generation: row.generation, why: Revocation::NoRefreshToken };
        let commands = Pilot::new(need).decide(&row, NO_ANSWERS);
        assert!(commands.contains(&Command::Deliver(log_in)), "{need:?}: {commands:?}");
        assert!(!presents(&commands));
    }
}

#[test]
fn a_token_of_unknown_life_is_refreshed_when_its_provider_is_known_to_end_it() {
    let row = row_with(facts(1, None), secs(0));
    for (assumed, age, due) in
        [(1800, 1700, false), (1800, 1800, true), (7200, 1800, false), (7200, 7200, true)]
    {
        let settings = PolicySettings { assumed_lifetime: secs(assumed), ..PolicySettings::default() };
        let mut pilot = Pilot::with(
            settings.build().unwrap(),
            Need::Valid,
            Knowledge::default(),
            std::time::Duration::ZERO,
        );
        pilot.clock = secs(age);
        let knocks = matches!(pilot.first_read(&row)[..], [Command::TakeLease { .. }]);
        assert_eq!(knocks, due, "{assumed} {age}");
    }
}

#[test]
fn a_tombstone_has_older_answers_erased_and_is_published() {
    let mut row = overdue_row();
    row.delete(id(80), store_at(secs(0)));
    let mut pilot = Pilot::new(Need::Valid);
    assert_eq!(
        pilot.decide(&row, NO_ANSWERS),
        [
            Command::EraseAnswers(row.generation),
            Command::Publish(Notice::Gone(row.generation)),
            Command::Deliver(Delivery::Unknown),
            Command::ReleaseLease,
        ]
    );
}

/// S-T10.
#[test]
fn without_the_store_nothing_is_presented() {
    let row = overdue_row();
    for reply in [StoreReply::NotApplied, StoreReply::Unknown] {
        let mut pilot = Pilot::new(Need::Valid);
        pilot.reach_load(&row);
        let commands = pilot.hear(Event::Loaded(reply));
        assert!(!presents(&commands));
        assert_eq!(delay(&commands).1, Delay::StoreDown);
    }
}

#[test]
fn a_row_of_a_newer_format_is_not_claimed() {
    let row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.reach_load(&row);
    assert_eq!(delay(&pilot.hear(Event::Loaded(StoreReply::UnreadableFormat))).1, Delay::NewerFormat);
}

#[test]
fn a_claim_requests_a_generation_above_every_known_one() {
    let row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    assert!(claim.fence > Some(Fence::new(row.generation.get())), "{claim:?}");
}

/// A1.
#[test]
fn an_attempt_that_no_longer_fits_is_settled_as_not_sent() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    row.claim(&claim, pilot.store_now()).unwrap();
    // 60 s, less 10 s for the exchange and 2 s for writing its answer down.
    for (passed, fits) in [(secs(48), true), (secs(48) + millis(1), false)] {
        let mut pilot = pilot.clone();
        pilot.pass(passed);
        let commands = pilot.hear(Event::Claimed(pilot.done(&row)));
        if fits {
            assert_eq!(commands, [exchange(&row)]);
        } else {
            let settle = settled(&commands);
            assert_eq!((settle.id, settle.verdict), (claim.id, None));
        }
    }
}

/// A16.
#[test]
fn a_claim_carries_a_not_after_in_the_stores_time() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.clock = secs(7);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    assert_eq!(claim.not_after, store_at(secs(7 + 48)), "what the exchange and its answer leave of the span");
    let before = row.clone();
    assert_eq!(row.claim(&claim, claim.not_after + millis(1)), Err(Refusal::Late));
    assert_eq!(row, before);
    row.claim(&claim, claim.not_after).unwrap();
}

/// A16.
#[test]
fn a_claim_whose_reply_was_lost_is_repeated_under_its_name() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    let until = slept(&pilot.hear(Event::Claimed(StoreReply::Unknown)));
    pilot.pass(until.since(pilot.now()));
    assert_eq!(pilot.hear(Event::Woken), [Command::Claim(claim)]);
    row.claim(&claim, store_at(secs(0))).unwrap();
    let claimed = row.clone();
    row.claim(&claim, pilot.store_now()).unwrap();
    assert_eq!(row, claimed, "the second time it changes nothing");
    assert_eq!(pilot.hear(Event::Claimed(pilot.done(&row))), [exchange(&row)]);
}

/// A16.
#[test]
fn a_claim_given_up_is_settled_by_its_name_until_the_store_would_refuse_it() {
    let row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    let mut commands = pilot.hear(Event::Claimed(StoreReply::Unknown));
    while let [Command::Sleep { until, .. }] = commands[..] {
        pilot.pass(until.since(pilot.now()));
        let again = pilot.hear(Event::Woken);
        commands = match again[..] {
            [Command::Claim(_)] => pilot.hear(Event::Claimed(StoreReply::Unknown)),
            _ => again,
        };
    }
    assert_eq!(settled(&commands).id, claim.id);

    // The row does not know the claim, which may still be on its way.
    let commands = pilot.hear(Event::Settled(StoreReply::Moved(pilot.view(&row))));
    let until = slept(&commands);
    pilot.pass(until.since(pilot.now()));
    assert_eq!(settled(&pilot.hear(Event::Woken)).id, claim.id);

    pilot.clock = secs(49);
    pilot.hear(Event::Settled(StoreReply::Moved(pilot.view(&row))));
    assert!(pilot.flight.is_over(), "past its not-after the claim cannot be made any more");
}

#[test]
fn a_claim_that_certainly_was_not_made_is_given_up_at_once() {
    let row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    claimed(&pilot.decide(&row, NO_ANSWERS));
    assert_eq!(delay(&pilot.hear(Event::Claimed(StoreReply::NotApplied))).1, Delay::StoreDown);
    assert!(pilot.flight.is_over());
}

/// A16.
#[test]
fn a_claim_of_unknown_outcome_is_settled_before_anybody_elses_attempt_is_waited_for() {
    let mut row = overdue_row();
    let mut pilot = Pilot::patient(Need::Valid, secs(8));
    let claim = claimed(&pilot.decide(&row, NO_ANSWERS));
    // The first copy hangs in some proxy; the second one meets another owner's attempt.
    let until = slept(&pilot.hear(Event::Claimed(StoreReply::Unknown)));
    pilot.pass(until.since(pilot.now()));
    assert_eq!(pilot.hear(Event::Woken), [Command::Claim(claim)]);
    let at_rest = row.clone();
    open(&mut row, 60, secs(0));
    let moved = |pilot: &Pilot, row: &Row| StoreReply::Moved(pilot.view(row));
    let settle = settled(&pilot.hear(Event::Claimed(moved(&pilot, &row))));
    assert_eq!(settle.id, claim.id);

    // While the other attempt is open, or settled, the first copy can still open one.
    for row in [&row, &at_rest] {
        let commands = pilot.hear(Event::Settled(moved(&pilot, row)));
        assert!(commands.contains(&Command::Register), "{commands:?}");
        let until = slept(&commands);
        pilot.pass(until.since(pilot.now()));
        assert_eq!(settled(&pilot.hear(Event::Woken)).id, claim.id);
    }
    let mut ghost = at_rest.clone();
    ghost.claim(&claim, pilot.store_now()).unwrap();
    ghost.settle(&settle, pilot.store_now()).unwrap();
    assert_eq!(pilot.clone().hear(Event::Settled(pilot.done(&ghost))), [Command::Load]);

    // Once it is committed, the copy can do nothing any more.
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 60, facts(2, Some(secs(3600))), pilot.store_now())
    };
    row.commit(&crate::fixture::commit(note), pilot.store_now()).unwrap();
    assert_eq!(pilot.hear(Event::Settled(moved(&pilot, &row))), [Command::Load]);
    let delivery = Delivery::Token { generation: note.attempt, source: Source::Row };
    assert!(pilot.read_again(&row, NO_ANSWERS).contains(&Command::Deliver(delivery)));
}

#[test]
fn a_person_passes_a_cooldown_but_not_a_request_that_may_still_be_under_way() {
    let limited = with_verdict(overdue_row(), Decision::NotBefore { at: secs(60), why: Delay::RateLimited });
    claimed(&Pilot::new(Need::Now { seen: Some(limited.generation) }).decide(&limited, NO_ANSWERS));

    // The first attempt's answer was committed over a second attempt.
    let mut row = overdue_row();
    open(&mut row, 50, secs(0));
    let note = AnswerNote {
        attempt: row.open.unwrap().attempt,
        ..rotation(&row, 50, facts(2, Some(secs(3600))), store_at(secs(0)))
    };
    open(&mut row, 51, secs(60));
    row.commit(&crate::fixture::commit(note), store_at(secs(61))).unwrap();
    for (clock, held_up) in [(secs(100), true), (secs(120), false)] {
        let mut pilot = Pilot::new(Need::Now { seen: Some(row.generation) });
        pilot.clock = clock;
        let commands = pilot.decide(&row, NO_ANSWERS);
        if held_up {
            assert_eq!(delay(&commands), (moment_at(secs(120)), Delay::InFlight));
        } else {
            claimed(&commands);
        }
    }
}

/// S-T53.
#[test]
fn a_flight_that_finds_a_good_row_under_the_lease_claims_nothing() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.reach_load(&row);
    let note = rotation(&row, 60, facts(2, Some(secs(3600))), store_at(secs(0)));
    row.commit(&crate::fixture::commit(note), pilot.store_now()).unwrap();
    let commands = pilot.read_again(&row, NO_ANSWERS);
    let delivery = Delivery::Token { generation: note.attempt, source: Source::Row };
    assert!(commands.contains(&Command::Deliver(delivery)), "{commands:?}");
    assert!(commands.contains(&Command::ReleaseLease) && !presents(&commands), "{commands:?}");
}

/// M-T12.
#[test]
fn what_is_presented_is_what_the_row_contains_under_the_lease() {
    let mut row = overdue_row();
    let mut pilot = Pilot::new(Need::Valid);
    pilot.reach_load(&row);
    // Rotated meanwhile, and its successor has ended, too.
    let note = rotation(&row, 60, facts(2, Some(secs(5))), store_at(secs(0)));
    row.commit(&crate::fixture::commit(note), pilot.store_now()).unwrap();
    pilot.pass(secs(60));
    let claim = claimed(&pilot.read_again(&row, NO_ANSWERS));
    assert_eq!((claim.from, Some(claim.presents)), (note.attempt, facts(2, None).refresh));
}
