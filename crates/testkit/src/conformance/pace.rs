//! What every pace does.

use std::time::Duration;

use solekey_core::{
    ClaimId, Limits,
    ports::{Ask, Hold, Pace, Paced, Start},
};
use uuid::Uuid;

use super::{Case, Report, Subject, cases, pace, wait::until};

/// A pace to run the list over.
pub type PaceSubject = Subject<dyn Pace>;

/// The list.
pub const CASES: &[Case<PaceSubject>] = cases! { PaceSubject =>
    pace: [
        s_t83_grants_the_first_at_once_and_the_next_an_interval_later,
        s_t83_keeps_no_debt_of_idle_times,
        s_t82_counts_the_places_of_all_who_ask,
        grants_one_place_once,
        frees_a_place_that_nobody_gave_back,
        ignores_a_place_that_is_not_held,
        is_per_provider,
        pauses_everybody_and_shortens_no_pause,
        goes_on_after_a_pause,
        yields_to_starts_that_were_not_asked_for,
        yields_for_a_bounded_time,
        counts_who_asks,
    ],
};

/// Runs the list over `adapter`; `build` makes a fresh, empty one for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> PaceSubject) -> Report {
    super::run("pace", adapter, CASES, build).await
}

const LONG: Duration = Duration::from_secs(10 * 60);
const SHORT: Duration = Duration::from_millis(60);

async fn s_t83_grants_the_first_at_once_and_the_next_an_interval_later(subject: PaceSubject) {
    let limits = Limits::new(1, 100);
    quick_enough(async |provider| {
        assert_eq!(subject.asked_at(provider, ask(limits)).await.start, Start::Granted);
        let Start::Later { wait, why } = subject.asked_at(provider, ask(limits)).await.start else {
            return None;
        };
        assert!(why == Hold::Rate && wait <= limits.interval() && !wait.is_zero(), "{why:?} {wait:?}");
        until("the next start", async || {
            let start = subject.asked_at(provider, ask(limits)).await.start;
            (start == Start::Granted).then_some(())
        })
        .await;
        subject.is_too_soon(provider, limits).await
    })
    .await;
}

async fn s_t83_keeps_no_debt_of_idle_times(subject: PaceSubject) {
    let limits = Limits::new(20, 100);
    quick_enough(async |provider| {
        assert_eq!(subject.asked_at(provider, ask(limits)).await.start, Start::Granted);
        // Idle for several intervals, by the gate's own clock: starts elsewhere tell that they are over.
        for _ in 0..4 {
            subject.granted_elsewhere_at_last(limits).await;
        }
        assert_eq!(subject.asked_at(provider, ask(limits)).await.start, Start::Granted);
        subject.is_too_soon(provider, limits).await
    })
    .await;
}

async fn s_t82_counts_the_places_of_all_who_ask(subject: PaceSubject) {
    let limits = Limits::new(1_000, 2);
    let (first, second) = (ask(limits), ask(limits));
    subject.granted_soon(first).await;
    subject.granted_soon(second).await;
    let (wait, why) = subject.later_but_for_the_rate(limits).await;
    assert!(why == Hold::Places && wait <= LONG && wait > LONG / 2, "{wait:?}");
    subject.port.leave(ACME, first.place).await.expect("leaves");
    subject.granted_at_last(limits).await;
    assert_eq!(subject.later_but_for_the_rate(limits).await.1, Hold::Places);
}

async fn grants_one_place_once(subject: PaceSubject) {
    let limits = Limits::new(1, 1);
    quick_enough(async |provider| {
        let once = ask(limits);
        for _ in 0..2 {
            assert_eq!(subject.asked_at(provider, once).await.start, Start::Granted);
        }
        subject.port.leave(provider, once.place).await.expect("leaves");
        // Asking twice has started once: no place is left taken.
        subject.is_too_soon(provider, limits).await
    })
    .await;
}

async fn frees_a_place_that_nobody_gave_back(subject: PaceSubject) {
    let limits = Limits::new(1_000, 1);
    subject.granted(Ask { ttl: SHORT, ..ask(limits) }).await;
    subject.granted_at_last(limits).await;
}

async fn ignores_a_place_that_is_not_held(subject: PaceSubject) {
    let limits = Limits::new(1_000, 1);
    subject.granted(ask(limits)).await;
    subject.port.leave(ACME, ask(limits).place).await.expect("leaves");
    assert_eq!(subject.later_but_for_the_rate(limits).await.1, Hold::Places);
}

async fn is_per_provider(subject: PaceSubject) {
    let limits = Limits::new(1, 1);
    let here = ask(limits);
    subject.granted(here).await;
    subject.port.pause(ACME, LONG).await.expect("pauses");
    let there = subject.port.ask("other", &here).await.expect("asks");
    assert_eq!(there.start, Start::Granted);
}

