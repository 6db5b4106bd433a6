//! The rate at which refreshes that nobody waits for are started at one provider.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    ClaimId, Moment, mutant,
    ports::{Start, StartDelay, StartReply, StartRequest},
};

/// The load that one provider can be expected to bear. A value that exists is valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    rate: u32,
    permits: u32,
}

impl Limits {
    /// So many starts a second, so many refreshes at once; both at least 1, the rate at most
    /// [`MAX_RATE`](Self::MAX_RATE) and the permits at most [`MAX_PERMITS`](Self::MAX_PERMITS): what is beyond is
    /// clamped.
    pub fn new(rate: u32, permits: u32) -> Self {
        Self { rate: rate.clamp(1, Self::MAX_RATE), permits: permits.clamp(1, Self::MAX_PERMITS) }
    }

    /// More than token endpoints bear from one client; a million accounts with tokens of an hour need 300.
    pub const MAX_RATE: u32 = 1_000;
    /// The rate times the duration of an exchange is enough.
    pub const MAX_PERMITS: u32 = 256;
    /// The load that an unknown provider bears; enough for ten thousand accounts with tokens of an hour.
    pub const DEFAULT: Self = Self { rate: 5, permits: 4 };

    /// From one start to the next.
    pub fn interval(self) -> Duration {
        Duration::from_micros(1_000_000 / u64::from(self.rate))
    }

    /// Starts a second.
    pub fn rate(self) -> u32 {
        self.rate
    }

    /// The number of refreshes that may be under way at once.
    pub fn permits(self) -> u32 {
        self.permits
    }

    /// The share of one of so many processes that cannot ask each other.
    pub fn share(self, replicas: u32) -> (Duration, u32) {
        let replicas = if mutant("everybody_keeps_the_whole_rate") { 1 } else { replicas.max(1) };
        (self.interval() * replicas, (self.permits / replicas).max(1))
    }
}

/// The starts of all processes at one provider: grants starts at least one interval apart, with so many permits at
/// once.
///
/// Time that nobody used is gone: after an idle hour the first start is immediate, and the second one interval later.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TokenBucket {
    /// The instant of the last start; before the first, of what was started without asking.
    last: Moment,
    next: Moment,
    paused_until: Moment,
    /// The last change: what lies ahead is plausible only as seen from there.
    seen: Moment,
    permits: Vec<(ClaimId, Moment)>,
    askers: Vec<(Uuid, Moment)>,
}

impl TokenBucket {
    /// A process that has not asked for this long has nothing to refresh, or is gone.
    pub const ASKER_SEEN: Duration = Duration::from_secs(60);
    /// Requests come first, but accounts that nobody asks for must not starve.
    pub const MAX_YIELD: Duration = Duration::from_secs(10);

    /// Answers a request at `now`.
    pub fn request(&mut self, now: Moment, request: &StartRequest) -> StartReply {
        self.follow(now);
        self.askers.retain(|(who, seen)| *who != request.who && now.since(*seen) < Self::ASKER_SEEN);
        self.askers.push((request.who, now));
        let replicas = u32::try_from(self.askers.len()).unwrap_or(u32::MAX);
        let (interval, permits) = (request.limits.interval(), request.limits.permits());
        StartReply { start: self.grant(now, request.permit, request.ttl, interval, permits), replicas }
    }

    /// Answers one of `replicas` processes that cannot ask each other.
    pub fn request_alone(&mut self, now: Moment, request: &StartRequest, replicas: u32) -> Start {
        self.follow(now);
        let (interval, permits) = request.limits.share(replicas);
        self.grant(now, request.permit, request.ttl, interval, permits)
    }

    /// Frees a permit.
    pub fn release(&mut self, permit: ClaimId) {
        self.permits.retain(|(taken, _)| *taken != permit);
    }

    /// Counts starts that were made without asking. They put the next one off, but never so far that those who ask
    /// get nothing for longer than [`MAX_YIELD`](Self::MAX_YIELD).
    pub fn record(&mut self, now: Moment, starts: u32, limits: Limits) {
        self.follow(now);
        if self.last == Moment::default() {
            self.last = now;
        }
        let after = self.next.max(now) + limits.interval() * starts;
        self.next = self.next.max(after.min(self.last + Self::MAX_YIELD));
    }

