//! One instant of a small world: two processes, a store, a place of answers, a token endpoint, and what is under way.

use std::hash::{Hash, Hasher};

use solekey_core::{AnswerNote, Claim, Row, StoreTime};

use super::{
    hash::Wide,
    provider::{Provider, Token},
    scene::store_time,
    worker::{Request, Worker},
};

/// Everything that may still matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct World {
    /// Seconds since the beginning.
    pub(crate) tick: u8,
    /// By how much the store's clock was stepped.
    pub(crate) step: i8,
    pub(crate) row: Row,
    /// The two newest answers.
    pub(crate) answers: Vec<Written>,
    pub(crate) store: Place,
    pub(crate) place: Place,
    pub(crate) provider: Provider,
    pub(crate) workers: [Worker; 2],
    /// Requests whose process died.
    pub(crate) orphans: Vec<Request>,
    /// A claim that hangs in some connection.
    pub(crate) hung: Option<Claim>,
    /// What the store will be set back to.
    pub(crate) backup: Option<Row>,
    pub(crate) went_back: bool,
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

/// Whether a server can be reached, for all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Place {
    Up,
    Down,
}

/// What may still go wrong, or be done from outside: how often each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Left {
    /// Seconds for which a process is stopped with something to do.
    pub(crate) stalls: u8,
    /// Seconds for which a process is stopped between its claim and the look at the reply.
    pub(crate) pauses: u8,
    pub(crate) crashes: u8,
    pub(crate) lost_requests: u8,
    pub(crate) lost_answers: u8,
    /// Definite refusals that did not process the token: 429.
    pub(crate) refusals: u8,
    /// Nothing could be sent.
    pub(crate) unsent: u8,
    /// Single operations that fail while their server is up.
    pub(crate) failures: u8,
    /// Claims that hang in a connection and are executed later.
    pub(crate) hangs: u8,
    pub(crate) store_outages: u8,
    pub(crate) answer_outages: u8,
    pub(crate) logins: u8,
    pub(crate) deletes: u8,
    pub(crate) went_back: u8,
    pub(crate) steps_forward: u8,
    pub(crate) steps_back: u8,
    pub(crate) rejections: u8,
    pub(crate) operators: u8,
}

impl Left {
    /// Nothing goes wrong.
    pub(crate) const NONE: Self = Self {
        stalls: 0,
        pauses: 0,
        crashes: 0,
        lost_requests: 0,
        lost_answers: 0,
        refusals: 0,
        unsent: 0,
        failures: 0,
        hangs: 0,
        store_outages: 0,
        answer_outages: 0,
        logins: 0,
        deletes: 0,
        went_back: 0,
        steps_forward: 0,
        steps_back: 0,
        rejections: 0,
        operators: 0,
    };
}

impl World {
    pub(crate) fn new(row: Row, answers: Vec<Written>, provider: Provider, left: Left) -> Self {
        Self {
            tick: 0,
            step: 0,
            row,
            answers,
            store: Place::Up,
            place: Place::Up,
            provider,
            workers: [Worker::default(), Worker::default()],
            orphans: Vec::new(),
            hung: None,
            backup: None,
            went_back: false,
            family: Some(0),
            claims: 0,
            logins: 0,
            left,
        }
    }

    /// The store's clock.
    pub(crate) fn store_now(&self) -> StoreTime {
        store_time(i16::from(self.tick) + i16::from(self.step))
    }

    /// The same for worlds that differ only in the processes' names.
    pub(crate) fn key(&self) -> u128 {
        Wide::of(self)
    }

    /// Every request that may still reach the endpoint.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.workers.iter().filter_map(|worker| worker.request.as_ref()).chain(&self.orphans)
    }

    /// A name that no claim bears.
    pub(crate) fn next_claim(&self) -> solekey_core::ClaimId {
        super::scene::claim_id(self.tick, self.claims)
    }

    pub(crate) fn row_token(&self) -> Option<Token> {
        self.row.facts.and_then(|facts| facts.refresh).map(super::scene::token_of)
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            tick,
            step,
            row,
            answers,
            store,
            place,
            provider,
            workers,
            orphans,
            hung,
            backup,
            went_back,
            family,
            claims,
            logins,
            left,
        } = self;
        let [one, other] = [Wide::of(&workers[0]), Wide::of(&workers[1])];
        (one.min(other), one.max(other)).hash(state);
        (tick, step, row, answers, store, place, provider, orphans).hash(state);
        (hung.map(|claim| claim.id), backup, went_back, family, claims, logins, left).hash(state);
    }
}
