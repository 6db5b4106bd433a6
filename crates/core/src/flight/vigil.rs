//! Looking at a doubt although nobody asks. A watch is made of looks that are close together, and callers who were told
//! to come back later do not come in between.

use std::time::Duration;

use super::{Context, Flight, knowledge::gap};
use crate::{Delay, Moment, mutant};

/// What a process does by itself about an account's doubt, once a flight is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Vigil {
    /// The flight has not seen whether an attempt is open: whatever was planned stays planned.
    Unchanged,
    /// No attempt is open: nothing is planned any more.
    Over,
    /// An attempt is open, in doubt or soon to be: a flight with [`Need::Resolved`](crate::Need::Resolved) is to begin
    /// then.
    LookAt(Moment),
}

impl Flight {
    /// What to do by itself once the flight is over.
    pub fn vigil(&self) -> Vigil {
        self.vigil
    }

    pub(super) fn begin_vigil(&mut self, at: Moment) {
        if mutant("nobody_looks_at_a_doubt") {
            return;
        }
        self.vigil = Vigil::LookAt(at);
    }

    pub(super) fn end_vigil(&mut self) {
        self.vigil = Vigil::Over;
        self.knowledge.attended = None;
    }

    /// The flight is about to wait, or to send its callers away.
    pub(super) fn plan_look(&mut self, cx: &Context<'_>, at: Moment, why: Delay) {
        if matches!(self.vigil, Vigil::LookAt(_)) {
            self.vigil = Vigil::LookAt(self.next_look(cx, at, why));
        }
    }

    /// What cannot change before `at` is not looked at before then: a cooldown, answers that nobody can read. A wait for
    /// a token's end that takes longer than a watch is slept through until a watch still fits, unless a person wants to
    /// present earlier.
    fn next_look(&self, cx: &Context<'_>, at: Moment, why: Delay) -> Moment {
        let pace = cx.pace();
        if !matches!(why, Delay::InFlight | Delay::InDoubt) {
            return at.max(cx.now + pace);
        }
        if at <= cx.now {
            // The door is busy: with another look, or with an exchange that will be seen on the row.
            return cx.now + pace / 4;
        }
        let lead = cx.policy.span() + pace * 4;
        let attended = self.knowledge.attended.is_some_and(|until| until > cx.now);
        if at > cx.now + lead && !attended {
            return at - lead;
        }
        if self.knowledge.watch.is_none() { at } else { at.min(cx.now + pace) }
    }
}

impl Context<'_> {
    /// How often a process looks at a doubt that it watches: twice as often as it must, so that one look may come late.
    pub(super) fn pace(&self) -> Duration {
        gap(self.policy.span()) / 2
    }
}
