//! The tokens behind the machine's facts, under the handles that its commands carry.

use solekey_core::{
    Answer, ClaimId, Generation, Sealed,
    flight::{Knowledge, Source},
};

use super::{perform::Performer, read_on::Unanswered};
use crate::{process::LocalToken, seal::OpenedRow};

/// The payloads a flight has read or received last, one of each kind.
#[derive(Default)]
pub(super) struct Payloads {
    shared_cache: Option<LocalToken>,
    pub(super) row: Option<OpenedRow>,
    found: Option<Answer>,
    own: Option<OwnPair>,
    pub(super) unanswered: Option<Unanswered>,
}

/// A pair that the provider gave this flight.
pub(super) struct OwnPair {
    pub(super) claim: ClaimId,
    pub(super) sealed: Sealed,
    pub(super) token: Option<LocalToken>,
}

/// The payload that comes with an event.
pub(super) enum Fetched {
    Nothing,
    CacheEntry(Option<LocalToken>),
    Row(Option<Box<OpenedRow>>),
    Found(Option<Answer>),
    Own(OwnPair),
    Unanswered(Unanswered),
}

impl Payloads {
    /// The token of this generation, from this source.
    pub(super) fn token(&self, source: Source, generation: Generation) -> Option<&LocalToken> {
        let token = match source {
            Source::SharedCache => self.shared_cache.as_ref(),
            Source::Row => self.row.as_ref().and_then(|row| row.token.as_ref()),
            Source::Own => self.own.as_ref().and_then(|own| own.token.as_ref()),
        };
        token.filter(|token| token.data.generation == generation)
    }

    /// The row, if it was read with this generation.
    pub(super) fn row_of(&self, generation: Generation) -> Option<&OpenedRow> {
        self.row.as_ref().filter(|row| row.generation == generation)
    }

    /// The sealed pair that this claim's exchange brought.
    pub(super) fn own(&self, claim: ClaimId) -> Option<Sealed> {
        let own = self.own.as_ref().filter(|own| own.claim == claim);
        debug_assert!(own.is_some(), "no pair of {claim:?}");
        own.map(|own| own.sealed.clone())
    }

    /// The sealed pair of the answer that was read under this claim.
    pub(super) fn found(&self, claim: ClaimId) -> Option<Sealed> {
        let found = self.found.as_ref().filter(|answer| answer.note.claim == claim);
        debug_assert!(found.is_some(), "no answer of {claim:?}");
        found.map(|answer| answer.payload.clone())
    }

    /// Returns true if the row was read with this generation, made by a login.
    pub(super) fn is_login(&self, generation: Generation) -> bool {
        self.row.as_ref().is_some_and(|row| row.login == Some(generation))
    }
}

impl Performer {
    /// Keeps a payload; a token also becomes what this process serves, unless it has a newer one.
    pub(super) fn keep(&mut self, fetched: Fetched, knowledge: &Knowledge) {
        match fetched {
            Fetched::Nothing => {}
            Fetched::CacheEntry(token) => {
                self.serve(token.as_ref(), knowledge);
                self.payloads.shared_cache = token;
            }
            Fetched::Row(row) => {
                let row = row.map(|row| *row);
                if let Some(login) = row.as_ref().and_then(|row| row.login) {
                    self.engine.process.entries().remove_older(self.account.key(), login);
                }
                self.serve(row.as_ref().and_then(|row| row.token.as_ref()), knowledge);
                self.payloads.row = row;
            }
            Fetched::Found(answer) => self.payloads.found = answer,
            Fetched::Own(pair) => self.payloads.own = Some(pair),
            Fetched::Unanswered(unanswered) => self.payloads.unanswered = Some(unanswered),
        }
    }

    /// Puts a token into this process' memory, with its mark if it was rejected.
    pub(super) fn serve(&self, token: Option<&LocalToken>, knowledge: &Knowledge) {
        let now = self.engine.process.now();
        let Some(token) = token.filter(|token| token.is_valid(now)) else { return };
        let rejected = knowledge.is_rejected(token.data.generation);
        self.engine.process.fill(self.account.key(), token, rejected.then_some(now));
    }

    /// The token of this generation is withheld no longer.
    pub(super) fn serve_again(&self, generation: Generation) {
        self.engine.process.entries().clear_rejection(self.account.key(), generation);
    }
}
