//! One instant of a small world: some processes, a store, a place of answers, a token endpoint, and what is under way.

use solekey_core::{AnswerNote, Claim, Generation, Row, StoreTime};

use super::{
    provider::{Provider, Token},
    shared::Shared,
    tick::{Tick, store_time},
    worker::{Request, Worker},
};

/// Everything that may still matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct World {
    /// Seconds since the beginning.
    pub(crate) tick: Tick,
    /// By how much the store's clock was stepped.
    pub(crate) step: i8,
    pub(crate) row: Shared<Row>,
    /// The two newest answers.
    pub(crate) answers: Shared<Vec<Written>>,
    pub(crate) store: Server,
    pub(crate) place: Server,
    /// The time since which the location of answers has kept everything.
    pub(crate) kept_since: StoreTime,
    pub(crate) provider: Shared<Provider>,
    pub(crate) workers: Vec<Shared<Worker>>,
    /// Requests whose process died.
    pub(crate) orphans: Vec<Request>,
    /// A claim that hangs in some connection.
    pub(crate) hung: Option<Claim>,
    /// The row to which the store will be set back.
    pub(crate) backup: Option<Shared<Row>>,
    pub(crate) went_back: bool,
    /// A pair came too late to be seen: its process reached neither store nor answers when its attempt's `until` came.
    pub(crate) came_late: bool,
    /// Refresh tokens whose answers were written down and lost.
    pub(crate) forgotten: Vec<Token>,
    /// The login that counts; none after a delete.
    pub(crate) family: Option<u8>,
    /// Claims made within this second.
    pub(crate) claims: u8,
    pub(crate) logins: u8,
    pub(crate) left: Left,
}

/// An answer and when it was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Written {
    pub(crate) note: AnswerNote,
    pub(crate) at: StoreTime,
}

/// The state of a server for all processes: reachable or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Server {
    Up,
    Down,
}

/// The servers that a process can reach, of those that are up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Reach {
    #[default]
    Everything,
    Answers,
    Nothing,
}

/// The failures and the actions from outside that may still happen, each with its number of times.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Left {
    /// Seconds for which a process is stopped with something to do.
    pub stalls: u8,
    /// Seconds for which a process is stopped between its claim and the read of the reply.
    pub pauses: u8,
    /// Processes that die.
    pub crashes: u8,
    /// Requests that the endpoint never sees.
    pub lost_requests: u8,
    /// Answers of the endpoint that nobody reads.
    pub lost_answers: u8,
    /// Answers of the endpoint that are read whole and not understood.
    pub unread: u8,
    /// Definite refusals that did not process the token: 429.
    pub refusals: u8,
    /// Nothing could be sent.
    pub unsent: u8,
    /// Single operations that fail while their server is up.
    pub failures: u8,
    /// Claims that hang in a connection and are executed later.
    pub hangs: u8,
    /// Times at which the store goes away, for all.
    pub store_outages: u8,
    /// Times at which the answers cannot be had, for all.
    pub answer_outages: u8,
    /// Times at which the place of answers loses everything and begins anew.
    pub answers_lost: u8,
    /// Answers that arrive when the callers were let go, before or after the attempt's `until`.
    pub late_answers: u8,
    /// Processes that cannot reach the store from the moment at which they have sent a request.
    pub cut_offs: u8,
    /// The same that can reach neither store nor answers for a while.
    pub islands: u8,
    /// Logins of a person.
    pub logins: u8,
    /// Logins with the refresh token that the account holds, next to another access token.
    pub amendments: u8,
    /// Deletes.
    pub deletes: u8,
    /// Times at which the store is set back to an earlier state.
    pub went_back: u8,
    /// Times at which the store forgets everything, whatever is under way.
    pub forgets: u8,
    /// Steps of the store's clock, forward by more than an attempt may last.
    pub steps_forward: u8,
    /// The same, backward.
    pub steps_back: u8,
    /// Reports that the resource rejected the access token.
    pub rejections: u8,
    /// Refreshes that a person asks for.
    pub operators: u8,
}

impl Left {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        stalls: 0,
        pauses: 0,
        crashes: 0,
        lost_requests: 0,
        lost_answers: 0,
        unread: 0,
        refusals: 0,
        unsent: 0,
        failures: 0,
        hangs: 0,
        store_outages: 0,
        answer_outages: 0,
        answers_lost: 0,
        late_answers: 0,
        cut_offs: 0,
        islands: 0,
        logins: 0,
        amendments: 0,
        deletes: 0,
        went_back: 0,
        forgets: 0,
        steps_forward: 0,
        steps_back: 0,
        rejections: 0,
        operators: 0,
    };
}

impl Left {
    /// Returns whether every request is answered and nobody dies or is stopped: single operations fail at most, or
    /// hang.
    pub(crate) fn loses_nothing(&self) -> bool {
        Self { hangs: 0, failures: 0, ..*self } == Self::NONE
    }
}

impl World {
    pub(crate) fn new(
        workers: usize,
        row: Row,
        answers: Vec<Written>,
        provider: Provider,
        left: Left,
    ) -> Self {
        Self {
            tick: 0,
            step: 0,
            row: row.into(),
            answers: answers.into(),
            store: Server::Up,
            place: Server::Up,
            kept_since: StoreTime::default(),
            provider: provider.into(),
            workers: vec![Shared::default(); workers],
            orphans: Vec::new(),
            hung: None,
            backup: None,
            went_back: false,
            came_late: false,
            forgotten: Vec::new(),
            family: Some(0),
            claims: 0,
            logins: 0,
            left,
        }
    }

    /// Forgets what never matters here: it only multiplies worlds. Nobody is woken by the store, and of the last change
    /// it matters when it was as long as the clock may step back behind it.
    pub(crate) fn tidy_row(&mut self) {
        let now = self.store_now();
        self.row.due_at = None;
        if self.left.steps_back == 0 && self.row.changed_at <= now {
            self.row.changed_at = StoreTime::default();
        }
    }

    /// The row keeps up with a clock that stepped back.
    pub(crate) fn follow(&mut self, now: StoreTime) {
        // A row is copied when it is touched.
        if self.row.changed_at > now {
            self.row.follow(now);
        }
    }

    /// Returns whether the store knows nothing of the account.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.row.minted == Generation::ZERO
    }

    /// The store's clock.
    pub(crate) fn store_now(&self) -> StoreTime {
        store_time(i32::from(self.tick) + i32::from(self.step))
    }

    /// Every request that may still reach the endpoint.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.workers.iter().filter_map(|worker| worker.request.as_ref()).chain(&self.orphans)
    }

    /// The store, as this process finds it.
    pub(crate) fn store_of(&self, worker: &Worker) -> Server {
        if worker.reach == Reach::Everything { self.store } else { Server::Down }
    }

    /// The place of answers, as this process finds it.
    pub(crate) fn place_of(&self, worker: &Worker) -> Server {
        if worker.reach == Reach::Nothing { Server::Down } else { self.place }
    }

    /// A name that no claim bears.
    pub(crate) fn next_claim(&self) -> solekey_core::ClaimId {
        super::scene::claim_id(self.tick, self.claims)
    }

    pub(crate) fn row_token(&self) -> Option<Token> {
        self.row.facts.and_then(|facts| facts.refresh).map(super::scene::token_of)
    }
}
