//! From boarding to flying.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, AccountKey, Generation, Need,
    flight::{Flight, Knowledge},
};

use crate::{driver::Driver, instance::Instance, progress::Teller, provider::Provider, told::Progress};

impl Instance {
    /// Makes a flight of what is known here, and flies it. It is over for its callers when this drops `tell`.
    pub(crate) async fn take_off(
        self: Arc<Self>,
        account: Account,
        provider: Arc<Provider>,
        need: Need,
        patience: Duration,
        tell: Teller,
    ) {
        if let Err(told) = self.be_a_member().await {
            tell.tell(Progress::Told(told));
            return;
        }
        let key = account.key();
        let memory = self.memories.of(key);
        let knowledge = self.knowledge_for(key, &provider, need);
        let flight = Flight::new(need, knowledge, key.spread(), self.now(), patience);
        Driver::new(self, account, provider, memory, flight, tell).fly().await;
    }

    /// What the account's next flight sets out with.
    pub(crate) fn knowledge_for(&self, key: AccountKey, provider: &Provider, need: Need) -> Knowledge {
        let mut knowledge = self.memories.of(key).lock().knowledge.clone();
        knowledge.known = knowledge.known.max(self.newest_known(key, need));
        knowledge.provider = self.breakers.hold(provider, self.now());
        knowledge
    }

    /// What is served or was replaced here, or was reported, has existed: a store that does not know it went back, and
    /// a shelf that does not lags.
    fn newest_known(&self, key: AccountKey, need: Need) -> Generation {
        let here = self.entries().newest(key);
        need.rejection().map_or(here, |(reported, _)| reported.max(here))
    }
}
