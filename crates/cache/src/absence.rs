//! The memory that there is nothing to serve.

use std::time::Duration;

use quick_cache::sync::Cache;
use solekey_core::{AccountKey, Generation, Moment, Revocation};

/// The reason why there is nothing to serve for an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// The store does not know the account.
    Unknown,
    /// Only a new login restores it.
    LogIn {
        /// The generation the verdict is about.
        generation: Generation,
        /// The event that ended the grant.
        why: Revocation,
    },
}

/// The longest time that an absence is believed: long enough to keep a storm of requests for nothing away from the
/// store, short enough that a login whose notification was lost is noticed.
pub const BELIEVE_ABSENCE: Duration = Duration::from_secs(2);

/// Absences apart from tokens, so that requests for invented accounts push no token out.
#[derive(Debug)]
pub(crate) struct Absences(Cache<AccountKey, (Absence, Moment)>);

impl Absences {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    pub(crate) fn put(&self, key: AccountKey, absence: Absence, now: Moment) {
        self.0.insert(key, (absence, now + BELIEVE_ABSENCE));
    }

    pub(crate) fn get(&self, key: AccountKey, now: Moment) -> Option<Absence> {
        let (absence, until) = self.0.get(&key)?;
        (now < until).then_some(absence)
    }

    /// Forgets what `generation` makes untrue.
    pub(crate) fn end_before(&self, key: AccountKey, generation: Generation) {
        self.0.remove_if(&key, |(absence, _)| match absence {
            Absence::Unknown => true,
            Absence::LogIn { generation: about, .. } => *about < generation,
        });
    }

    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}
