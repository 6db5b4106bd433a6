//! What has come of an answer, also where its end does not come.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use bytes::{Bytes, BytesMut};
use reqwest::{StatusCode, header::HeaderMap};
use solekey_core::{
    Outcome, classify, mutant,
    ports::{TokenEndpoint, Wire},
};

use crate::body::MAX_BODY_BYTES;

/// The part of one answer that has come.
#[derive(Default)]
pub(crate) struct Received(Mutex<Part>);

#[derive(Default)]
struct Part {
    head: Option<(StatusCode, HeaderMap)>,
    body: BytesMut,
}

impl Received {
    pub(crate) fn begin(&self, status: StatusCode, headers: HeaderMap) {
        *self.lock() = Part { head: Some((status, headers)), body: BytesMut::new() };
    }

    /// Adds what comes next; false where that is more than is kept.
    pub(crate) fn add(&self, chunk: &[u8]) -> bool {
        let body = &mut self.lock().body;
        let room = MAX_BODY_BYTES - body.len().min(MAX_BODY_BYTES);
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        chunk.len() <= room
    }

    /// The answer, where all of it came.
    pub(crate) fn take(&self) -> Wire {
        let Part { head, body } = mem::take(&mut *self.lock());
        let (status, headers) = head.unwrap_or_default();
        Wire::Reply { status, headers, body: body.freeze() }
    }

    /// The answer, where its end did not come and a pair is whole in what did: a wrong length, a connection that stays
    /// open, padding without end. What was cut off is no part of a token, for the object around it is closed.
    pub(crate) fn whole(&self, endpoint: &dyn TokenEndpoint) -> Option<Wire> {
        let wire = {
            let Part { head, body } = &*self.lock();
            let (status, headers) = head.clone()?;
            Wire::Reply { status, headers, body: Bytes::copy_from_slice(body) }
        };
        // A form may end anywhere.
        let Wire::Reply { body, .. } = &wire else { return None };
        if !body.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let readable = wire.decoded(endpoint);
        let outcome = classify(endpoint.dialect(), readable.as_ref().unwrap_or(&wire), UNIX_EPOCH).outcome;
        let is_pair = matches!(outcome, Outcome::Success(answer) if answer.is_pair());
        (is_pair && !mutant("whole_body_without_its_end_is_dropped")).then_some(wire)
    }

    fn lock(&self) -> MutexGuard<'_, Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
