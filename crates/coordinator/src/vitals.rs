//! What an instance is doing at this instant, for whoever draws it.

use crate::{backends::Closer, solekey::Solekey};

/// What an instance is doing at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Vitals {
    /// Refreshes under way.
    pub flights: usize,
    /// Requests that wait for one.
    pub waiting: usize,
    /// Accounts this process looks at because an attempt is open whose owner has not been heard of.
    pub watched: usize,
    /// The link to Redis; absent where none was opened by name.
    pub redis: Option<RedisLinkState>,
}

/// Whether Redis can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisLinkState {
    /// Whether calls go through.
    pub phase: RedisPhase,
    /// How often the link has come up.
    pub epoch: u64,
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedisPhase {
    /// They do.
    Up,
    /// The connection was lost a moment ago; calls wait for the next one.
    Reconnecting,
    /// They fail at once.
    Down,
}

impl Solekey {
    /// What this instance is doing. Asks nobody, and does not wait.
    pub fn vitals(&self) -> Vitals {
        let instance = &self.instance;
        Vitals {
            flights: instance.flights.len(),
            waiting: instance.waiting(),
            watched: instance.vigils.len(),
            redis: instance.ports.closers.iter().find_map(Closer::redis_link_state),
        }
    }
}

#[cfg(feature = "redis")]
impl From<solekey_redis_link::LinkState> for RedisLinkState {
    fn from(state: solekey_redis_link::LinkState) -> Self {
        use solekey_redis_link::LinkPhase;
        let phase = match state.phase {
            LinkPhase::Up => RedisPhase::Up,
            LinkPhase::Reconnecting => RedisPhase::Reconnecting,
            LinkPhase::Down(_) => RedisPhase::Down,
        };
        Self { phase, epoch: state.epoch }
    }
}
