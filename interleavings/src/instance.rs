//! What the single flight stands on, as little of it as it needs: a tracker of tasks, and a flight that steps aside
//! wherever a real one awaits something.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use shuttle::future::yield_now;
use solekey_core::{Account, Generation, Need};

use crate::{
    driver::Held,
    flights::Flights,
    progress::Teller,
    provider::Provider,
    sync::{Arc, watch},
    task::{self, JoinHandle},
    told::{Progress, Told},
};

/// One process that refreshes one account.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) flights: Flights,
    pub(crate) tracker: Tracker,
    /// How many have boarded; a flight delivers once `boarding` have.
    pub(crate) boarded: watch::Sender<usize>,
    boarding: usize,
    rotations: AtomicU64,
    in_the_air: AtomicUsize,
}

impl Instance {
    /// Flights wait until that many callers have boarded.
    pub(crate) fn boarding(boarding: usize) -> Arc<Self> {
        Arc::new(Self {
            flights: Flights::default(),
            tracker: Tracker::default(),
            boarded: watch::Sender::new(0),
            boarding,
            rotations: AtomicU64::new(0),
            in_the_air: AtomicUsize::new(0),
        })
    }

    /// How many flights took off.
    pub(crate) fn rotations(&self) -> u64 {
        self.rotations.load(SeqCst)
    }

    /// Stands for the driver. Two at once would present one refresh token twice.
    pub(crate) async fn take_off(
        self: Arc<Self>,
        _account: Account,
        _provider: Arc<Provider>,
        _need: Need,
        _patience: Duration,
        tell: Teller,
    ) {
        let airborne = Airborne::count(&self);
        tell.go_to_work();
        let boarding = self.boarding;
        let _ = self.boarded.subscribe().wait_for(|boarded| *boarded >= boarding).await;
        yield_now().await;
        let generation = Generation::new(self.rotations.fetch_add(1, SeqCst) + 1);
        tell.tell(Progress::Told(Told::Token(Held(generation))));
        // It writes down what it delivered; callers have left by then.
        yield_now().await;
        drop(airborne);
    }
}

/// The only flight of the account, while it lasts.
struct Airborne<'a>(&'a AtomicUsize);

impl<'a> Airborne<'a> {
    fn count(instance: &'a Instance) -> Self {
        assert_eq!(instance.in_the_air.fetch_add(1, SeqCst), 0, "two flights of one account at once");
        Self(&instance.in_the_air)
    }
}

impl Drop for Airborne<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Counts tasks until they have ended, however they end.
#[derive(Debug)]
pub(crate) struct Tracker(watch::Sender<usize>);

impl Default for Tracker {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Tracker {
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.0.send_modify(|tasks| *tasks += 1);
        let tracked = Tracked(self.0.clone());
        task::spawn(async move {
            let _tracked = tracked;
            work.await;
        })
    }

    pub(crate) async fn wait(&self) {
        let _ = self.0.subscribe().wait_for(|tasks| *tasks == 0).await;
    }
}

struct Tracked(watch::Sender<usize>);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.send_modify(|tasks| *tasks -= 1);
    }
}
