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
pub(crate) struct PendingRelease {
    pub(crate) key: String,
    pub(crate) token: LeaseToken,
    /// The instant at which the lease ends by itself, and the pending release with it.
    pub(crate) until: Instant,
    /// Not before this.
    pub(crate) from: Instant,
    /// True if an acquire may still be on its way to the server: a release that finds nothing may have overtaken it.
    pub(crate) may_come: bool,
}

impl PendingRelease {
    pub(crate) fn new(key: String, token: LeaseToken, until: Instant, may_come: bool) -> Self {
        Self { key, token, until, from: Instant::now(), may_come }
    }
}

/// Takes pending releases without waiting, and runs them in a task of its own.
#[derive(Debug)]
pub(crate) struct Janitor {
    pending_releases: mpsc::Sender<PendingRelease>,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Janitor {
    pub(crate) fn start(verbs: Verbs) -> Self {
        let (pending_releases, queue) = mpsc::channel(CAPACITY);
        let closing = CancellationToken::new();
        let rounds = Rounds { verbs, queue, closing: closing.clone(), open: VecDeque::new() };
        Self { pending_releases, closing, task: Mutex::new(Some(tokio::spawn(rounds.run()))) }
    }

    /// Takes `pending_release` over, if the queue is not full; otherwise the lease ends by its time.
    pub(crate) fn hand(&self, pending_release: PendingRelease) {
        if self.pending_releases.try_send(pending_release).is_err() {
            tracing::debug!("a dropped lease is left to its time");
        }
    }

    /// Tries every pending release once more and ends.
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
    queue: mpsc::Receiver<PendingRelease>,
    closing: CancellationToken,
    /// Releases taken and not done yet; together with the queue at most twice its capacity.
    open: VecDeque<PendingRelease>,
}

impl Rounds {
    /// Runs until closed, or until nobody is left to hand anything over.
    async fn run(mut self) {
        while self.wait().await {
            while let Some(pending_release) = self.next() {
                self.perform(pending_release).await;
            }
        }
        for pending_release in std::mem::take(&mut self.open) {
            // The last chance; then the lease is left to its time.
            let _ = self.verbs.release(&pending_release.key, pending_release.token).await;
        }
    }

    /// Waits for a release that can be run; `false` when none will come.
    async fn wait(&mut self) -> bool {
        let closing = self.closing.clone();
        let next = self.open.iter().map(|pending_release| pending_release.from).min();
        tokio::select! {
            biased;
            pending_release = self.queue.recv() => {
                let more = pending_release.is_some();
                self.open.extend(pending_release);
                more
            }
            () = closing.cancelled() => false,
            () = until(next) => true,
        }
    }

    /// The next release whose time has come.
    fn next(&mut self) -> Option<PendingRelease> {
        while self.open.len() < CAPACITY
            && let Ok(pending_release) = self.queue.try_recv()
        {
            self.open.push_back(pending_release);
        }
        let now = Instant::now();
        let at = self.open.iter().position(|pending_release| pending_release.from <= now)?;
        self.open.remove(at)
    }

    /// Releases a lease, later again if Redis is away. A release is idempotent, hence repeating one of unknown fate is
    /// safe.
    async fn perform(&mut self, mut pending_release: PendingRelease) {
        if pending_release.until <= Instant::now() {
            return;
        }
        let outcome = self.verbs.release(&pending_release.key, pending_release.token).await;
        let overtook = pending_release.may_come && !mutant("release_that_found_nothing_is_final");
        if overtook && matches!(outcome, Ok(Released::Lost)) {
            // By then the acquire has arrived, or its sender's connection is gone.
            pending_release.may_come = false;
            pending_release.from = Instant::now() + self.verbs.link.timeout();
            self.open.push_back(pending_release);
            return;
        }
        if outcome.is_ok() || self.closing.is_cancelled() || self.queue.is_closed() {
            return;
        }
        self.open.push_back(pending_release);
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

/// Releases that may wait; more dropped leases than this end by their time.
const CAPACITY: usize = 1024;
/// Between two attempts while Redis is away.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The time that a shutdown grants the last releases.
const LAST_ROUND: Duration = Duration::from_secs(2);
