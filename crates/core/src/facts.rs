//! The facts of a credential that are known without opening it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Fingerprint, StoreTime};

/// The protocol's view of a stored credential: fingerprints and times, never tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The access token.
    pub access: Fingerprint,
    /// The refresh token, when there is one.
    pub refresh: Option<Fingerprint>,
    /// The time at which the credential came into the row.
    pub made_at: StoreTime,
    /// True expiry of the access token, when known.
    pub expires_at: Option<StoreTime>,
    /// The end of the refresh token unless it is used, when known.
    pub refresh_expires_at: Option<StoreTime>,
}

impl Facts {
    /// The access token's lifetime as counted from its arrival, when known.
    pub fn lifetime(&self) -> Option<Duration> {
        self.expires_at.map(|end| end.since(self.made_at))
    }

    /// Returns true if the access token can neither be refreshed nor ends, as with an API key.
    pub fn is_static(&self) -> bool {
        self.refresh.is_none() && self.expires_at.is_none()
    }

    /// The same facts with the time that is left at `now`.
    pub fn as_of(&self, now: StoreTime) -> NewFacts {
        let Self { access, refresh, made_at: _, expires_at, refresh_expires_at } = *self;
        let left = |end: StoreTime| end.since(now);
        NewFacts {
            access,
            refresh,
            expires_in: expires_at.map(left),
            refresh_expires_in: refresh_expires_at.map(left),
        }
    }
}

/// Facts of a credential on its way into a row, with spans instead of instants: the store adds its own clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NewFacts {
    /// The access token.
    pub access: Fingerprint,
    /// The refresh token, when there is one.
    pub refresh: Option<Fingerprint>,
    /// Time left to the access token, counted from before its request was sent; `None` when unknown.
    pub expires_in: Option<Duration>,
    /// Time left to the refresh token, when known.
    pub refresh_expires_in: Option<Duration>,
}

impl NewFacts {
    /// The facts as they stand in a row written at `now`.
    pub fn at(self, now: StoreTime) -> Facts {
        let Self { access, refresh, expires_in, refresh_expires_in } = self;
        Facts {
            access,
            refresh,
            made_at: now,
            expires_at: expires_in.map(|left| now + left),
            refresh_expires_at: refresh_expires_in.map(|left| now + left),
        }
    }

    /// Keeps the old facts' end of a refresh token that was not replaced.
    pub fn keeping(self, old: Option<&Self>) -> Self {
        let kept = old.filter(|old| old.refresh == self.refresh).and_then(|old| old.refresh_expires_in);
        Self { refresh_expires_in: self.refresh_expires_in.or(kept), ..self }
    }

    /// The same facts of an access token that lives for `left` at most, where that is known.
    pub(crate) fn shortened(self, left: Option<Duration>) -> Self {
        let shorter = self.expires_in.zip(left).map(|(known, left)| known.min(left));
        Self { expires_in: shorter.or(self.expires_in), ..self }
    }

    /// The same facts, of tokens that live no longer than those of `shown`.
    pub(crate) fn no_longer_than(self, shown: &Self) -> Self {
        let shorter = |mine: Option<Duration>, shown: Option<Duration>| {
            mine.map(|mine| shown.map_or(mine, |shown| mine.min(shown)))
        };
        Self {
            expires_in: shorter(self.expires_in, shown.expires_in),
            refresh_expires_in: shorter(self.refresh_expires_in, shown.refresh_expires_in),
            ..self
        }
    }

    /// The same facts `passed` later.
    pub fn aged(self, passed: Duration) -> Self {
        let age = |left: Duration| left.saturating_sub(passed);
        Self {
            expires_in: self.expires_in.map(age),
            refresh_expires_in: self.refresh_expires_in.map(age),
            ..self
        }
    }
}