    /// Grants nothing for so long from now.
    pub fn pause(&mut self, now: Moment, span: Duration) {
        self.follow(now);
        self.paused_until = self.paused_until.max(now + span);
    }

    /// Moves all instants to a clock that has stepped back behind the last change. What was to last for a time from
    /// there lasts as long from now.
    fn follow(&mut self, now: Moment) {
        let ahead = self.seen.since(now);
        self.seen = now;
        if ahead.is_zero() || mutant("starts_wait_for_a_clock_that_stepped_back") {
            return;
        }
        self.move_instants(|at| at - ahead);
        self.seen = now;
    }

    /// Replaces every instant.
    #[doc(hidden)] // For comparisons of rate limiters, where clocks step.
    pub fn move_instants(&mut self, to: impl Fn(Moment) -> Moment) {
        let permits = self.permits.iter_mut().map(|(_, ends)| ends);
        let askers = self.askers.iter_mut().map(|(_, seen)| seen);
        let bucket = [&mut self.last, &mut self.next, &mut self.paused_until, &mut self.seen];
        let all = permits.chain(askers).chain(bucket);
        // What never was stays so.
        all.filter(|at| **at > Moment::default()).for_each(|at| *at = to(*at));
    }

    /// The end of a pause in which nothing is granted, where that is yet to come.
    pub fn paused(&self, now: Moment) -> Option<Moment> {
        Some(self.paused_until).filter(|until| *until > now)
    }

    fn grant(
        &mut self,
        now: Moment,
        permit: ClaimId,
        ttl: Duration,
        interval: Duration,
        permits: u32,
    ) -> Start {
        self.permits.retain(|(_, ends)| *ends > now);
        if self.permits.iter().any(|(taken, _)| *taken == permit) {
            return Start::Granted;
        }
        if let Some(until) = self.paused(now).filter(|_| !mutant("pause_is_not_kept")) {
            return Start::Later { wait: until.since(now), why: StartDelay::Paused };
        }
        if self.permits.len() >= permits as usize && !mutant("permits_are_not_counted") {
            let first = self.permits.iter().map(|(_, ends)| ends.since(now)).min();
            return Start::Later { wait: first.unwrap_or_default(), why: StartDelay::Permits };
        }
        if self.next > now && !mutant("starts_are_not_spaced") {
            return Start::Later { wait: self.next.since(now), why: StartDelay::Rate };
        }
        let from = if mutant("idle_bucket_keeps_its_debt") { self.next } else { now };
        (self.last, self.next) = (now, from + interval);
        self.permits.push((permit, now + ttl));
        Start::Granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_micros(1_000_000_000 + millis * 1000)
    }

    fn request(permit: u128, limits: Limits) -> StartRequest {
        let (who, permit) = (Uuid::from_u128(1), ClaimId::new(Uuid::from_u128(permit)));
        StartRequest { who, permit, limits, ttl: Duration::from_secs(60) }
    }

    fn start(bucket: &mut TokenBucket, now: Moment, permit: u128, limits: Limits) -> Start {
        bucket.request(now, &request(permit, limits)).start
    }

    /// S-T83.
    #[test]
    fn starts_are_an_interval_apart_the_first_is_immediate_and_idleness_is_not_saved_up() {
        let (mut bucket, limits) = (TokenBucket::default(), Limits::new(2, 100));
        assert_eq!(start(&mut bucket, at(0), 1, limits), Start::Granted);
        let wait = Duration::from_millis(400);
        assert_eq!(start(&mut bucket, at(100), 2, limits), Start::Later { wait, why: StartDelay::Rate });
        assert_eq!(start(&mut bucket, at(500), 2, limits), Start::Granted);
        assert_eq!(start(&mut bucket, at(9_000), 3, limits), Start::Granted, "after a while");
        let wait = Duration::from_millis(500);
        assert_eq!(
            start(&mut bucket, at(9_000), 4, limits),
            Start::Later { wait, why: StartDelay::Rate },
            "no debt"
        );
    }

    #[test]
    fn a_process_that_has_not_asked_for_a_minute_is_no_replica_any_more() {
        let (mut bucket, limits) = (TokenBucket::default(), Limits::new(10, 8));
        let mut ask = |who: u128, now| {
            let request = StartRequest { who: Uuid::from_u128(who), ..request(who, limits) };
            bucket.request(now, &request).replicas
        };
        assert_eq!([ask(1, at(0)), ask(2, at(0)), ask(1, at(59_000))], [1, 2, 2]);
        assert_eq!([ask(1, at(60_000)), ask(2, at(61_000))], [1, 2]);
    }

