//! Figures of an instance at this instant, for whoever draws them.

use crate::{
    flight::Engine,
    process::{Closer, RedisLinkState},
    solekey::Solekey,
};

/// Figures of an instance at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Refreshes under way.
    pub flights: usize,
    /// Requests that wait for one.
    pub waiting: usize,
    /// Accounts that this process rechecks because an attempt is open whose owner has not been heard of.
    pub watched: usize,
    /// The providers whose answers are not understood, as far as this process knows.
    pub unread_providers: usize,
    /// The link to Redis; absent where none was opened by name.
    pub redis: Option<RedisLinkState>,
}

impl Solekey {
    /// Returns the figures of this instance. Asks nobody, and does not wait.
    pub fn stats(&self) -> Stats {
        let Engine { process, flights, .. } = &*self.engine;
        Stats {
            flights: flights.len(),
            waiting: process.waiting(),
            watched: self.background.rechecks.len(),
            unread_providers: process.unread.closed(process.now()).len(),
            redis: process.ports.closers.iter().find_map(Closer::redis_link_state),
        }
    }
}
