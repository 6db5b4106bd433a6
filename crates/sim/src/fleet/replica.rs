//! The replicas of a fleet, and their lives.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use solekey::{Provider, SealKeys, Solekey};
use tokio::time::Instant;

use super::{
    endpoint::SimEndpoint,
    history::What,
    ports::{SimAnswers, SimCache, SimLease, SimStore},
    process::Process,
    world::{World, lock},
};

/// All replicas.
pub(crate) struct Fleet {
    pub(crate) world: Arc<World>,
    slots: Mutex<Vec<Slot>>,
}

#[derive(Default)]
struct Slot {
    lives: u32,
    replica: Option<Replica>,
}

/// A replica that is up.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) process: Arc<Process>,
    pub(crate) solekey: Solekey,
}

impl Fleet {
    pub(crate) async fn start(world: &Arc<World>) -> Arc<Self> {
        let slots = (0..world.setup.replicas).map(|_| Slot::default()).collect();
        let fleet = Arc::new(Self { world: Arc::clone(world), slots: Mutex::new(slots) });
        for index in 0..world.setup.replicas {
            fleet.raise(index).await;
        }
        fleet
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.slots).len()
    }

    /// The replica, if it is up.
    pub(crate) fn get(&self, index: usize) -> Option<Replica> {
        lock(&self.slots)[index].replica.clone()
    }

    pub(crate) fn all(&self) -> Vec<Replica> {
        lock(&self.slots).iter().filter_map(|slot| slot.replica.clone()).collect()
    }

    /// Those that are up and belong here.
    pub(crate) fn members(&self) -> Vec<Replica> {
        let mut all = self.all();
        all.retain(|replica| !self.world.setup.is_stranger(replica.process.replica));
        all
    }

    /// Builds the replica anew, unless it is up.
    pub(crate) async fn raise(&self, index: usize) {
        let life = {
            let mut slots = lock(&self.slots);
            if slots[index].replica.is_some() {
                return;
            }
            slots[index].lives += 1;
            slots[index].lives
        };
        let process = Process::new(&self.world, index, life);
        let solekey = build(&process).await;
        self.world.log(process.who(), What::Built);
        let late = {
            let mut slots = lock(&self.slots);
            let late = slots[index].lives != life;
            if !late {
                slots[index].replica =
                    Some(Replica { process: Arc::clone(&process), solekey: solekey.clone() });
            }
            late
        };
        if late {
            end_of_life(&process, solekey);
        }
    }

    /// The replica dies without a word.
    pub(crate) fn kill(&self, index: usize) -> bool {
        let Some(Replica { process, solekey }) = lock(&self.slots)[index].replica.take() else {
            return false;
        };
        self.world.log(process.who(), What::Crashed);
        end_of_life(&process, solekey);
        true
    }

    /// The replica is asked to end, and does.
    pub(crate) async fn shut_down(&self, index: usize, deadline: Duration) -> bool {
        let Some(Replica { process, solekey }) = lock(&self.slots)[index].replica.take() else {
            return false;
        };
        let began = Instant::now();
        self.world.log(process.who(), What::Draining);
        let in_doubt = solekey.shutdown(deadline).await.in_doubt;
        let bound = deadline.min(self.world.policy.read_limit() + Duration::from_secs(5));
        self.world.log(process.who(), What::ShutDown { bound, took: began.elapsed(), in_doubt });
        end_of_life(&process, solekey);
        true
    }

    /// Ends the circles of the run.
    pub(crate) fn clear(&self) {
        lock(&self.slots).clear();
    }
}

/// Nothing of this process happens any more. What it left running would go on for ever, at its barrier: its own tasks
/// are stopped, so that they cost nothing.
fn end_of_life(process: &Arc<Process>, solekey: Solekey) {
    process.die();
    tokio::spawn(async move { solekey.shutdown(Duration::ZERO).await });
}

async fn build(process: &Arc<Process>) -> Solekey {
    let world = &process.world;
    let provider = Provider::new("acme", world.policy, Arc::new(SimEndpoint::new(process)));
    let seal = match (world.setup.sealed, world.setup.is_stranger(process.replica)) {
        (true, false) => keys(KEY),
        (true, true) => keys(FOREIGN_KEY),
        (false, _) => SealKeys::none(),
    };
    let mut builder = Solekey::builder()
        .provider(provider.expect("a plain name"))
        .seal(seal)
        .without_refresher()
        .store(Arc::new(SimStore(Arc::clone(process))))
        .answers(Arc::new(SimAnswers(Arc::clone(process))))
        .observer(Arc::clone(process) as Arc<dyn solekey::Observer>)
        .clock(Arc::new(process.clock.clone()));
    if world.setup.cache {
        builder = builder.cache(Arc::new(SimCache(Arc::clone(process))));
    }
    if world.setup.lease {
        builder = builder.lease(Arc::new(SimLease(Arc::clone(process))));
    }
    builder.build().await.expect("all that is needed is given")
}

fn keys(text: &str) -> SealKeys {
    SealKeys::parse(text).expect("a key")
}

const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const FOREIGN_KEY: &str = "k1:HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHgA=";
