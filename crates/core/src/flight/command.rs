//! What the machine asks its driver to do.

use crate::{AnswerNote, Claim, Commit, Fence, Generation, Moment, Revocation, Settle, Verdict};

/// One thing to do. Variants name the event that reports back; the others have no result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Command {
    /// Register for news about the account: everything published from now on must end the next
    /// [`Sleep`](Self::Sleep).
    Register,
    /// Read the shared cache. → [`Event::Shelf`](super::Event::Shelf)
    ReadShelf,
    /// Read the row. → [`Event::Loaded`](super::Event::Loaded)
    Load,
    /// Read the newest answer, now. → [`Event::Answers`](super::Event::Answers)
    ReadAnswers,
    /// Ask for the lease. → [`Event::Lease`](super::Event::Lease)
    TakeLease {
        /// The lowest fence that would do.
        floor: Option<Fence>,
    },
    /// Give the lease back.
    LeaveDoor,
    /// Open an attempt. → [`Event::Claimed`](super::Event::Claimed)
    Claim(Claim),
    /// Present the refresh token, once. → [`Event::Exchanged`](super::Event::Exchanged)
    Exchange,
    /// Write the own answer down. → [`Event::AnswerWritten`](super::Event::AnswerWritten)
    WriteAnswer(AnswerNote),
    /// Put the own answer into the row. → [`Event::Committed`](super::Event::Committed)
    CommitOwn(Commit),
    /// Put the answer last read into the row. → [`Event::Committed`](super::Event::Committed)
    CommitFound(Commit),
    /// End an attempt. → [`Event::Settled`](super::Event::Settled)
    Settle(Settle),
    /// Mark the access token of this generation as rejected on the shelf. → [`Event::Marked`](super::Event::Marked)
    Mark(Generation),
    /// Take that mark back.
    Unmark(Generation),
    /// Erase answers older than a tombstone.
    EraseAnswers(Generation),
    /// Put something on the shelf and tell everyone.
    Publish(Notice),
    /// Tell whoever waits for this flight.
    Deliver(Delivery),
    /// Wait. → [`Event::Woken`](super::Event::Woken)
    Sleep {
        /// At the latest until then.
        until: Moment,
        /// End early when news about the account arrive.
        or_news: bool,
    },
}

/// What to publish.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Notice {
    /// The token last got from there.
    Token(Source),
    /// A verdict.
    Verdict(Verdict<Moment>),
    /// The account was deleted with this generation.
    Gone(Generation),
}

/// Where a token was got.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// From the shared cache.
    Shelf,
    /// From the row.
    Row,
    /// From the provider, by this flight.
    Own,
}

/// What whoever waits is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Delivery {
    /// A token.
    Token {
        /// Its generation.
        generation: Generation,
        /// Where it was got.
        source: Source,
    },
    /// There is no such account.
    Unknown,
    /// Only a login helps.
    LogIn {
        /// The generation whose grant ended.
        generation: Generation,
        /// What ended it.
        why: Revocation,
    },
    /// Not now.
    RetryAt {
        /// When asking again may help.
        at: Moment,
        /// What it waits for.
        why: crate::Delay,
    },
    /// The successor of a rejected token was rejected as well: the evidence is about the resource.
    RejectedAgain {
        /// When evidence counts again.
        at: Moment,
    },
}