    /// S-T82.
    #[test]
    fn no_more_are_under_way_than_there_are_permits() {
        let (mut bucket, limits) = (TokenBucket::default(), Limits::new(1_000, 2));
        assert_eq!(start(&mut bucket, at(0), 1, limits), Start::Granted);
        assert_eq!(start(&mut bucket, at(1), 2, limits), Start::Granted);
        assert!(matches!(
            start(&mut bucket, at(2), 3, limits),
            Start::Later { why: StartDelay::Permits, .. }
        ));
        assert_eq!(start(&mut bucket, at(2), 2, limits), Start::Granted, "asked once more by its name");
        bucket.release(ClaimId::new(Uuid::from_u128(1)));
        assert_eq!(start(&mut bucket, at(3), 3, limits), Start::Granted);
        assert_eq!(start(&mut bucket, at(60_002), 4, limits), Start::Granted, "two never came back");
    }

    #[test]
    fn a_pause_delays_everybody_and_is_not_shortened() {
        let (mut bucket, limits) = (TokenBucket::default(), Limits::DEFAULT);
        bucket.pause(at(0), Duration::from_secs(5));
        bucket.pause(at(0), Duration::from_secs(1));
        let wait = Duration::from_secs(3);
        assert_eq!(start(&mut bucket, at(2_000), 1, limits), Start::Later { wait, why: StartDelay::Paused });
        assert_eq!(start(&mut bucket, at(5_000), 1, limits), Start::Granted);
    }

    #[test]
    fn nothing_waits_for_a_clock_that_stepped_back_to_get_there_again() {
        const STEP: Duration = Duration::from_secs(600);
        let limits = Limits::new(2, 1);
        let mut paused = TokenBucket::default();
        paused.pause(at(STEP.as_millis() as u64), Duration::from_secs(5));
        let wait = Duration::from_secs(5);
        assert_eq!(start(&mut paused, at(0), 1, limits), Start::Later { wait, why: StartDelay::Paused });
        assert_eq!(start(&mut paused, at(5_000), 1, limits), Start::Granted);

        let mut bucket = TokenBucket::default();
        assert_eq!(start(&mut bucket, at(0) + STEP, 1, limits), Start::Granted);
        let wait = Duration::from_secs(60);
        assert_eq!(start(&mut bucket, at(0), 2, limits), Start::Later { wait, why: StartDelay::Permits });
        bucket.release(ClaimId::new(Uuid::from_u128(1)));
        let wait = Duration::from_millis(500);
        assert_eq!(start(&mut bucket, at(0), 2, limits), Start::Later { wait, why: StartDelay::Rate });
        assert_eq!(start(&mut bucket, at(500), 2, limits), Start::Granted);
    }

    #[test]
    fn a_requested_start_yields_to_recorded_ones_but_not_for_ever() {
        let (mut bucket, limits) = (TokenBucket::default(), Limits::new(2, 100));
        assert_eq!(start(&mut bucket, at(0), 1, limits), Start::Granted);
        bucket.record(at(0), 3, limits);
        assert!(matches!(start(&mut bucket, at(1_999), 2, limits), Start::Later { .. }));
        bucket.record(at(1_999), 1_000, limits);
        assert!(matches!(start(&mut bucket, at(9_999), 2, limits), Start::Later { .. }));
        bucket.record(at(9_999), 1_000, limits);
        assert_eq!(start(&mut bucket, at(10_000), 2, limits), Start::Granted);
    }

    /// S-T90.
    #[test]
    fn absurd_limits_are_clamped() {
        for (rate, permits) in [(0, 0), (u32::MAX, u32::MAX)] {
            let limits = Limits::new(rate, permits);
            assert!(
                limits.interval() >= Duration::from_millis(1) && limits.interval() <= Duration::from_secs(1)
            );
            assert!((1..=Limits::MAX_PERMITS).contains(&limits.permits()));
        }
    }

    #[test]
    fn processes_without_a_shared_rate_limiter_have_a_share_each() {
        let (interval, permits) = Limits::new(10, 4).share(3);
        assert_eq!((interval, permits), (Duration::from_millis(300), 1));
        assert_eq!(Limits::new(10, 2).share(8).1, 1, "nobody is left without a place");
    }
}
