//! How fast refreshes are started that nobody waits for.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Trouble;
use crate::{ClaimId, Limits};

/// The starts that all replicas share at each provider. Its meaning is [`Gate`](crate::Gate), by a clock of its own.
///
/// Nothing that matters rests on it: whoever may present a refresh token is the store's to say. Whoever cannot ask keeps to
/// the share of a fleet that it had last.
#[async_trait]
pub trait Pace: Send + Sync + 'static {
    /// Asks for one start. Granted, it takes one place until [`leave`](Self::leave), or `ask.ttl` without. Idempotent by
    /// `ask.place` while that is held.
    async fn ask(&self, provider: &str, ask: &Ask) -> Result<Paced, Trouble>;

    /// Gives a place back; nothing happens to one that is not held.
    async fn leave(&self, provider: &str, place: ClaimId) -> Result<(), Trouble>;

    /// Tells of refreshes that were started without asking, because somebody waits for them: those who ask yield.
    async fn spend(&self, provider: &str, starts: u32, limits: Limits) -> Result<(), Trouble>;

    /// Grants nothing for so long: the provider wants to be left alone. Never shortens an earlier pause.
    async fn pause(&self, provider: &str, span: Duration) -> Result<(), Trouble>;
}

/// The wish to start a refresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Which process asks: how many there are is counted by this.
    pub who: Uuid,
    /// Names the place.
    pub place: ClaimId,
    /// What the asker's configuration says.
    pub limits: Limits,
    /// When the place is free again although nobody gave it back.
    pub ttl: Duration,
}

/// What an asker is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paced {
    /// Whether it may start.
    pub start: Start,
    /// How many processes have asked of late, this one among them.
    pub replicas: u32,
}

/// Whether a refresh may start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Now.
    Granted,
    /// Not now.
    Later {
        /// Ask again then.
        wait: Duration,
        /// What is in the way.
        why: Hold,
    },
}

/// What is in the way of a start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hold {
    /// The last start is too recent.
    Rate,
    /// All places are taken; one may be given back before the time that was told.
    Places,
    /// The provider wants to be left alone.
    Paused,
}
