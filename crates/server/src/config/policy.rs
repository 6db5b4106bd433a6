//! The policy of a provider: its keys, and what its preset brings where they are not set.

use std::time::Duration;

use solekey::core::{InDoubt, InputError, Limits, PolicySettings, Replay, Stale};

use super::{
    choices::{OnLockHeld, OnRefreshError, ReplayName, StaleName},
    settings::ProviderSettings,
    span::Span,
};

impl ProviderSettings {
    /// The settings of the policy, where `preset` is what the preset brings.
    pub(super) fn policy(&self, preset: PolicySettings) -> Result<PolicySettings, InputError> {
        let refresh_ahead = or(self.refresh_ahead, preset.refresh_ahead);
        Ok(PolicySettings {
            replay: self.replay_rule()?.unwrap_or(preset.replay),
            in_doubt: self.in_doubt.map_or(preset.in_doubt, InDoubt::from),
            stale: self.stale(&preset),
            exchange_timeout: or(self.exchange_timeout, preset.exchange_timeout),
            quarantine: given(self.quarantine).or(preset.quarantine),
            lease_ttl: given(self.lease.ttl).or(preset.lease_ttl),
            // Derived where it is not set: refreshing has to start before the token stops being good enough.
            skew: or(self.skew, preset.skew.min(refresh_ahead / 2)),
            refresh_ahead,
            max_wait: self.max_wait(&preset),
            assumed_lifetime: or(self.assumed_lifetime, preset.assumed_lifetime),
            refresh_life: given(self.refresh_life).or(preset.refresh_life),
        })
    }

    /// The limits of the background. A rate of 0 switches it off; a value beyond the bounds is clamped.
    pub(super) fn limits(&self) -> Option<Limits> {
        let rate = self.refresh_rate.unwrap_or(Limits::DEFAULT.rate());
        let concurrency = self.refresh_concurrency.unwrap_or(Limits::DEFAULT.permits());
        (rate > 0).then(|| Limits::new(rate, concurrency))
    }

    fn replay_rule(&self) -> Result<Option<Replay>, InputError> {
        self.replay.map(|name| replay(name, self.grace)).transpose()
    }

    /// `on_lock_held` is another spelling of `max_wait` and `stale`, `on_refresh_error` of `stale`; of several the stricter
    /// one wins.
    fn max_wait(&self, preset: &PolicySettings) -> Duration {
        match self.on_lock_held {
            Some(OnLockHeld::UseExisting | OnLockHeld::Fail) => Duration::ZERO,
            Some(OnLockHeld::WaitForCache) if preset.max_wait.is_zero() => {
                or(self.max_wait, PolicySettings::default().max_wait)
            }
            Some(OnLockHeld::WaitForCache) | None => or(self.max_wait, preset.max_wait),
        }
    }

    fn stale(&self, preset: &PolicySettings) -> Stale {
        let fails = self.on_lock_held == Some(OnLockHeld::Fail);
        match (self.stale, self.on_refresh_error) {
            _ if fails => Stale::Refuse,
            (Some(StaleName::Refuse), _) => Stale::Refuse,
            // Refusing after a failure and not waiting for a success: what there is is used in between.
            (_, Some(OnRefreshError::ReturnError)) if self.uses_existing(preset) => Stale::WhileRefreshing,
            (_, Some(OnRefreshError::ReturnError)) => Stale::Refuse,
            (Some(StaleName::WhileRefreshing), _) => Stale::WhileRefreshing,
            (Some(StaleName::Serve), _) | (None, Some(OnRefreshError::UseExisting)) => Stale::Serve,
            (None, None) => preset.stale,
        }
    }

    fn uses_existing(&self, preset: &PolicySettings) -> bool {
        self.on_lock_held
            .map_or(preset.stale == Stale::WhileRefreshing, |held| held == OnLockHeld::UseExisting)
    }
}

fn given(span: Option<Span>) -> Option<Duration> {
    span.map(|Span(span)| span)
}

fn or(span: Option<Span>, default: Duration) -> Duration {
    given(span).unwrap_or(default)
}

fn replay(name: ReplayName, grace: Option<Span>) -> Result<Replay, InputError> {
    Ok(match name {
        ReplayName::NonRotating => Replay::NON_ROTATING,
        ReplayName::OldStaysValid => Replay::OLD_STAYS_VALID,
        ReplayName::Timer => Replay::TIMER,
        ReplayName::UntilUsed => Replay::UNTIL_USED,
        ReplayName::Strict => Replay::STRICT,
        ReplayName::StrictFamily => Replay::STRICT_FAMILY,
        ReplayName::Grace => match grace {
            Some(Span(window)) if !window.is_zero() => Replay::grace(window),
            _ => return Err(InputError::new("grace", "a duration above zero, with replay = \"grace\"")),
        },
    })
}
