//! What a flight would do now, found out without doing it: the machine itself is asked, so that what is said about an
//! account and what happens to it cannot differ.

use std::time::Duration;

use super::{AnswersView, Command, Context, Delivery, Event, Flight, Knowledge, LeaseView, RowView};
use crate::{AnswerNote, Cause, Delay, Generation, Moment, Need, Revocation};

/// What the next flight comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Prospect {
    /// The token is good enough: nothing is done.
    Serve {
        /// Its generation.
        generation: Generation,
    },
    /// An answer beside the row is newer: it is put into the row before anything else.
    Adopt(AnswerNote),
    /// The refresh token is presented.
    Present {
        /// Why.
        cause: Cause,
        /// Whether an attempt in doubt precedes this one.
        again: bool,
    },
    /// Nothing before then.
    Wait {
        /// The process' time at which to look again.
        at: Moment,
        /// What for.
        why: Delay,
    },
    /// Only a login helps.
    LogIn {
        /// What ended the grant.
        why: Revocation,
    },
    /// There is no such account.
    Unknown,
}

/// What a flight with this need and knowledge would come to, with the row and the answers as they are and no lease in
/// the way.
pub fn rehearse(
    cx: &Context<'_>,
    need: Need,
    knowledge: Knowledge,
    spread: u64,
    view: &RowView,
    answers: AnswersView,
) -> Prospect {
    let mut flight = Flight::new(need, knowledge, spread, cx.now, Duration::ZERO);
    let mut commands = flight.start(cx);
    for _ in 0..MAX_STEPS {
        if let Some(prospect) = commands.iter().find_map(prospect) {
            return prospect;
        }
        let Some(event) = commands.iter().find_map(|command| reply(command, view, answers)) else { break };
        commands = flight.step(cx, event);
    }
    Prospect::Wait { at: cx.now, why: Delay::InFlight }
}

/// What a command means for the account, where it decides.
fn prospect(command: &Command) -> Option<Prospect> {
    match *command {
        Command::Claim(claim) => Some(Prospect::Present { cause: claim.cause, again: claim.seen.is_some() }),
        Command::CommitFound(commit) => Some(Prospect::Adopt(commit.note)),
        Command::Deliver(delivery) => Some(match delivery {
            Delivery::Token { generation, .. } => Prospect::Serve { generation },
            Delivery::Unknown => Prospect::Unknown,
            Delivery::LogIn { why, .. } => Prospect::LogIn { why },
            Delivery::RetryAt { at, why } => Prospect::Wait { at, why },
            Delivery::RejectedAgain { at } => Prospect::Wait { at, why: Delay::RejectedAgain },
        }),
        _ => None,
    }
}

/// What a look would bring.
fn reply(command: &Command, view: &RowView, answers: AnswersView) -> Option<Event> {
    match command {
        Command::ReadShelf => Some(Event::Shelf(None)),
        Command::Load => Some(view.clone().done()),
        Command::ReadAnswers => Some(Event::Answers(answers)),
        Command::TakeLease { .. } => Some(Event::Lease(LeaseView::Away)),
        _ => None,
    }
}

/// Shelf, row, lease, row, answers: a flight that looks more often looks at the same again.
const MAX_STEPS: u8 = 8;
