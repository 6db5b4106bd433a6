//! The commands that the machine gives its driver.

use super::reading::Reading;
use crate::{
    AnswerNote, Claim, ClaimId, Commit, Delay, Fence, Generation, Moment, Revocation, Settle, Verdict,
};

/// One command. Each that has a result names the event that reports it.
///
/// A command that needs tokens carries a handle to them: a generation, or the claim whose exchange brought them. The
/// driver holds under these what it has read last; where it holds nothing of that name it performs nothing and reports
/// that nothing was done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// Register for changes of the account: everything published from now on must end the next
    /// [`Sleep`](Self::Sleep).
    Register,
    /// Read the shared cache. → [`Event::SharedCache`](super::Event::SharedCache)
    ReadSharedCache,
    /// Read the row. → [`Event::Loaded`](super::Event::Loaded)
    Load,
    /// Read the newest answer, now. → [`Event::Answers`](super::Event::Answers)
    ReadAnswers,
    /// Request the lease. → [`Event::Lease`](super::Event::Lease)
    TakeLease {
        /// The lowest fence that would do.
        floor: Option<Fence>,
    },
    /// Release the lease.
    ReleaseLease,
    /// Open an attempt. → [`Event::Claimed`](super::Event::Claimed)
    Claim(Claim),
    /// Present a refresh token, once. → [`Event::Exchanged`](super::Event::Exchanged)
    Exchange(Presentation),
    /// Go on reading the exchange that is under way, apart from this flight: its outcome is the first event of a flight
    /// [of this reading](super::Flight::of_reading).
    ReadOn(Reading),
    /// Write down what the note's claim brought, as an answer. →
    /// [`Event::AnswerWritten`](super::Event::AnswerWritten)
    WriteAnswer(AnswerNote),
    /// Put the pair that the note's claim brought into the row. → [`Event::Committed`](super::Event::Committed)
    CommitOwn(Commit),
    /// Put the answer that was read under the note's claim into the row. →
    /// [`Event::Committed`](super::Event::Committed)
    CommitFound(Commit),
    /// End an attempt. → [`Event::Settled`](super::Event::Settled)
    Settle(Settle),
    /// Mark the access token of this generation as rejected in the shared cache. →
    /// [`Event::RejectionMarked`](super::Event::RejectionMarked)
    MarkRejected(Generation),
    /// Clear that mark.
    ClearRejection(Generation),
    /// Erase answers older than a tombstone.
    EraseAnswers(Generation),
    /// Put something into the shared cache and notify everyone.
    Publish(Notice),
    /// Report to whoever waits for this flight.
    Deliver(Delivery),
    /// Wait. → [`Event::Woken`](super::Event::Woken)
    Sleep {
        /// The end at the latest.
        until: Moment,
        /// End early when the account changes.
        or_change: bool,
    },
}

/// The way in which a command is performed: the order that the machine and every driver keep.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// To its end, before the next command begins. Its event, if it has one, is taken in before that, too.
    AtOnce,
    /// Begun while nothing else is under way, as the last command of its batch.
    Alone,
    /// Begun while at most others of this mode, each another command, are under way.
    Together,
}

impl Command {
    /// Returns the way in which this command is performed.
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Register
            | Self::ReleaseLease
            | Self::MarkRejected(_)
            | Self::ClearRejection(_)
            | Self::EraseAnswers(_)
            | Self::ReadOn(_)
            | Self::Publish(_)
            | Self::Deliver(_) => Mode::AtOnce,
            Self::ReadSharedCache
            | Self::Load
            | Self::ReadAnswers
            | Self::TakeLease { .. }
            | Self::Claim(_)
            | Self::Exchange(_)
            | Self::CommitFound(_)
            | Self::Sleep { .. } => Mode::Alone,
            Self::WriteAnswer(_) | Self::CommitOwn(_) | Self::Settle(_) => Mode::Together,
        }
    }
}

/// One presentation of a refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Presentation {
    /// The generation whose refresh token is presented.
    pub from: Generation,
    /// The attempt it is for: the generation it would make.
    pub attempt: Generation,
    /// The claim that opened the attempt. It names the pair that comes back.
    pub claim: ClaimId,
    /// The lease's fence, where a lease is held.
    pub fence: Option<Fence>,
}

/// A publication.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Notice {
    /// A token.
    Token {
        /// Its generation.
        generation: Generation,
        /// Its source.
        source: Source,
    },
    /// A verdict.
    Verdict(Verdict<Moment>),
    /// The account was deleted with this generation.
    Gone(Generation),
}

/// The source of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// The shared cache.
    SharedCache,
    /// The row.
    Row,
    /// The provider, by this flight.
    Own,
}

/// The report to whoever waits for a flight.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Delivery {
    /// A token.
    Token {
        /// Its generation.
        generation: Generation,
        /// Its source.
        source: Source,
    },
    /// There is no such account.
    Unknown,
    /// Only a login helps.
    LogIn {
        /// The generation whose grant ended.
        generation: Generation,
        /// The cause of that.
        why: Revocation,
    },
    /// Not now.
    RetryAt {
        /// The instant from which on asking again may help.
        at: Moment,
        /// The reason to wait.
        why: Delay,
    },
    /// The successor of a rejected token was rejected as well: the evidence is about the resource.
    RejectedAgain {
        /// The instant from which on evidence counts again.
        at: Moment,
    },
}
