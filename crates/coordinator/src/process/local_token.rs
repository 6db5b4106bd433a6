//! Tokens that this process can serve.

use std::{sync::Arc, time::Duration};

use solekey_cache::{Entry, ReadStart, Times};
use solekey_core::{Moment, Remaining};

use crate::{observer::Level, provider::Provider, token::TokenData};

/// A token, and how long it is good for on this process' clock.
#[derive(Clone, Debug)]
pub(crate) struct LocalToken {
    pub(crate) data: Arc<TokenData>,
    pub(crate) times: Times,
    pub(crate) read_start: ReadStart,
    /// The level at which this process got it.
    pub(crate) level: Level,
}

impl LocalToken {
    pub(crate) fn of_entry(entry: &Entry<Arc<TokenData>>, read_start: ReadStart) -> Self {
        let times = Times {
            good_until: entry.good_until,
            ahead_from: entry.ahead_from,
            valid_until: entry.valid_until,
        };
        Self { data: Arc::clone(&entry.value), times, read_start, level: Level::Process }
    }

    pub(crate) fn entry(&self) -> Entry<Arc<TokenData>> {
        Entry::new(self.data.generation, Arc::clone(&self.data), self.times, self.read_start)
    }

    /// Returns whether it is before its true expiry.
    pub(crate) fn is_valid(&self, now: Moment) -> bool {
        now < self.times.valid_until
    }

    /// Returns what is left of its validity and of the time it is good for, as the shared cache counts.
    pub(crate) fn left(&self, now: Moment) -> (Duration, Duration) {
        (self.times.valid_until.since(now), self.times.good_until.since(now))
    }
}

/// The instants at which a token with so much left at `since` stops being good, is refreshed ahead, and ends.
pub(crate) fn times(provider: &Provider, data: &TokenData, since: Moment, remaining: Remaining) -> Times {
    let windows = provider.policy().windows(data.lifetime, &data.account);
    Times {
        good_until: since + remaining.nominal.saturating_sub(windows.skew),
        ahead_from: since + remaining.nominal.saturating_sub(windows.ahead),
        valid_until: since + remaining.valid,
    }
}
