//! The health of an instance.

use serde::Serialize;
use solekey_core::{mutant, ports::StoreError};

use crate::{
    accounts::configuration, background::Sealing, error::TokenError, flight::Engine, process::UnreadProvider,
    solekey::Solekey,
};

/// The health of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Health {
    /// The store answers.
    pub store: bool,
    /// The answers can be read and written: store and seal key are known to belong together.
    pub answers: bool,
    /// The shared cache answers; absent where there is none.
    pub cache: Option<bool>,
    /// The progress of re-sealing; absent where the ring holds one key, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealing: Option<Sealing>,
    /// Valid tokens can be served: store or shared cache can be read, or this process holds one in memory.
    pub serve: Condition,
    /// What is due can be refreshed: store and answers take writes.
    pub refresh: Condition,
    /// Set up in a way that cannot work.
    pub mistake: Option<String>,
    /// The store has another identity than when this process started: it has lost what it held, as by `FLUSHALL`, or is
    /// another one. Accounts come back from their answers; a process that starts now refreshes nothing until somebody
    /// decides which store's answers count.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub store_replaced: bool,
    /// The providers whose answers are not understood, as far as this process knows: few of their accounts are tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadProvider>,
    /// Stopping.
    pub draining: bool,
    /// Refreshes under way.
    pub flights: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

/// Whether something works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Condition {
    /// It does.
    pub up: bool,
    /// Why it does not, in the words of whoever refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Condition {
    fn of(trouble: Option<String>) -> Self {
        Self { up: trouble.is_none(), why: trouble }
    }
}

impl Health {
    /// Returns whether requests should be sent here: valid tokens can be served.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.mistake.is_none() && self.serve.up
    }

    /// Returns whether everything works: valid tokens can be served, and what is due refreshed.
    pub fn is_whole(&self) -> bool {
        self.is_ready() && self.refresh.up
    }
}

impl Solekey {
    /// Asks store and cache whether they are there.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn health(&self) -> Health {
        let Engine { process, check, flights, sealer, .. } = &*self.engine;
        let probe = solekey_core::Account::new("solekey", "readiness").expect("a valid name");
        let settle = async {
            if !check.is_settled() {
                check.run().await;
            }
        };
        let read = async {
            let identity = process.store().identity().await?;
            process.store().load(&probe).await?;
            Ok::<_, StoreError>(check.is_replaced(identity.id))
        };
        let cached = async {
            let read = process.cache()?.read(&probe);
            Some(matches!(tokio::time::timeout(PATIENCE, read).await, Ok(Ok(_))))
        };
        let read = tokio::time::timeout(PATIENCE, read);
        let ((), store, cache, trouble) = tokio::join!(settle, read, cached, process.trouble_of_writes());
        let store_replaced = match store {
            Ok(Ok(is_replaced)) => is_replaced,
            _ => check.was_replaced(),
        };
        let unread = match store {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("the store cannot be read: {}", words(&error))),
            Err(_) => Some("the store does not answer".to_owned()),
        };
        let store = unread.is_none();
        let serves = store || cache == Some(true) || process.entries().holds_valid(process.now());
        let unserved = (!serves).then(|| {
            trouble.clone().unwrap_or_else(|| "neither the store nor the shared cache can be read".to_owned())
        });
        let unsettled =
            || "it is not known yet whether store, answers and seal key belong together".to_owned();
        let unread = unread.filter(|_| !mutant("store_that_cannot_be_read_refreshes"));
        let unrefreshed = trouble.or(unread).or_else(|| (!check.is_settled()).then(unsettled));
        Health {
            store,
            answers: check.is_settled(),
            cache,
            serve: Condition::of(unserved),
            refresh: Condition::of(unrefreshed),
            sealing: (!sealer.keys().is_alone()).then(|| self.sealing()),
            mistake: check.fault().map(|mistake| configuration(mistake).to_string()),
            store_replaced,
            unread: process.unread.closed(process.now()),
            draining: process.tasks.is_draining(),
            flights: flights.len(),
            waiting: process.waiting(),
        }
    }

    /// The mistake in the set-up that keeps this instance from refreshing anything, once it was found.
    pub fn mistake(&self) -> Option<TokenError> {
        self.engine.check.fault().map(configuration)
    }
}

/// The error and what led to it.
fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
