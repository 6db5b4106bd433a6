//! Laws of time: windows, spans and freshness, at every clock and every setting.

use std::time::Duration;

use proptest::prelude::*;
use solekey_core::{
    ASSUMED_LIFETIME, Account, Cause, Claim, Facts, Fence, Freshness, PolicySettings, Refusal, Remaining,
    Replay, StoreTime, flight::next_check,
};

use crate::fixture::{facts, fingerprint, id, row_with, secs};

/// Spans from nothing to everything, the usual ones more often.
fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0_u64..200_000_000).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_micros),
        1 => any::<Duration>(),
        1 => Just(Duration::MAX),
        1 => Just(Duration::ZERO),
    ]
}

/// The usual span, so that most policies are valid, and any other.
fn often(usual: Duration) -> impl Strategy<Value = Duration> {
    prop_oneof![4 => Just(usual), 1 => span()]
}

fn instant() -> impl Strategy<Value = StoreTime> {
    prop_oneof![
        4 => 0_u64..4_000_000_000_000_000,
        1 => any::<u64>(),
        1 => Just(u64::MAX),
        1 => Just(0),
    ]
    .prop_map(StoreTime::from_micros)
}

fn replay() -> impl Strategy<Value = Replay> {
    prop_oneof![
        Just(Replay::NON_ROTATING),
        Just(Replay::UNTIL_USED),
        Just(Replay::STRICT),
        Just(Replay::STRICT_FAMILY),
        span().prop_map(Replay::grace),
    ]
}

prop_compose! {
    /// The settings that somebody may write into a configuration.
    fn settings()(
        replay in replay(),
        exchange_timeout in often(secs(10)),
        quarantine in proptest::option::weighted(0.3, span()),
        lease_ttl in proptest::option::weighted(0.3, span()),
        skew in often(secs(60)),
        refresh_ahead in often(secs(600)),
        max_wait in often(secs(8)),
        assumed_lifetime in often(secs(1800)),
        refresh_life in proptest::option::weighted(0.3, often(secs(864_000))),
    ) -> PolicySettings {
        PolicySettings {
            replay, exchange_timeout, quarantine, lease_ttl, skew, refresh_ahead, max_wait,
            assumed_lifetime, refresh_life, ..PolicySettings::default()
        }
    }
}

fn credential(made_at: StoreTime, expires_in: Option<Duration>) -> Facts {
    facts(1, expires_in).at(made_at)
}

