//! The refresh of one account, as a state machine.
//!
//! A [`Flight`] is driven like this: call [`start`](Flight::start), perform the [`Commands`] it returns in their order,
//! and report every result to [`step`](Flight::step), which returns further commands. [`Command::mode`] states which of
//! them are performed at once and which may be under way at the same time. The flight is over when
//! [`is_over`](Flight::is_over) returns true.
//!
//! The machine knows generations, fingerprints, expiries and flags, never tokens: a command that needs one names it.
//! Time and chance come in as arguments, so that the machine can be explored exhaustively: it is `Clone + Eq + Hash`.

mod attempt;
mod claiming;
mod command;
mod commands;
mod context;
mod decide;
mod dry_run;
mod due;
mod event;
mod exchanging;
mod keeping;
mod knowledge;
#[cfg(test)]
mod laws;
mod published;
mod reading;
mod recheck;
mod record;
mod recording;
mod resolve;
mod settle;
mod settling;
mod shared_cache;
mod waiting;

pub use command::{Command, Delivery, Mode, Notice, Presentation, Source};
pub use commands::Commands;
pub use context::Context;
pub use dry_run::{NextStep, dry_run};
pub use due::next_check;
pub use event::{AnswersView, CacheView, Event, LeaseView, RowView, StoreReply, TokenView};
pub use knowledge::{Knowledge, LocalCooldown, Subject, Watch};
pub use reading::Reading;
pub use recheck::Recheck;

use crate::{Fence, Fingerprint, Generation, Moment, Need, Revocation, mutant};
use attempt::{Attempt, Claiming};
use keeping::Keeping;
use published::LastPublished;
use recording::Recording;
use settling::Settling;

/// One flight: from a caller's need to a delivery, over the owner path where it has to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Flight {
    need: Need,
    knowledge: Knowledge,
    /// The account's share of jitter.
    spread: u64,
    /// The end of waiting for others.
    give_up_at: Moment,
    lease: LeaseState,
    phase: Phase,
    /// Polls made while waiting.
    polls: u8,
    /// Times in a row that the store could not be used: the step of that cooldown.
    hiccups: u8,
    /// Reads of the row that came to nothing because it moved; bounded by [`MAX_READS`].
    reads: u8,
    last_published: LastPublished,
    delivered: bool,
    nonce_tried: bool,
    /// The generation whose refresh token was presented for the first time, and refused for a nonce.
    lacked_nonce: Option<Generation>,
    draining: bool,
    /// The check that the process does by itself once this is over.
    recheck: Recheck,
    /// The answers as they were read while this attempt was in flight.
    #[cfg(solekey_mutant)]
    early: Option<(crate::ClaimId, AnswersView)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum LeaseState {
    /// No lease is held.
    NotHeld,
    /// The lease is ours.
    Held(Fence),
    /// No lease can be had; the claim alone decides.
    Unavailable,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Not started, or over.
    Idle { over: bool },
    /// Reading the shared cache.
    SharedCache,
    /// Reading the row without a lease, because the shared cache does not know the account.
    FirstRead,
    /// Requesting the lease.
    Lease,
    /// Reading the row as its possible owner.
    Load { asked: Moment, then: Then },
    /// Reading the answers.
    Answers { row: Box<RowView>, then: Then },
    /// Committing an answer that is newer than the row.
    Adopting,
    /// Opening an attempt.
    Claiming(Box<Claiming>),
    /// The request is out.
    Exchanging(Attempt),
    /// Writing down what came back.
    Recording(Box<Recording>),
    /// Writing down an answer that was not understood.
    Keeping(Box<Keeping>),
    /// Ending an attempt without an answer.
    Settling(Box<Settling>),
    /// Sleeping until a notification or the next poll.
    Waiting { at: Moment, why: crate::Delay },
}

/// The purpose of reading row and answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    /// To decide what to do.
    Decide,
    /// To distinguish a lost race from a lost grant, after the provider refused the token.
    ConfirmRevocation(Attempt, Revocation),
}

/// A row that moves this often between two steps is being refreshed by others; the flight waits for them.
const MAX_READS: u8 = 8;

impl Flight {
    /// A flight for this need. `patience` bounds its waiting for others; `spread` is the account's
    /// [spread](crate::AccountKey::spread).
    pub fn new(
        need: Need,
        knowledge: Knowledge,
        spread: u64,
        now: Moment,
        patience: std::time::Duration,
    ) -> Self {
        Self {
            need,
            knowledge,
            spread,
            give_up_at: now + patience,
            lease: LeaseState::NotHeld,
            phase: Phase::Idle { over: false },
            polls: 0,
            hiccups: 0,
            reads: 0,
            last_published: LastPublished::default(),
            delivered: false,
            nonce_tried: false,
            lacked_nonce: None,
            draining: false,
            recheck: if need == Need::Resolved { Recheck::CheckAt(now) } else { Recheck::Unchanged },
            #[cfg(solekey_mutant)]
            early: None,
        }
    }

    /// Returns the first commands.
    pub fn start(&mut self, cx: &Context<'_>) -> Commands {
        self.begin(cx).into()
    }

    fn begin(&mut self, cx: &Context<'_>) -> Vec<Command> {
        if let Some((generation, _)) = self.need.rejection() {
            if let Some(until) = self.knowledge.resource_at_fault(generation, cx.now) {
                return self.deliver_and_end(Delivery::RejectedAgain { at: until });
            }
            let mark = self.mark_rejected(generation);
            return mark.into_iter().chain(self.read_shared_cache()).collect();
        }
        self.read_shared_cache()
    }

