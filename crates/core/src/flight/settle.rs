//! Ending an attempt without an answer.

use std::time::Duration;

use super::{
    Context, Flight, Phase,
    attempt::Ending,
    command::{Command, Delivery, Notice},
    event::StoreReply,
    settling::{After, Settling},
};
use crate::{Decision, Delay, Moment, Revocation, Row, Verdict, mutant};

impl Flight {
    pub(super) fn settle(
        &mut self,
        cx: &Context<'_>,
        ending: Ending,
        verdict: Option<Verdict<Duration>>,
        after: After,
    ) -> Vec<Command> {
        self.settle_again(Settling::new(cx, ending, verdict, after))
    }

    pub(super) fn settle_again(&mut self, settling: Settling) -> Vec<Command> {
        let settle = settling.settle;
        self.phase = Phase::Settling(Box::new(settling));
        vec![Command::Settle(settle)]
    }

    pub(super) fn settle_log_in(
        &mut self,
        cx: &Context<'_>,
        ending: Ending,
        why: Revocation,
    ) -> Vec<Command> {
        let verdict = Verdict {
            generation: ending.from(),
            decision: Decision::LogIn { why },
            strikes: ending.strikes(),
        };
        self.settle(cx, ending, Some(verdict), After::Verdict(verdict.map(|_: Duration| cx.now)))
    }

    /// A login is preferred over presenting a token that may be spent.
    pub(super) fn ask_login(&mut self, cx: &Context<'_>, row: &Row, why: Revocation) -> Vec<Command> {
        match &row.open {
            Some(open) => self.settle_log_in(cx, Ending::of_doubt(open, row.generation), why),
            None => self.deliver_and_end(Delivery::LogIn { generation: row.generation, why }),
        }
    }

    pub(super) fn on_settled(
        &mut self,
        cx: &Context<'_>,
        settling: Settling,
        reply: StoreReply,
    ) -> Vec<Command> {
        match reply {
            StoreReply::Done(_) => self.settled(cx, &settling),
            // The attempt is not open. If its claim was never confirmed, the claim itself may still be on its way
            // until the store refuses it, as late or because the generation it names is gone.
            StoreReply::Moved(view)
                if settling.ending.is_claim_over(&view) || mutant("unconfirmed_claim_counts_as_settled") =>
            {
                self.moved_on(cx, &settling)
            }
            _ => self.not_settled(cx, settling),
        }
    }

    /// Callers need not wait for the acknowledgement of what is decided; those who would be sent away wait while
    /// they are willing to. The flight goes on trying.
    fn not_settled(&mut self, cx: &Context<'_>, mut settling: Settling) -> Vec<Command> {
        let mut commands: Vec<_> = self.release_lease().into_iter().collect();
        if cx.now >= self.give_up_at || matches!(settling.after, After::Verdict(_)) {
            commands.extend(self.deliver_early(cx, settling.after));
        }
        let until = settling.next_try(cx);
        // What ends the account's present attempt may end this, too.
        let or_change = !settling.ending.is_confirmed();
        commands.extend(or_change.then_some(Command::Register));
        self.phase = Phase::Settling(Box::new(settling));
        commands.push(Command::Sleep { until, or_change });
        commands
    }

    fn settled(&mut self, cx: &Context<'_>, settling: &Settling) -> Vec<Command> {
        let mut commands: Vec<_> = self.clear_tried_rejection(&settling.ending).into_iter().collect();
        if self.delivered {
            commands.extend(self.end());
            return commands;
        }
        commands.extend(match settling.after {
            After::RetryAt { at, why } => self.wait_or_leave(cx, at, why),
            After::CheckAgain => self.check_again(cx),
            After::Verdict(verdict) => match verdict.decision {
                Decision::NotBefore { .. } => self.leave_with(cx, verdict),
                Decision::LogIn { why } => self.log_in_after(verdict, why),
            },
        });
        commands
    }

    fn log_in_after(&mut self, verdict: Verdict<Moment>, why: Revocation) -> Vec<Command> {
        let mut commands = vec![Command::Publish(Notice::Verdict(verdict))];
        commands.extend(self.deliver_and_end(Delivery::LogIn { generation: verdict.generation, why }));
        commands
    }

    /// Somebody else moved the account on: our verdict is void.
    fn moved_on(&mut self, cx: &Context<'_>, settling: &Settling) -> Vec<Command> {
        if self.delivered {
            return self.end();
        }
        match settling.after {
            After::RetryAt { at, why } => self.wait_or_leave(cx, at, why),
            After::Verdict(_) | After::CheckAgain => self.check_again(cx),
        }
    }

    fn deliver_early(&mut self, cx: &Context<'_>, after: After) -> Option<Command> {
        let delivery = match after {
            After::RetryAt { at, why } => Delivery::RetryAt { at, why },
            After::Verdict(Verdict { generation, decision, .. }) => match decision {
                Decision::LogIn { why } => Delivery::LogIn { generation, why },
                Decision::NotBefore { at, why } => Delivery::RetryAt { at, why },
            },
            After::CheckAgain => Delivery::RetryAt { at: cx.now, why: Delay::StoreDown },
        };
        self.deliver(delivery)
    }

    /// One rotation was tried for a rejected token: from now on it may be served again.
    fn clear_tried_rejection(&mut self, ending: &Ending) -> Option<Command> {
        let generation = ending.cleared_rejection()?;
        self.knowledge.clear_rejection(generation);
        Some(Command::ClearRejection(generation))
    }
}
