//! Single flight: one task per account and process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solekey_core::{Account, AccountKey, Delay, Generation, Need, flight::Flight};
use tokio::sync::watch;

use crate::{
    driver::Driver,
    instance::Instance,
    provider::Provider,
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
    /// Closed once the flight is over.
    told: watch::Receiver<Progress>,
    #[cfg(solekey_mutant = "flight_cancelled_with_first_caller")]
    leash: Option<Arc<Leash>>,
}

/// The bug of a refresh that belongs to the request which started it.
#[cfg(solekey_mutant = "flight_cancelled_with_first_caller")]
#[derive(Debug)]
struct Leash(tokio::task::AbortHandle);

#[cfg(solekey_mutant = "flight_cancelled_with_first_caller")]
impl Drop for Leash {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountKey, Boarding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (tell, told) = watch::channel(Progress::Looking);
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
        tell: watch::Sender<Progress>,
    ) -> tokio::task::JoinHandle<()> {
        let instance = Arc::clone(self);
        let landing = Landing { instance: Arc::clone(self), key: account.key() };
        self.tracker.spawn(async move {
            // Declared before whatever owns `tell`, hence dropped after it: the flight is over by then.
            let _landing = landing;
            let tell = tell;
            if let Err(told) = instance.be_a_member().await {
                tell.send_replace(Progress::Told(told));
                return;
            }
            let key = account.key();
            let memory = instance.memories.of(key);
            let mut knowledge = memory.lock().knowledge.clone();
            knowledge.known = knowledge.known.max(instance.newest_known(key, need));
            knowledge.provider = instance.breakers.hold(&provider, instance.now());
            let flight = Flight::new(need, knowledge, key.spread(), instance.now(), patience);
            Driver::new(instance, account, provider, memory, flight, tell).fly().await;
        })
    }
}

impl Instance {
    /// What is served here, or was reported, has existed: a store that does not know it went back.
    fn newest_known(&self, key: AccountKey, need: Need) -> Generation {
        let served = self.entries().get(key).map_or(Generation::ZERO, |entry| entry.generation);
        need.rejection().map_or(served, |(reported, _)| reported.max(served))
    }
}

impl Boarding {
    /// Whether the flight had told its callers something when this one came: what was true then need not be now.
    pub(crate) fn has_delivered(&self) -> bool {
        matches!(*self.told.borrow(), Progress::Told(_))
    }

    #[cfg(not(solekey_mutant = "flight_cancelled_with_first_caller"))]
    fn new(need: Need, patience: Duration, told: watch::Receiver<Progress>) -> Self {
        Self { need, patience, told }
    }

    /// The tracker owns the flight; no caller does.
    #[cfg(not(solekey_mutant = "flight_cancelled_with_first_caller"))]
    fn of_first_caller(self, _flight: tokio::task::JoinHandle<()>) -> Self {
        self
    }

    #[cfg(solekey_mutant = "flight_cancelled_with_first_caller")]
    fn new(need: Need, patience: Duration, told: watch::Receiver<Progress>) -> Self {
        Self { need, patience, told, leash: None }
    }

    #[cfg(solekey_mutant = "flight_cancelled_with_first_caller")]
    fn of_first_caller(self, flight: tokio::task::JoinHandle<()>) -> Self {
        Self { leash: Some(Arc::new(Leash(flight.abort_handle()))), ..self }
    }

    /// What the flight delivers.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub(crate) async fn delivery(&mut self) -> Told {
        match self.told.wait_for(|progress| matches!(progress, Progress::Told(_))).await.as_deref() {
            Ok(Progress::Told(told)) => told.clone(),
            _ => Told::Lost,
        }
    }

    /// The end of the flight's looks, at the latest its delivery.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn looked(mut self) {
        let _ = self.told.wait_for(|progress| !matches!(progress, Progress::Looking)).await;
    }

    /// The end of the flight: whoever boards then starts another one.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn landing(&mut self) {
        while self.told.changed().await.is_ok() {}
    }

    fn is_over(&self) -> bool {
        self.told.has_changed().is_err()
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
