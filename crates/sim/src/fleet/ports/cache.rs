//! The shelf and its news.

use std::sync::Arc;

use async_trait::async_trait;
use solekey_core::{
    Account, Generation, StoreTime,
    ports::{Cache, Heard, Listen, Publication, Shelf, Trouble},
};

use crate::fleet::{
    history::{Fault, What},
    network::{Line, Manners, at_once, carry},
    process::Process,
};

/// The shelf, as one process sees it.
pub(crate) struct SimCache(pub(crate) Arc<Process>);

#[async_trait]
impl Cache for SimCache {
    async fn read(&self, account: &Account) -> Result<Shelf, Trouble> {
        if self.0.world.is_calm() {
            self.0.world.log(self.0.who(), What::Looked { account: account.clone() });
        }
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Cache, "read", Manners::Prompt, move || {
            at_once(process.world.cache.read(&account))
        })
        .await
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        let process = Arc::clone(&self.0);
        carry(&self.0, Line::Cache, "time", Manners::Prompt, move || at_once(process.world.cache.time()))
            .await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        if publication.token.is_some() {
            let offered = What::Offered { account: account.clone(), generation: publication.generation };
            self.0.world.log(self.0.who(), offered);
        }
        let (process, account, publication) = (Arc::clone(&self.0), account.clone(), publication.clone());
        carry(&self.0, Line::Cache, "publish", Manners::Any, move || {
            publish(&process, &account, &publication)
        })
        .await
    }

    async fn reject(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Cache, "reject", Manners::Any, move || {
            at_once(process.world.cache.reject(&account, generation))
        })
        .await
    }

    async fn absolve(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Cache, "absolve", Manners::Any, move || {
            at_once(process.world.cache.absolve(&account, generation))
        })
        .await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(Ear { process: Arc::clone(&self.0), news: self.0.world.cache.listen().await, again: None })
    }
}

fn publish(process: &Process, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
    let world = &process.world;
    if let Some(token) = &publication.token {
        world.scan("shelf", token.payload.as_bytes());
    }
    let known = || at_once(world.cache.read(account)).ok().and_then(|shelf| shelf.known);
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
    news: Box<dyn Listen>,
    again: Option<Heard>,
}

#[async_trait]
impl Listen for Ear {
    async fn next(&mut self) -> Option<Heard> {
        loop {
            self.process.gate().await;
            if let Some(heard) = self.again.take() {
                return Some(heard);
            }
            let heard = self.news.next().await?;
            let Process { world, dice, replica, .. } = &*self.process;
            if heard == Heard::Gap {
                return Some(heard);
            }
            if world.is_deaf() || world.is_away(Line::Cache, *replica) {
                continue;
            }
            if !world.is_healed() && dice.chance(world.setup.weathers.lost_news) {
                self.struck("lost");
                continue;
            }
            if !world.is_healed() && dice.chance(world.setup.weathers.double_news) {
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
        let fault = Fault { line: "shelf", operation: "news", kind };
        self.process.world.log(self.process.who(), What::Struck(fault));
    }
}
