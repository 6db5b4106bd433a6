//! Waiting for others, bounded.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use super::{Command, Context, Delivery, Flight, Notice, Phase};
use crate::{Delay, Moment, Ruling, Verdict};

impl Flight {
    /// Registers, then reads the shelf: news published between the two are not lost.
    pub(super) fn read_shelf(&mut self) -> Vec<Command> {
        self.phase = Phase::Shelf;
        if crate::mutant("look_then_register") {
            return vec![Command::ReadShelf, Command::Register];
        }
        vec![Command::Register, Command::ReadShelf]
    }

    /// Leaves the owner path with a verdict, told to everyone.
    pub(super) fn leave_with(&mut self, cx: &Context<'_>, verdict: Verdict<Moment>) -> Vec<Command> {
        let mut commands: Vec<_> = self.post(cx, verdict).into_iter().collect();
        commands.extend(self.leave_door());
        if let Ruling::NotBefore { at, why } = verdict.ruling {
            commands.extend(self.wait_or_leave(cx, at, why));
        }
        commands
    }

    /// Tells everyone, unless they have been told and it still holds: news that say nothing new would wake the waiters
    /// of all replicas, who look, find the same, and tell each other again. Nor does a flight repeat itself because
    /// another one, which asks for something else, has said otherwise since: the two would never end.
    pub(super) fn post(&mut self, cx: &Context<'_>, verdict: Verdict<Moment>) -> Option<Command> {
        let known = self.said.stands(&verdict, cx.now);
        self.said.shelf = Some(verdict);
        if known {
            return None;
        }
        self.said.own = Some(verdict).filter(|verdict| matches!(verdict.ruling, Ruling::NotBefore { .. }));
        Some(Command::Publish(Notice::Verdict(verdict)))
    }

    /// Waits where waiting can help within the bound; otherwise tells the callers when to come back.
    pub(super) fn wait_or_leave(&mut self, cx: &Context<'_>, at: Moment, why: Delay) -> Vec<Command> {
        self.plan_look(cx, at, why);
        let mut commands: Vec<_> = self.leave_door().into_iter().collect();
        let patient = cx.now < self.give_up_at && !self.draining;
        if patient && (why.may_end_early() || at <= self.give_up_at) {
            self.phase = Phase::Waiting { at, why };
            let until = self.next_poll(cx, at, why);
            commands.push(Command::Sleep { until, or_news: true });
            return commands;
        }
        commands.extend(self.deliver_and_end(Delivery::RetryAt { at, why }));
        commands
    }

    pub(super) fn on_woken(&mut self, cx: &Context<'_>, at: Moment, why: Delay) -> Vec<Command> {
        if cx.now >= self.give_up_at {
            let at = at.max(cx.now + POLL_CAP);
            return self.deliver_and_end(Delivery::RetryAt { at, why });
        }
        self.read_shelf()
    }

    pub(super) fn on_drain(&mut self, cx: &Context<'_>, phase: Phase) -> Vec<Command> {
        self.draining = true;
        if matches!(phase, Phase::Waiting { .. }) {
            return self.deliver_and_end(Delivery::RetryAt { at: cx.now, why: Delay::ShuttingDown });
        }
        self.phase = phase;
        Vec::new()
    }

    /// Polls go from 25 to 250 ms, jittered. A cooldown is slept through; news still end it.
    fn next_poll(&mut self, cx: &Context<'_>, at: Moment, why: Delay) -> Moment {
        let polled = why.may_end_early() || why == Delay::InDoubt;
        let step =
            if polled { backoff(self.polls, POLL_FLOOR, POLL_CAP, cx.jitter) } else { at.since(cx.now) };
        self.polls = (self.polls + 1).min(MAX_STEPS);
        (cx.now + step.max(POLL_FLOOR)).min(self.give_up_at)
    }
}

/// The verdicts that everyone has been told of, as far as a flight knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Said {
    /// On the shelf.
    pub(super) shelf: Option<Verdict<Moment>>,
    /// The delay it told of last.
    own: Option<Verdict<Moment>>,
}

impl Said {
    fn stands(&self, verdict: &Verdict<Moment>, now: Moment) -> bool {
        [self.shelf, self.own].into_iter().flatten().any(|told| stands(&told, verdict, now))
    }
}

/// Only news depend on it, which are hints: worlds that differ in nothing else are explored as one.
impl Hash for Said {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Whether what was told says the same and has not ended.
fn stands(told: &Verdict<Moment>, verdict: &Verdict<Moment>, now: Moment) -> bool {
    let same = told.generation == verdict.generation;
    match (told.ruling, verdict.ruling) {
        (Ruling::LogIn { why: told }, Ruling::LogIn { why }) => same && told == why,
        (Ruling::NotBefore { at, why: told }, Ruling::NotBefore { why, .. }) => {
            same && told == why && at > now
        }
        _ => false,
    }
}

/// `floor` doubling to `cap`, three quarters to the whole of it.
pub(super) fn backoff(tries: u8, floor: Duration, cap: Duration, jitter: u16) -> Duration {
    let whole = floor.saturating_mul(1 << tries.min(20)).min(cap);
    whole * (750 + u32::from(jitter) / 4) / 1000
}

/// Where every ladder has long reached its cap.
pub(super) const MAX_STEPS: u8 = 9;

const POLL_FLOOR: Duration = Duration::from_millis(25);
const POLL_CAP: Duration = Duration::from_millis(250);
