//! Validated numbers and choices for one provider.

use std::time::Duration;

use crate::{
    ASSUMED_LIFETIME, Account, Delay, Facts, InputError, KEEP_ANSWERS, Remaining, Replay, StoreTime,
    UNKNOWN_EXPIRY_CAP, Windows,
};

/// How accounts of one provider are refreshed. A value that exists is valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Policy {
    replay: Replay,
    in_doubt: InDoubt,
    stale: Stale,
    exchange_timeout: Duration,
    answer_budget: Duration,
    span: Duration,
    lease_ttl: Duration,
    skew: Duration,
    refresh_ahead: Duration,
    max_wait: Duration,
    assumed_lifetime: Duration,
    refresh_life: Option<Duration>,
}

/// What to do about a generation in doubt where presenting again could revoke the grant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum InDoubt {
    /// Present again once nothing is left to lose.
    #[default]
    LastChance,
    /// Ask for a new login; present nothing.
    AskLogin,
}

/// What a caller gets when the refresh does not deliver and the token is still valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Stale {
    /// The token, marked stale.
    #[default]
    Serve,
    /// The token, marked stale, while somebody's refresh is under way; the error once it has failed.
    WhileRefreshing,
    /// The error.
    Refuse,
}

impl Stale {
    /// Whether the token is served although the refresh has not delivered; `why` it has not, where it may yet.
    pub fn serves(self, why: Option<Delay>) -> bool {
        match self {
            Self::Serve => true,
            Self::WhileRefreshing => why == Some(Delay::InFlight),
            Self::Refuse => false,
        }
    }
}

/// Settings of a [`Policy`] before validation. `None` is derived from `exchange_timeout` and `replay`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PolicySettings {
    /// What the provider does with spent refresh tokens.
    pub replay: Replay,
    /// What to do about doubt.
    pub in_doubt: InDoubt,
    /// What to do about overdue but valid tokens.
    pub stale: Stale,
    /// From connect to the last byte of the answer. Default 10 s.
    pub exchange_timeout: Duration,
    /// How long an attempt may be in flight, at most 7 days. Derived: twice the timeout, at least 60 s where families
    /// are revoked.
    pub quarantine: Option<Duration>,
    /// At most a day. Derived: exchange timeout, answer budget and slack.
    pub lease_ttl: Option<Duration>,
    /// How early a token stops being good enough while a refresh may help. Default 60 s.
    pub skew: Duration,
    /// How early refreshing starts, at most a year. Default 10 min.
    pub refresh_ahead: Duration,
    /// How long a caller waits for another owner's result. Default 8 s; zero: not at all.
    pub max_wait: Duration,
    /// How long an access token lasts whose provider does not say: refreshing starts and it counts as stale by then, it
    /// is served for a day at most. A second to a day; default [`ASSUMED_LIFETIME`].
    pub assumed_lifetime: Duration,
    /// How long a refresh token of this provider lasts while it is not used, where an answer does not say. At half of
    /// it the account is looked at, whatever its access token. An hour to ten years; default: unknown.
    pub refresh_life: Option<Duration>,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            replay: Replay::STRICT_FAMILY,
            in_doubt: InDoubt::LastChance,
            stale: Stale::Serve,
            exchange_timeout: Duration::from_secs(10),
            quarantine: None,
            lease_ttl: None,
            skew: Duration::from_secs(60),
            refresh_ahead: Duration::from_secs(600),
            max_wait: Duration::from_secs(8),
            assumed_lifetime: ASSUMED_LIFETIME,
            refresh_life: None,
        }
    }
}

