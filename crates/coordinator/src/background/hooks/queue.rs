//! Which hooks are still to run, and which may not run again yet.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solekey_core::{Account, AccountKey, Generation, Moment, mutant};
use tokio::sync::Notify;

use super::AfterCommit;

/// The hooks of an instance, and the commits they have not seen yet.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(super) list: Vec<Arc<dyn AfterCommit>>,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Account, Generation)>,
    /// The end of the cooldown of a hook, by its index in the list, for an account.
    cooling: HashMap<(usize, AccountKey), Moment>,
}

impl Hooks {
    pub(crate) fn new(list: Vec<Arc<dyn AfterCommit>>) -> Self {
        Self { list, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A commit of this process. Costs its caller nothing but this.
    pub(crate) fn committed(&self, account: &Account, generation: Generation) {
        if self.is_empty() {
            return;
        }
        let mut state = self.lock();
        if state.queue.len() >= MAX_QUEUED && !mutant("hook_queue_is_endless") {
            drop(state);
            tracing::debug!(account = %account.key(), "too many commits for the hooks: this one is left out");
            return;
        }
        state.queue.push_back((account.clone(), generation));
        drop(state);
        self.wake.notify_one();
    }

    /// The next commit.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&self) -> (Account, Generation) {
        loop {
            if let Some(next) = self.lock().queue.pop_front() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// Returns whether a hook may run for an account now; if so, it cools down from now on.
    pub(super) fn admit(&self, hook: usize, key: AccountKey, cooldown: Duration, now: Moment) -> bool {
        if cooldown.is_zero() || mutant("hook_without_cooldown") {
            return true;
        }
        let mut state = self.lock();
        if state.cooling.get(&(hook, key)).is_some_and(|until| now < *until) {
            return false;
        }
        if state.cooling.len() >= MAX_COOLING {
            state.cooling.retain(|_, until| now < *until);
        }
        // More accounts than that at once: the hook waits rather than forgets whom it has asked about.
        let fits = state.cooling.len() < MAX_COOLING;
        if fits {
            state.cooling.insert((hook, key), now + cooldown);
        }
        fits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits that wait for their hooks: a few hundred bytes each.
const MAX_QUEUED: usize = 1024;
/// Accounts that cool down at once.
const MAX_COOLING: usize = 100_000;
