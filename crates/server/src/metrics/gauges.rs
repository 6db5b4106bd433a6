//! What is so at the moment of a scrape.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use solekey::{RedisPhase, Sealing, Vitals};

use super::labels::{ByKey, ByState};

/// Set when somebody looks.
pub(super) struct Gauges {
    flights: Gauge<i64, AtomicI64>,
    waiting: Gauge<i64, AtomicI64>,
    watched: Gauge<i64, AtomicI64>,
    link: Family<ByState, Gauge<i64, AtomicI64>>,
    link_ups: Counter,
    walks: Counter,
    to_reseal: Family<ByKey, Gauge<i64, AtomicI64>>,
    unopened: Gauge<i64, AtomicI64>,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let gauges = Self {
            flights: Gauge::default(),
            waiting: Gauge::default(),
            watched: Gauge::default(),
            link: Family::default(),
            link_ups: Counter::default(),
            walks: Counter::default(),
            to_reseal: Family::default(),
            unopened: Gauge::default(),
        };
        let Self { flights, waiting, watched, link, link_ups, walks, to_reseal, unopened } = &gauges;
        registry.register("flights", "Refreshes and looks under way", flights.clone());
        registry.register("requests_waiting", "Requests that wait for one of them", waiting.clone());
        registry.register(
            "accounts_watched",
            "Accounts looked at because an attempt is open whose owner has not been heard of",
            watched.clone(),
        );
        registry.register(
            "redis_link_state",
            "1 for the state the link to Redis is in; 0 for all where none is configured",
            link.clone(),
        );
        registry.register("redis_link_ups", "How often the link to Redis has come up", link_ups.clone());
        registry.register("reseal_walks", "Whole walks over all accounts, to re-seal them", walks.clone());
        registry.register(
            "values_to_reseal",
            "Values that the last whole walk left under an older key, or in clear",
            to_reseal.clone(),
        );
        registry.register("values_unopened", "Values that no key of the ring opens", unopened.clone());
        gauges
    }

    pub(super) fn set(&self, vitals: &Vitals) {
        let Self { flights, waiting, watched, link, link_ups, walks: _, to_reseal: _, unopened: _ } = self;
        flights.set(count(vitals.flights));
        waiting.set(count(vitals.waiting));
        watched.set(count(vitals.watched));
        for (phase, state) in PHASES {
            let here = vitals.redis.is_some_and(|link| link.phase == phase);
            link.get_or_create(&ByState { state }).set(i64::from(here));
        }
        link_ups.inner().store(vitals.redis.map_or(0, |link| link.epoch), Relaxed);
    }
}

impl Gauges {
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
