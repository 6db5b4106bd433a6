//! The state of the link, as seen from outside.

use std::fmt;

/// The state of a link at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// The phase, which shows whether calls go through.
    pub phase: LinkPhase,
    /// The number of times the link has come up: it grows with every new connection and whenever a slow or silent
    /// server answers again. A caller that sees it grow re-publishes what it could not write meanwhile.
    pub epoch: u64,
}

impl LinkState {
    /// Returns whether calls go through.
    pub fn is_up(&self) -> bool {
        self.phase == LinkPhase::Up
    }
}

/// The phase of a link: calls go through, wait, or fail at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPhase {
    /// Calls are sent.
    Up,
    /// The connection was lost a moment ago and the first attempt at a new one is under way; calls wait for it
    /// within their own deadline.
    Reconnecting,
    /// Calls fail at once; the link keeps trying by itself.
    Down(DownReason),
}

/// The reason why calls fail at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownReason {
    /// Nobody answers at the address.
    Unreachable,
    /// A server answers but turns us away: wrong password, wrong database, still loading, too many clients.
    TurnedAway,
    /// The connection stands, but several calls in a row got no answer.
    Silent,
    /// The connection stands, but the median answer takes too long.
    Slow,
    /// The link was closed by its owner.
    Closed,
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::TurnedAway => "the server turns us away",
            Self::Silent => "the server does not answer",
            Self::Slow => "the server answers too slowly",
            Self::Closed => "the link is closed",
        })
    }
}
