//! The refresh of one account, as a state machine.
//!
//! A [`Flight`] is driven like this: call [`start`](Flight::start), perform the [`Command`]s it returns in their
//! order, and hand every result back through [`step`](Flight::step), which returns further commands. Only
//! [`Command::WriteAnswer`] and [`Command::CommitOwn`] may run at the same time; each other command that has a result
//! is the last of its batch, but for [`Command::Mark`], whose result calls for nothing. The flight is over when [`is_over`](Flight::is_over) says so.
//!
//! The machine knows generations, fingerprints, expiries and flags, never tokens. Time and chance come in as
//! arguments, so that it can be explored exhaustively: it is `Clone + Eq + Hash`.

mod claiming;
mod command;
mod event;
mod judge;
mod knowledge;
#[cfg(test)]
mod laws;
mod recording;
mod rehearsal;
mod resolve;
mod settling;
mod shelf;
mod vigil;
mod waiting;

pub(crate) use claiming::cooldown;
pub use command::{Command, Delivery, Notice, Source};
pub use event::{AnswersView, Event, LeaseView, RowView, ShelfView, StoreReply, TokenView};
pub use judge::next_look;
pub use knowledge::{Knowledge, LocalHold, Subject, Watch};
pub use rehearsal::{Prospect, rehearse};
pub use vigil::Vigil;

use crate::{ClaimId, Fence, Fingerprint, Generation, Moment, Need, Policy, mutant};
use claiming::{Claiming, Own};
use recording::Recording;
use settling::Settling;

/// What a step is told besides the event.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The process' clock.
    pub now: Moment,
    /// The account's policy.
    pub policy: &'a Policy,
    /// A fresh id, should the step need one.
    pub id: ClaimId,
    /// Chance, 0 to 999: the jitter of whatever this step schedules.
    pub jitter: u16,
}

/// One flight: from a caller's need to a delivery, with the owner path when it comes to that.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Flight {
    need: Need,
    knowledge: Knowledge,
    /// The account's share of jitter.
    spread: u64,
    /// When waiting for others ends.
    give_up_at: Moment,
    door: Door,
    phase: Phase,
    /// Polls made while waiting.
    polls: u8,
    /// Times in a row that the store could not be used: the step of that cooldown.
    hiccups: u8,
    /// Looks at the row that came to nothing because it moved; bounded by [`MAX_LOOKS`].
    looks: u8,
    said: waiting::Said,
    delivered: bool,
    nonce_tried: bool,
    /// The generation whose refresh token was presented for the first time, and refused for a nonce.
    lacked_nonce: Option<crate::Generation>,
    draining: bool,
    /// What to do by itself once this is over.
    vigil: Vigil,
    /// What the answers held while this attempt was in flight.
    #[cfg(solekey_mutant)]
    early: Option<(ClaimId, AnswersView)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Door {
    /// Nothing taken.
    Outside,
    /// The lease is ours.
    Holding(Fence),
    /// There is no lease to be had; the claim alone decides.
    Missing,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Not started, or over.
    Idle { over: bool },
    /// Reading the shelf.
    Shelf,
    /// Reading the row without a lease, because the shelf knows nothing.
    Look,
    /// Asking for the lease.
    Door,
    /// Reading the row as its possible owner.
    Load { asked: Moment, then: Then },
    /// Reading the answers.
    Answers { row: Box<RowView>, then: Then },
    /// Committing an answer that was found beside the row.
    Adopting,
    /// Opening an attempt.
    Claiming(Box<Claiming>),
    /// The request is out.
    Exchanging(Own),
    /// Writing down what came back.
    Recording(Box<Recording>),
    /// Ending an attempt without an answer.
    Settling(Box<Settling>),
    /// Sleeping until news or the next poll.
    Waiting { at: Moment, why: crate::Delay },
}

/// What a look at row and answers is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    /// To decide what to do.
    Judge,
    /// To tell a lost race from a lost grant, after the provider refused the token.
    Convict(Own, crate::Revocation),
}

/// A row that moves under us this often is being refreshed by others; we wait for them.
const MAX_LOOKS: u8 = 8;

