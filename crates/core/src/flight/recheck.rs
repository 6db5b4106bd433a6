//! Checks of a doubt although nobody asks for its account. A watch is made of checks that are close together, and
//! callers who were sent away do not come in between.

use super::{Context, Flight};
use crate::{Delay, Moment, mutant};

/// The plan of a process for an account's doubt, once a flight is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Recheck {
    /// The flight has not learnt if an attempt is open: whatever was planned stays planned.
    Unchanged,
    /// No attempt is open: nothing is planned any more.
    Over,
    /// An attempt is open, in doubt or soon to be: a flight with [`Need::Resolved`](crate::Need::Resolved) is to begin
    /// then.
    CheckAt(Moment),
}

impl Flight {
    /// The plan once the flight is over.
    pub fn recheck(&self) -> Recheck {
        self.recheck
    }

    pub(super) fn begin_recheck(&mut self, at: Moment) {
        if mutant("doubt_is_never_rechecked") {
            return;
        }
        self.recheck = Recheck::CheckAt(at);
    }

    pub(super) fn end_recheck(&mut self) {
        self.recheck = Recheck::Over;
        self.knowledge.attended = None;
    }

    /// The flight is about to wait, or to send its callers away.
    pub(super) fn plan_check(&mut self, cx: &Context<'_>, at: Moment, why: Delay) {
        if matches!(self.recheck, Recheck::CheckAt(_)) {
            self.recheck = Recheck::CheckAt(self.next_check(cx, at, why));
        }
    }

    /// A state that cannot change before `at` is not checked before then: a cooldown, answers that nobody can read. A
    /// wait for a token's end that takes longer than a watch is slept through until a watch still fits, unless a
    /// person wants to present earlier.
    fn next_check(&self, cx: &Context<'_>, at: Moment, why: Delay) -> Moment {
        let interval = cx.check_interval();
        if !matches!(why, Delay::InFlight | Delay::InDoubt) {
            return at.max(cx.now + interval);
        }
        if at <= cx.now {
            // The lease is held: for another check, or for an exchange that the row will show.
            return cx.now + interval / 4;
        }
        let lead = cx.policy.span() + interval * 4;
        let attended = self.knowledge.attended.is_some_and(|until| until > cx.now);
        if at > cx.now + lead && !attended {
            return at - lead;
        }
        if self.knowledge.watch.is_none() { at } else { at.min(cx.now + interval) }
    }
}
