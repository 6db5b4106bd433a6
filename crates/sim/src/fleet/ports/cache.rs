//! The shared cache and its notifications.

use std::sync::Arc;

use async_trait::async_trait;
use solekey_core::{
    Account, Generation, Sealed, StoreTime,
    ports::{Cache, CacheEntry, Heard, Listen, Publication, Trouble},
};

use crate::fleet::{
    history::{Fault, What},
    network::{Behaviour, Line, at_once, carry},
    process::Process,
};

/// The shared cache, as one process sees it.
pub(crate) struct SimCache(pub(crate) Arc<Process>);

#[async_trait]
impl Cache for SimCache {
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble> {
        if self.0.world.is_calm() {
            self.0.world.log(self.0.who(), What::ReadSharedCache { account: account.clone() });
        }
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Cache, "read", Behaviour::Prompt, move || {
            at_once(process.world.cache.read(&account))
        })
        .await
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        let process = Arc::clone(&self.0);
        carry(&self.0, Line::Cache, "time", Behaviour::Prompt, move || at_once(process.world.cache.time()))
            .await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        if publication.token.is_some() {
            let offered = What::Offered { account: account.clone(), generation: publication.generation };
            self.0.world.log(self.0.who(), offered);
        }
        let (process, account, publication) = (Arc::clone(&self.0), account.clone(), publication.clone());
        carry(&self.0, Line::Cache, "publish", Behaviour::Any, move || {
            publish(&process, &account, &publication)
        })
        .await
    }

    async fn reject(&self, account: &Account, generation: Generation, proof: &Sealed) -> Result<(), Trouble> {
        let (process, account, proof) = (Arc::clone(&self.0), account.clone(), proof.clone());
        carry(&self.0, Line::Cache, "reject", Behaviour::Any, move || {
            at_once(process.world.cache.reject(&account, generation, &proof))
        })
        .await
    }

    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Cache, "clear_rejection", Behaviour::Any, move || {
            at_once(process.world.cache.clear_rejection(&account, generation))
        })
        .await
    }

    async fn forget(&self, account: &Account) -> Result<(), Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Cache, "forget", Behaviour::Any, move || {
            process.world.cache.forget(&account);
            Ok(())
        })
        .await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(Ear {
            process: Arc::clone(&self.0),
            change_feed: self.0.world.cache.listen().await,
            again: None,
        })
    }
}

fn publish(process: &Process, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
    let world = &process.world;
    if let Some(token) = &publication.token {
        world.scan("cache", token.payload.as_bytes());
    }
    let known = || at_once(world.cache.read(account)).ok().and_then(|shared_cache| shared_cache.known);
    let before = known();
    let put = at_once(world.cache.publish(account, publication));
    world.log(
        process.who(),
        What::Published {
            account: account.clone(),
            generation: publication.generation,
            before,
            after: known(),
            token: publication.token.is_some(),
            gone: publication.gone,
            verdict: publication.verdict.is_some(),
        },
    );
    put
}

/// A subscription that loses and repeats.
struct Ear {
    process: Arc<Process>,
    change_feed: Box<dyn Listen>,
    again: Option<Heard>,
}

#[async_trait]
impl Listen for Ear {
    async fn next(&mut self) -> Option<Heard> {
        loop {
            self.process.bucket().await;
            if let Some(heard) = self.again.take() {
                return Some(heard);
            }
            let heard = self.change_feed.next().await?;
            let Process { world, rng, replica, .. } = &*self.process;
            if heard == Heard::Gap {
                return Some(heard);
            }
            if world.is_deaf() || world.is_away(Line::Cache, *replica) {
                continue;
            }
            if !world.is_healed() && rng.chance(world.setup.faults.lost_notifications) {
                self.struck("lost");
                continue;
            }
            if !world.is_healed() && rng.chance(world.setup.faults.double_notifications) {
                self.struck("twice");
                self.again = Some(heard);
            }
            if self.process.is_running() {
                return Some(heard);
            }
            self.again = Some(heard);
        }
    }
}

impl Ear {
    fn struck(&self, kind: &'static str) {
        let fault = Fault { line: "cache", operation: "notification", kind };
        self.process.world.log(self.process.who(), What::Struck(fault));
    }
}