impl PolicySettings {
    /// Validates the settings.
    ///
    /// # Errors
    /// Names the first field that cannot work and what was expected of it.
    pub fn build(self) -> Result<Policy, InputError> {
        let Self {
            replay,
            in_doubt,
            stale,
            exchange_timeout,
            quarantine,
            lease_ttl,
            skew,
            refresh_ahead,
            max_wait,
            assumed_lifetime,
            refresh_life,
        } = self;
        bounded("exchange_timeout", exchange_timeout, MIN_TIMEOUT, MAX_TIMEOUT)?;
        let answer_budget = answer_budget(exchange_timeout);
        let floor = exchange_timeout + answer_budget;
        let span = quarantine.unwrap_or_else(|| default_span(replay, exchange_timeout));
        if span <= floor {
            let expected = format!("more than exchange_timeout and its answer budget together ({floor:?})");
            return Err(InputError::new("quarantine", expected));
        }
        bounded("quarantine", span, floor, MAX_SPAN)?;
        let lease_ttl = lease_ttl.unwrap_or(floor + exchange_timeout / 2);
        if lease_ttl <= exchange_timeout {
            let expected = format!("more than exchange_timeout ({exchange_timeout:?})");
            return Err(InputError::new("lease.ttl", expected));
        }
        bounded("lease.ttl", lease_ttl, exchange_timeout, MAX_LEASE_TTL)?;
        bounded("refresh_ahead", refresh_ahead, Duration::ZERO, MAX_AHEAD)?;
        if skew >= refresh_ahead {
            return Err(InputError::new("skew", format!("less than refresh_ahead ({refresh_ahead:?})")));
        }
        bounded("max_wait", max_wait, Duration::ZERO, MAX_WAIT)?;
        bounded("assumed_lifetime", assumed_lifetime, MIN_ASSUMED, UNKNOWN_EXPIRY_CAP)?;
        refresh_life
            .map_or(Ok(()), |life| bounded("refresh_life", life, MIN_REFRESH_LIFE, MAX_REFRESH_LIFE))?;
        Ok(Policy {
            replay,
            in_doubt,
            stale,
            exchange_timeout,
            answer_budget,
            span,
            lease_ttl,
            skew,
            refresh_ahead,
            max_wait,
            assumed_lifetime,
            refresh_life,
        })
    }
}

impl Policy {
    /// What the provider does with spent refresh tokens.
    pub fn replay(&self) -> Replay {
        self.replay
    }

    /// What to do about doubt.
    pub fn in_doubt(&self) -> InDoubt {
        self.in_doubt
    }

    /// What to do about overdue but valid tokens.
    pub fn stale(&self) -> Stale {
        self.stale
    }

    /// From connect to the last byte of the answer.
    pub fn exchange_timeout(&self) -> Duration {
        self.exchange_timeout
    }

    /// What must be left of an attempt, beyond the exchange, for writing the answer down.
    pub fn answer_budget(&self) -> Duration {
        self.answer_budget
    }

    /// How long an attempt may be in flight.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// How long the lease lasts.
    pub fn lease_ttl(&self) -> Duration {
        self.lease_ttl
    }

    /// How long a caller waits for another owner's result.
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// How long an access token lasts whose provider does not say.
    pub fn assumed_lifetime(&self) -> Duration {
        self.assumed_lifetime
    }

    /// How long a refresh token lasts while it is not used, where an answer does not say and the provider is known for it.
    pub fn refresh_life(&self) -> Option<Duration> {
        self.refresh_life
    }

    /// What is left of an access token at `now` by the store's clock.
    pub fn remaining(&self, facts: &Facts, now: StoreTime) -> Remaining {
        Remaining::of(facts, now, self.assumed_lifetime)
    }

    /// When a refresh token ends unless it is used, as far as that is known.
    pub fn refresh_ends(&self, facts: &Facts) -> Option<StoreTime> {
        let usual = || self.refresh_life.map(|life| facts.made_at + life);
        facts.refresh.and(facts.refresh_expires_at.or_else(usual))
    }

    /// The windows of a token with this lifetime: skew at most a tenth of it, refresh-ahead at most a quarter, with
    /// stable jitter (0 to 10 % earlier) so that accounts imported together do not stay together.
    pub fn windows(&self, lifetime: Option<Duration>, account: &Account) -> Windows {
        self.windows_spread(lifetime, account.key().spread())
    }

