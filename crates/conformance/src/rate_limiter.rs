//! The cases that every rate limiter passes.

use std::time::Duration;

use solekey_core::{
    Admission, BreakerRequest, ClaimId, Limits, UnreadBreaker,
    ports::{RateLimiter, Start, StartDelay, StartReply, StartRequest},
};
use uuid::Uuid;

use crate::{
    Report, Subject,
    case::{self, Case, cases},
    rate_limiter,
    wait::until,
};

/// A rate_limiter to run the list over.
pub type RateLimiterSubject = Subject<dyn RateLimiter>;

/// The list.
pub const CASES: &[Case<RateLimiterSubject>] = cases! { RateLimiterSubject =>
    rate_limiter: [
        grants_the_first_at_once_and_the_next_an_interval_later,
        keeps_no_debt_of_idle_times,
        counts_the_permits_of_all_requesters,
        grants_one_permit_once,
        frees_a_permit_that_nobody_gave_back,
        ignores_a_permit_that_is_not_held,
        is_per_provider,
        pauses_everybody_and_shortens_no_pause,
        goes_on_after_a_pause,
        yields_to_starts_that_were_recorded_without_a_request,
        yields_for_a_bounded_time,
        counts_requesters,
        closes_an_endpoint_that_is_not_understood_and_lets_one_in_turn_try,
    ],
};

/// Runs the list over `adapter`; `build` makes a fresh, empty one for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> RateLimiterSubject) -> Report {
    case::run("rate_limiter", adapter, CASES, build).await
}

const LONG: Duration = Duration::from_secs(10 * 60);
const SHORT: Duration = Duration::from_millis(60);

/// S-T83.
async fn grants_the_first_at_once_and_the_next_an_interval_later(subject: RateLimiterSubject) {
    let limits = Limits::new(1, 100);
    quick_enough(async |provider, _| {
        assert_eq!(subject.asked_at(provider, request(limits)).await.start, Start::Granted);
        let Start::Later { wait, why } = subject.asked_at(provider, request(limits)).await.start else {
            return None;
        };
        assert!(why == StartDelay::Rate && wait <= limits.interval() && !wait.is_zero(), "{why:?} {wait:?}");
        until("the next start", async || {
            let start = subject.asked_at(provider, request(limits)).await.start;
            (start == Start::Granted).then_some(())
        })
        .await;
        subject.is_too_soon(provider, limits).await
    })
    .await;
}

/// S-T83.
async fn keeps_no_debt_of_idle_times(subject: RateLimiterSubject) {
    quick_enough(async |provider, rate| {
        let limits = Limits::new(rate, 100);
        assert_eq!(subject.asked_at(provider, request(limits)).await.start, Start::Granted);
        // Idle for several intervals, by the rate limiter's own clock: starts elsewhere show that they are over.
        for _ in 0..4 {
            subject.granted_elsewhere_at_last(limits).await;
        }
        assert_eq!(subject.asked_at(provider, request(limits)).await.start, Start::Granted);
        subject.is_too_soon(provider, limits).await
    })
    .await;
}

/// S-T82.
async fn counts_the_permits_of_all_requesters(subject: RateLimiterSubject) {
    let limits = Limits::new(1_000, 2);
    let (first, second) = (request(limits), request(limits));
    subject.granted_soon(first).await;
    subject.granted_soon(second).await;
    let (wait, why) = subject.later_but_for_the_rate(limits).await;
    assert!(why == StartDelay::Permits && wait <= LONG && wait > LONG / 2, "{wait:?}");
    subject.port.release(ACME, first.permit).await.expect("leaves");
    subject.granted_at_last(limits).await;
    assert_eq!(subject.later_but_for_the_rate(limits).await.1, StartDelay::Permits);
}

async fn grants_one_permit_once(subject: RateLimiterSubject) {
    let limits = Limits::new(1, 1);
    quick_enough(async |provider, _| {
        let once = request(limits);
        for _ in 0..2 {
            assert_eq!(subject.asked_at(provider, once).await.start, Start::Granted);
        }
        subject.port.release(provider, once.permit).await.expect("leaves");
        // Asking twice has started once: no place is left taken.
        subject.is_too_soon(provider, limits).await
    })
    .await;
}

