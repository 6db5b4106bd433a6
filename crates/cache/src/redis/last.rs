//! The state that decides: newest generation, token until true expiry, verdict, rejection.

use std::{collections::HashMap, time::Duration};

use solekey_core::{
    Generation, Sealed,
    ports::{CacheEntry, CachedToken},
};

use super::{proof, wire_verdict};

/// The hash under `last`, read at `now` by the server's clock.
#[derive(Debug)]
pub(crate) struct Last {
    now: u64,
    fields: Fields,
}

/// A hash as the server sends it.
pub(crate) type Fields = HashMap<String, Vec<u8>>;

impl Last {
    pub(crate) fn new(now: u64, fields: Fields) -> Self {
        Self { now, fields }
    }

    /// The contents of the shared cache, with time left instead of instants. Fields that cannot be read count as
    /// absent: the reader then reads the store.
    pub(crate) fn shared_cache(&self) -> CacheEntry {
        CacheEntry {
            known: self.generation("generation"),
            token: self.token(),
            verdict: self.verdict(),
            rejected: self.generation("rejected"),
            gone: self.number("gone") == Some(1),
            proof: self.proof("proof"),
            rejected_proof: self.proof("rejected_proof"),
        }
    }

    /// Returns true if it was written later than now: the clock has stepped back.
    pub(crate) fn is_ahead(&self) -> bool {
        self.number("put").is_some_and(|put| put > self.now)
    }

    fn token(&self) -> Option<CachedToken> {
        let valid = self.left("valid_end")?;
        if valid.is_zero() {
            return None;
        }
        Some(CachedToken {
            generation: self.generation("token_by")?,
            payload: Sealed::new(self.fields.get("token")?.clone()),
            valid,
            good: self.left("good_end")?,
        })
    }

    fn verdict(&self) -> Option<solekey_core::Verdict<Duration>> {
        wire_verdict::verdict(
            self.generation("generation")?,
            self.text("ruling")?,
            self.text("why")?,
            self.text("strikes")?.parse().ok()?,
            self.left("until")?,
        )
    }

    fn proof(&self, name: &str) -> Sealed {
        self.fields.get(name).map(|text| proof::read(text)).unwrap_or_default()
    }

    fn left(&self, name: &str) -> Option<Duration> {
        self.number(name).map(|end| Duration::from_micros(end.saturating_sub(self.now)))
    }

    fn generation(&self, name: &str) -> Option<Generation> {
        self.number(name).map(Generation::new)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.fields.get(name)?).ok()
    }
}
