//! Building an instance.

use std::sync::Arc;

use solekey_core::{
    InputError,
    ports::{Answers, Cache, ChangeFeed, Clock, Lease, RateLimiter, Store},
};

use crate::{
    backends::{Backends, Places},
    background::{AfterCommit, Background, Tasks},
    error::BuildError,
    fleet::Fleet,
    flight::Engine,
    observer::Observer,
    process::{Ports, Process, ProcessClock},
    provider::Provider,
    provider_map::Providers,
    seal::{BackendCheck, SealKeys, SealedAnswers, SealedCache, Sealer},
    solekey::Solekey,
};

/// Collects the parts of an instance.
///
/// A store and a location for answers are needed; cache and lease make a fleet fast. [`redis`](Self::redis) brings all
/// that Redis can give, `postgres` rows and a change feed, `Solekey::embedded` all that one host needs.
#[derive(Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    providers: Vec<Provider>,
    seal: SealKeys,
    store: Option<Arc<dyn Store>>,
    answers: Option<Arc<dyn Answers>>,
    cache: Option<Arc<dyn Cache>>,
    change_feed: Option<Arc<dyn ChangeFeed>>,
    lease: Option<Arc<dyn Lease>>,
    rate_limiter: Option<Arc<dyn RateLimiter>>,
    observer: Option<Arc<dyn Observer>>,
    clock: Option<Arc<dyn Clock>>,
    read_only: bool,
    without_refresher: bool,
    hooks: Vec<Arc<dyn AfterCommit>>,
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

    /// Shares tokens and notifications there. Without it every process asks the store.
    pub fn cache(mut self, cache: Arc<dyn Cache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Notifies other replicas there of what the cache does not: because there is none, or it is away. Without it
    /// those who wait for others poll.
    pub fn change_feed(mut self, change_feed: Arc<dyn ChangeFeed>) -> Self {
        self.change_feed = Some(change_feed);
        self
    }

    /// Takes leases there. Without it the claims alone coordinate.
    pub fn lease(mut self, lease: Arc<dyn Lease>) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Shares the starts of refreshes that nobody waits for there. Without it each process starts them as if it were alone.
    pub fn rate_limiter(mut self, rate_limiter: Arc<dyn RateLimiter>) -> Self {
        self.rate_limiter = Some(rate_limiter);
        self
    }

    /// Refreshes only what is asked for. Default: accounts whose time has come are refreshed by whichever replica takes
    /// them, at the [limits](Provider::background) of their providers.
    pub fn without_refresher(mut self) -> Self {
        self.without_refresher = true;
        self
    }

    /// Reports events to this observer, for metrics. Default: none.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Takes the time from there: for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Does nothing to accounts that nobody asks for: none is refreshed, no doubts are watched, no answers of dead processes committed, nothing
    /// is re-sealed. For tools that inspect a set-up which others work in.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Runs a hook after each commit of this process: see [`AfterCommit`]. Hooks run in the order they are given, one
    /// after the other for each commit. A [read-only](Self::read_only) instance runs none.
    pub fn after_commit(mut self, hook: Arc<dyn AfterCommit>) -> Self {
        self.hooks.push(hook);
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
        let Self {
            providers,
            seal,
            store,
            answers,
            cache,
            change_feed,
            lease,
            rate_limiter,
            observer,
            clock,
            read_only,
            without_refresher,
            hooks,
            places,
        } = self;
        let hooks = if read_only { Vec::new() } else { hooks };
        if providers.is_empty() {
            return Err(InputError::new("provider", "at least one").into());
        }
        let clock_of_process = Arc::new(ProcessClock::new());
        let clock = clock.unwrap_or_else(|| Arc::clone(&clock_of_process) as Arc<dyn Clock>);
        let given = Backends {
            store,
            answers,
            files: None,
            cache,
            change_feed,
            lease,
            rate_limiter,
            index: None,
            closers: Vec::new(),
        };
        let seal = Arc::new(seal);
        let opened = places.open(given, &clock, &seal).await?;
        let Backends { store, answers, files, cache, change_feed, lease, rate_limiter, index, closers } =
            opened;
        let store = store.ok_or_else(|| InputError::new("store", "a store"))?;
        let answers = answers.ok_or_else(|| InputError::new("state_dir", "a folder for answers"))?;
        let (answers, cache) = sealed(&seal, answers, cache);
        let ports = Ports {
            clock,
            store,
            answers,
            files,
            cache,
            change_feed,
            lease,
            rate_limiter,
            index,
            observer,
            closers,
        };
        let provider_map = Providers::build(providers)?;
        let this = Process::new(ports, provider_map);
        let sealer = Arc::new(Sealer::new(seal));
        let check = Arc::new(BackendCheck::new(Arc::clone(&this), Arc::clone(&sealer)));
        let fleet = Arc::new(Fleet::new(Arc::clone(&this), Arc::clone(&sealer), Arc::clone(&check)));
        let background = Background::new(Arc::clone(&this), Arc::clone(&sealer), hooks);
        let listener = Arc::clone(&background);
        let engine = Engine::new(Arc::clone(&this), sealer, check, fleet, listener);
        engine.check.run().await;
        let tracker = &this.tasks.tracker;
        tracker.spawn(Arc::clone(&engine.fleet).listen());
        background.start(&engine, Tasks { upkeep: !read_only, refresher: !(read_only || without_refresher) });
        tracker.spawn(Arc::clone(&engine.fleet).run_maintenance(move || clock_of_process.observe_wall()));
        Ok(Solekey { engine, background })
    }
}

/// Answers and shared cache, believed only as far as somebody with the seal key wrote them, where there is one.
fn sealed(
    seal: &Arc<SealKeys>,
    answers: Arc<dyn Answers>,
    cache: Option<Arc<dyn Cache>>,
) -> (Arc<dyn Answers>, Option<Arc<dyn Cache>>) {
    if !seal.is_sealing() {
        return (answers, cache);
    }
    let sealed = |cache| Arc::new(SealedCache::new(cache, Arc::clone(seal))) as Arc<dyn Cache>;
    (Arc::new(SealedAnswers::new(answers, Arc::clone(seal))), cache.map(sealed))
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("providers", &self.providers)
            .field("seal", &self.seal)
            .finish_non_exhaustive()
    }
}
