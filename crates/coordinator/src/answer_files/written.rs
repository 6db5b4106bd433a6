//! The content of an answer's file.

use std::{io, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use solekey_core::{Answer, AnswerNote, Sealed};

use super::Name;

/// An answer and when it was written, by the wall clock: the only clock that goes on over a restart of the host.
#[derive(Serialize, Deserialize)]
pub(super) struct Written {
    note: AnswerNote,
    /// Microseconds since 1970.
    written_at: u64,
    /// In Base64.
    payload: String,
}

impl Written {
    pub(super) fn new(answer: &Answer, wall: Duration) -> Self {
        let written_at = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        Self { note: answer.note, written_at, payload: STANDARD.encode(answer.payload.as_bytes()) }
    }

    /// The same answer, written at the same time, under another seal.
    pub(super) fn under(self, payload: &Sealed) -> Self {
        Self { payload: STANDARD.encode(payload.as_bytes()), ..self }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts are always JSON")
    }

    /// Reads what [`encode`](Self::encode) wrote under this name.
    pub(super) fn read(path: &Path, name: Name) -> io::Result<Self> {
        let json = std::fs::read(path)?;
        let written: Self = serde_json::from_slice(&json).map_err(|error| damaged(path, error.classify()))?;
        if written.name() != name {
            return Err(damaged(path, "another answer's content"));
        }
        if STANDARD.decode(&written.payload).is_err() {
            return Err(damaged(path, "no Base64"));
        }
        Ok(written)
    }

    pub(super) fn name(&self) -> Name {
        Name { attempt: self.note.attempt, claim: self.note.claim }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.note.content.is_usable()
    }

    pub(super) fn at(&self) -> Duration {
        Duration::from_micros(self.written_at)
    }

    /// The time since it was written; zero when the wall clock was set back behind that.
    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.at())
    }

    /// The answer as it is now.
    pub(super) fn aged(&self, now: Duration) -> Answer {
        let content = self.note.content.aged(self.age(now));
        let payload = STANDARD.decode(&self.payload).unwrap_or_default();
        Answer { note: AnswerNote { content, ..self.note }, payload: Sealed::new(payload) }
    }
}

/// Says what is wrong without quoting the file, which holds tokens.
fn damaged(path: &Path, what: impl std::fmt::Debug) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged: {what:?}", path.display()))
}
