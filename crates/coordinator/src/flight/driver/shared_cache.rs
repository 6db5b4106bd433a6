//! The commands that read the shared cache or mark a token there.

use std::sync::Arc;

use solekey_cache::ReadStart;
use solekey_core::{
    Account, Generation, Sealed,
    flight::{CacheView, Event, TokenView},
    ports::CacheEntry,
};

use super::super::engine::Engine;
use super::{
    payloads::Fetched,
    perform::{Done, Performed, Performer, Work},
};
use crate::provider::Provider;

impl Performer {
    pub(super) fn read_shared_cache(&self) -> Work {
        let (engine, account) = self.both();
        let provider = Arc::clone(&self.provider);
        Box::pin(async move {
            let Some(cache) = engine.process.cache() else { return Event::SharedCache(None).into() };
            let read_start = engine.process.begin_read();
            match cache.read(&account).await {
                Ok(entry) => read(&engine, &account, &provider, entry, read_start),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(account = %account.key(), error, "the shared cache is away");
                    Event::SharedCache(None).into()
                }
            }
        })
    }

    /// The mark is made before anything else is read: what a read shows after it is what the others see.
    pub(super) async fn mark_rejected(&self, generation: Generation) -> Performed {
        self.engine.process.entries().reject(self.account.key(), generation, self.engine.process.now());
        let shared = match self.engine.process.cache() {
            None => false,
            Some(cache) => match cache.reject(&self.account, generation, &Sealed::default()).await {
                Ok(()) => true,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(account = %self.account.key(), error, "a rejection is not shared");
                    false
                }
            },
        };
        Performed::Reported(Box::new(Event::RejectionMarked { generation, shared }))
    }

    pub(super) async fn clear_rejection(&self, generation: Generation) -> Performed {
        self.serve_again(generation);
        if let Some(cache) = self.engine.process.cache()
            && let Err(error) = cache.clear_rejection(&self.account, generation).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(account = %self.account.key(), error, "a rejection is not cleared");
        }
        Performed::Done
    }
}

fn read(
    engine: &Engine,
    account: &Account,
    provider: &Provider,
    entry: CacheEntry,
    read_start: ReadStart,
) -> Done {
    // The times are those of the read: the process may have been stopped since.
    let passed = engine.process.now().since(read_start.at());
    let verdict = entry.verdict.map(|verdict| verdict.map(|left| left.saturating_sub(passed)));
    let token = entry.token.as_ref().and_then(|cached| {
        Some((
            cached,
            engine.sealer.open_cached_token(&engine.process, account, provider, cached, read_start)?,
        ))
    });
    let view = token.as_ref().map(|(cached, token)| TokenView {
        generation: cached.generation,
        access: engine.sealer.fingerprints().of(&token.data.secret),
        valid: cached.valid.saturating_sub(passed),
        good: cached.good.saturating_sub(passed),
        lifetime: token.data.lifetime,
    });
    let (known, rejected, gone) = (entry.known, entry.rejected, entry.gone);
    let event = Event::SharedCache(Some(CacheView { known, token: view, verdict, rejected, gone }));
    let token = token.map(|(_, token)| token).filter(|token| !entry.is_rejected(token.data.generation));
    Done { event, fetched: Fetched::CacheEntry(token) }
}