async fn frees_a_permit_that_nobody_gave_back(subject: RateLimiterSubject) {
    let limits = Limits::new(1_000, 1);
    subject.granted(StartRequest { ttl: SHORT, ..request(limits) }).await;
    subject.granted_at_last(limits).await;
}

async fn ignores_a_permit_that_is_not_held(subject: RateLimiterSubject) {
    let limits = Limits::new(1_000, 1);
    subject.granted(request(limits)).await;
    subject.port.release(ACME, request(limits).permit).await.expect("leaves");
    assert_eq!(subject.later_but_for_the_rate(limits).await.1, StartDelay::Permits);
}

async fn is_per_provider(subject: RateLimiterSubject) {
    let limits = Limits::new(1, 1);
    let here = request(limits);
    subject.granted(here).await;
    subject.port.pause(ACME, LONG).await.expect("pauses");
    let there = subject.port.request("other", &here).await.expect("asks");
    assert_eq!(there.start, Start::Granted);
}

async fn pauses_everybody_and_shortens_no_pause(subject: RateLimiterSubject) {
    subject.port.pause(ACME, LONG).await.expect("pauses");
    subject.port.pause(ACME, SHORT).await.expect("pauses");
    let (wait, why) = subject.later(request(Limits::DEFAULT)).await;
    assert!(why == StartDelay::Paused && wait <= LONG && wait > LONG / 2, "{wait:?}");
}

async fn goes_on_after_a_pause(subject: RateLimiterSubject) {
    subject.port.pause(ACME, SHORT).await.expect("pauses");
    subject.granted_at_last(Limits::DEFAULT).await;
}

async fn yields_to_starts_that_were_recorded_without_a_request(subject: RateLimiterSubject) {
    let limits = Limits::new(1, 100);
    quick_enough(async |provider, _| {
        subject.port.record(provider, 3, limits).await.expect("records");
        let Start::Later { wait, why } = subject.asked_at(provider, request(limits)).await.start else {
            return None;
        };
        assert!(why == StartDelay::Rate && wait <= limits.interval() * 3, "{why:?} {wait:?}");
        (wait > limits.interval() * 2).then_some(())
    })
    .await;
}

async fn yields_for_a_bounded_time(subject: RateLimiterSubject) {
    let limits = Limits::new(1, 100);
    for _ in 0..3 {
        subject.port.record(ACME, 1_000_000, limits).await.expect("records");
    }
    let (wait, _) = subject.later(request(limits)).await;
    assert!(wait <= solekey_core::TokenBucket::MAX_YIELD, "{wait:?}");
}

async fn counts_requesters(subject: RateLimiterSubject) {
    let limits = Limits::DEFAULT;
    let (one, other) = (request(limits), request(limits));
    assert_eq!(subject.asked(one).await.replicas, 1);
    assert_eq!(subject.asked(one).await.replicas, 1);
    assert_eq!(subject.asked(other).await.replicas, 2);
    assert_eq!(subject.asked(StartRequest { who: one.who, ..request(limits) }).await.replicas, 2);
}

