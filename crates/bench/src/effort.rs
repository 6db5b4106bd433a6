//! The counts of a measurement.

/// Counts of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds per pair, of which the median counts.
    pub(crate) rounds: usize,
    /// Lookups in memory per round.
    pub(crate) lookups: usize,
    /// Round trips to Redis per round and side.
    pub(crate) trips: usize,
    /// Single events (wake-ups, hand-overs) per side.
    pub(crate) events: usize,
    /// Callers per replica of the larger herd.
    pub(crate) callers: usize,
    /// Accounts in an index and in a store.
    pub(crate) accounts: usize,
    /// Seconds of an idle replica's life.
    pub(crate) idle_secs: u64,
}

impl Effort {
    pub(crate) fn ordinary() -> Self {
        Self {
            rounds: 11,
            lookups: 200_000,
            trips: 20_000,
            events: 400,
            callers: 500,
            accounts: 50_000,
            idle_secs: 6,
        }
    }

    /// A million accounts and a minute of idleness.
    pub(crate) fn full() -> Self {
        Self { accounts: 1_000_000, idle_secs: 60, ..Self::ordinary() }
    }

    /// To see that every row runs; what it says about speed means nothing.
    pub(crate) fn quick() -> Self {
        Self { rounds: 1, lookups: 1_000, trips: 512, events: 4, callers: 20, accounts: 2_000, idle_secs: 1 }
    }
}
