//! The usability of a credential at one instant.

use std::time::Duration;

use crate::{Facts, StoreTime, mutant};

/// The usability of a credential at one instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Freshness {
    /// Past its true expiry: never serve it.
    Expired,
    /// Inside the skew: wait for the refresh; serve it as stale when that does not deliver.
    InSkew,
    /// Inside refresh-ahead: serve it, and let one replica refresh.
    Ahead,
    /// Valid well beyond the skew: serve it.
    Fresh,
}

/// The instants, as time left, at which a credential's freshness changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Windows {
    /// The time before its expiry at which a token stops being good enough while a refresh may help.
    pub skew: Duration,
    /// The time before its expiry at which refreshing starts.
    pub ahead: Duration,
}

/// The time left to an access token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Remaining {
    /// Until it stops being truly valid.
    pub valid: Duration,
    /// Until refreshing counts as overdue: the same where the expiry is known, the assumed lifetime where not.
    pub nominal: Duration,
}

/// Lifetime assumed where the provider names none and nothing else is set: it starts refreshing, it does not stop
/// serving.
pub const ASSUMED_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The longest time for which a token of unknown expiry is served.
pub const UNKNOWN_EXPIRY_CAP: Duration = Duration::from_secs(24 * 60 * 60);

impl Remaining {
    /// The time left at `now` by the store's clock, of a token that is assumed to last for `assumed` where its expiry
    /// is not known.
    ///
    /// A token that nobody can refresh and that was given no end, like an API key, does not age: it is served until it
    /// is rejected, and read again once a day.
    pub fn of(facts: &Facts, now: StoreTime, assumed: Duration) -> Self {
        if let Some(end) = facts.expires_at {
            let left = end.since(now);
            return Self { valid: left, nominal: left };
        }
        if facts.is_static() && !mutant("static_token_ages") {
            return Self { valid: UNKNOWN_EXPIRY_CAP, nominal: UNKNOWN_EXPIRY_CAP };
        }
        let age = now.since(facts.made_at);
        let assumed = if mutant("lifetime_is_assumed_for_all_alike") { ASSUMED_LIFETIME } else { assumed };
        Self::unknown(assumed).aged(age)
    }

    /// The time left to a new token of unknown expiry.
    pub fn unknown(assumed: Duration) -> Self {
        Self { valid: UNKNOWN_EXPIRY_CAP, nominal: assumed }
    }

    fn aged(self, age: Duration) -> Self {
        Self { valid: self.valid.saturating_sub(age), nominal: self.nominal.saturating_sub(age) }
    }

    /// The freshness of a token with this time left.
    pub fn freshness(self, windows: Windows) -> Freshness {
        if self.valid.is_zero() {
            return Freshness::Expired;
        }
        if self.nominal <= windows.skew {
            return Freshness::InSkew;
        }
        if self.nominal <= windows.ahead {
            return Freshness::Ahead;
        }
        Freshness::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { skew: Duration::from_secs(60), ahead: Duration::from_secs(600) };

    fn known(secs: u64) -> Remaining {
        let left = Duration::from_secs(secs);
        Remaining { valid: left, nominal: left }
    }

    /// K-T8.
    #[test]
    fn freshness_changes_at_ahead_skew_and_expiry() {
        for (left, expected) in [
            (0, Freshness::Expired),
            (1, Freshness::InSkew),
            (60, Freshness::InSkew),
            (61, Freshness::Ahead),
            (600, Freshness::Ahead),
            (601, Freshness::Fresh),
        ] {
            assert_eq!(known(left).freshness(WINDOWS), expected, "{left} s left");
        }
    }

    /// S-T54, S-T55.
    #[test]
    fn a_token_without_an_end_that_nobody_can_refresh_does_not_age() {
        let print = crate::Fingerprint::new([1; 16]);
        let key =
            crate::NewFacts { access: print, refresh: None, expires_in: None, refresh_expires_in: None };
        let made_at = StoreTime::from_micros(1);
        let decades = made_at + Duration::from_secs(30 * 365 * 86_400);
        let of = |facts: crate::NewFacts| Remaining::of(&facts.at(made_at), decades, ASSUMED_LIFETIME);
        assert_eq!(of(key).freshness(WINDOWS), Freshness::Fresh);
        let dated = crate::NewFacts { expires_in: Some(Duration::from_secs(3600)), ..key };
        assert_eq!(of(dated).freshness(WINDOWS), Freshness::Expired);
        let refreshed = crate::NewFacts { refresh: Some(print), ..key };
        assert_eq!(of(refreshed).freshness(WINDOWS), Freshness::Expired);
    }

    #[test]
    fn a_token_of_unknown_expiry_is_due_after_half_an_hour_and_is_served_for_a_day() {
        let left = |age: Duration| Remaining::unknown(ASSUMED_LIFETIME).aged(age);
        assert_eq!(left(Duration::from_secs(60)).freshness(WINDOWS), Freshness::Fresh);
        assert_eq!(left(ASSUMED_LIFETIME).freshness(WINDOWS), Freshness::InSkew);
        assert_eq!(left(UNKNOWN_EXPIRY_CAP).freshness(WINDOWS), Freshness::Expired);
    }
}
