//! The next step of a flight, found without performing anything: the machine itself is run, so that what is reported of
//! an account and what happens to it cannot differ.

use std::time::Duration;

use super::{
    Context, Flight,
    command::{Command, Delivery},
    event::{AnswersView, Event, LeaseView, RowView},
    knowledge::Knowledge,
};
use crate::{AnswerNote, Cause, Delay, Generation, Moment, Need, Revocation};

/// The next step of a flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NextStep {
    /// The token is good enough: nothing is done.
    Serve {
        /// Its generation.
        generation: Generation,
    },
    /// An answer newer than the row is kept: it is put into the row before anything else.
    Adopt(AnswerNote),
    /// The refresh token is presented.
    Present {
        /// The cause.
        cause: Cause,
        /// True if an attempt in doubt precedes this one.
        again: bool,
    },
    /// Nothing before then.
    Wait {
        /// The process' time at which to check again.
        at: Moment,
        /// The reason to wait.
        why: Delay,
    },
    /// Only a login helps.
    LogIn {
        /// The cause of the grant's end.
        why: Revocation,
    },
    /// There is no such account.
    Unknown,
}

/// Returns the next step of a flight with this need and knowledge, with the row and the answers as they are and no
/// other holder of the lease.
pub fn dry_run(
    cx: &Context<'_>,
    need: Need,
    knowledge: Knowledge,
    spread: u64,
    view: &RowView,
    answers: AnswersView,
) -> NextStep {
    let mut flight = Flight::new(need, knowledge, spread, cx.now, Duration::ZERO);
    let mut commands = flight.start(cx);
    for _ in 0..MAX_STEPS {
        if let Some(next_step) = commands.iter().find_map(next_step) {
            return next_step;
        }
        let Some(event) = commands.iter().find_map(|command| reply(command, view, answers)) else { break };
        commands = flight.step(cx, event);
    }
    NextStep::Wait { at: cx.now, why: Delay::InFlight }
}

/// The step that a command means for the account, if it decides.
fn next_step(command: &Command) -> Option<NextStep> {
    match *command {
        Command::Claim(claim) => Some(NextStep::Present { cause: claim.cause, again: claim.seen.is_some() }),
        Command::CommitFound(commit) => Some(NextStep::Adopt(commit.note)),
        Command::Deliver(delivery) => Some(match delivery {
            Delivery::Token { generation, .. } => NextStep::Serve { generation },
            Delivery::Unknown => NextStep::Unknown,
            Delivery::LogIn { why, .. } => NextStep::LogIn { why },
            Delivery::RetryAt { at, why } => NextStep::Wait { at, why },
            Delivery::RejectedAgain { at } => NextStep::Wait { at, why: Delay::RejectedAgain },
        }),
        _ => None,
    }
}

/// The event of a command that reads.
fn reply(command: &Command, view: &RowView, answers: AnswersView) -> Option<Event> {
    match command {
        Command::ReadSharedCache => Some(Event::SharedCache(None)),
        Command::Load => Some(view.clone().done()),
        Command::ReadAnswers => Some(Event::Answers(answers)),
        Command::TakeLease { .. } => Some(Event::Lease(LeaseView::Away)),
        _ => None,
    }
}

/// Shared cache, row, lease, row, answers: a flight that reads more often reads the same again.
const MAX_STEPS: u8 = 8;
