//! Validated numbers and choices for one provider.

use std::time::Duration;

use crate::{
    ASSUMED_LIFETIME, Account, Delay, Facts, InputError, KEEP_ANSWERS, Remaining, Replay, SPENT_KEPT,
    StoreTime, UNKNOWN_EXPIRY_CAP, Windows, mutant,
};

/// The policy by which accounts of one provider are refreshed. A value that exists is valid.
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

/// The policy for a generation in doubt where presenting again could revoke the grant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum InDoubt {
    /// Present again once nothing is left to lose.
    #[default]
    LastChance,
    /// Ask for a new login; present nothing.
    AskLogin,
}

/// The policy for callers when the refresh does not deliver and the token is still valid.
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
    /// Returns true if the token is served although the refresh has not delivered; `why` is the reason, where it may
    /// yet deliver.
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
    /// The provider's rule for spent refresh tokens.
    pub replay: Replay,
    /// The policy for doubt.
    pub in_doubt: InDoubt,
    /// The policy for overdue but valid tokens.
    pub stale: Stale,
    /// From connect on: after that callers no longer wait for the answer, which is [read on](Policy::read_limit). Default
    /// 10 s.
    pub exchange_timeout: Duration,
    /// The time for which an attempt may be in flight, at most 7 days. Derived: twice the timeout, at least 60 s where
    /// families are revoked.
    pub quarantine: Option<Duration>,
    /// At most a day. Derived: exchange timeout, answer budget and slack.
    pub lease_ttl: Option<Duration>,
    /// The time before its expiry at which a token stops being good enough while a refresh may help. Default 60 s.
    pub skew: Duration,
    /// The time before its expiry at which refreshing starts, at most a year. Default 10 min.
    pub refresh_ahead: Duration,
    /// The time for which a caller waits for another owner's result. Default 8 s; zero: not at all.
    pub max_wait: Duration,
    /// The lifetime of an access token whose provider states none: refreshing starts and it counts as stale by then, it
    /// is served for a day at most. A second to a day; default [`ASSUMED_LIFETIME`].
    pub assumed_lifetime: Duration,
    /// The lifetime of a refresh token of this provider while it is not used, where an answer states none. At half of
    /// it the account is checked, whatever its access token. An hour to [`SPENT_KEPT`], for which spent ones are
    /// remembered; default: unknown.
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
        refresh_life.map_or(Ok(()), |life| bounded("refresh_life", life, MIN_REFRESH_LIFE, SPENT_KEPT))?;
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
    /// The provider's rule for spent refresh tokens.
    pub fn replay(&self) -> Replay {
        self.replay
    }

    /// The policy for doubt.
    pub fn in_doubt(&self) -> InDoubt {
        self.in_doubt
    }

    /// The policy for overdue but valid tokens.
    pub fn stale(&self) -> Stale {
        self.stale
    }

    /// From connect on: after that callers no longer wait for the answer.
    pub fn exchange_timeout(&self) -> Duration {
        self.exchange_timeout
    }

    /// The part of an attempt that is reserved, after the exchange, for writing the answer down.
    pub fn answer_budget(&self) -> Duration {
        self.answer_budget
    }

    /// The time for which an attempt may be in flight.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// The time for which the answer of an exchange is read, from before its request was sent: whoever waits for it is
    /// let go after [`exchange_timeout`](Self::exchange_timeout), and a pair that comes later is still a pair.
    pub fn read_limit(&self) -> Duration {
        if mutant("reading_ends_at_exchange_timeout") {
            return self.exchange_timeout;
        }
        (self.span * READ_SPANS).min(MAX_READ).max(self.exchange_timeout)
    }

    /// The lifetime of the lease.
    pub fn lease_ttl(&self) -> Duration {
        self.lease_ttl
    }

    /// The time for which a caller waits for another owner's result.
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// The lifetime of an access token whose provider states none.
    pub fn assumed_lifetime(&self) -> Duration {
        self.assumed_lifetime
    }

    /// The lifetime of a refresh token while it is not used, where an answer states none and the provider's is known.
    pub fn refresh_life(&self) -> Option<Duration> {
        self.refresh_life
    }

    /// The time left to an access token at `now` by the store's clock.
    pub fn remaining(&self, facts: &Facts, now: StoreTime) -> Remaining {
        Remaining::of(facts, now, self.assumed_lifetime)
    }

    /// The end of a refresh token unless it is used, as far as that is known.
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

/// Writing an answer takes milliseconds; a quarter of the exchange, at most 2 s, is enough for a slow store, too.
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
/// Shorter than any provider's; a lifetime that short is stated in the answers.
const MIN_REFRESH_LIFE: Duration = Duration::from_secs(60 * 60);
/// A gateway in front of a token endpoint gives up after a minute or so, and ends the connection with that.
const READ_SPANS: u32 = 4;
/// A connection on which nothing has come for an hour brings nothing any more.
const MAX_READ: Duration = Duration::from_secs(60 * 60);
/// An answer has to be there for as long as somebody may have to read it.
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
        for refresh_life in [secs(3599), SPENT_KEPT + secs(1), endless] {
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
