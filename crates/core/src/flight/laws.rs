//! Laws of doubt: the conditions on presenting a refresh token again whose fate is unknown.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::{AnswersView, Context, Flight, Knowledge, RowView, resolve::Resolution};
use crate::{
    Cause, Claim, ClaimId, Fingerprint, Generation, InDoubt, KEEP_ANSWERS, Login, Moment, Need, NewFacts,
    Policy, PolicySettings, Replay, Row, Settle, StoreTime,
};

/// Somebody presented a refresh token and was never heard of again; one other process checks the account.
#[derive(Clone, Debug)]
struct World {
    policy: Policy,
    row: Row,
    /// The time at which the refresh token was presented first.
    first_at: StoreTime,
    /// The store's clock when the attempt came in doubt; the process' clock shows nothing but the same span.
    doubt_since: StoreTime,
    started: Moment,
}

/// The checks of a resolver, one after the other, until it may present or has to ask for a login.
struct Watch {
    /// The times of the first and the last check, from the beginning of the doubt.
    first: Duration,
    last: Duration,
    resolution: Option<Resolution>,
}

impl World {
    fn new(settings: PolicySettings, facts: NewFacts, age: Duration, cause: Cause) -> Self {
        let policy = settings.build().unwrap();
        let claimed_at = StoreTime::from_micros(1_000_000_000_000_000);
        let mut row = Row::empty();
        let login = Login {
            id: id(1),
            facts,
            accept_spent: false,
            accept_lesser: false,
            amends: None,
            due_in: None,
            as_of: None,
        };
        row.login(&login, false, claimed_at - age).unwrap();
        let claim = Claim {
            id: id(2),
            from: row.generation,
            seen: None,
            fence: None,
            span: policy.span(),
            not_after: claimed_at,
            cause,
            presents: print(2),
        };
        row.claim(&claim, claimed_at).unwrap();
        let doubt_since = claimed_at + policy.span();
        Self { policy, row, first_at: claimed_at, doubt_since, started: Moment::from_micros(7_000_000) }
    }

    /// So long after the attempt came in doubt another one was made, and came in doubt too.
    fn again(mut self, after: Duration) -> Self {
        let claimed_at = self.doubt_since + after;
        let (from, open) = (self.row.generation, self.row.open.unwrap());
        let claim = Claim {
            id: id(4),
            from,
            seen: Some(open.id),
            fence: None,
            span: self.policy.span(),
            not_after: claimed_at,
            cause: open.cause,
            presents: print(2),
        };
        self.row.claim(&claim, claimed_at).unwrap();
        self.doubt_since = claimed_at + self.policy.span();
        self
    }

    fn check(&self, flight: &mut Flight, since: Duration, answers: AnswersView) -> Resolution {
        let now = self.started + since;
        let cx = Context { now, policy: &self.policy, id: id(3), jitter: 0 };
        let view = RowView { row: Some(self.row.clone()), now: self.doubt_since + since, asked: now };
        let (facts, open) = (self.row.facts.unwrap(), self.row.open.unwrap());
        flight.resolve_attempt(&cx, &view, &self.row, &facts, &open, answers)
    }

    /// Checks from `first` on as rechecks do, and at the latest when the wait before ends.
    fn watch(&self, first: Duration, answers: AnswersView) -> Watch {
        let mut flight = Flight::new(Need::Resolved, Knowledge::default(), 0, self.started, Duration::ZERO);
        let interval = super::knowledge::gap(self.policy.span()) / 2;
        let mut last = first;
        for _ in 0..MOST_CHECKS {
            match self.check(&mut flight, last, answers) {
                Resolution::Wait(at) => {
                    assert!(at > self.started + last, "it waits for what is over");
                    last = (last + interval).min(at.since(self.started));
                }
                resolution => return Watch { first, last, resolution: Some(resolution) },
            }
        }
        Watch { first, last, resolution: None }
    }

    /// The end of the window of grace, from the beginning of the doubt.
    fn window_ends(&self, window: Duration) -> Duration {
        (self.first_at + window).since(self.doubt_since)
    }

    /// The time from which on nothing is left to lose, from the beginning of the doubt.
    fn nothing_left(&self) -> Duration {
        let facts = self.row.facts.unwrap();
        let first = self.row.open.unwrap().first.at;
        let expiry = facts.expires_at.unwrap_or(facts.made_at + crate::ASSUMED_LIFETIME);
        let half = facts.refresh_expires_at.map_or(expiry, |end| first + end.since(first) / 2);
        let skew = self.policy.windows_spread(facts.lifetime(), 0).skew;
        (expiry.min(half) + skew).since(self.doubt_since)
    }
}

fn id(number: u128) -> ClaimId {
    ClaimId::new(Uuid::from_u128(number))
}

fn print(number: u8) -> Fingerprint {
    Fingerprint::new([number; 16])
}

const READABLE: AnswersView =
    AnswersView::Read { newest: None, unread: None, kept_since: StoreTime::from_micros(0) };
