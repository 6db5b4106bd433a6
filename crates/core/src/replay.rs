//! The replay rule: what a provider does with a refresh token that was presented before.

use std::time::Duration;

/// The replay rule of a provider: two facts, a window and what happens after it.
///
/// Names and sources are in the table of providers; unknown providers count as [`Replay::STRICT_FAMILY`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Replay {
    window: Window,
    spent: Spent,
}

/// The time after the first attempt's claim in which presenting again is harmless.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Window {
    /// At any time, whatever happened since.
    Always,
    /// Until the successor is used: at any time, as long as nobody holds the successor.
    UntilUsed,
    /// For this long.
    For(Duration),
    /// Never.
    Closed,
}

/// The effect of a spent token after the window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Spent {
    /// It is refused, and nothing else happens.
    Refused,
    /// It revokes the whole grant.
    RevokesFamily,
}

impl Replay {
    /// Refresh tokens do not rotate.
    pub const NON_ROTATING: Self = Self { window: Window::Always, spent: Spent::Refused };
    /// A new one is issued, the old one stays valid.
    pub const OLD_STAYS_VALID: Self = Self::NON_ROTATING;
    /// The value changes on a timer of the provider.
    pub const TIMER: Self = Self::NON_ROTATING;
    /// The old one is accepted until its successor is first used.
    pub const UNTIL_USED: Self = Self { window: Window::UntilUsed, spent: Spent::RevokesFamily };
    /// Each works once; a spent one is refused.
    pub const STRICT: Self = Self { window: Window::Closed, spent: Spent::Refused };
    /// Each works once; a spent one revokes the grant.
    pub const STRICT_FAMILY: Self = Self { window: Window::Closed, spent: Spent::RevokesFamily };

    /// The old one is accepted again for a while, and revokes the grant afterwards.
    pub const fn grace(window: Duration) -> Self {
        Self { window: Window::For(window), spent: Spent::RevokesFamily }
    }

    /// The time after the first attempt's claim in which presenting again is harmless.
    pub const fn window(self) -> Window {
        self.window
    }

    /// The effect of a spent token after the window.
    pub const fn spent(self) -> Spent {
        self.spent
    }

    /// The rule for a store that went back: its record of earlier attempts cannot be trusted, so no window is open.
    pub(crate) const fn without_window(self) -> Self {
        match self.window {
            Window::Always => self,
            Window::UntilUsed | Window::For(_) | Window::Closed => Self { window: Window::Closed, ..self },
        }
    }

    /// Returns true if using a token that is served from memory alone could close the only way back to the grant.
    pub(crate) const fn needs_acknowledged_copy(self) -> bool {
        matches!(self.window, Window::UntilUsed)
    }

    /// Returns true if presenting again after an answer that was not understood loses nothing: nobody can have used the
    /// successor in it.
    pub const fn forgives_unread(self) -> bool {
        matches!(self.window, Window::Always | Window::UntilUsed)
    }

    /// Returns true if presenting a spent token can end the grant.
    pub const fn revokes_families(self) -> bool {
        matches!(self.spent, Spent::RevokesFamily)
    }
}
