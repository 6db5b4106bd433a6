//! The base of the single flight, as little of it as it needs: a tracker of tasks, and a flight that yields wherever a
//! real one awaits something.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use shuttle::future::yield_now;
use solekey_core::{AccountKey, Generation, Need};

use crate::{
    flight::{
        outcome::{FlightOutcome, Progress},
        progress::OutcomeSender,
        table::{FlightHandle, Flights},
    },
    process::LocalToken,
    sync::{Arc, watch},
    task::{self, JoinHandle},
};

/// One process that refreshes one account.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) flights: Arc<Flights>,
    pub(crate) tracker: Tracker,
    /// The number of callers that have joined; a flight delivers once `callers` have.
    pub(crate) joined: watch::Sender<usize>,
    callers: usize,
    rotations: AtomicU64,
    under_way: AtomicUsize,
}

impl Engine {
    /// Flights wait until that many callers have joined.
    pub(crate) fn with_callers(callers: usize) -> Arc<Self> {
        Arc::new(Self {
            flights: Arc::default(),
            tracker: Tracker::default(),
            joined: watch::Sender::new(0),
            callers,
            rotations: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
        })
    }

    /// Returns the number of flights started.
    pub(crate) fn rotations(&self) -> u64 {
        self.rotations.load(SeqCst)
    }

    /// Joins as the product's engine does: the same table, a task of the tracker, the guard dropped last.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: AccountKey,
        need: Need,
        patience: Duration,
    ) -> Option<FlightHandle> {
        self.flights.join(key, need, patience, |sender, finish| {
            let engine = Arc::clone(self);
            self.tracker.spawn(async move {
                let _finish = finish;
                engine.fly(sender).await;
            })
        })
    }

    /// Stands for the driver. Two at once would present one refresh token twice.
    async fn fly(self: Arc<Self>, sender: OutcomeSender) {
        let under_way = UnderWay::count(&self);
        sender.go_to_work();
        let callers = self.callers;
        let _ = self.joined.subscribe().wait_for(|joined| *joined >= callers).await;
        yield_now().await;
        let generation = Generation::new(self.rotations.fetch_add(1, SeqCst) + 1);
        sender.send(Progress::Finished(FlightOutcome::Token(LocalToken(generation))));
        // It writes down what it delivered; callers have left by then.
        yield_now().await;
        drop(under_way);
    }
}

/// The only flight of the account, while it lasts.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn count(engine: &'a Engine) -> Self {
        assert_eq!(engine.under_way.fetch_add(1, SeqCst), 0, "two flights of one account at once");
        Self(&engine.under_way)
    }
}

impl Drop for UnderWay<'_> {
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
