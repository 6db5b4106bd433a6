//! One life of a replica: it runs, is stopped, or is dead.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use solekey::{Event, Observer};
use solekey_core::{Account, Generation};
use solekey_testkit::memory::TestClock;
use tokio::sync::Notify;

use super::{
    clocks,
    history::Who,
    rng::Rng,
    world::{World, lock},
};

/// One life of a replica.
pub(crate) struct Process {
    pub(crate) replica: usize,
    pub(crate) life: u32,
    pub(crate) world: Arc<World>,
    pub(crate) clock: TestClock,
    pub(crate) rng: Rng,
    mode: Mutex<Mode>,
    /// Wakes in the order in which tasks came, so that a seed is a history.
    turned: Notify,
    /// The attempts it declared and has not presented yet.
    presenting: Mutex<BTreeMap<Account, Generation>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Running,
    Stopped,
    Dead,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>, replica: usize, life: u32) -> Arc<Self> {
        let rng = Rng::new(world.setup.seed, 1000 + (replica as u64) * 100 + u64::from(life));
        Arc::new(Self {
            replica,
            life,
            world: Arc::clone(world),
            clock: clocks::of_process(&rng),
            rng,
            mode: Mutex::new(Mode::Running),
            turned: Notify::new(),
            presenting: Mutex::default(),
        })
    }

    pub(crate) fn who(&self) -> Who {
        Who::Process(self.replica, self.life)
    }

    /// Every call of this process comes by here before it starts and before its reply is seen: nothing takes effect
    /// while it is stopped, and nothing ever again once it is dead.
    pub(crate) async fn bucket(&self) {
        self.until(Mode::Running).await;
    }

    /// Returns when the process dies.
    pub(crate) async fn death(&self) {
        self.until(Mode::Dead).await;
    }

    pub(crate) fn is_dead(&self) -> bool {
        *lock(&self.mode) == Mode::Dead
    }

    pub(crate) fn is_running(&self) -> bool {
        *lock(&self.mode) == Mode::Running
    }

    pub(crate) fn stop(&self) {
        self.turn(Mode::Running, Mode::Stopped);
    }

    pub(crate) fn resume(&self) {
        self.turn(Mode::Stopped, Mode::Running);
    }

    pub(crate) fn die(&self) {
        *lock(&self.mode) = Mode::Dead;
        self.turned.notify_waiters();
    }

    /// The attempt whose request is leaving.
    pub(crate) fn take_attempt(&self, account: &Account) -> Option<Generation> {
        lock(&self.presenting).remove(account)
    }

    async fn until(&self, awaited: Mode) {
        loop {
            // Made before the read: a turn between the two wakes it.
            let turned = self.turned.notified();
            if *lock(&self.mode) == awaited {
                return;
            }
            turned.await;
        }
    }

    fn turn(&self, from: Mode, to: Mode) {
        let mut mode = lock(&self.mode);
        if *mode == from {
            *mode = to;
            self.turned.notify_waiters();
        }
    }
}

impl Observer for Process {
    fn on(&self, event: &Event<'_>) {
        if let Event::Presenting { account, attempt } = event {
            lock(&self.presenting).insert((*account).clone(), *attempt);
        }
    }
}
