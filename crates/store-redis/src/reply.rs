//! What a script about a row answers.

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
    /// Tokens that the row no longer remembers.
    forgotten: Vec<Fingerprint>,
}

/// The first word of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Done,
    Same,
    Moved,
    Late,
    Presented,
    Unreadable,
}

impl Reply {
    pub(crate) fn read(reply: Value) -> Result<Self, LinkError> {
        let (outcome, now, fields, forgotten): (String, u64, HashMap<String, Vec<u8>>, Vec<String>) =
            decode(reply)?;
        let outcome = match outcome.as_str() {
            "done" => Outcome::Done,
            "same" => Outcome::Same,
            "moved" => Outcome::Moved,
            "late" => Outcome::Late,
            "presented" => Outcome::Presented,
            "unreadable" => Outcome::Unreadable,
            _ => return Err(LinkError::Shape { expected: "the outcome of a script" }),
        };
        let forgotten = forgotten.iter().filter_map(|token| Fingerprint::parse(token)).collect();
        Ok(Self { outcome, now: StoreTime::from_micros(now), fields: Fields::new(fields), forgotten })
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
            Outcome::Unreadable => Err(unreadable(&self.fields)),
        }
    }

    /// The tokens whose reservation the row no longer needs.
    pub(crate) fn forgotten(&self) -> impl Iterator<Item = Fingerprint> + '_ {
        self.forgotten.iter().copied().filter(|token| !self.fields.knows(*token))
    }

    /// Whether the row is left alone by this version, or holds or remembers the token.
    pub(crate) fn needs(&self, token: Fingerprint) -> bool {
        self.outcome == Outcome::Unreadable || self.fields.knows(token)
    }
}

/// Whether a newer version wrote the row, as the error that says so.
pub(crate) fn unreadable(fields: &Fields) -> StoreError {
    match fields.format() {
        Ok(found) if found > ROW_FORMAT => StoreError::UnreadableFormat { found },
        Ok(_) => StoreError::Unavailable(Trouble::not_applied(Garbled { what: "format" })),
        Err(garbled) => garbled.in_read(),
    }
}
