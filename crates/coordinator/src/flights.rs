//! Single flight: one task per account and process.

use std::{collections::HashMap, time::Duration};

use solekey_core::{Account, AccountKey, Delay, Need};

use crate::{
    instance::Instance,
    progress::{Listener, Teller, progress},
    provider::Provider,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    told::{Progress, Told},
};

/// The flights under way; each leaves the table when its task ends.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<AccountKey, Boarding>>);

/// What callers of a flight under way need to know.
#[derive(Clone, Debug)]
pub(crate) struct Boarding {
    need: Need,
    patience: Duration,
    told: Listener,
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
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountKey, Boarding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flight of this account, if one is under way.
    pub(crate) fn under_way(&self, key: AccountKey) -> Option<Boarding> {
        self.lock().get(&key).filter(|boarding| !boarding.is_over()).cloned()
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// Takes a flight out of the table when its task ends, however it ends.
struct Landing {
    instance: Arc<Instance>,
    key: AccountKey,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.instance.flights.lock();
        if flights.get(&self.key).is_some_and(Boarding::is_over) {
            flights.remove(&self.key);
        }
    }
}

impl Instance {
    /// Boards the flight under way, or starts one. The flight is a task of the instance: callers only listen.
    pub(crate) fn board(
        self: &Arc<Self>,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        patience: Duration,
    ) -> Option<Boarding> {
        let key = account.key();
        let mut flights = self.flights.lock();
        if let Some(under_way) = flights.get(&key).filter(|boarding| !boarding.is_over()) {
            return Some(under_way.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            return None;
        }
        let (tell, told) = progress();
        let boarding = Boarding::new(need, patience, told);
        flights.insert(key, boarding.clone());
        drop(flights);
        let flight = self.launch(account.clone(), Arc::clone(provider), need, patience, tell);
        Some(boarding.of_first_caller(flight))
    }

    fn launch(
        self: &Arc<Self>,
        account: Account,
        provider: Arc<Provider>,
        need: Need,
        patience: Duration,
        tell: Teller,
    ) -> tokio::task::JoinHandle<()> {
        let instance = Arc::clone(self);
        let landing = Landing { instance: Arc::clone(self), key: account.key() };
        self.tracker.spawn(async move {
            // Declared before whatever owns `tell`, hence dropped after it: the flight is over by then.
            let _landing = landing;
            instance.take_off(account, provider, need, patience, tell).await;
        })
    }
}

impl Boarding {
    /// Whether the flight had told its callers something when this one came: what was true then need not be now.
    pub(crate) fn has_delivered(&self) -> bool {
        self.told.has_delivered()
    }

    fn new(need: Need, patience: Duration, told: Listener) -> Self {
        Self {
            need,
            patience,
            told,
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

    /// What the flight delivers.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub(crate) async fn delivery(&self) -> Told {
        match self.told.wait_for(|progress| matches!(progress, Progress::Told(_))).await {
            Some(Progress::Told(told)) => told,
            _ => Told::Lost,
        }
    }

    /// The end of the flight's looks, at the latest its delivery.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn looked(self) {
        let _ = self.told.wait_for(|progress| !matches!(progress, Progress::Looking)).await;
    }

    /// The end of the flight: whoever boards then starts another one.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn landing(&self) {
        self.told.over().await;
    }

    fn is_over(&self) -> bool {
        self.told.is_over()
    }

    /// Whether what this flight delivers answers a caller with that need and patience as its own flight would.
    pub(crate) fn serves(&self, need: Need, patience: Duration) -> bool {
        self.need == need && self.patience >= patience
    }
}

/// One delay for callers beyond the bound of flights.
pub(crate) const CROWDED: (Duration, Delay) = (Duration::from_secs(1), Delay::InFlight);

/// Flights under way at once: a few kilobytes each. A process with more accounts to refresh at the same moment asks
/// its callers to come back.
const MAX_FLIGHTS: usize = 65_536;
