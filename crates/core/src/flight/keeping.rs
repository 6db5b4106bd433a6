//! An answer that was not understood, on its way to its place next to the row and into the row's verdict.

use std::time::Duration;

use super::{
    Context, Flight, Phase, Then,
    attempt::Attempt,
    command::{Command, Delivery, Notice},
    event::StoreReply,
    recording::Leg,
    settling::{After, Settling},
};
use crate::{
    AnswerNote, Content, Decision, Moment, Revocation, Verdict,
    backoff::{MAX_STEPS, backoff},
    mutant,
};

/// An answer that was not understood, on its way: the answer as it came, and the verdict that nothing is presented.
/// Either of the two is enough for that.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Keeping {
    attempt: Attempt,
    verdict: Verdict<Moment>,
    settling: Settling,
    answer: Leg,
    mark: Leg,
    published: bool,
    tries: u8,
}

impl Keeping {
    fn new(cx: &Context<'_>, attempt: Attempt) -> Self {
        let ending = attempt.ending(false);
        let decision = Decision::LogIn { why: Revocation::AnswerUnread };
        let verdict: Verdict<Duration> =
            Verdict { generation: attempt.from(), decision, strikes: ending.strikes() };
        let here = verdict.map(|_| cx.now);
        let settling = Settling::new(cx, ending, Some(verdict), After::Verdict(here));
        // Where presenting again loses nothing, the attempt stays in doubt like any other.
        let marks = !cx.policy.replay().forgives_unread();
        let mark = if marks && !mutant("unread_answer_is_not_marked") { Leg::Asked } else { Leg::Void };
        Self { attempt, verdict: here, settling, answer: Leg::Asked, mark, published: false, tries: 0 }
    }

    fn write(&self) -> Command {
        Command::WriteAnswer(AnswerNote {
            attempt: self.attempt.generation(),
            claim: self.attempt.id(),
            made_from: self.attempt.from(),
            content: Content::Unread,
            access_ends: Some(self.attempt.budget().store_sent_at()),
        })
    }

    /// What is asked for: at first, and again after a failure.
    fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.answer == Leg::Asked && !mutant("unread_answer_is_not_written") {
            commands.push(self.write());
        }
        if self.mark == Leg::Asked {
            commands.push(Command::Settle(self.settling.settle));
        }
        commands
    }

    /// Returns the instant at which what failed is tried again.
    fn next_try(&mut self, cx: &Context<'_>) -> Moment {
        let until = cx.now + backoff(self.tries, KEEP_RETRY, KEEP_RETRY_CAP, cx.jitter);
        self.tries = (self.tries + 1).min(MAX_STEPS);
        until
    }

    fn is_under_way(&self) -> bool {
        self.answer == Leg::Asked || self.mark == Leg::Asked
    }
}

impl Flight {
    pub(super) fn keep_unread(&mut self, cx: &Context<'_>, attempt: Attempt) -> Vec<Command> {
        let mut keeping = Keeping::new(cx, attempt);
        let commands = keeping.commands();
        if mutant("unread_answer_is_not_written") {
            keeping.answer = Leg::Done;
        }
        self.phase = Phase::Keeping(Box::new(keeping));
        commands
    }

    pub(super) fn on_unread_written(
        &mut self,
        cx: &Context<'_>,
        mut keeping: Keeping,
        acknowledged: bool,
    ) -> Vec<Command> {
        keeping.answer = if acknowledged { Leg::Done } else { Leg::Failed };
        self.go_on_keeping(cx, keeping)
    }

    pub(super) fn on_unread_marked(
        &mut self,
        cx: &Context<'_>,
        mut keeping: Keeping,
        reply: &StoreReply,
    ) -> Vec<Command> {
        keeping.mark = match reply {
            StoreReply::Done(_) => Leg::Done,
            // A login, a delete, another attempt: the verdict is about nothing that is there any more.
            StoreReply::Moved(_) => Leg::Void,
            _ => Leg::Failed,
        };
        self.go_on_keeping(cx, keeping)
    }

    fn go_on_keeping(&mut self, cx: &Context<'_>, mut keeping: Keeping) -> Vec<Command> {
        let forgiven = cx.policy.replay().forgives_unread();
        if forgiven {
            return self.leave_in_doubt(cx, &keeping.attempt);
        }
        let mut commands = Vec::new();
        if keeping.mark == Leg::Done && !std::mem::replace(&mut keeping.published, true) {
            commands.push(Command::Publish(Notice::Verdict(keeping.verdict)));
        }
        if matches!(keeping.mark, Leg::Done | Leg::Failed) {
            let (generation, why) = (keeping.attempt.from(), Revocation::AnswerUnread);
            commands.extend(self.deliver(Delivery::LogIn { generation, why }));
            commands.extend(self.release_lease());
        }
        if keeping.is_under_way() {
            self.phase = Phase::Keeping(Box::new(keeping));
            return commands;
        }
        if keeping.answer == Leg::Failed || keeping.mark == Leg::Failed {
            let until = keeping.next_try(cx);
            self.phase = Phase::Keeping(Box::new(keeping));
            commands.push(Command::Sleep { until, or_change: false });
            return commands;
        }
        self.end_recheck();
        commands.extend(if self.delivered { self.end() } else { self.load(cx, Then::Decide) });
        commands
    }

    pub(super) fn keep_again(&mut self, mut keeping: Keeping) -> Vec<Command> {
        for leg in [&mut keeping.answer, &mut keeping.mark] {
            if *leg == Leg::Failed {
                *leg = Leg::Asked;
            }
        }
        let commands = keeping.commands();
        self.phase = Phase::Keeping(Box::new(keeping));
        commands
    }
}

const KEEP_RETRY: Duration = Duration::from_millis(50);
const KEEP_RETRY_CAP: Duration = Duration::from_secs(5);
