//! One fleet, made from a seed: built, put under faults, healed and checked.

mod callers;
mod clocks;
mod drills;
mod endpoint;
mod heal;
mod history;
mod nemesis;
mod network;
mod ports;
mod process;
mod provider;
mod replica;
mod rng;
mod setup;
mod tally;
mod world;

use std::sync::Arc;

pub use callers::CALLS;
pub use history::{
    CallerRequest, Changed, Delivered, Event, Fault, History, Request, Settled, Shown, TokenTruth, What, Who,
};
pub use provider::Seen;
pub use setup::{Class, Faults, OfWhatStays, Setup};
pub use tally::Tally;

use crate::invariants::{self, Violation};
use replica::Fleet;
use world::World;

/// The result of a seed.
#[derive(Debug)]
pub struct Run {
    /// The set-up that the seed drew.
    pub setup: Setup,
    /// The events, in order.
    pub history: History,
    /// The events, counted.
    pub tally: Tally,
    /// The violations.
    pub violations: Vec<Violation>,
}

/// Runs one seed, on this thread.
///
/// # Panics
/// When the runtime cannot be built, or the product panics.
pub fn run(seed: u64) -> Run {
    // The coordinator draws its jitter from this thread's generator.
    fastrand::seed(seed);
    let runtime = runtime(seed);
    let setup = Setup::draw(seed);
    let history = runtime.block_on(live(setup.clone()));
    // Crashed processes wait at their barriers for ever: they end with the runtime.
    drop(runtime);
    let tally = Tally::of(&history);
    let violations = invariants::check(&setup, &history);
    Run { setup, history, tally, violations }
}

fn runtime(seed: u64) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    // In which order a `watch` wakes those who wait is tokio's own chance, which can be seeded only there.
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    builder.build().expect("a runtime of one thread")
}

async fn live(setup: Setup) -> History {
    let world = World::new(setup);
    let fleet = Fleet::start(&world).await;
    callers::register_accounts(&fleet).await;
    world.begin();
    let nemesis = tokio::spawn(nemesis::torment(Arc::clone(&fleet)));
    let crowd = tokio::spawn(callers::crowd(Arc::clone(&fleet)));
    tokio::time::sleep(world.setup.chaos).await;
    nemesis.abort();
    crowd.abort();
    heal::heal(&fleet).await;
    drills::run(&fleet).await;
    heal::end(&fleet).await;
    fleet.clear();
    world.take_history()
}