proptest! {
    #[test]
    fn an_attempt_of_a_valid_policy_outlasts_its_exchange_and_its_answer(settings in settings()) {
        let Ok(policy) = settings.build() else { return Ok(()) };
        prop_assert!(policy.span() > policy.exchange_timeout() + policy.answer_budget());
        prop_assert!(policy.lease_ttl() > policy.exchange_timeout());
    }

    #[test]
    fn a_window_takes_its_share_of_a_lifetime_and_no_more(
        settings in settings(), lifetime in proptest::option::of(span()), name in "[a-z]{1,8}",
    ) {
        let Ok(policy) = settings.build() else { return Ok(()) };
        let account = Account::new("acme", &name).unwrap();
        let windows = policy.windows(lifetime, &account);
        prop_assert!(windows.skew <= windows.ahead);
        prop_assert!(windows.skew <= settings.skew && windows.ahead <= settings.refresh_ahead);
        if let Some(lifetime) = lifetime {
            prop_assert!(windows.skew <= lifetime / 10 && windows.ahead <= lifetime / 4);
        }
    }

    #[test]
    fn a_token_never_gets_fresher_by_waiting(
        settings in settings(), made_at in instant(), lifetime in proptest::option::of(span()),
        age in prop_oneof![(0_u64..200_000).prop_map(secs), span()], later in span(),
    ) {
        let Ok(policy) = settings.build() else { return Ok(()) };
        let facts = credential(made_at, lifetime);
        let now = made_at + age;
        let windows = policy.windows(facts.lifetime(), &Account::new("acme", "alice").unwrap());
        let at = |now| policy.remaining(&facts, now).freshness(windows);
        prop_assert!(at(now + later) <= at(now));
        prop_assert_eq!(at(now) == Freshness::Expired, policy.remaining(&facts, now).valid.is_zero());
    }

    #[test]
    fn time_left_and_time_passed_add_up_to_the_lifetime(
        made_at in (0_u64..4_000_000_000_000_000).prop_map(StoreTime::from_micros),
        lifetime in (0_u64..4_000_000_000_000_000).prop_map(Duration::from_micros),
        passed in (0_u64..4_000_000_000_000_000).prop_map(Duration::from_micros),
    ) {
        let known = credential(made_at, Some(lifetime));
        let left = Remaining::of(&known, made_at + passed, ASSUMED_LIFETIME);
        prop_assert_eq!(left.valid, lifetime.saturating_sub(passed));
    }

    #[test]
    fn the_next_check_comes_before_the_token_ends(
        settings in settings(), expires_in in proptest::option::of(span()), spread in any::<u64>(),
        refresh_expires_in in proptest::option::of(span()),
    ) {
        let Ok(policy) = settings.build() else { return Ok(()) };
        let known = solekey_core::NewFacts { refresh_expires_in, ..facts(1, expires_in) };
        let check = next_check(&policy, &known, spread).expect("there is a refresh token");
        prop_assert!(check <= expires_in.unwrap_or(policy.assumed_lifetime()));
        // Nothing comes again within the rest after a success.
        let half = |idle: Duration| (idle / 2).max(solekey_core::SETTLED_FOR);
        let idle = refresh_expires_in.or(policy.refresh_life());
        prop_assert!(idle.is_none_or(|idle| idle.is_zero() || check <= half(idle)));
        let none = solekey_core::NewFacts { refresh: None, ..known };
        prop_assert_eq!(next_check(&policy, &none, spread), None);
    }

    #[test]
    fn an_attempt_is_in_flight_for_its_whole_span_and_alone(
        now in instant(), span in span(), passed in span(), fence in proptest::option::of(any::<u64>()),
    ) {
        let mut row = row_with(facts(1, None), Duration::ZERO);
        let claim = Claim {
            id: id(1),
            from: row.generation,
            seen: None,
            fence: fence.map(Fence::new),
            span,
            not_after: now,
            cause: Cause::Due,
            presents: fingerprint(101),
        };
        let minted = row.minted;
        prop_assert_eq!(row.claim(&claim, now), Ok(()));
        let open = row.open.expect("claimed");
        prop_assert!(open.attempt > minted, "a number comes again");
        prop_assert_eq!(open.until, now + span);
        prop_assert_eq!(row.clone().claim(&claim, now + passed), Ok(()), "repeating it changes nothing");

        let then = now + passed;
        let other = Claim { id: id(2), seen: Some(id(1)), not_after: then, ..claim };
        let over = then >= open.until;
        prop_assert_eq!(row.claim(&other, then), if over { Ok(()) } else { Err(Refusal::Moved) });
        let second = row.open.expect("one of them");
        prop_assert_eq!(second.first, open.first, "windows count from the first claim");
        prop_assert!(second.attempt >= open.attempt);
    }

    #[test]
    fn a_claim_that_comes_too_late_is_refused(not_after in instant(), late in span()) {
        let mut row = row_with(facts(1, None), Duration::ZERO);
        let claim = Claim {
            id: id(1),
            from: row.generation,
            seen: None,
            fence: None,
            span: secs(60),
            not_after,
            cause: Cause::Due,
            presents: fingerprint(101),
        };
        let before = row.clone();
        let now = not_after + late;
        let expected = if now > not_after { Err(Refusal::Late) } else { Ok(()) };
        prop_assert_eq!(row.claim(&claim, now), expected);
        prop_assert_eq!(row == before, expected.is_err());
    }
}

/// S-T23.
#[test]
fn a_lease_lasts_for_an_exchange_and_more_unless_another_time_is_set_and_never_less() {
    let lasting = |lease_ttl| PolicySettings { lease_ttl, ..PolicySettings::default() }.build();
    let policy = lasting(None).unwrap();
    assert!(policy.lease_ttl() >= policy.exchange_timeout() + policy.answer_budget());
    let minute = Duration::from_secs(60);
    assert_eq!(lasting(Some(minute)).unwrap().lease_ttl(), minute);
    for none in [Duration::ZERO, policy.exchange_timeout()] {
        assert_eq!(lasting(Some(none)).unwrap_err().field(), "lease.ttl");
    }
}
