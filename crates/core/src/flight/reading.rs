//! An exchange that is read after its callers were let go. Its answer is written down as ever; nothing is presented for it.

use std::time::Duration;

use super::{Context, Flight, Phase, attempt::Attempt, command::Command, knowledge::Knowledge};
use crate::{Moment, Need};

/// An exchange whose answer is still read although nobody waits for it: its attempt, for the flight that takes the outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reading(Attempt);

impl Flight {
    /// A flight that takes in the late outcome of a reading, as its first event. It ends what the outcome ends, waits for
    /// nobody, delivers nothing and claims nothing.
    pub fn of_reading(reading: Reading, knowledge: Knowledge, spread: u64, now: Moment) -> Self {
        let knowledge = Knowledge { reading: None, ..knowledge };
        let flight = Self::new(Need::Resolved, knowledge, spread, now, Duration::ZERO);
        Self { phase: Phase::Exchanging(reading.0), delivered: true, draining: true, ..flight }
    }

    /// The answer may yet come: the attempt is left as it is for everybody else, and read on.
    pub(super) fn let_callers_go(&mut self, cx: &Context<'_>, attempt: Attempt) -> Vec<Command> {
        self.knowledge.reading = Some(attempt.budget().sent_at() + cx.policy.read_limit());
        let mut commands = vec![Command::ReadOn(Reading(attempt))];
        commands.extend(self.leave_in_doubt(cx, &attempt));
        commands
    }
}

impl Knowledge {
    /// Takes over what the flight of a reading has learnt, while others may have learnt more.
    pub fn learn_from_reading(&mut self, late: &Self) {
        self.saw(late.known);
        self.local = late.local;
    }
}
