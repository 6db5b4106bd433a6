//! Gauges: the state at the moment of a scrape.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use solekey::{RedisPhase, Sealing, Stats};

use super::labels::{ByKey, ByProvider, ByState, ByWhat};

/// The gauges, which are set at each scrape.
pub(super) struct Gauges {
    flights: Gauge<i64, AtomicI64>,
    waiting: Gauge<i64, AtomicI64>,
    watched: Gauge<i64, AtomicI64>,
    unread: Gauge<i64, AtomicI64>,
    link: Family<ByState, Gauge<i64, AtomicI64>>,
    link_ups: Counter,
    walks: Counter,
    to_reseal: Family<ByKey, Gauge<i64, AtomicI64>>,
    unopened: Gauge<i64, AtomicI64>,
    ready: Family<ByWhat, Gauge<i64, AtomicI64>>,
    files_in_trouble: Family<ByProvider, Gauge<i64, AtomicI64>>,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry, providers: &[String]) -> Self {
        let gauges = Self {
            flights: Gauge::default(),
            waiting: Gauge::default(),
            watched: Gauge::default(),
            unread: Gauge::default(),
            link: Family::default(),
            link_ups: Counter::default(),
            walks: Counter::default(),
            to_reseal: Family::default(),
            unopened: Gauge::default(),
            ready: Family::default(),
            files_in_trouble: Family::default(),
        };
        let Self {
            flights,
            waiting,
            watched,
            unread,
            link,
            link_ups,
            walks,
            to_reseal,
            unopened,
            ready,
            files_in_trouble,
        } = &gauges;
        registry.register("flights", "Flights (refreshes and reads) under way", flights.clone());
        registry.register("requests_waiting", "Requests that wait for a flight", waiting.clone());
        registry.register(
            "accounts_watched",
            "Accounts that this process rechecks by itself, because an attempt is open whose owner has \
             not reported an outcome",
            watched.clone(),
        );
        registry.register(
            "unread_providers",
            "Providers whose answers are not understood: one account in turn is tried there, ever more rarely",
            unread.clone(),
        );
        registry.register(
            "redis_link_state",
            "1 for the state of the link to Redis, 0 for the others; all are 0 without Redis",
            link.clone(),
        );
        registry.register("redis_link_ups", "How often the link to Redis has come up", link_ups.clone());
        registry.register(
            "reseal_walks",
            "Whole walks over all accounts, to put values under an older seal key under the first",
            walks.clone(),
        );
        registry.register(
            "values_to_reseal",
            "Values that the last whole walk left under that key of the ring, or in clear",
            to_reseal.clone(),
        );
        registry.register("values_unopened", "Values that no key of the ring opens", unopened.clone());
        registry.register(
            "ready",
            "1 where it can be done: serving valid tokens, and refreshing what is due",
            ready.clone(),
        );
        registry.register(
            "mirrored_files_in_trouble",
            "Mirrored files that are not kept fresh",
            files_in_trouble.clone(),
        );
        for provider in providers {
            gauges.set_files_in_trouble(provider, 0);
        }
        gauges
    }

    pub(super) fn set_files_in_trouble(&self, provider: &str, files: usize) {
        let label = ByProvider { provider: provider.into() };
        self.files_in_trouble.get_or_create(&label).set(count(files));
    }

    pub(super) fn set(&self, stats: &Stats) {
        let Self { flights, waiting, watched, unread, link, link_ups, .. } = self;
        flights.set(count(stats.flights));
        waiting.set(count(stats.waiting));
        watched.set(count(stats.watched));
        unread.set(count(stats.unread_providers));
        for (phase, state) in PHASES {
            let here = stats.redis.is_some_and(|link| link.phase == phase);
            link.get_or_create(&ByState { state }).set(i64::from(here));
        }
        link_ups.inner().store(stats.redis.map_or(0, |link| link.epoch), Relaxed);
    }
}

impl Gauges {
    pub(super) fn set_ready(&self, ready: [(&'static str, bool); 2]) {
        for (what, up) in ready {
            self.ready.get_or_create(&ByWhat { what }).set(i64::from(up));
        }
    }

    pub(super) fn set_sealing(&self, sealing: &Sealing) {
        self.walks.inner().store(sealing.walks, Relaxed);
        self.unopened.set(i64::try_from(sealing.unopened).unwrap_or(i64::MAX));
        for (key, left) in &sealing.left {
            let left = i64::try_from(*left).unwrap_or(i64::MAX);
            self.to_reseal.get_or_create(&ByKey { key: key.clone() }).set(left);
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const PHASES: [(RedisPhase, &str); 3] =
    [(RedisPhase::Up, "up"), (RedisPhase::Reconnecting, "reconnecting"), (RedisPhase::Down, "down")];
