//! How fast refreshes that nobody waits for are started at one provider.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    ClaimId, Moment, mutant,
    ports::{Ask, Hold, Paced, Start},
};

/// What one provider can be expected to bear. A value that exists is valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    rate: u32,
    places: u32,
}

impl Limits {
    /// So many starts a second, so many refreshes at once; both at least 1, the rate at most [`MAX_RATE`](Self::MAX_RATE)
    /// and the places at most [`MAX_PLACES`](Self::MAX_PLACES): what is beyond is clamped.
    pub fn new(rate: u32, places: u32) -> Self {
        Self { rate: rate.clamp(1, Self::MAX_RATE), places: places.clamp(1, Self::MAX_PLACES) }
    }

    /// More than token endpoints bear from one client; a million accounts with tokens of an hour need 300.
    pub const MAX_RATE: u32 = 1_000;
    /// The rate times how long an exchange takes is enough.
    pub const MAX_PLACES: u32 = 256;
    /// What a provider bears that nobody knows anything of; enough for ten thousand accounts with tokens of an hour.
    pub const DEFAULT: Self = Self { rate: 5, places: 4 };

    /// From one start to the next.
    pub fn interval(self) -> Duration {
        Duration::from_micros(1_000_000 / u64::from(self.rate))
    }

    /// Starts a second.
    pub fn rate(self) -> u32 {
        self.rate
    }

    /// How many refreshes may be under way at once.
    pub fn places(self) -> u32 {
        self.places
    }

    /// What is left to one of so many processes that cannot ask each other.
    pub fn share(self, replicas: u32) -> (Duration, u32) {
        let replicas = if mutant("everybody_keeps_the_whole_rate") { 1 } else { replicas.max(1) };
        (self.interval() * replicas, (self.places / replicas).max(1))
    }
}

/// Who has started what, at one provider: grants starts one interval apart at least, in so many places at once.
///
/// Time that nobody used is gone: after an idle hour the first start is immediate, and the second one interval later.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gate {
    /// Of the last start; before the first, of what was started without asking.
    last: Moment,
    next: Moment,
    paused_until: Moment,
    places: Vec<(ClaimId, Moment)>,
    askers: Vec<(Uuid, Moment)>,
}

impl Gate {
    /// A process that has not asked for this long has nothing to refresh, or is gone.
    pub const ASKER_SEEN: Duration = Duration::from_secs(60);
    /// Requests come first, but what nobody asks for must not die of it.
    pub const MAX_YIELD: Duration = Duration::from_secs(10);

    /// Answers an ask at `now`.
    pub fn ask(&mut self, now: Moment, ask: &Ask) -> Paced {
        self.askers.retain(|(who, seen)| *who != ask.who && now.since(*seen) < Self::ASKER_SEEN);
        self.askers.push((ask.who, now));
        let replicas = u32::try_from(self.askers.len()).unwrap_or(u32::MAX);
        let (interval, places) = (ask.limits.interval(), ask.limits.places());
        Paced { start: self.grant(now, ask.place, ask.ttl, interval, places), replicas }
    }

    /// Answers one of `replicas` processes that cannot ask each other.
    pub fn ask_alone(&mut self, now: Moment, ask: &Ask, replicas: u32) -> Start {
        let (interval, places) = ask.limits.share(replicas);
        self.grant(now, ask.place, ask.ttl, interval, places)
    }

    /// Frees a place.
    pub fn leave(&mut self, place: ClaimId) {
        self.places.retain(|(held, _)| *held != place);
    }

    /// Counts starts that were made without asking. They put the next one off, but never so far that who asks gets nothing
    /// for longer than [`MAX_YIELD`](Self::MAX_YIELD).
    pub fn spend(&mut self, now: Moment, starts: u32, limits: Limits) {
        if self.last == Moment::default() {
            self.last = now;
        }
        let spent = self.next.max(now) + limits.interval() * starts;
        self.next = self.next.max(spent.min(self.last + Self::MAX_YIELD));
    }

    /// Grants nothing until then.
    pub fn pause(&mut self, until: Moment) {
        self.paused_until = self.paused_until.max(until);
    }

    /// Until when nothing is granted, where that is yet to come.
    pub fn paused(&self, now: Moment) -> Option<Moment> {
        Some(self.paused_until).filter(|until| *until > now)
    }

