//! Validated numbers and choices for one provider.

use std::time::Duration;

use crate::{Account, InputError, KEEP_ANSWERS, Replay, Windows};

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
    /// The error.
    Refuse,
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
    }

    #[test]
    fn windows_never_take_more_than_their_share_of_a_short_life() {
        let policy = PolicySettings::default().build().expect("valid");
        let windows = policy.windows_spread(Some(Duration::from_secs(6)), 0);
        assert_eq!(windows.skew, Duration::from_millis(600));
        assert_eq!(windows.ahead, Duration::from_millis(1500));
    }
}
