//! Ending an attempt without an answer.

use std::time::Duration;

use super::{
    Command, Context, Delivery, Flight, Notice, Phase, RowView, StoreReply, claiming::Own, waiting::backoff,
};
use crate::{Cause, Delay, Generation, Moment, NewVerdict, Revocation, Row, Ruling, Settle, Verdict, mutant};

/// A settling on its way: repeated by its id until it is acknowledged, so that no attempt is left open that was
/// never sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Settling {
    settle: Settle,
    own: Own,
    after: After,
    tries: u8,
}

/// What happens once an attempt is settled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum After {
    /// Only this process is concerned.
    RetryAt { at: Moment, why: Delay },
    /// Everyone is told.
    Verdict(Verdict<Moment>),
    /// The refusal was definite and says how to do better: look again at once.
    LookAgain,
}

impl Flight {
    pub(super) fn settle(
        &mut self,
        cx: &Context<'_>,
        own: Own,
        verdict: Option<Verdict<Duration>>,
        after: After,
    ) -> Vec<Command> {
        let verdict = verdict.map(|verdict| NewVerdict { ruling: verdict.ruling, strikes: verdict.strikes });
        let due_in = match after {
            After::RetryAt { at, .. }
            | After::Verdict(Verdict { ruling: Ruling::NotBefore { at, .. }, .. }) => Some(at.since(cx.now)),
            After::Verdict(_) => None,
            After::LookAgain => Some(Duration::ZERO),
        };
        let settle = Settle { id: own.open.id, from: own.from, verdict, due_in };
        self.phase = Phase::Settling(Box::new(Settling { settle, own, after, tries: 0 }));
        vec![Command::Settle(settle)]
    }

    pub(super) fn settle_log_in(&mut self, cx: &Context<'_>, own: Own, why: Revocation) -> Vec<Command> {
        let verdict = Verdict { generation: own.from, ruling: Ruling::LogIn { why }, strikes: own.strikes };
        self.settle(cx, own, Some(verdict), After::Verdict(verdict.map(|_: Duration| cx.now)))
    }

    /// Policy would rather have a person log in than present a token that may be spent.
    pub(super) fn ask_login(&mut self, cx: &Context<'_>, row: &Row) -> Vec<Command> {
        let why = Revocation::InDoubt;
        let Some(open) = row.open else {
            return self.deliver_and_end(Delivery::LogIn { generation: row.generation, why });
        };
        let own = Own {
            open,
            from: row.generation,
            held: row.facts.map(|facts| facts.access),
            deadline: cx.now,
            not_after: open.until,
            confirmed: true,
            past: crate::verdict::Past::InDoubt,
            strikes: 0,
            tried: false,
            evidence: None,
            sent_at: cx.now,
            store_clock: (open.until, cx.now),
        };
        self.settle_log_in(cx, own, why)
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
                if settling.own.confirmed
                    || settling.own.cannot_be_made(&view)
                    || mutant("unconfirmed_claim_counts_as_settled") =>
            {
                self.moved_on(cx, &settling)
            }
            _ => self.not_settled(cx, settling),
        }
    }

    /// Callers need not wait for the acknowledgement of what is decided; those who would be sent away wait while
    /// they are willing to. The flight goes on trying.
    fn not_settled(&mut self, cx: &Context<'_>, mut settling: Settling) -> Vec<Command> {
        let mut commands: Vec<_> = self.leave_door().into_iter().collect();
        if cx.now >= self.give_up_at || matches!(settling.after, After::Verdict(_)) {
            commands.extend(self.tell(cx, settling.after));
        }
        let until = cx.now + backoff(settling.tries, SETTLE_RETRY, SETTLE_RETRY_CAP, cx.jitter);
        settling.tries = (settling.tries + 1).min(super::waiting::MAX_STEPS);
        // What ends the account's present attempt may end this, too.
        let or_news = !settling.own.confirmed;
        commands.extend(or_news.then_some(Command::Register));
        self.phase = Phase::Settling(Box::new(settling));
        commands.push(Command::Sleep { until, or_news });
        commands
    }

    pub(super) fn settle_again(&mut self, _cx: &Context<'_>, settling: Settling) -> Vec<Command> {
        let settle = settling.settle;
        self.phase = Phase::Settling(Box::new(settling));
        vec![Command::Settle(settle)]
    }

    fn settled(&mut self, cx: &Context<'_>, settling: &Settling) -> Vec<Command> {
        let mut commands = self.tried_on_evidence(settling.own);
        if self.delivered {
            commands.extend(self.end());
            return commands;
        }
        commands.extend(match settling.after {
            After::RetryAt { at, why } => self.wait_or_leave(cx, at, why),
            After::LookAgain => self.look_again(cx),
            After::Verdict(verdict) => match verdict.ruling {
                Ruling::NotBefore { .. } => self.leave_with(cx, verdict),
                Ruling::LogIn { why } => self.log_in_after(verdict, why),
            },
        });
        commands
    }

    fn log_in_after(&mut self, verdict: Verdict<Moment>, why: Revocation) -> Vec<Command> {
        let mut commands = vec![Command::Publish(Notice::Verdict(verdict))];
        commands.extend(self.deliver_and_end(Delivery::LogIn { generation: verdict.generation, why }));
        commands
    }

    /// Somebody else moved the account on: whatever we meant to say is void.
    fn moved_on(&mut self, cx: &Context<'_>, settling: &Settling) -> Vec<Command> {
        if self.delivered {
            return self.end();
        }
        match settling.after {
            After::RetryAt { at, why } => self.wait_or_leave(cx, at, why),
            After::Verdict(_) | After::LookAgain => self.look_again(cx),
        }
    }

    fn tell(&mut self, cx: &Context<'_>, after: After) -> Option<Command> {
        let delivery = match after {
            After::RetryAt { at, why } => Delivery::RetryAt { at, why },
            After::Verdict(Verdict { generation, ruling, .. }) => match ruling {
                Ruling::LogIn { why } => Delivery::LogIn { generation, why },
                Ruling::NotBefore { at, why } => Delivery::RetryAt { at, why },
            },
            After::LookAgain => Delivery::RetryAt { at: cx.now, why: Delay::StoreDown },
        };
        self.deliver(delivery)
    }

    /// One rotation was tried for a rejected token: from now on it may be served again. Not so where the provider was
    /// never asked.
    fn tried_on_evidence(&mut self, own: Own) -> Vec<Command> {
        let tried = (own.tried || mutant("unsent_attempt_absolves"))
            && own.open.cause == Cause::Rejected
            && own.from > Generation::ZERO;
        if !tried {
            return Vec::new();
        }
        self.knowledge.absolve(own.from);
        vec![Command::Unmark(own.from)]
    }
}

impl Own {
    /// Whether the store refuses the claim from now on.
    fn cannot_be_made(&self, view: &RowView) -> bool {
        let moved = view.row.as_ref().is_none_or(|row| row.generation != self.from);
        moved || view.now > self.not_after
    }
}

const SETTLE_RETRY: Duration = Duration::from_millis(50);
const SETTLE_RETRY_CAP: Duration = Duration::from_secs(5);
