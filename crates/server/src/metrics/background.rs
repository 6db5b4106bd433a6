//! Metrics of background refreshes.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use solekey::RefreshResult;

use super::{
    counters::DELAYS,
    labels::{ByOutcome, ByProvider, Name},
};

/// Counts the events of the refresher.
pub(super) struct Background {
    taken: Family<ByProvider, Counter>,
    refresh_result: Family<ByOutcome, Counter>,
    waits: Family<ByProvider, Histogram, fn() -> Histogram>,
    lag: Family<ByProvider, Histogram, fn() -> Histogram>,
}

impl Background {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let background = Self {
            taken: Family::default(),
            refresh_result: Family::default(),
            waits: Family::new_with_constructor(|| Histogram::new(WAIT_BUCKETS)),
            lag: Family::new_with_constructor(|| Histogram::new(LAG_BUCKETS)),
        };
        let Self { taken, refresh_result, waits, lag } = &background;
        registry.register("accounts_due", "Due accounts taken by this process", taken.clone());
        registry.register(
            "refresh_jobs",
            "Results of the refresh jobs of due accounts",
            refresh_result.clone(),
        );
        registry.register_with_unit(
            "start_wait",
            "How long background refreshes waited for their start",
            Unit::Seconds,
            waits.clone(),
        );
        registry.register_with_unit(
            "refresh_lag",
            "How long after its due time an account was refreshed in the background",
            Unit::Seconds,
            lag.clone(),
        );
        background
    }

    pub(super) fn begin_at_zero(&self, name: &Name) {
        let _ = self.taken.get_or_create(&provider(name));
        let _ = (self.waits.get_or_create(&provider(name)), self.lag.get_or_create(&provider(name)));
        for end in ENDS.into_iter().chain(DELAYS.map(RefreshResult::PutOff)) {
            let _ = self.refresh_result.get_or_create(&outcome(name, end));
        }
    }

    pub(super) fn taken(&self, name: &Name, accounts: usize) {
        self.taken.get_or_create(&provider(name)).inc_by(accounts as u64);
    }

    pub(super) fn refresh_result(&self, name: &Name, end: RefreshResult, waited: Duration, late: Duration) {
        self.refresh_result.get_or_create(&outcome(name, end)).inc();
        if end == RefreshResult::Refreshed {
            self.waits.get_or_create(&provider(name)).observe(waited.as_secs_f64());
            self.lag.get_or_create(&provider(name)).observe(late.as_secs_f64());
        }
    }
}

fn provider(name: &Name) -> ByProvider {
    ByProvider { provider: Name::clone(name) }
}

fn outcome(name: &Name, end: RefreshResult) -> ByOutcome {
    ByOutcome { provider: Name::clone(name), outcome: end.name() }
}

/// The results besides a delay.
const ENDS: [RefreshResult; 9] = [
    RefreshResult::Refreshed,
    RefreshResult::Fresh,
    RefreshResult::Recovered,
    RefreshResult::LoginNeeded,
    RefreshResult::StartTimeout,
    RefreshResult::ProviderPaused,
    RefreshResult::Gone,
    RefreshResult::Misconfigured,
    RefreshResult::Panicked,
];
/// In seconds, up to the longest wait.
const WAIT_BUCKETS: [f64; 9] = [0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];
/// In seconds: from a tick to what the default refresh-ahead leaves, and beyond.
const LAG_BUCKETS: [f64; 8] = [1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 3600.0];
