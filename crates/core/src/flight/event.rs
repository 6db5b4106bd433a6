//! What the driver reports to the machine.

use std::time::Duration;

use crate::{AnswerNote, Fence, Fingerprint, Generation, Moment, NewFacts, Outcome, Row, StoreTime, Verdict};

/// Something happened.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// What is on the shelf; `None`: it cannot be read.
    Shelf(Option<ShelfView>),
    /// The row.
    Loaded(StoreReply),
    /// The answers.
    Answers(AnswersView),
    /// The lease.
    Lease(LeaseView),
    /// The claim.
    Claimed(StoreReply),
    /// The exchange; a success brings the facts of the merged credential, times from before the send.
    Exchanged(Outcome<NewFacts>),
    /// Whether the own answer was acknowledged.
    AnswerWritten(bool),
    /// The commit.
    Committed(StoreReply),
    /// The settling.
    Settled(StoreReply),
    /// The time slept for has come, or news arrived.
    Woken,
    /// Whether the shelf is known to have been asked to mark this generation.
    Marked {
        /// The generation.
        generation: Generation,
        /// Whether the shelf said so.
        shared: bool,
    },
    /// The process wants to stop: claim nothing more.
    Drain,
}

/// What the store said.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StoreReply {
    /// Done; this is the row now, if there is one.
    Done(RowView),
    /// Refused because the row is like this.
    Moved(RowView),
    /// Refused because it came too late.
    Late,
    /// Nothing was changed.
    NotApplied,
    /// It may or may not have been done.
    Unknown,
    /// A newer version wrote the row.
    UnreadableFormat,
}

/// A row as it was at one instant of the store's clock.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RowView {
    /// The row; `None` where there never was one.
    pub row: Option<Row>,
    /// The store's time when it was read.
    pub now: StoreTime,
    /// This process' time before it was asked for.
    pub asked: Moment,
}

/// What the shelf holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ShelfView {
    /// The newest generation ever published.
    pub known: Option<Generation>,
    /// The newest token while it is truly valid.
    pub token: Option<TokenView>,
    /// What to do next, times as time left.
    pub verdict: Option<Verdict<Duration>>,
    /// The newest generation rejected.
    pub rejected: Option<Generation>,
    /// The account was deleted.
    pub gone: bool,
}

/// A token on the shelf.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenView {
    /// The generation that made it.
    pub generation: Generation,
    /// The token.
    pub access: Fingerprint,
    /// Until true expiry.
    pub valid: Duration,
    /// Until it stops being good enough.
    pub good: Duration,
    /// The whole lifetime, when known.
    pub lifetime: Option<Duration>,
}

/// What a look at the answers found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AnswersView {
    /// They cannot be read: doubt, not absence.
    Unreadable,
    /// They were read.
    Read {
        /// The newest usable one.
        newest: Option<AnswerNote>,
        /// The place has kept everything since then.
        kept_since: StoreTime,
    },
}

/// What came of asking for the lease.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LeaseView {
    /// It is ours.
    Granted(Fence),
    /// Somebody holds it.
    Busy,
    /// There is no lease to be had.
    Away,
}
