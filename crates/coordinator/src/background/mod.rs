//! The work of an instance that no caller waits for. Each task owns its state, or shares it with this listener.

mod hooks;
mod recheck;
mod recovery;
mod refresher;
mod reseal;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{Account, AccountKey, Delay, Generation, Moment, Outcome, flight::Recheck, mutant};

use self::{
    hooks::{HookTask, Hooks},
    recheck::{RecheckTask, Rechecks},
    recovery::RecoveryTask,
    refresher::{RefreshTask, Refresher},
    reseal::{ResealTask, Resealing},
};
use crate::{
    flight::{Engine, FlightListener},
    process::Process,
    provider::Provider,
    seal::Sealer,
};

pub use hooks::{AfterCommit, Committed};
pub use reseal::Sealing;

/// The states of the background tasks, which hear of every flight.
pub(crate) struct Background {
    process: Arc<Process>,
    pub(crate) rechecks: Arc<Rechecks>,
    pub(crate) resealing: Arc<Resealing>,
    refresher: Arc<Refresher>,
    hooks: Arc<Hooks>,
    hook_task: HookTask,
}

/// Which tasks run.
#[derive(Clone, Copy)]
pub(crate) struct Tasks {
    /// True if accounts in doubt, orphaned answers, seals and hooks are worked on.
    pub(crate) upkeep: bool,
    /// True if accounts are refreshed that nobody asks for.
    pub(crate) refresher: bool,
}

impl Background {
    pub(crate) fn new(
        process: Arc<Process>,
        sealer: Arc<Sealer>,
        hooks: Vec<Arc<dyn AfterCommit>>,
    ) -> Arc<Self> {
        let hooks = Arc::new(Hooks::new(hooks));
        let hook_task = HookTask { process: Arc::clone(&process), sealer, hooks: Arc::clone(&hooks) };
        Arc::new(Self {
            rechecks: Arc::default(),
            resealing: Arc::default(),
            refresher: Arc::new(Refresher::new(Arc::clone(&process))),
            process,
            hooks,
            hook_task,
        })
    }

    /// Spawns the tasks that are asked for; the process' tracker owns them.
    pub(crate) fn start(&self, engine: &Arc<Engine>, tasks: Tasks) {
        let tracker = &self.process.tasks.tracker;
        if tasks.upkeep {
            let rechecks = || Arc::clone(&self.rechecks);
            tracker.spawn(RecheckTask { engine: Arc::clone(engine), rechecks: rechecks() }.run());
            let process = Arc::clone(&self.process);
            if process.ports.rate_limiter.is_none() {
                process.unread.begin_search(process.now() + SEARCH);
            }
            tracker.spawn(RecoveryTask { process, rechecks: rechecks() }.run());
            let resealing = Arc::clone(&self.resealing);
            tracker.spawn(ResealTask { engine: Arc::clone(engine), resealing }.run());
            tracker.spawn(self.hook_task.clone().run());
        }
        if tasks.refresher {
            RefreshTask { engine: Arc::clone(engine), refresher: Arc::clone(&self.refresher) }.start();
        }
    }

    /// Notes a commit that no flight made: a login.
    pub(crate) fn logged_in(&self, account: &Account, generation: Generation) {
        self.hooks.committed(account, generation);
    }

    /// A delay that makes another flight pointless. A doubt that nobody here rechecks is no such delay.
    pub(crate) fn standing_delay(&self, key: AccountKey, now: Moment) -> Option<(Moment, Delay)> {
        let delay = self.process.memories.delay(key, now);
        delay.filter(|(_, why)| *why != Delay::InDoubt || self.rechecks.has(key))
    }
}

#[async_trait]
impl FlightListener for Background {
    fn presenting(&self, account: &Account, provider: &Arc<Provider>) {
        self.refresher.presenting(account, provider);
    }

    fn presented(&self, account: &Account, provider: &Arc<Provider>, outcome: Outcome<()>) {
        self.refresher.presented(account, provider, outcome);
    }

    fn ended(&self, account: &Account, recheck: Recheck) {
        self.rechecks.plan(account, recheck, self.process.now());
    }

    async fn committed(&self, account: &Account, generation: Generation) {
        self.hooks.committed(account, generation);
        if mutant("hook_delays_its_flight") {
            self.hook_task.clone().run_hooks(account.clone(), generation).await;
        }
    }
}

/// The longest time for which a provider counts as unknown because the rows are not read yet.
const SEARCH: Duration = Duration::from_secs(10);