    pub(crate) fn windows_spread(&self, lifetime: Option<Duration>, spread: u64) -> Windows {
        let permille = 1000 - u32::try_from(spread % 101).unwrap_or(0);
        let (mut skew, mut ahead) = (self.skew, self.refresh_ahead);
        if let Some(lifetime) = lifetime {
            skew = skew.min(lifetime / 10);
            ahead = ahead.min(lifetime / 4);
        }
        Windows { skew, ahead: (ahead * permille / 1000).max(skew) }
    }
}

fn default_span(replay: Replay, exchange_timeout: Duration) -> Duration {
    let span = exchange_timeout * 2;
    if replay.revokes_families() { span.max(MIN_FAMILY_SPAN) } else { span }
}

/// Writing an answer takes milliseconds; a quarter of the exchange, at most 2 s, leaves room for a slow store.
fn answer_budget(exchange_timeout: Duration) -> Duration {
    (exchange_timeout / 4).min(Duration::from_secs(2))
}

fn bounded(field: &'static str, value: Duration, min: Duration, max: Duration) -> Result<(), InputError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(InputError::new(field, format!("between {min:?} and {max:?}")))
}

const MIN_TIMEOUT: Duration = Duration::from_millis(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_WAIT: Duration = Duration::from_secs(300);
const MIN_FAMILY_SPAN: Duration = Duration::from_secs(60);
const MIN_ASSUMED: Duration = Duration::from_secs(1);
/// Shorter than any provider's; what is that short the answers say.
const MIN_REFRESH_LIFE: Duration = Duration::from_secs(60 * 60);
const MAX_REFRESH_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// An answer has to be there for as long as somebody may have to look for it.
const MAX_SPAN: Duration = KEEP_ANSWERS;
/// A released lease is remembered for a day, and nobody holds one for longer.
const MAX_LEASE_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than access tokens live; of known lifetimes only a quarter counts anyway.
const MAX_AHEAD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn field(settings: PolicySettings) -> String {
        settings.build().expect_err("refused").field().to_owned()
    }

    #[test]
    fn the_defaults_are_valid() {
        let policy = PolicySettings::default().build().expect("valid");
        assert_eq!(policy.span(), Duration::from_secs(60));
        assert!(policy.lease_ttl() > policy.exchange_timeout());
    }

    #[test]
    fn numbers_that_cannot_work_are_refused_by_name() {
        let secs = Duration::from_secs;
        let base = PolicySettings::default();
        assert_eq!(field(PolicySettings { skew: secs(600), ..base }), "skew");
        assert_eq!(field(PolicySettings { quarantine: Some(secs(9)), ..base }), "quarantine");
        assert_eq!(field(PolicySettings { lease_ttl: Some(secs(10)), ..base }), "lease.ttl");
        assert_eq!(field(PolicySettings { exchange_timeout: secs(0), ..base }), "exchange_timeout");
        assert_eq!(field(PolicySettings { max_wait: secs(301), ..base }), "max_wait");
        let endless = Duration::MAX;
        assert_eq!(field(PolicySettings { quarantine: Some(endless), ..base }), "quarantine");
        assert_eq!(field(PolicySettings { lease_ttl: Some(endless), ..base }), "lease.ttl");
        assert_eq!(field(PolicySettings { refresh_ahead: endless, ..base }), "refresh_ahead");
        for assumed_lifetime in [secs(0), secs(86_401)] {
            assert_eq!(field(PolicySettings { assumed_lifetime, ..base }), "assumed_lifetime");
        }
        for refresh_life in [secs(3599), endless] {
            assert_eq!(field(PolicySettings { refresh_life: Some(refresh_life), ..base }), "refresh_life");
        }
    }

    #[test]
    fn windows_never_take_more_than_their_share_of_a_short_life() {
        let policy = PolicySettings::default().build().expect("valid");
        let windows = policy.windows_spread(Some(Duration::from_secs(6)), 0);
        assert_eq!(windows.skew, Duration::from_millis(600));
        assert_eq!(windows.ahead, Duration::from_millis(1500));
    }
}
