//! The reply of a script about a row.

use std::collections::HashMap;

use solekey_core::{
    Fingerprint, ROW_FORMAT, StoreTime,
    ports::{Loaded, StoreError, Trouble},
};
use solekey_redis_link::{LinkError, Value};

use crate::{
    fields::Fields,
    trouble::{Garbled, decode},
};

/// The answer of a script about a row.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    now: StoreTime,
    fields: Fields,
    /// Tokens that the row neither holds nor lists any more.
    released: Vec<Released>,
    /// The row's instants were moved to a clock that stepped back.
    pub(crate) followed: bool,
}

/// A token that an account's row neither holds nor lists any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released {
    pub(crate) token: Fingerprint,
    /// The day until which it is remembered as spent; `None` where it was never presented.
    pub(crate) spent_until: Option<u16>,
    /// The time of the change.
    pub(crate) at: StoreTime,
}

/// Outcome, time, row, tokens that moved to the archive, the day until which it remembers them, other tokens released,
/// whether the row's instants were moved.
type Answered = (String, u64, HashMap<String, Vec<u8>>, Vec<String>, u16, Vec<String>, bool);

/// The first word of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Done,
    Same,
    Moved,
    Late,
    Presented,
    Lesser,
    Unreadable,
}

impl Reply {
    pub(crate) fn read(reply: Value) -> Result<Self, LinkError> {
        let (outcome, now, fields, spent, until, released, followed): Answered = decode(reply)?;
        let now = StoreTime::from_micros(now);
        let outcome = match outcome.as_str() {
            "done" => Outcome::Done,
            "same" => Outcome::Same,
            "moved" => Outcome::Moved,
            "late" => Outcome::Late,
            "presented" => Outcome::Presented,
            "lesser" => Outcome::Lesser,
            "unreadable" => Outcome::Unreadable,
            _ => return Err(LinkError::Shape { expected: "the outcome of a script" }),
        };
        let spent = spent.iter().map(|token| (token, Some(until)));
        let released = spent.chain(released.iter().map(|token| (token, None)));
        let released = released.filter_map(|(token, spent_until)| {
            Some(Released { token: Fingerprint::parse(token)?, spent_until, at: now })
        });
        let released = released.collect();
        Ok(Self { outcome, now, fields: Fields::new(fields), released, followed })
    }

    /// The row as the script left it.
    pub(crate) fn loaded(&self) -> Result<Loaded, StoreError> {
        if self.fields.is_empty() {
            return Ok(Loaded { record: None, now: self.now });
        }
        let record = self.fields.record().map_err(Garbled::in_read)?;
        Ok(Loaded { record: Some(record), now: self.now })
    }

    /// The row if the change was made, else why not.
    pub(crate) fn accepted(&self) -> Result<Loaded, StoreError> {
        match self.outcome {
            Outcome::Done | Outcome::Same => self.loaded(),
            Outcome::Moved => Err(StoreError::Moved(Box::new(self.loaded()?))),
            Outcome::Late => Err(StoreError::Late),
            Outcome::Presented => Err(StoreError::AlreadyPresented),
            Outcome::Lesser => Err(StoreError::Lesser),
            Outcome::Unreadable => Err(unreadable(&self.fields)),
        }
    }

    /// The row if the script wrote it.
    pub(crate) fn written(&self) -> Result<Loaded, StoreError> {
        if self.followed { self.loaded() } else { self.accepted() }
    }

    /// The tokens whose reservation the row no longer needs.
    pub(crate) fn released(&self) -> impl Iterator<Item = Released> + '_ {
        self.released.iter().copied().filter(|released| !self.fields.knows(released.token))
    }

    /// Returns the answer to whether the account knows a token; true where that cannot be read.
    pub(crate) fn knows(&self) -> bool {
        matches!(self.outcome, Outcome::Presented | Outcome::Unreadable)
    }

    /// Returns whether the row is left alone by this version, or holds or remembers the token.
    pub(crate) fn needs(&self, token: Fingerprint) -> bool {
        self.outcome == Outcome::Unreadable || self.fields.knows(token)
    }

    /// Returns whether a tombstone has left the token behind.
    pub(crate) fn left(&self, token: Fingerprint) -> bool {
        self.fields.left(token)
    }
}

/// The error for a row that a newer version wrote.
pub(crate) fn unreadable(fields: &Fields) -> StoreError {
    match fields.format() {
        Ok(found) if found > ROW_FORMAT => StoreError::UnreadableFormat { found },
        Ok(_) => StoreError::Unavailable(Trouble::not_applied(Garbled { what: "format" })),
        Err(garbled) => garbled.in_read(),
    }
}