/// More than the longest wait of these worlds has at the interval of the shortest span.
const MOST_CHECKS: usize = 20_000;

fn secs(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

prop_compose! {
    fn world(replay: BoxedStrategy<Replay>, in_doubt: InDoubt)(
        replay in replay,
        quarantine in secs(13..600),
        expires_in in proptest::option::of(secs(0..10_000)),
        refresh_expires_in in proptest::option::of(prop_oneof![secs(0..10_000), secs(0..100_000)]),
        age in prop_oneof![secs(0..2_000), secs(0..20_000)],
        rejected in any::<bool>(),
    ) -> World {
        let settings = PolicySettings { replay, in_doubt, quarantine: Some(quarantine), ..PolicySettings::default() };
        let facts = NewFacts { access: print(1), refresh: Some(print(2)), expires_in, refresh_expires_in };
        World::new(settings, facts, age, if rejected { Cause::Rejected } else { Cause::Due })
    }
}

fn always(replay: Replay) -> BoxedStrategy<Replay> {
    Just(replay).boxed()
}

fn any_replay() -> BoxedStrategy<Replay> {
    prop_oneof![always(Replay::STRICT_FAMILY), always(Replay::UNTIL_USED), grace()].boxed()
}

fn grace() -> BoxedStrategy<Replay> {
    secs(1..2_000).prop_map(Replay::grace).boxed()
}

fn presented(watch: &Watch) -> bool {
    matches!(watch.resolution, Some(Resolution::Present { .. }))
}

proptest! {
    #![proptest_config(crate::laws::config(256))]

    #[test]
    fn whoever_meets_a_claim_withholds_the_token_whose_rejection_caused_it(
        world in world(any_replay(), InDoubt::default()), checks in proptest::collection::vec(secs(0..1_000), 1..6),
    ) {
        let open = world.row.open.unwrap();
        let (mut knowledge, mut now) = (Knowledge::default(), open.first.at);
        let mut met = false;
        for wait in checks {
            now = now + wait;
            knowledge.believe_claim(&world.row, now);
            // Met in flight, it is remembered as long as nobody knows how it ended.
            met |= open.in_flight(now);
            let withheld = met && open.cause == Cause::Rejected;
            prop_assert_eq!(knowledge.is_rejected(world.row.generation), withheld, "{:?} at {:?}", open, now);
        }
        let World { mut row, .. } = world;
        let settle = Settle { id: open.id, from: row.generation, verdict: None, due_in: None };
        row.settle(&settle, now).unwrap();
        knowledge.believe_claim(&row, now);
        prop_assert!(!knowledge.is_rejected(row.generation), "its attempt is over");
    }

    #[test]
    fn where_families_are_revoked_nothing_is_presented_while_there_is_something_to_lose(
        world in world(always(Replay::STRICT_FAMILY), InDoubt::LastChance), first in secs(0..2_000),
    ) {
        let watch = world.watch(first, READABLE);
        prop_assert!(presented(&watch), "the doubt never ends");
        prop_assert!(watch.last >= watch.first + world.policy.span(), "not watched for a whole span");
        let rejected = world.row.open.unwrap().cause == Cause::Rejected;
        prop_assert!(rejected || watch.last >= world.nothing_left());
        let left = if rejected { Duration::ZERO } else { world.nothing_left() };
        prop_assert_eq!(watch.last, left.max(watch.first + world.policy.span() + widest(&world) * 2), "not at once then");
    }

    #[test]
    fn what_is_presented_was_watched_for_long_enough_without_a_gap(
        world in world(always(Replay::STRICT), InDoubt::LastChance),
        checks in proptest::collection::vec((0_u32..140, 0_u8..40), 1..60),
    ) {
        let (span, open) = (world.policy.span(), world.row.open.unwrap());
        let mut flight = Flight::new(Need::Resolved, Knowledge::default(), 0, world.started, Duration::ZERO);
        let younger = AnswersView::Read { newest: None, unread: None, kept_since: open.first.at + Duration::from_secs(1) };
        let mut now = Duration::ZERO;
        // Since when it is watched, the last check, and the longest time between two.
        let mut watch: Option<(Duration, Duration, Duration)> = None;
        for (percent, answers) in checks {
            now += super::knowledge::gap(span) * percent / 100;
            let answers = match answers {
                0 => AnswersView::Unreadable,
                1 => younger,
                _ => READABLE,
            };
            // Where none can be kept any more, nobody has to see that.
            let kept = (open.first.at + KEEP_ANSWERS).since(world.doubt_since);
            let sees = answers == READABLE || now >= kept;
            let goes_on = watch.filter(|(_, last, _)| sees && now.saturating_sub(*last) <= super::knowledge::gap(span));
            let (since, last, widest) = goes_on.unwrap_or((now, now, Duration::ZERO));
            let widest = widest.max(now.saturating_sub(last));
            watch = sees.then_some((since, now, widest));
            if matches!(world.check(&mut flight, now, answers), Resolution::Present { .. }) {
                prop_assert!(sees, "presented while an answer may be kept somewhere");
                prop_assert!(now >= since + span + widest * 2, "watched since {since:?}, at most {widest:?} apart: {now:?}");
            }
        }
    }

    #[test]
    fn where_a_spent_token_is_only_refused_it_is_presented_after_one_watch(
        world in world(always(Replay::STRICT), InDoubt::LastChance), first in secs(0..2_000),
    ) {
        let watch = world.watch(first, READABLE);
        prop_assert!(presented(&watch));
        prop_assert_eq!(watch.last, watch.first + world.policy.span() + widest(&world) * 2);
    }

    #[test]
    fn a_retry_inside_a_window_of_grace_ends_inside_it(
        world in world(grace(), InDoubt::LastChance), before_the_end in secs(0..60), again in proptest::option::of(secs(0..600)),
    ) {
        // The window runs from the first attempt.
        let world = again.map_or(world.clone(), |after| world.again(after));
        let crate::Window::For(window) = world.policy.replay().window() else { unreachable!("it is grace") };
        let watch = world.watch(world.window_ends(window).saturating_sub(before_the_end), READABLE);
        prop_assert!(presented(&watch));
        if let Some(Resolution::Present { by: Some(by) }) = watch.resolution {
            let needed = world.policy.exchange_timeout() + world.policy.answer_budget();
            prop_assert_eq!(by, world.started + world.window_ends(window));
            prop_assert!(world.started + watch.last + needed <= by);
        } else {
            let rejected = world.row.open.unwrap().cause == Cause::Rejected;
            prop_assert!(rejected || watch.last >= world.nothing_left());
            prop_assert!(watch.last >= watch.first + world.policy.span());
        }
    }

    #[test]
    fn what_never_hurts_is_presented_at_once(
        world in world(always(Replay::NON_ROTATING), InDoubt::LastChance), first in secs(0..2_000),
    ) {
        let watch = world.watch(first, AnswersView::Unreadable);
        prop_assert!(presented(&watch) && watch.last == watch.first);
    }

    #[test]
    fn who_would_rather_log_in_never_presents_outside_of_a_window(
        world in world(always(Replay::STRICT_FAMILY), InDoubt::AskLogin), first in secs(0..2_000),
    ) {
        let watch = world.watch(first, READABLE);
        prop_assert_eq!(watch.resolution, Some(Resolution::AskLogin(crate::Revocation::InDoubt)));
        prop_assert!(watch.last >= watch.first + world.policy.span());
    }

    #[test]
    fn answers_that_cannot_be_read_are_waited_for_until_none_could_be_kept(
        world in world(always(Replay::STRICT_FAMILY), InDoubt::LastChance), first in secs(0..2_000_000),
    ) {
        let mut flight = Flight::new(Need::Resolved, Knowledge::default(), 0, world.started, Duration::ZERO);
        let resolution = world.check(&mut flight, first, AnswersView::Unreadable);
        let kept = (world.row.open.unwrap().first.at + KEEP_ANSWERS).since(world.doubt_since);
        // And where none can be kept any more, the watch begins.
        prop_assert!(matches!(resolution, Resolution::Wait(_)), "{kept:?}");
    }

    #[test]
    fn no_clock_and_no_span_makes_it_panic(
        replay in prop_oneof![grace(), always(Replay::STRICT), always(Replay::STRICT_FAMILY), always(Replay::UNTIL_USED),
            any::<Duration>().prop_map(Replay::grace).boxed()],
        times in proptest::array::uniform6(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)]),
        quarantine in prop_oneof![Just(KEEP_ANSWERS), secs(13..600)],
        known in any::<bool>(),
    ) {
        let [made, claimed, now, moment, expires, since] = times;
        let settings = PolicySettings { replay, quarantine: Some(quarantine), ..PolicySettings::default() };
        let spans = |micros| known.then(|| Duration::from_micros(micros));
        let facts = NewFacts {
            access: print(1), refresh: Some(print(2)), expires_in: spans(expires), refresh_expires_in: spans(since),
        };
        let mut world = World::new(settings, facts, Duration::ZERO, Cause::Due);
        let open = world.row.open.as_mut().unwrap();
        open.first.at = StoreTime::from_micros(claimed);
        world.row.facts = Some(facts.at(StoreTime::from_micros(made)));
        world.doubt_since = StoreTime::from_micros(now);
        world.started = Moment::from_micros(moment);
        let mut flight = Flight::new(Need::Valid, Knowledge::default(), since, world.started, Duration::MAX);
        for answers in [READABLE, AnswersView::Unreadable] {
            world.check(&mut flight, Duration::ZERO, answers);
            world.check(&mut flight, Duration::from_micros(since), answers);
        }
        prop_assert!(world.row.generation > Generation::ZERO);
    }
}

/// The longest time between two checks of a watch that is kept at its interval.
fn widest(world: &World) -> Duration {
    super::knowledge::gap(world.policy.span()) / 2
}
