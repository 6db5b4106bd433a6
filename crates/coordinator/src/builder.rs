//! Building an instance.

use std::{path::PathBuf, sync::Arc};

use solekey_core::{
    Account, InputError,
    ports::{Answers, Cache, Clock, Lease, News, Pace, Store},
};

use crate::{
    after_commit::{AfterCommit, Hooks},
    backends::{Backends, Places},
    clock::ProcessClock,
    error::BuildError,
    instance::{Instance, Ports},
    mirror::Mirrored,
    observer::Observer,
    provider::Provider,
    roster::Roster,
    seal::SealKeys,
    solekey::Solekey,
};

/// Collects what an instance is made of.
///
/// A store and a place for answers are needed; cache and lease make a fleet fast. [`redis`](Self::redis) brings all
/// that Redis can give, `postgres` rows and news, `Solekey::embedded` all that one host needs.
#[derive(Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    providers: Vec<Provider>,
    seal: SealKeys,
    store: Option<Arc<dyn Store>>,
    answers: Option<Arc<dyn Answers>>,
    cache: Option<Arc<dyn Cache>>,
    news: Option<Arc<dyn News>>,
    lease: Option<Arc<dyn Lease>>,
    pace: Option<Arc<dyn Pace>>,
    observer: Option<Arc<dyn Observer>>,
    clock: Option<Arc<dyn Clock>>,
    onlooker: bool,
    without_refresher: bool,
    mirrors: Vec<(Account, PathBuf)>,
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

    /// Shares tokens and news there. Without it every process asks the store.
    pub fn cache(mut self, cache: Arc<dyn Cache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Tells other replicas there what the cache does not tell them: because there is none, or it is away. Without it
    /// those who wait for others poll.
    pub fn news(mut self, news: Arc<dyn News>) -> Self {
        self.news = Some(news);
        self
    }

    /// Takes leases there. Without it the claims alone coordinate.
    pub fn lease(mut self, lease: Arc<dyn Lease>) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Shares the starts of refreshes that nobody waits for there. Without it each process starts them as if it were alone.
    pub fn pace(mut self, pace: Arc<dyn Pace>) -> Self {
        self.pace = Some(pace);
        self
    }

    /// Refreshes only what is asked for. Default: accounts whose time has come are refreshed by whichever replica takes
    /// them, at the [limits](Provider::background) of their providers.
    pub fn without_refresher(mut self) -> Self {
        self.without_refresher = true;
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

    /// Does nothing to accounts that nobody asks for: none is refreshed, no doubts are watched, no answers of dead processes committed, nothing
    /// is re-sealed. For tools that look at a set-up which others work in.
    pub fn onlooker(mut self) -> Self {
        self.onlooker = true;
        self
    }

    /// Keeps the file of a command line tool of this host fresh: `path` is written whenever the account changes, by whomever,
    /// in the shape it has (or, where there is none, in that of the account), for its owner alone. `path` is absolute; a
    /// symbolic link is refused.
    ///
    /// A refresh token there that the account neither holds nor has had is a login, and taken in as
    /// [`Solekey::login`] would; what is no credential is left alone until it changes; a file that was there and is gone
    /// is not put back. An [onlooker](Self::onlooker) mirrors nothing.
    pub fn mirror(mut self, account: Account, path: impl Into<PathBuf>) -> Self {
        self.mirrors.push((account, path.into()));
        self
    }

    /// Looks something up after each commit of this process: see [`AfterCommit`]. Hooks run in the order they are given, one
    /// after the other for each commit. An [onlooker](Self::onlooker) runs none.
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
            news,
            lease,
            pace,
            observer,
            clock,
            onlooker,
            without_refresher,
            mirrors,
            hooks,
            places,
        } = self;
        let hooks = if onlooker { Vec::new() } else { hooks };
        let mirrors = Mirrored::all(mirrors)?;
        if providers.is_empty() {
            return Err(InputError::new("provider", "at least one").into());
        }
        let process = Arc::new(ProcessClock::new());
        let clock = clock.unwrap_or_else(|| Arc::clone(&process) as Arc<dyn Clock>);
        let given = Backends {
            store,
            answers,
            files: None,
            cache,
            news,
            lease,
            pace,
            index: None,
            closers: Vec::new(),
        };
        let seal = Arc::new(seal);
        let opened = places.open(given, &clock, &seal).await?;
        let Backends { store, answers, files, cache, news, lease, pace, index, closers } = opened;
        let store = store.ok_or_else(|| InputError::new("store", "a store"))?;
        let answers = answers.ok_or_else(|| InputError::new("state_dir", "a folder for answers"))?;
        let ports =
            Ports { clock, store, answers, files, cache, news, lease, pace, index, observer, closers };
        let roster = Roster::build(providers)?;
        if mirrors.iter().any(|mirror| roster.get(mirror.account().provider()).is_none()) {
            return Err(InputError::new("mirror.provider", "a provider that is configured").into());
        }
        let instance = Instance::new(ports, roster, seal, Hooks::new(hooks));
        instance.enrol().await;
        instance.tracker.spawn(Arc::clone(&instance).listen());
        if !onlooker {
            instance.tracker.spawn(Arc::clone(&instance).keep_vigils());
            instance.tracker.spawn(Arc::clone(&instance).find_leftovers());
            instance.tracker.spawn(Arc::clone(&instance).keep_resealing());
            instance.tracker.spawn(Arc::clone(&instance).keep_hooks());
            for mirror in mirrors {
                instance.tracker.spawn(Arc::clone(&instance).keep_mirror(mirror));
            }
        }
        if !(onlooker || without_refresher) {
            instance.start_refresher();
        }
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
