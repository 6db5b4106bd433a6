//! The task that releases what was dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use solekey_redis_link::mutant;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::lease::{LeaseToken, Released};
use crate::verbs::Verbs;

/// A lease that nobody needs any more.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) key: String,
    pub(crate) token: LeaseToken,
    /// When the lease is over by itself, and the errand with it.
    pub(crate) until: Instant,
    /// Not before this.
    pub(crate) from: Instant,
    /// Whether an acquire may still be on its way to the server: a release that finds nothing may have overtaken it.
    pub(crate) may_come: bool,
}

impl Errand {
    pub(crate) fn new(key: String, token: LeaseToken, until: Instant, may_come: bool) -> Self {
        Self { key, token, until, from: Instant::now(), may_come }
    }
}

/// Takes errands without waiting, and runs them in a task of its own.
#[derive(Debug)]
pub(crate) struct Janitor {
    errands: mpsc::Sender<Errand>,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Janitor {
    pub(crate) fn start(verbs: Verbs) -> Self {
        let (errands, queue) = mpsc::channel(CAPACITY);
        let closing = CancellationToken::new();
        let rounds = Rounds { verbs, queue, closing: closing.clone(), open: VecDeque::new() };
        Self { errands, closing, task: Mutex::new(Some(tokio::spawn(rounds.run()))) }
    }

    /// Takes `errand` over, if there is room for it; otherwise the lease ends by its time.
    pub(crate) fn hand(&self, errand: Errand) {
        if self.errands.try_send(errand).is_err() {
            tracing::debug!("a dropped lease is left to its time");
        }
    }

    /// Tries every errand once more and ends.
    pub(crate) async fn shutdown(&self) {
        self.closing.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task
            && timeout(LAST_ROUND, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

struct Rounds {
    verbs: Verbs,
    queue: mpsc::Receiver<Errand>,
    closing: CancellationToken,
    /// Errands taken and not done yet; together with the queue at most twice its capacity.
    open: VecDeque<Errand>,
}

impl Rounds {
    /// Runs until closed, or until nobody is left to hand anything over.
    async fn run(mut self) {
        while self.wait().await {
            while let Some(errand) = self.next() {
                self.perform(errand).await;
            }
        }
        for errand in std::mem::take(&mut self.open) {
            // The last chance; then the lease is left to its time.
            let _ = self.verbs.release(&errand.key, errand.token).await;
        }
    }

    /// Waits for an errand that can be run; `false` when none will come.
    async fn wait(&mut self) -> bool {
        let closing = self.closing.clone();
        let next = self.open.iter().map(|errand| errand.from).min();
        tokio::select! {
            biased;
            errand = self.queue.recv() => {
                let more = errand.is_some();
                self.open.extend(errand);
                more
            }
            () = closing.cancelled() => false,
            () = until(next) => true,
        }
    }

    /// The next errand whose time has come.
    fn next(&mut self) -> Option<Errand> {
        while self.open.len() < CAPACITY
            && let Ok(errand) = self.queue.try_recv()
        {
            self.open.push_back(errand);
        }
        let now = Instant::now();
        let at = self.open.iter().position(|errand| errand.from <= now)?;
        self.open.remove(at)
    }

    /// Releases a lease, later again if Redis is away. A release is idempotent, hence repeating one of unknown fate is safe.
    async fn perform(&mut self, mut errand: Errand) {
        if errand.until <= Instant::now() {
            return;
        }
        let outcome = self.verbs.release(&errand.key, errand.token).await;
        let overtook = errand.may_come && !mutant("release_that_found_nothing_is_final");
        if overtook && matches!(outcome, Ok(Released::Lost)) {
            // By then the acquire has arrived, or its sender's connection is gone.
            errand.may_come = false;
            errand.from = Instant::now() + self.verbs.link.timeout();
            self.open.push_back(errand);
            return;
        }
        if outcome.is_ok() || self.closing.is_cancelled() || self.queue.is_closed() {
            return;
        }
        self.open.push_back(errand);
        let pause = SHORTEST_PAUSE.mul_f64(1.0 + fastrand::f64());
        let _ = timeout(pause, self.closing.cancelled()).await;
    }
}

/// `None`: never.
async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

/// Errands that may wait; more dropped leases than this end by their time.
const CAPACITY: usize = 1024;
/// Between two attempts while Redis is away.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// What a shutdown grants the last releases.
const LAST_ROUND: Duration = Duration::from_secs(2);
