//! The exchanges that this process still reads although their callers were let go.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use solekey_core::{AccountKey, Moment, mutant};
use tokio::sync::Notify;

/// The readings under way, one per account, each with the end that it has at the latest.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    open: Mutex<HashMap<AccountKey, Moment>>,
    ended: Notify,
}

/// The place of one reading; dropping it ends the reading for everybody.
#[derive(Debug)]
pub(crate) struct ReadingSlot {
    readings: Arc<Readings>,
    key: AccountKey,
}

impl Readings {
    /// Takes a place; `None` if this account is read already, or too many are.
    pub(crate) fn begin(self: &Arc<Self>, key: AccountKey, until: Moment) -> Option<ReadingSlot> {
        let mut open = self.lock();
        let is_full = open.len() >= MAX_READINGS && !mutant("readings_have_no_cap");
        if is_full || open.contains_key(&key) {
            return None;
        }
        open.insert(key, until);
        drop(open);
        Some(ReadingSlot { readings: Arc::clone(self), key })
    }

    /// The end of this account's reading, at the latest.
    pub(crate) fn until(&self, key: AccountKey) -> Option<Moment> {
        self.lock().get(&key).copied()
    }

    /// Returns the number of readings under way.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Waits until this account is not read any more.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn over(&self, key: AccountKey) {
        loop {
            // Made before the check: what ends between the two wakes it.
            let ended = self.ended.notified();
            if self.until(key).is_none() {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountKey, Moment>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReadingSlot {
    fn drop(&mut self) {
        self.readings.lock().remove(&self.key);
        self.readings.ended.notify_waiters();
    }
}

/// Readings under way at once: a connection each. A provider that holds up more exchanges than these loses the answers
/// of the others at their timeout.
pub(crate) const MAX_READINGS: usize = 4096;

#[cfg(test)]
mod tests {
    use solekey_core::Account;

    use super::*;

    const UNTIL: Moment = Moment::from_micros(1);

    fn key(number: usize) -> AccountKey {
        Account::new("acme", &number.to_string()).expect("valid").key()
    }

    #[test]
    fn there_are_so_many_readings_and_no_more_until_one_ends() {
        let readings = Arc::new(Readings::default());
        let mut slots: Vec<_> =
            (0..MAX_READINGS).map(|number| readings.begin(key(number), UNTIL).expect("a place")).collect();
        assert!(readings.begin(key(MAX_READINGS), UNTIL).is_none());
        slots.pop();
        assert!(readings.begin(key(MAX_READINGS), UNTIL).is_some());
    }

    #[test]
    fn an_account_has_one_reading_and_another_after_it() {
        let readings = Arc::new(Readings::default());
        let slot = readings.begin(key(1), UNTIL);
        assert_eq!(readings.until(key(1)), Some(UNTIL));
        assert!(readings.begin(key(1), UNTIL).is_none());
        drop(slot);
        assert_eq!((readings.until(key(1)), readings.len()), (None, 0));
        assert!(readings.begin(key(1), UNTIL).is_some());
    }
}
