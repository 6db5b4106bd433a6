//! The arguments of a step besides its event.

use std::time::Duration;

use super::{due::next_check, knowledge::gap};
use crate::{ClaimId, Forgotten, Moment, NewFacts, Policy, mutant};

/// The arguments of a step besides its event.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The process' clock.
    pub now: Moment,
    /// The account's policy.
    pub policy: &'a Policy,
    /// A fresh id, for a claim that the step may make, or for one that the store may have forgotten.
    pub id: ClaimId,
    /// A random number, 0 to 999: the jitter of whatever this step schedules.
    pub jitter: u16,
}

impl Context<'_> {
    /// The part of an attempt's span that the claim itself may use up.
    pub(super) fn time_for_claim(&self) -> Duration {
        self.policy.span().saturating_sub(self.policy.exchange_timeout() + self.policy.answer_budget())
    }

    /// The attempt that a store may have forgotten along with the row.
    pub(super) fn forgotten(&self) -> Forgotten {
        Forgotten { id: self.id, span: self.policy.span() }
    }

    /// Returns true if an exchange and the writing of its answer still fit before `deadline`.
    pub(super) fn fits(&self, deadline: Moment) -> bool {
        mutant("deadline_ignores_attempt") || self.fits_at(self.now, deadline)
    }

    /// Returns true if they fit between `start` and `deadline`.
    pub(super) fn fits_at(&self, start: Moment, deadline: Moment) -> bool {
        start + self.policy.exchange_timeout() + self.policy.answer_budget() <= deadline
    }

    /// The time after which an account with these facts is due for a check.
    pub(super) fn due_in(&self, facts: &NewFacts, spread: u64) -> Option<Duration> {
        next_check(self.policy, facts, spread)
    }

    /// The interval at which a process checks a doubt that it watches: half of what a watch allows, so that one check may
    /// come late.
    pub(super) fn check_interval(&self) -> Duration {
        gap(self.policy.span()) / 2
    }
}
