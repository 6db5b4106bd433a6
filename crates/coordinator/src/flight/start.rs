//! Joining the flight of an account, or starting one.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, AccountKey, Generation, Need,
    flight::{Flight, Knowledge},
};

use super::{
    driver::Driver,
    engine::Engine,
    outcome::{FlightOutcome, Progress},
    progress::OutcomeSender,
    table::FlightHandle,
};
use crate::provider::Provider;

impl Engine {
    /// Joins the flight under way, or starts one; `None` beyond the bound of flights. The flight is a task of the process:
    /// callers only listen.
    pub(crate) fn join(
        self: &Arc<Self>,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        patience: Duration,
    ) -> Option<FlightHandle> {
        self.flights.join(account.key(), need, patience, |sender, finish| {
            let (engine, account, provider) = (Arc::clone(self), account.clone(), Arc::clone(provider));
            self.process.tasks.tracker.spawn(async move {
                // Declared before whatever owns `sender`, hence dropped after it: the flight is over by then.
                let _finish = finish;
                engine.fly(account, provider, need, patience, sender).await;
            })
        })
    }

    /// Makes a flight of what is known here, and flies it. It is over for its callers when this drops `sender`.
    async fn fly(
        self: Arc<Self>,
        account: Account,
        provider: Arc<Provider>,
        need: Need,
        patience: Duration,
        sender: OutcomeSender,
    ) {
        if let Err(mistake) = self.check.ensure().await {
            let (field, expected) = (mistake.field(), mistake.expected());
            sender.send(Progress::Finished(FlightOutcome::Misconfigured { field, expected }));
            return;
        }
        let key = account.key();
        let memory = self.process.memories.of(key);
        let knowledge = self.knowledge_for(key, &provider, need);
        let flight = Flight::new(need, knowledge, key.spread(), self.process.now(), patience);
        Driver::new(self, account, provider, memory, flight, sender).fly().await;
    }

    /// The knowledge that the account's next flight starts with.
    pub(super) fn knowledge_for(&self, key: AccountKey, provider: &Provider, need: Need) -> Knowledge {
        let mut knowledge = self.process.memories.of(key).lock().knowledge.clone();
        knowledge.known = knowledge.known.max(self.newest_known(key, need));
        let now = self.process.now();
        // Past its end it is still there for a moment, with what it has read last.
        knowledge.reading = self.readings.until(key).map(|until| until.max(now + MOMENT));
        let process = &self.process;
        knowledge.provider = process.breakers.hold(provider, now).max(process.unread.hold(provider, now));
        knowledge
    }

    /// A generation that is served or was replaced here, or was reported, has existed: a store that does not know it went back, and
    /// a shared cache that does not lags.
    fn newest_known(&self, key: AccountKey, need: Need) -> Generation {
        let here = self.process.entries().newest(key);
        need.rejection().map_or(here, |(reported, _)| reported.max(here))
    }
}

/// The time in which a reading that should be over is checked for again.
const MOMENT: Duration = Duration::from_secs(1);