impl Flight {
    /// A flight for this need. `patience` bounds how long it waits for others; `spread` is the account's
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
            door: Door::Outside,
            phase: Phase::Idle { over: false },
            polls: 0,
            hiccups: 0,
            looks: 0,
            said: waiting::Said::default(),
            delivered: false,
            nonce_tried: false,
            lacked_nonce: None,
            draining: false,
            vigil: if need == Need::Resolved { Vigil::LookAt(now) } else { Vigil::Unchanged },
            #[cfg(solekey_mutant)]
            early: None,
        }
    }

    /// The first commands.
    pub fn start(&mut self, cx: &Context<'_>) -> Vec<Command> {
        if let Some((generation, _)) = self.need.rejection() {
            if let Some(until) = self.knowledge.resource_at_fault(generation, cx.now) {
                return self.deliver_and_end(Delivery::RejectedAgain { at: until });
            }
            let marked = self.mark(generation);
            return marked.into_iter().chain(self.read_shelf()).collect();
        }
        self.read_shelf()
    }

    /// Withholds the token of this generation from everybody. Of a token known by its string alone there is nothing to
    /// mark yet.
    fn mark(&mut self, generation: Generation) -> Option<Command> {
        if generation == Generation::ZERO {
            return None;
        }
        self.knowledge.mark(generation);
        Some(Command::Mark(generation))
    }

    /// A report that names a token by its string is about the generation that has it.
    fn recognise(
        &mut self,
        cx: &Context<'_>,
        generation: Generation,
        access: Fingerprint,
    ) -> Option<Command> {
        let (named, reported) = self.need.rejection()?;
        let excused = self.knowledge.resource_at_fault(generation, cx.now).is_some();
        if reported != access || named >= generation || excused || mutant("rejected_string_is_returned") {
            return None;
        }
        self.need = Need::NotThis { generation, access };
        self.mark(generation)
    }

    /// Takes an event in; hands commands out.
    pub fn step(&mut self, cx: &Context<'_>, event: Event) -> Vec<Command> {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle { over: false });
        match (phase, event) {
            (Phase::Shelf, Event::Shelf(view)) => self.on_shelf(cx, view),
            (Phase::Look, Event::Loaded(reply)) => self.on_look(cx, reply),
            (Phase::Door, Event::Lease(view)) => self.on_lease(cx, view),
            (Phase::Load { asked, then }, Event::Loaded(reply)) => self.on_loaded(cx, asked, then, reply),
            (Phase::Answers { row, then }, Event::Answers(view)) => self.on_answers(cx, *row, then, view),
            (Phase::Adopting, Event::Committed(reply)) => self.on_adopted(cx, reply),
            (Phase::Claiming(claiming), Event::Claimed(reply)) => self.on_claimed(cx, *claiming, reply),
            (Phase::Claiming(claiming), Event::Woken) => self.claim_again(cx, *claiming),
            (Phase::Exchanging(own), Event::Exchanged(outcome)) => self.on_exchanged(cx, own, outcome),
            (Phase::Recording(recording), Event::AnswerWritten(reply)) => {
                self.on_answer_written(cx, *recording, reply)
            }
            (Phase::Recording(recording), Event::Committed(reply)) => {
                self.on_committed(cx, *recording, reply)
            }
            (Phase::Recording(recording), Event::Woken) => self.record_again(cx, *recording),
            (Phase::Settling(settling), Event::Settled(reply)) => self.on_settled(cx, *settling, reply),
            (Phase::Settling(settling), Event::Woken) => self.settle_again(cx, *settling),
            (Phase::Waiting { at, why }, Event::Woken) => self.on_woken(cx, at, why),
            (phase, Event::Drain) => self.on_drain(cx, phase),
            (phase, Event::Marked { generation, shared }) => {
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

    /// What it was started for.
    pub fn need(&self) -> Need {
        self.need
    }

    /// Whether nothing is left to do.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Idle { over: true })
    }

    /// Whether a request is out, or its answer not yet in a safe place: what a shutdown waits for.
    pub fn is_committed(&self) -> bool {
        matches!(self.phase, Phase::Exchanging(_) | Phase::Recording(_))
    }

    /// Whether the flight has told its callers something.
    pub fn has_delivered(&self) -> bool {
        self.delivered
    }

    /// What was learnt, for the account's next flight.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// The open attempt of this flight and the claim that opened it.
    pub fn own_attempt(&self) -> Option<(crate::Generation, ClaimId)> {
        let own = match &self.phase {
            Phase::Exchanging(own) => own,
            Phase::Recording(recording) => &recording.own,
            _ => return None,
        };
        Some((own.open.attempt, own.open.id))
    }

    /// The fence of the lease it holds.
    pub fn fence(&self) -> Option<Fence> {
        match self.door {
            Door::Holding(fence) => Some(fence),
            Door::Outside | Door::Missing => None,
        }
    }

    fn leave_door(&mut self) -> Option<Command> {
        let held = matches!(self.door, Door::Holding(_));
        self.door = Door::Outside;
        held.then_some(Command::LeaveDoor).filter(|_| !mutant("door_is_never_left"))
    }

    fn deliver(&mut self, delivery: Delivery) -> Option<Command> {
        (!std::mem::replace(&mut self.delivered, true)).then_some(Command::Deliver(delivery))
    }

    fn deliver_and_end(&mut self, delivery: Delivery) -> Vec<Command> {
        self.phase = Phase::Idle { over: true };
        if matches!(delivery, Delivery::LogIn { .. } | Delivery::Unknown) {
            self.end_vigil();
        }
        self.deliver(delivery).into_iter().chain(self.leave_door()).collect()
    }

    fn end(&mut self) -> Vec<Command> {
        self.phase = Phase::Idle { over: true };
        self.leave_door().into_iter().collect()
    }
}
