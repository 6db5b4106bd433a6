//! The reading of an exchange whose callers were let go: a task of its own, which ends when the connection does.

use std::sync::Arc;

use solekey_core::{
    Account, Need,
    flight::{Event, Flight, Reading},
};
use tokio::task::JoinHandle;

use super::{
    super::{engine::Engine, progress::progress, readings::ReadingSlot},
    Driver,
    perform::{Done, Performed, Performer},
};
use crate::{process::Memory, provider::Provider};

/// An exchange that is still under way, and its place among the readings.
pub(super) struct Unanswered {
    pub(super) work: JoinHandle<Done>,
    pub(super) slot: ReadingSlot,
}

/// A reading and all that its outcome needs.
struct ReadingTask {
    engine: Arc<Engine>,
    account: Account,
    provider: Arc<Provider>,
    memory: Arc<Memory>,
    reading: Reading,
    unanswered: Unanswered,
}

impl Performer {
    /// The process' tracker owns the reading: a shutdown waits for it.
    pub(super) fn read_on(&mut self, reading: Reading) -> Performed {
        let Some(unanswered) = self.payloads.unanswered.take() else { return Performed::Done };
        let (engine, account) = self.both();
        let (provider, memory) = (Arc::clone(&self.provider), Arc::clone(&self.memory));
        let task = ReadingTask { engine, account, provider, memory, reading, unanswered };
        drop(self.engine.process.tasks.read_on(task.run()));
        Performed::Done
    }
}

impl ReadingTask {
    /// Waits for the outcome and gives it to a flight, whatever other flights of the account do meanwhile.
    async fn run(self) {
        let Self { engine, account, provider, memory, reading, unanswered: Unanswered { work, slot } } = self;
        // One that panicked leaves its doubt as it is.
        let Ok(done) = work.await else { return };
        if let Event::Exchanged(outcome) = &done.event {
            let outcome = outcome.name();
            tracing::info!(provider = provider.name(), account = %account.key(), outcome, "a late exchange ended");
        }
        let (key, now) = (account.key(), engine.process.now());
        let knowledge = engine.knowledge_for(key, &provider, Need::Resolved);
        let flight = Flight::of_reading(reading, knowledge, key.spread(), now);
        let (nobody, _) = progress();
        let mut driver = Driver::new(engine, account, provider, memory, flight, nobody);
        driver.reading = Some(slot);
        let event = driver.take_in(done);
        let commands = driver.step(event);
        driver.perform(commands).await;
    }
}
