//! What was done for accounts that nobody asked for.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use solekey::{Tended, core::Delay};

use super::labels::{ByOutcome, ByProvider, Name};

/// Counts what the refresher tells.
pub(super) struct Background {
    taken: Family<ByProvider, Counter>,
    tended: Family<ByOutcome, Counter>,
    waits: Family<ByProvider, Histogram, fn() -> Histogram>,
    lag: Family<ByProvider, Histogram, fn() -> Histogram>,
}

impl Background {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let background = Self {
            taken: Family::default(),
            tended: Family::default(),
            waits: Family::new_with_constructor(|| Histogram::new(WAIT_BUCKETS)),
            lag: Family::new_with_constructor(|| Histogram::new(LAG_BUCKETS)),
        };
        let Self { taken, tended, waits, lag } = &background;
        registry.register("accounts_due", "Accounts taken because their time had come", taken.clone());
        registry.register(
            "accounts_tended",
            "How looking after an account ended that nobody had asked for",
            tended.clone(),
        );
        registry.register_with_unit(
            "start_wait",
            "How long refreshes that nobody waits for waited for their start",
            Unit::Seconds,
            waits.clone(),
        );
        registry.register_with_unit(
            "refresh_lag",
            "How long after its time an account was refreshed that nobody had asked for",
            Unit::Seconds,
            lag.clone(),
        );
        background
    }

    pub(super) fn begin_at_zero(&self, name: &Name) {
        let _ = self.taken.get_or_create(&provider(name));
        let _ = (self.waits.get_or_create(&provider(name)), self.lag.get_or_create(&provider(name)));
        for end in ENDS {
            let _ = self.tended.get_or_create(&outcome(name, end));
        }
    }

    pub(super) fn taken(&self, name: &Name, accounts: usize) {
        self.taken.get_or_create(&provider(name)).inc_by(accounts as u64);
    }

    pub(super) fn tended(&self, name: &Name, end: Tended, waited: Duration, late: Duration) {
        self.tended.get_or_create(&outcome(name, end)).inc();
        if end == Tended::Refreshed {
            self.waits.get_or_create(&provider(name)).observe(waited.as_secs_f64());
            self.lag.get_or_create(&provider(name)).observe(late.as_secs_f64());
        }
    }
}

fn provider(name: &Name) -> ByProvider {
    ByProvider { provider: Name::clone(name) }
}

fn outcome(name: &Name, end: Tended) -> ByOutcome {
    ByOutcome { provider: Name::clone(name), outcome: end.name() }
}

/// The usual ends; others begin with their first.
const ENDS: [Tended; 8] = [
    Tended::Refreshed,
    Tended::Fresh,
    Tended::Recovered,
    Tended::PutOff(Delay::InFlight),
    Tended::PutOff(Delay::StoreDown),
    Tended::LoginNeeded,
    Tended::Crowded,
    Tended::HeldUp,
];
/// In seconds, up to the longest wait.
const WAIT_BUCKETS: [f64; 9] = [0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];
/// In seconds: from a tick to what the default refresh-ahead leaves, and beyond.
const LAG_BUCKETS: [f64; 8] = [1.0, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 3600.0];
