//! Building an instance.

use std::sync::Arc;

use solekey_core::{
    InputError,
    ports::{Answers, Cache, Clock, Lease, Store},
};

use crate::{
    backends::{Backends, Places},
    clock::ProcessClock,
    error::BuildError,
    instance::{Instance, Ports},
    observer::{Deaf, Observer},
    provider::Provider,
    roster::Roster,
    seal::SealKeys,
    solekey::Solekey,
};

/// Collects what an instance is made of.
///
/// A store and a place for answers are needed; cache and lease make a fleet fast. [`redis`](Self::redis) brings all
/// that Redis can give, `Solekey::embedded` all that one host needs.
#[derive(Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    providers: Vec<Provider>,
    seal: SealKeys,
    store: Option<Arc<dyn Store>>,
    answers: Option<Arc<dyn Answers>>,
    cache: Option<Arc<dyn Cache>>,
    lease: Option<Arc<dyn Lease>>,
    observer: Option<Arc<dyn Observer>>,
    clock: Option<Arc<dyn Clock>>,
    pub(crate) places: Places,
}

impl Builder {
    /// Adds a provider. At least one is needed.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Seals what is stored and shared. Default: nothing is sealed.
    pub fn seal(mut self, keys: SealKeys) -> Self {
        self.seal = keys;
        self
    }

    /// Keeps the durable rows there.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Keeps answers there. It should not fail together with the store.
    pub fn answers(mut self, answers: Arc<dyn Answers>) -> Self {
        self.answers = Some(answers);
        self
    }

    /// Shares tokens and news there. Without it every process asks the store.
    pub fn cache(mut self, cache: Arc<dyn Cache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Takes leases there. Without it the claims alone coordinate.
    pub fn lease(mut self, lease: Arc<dyn Lease>) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Tells what happens, for metrics. Default: nobody.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Takes the time from there: for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Builds the instance and starts its tasks. A store or Redis that is away is no error: the instance waits for it.
    ///
    /// # Errors
    /// Something needed is missing, or a name is used twice.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn build(self) -> Result<Solekey, BuildError> {
        let Self { providers, seal, store, answers, cache, lease, observer, clock, places } = self;
        if providers.is_empty() {
            return Err(InputError::new("provider", "at least one").into());
        }
        let process = Arc::new(ProcessClock::new());
        let clock = clock.unwrap_or_else(|| Arc::clone(&process) as Arc<dyn Clock>);
        let observer = observer.unwrap_or_else(|| Arc::new(Deaf));
        let given = Backends { store, answers, cache, lease, closers: Vec::new() };
        let seal = Arc::new(seal);
        let Backends { store, answers, cache, lease, closers } = places.open(given, &clock, &seal).await?;
        let store = store.ok_or_else(|| InputError::new("store", "a store"))?;
        let answers = answers.ok_or_else(|| InputError::new("state_dir", "a folder for answers"))?;
        let ports = Ports { clock, store, answers, cache, lease, observer, closers };
        let instance = Instance::new(ports, Roster::build(providers)?, seal);
        instance.enrol().await;
        instance.tracker.spawn(Arc::clone(&instance).listen());
        instance.tracker.spawn(Arc::clone(&instance).keep_vigils());
        instance.tracker.spawn(Arc::clone(&instance).keep_house(move || process.observe_wall()));
        Ok(Solekey { instance })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("providers", &self.providers)
            .field("seal", &self.seal)
            .finish_non_exhaustive()
    }
}
