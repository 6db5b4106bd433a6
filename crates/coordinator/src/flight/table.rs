//! Single flight: one task per account and process.

use std::{collections::HashMap, time::Duration};

use solekey_core::{AccountKey, Delay, Need};

use super::{
    outcome::{FlightOutcome, Progress},
    progress::{Listener, OutcomeSender, progress},
};
use crate::{
    process::MAX_FLIGHTS,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The flights under way; each leaves the table when its task ends.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<AccountKey, FlightHandle>>);

/// A flight under way, as its callers see it.
#[derive(Clone, Debug)]
pub(crate) struct FlightHandle {
    need: Need,
    patience: Duration,
    outcome: Listener,
    #[cfg(solekey_mutant)]
    #[expect(dead_code, reason = "it is for dropping")]
    leash: Option<Arc<Leash>>,
}

/// The bug of a refresh that belongs to the request which started it.
#[cfg(solekey_mutant)]
#[derive(Debug)]
struct Leash(tokio::task::AbortHandle);

#[cfg(solekey_mutant)]
impl Drop for Leash {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountKey, FlightHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flight of this account, if one is under way.
    pub(crate) fn under_way(&self, key: AccountKey) -> Option<FlightHandle> {
        self.lock().get(&key).filter(|handle| !handle.is_over()).cloned()
    }

    /// Returns the number of flights under way.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// Takes a flight out of the table when its task ends, however it ends.
pub(crate) struct FinishGuard {
    flights: Arc<Flights>,
    key: AccountKey,
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        if solekey_core::mutant("flights_stay_in_the_table") {
            return;
        }
        if flights.get(&self.key).is_some_and(FlightHandle::is_over) {
            flights.remove(&self.key);
        }
    }
}

impl Flights {
    /// Joins the flight under way, or has `launch` start one; `None` beyond the bound of flights. `launch` spawns the task of
    /// the flight, which drops the guard last.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: AccountKey,
        need: Need,
        patience: Duration,
        launch: impl FnOnce(OutcomeSender, FinishGuard) -> tokio::task::JoinHandle<()>,
    ) -> Option<FlightHandle> {
        let mut flights = self.lock();
        if let Some(under_way) = flights.get(&key).filter(|handle| !handle.is_over()) {
            return Some(under_way.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            return None;
        }
        let (sender, outcome) = progress();
        let handle = FlightHandle::new(need, patience, outcome);
        flights.insert(key, handle.clone());
        drop(flights);
        let task = launch(sender, FinishGuard { flights: Arc::clone(self), key });
        Some(handle.of_first_caller(task))
    }
}

impl FlightHandle {
    /// Returns whether the flight had delivered when this caller came: what was true then need not be now.
    pub(crate) fn has_delivered(&self) -> bool {
        self.outcome.has_delivered()
    }

    fn new(need: Need, patience: Duration, outcome: Listener) -> Self {
        Self {
            need,
            patience,
            outcome,
            #[cfg(solekey_mutant)]
            leash: None,
        }
    }

    /// The tracker owns the flight; no caller does.
    #[cfg(not(solekey_mutant))]
    fn of_first_caller(self, _flight: tokio::task::JoinHandle<()>) -> Self {
        self
    }

    #[cfg(solekey_mutant)]
    fn of_first_caller(self, flight: tokio::task::JoinHandle<()>) -> Self {
        let bound = solekey_core::mutant("flight_cancelled_with_first_caller");
        Self { leash: bound.then(|| Arc::new(Leash(flight.abort_handle()))), ..self }
    }

    /// Waits for the outcome that the flight delivers.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub(crate) async fn delivery(&self) -> FlightOutcome {
        match self.outcome.wait_for(|progress| matches!(progress, Progress::Finished(_))).await {
            Some(Progress::Finished(outcome)) => outcome,
            _ => FlightOutcome::Lost,
        }
    }

    /// Waits for the end of the flight's first reads, at the latest its delivery.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn reads_done(self) {
        let _ = self.outcome.wait_for(|progress| !matches!(progress, Progress::Reading)).await;
    }

    /// Waits for the end of the flight: whoever joins then starts another one.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn finished(&self) {
        self.outcome.over().await;
    }

    fn is_over(&self) -> bool {
        self.outcome.is_over()
    }

    /// Returns whether this flight's outcome answers a caller with that need and patience as its own flight would.
    pub(crate) fn serves(&self, need: Need, patience: Duration) -> bool {
        self.need == need && self.patience >= patience
    }
}

/// One delay for callers beyond the bound of flights.
pub(crate) const CROWDED: (Duration, Delay) = (Duration::from_secs(1), Delay::InFlight);
