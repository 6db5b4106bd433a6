//! The task that releases what was dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::lease::LeaseToken;
use crate::verbs::Verbs;

/// A lease that nobody needs any more.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) key: String,
    pub(crate) token: LeaseToken,
    /// When the lease is over by itself, and the errand with it.
    pub(crate) until: Instant,
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
    }

    /// Waits for an errand; `false` when none will come.
    async fn wait(&mut self) -> bool {
        let closing = self.closing.clone();
        let errand = tokio::select! {
            biased;
            errand = self.queue.recv() => errand,
            () = closing.cancelled() => None,
        };
        let more = errand.is_some();
        self.open.extend(errand);
        more
    }

    fn next(&mut self) -> Option<Errand> {
        while self.open.len() < CAPACITY
            && let Ok(errand) = self.queue.try_recv()
        {
            self.open.push_back(errand);
        }
        self.open.pop_front()
    }

    /// Releases a lease, later again if Redis is away. A release is idempotent, hence repeating one of unknown fate is safe.
    async fn perform(&mut self, errand: Errand) {
        if errand.until <= Instant::now() {
            return;
        }
        let outcome = self.verbs.release(&errand.key, errand.token).await;
        if outcome.is_ok() || self.closing.is_cancelled() || self.queue.is_closed() {
            return;
        }
        self.open.push_back(errand);
        let pause = SHORTEST_PAUSE.mul_f64(1.0 + fastrand::f64());
        let _ = timeout(pause, self.closing.cancelled()).await;
    }
}

/// Errands that may wait; more dropped leases than this end by their time.
const CAPACITY: usize = 1024;
/// Between two attempts while Redis is away.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// What a shutdown grants the last releases.
const LAST_ROUND: Duration = Duration::from_secs(2);