async fn pauses_everybody_and_shortens_no_pause(subject: PaceSubject) {
    subject.port.pause(ACME, LONG).await.expect("pauses");
    subject.port.pause(ACME, SHORT).await.expect("pauses");
    let (wait, why) = subject.later(ask(Limits::DEFAULT)).await;
    assert!(why == Hold::Paused && wait <= LONG && wait > LONG / 2, "{wait:?}");
}

async fn goes_on_after_a_pause(subject: PaceSubject) {
    subject.port.pause(ACME, SHORT).await.expect("pauses");
    subject.granted_at_last(Limits::DEFAULT).await;
}

async fn yields_to_starts_that_were_not_asked_for(subject: PaceSubject) {
    let limits = Limits::new(1, 100);
    quick_enough(async |provider| {
        subject.port.spend(provider, 3, limits).await.expect("spends");
        let Start::Later { wait, why } = subject.asked_at(provider, ask(limits)).await.start else {
            return None;
        };
        assert!(why == Hold::Rate && wait <= limits.interval() * 3, "{why:?} {wait:?}");
        (wait > limits.interval() * 2).then_some(())
    })
    .await;
}

async fn yields_for_a_bounded_time(subject: PaceSubject) {
    let limits = Limits::new(1, 100);
    for _ in 0..3 {
        subject.port.spend(ACME, 1_000_000, limits).await.expect("spends");
    }
    let (wait, _) = subject.later(ask(limits)).await;
    assert!(wait <= solekey_core::Gate::MAX_YIELD, "{wait:?}");
}

async fn counts_who_asks(subject: PaceSubject) {
    let limits = Limits::DEFAULT;
    let (one, other) = (ask(limits), ask(limits));
    assert_eq!(subject.asked(one).await.replicas, 1);
    assert_eq!(subject.asked(one).await.replicas, 1);
    assert_eq!(subject.asked(other).await.replicas, 2);
    assert_eq!(subject.asked(Ask { who: one.who, ..ask(limits) }).await.replicas, 2);
}

impl PaceSubject {
    async fn asked(&self, ask: Ask) -> Paced {
        self.asked_at(ACME, ask).await
    }

    async fn asked_at(&self, provider: &str, ask: Ask) -> Paced {
        self.port.ask(provider, &ask).await.expect("asks")
    }

    async fn is_too_soon(&self, provider: &str, limits: Limits) -> Option<()> {
        match self.asked_at(provider, ask(limits)).await.start {
            Start::Later { why: Hold::Rate, .. } => Some(()),
            Start::Later { why, .. } => panic!("{why:?}"),
            Start::Granted => None,
        }
    }

    async fn granted(&self, ask: Ask) {
        let start = self.asked(ask).await.start;
        assert_eq!(start, Start::Granted);
    }

    async fn later(&self, ask: Ask) -> (Duration, Hold) {
        match self.asked(ask).await.start {
            Start::Granted => panic!("granted"),
            Start::Later { wait, why } => (wait, why),
        }
    }

    /// What is in the way once it is not the rate, which may have moved on meanwhile.
    async fn later_but_for_the_rate(&self, limits: Limits) -> (Duration, Hold) {
        until("the interval to pass", async || {
            let (wait, why) = self.later(ask(limits)).await;
            (why != Hold::Rate).then_some((wait, why))
        })
        .await
    }

    async fn granted_soon(&self, ask: Ask) {
        until("a start", async || (self.asked(ask).await.start == Start::Granted).then_some(())).await;
    }

    async fn granted_at_last(&self, limits: Limits) {
        self.granted_soon(ask(limits)).await;
    }

    async fn granted_elsewhere_at_last(&self, limits: Limits) {
        let ask = ask(limits);
        let look = async || {
            let paced = self.port.ask("other", &ask).await.expect("asks");
            (paced.start == Start::Granted).then_some(())
        };
        until("a start at another provider", look).await;
    }
}

/// Plays a scene at one new provider after the other until it is over before the next start would be due anyway.
async fn quick_enough(scene: impl AsyncFn(&str) -> Option<()>) {
    for number in 0..TRIES {
        let provider = format!("acme-{number}");
        if scene(&provider).await.is_some() {
            return;
        }
    }
    panic!("in {TRIES} tries nothing was held up by the rate");
}

/// A machine that is stopped for an interval each of so many times is no machine to test on.
const TRIES: usize = 12;

/// An ask of a process of its own, for a place of its own.
fn ask(limits: Limits) -> Ask {
    Ask { who: Uuid::new_v4(), place: ClaimId::new(Uuid::new_v4()), limits, ttl: LONG }
}

const ACME: &str = "acme";
