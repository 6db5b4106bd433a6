//! The one request of an attempt, and what follows from its outcome.

use std::time::Duration;

use super::{
    Context, Flight, Phase, Then,
    attempt::{Attempt, Ending},
    command::Command,
    knowledge::LocalCooldown,
    settling::After,
};
use crate::{
    Decision, Delay, Generation, MAX_RETRY_AFTER, Moment, NewFacts, Outcome, Verdict, backoff::cooldown,
    mutant, verdict::Past,
};

impl Flight {
    pub(super) fn exchange(&mut self, attempt: Attempt) -> Vec<Command> {
        self.phase = Phase::Exchanging(attempt);
        vec![Command::Exchange(attempt.presentation(self.fence()))]
    }

    pub(super) fn on_exchanged(
        &mut self,
        cx: &Context<'_>,
        attempt: Attempt,
        outcome: Outcome<NewFacts>,
    ) -> Vec<Command> {
        let better_known = matches!(outcome, Outcome::NonceWanted | Outcome::OtherClient);
        let once_more = better_known && !self.nonce_tried;
        let ending = attempt.ending(outcome.is_answer() && !once_more);
        match outcome {
            Outcome::Success(_) if self.delivered && mutant("late_answer_is_not_committed") => self.end(),
            Outcome::Success(facts) => self.record(cx, attempt, facts),
            Outcome::NotSent if mutant("unsent_attempt_left_open") => self.leave_in_doubt(cx, &attempt),
            Outcome::NotSent if mutant("unsent_attempt_delays_all") => {
                self.refused(cx, ending, None, Delay::Unreachable)
            }
            Outcome::NotSent => self.cool_down_alone(cx, ending, Delay::Unreachable),
            Outcome::NonceWanted | Outcome::OtherClient if once_more => {
                self.nonce_tried = !mutant("nonce_for_ever");
                self.lacked_nonce = Some(attempt.from()).filter(|_| attempt.past() == Past::Untouched);
                self.settle(cx, ending, None, After::CheckAgain)
            }
            Outcome::NonceWanted => self.refused(cx, ending, None, Delay::ProviderDown),
            Outcome::Withheld(why) => self.cool_down_alone(cx, ending, why),
            Outcome::OurFault | Outcome::OtherClient => self.cool_down_alone(cx, ending, Delay::OurFault),
            Outcome::Refused { retry_after, why } => self.refused(cx, ending, retry_after, why),
            Outcome::Permanent(why) if mutant("refusal_is_final") => self.settle_log_in(cx, ending, why),
            Outcome::Ambiguous if mutant("ambiguous_is_refused") => {
                self.refused(cx, ending, None, Delay::ProviderDown)
            }
            Outcome::Ambiguous if mutant("request_sent_again") && !self.nonce_tried => {
                self.nonce_tried = true;
                self.exchange(attempt)
            }
            Outcome::Permanent(why) => self.load(cx, Then::ConfirmRevocation(attempt, why)),
            Outcome::Unread if !mutant("unread_answer_is_doubt") => self.keep_unread(cx, attempt),
            // Everybody knows of this doubt since the callers were let go.
            Outcome::Unread | Outcome::Ambiguous if self.delivered => self.end(),
            Outcome::Unread | Outcome::Ambiguous => self.leave_in_doubt(cx, &attempt),
        }
    }

    /// Only this process is concerned: the attempt is settled and the lease released so that others can try.
    fn cool_down_alone(&mut self, cx: &Context<'_>, ending: Ending, why: Delay) -> Vec<Command> {
        let at = self.cool_down(cx, ending.from(), why);
        self.settle(cx, ending, None, After::RetryAt { at, why })
    }

    /// Takes the next step of this process' own cooldown ladder; returns its end.
    pub(super) fn cool_down(&mut self, cx: &Context<'_>, generation: Generation, why: Delay) -> Moment {
        let before = self.knowledge.local.filter(|cooldown| cooldown.generation == generation);
        let strikes = before.map_or(0, |cooldown| cooldown.strikes);
        // Longer than callers wait: they are served what there is meanwhile.
        let span = if why == Delay::Unread { UNREAD_PAUSE } else { cooldown(strikes, cx.jitter) };
        let until = cx.now + span;
        let strikes = strikes.saturating_add(1);
        self.knowledge.local = Some(LocalCooldown { generation, until, why, strikes });
        until
    }

    fn refused(
        &mut self,
        cx: &Context<'_>,
        ending: Ending,
        retry_after: Option<Duration>,
        why: Delay,
    ) -> Vec<Command> {
        let strikes = ending.strikes();
        let span = retry_after.unwrap_or_else(|| cooldown(strikes, cx.jitter)).min(longest_pause());
        let verdict = Verdict {
            generation: ending.from(),
            decision: Decision::NotBefore { at: span, why },
            strikes: strikes.saturating_add(1),
        };
        let at = cx.now + span;
        self.settle(cx, ending, Some(verdict), After::Verdict(verdict.map(|_| at)))
    }

    /// The attempt stays open: whoever comes after its `until` resolves it.
    pub(super) fn leave_in_doubt(&mut self, cx: &Context<'_>, attempt: &Attempt) -> Vec<Command> {
        self.leave_in_doubt_until(cx, attempt, cx.now)
    }

    /// As [`leave_in_doubt`](Self::leave_in_doubt), at least until `earliest`.
    pub(super) fn leave_in_doubt_until(
        &mut self,
        cx: &Context<'_>,
        attempt: &Attempt,
        earliest: Moment,
    ) -> Vec<Command> {
        let at = attempt.budget().deadline().max(earliest);
        let commands = self.leave_with(cx, Verdict::not_before(attempt.from(), at, Delay::InDoubt));
        self.begin_recheck(cx.now + cx.check_interval());
        commands
    }
}

/// The time after which an account asks again at a provider whose answers are not understood.
const UNREAD_PAUSE: Duration = Duration::from_secs(60);

fn longest_pause() -> Duration {
    if mutant("retry_after_is_believed") { Duration::MAX } else { MAX_RETRY_AFTER }
}
