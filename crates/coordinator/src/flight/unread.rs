//! Answers that were not understood: kept as they came, and read again with the answers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use solekey_core::{
    Account, Answer, AnswerNote, Classified, Content, Credential, Found, Generation, NewFacts, Outcome,
    Shape, TokenAnswer, UnreadNote, classify, flight::AnswersView, merge, ports::Wire,
};

use super::engine::Engine;
use crate::{
    provider::Provider,
    seal::{CannotOpen, OpenedRow},
};

/// A reply of a token endpoint as it came, with what is needed to understand it later.
pub(super) struct KeptReply {
    head: Head,
    body: Bytes,
}

/// The part before the body, on a line of its own.
#[derive(Serialize, Deserialize)]
struct Head {
    /// The attempt and the generation it was made from: what is stored in clear next to this has to agree.
    attempt: Generation,
    made_from: Generation,
    status: u16,
    /// The headers by which a body is decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    /// Milliseconds since 1970 at which the request was sent.
    sent_at: u64,
}

impl KeptReply {
    /// The reply in `wire`; `None` where no whole one came.
    pub(super) fn of(
        wire: &Wire,
        from: Generation,
        attempt: Generation,
        sent_at: SystemTime,
    ) -> Option<Self> {
        let Wire::Reply { status, headers, body } = wire else { return None };
        // Several lines of one name are one list (RFC 9110, 5.2).
        let text = |name: HeaderName| {
            let lines: Vec<_> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
            (!lines.is_empty()).then(|| lines.join(", "))
        };
        let sent_at = sent_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let head = Head {
            attempt,
            made_from: from,
            status: status.as_u16(),
            content_type: text(header::CONTENT_TYPE),
            content_encoding: text(header::CONTENT_ENCODING),
            sent_at: u64::try_from(sent_at).unwrap_or(u64::MAX),
        };
        Some(Self { head, body: body.clone() })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let head = serde_json::to_vec(&self.head).expect("numbers and texts are always JSON");
        [&head[..], b"\n", &self.body].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote for the answer with this note.
    fn from_bytes(bytes: Vec<u8>, note: &AnswerNote) -> Option<Self> {
        let bytes = Bytes::from(bytes);
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let agrees = (head.attempt, head.made_from) == (note.attempt, note.made_from);
        agrees.then(|| Self { head, body: bytes.slice(end + 1..) })
    }

    fn wire(&self) -> Option<Wire> {
        let Head { status, content_type, content_encoding, .. } = &self.head;
        let named = [(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, content_encoding)];
        let given = named
            .into_iter()
            .filter_map(|(name, text)| Some((name, HeaderValue::try_from(text.as_deref()?).ok()?)));
        let (status, headers) = (StatusCode::from_u16(*status).ok()?, given.collect::<HeaderMap>());
        Some(Wire::Reply { status, headers, body: self.body.clone() })
    }

    fn sent_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.head.sent_at)
    }
}

/// The part of a row that an answer is merged with.
pub(super) struct RowPart {
    generation: Generation,
    facts: Option<NewFacts>,
    credential: Result<Option<Credential>, CannotOpen>,
}

impl RowPart {
    pub(super) fn of(row: &OpenedRow) -> Self {
        Self { generation: row.generation, facts: row.facts, credential: row.credential.clone() }
    }
}

impl Engine {
    /// What was found, with the answer that was not understood read again: by a newer version or with another
    /// configuration it may be an answer like any other.
    pub(super) fn read_again(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        Found { newest, unread, kept_since }: Found,
        row: Option<&RowPart>,
    ) -> (AnswersView, Option<Answer>) {
        let view = |newest: &Option<Answer>, unread: Option<UnreadNote>| {
            let newest = newest.as_ref().map(|answer| answer.note);
            AnswersView::Read { newest, unread, kept_since }
        };
        // Behind the row, or behind what will be the row, it is history.
        let row_generation = row.map_or(Generation::ZERO, |row| row.generation);
        let Some(unread) = unread.filter(|unread| unread.note.attempt > row_generation) else {
            return (view(&newest, None), newest);
        };
        let note = unread.note;
        let Some(reply) = self.open_reply(account, &unread) else {
            // Sealed by an unknown key, or not by us: nobody can say what it is.
            tracing::debug!(account = %account.key(), "a kept answer does not open");
            return (AnswersView::Unreadable, None);
        };
        match self.understood(account, provider, note, &reply, row) {
            Some(answer) => {
                self.process.read_unread(provider);
                let newest = Some(answer);
                (view(&newest, None), newest)
            }
            None => (view(&newest, Some(UnreadNote::of(&note))), newest),
        }
    }

    fn open_reply(&self, account: &Account, unread: &Answer) -> Option<KeptReply> {
        let opened = self.sealer.open_unread(account, unread.note.claim, &unread.payload).ok()?;
        KeptReply::from_bytes(opened, &unread.note)
    }

    /// The answer in a kept reply, as its owner would have written it down.
    fn understood(
        &self,
        account: &Account,
        provider: &Provider,
        note: AnswerNote,
        reply: &KeptReply,
        row: Option<&RowPart>,
    ) -> Option<Answer> {
        let (endpoint, sent_at) = (provider.endpoint(), reply.sent_at());
        let wire = reply.wire()?.decoded(endpoint)?;
        let Classified { outcome: Outcome::Success(answer), .. } =
            classify(endpoint.dialect(), &wire, self.process.wall())
        else {
            return None;
        };
        let row = row.filter(|row| row.generation == note.made_from);
        let credential = merged(row, &answer, sent_at)?;
        let (access, refresh) = self.sealer.prints(&credential);
        let lifetime = answer.lifetime(sent_at);
        // The access token's end is in the note; the refresh token's counts from now on.
        let age = self.process.wall().duration_since(sent_at).unwrap_or_default();
        let refresh_expires_in = answer.refresh_expires_in.map(|life| life.saturating_sub(age));
        let facts = NewFacts { access, refresh, expires_in: lifetime, refresh_expires_in }
            .keeping(row.and_then(|row| row.facts.as_ref()));
        let access_ends = note.access_ends.zip(lifetime).map(|(sent, life)| sent + life);
        let note = AnswerNote { content: Content::Rotated(facts), access_ends, ..note };
        Some(Answer { note, payload: self.sealer.seal_credential(account, note.claim, &credential) })
    }
}

/// The credential that an answer makes of the row's; of none where the row is lost.
fn merged(row: Option<&RowPart>, answer: &TokenAnswer, sent_at: SystemTime) -> Option<Credential> {
    match row {
        Some(row) => Some(merge(row.credential.as_ref().ok()?.as_ref()?, answer, sent_at)),
        None => Credential::new(answer.document().clone(), Shape::Flat).ok(),
    }
}
