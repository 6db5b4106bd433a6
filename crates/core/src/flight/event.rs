//! The events that the driver reports to the machine.

use std::time::Duration;

use crate::{
    AnswerNote, Fence, Fingerprint, Generation, Moment, NewFacts, Outcome, Row, StoreTime, UnreadNote,
    Verdict,
};

/// One event.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// The shared cache was read; `None`: it cannot be read.
    SharedCache(Option<CacheView>),
    /// The row was read.
    Loaded(StoreReply),
    /// The answers were read.
    Answers(AnswersView),
    /// The lease was requested.
    Lease(LeaseView),
    /// The claim was sent.
    Claimed(StoreReply),
    /// The exchange ended; a success brings the facts of the merged credential, times from before the send.
    Exchanged(Outcome<NewFacts>),
    /// The exchange timeout is over, and the exchange still under way: whoever waits for it is let go.
    ExchangeTimeout,
    /// The own answer was sent; true if its write was acknowledged.
    AnswerWritten(bool),
    /// The commit was sent.
    Committed(StoreReply),
    /// The settling was sent.
    Settled(StoreReply),
    /// The time slept for has come, or the account changed.
    Woken,
    /// The shared cache was sent a mark on this generation.
    RejectionMarked {
        /// The generation.
        generation: Generation,
        /// True if the shared cache is known to have taken it.
        shared: bool,
    },
    /// The process wants to stop: nothing more may be claimed.
    Drain,
}

/// The store's reply.
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

impl RowView {
    /// Returns the process' time, on the pessimistic side, of an instant on the store's clock.
    pub(super) fn moment_of(&self, time: StoreTime) -> Moment {
        self.asked + time.since(self.now)
    }

    /// The event of a store from which this row was read.
    pub fn done(self) -> Event {
        Event::Loaded(StoreReply::Done(self))
    }
}

/// The shared cache's entry of one account.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct CacheView {
    /// The newest generation ever published.
    pub known: Option<Generation>,
    /// The newest token while it is truly valid.
    pub token: Option<TokenView>,
    /// The verdict, times as time left.
    pub verdict: Option<Verdict<Duration>>,
    /// The newest generation rejected.
    pub rejected: Option<Generation>,
    /// The account was deleted.
    pub gone: bool,
}

/// A token in the shared cache.
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

/// The answers as they were read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AnswersView {
    /// They cannot be read: doubt, not absence.
    Unreadable,
    /// They were read.
    Read {
        /// The newest usable one.
        newest: Option<AnswerNote>,
        /// The newest one that was not understood.
        unread: Option<UnreadNote>,
        /// The instant since which their location has kept everything.
        kept_since: StoreTime,
    },
}

/// The result of requesting the lease.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LeaseView {
    /// It is ours.
    Granted(Fence),
    /// Somebody holds it.
    Busy,
    /// No lease can be had.
    Away,
}