async fn closes_an_endpoint_that_is_not_understood_and_lets_one_in_turn_try(subject: RateLimiterSubject) {
    let breaker = async |request| subject.port.breaker(ACME, request).await.expect("answers");
    let admit = BreakerRequest::Admit { hold: LONG };
    let admitted = |strikes| Admission::Admitted { strikes };
    assert_eq!([breaker(admit).await, breaker(admit).await], [admitted(0); 2], "open");
    assert_eq!(breaker(BreakerRequest::Retry).await, admitted(0));
    for _ in 0..3 {
        // Those that were under way count once.
        let closed = breaker(BreakerRequest::Close { strikes: 0 }).await;
        assert!(
            matches!(closed, Admission::Closed { wait } if wait <= LONG && wait > LONG / 2),
            "{closed:?}"
        );
    }
    assert!(matches!(breaker(admit).await, Admission::Closed { .. }));
    let elsewhere = subject.port.breaker("other", admit).await.expect("answers");
    assert_eq!(elsewhere, admitted(0));
    assert!(
        matches!(breaker(BreakerRequest::Open { strikes: 0 }).await, Admission::Closed { .. }),
        "as before"
    );
    assert_eq!(breaker(BreakerRequest::Retry).await, admitted(1));
    assert_eq!(breaker(admit).await, admitted(1), "one tries");
    let held = breaker(admit).await;
    assert!(
        matches!(held, Admission::Closed { wait } if wait <= LONG && wait > LONG / 2),
        "the others wait: {held:?}"
    );
    let closed = breaker(BreakerRequest::Close { strikes: 1 }).await;
    assert!(matches!(closed, Admission::Closed { wait } if wait > LONG * 5), "{closed:?}");
    // Of one that went out before the first closed it.
    let late = breaker(BreakerRequest::Close { strikes: 0 }).await;
    assert!(
        matches!(late, Admission::Closed { wait } if wait > LONG * 5),
        "no later answer shortens: {late:?}"
    );
    assert_eq!(breaker(BreakerRequest::Retry).await, admitted(2), "or forgets tries");
    let strikes = UnreadBreaker::MAX_STRIKES;
    let worst = breaker(BreakerRequest::Close { strikes }).await;
    assert!(matches!(worst, Admission::Closed { wait } if wait > LONG * 100), "{worst:?}");
    assert_eq!(breaker(BreakerRequest::Open { strikes }).await, admitted(0));
    assert_eq!([breaker(admit).await, breaker(admit).await], [admitted(0); 2], "open again");
}

impl RateLimiterSubject {
    async fn asked(&self, request: StartRequest) -> StartReply {
        self.asked_at(ACME, request).await
    }

    async fn asked_at(&self, provider: &str, request: StartRequest) -> StartReply {
        self.port.request(provider, &request).await.expect("asks")
    }

    async fn is_too_soon(&self, provider: &str, limits: Limits) -> Option<()> {
        match self.asked_at(provider, request(limits)).await.start {
            Start::Later { why: StartDelay::Rate, .. } => Some(()),
            Start::Later { why, .. } => panic!("{why:?}"),
            Start::Granted => None,
        }
    }

    async fn granted(&self, request: StartRequest) {
        let start = self.asked(request).await.start;
        assert_eq!(start, Start::Granted);
    }

    async fn later(&self, request: StartRequest) -> (Duration, StartDelay) {
        match self.asked(request).await.start {
            Start::Granted => panic!("granted"),
            Start::Later { wait, why } => (wait, why),
        }
    }

    /// The reason for the delay once it is not the rate, which may have moved on meanwhile.
    async fn later_but_for_the_rate(&self, limits: Limits) -> (Duration, StartDelay) {
        until("the interval to pass", async || {
            let (wait, why) = self.later(request(limits)).await;
            (why != StartDelay::Rate).then_some((wait, why))
        })
        .await
    }

    async fn granted_soon(&self, request: StartRequest) {
        until("a start", async || (self.asked(request).await.start == Start::Granted).then_some(())).await;
    }

    async fn granted_at_last(&self, limits: Limits) {
        self.granted_soon(request(limits)).await;
    }

    async fn granted_elsewhere_at_last(&self, limits: Limits) {
        let request = request(limits);
        let read = async || {
            let reply = self.port.request("other", &request).await.expect("asks");
            (reply.start == Start::Granted).then_some(())
        };
        until("a start at another provider", read).await;
    }
}

/// Plays a scene at one new provider after the other, at a rate that falls to one a second, until it is over before the
/// next start would be due anyway.
async fn quick_enough(scene: impl AsyncFn(&str, u32) -> Option<()>) {
    for number in 0..TRIES {
        let provider = format!("acme-{number}");
        if scene(&provider, (FASTEST >> number.min(5)).max(1)).await.is_some() {
            return;
        }
    }
    panic!("in {TRIES} tries nothing was held up by the rate");
}

/// A machine that is stopped for an interval each of so many times is no machine to test on.
const TRIES: u32 = 60;
/// Starts a second, at first.
const FASTEST: u32 = 20;

/// An ask of a process of its own, for a place of its own.
fn request(limits: Limits) -> StartRequest {
    StartRequest { who: Uuid::new_v4(), permit: ClaimId::new(Uuid::new_v4()), limits, ttl: LONG }
}

const ACME: &str = "acme";
