//! The tokens behind the machine's facts.

use std::sync::Arc;

use solekey_cache::{Asked, Entry, Times};
use solekey_core::{Answer, Credential, Generation, Moment, NewFacts, Sealed, flight::Source};

use super::Driver;
use crate::{observer::Level, seal::CannotOpen, token::TokenData};

/// What a flight has in its hands.
#[derive(Default)]
pub(super) struct Stock {
    pub(super) shelf: Option<Held>,
    pub(super) row: Option<StockedRow>,
    pub(super) found: Option<Answer>,
    pub(super) own: Option<OwnPair>,
}

/// A token, and how long it is good for on this process' clock.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) data: Arc<TokenData>,
    pub(crate) times: Times,
    pub(crate) asked: Asked,
    /// Where this process got it.
    pub(crate) level: Level,
}

/// The row as last read.
pub(crate) struct StockedRow {
    /// What is known of the credential, as of its reading.
    pub(crate) facts: Option<NewFacts>,
    pub(crate) credential: Result<Option<Credential>, CannotOpen>,
    pub(crate) token: Option<Held>,
    pub(crate) generation: Generation,
    /// The attempt open in it that is past its time.
    pub(crate) overdue: Option<Generation>,
    /// Its generation, where a login made the credential: what was served before is not its account's any more.
    pub(crate) login: Option<Generation>,
}

/// What the provider gave this flight.
pub(super) struct OwnPair {
    pub(super) sealed: Sealed,
    pub(crate) token: Option<Held>,
}

/// What comes into stock with an event.
pub(super) enum Keep {
    Nothing,
    Shelf(Option<Held>),
    Row(Option<Box<StockedRow>>),
    Found(Option<Answer>),
    Own(OwnPair),
}

impl Stock {
    pub(super) fn token(&self, source: Source) -> Option<&Held> {
        match source {
            Source::Shelf => self.shelf.as_ref(),
            Source::Row => self.row.as_ref()?.token.as_ref(),
            Source::Own => self.own.as_ref()?.token.as_ref(),
        }
    }

    /// Whether the row was read with this generation, made by a login.
    pub(super) fn is_login(&self, generation: Generation) -> bool {
        self.row.as_ref().is_some_and(|row| row.login == Some(generation))
    }
}

impl StockedRow {
    /// The row of a deleted account.
    pub(crate) fn gone(generation: Generation) -> Self {
        Self { facts: None, credential: Ok(None), token: None, generation, overdue: None, login: None }
    }
}

impl Driver {
    /// Puts it into stock; a token also becomes what this process serves, unless it has a newer one.
    pub(super) fn keep(&mut self, keep: Keep) {
        match keep {
            Keep::Nothing => {}
            Keep::Shelf(token) => {
                self.serve(token.as_ref());
                self.stock.shelf = token;
            }
            Keep::Row(row) => {
                let row = row.map(|row| *row);
                if let Some(login) = row.as_ref().and_then(|row| row.login) {
                    self.instance.entries().remove_older(self.account.key(), login);
                }
                self.serve(row.as_ref().and_then(|row| row.token.as_ref()));
                self.stock.row = row;
            }
            Keep::Found(answer) => self.stock.found = answer,
            Keep::Own(pair) => self.stock.own = Some(pair),
        }
    }

    pub(super) fn serve(&self, token: Option<&Held>) {
        let Some(held) = token else { return };
        let now = self.instance.now();
        if !held.is_valid(now) {
            return;
        }
        let rejected = self.flight.knowledge().is_rejected(held.data.generation);
        self.instance.fill(self.account.key(), held, rejected.then_some(now));
    }
}

impl Held {
    pub(crate) fn entry(&self) -> Entry<Arc<TokenData>> {
        Entry::new(self.data.generation, Arc::clone(&self.data), self.times, self.asked)
    }

    /// Whether it is before its true expiry.
    pub(crate) fn is_valid(&self, now: Moment) -> bool {
        now < self.times.valid_until
    }

    /// What is left of it, as the shelf counts.
    pub(crate) fn left(&self, now: Moment) -> (std::time::Duration, std::time::Duration) {
        (self.times.valid_until.since(now), self.times.good_until.since(now))
    }
}
