//! A replica that dies at a call: from then on nothing it asks of any port happens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use solekey::Builder;
use solekey_core::{
    Account, Answer, Claim, ClaimId, Commit, Fence, Found, Generation, Login, Policy, Sealed, Settle,
    StoreTime,
    ports::{
        Answers, Cache, CacheEntry, Lease, LeaseReply, Listen, Loaded, LoggedIn, Page, Publication,
        Registration, Store, StoreError, StoreIdentity, Trouble,
    },
};

use crate::fixture::World;

/// The call at which a replica dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// It is not carried out.
    Before(&'static str),
    /// It is carried out, and its reply never heard.
    After(&'static str),
}

/// The ports of one world, as a mortal sees them.
struct Ports {
    world: Arc<World>,
    death: Death,
    is_dead: AtomicBool,
}

/// The state of a replica: alive or dead.
pub(crate) struct Pulse(Arc<Ports>);

impl Pulse {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_dead.load(Relaxed)
    }
}

/// A replica of this world that dies.
pub(crate) fn mortal(world: &Arc<World>, policy: Policy, death: Death) -> (Builder, Pulse) {
    let ports = Arc::new(Ports { world: Arc::clone(world), death, is_dead: AtomicBool::default() });
    let builder = world.embedded(policy).store(ports.clone()).answers(ports.clone());
    (builder.cache(ports.clone()).lease(ports.clone()), Pulse(ports))
}

/// A store of this world in whose calls a replica dies that has everything else for itself.
pub(crate) fn mortal_store(world: &Arc<World>, death: Death) -> (Arc<dyn Store>, Pulse) {
    let ports = Arc::new(Ports { world: Arc::clone(world), death, is_dead: AtomicBool::default() });
    (ports.clone(), Pulse(ports))
}

impl Ports {
    async fn live<T>(
        &self,
        call: &'static str,
        carry_out: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        if matches!(self.death, Death::Before(last) if last == call) {
            self.is_dead.store(true, Relaxed);
        }
        if self.is_dead.load(Relaxed) {
            return Err(Trouble::not_applied("dead"));
        }
        let done = carry_out.await;
        if matches!(self.death, Death::After(last) if last == call) {
            self.is_dead.store(true, Relaxed);
            return Err(Trouble::unknown("dead"));
        }
        done
    }

    async fn live_in_store<T>(
        &self,
        call: &'static str,
        carry_out: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.live(call, async { Ok(carry_out.await) }).await?
    }
}

#[async_trait]
impl Store for Ports {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.live_in_store("identity", self.world.store.identity()).await
    }

    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.live_in_store("pin", self.world.store.pin(name, value)).await
    }

    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.live_in_store("repin", self.world.store.repin(name, seen, value)).await
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        self.live_in_store("load", self.world.store.load(account)).await
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.live_in_store("claim", self.world.store.claim(account, claim)).await
    }

    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.live_in_store("commit", self.world.store.commit(account, commit, payload)).await
    }

    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.live_in_store("reseal", self.world.store.reseal(account, made_by, payload)).await
    }

    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
        self.live_in_store("settle", self.world.store.settle(account, settle)).await
    }

    async fn login(
        &self,
        account: &Account,
        login: &Login,
        payload: &Sealed,
    ) -> Result<LoggedIn, StoreError> {
        self.live_in_store("login", self.world.store.login(account, login, payload)).await
    }

    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
        self.live_in_store("delete", self.world.store.delete(account, id)).await
    }

    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.live_in_store("list", self.world.store.list(provider, cursor, limit)).await
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.live_in_store("due", self.world.store.due(provider, hold, limit)).await
    }
}

#[async_trait]
impl Answers for Ports {
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
        self.live("write", self.world.answers.write(account, answer)).await
    }

    async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
        self.live("newest", self.world.answers.newest(account)).await
    }

    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble> {
        self.live("reseal answer", self.world.answers.reseal(account, attempt, claim, payload)).await
    }

    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
        self.live("erase", self.world.answers.erase(account, before)).await
    }

    async fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
        self.live("register", self.world.answers.register(registration)).await
    }

    async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
        self.live("register_anew", self.world.answers.register_anew(registration)).await
    }
}

#[async_trait]
impl Cache for Ports {
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble> {
        self.live("read", self.world.cache.read(account)).await
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        self.live("time", self.world.cache.time()).await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        self.live("publish", self.world.cache.publish(account, publication)).await
    }

    async fn reject(&self, account: &Account, generation: Generation, proof: &Sealed) -> Result<(), Trouble> {
        self.live("reject", self.world.cache.reject(account, generation, proof)).await
    }

    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        self.live("clear_rejection", self.world.cache.clear_rejection(account, generation)).await
    }

    async fn forget(&self, account: &Account) -> Result<(), Trouble> {
        self.live("forget", Cache::forget(&*self.world.cache, account)).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        self.world.cache.listen().await
    }
}

#[async_trait]
impl Lease for Ports {
    async fn acquire(
        &self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble> {
        self.live("acquire", self.world.lease.acquire(account, token, ttl, floor)).await
    }

    async fn release(&self, account: &Account, token: ClaimId) -> Result<(), Trouble> {
        self.live("release", self.world.lease.release(account, token)).await
    }
}
