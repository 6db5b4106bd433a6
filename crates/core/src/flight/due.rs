//! The instants at which an account is due for a check.

use std::time::Duration;

use crate::{Facts, NewFacts, Policy, SETTLED_FOR, StoreTime, mutant};

/// Returns the time after which an account with a new credential is due: when refreshing starts, or half-way to the
/// refresh token's end if that comes first; never without a refresh token.
pub fn next_check(policy: &Policy, facts: &NewFacts, spread: u64) -> Option<Duration> {
    facts.refresh?;
    let lifetime = facts.expires_in.unwrap_or(policy.assumed_lifetime());
    let ahead = policy.windows_spread(Some(lifetime), spread).ahead;
    let refresh = lifetime.saturating_sub(ahead);
    let idle = facts.refresh_expires_in.or_else(|| policy.refresh_life());
    Some(idle.and_then(half_way).map_or(refresh, |idle| refresh.min(idle)))
}

/// Returns true if the refresh token is half-way to its end.
pub(super) fn is_fading(policy: &Policy, facts: &Facts, now: StoreTime) -> bool {
    let stated = facts.refresh_expires_at.map(|end| end.since(facts.made_at));
    let life = facts.refresh.and(stated.or_else(|| policy.refresh_life()));
    life.and_then(half_way).is_some_and(|half| now >= facts.made_at + half)
}

/// The time after which a refresh token that ends unless it is used is to be used. One whose end a refresh does not move
/// comes nearer to it each time by half: not in steps shorter than the rest after a success, and not beyond it.
fn half_way(left: Duration) -> Option<Duration> {
    (!left.is_zero() && !mutant("idle_token_is_left_to_die")).then(|| (left / 2).max(SETTLED_FOR))
}
