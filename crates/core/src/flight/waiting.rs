//! Waiting for others, bounded.

use std::time::Duration;

use super::{
    Context, Flight, Phase,
    command::{Command, Delivery, Notice},
};
use crate::{
    Decision, Delay, Moment, Verdict,
    backoff::{MAX_STEPS, backoff},
    mutant,
};

impl Flight {
    /// Registers, then reads the shared cache: a change published between the two is not lost.
    pub(super) fn read_shared_cache(&mut self) -> Vec<Command> {
        self.phase = Phase::SharedCache;
        if mutant("read_then_register") {
            return vec![Command::ReadSharedCache, Command::Register];
        }
        vec![Command::Register, Command::ReadSharedCache]
    }

    /// Leaves the owner path with a verdict, which everyone is notified of.
    pub(super) fn leave_with(&mut self, cx: &Context<'_>, verdict: Verdict<Moment>) -> Vec<Command> {
        let mut commands: Vec<_> = self.post(cx, verdict).into_iter().collect();
        commands.extend(self.release_lease());
        if let Decision::NotBefore { at, why } = verdict.decision {
            commands.extend(self.wait_or_leave(cx, at, why));
        }
        commands
    }

    /// Notifies everyone, unless the same was published and still holds: a repetition would wake the waiters of all
    /// replicas, who read, find the same, and notify each other again. Nor does a flight repeat its own verdict because
    /// another one, with another need, has published a different one since: the two would never end.
    pub(super) fn post(&mut self, cx: &Context<'_>, verdict: Verdict<Moment>) -> Option<Command> {
        let is_new = self.last_published.replace(verdict, cx.now);
        is_new.then_some(Command::Publish(Notice::Verdict(verdict)))
    }

    /// Waits where waiting can help within the bound; otherwise delivers the instant at which the callers may come
    /// back.
    pub(super) fn wait_or_leave(&mut self, cx: &Context<'_>, at: Moment, why: Delay) -> Vec<Command> {
        self.plan_check(cx, at, why);
        let mut commands: Vec<_> = self.release_lease().into_iter().collect();
        let patient = cx.now < self.give_up_at && !self.draining;
        if patient && (why.may_end_early() || at <= self.give_up_at) {
            self.phase = Phase::Waiting { at, why };
            let until = self.next_poll(cx, at, why);
            commands.push(Command::Sleep { until, or_change: true });
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
        self.read_shared_cache()
    }

    pub(super) fn on_drain(&mut self, cx: &Context<'_>, phase: Phase) -> Vec<Command> {
        self.draining = true;
        if matches!(phase, Phase::Waiting { .. }) {
            return self.deliver_and_end(Delivery::RetryAt { at: cx.now, why: Delay::ShuttingDown });
        }
        self.phase = phase;
        Vec::new()
    }

    /// Polls go from 25 to 250 ms, jittered. A cooldown is slept through; a notification still ends it.
    fn next_poll(&mut self, cx: &Context<'_>, at: Moment, why: Delay) -> Moment {
        let polled = why.may_end_early() || why == Delay::InDoubt;
        let step =
            if polled { backoff(self.polls, POLL_FLOOR, POLL_CAP, cx.jitter) } else { at.since(cx.now) };
        self.polls = (self.polls + 1).min(MAX_STEPS);
        (cx.now + step.max(POLL_FLOOR)).min(self.give_up_at)
    }
}

const POLL_FLOOR: Duration = Duration::from_millis(25);
const POLL_CAP: Duration = Duration::from_millis(250);