    /// Withholds the token of this generation from everybody. A token known by its string alone cannot be marked yet.
    fn mark_rejected(&mut self, generation: Generation) -> Option<Command> {
        if generation == Generation::ZERO {
            return None;
        }
        self.knowledge.mark_rejected(generation);
        Some(Command::MarkRejected(generation))
    }

    /// A report that names a token by its string is about the generation that has it.
    fn recognise(
        &mut self,
        cx: &Context<'_>,
        generation: Generation,
        access: Fingerprint,
    ) -> Option<Command> {
        let (named, reported) = self.need.rejection()?;
        let cleared = self.knowledge.resource_at_fault(generation, cx.now).is_some();
        if reported != access || named >= generation || cleared || mutant("rejected_string_is_returned") {
            return None;
        }
        self.need = Need::NotThis { generation, access };
        self.mark_rejected(generation)
    }

    /// Takes an event in; returns the commands that follow from it.
    pub fn step(&mut self, cx: &Context<'_>, event: Event) -> Commands {
        self.take_in(cx, event).into()
    }

    fn take_in(&mut self, cx: &Context<'_>, event: Event) -> Vec<Command> {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle { over: false });
        match (phase, event) {
            (Phase::SharedCache, Event::SharedCache(view)) => self.on_shared_cache(cx, view),
            (Phase::FirstRead, Event::Loaded(reply)) => self.on_row_read(cx, reply),
            (Phase::Lease, Event::Lease(view)) => self.on_lease(cx, view),
            (Phase::Load { asked, then }, Event::Loaded(reply)) => self.on_loaded(cx, asked, then, reply),
            (Phase::Answers { row, then }, Event::Answers(view)) => self.on_answers(cx, *row, then, view),
            (Phase::Adopting, Event::Committed(reply)) => self.on_adopted(cx, reply),
            (Phase::Claiming(claiming), Event::Claimed(reply)) => self.on_claimed(cx, *claiming, reply),
            (Phase::Claiming(claiming), Event::Woken) => self.claim_again(cx, *claiming),
            (Phase::Exchanging(attempt), Event::Exchanged(outcome)) => {
                self.on_exchanged(cx, attempt, outcome)
            }
            (Phase::Exchanging(attempt), Event::ExchangeTimeout) => self.let_callers_go(cx, attempt),
            (Phase::Recording(recording), Event::AnswerWritten(reply)) => {
                self.on_answer_written(cx, *recording, reply)
            }
            (Phase::Recording(recording), Event::Committed(reply)) => {
                self.on_committed(cx, *recording, reply)
            }
            (Phase::Recording(recording), Event::Woken) => self.record_again(cx, *recording),
            (Phase::Keeping(keeping), Event::AnswerWritten(reply)) => {
                self.on_unread_written(cx, *keeping, reply)
            }
            (Phase::Keeping(keeping), Event::Settled(reply)) => self.on_unread_marked(cx, *keeping, &reply),
            (Phase::Keeping(keeping), Event::Woken) => self.keep_again(*keeping),
            (Phase::Settling(settling), Event::Settled(reply)) => self.on_settled(cx, *settling, reply),
            (Phase::Settling(settling), Event::Woken) => self.settle_again(*settling),
            (Phase::Waiting { at, why }, Event::Woken) => self.on_woken(cx, at, why),
            (phase, Event::Drain) => self.on_drain(cx, phase),
            (phase, Event::RejectionMarked { generation, shared }) => {
                self.knowledge.marked(generation, shared);
                self.phase = phase;
                Vec::new()
            }
            (phase, event) => {
                // A timer that fires for a phase already left is the only event that may come out of turn.
                debug_assert!(matches!(event, Event::Woken), "{event:?} in {phase:?}");
                self.phase = phase;
                Vec::new()
            }
        }
    }

    /// The need that it serves.
    pub fn need(&self) -> Need {
        self.need
    }

    /// Returns true if nothing is left to do.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Idle { over: true })
    }

    /// Returns true if a request is out, or its answer not yet acknowledged anywhere: what a shutdown waits for.
    pub fn is_committed(&self) -> bool {
        matches!(self.phase, Phase::Exchanging(_) | Phase::Recording(_) | Phase::Keeping(_))
    }

    /// The knowledge gathered, for the account's next flight.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// The fence of the lease that this flight holds.
    fn fence(&self) -> Option<Fence> {
        match self.lease {
            LeaseState::Held(fence) => Some(fence),
            LeaseState::NotHeld | LeaseState::Unavailable => None,
        }
    }

    fn release_lease(&mut self) -> Option<Command> {
        let held = matches!(self.lease, LeaseState::Held(_));
        self.lease = LeaseState::NotHeld;
        held.then_some(Command::ReleaseLease).filter(|_| !mutant("lease_is_never_released"))
    }

    fn deliver(&mut self, delivery: Delivery) -> Option<Command> {
        (!std::mem::replace(&mut self.delivered, true)).then_some(Command::Deliver(delivery))
    }

    fn deliver_and_end(&mut self, delivery: Delivery) -> Vec<Command> {
        self.phase = Phase::Idle { over: true };
        if matches!(delivery, Delivery::LogIn { .. } | Delivery::Unknown) {
            self.end_recheck();
        }
        self.deliver(delivery).into_iter().chain(self.release_lease()).collect()
    }

    fn end(&mut self) -> Vec<Command> {
        self.phase = Phase::Idle { over: true };
        self.release_lease().into_iter().collect()
    }
}