    fn grant(
        &mut self,
        now: Moment,
        place: ClaimId,
        ttl: Duration,
        interval: Duration,
        places: u32,
    ) -> Start {
        self.places.retain(|(_, ends)| *ends > now);
        if self.places.iter().any(|(held, _)| *held == place) {
            return Start::Granted;
        }
        if let Some(until) = self.paused(now).filter(|_| !mutant("pause_is_not_kept")) {
            return Start::Later { wait: until.since(now), why: Hold::Paused };
        }
        if self.places.len() >= places as usize && !mutant("places_are_not_counted") {
            let first = self.places.iter().map(|(_, ends)| ends.since(now)).min();
            return Start::Later { wait: first.unwrap_or_default(), why: Hold::Places };
        }
        if self.next > now && !mutant("starts_are_not_spaced") {
            return Start::Later { wait: self.next.since(now), why: Hold::Rate };
        }
        let from = if mutant("idle_gate_keeps_its_debt") { self.next } else { now };
        (self.last, self.next) = (now, from + interval);
        self.places.push((place, now + ttl));
        Start::Granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000_000 + millis * 1000)
    }

    fn ask(place: u128, limits: Limits) -> Ask {
        let (who, place) = (Uuid::from_u128(1), ClaimId::new(Uuid::from_u128(place)));
        Ask { who, place, limits, ttl: Duration::from_secs(60) }
    }

    fn start(gate: &mut Gate, now: Moment, place: u128, limits: Limits) -> Start {
        gate.ask(now, &ask(place, limits)).start
    }

    #[test]
    fn s_t83_starts_are_an_interval_apart_the_first_is_immediate_and_idleness_is_not_saved_up() {
        let (mut gate, limits) = (Gate::default(), Limits::new(2, 100));
        assert_eq!(start(&mut gate, at(0), 1, limits), Start::Granted);
        let wait = Duration::from_millis(400);
        assert_eq!(start(&mut gate, at(100), 2, limits), Start::Later { wait, why: Hold::Rate });
        assert_eq!(start(&mut gate, at(500), 2, limits), Start::Granted);
        assert_eq!(start(&mut gate, at(9_000), 3, limits), Start::Granted, "after a while");
        let wait = Duration::from_millis(500);
        assert_eq!(start(&mut gate, at(9_000), 4, limits), Start::Later { wait, why: Hold::Rate }, "no debt");
    }

    #[test]
    fn s_t82_no_more_are_under_way_than_there_are_places() {
        let (mut gate, limits) = (Gate::default(), Limits::new(1_000, 2));
        assert_eq!(start(&mut gate, at(0), 1, limits), Start::Granted);
        assert_eq!(start(&mut gate, at(1), 2, limits), Start::Granted);
        assert!(matches!(start(&mut gate, at(2), 3, limits), Start::Later { why: Hold::Places, .. }));
        assert_eq!(start(&mut gate, at(2), 2, limits), Start::Granted, "asked once more by its name");
        gate.leave(ClaimId::new(Uuid::from_u128(1)));
        assert_eq!(start(&mut gate, at(3), 3, limits), Start::Granted);
        assert_eq!(start(&mut gate, at(60_002), 4, limits), Start::Granted, "two never came back");
    }

    #[test]
    fn a_pause_holds_everybody_and_is_not_shortened() {
        let (mut gate, limits) = (Gate::default(), Limits::DEFAULT);
        gate.pause(at(5_000));
        gate.pause(at(1_000));
        let wait = Duration::from_secs(3);
        assert_eq!(start(&mut gate, at(2_000), 1, limits), Start::Later { wait, why: Hold::Paused });
        assert_eq!(start(&mut gate, at(5_000), 1, limits), Start::Granted);
    }

    #[test]
    fn who_asks_yields_to_those_who_do_not_but_not_for_ever() {
        let (mut gate, limits) = (Gate::default(), Limits::new(2, 100));
        assert_eq!(start(&mut gate, at(0), 1, limits), Start::Granted);
        gate.spend(at(0), 3, limits);
        assert!(matches!(start(&mut gate, at(1_999), 2, limits), Start::Later { .. }));
        gate.spend(at(1_999), 1_000, limits);
        assert!(matches!(start(&mut gate, at(9_999), 2, limits), Start::Later { .. }));
        gate.spend(at(9_999), 1_000, limits);
        assert_eq!(start(&mut gate, at(10_000), 2, limits), Start::Granted);
    }

    #[test]
    fn s_t90_absurd_limits_are_clamped() {
        for (rate, places) in [(0, 0), (u32::MAX, u32::MAX)] {
            let limits = Limits::new(rate, places);
            assert!(
                limits.interval() >= Duration::from_millis(1) && limits.interval() <= Duration::from_secs(1)
            );
            assert!((1..=Limits::MAX_PLACES).contains(&limits.places()));
        }
    }

    #[test]
    fn processes_that_cannot_ask_each_other_have_a_share_each() {
        let (interval, places) = Limits::new(10, 4).share(3);
        assert_eq!((interval, places), (Duration::from_millis(300), 1));
        assert_eq!(Limits::new(10, 2).share(8).1, 1, "nobody is left without a place");
    }
}
