//! What an instance can say of its own health.

use serde::Serialize;

use crate::{accounts::configuration, error::TokenError, reseal::Sealing, solekey::Solekey};

/// Whether an instance can do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The store answers.
    pub store: bool,
    /// The answers can be read and written: store and seal key are known to belong together.
    pub answers: bool,
    /// The shared cache answers; absent where there is none.
    pub cache: Option<bool>,
    /// How far re-sealing has come; absent where the ring holds one key, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealing: Option<Sealing>,
    /// Set up in a way that cannot work.
    pub mistake: Option<String>,
    /// Stopping.
    pub draining: bool,
    /// Refreshes under way.
    pub flights: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

impl Health {
    /// Whether requests should be sent here: valid tokens can be served.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.mistake.is_none() && (self.store || self.cache == Some(true))
    }
}

impl Solekey {
    /// Asks store and cache whether they are there.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn health(&self) -> Health {
        let instance = &self.instance;
        if !instance.membership.is_settled() {
            instance.enrol().await;
        }
        let store = tokio::time::timeout(PATIENCE, instance.store().identity()).await;
        let probe = solekey_core::Account::new("solekey", "readiness").expect("a valid name");
        let cache = match instance.cache() {
            None => None,
            Some(cache) => {
                Some(matches!(tokio::time::timeout(PATIENCE, cache.read(&probe)).await, Ok(Ok(_))))
            }
        };
        Health {
            store: matches!(store, Ok(Ok(_))),
            answers: instance.membership.is_settled(),
            cache,
            sealing: (!instance.seal.is_alone()).then(|| self.sealing()),
            mistake: instance.membership.fault().map(|mistake| configuration(mistake).to_string()),
            draining: instance.draining().is_cancelled(),
            flights: instance.flights.len(),
            waiting: instance.waiting(),
        }
    }

    /// The mistake in the set-up that keeps this instance from refreshing anything, once it was found.
    pub fn mistake(&self) -> Option<TokenError> {
        self.instance.membership.fault().map(configuration)
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
