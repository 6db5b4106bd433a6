//! The state that the HTTP handlers and the owner of the server share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::dpop::{Dpop, Proofs};
use super::fault::Faults;
use super::grants::Grants;
use super::hold::Holds;
use super::once::Once;
use super::pair::Pair;
use super::referee::Referee;
use super::reply::{self, Reply};
use super::request::Client;

/// One token endpoint.
pub(super) struct EndpointState {
    pub(super) behaviour: Behaviour,
    state: Mutex<State>,
    started: Instant,
    /// Notified whenever a presentation arrives, is held, decided or closed.
    pub(super) events: Notify,
}

/// The configured behaviour of the endpoint.
#[derive(Debug, Clone)]
pub(super) struct Behaviour {
    pub(super) client: Client,
    pub(super) dpop: Option<Dpop>,
    pub(super) json_only: bool,
    pub(super) expires_in: ExpiresIn,
    pub(super) refusal: Reply,
    pub(super) exchange_time: Duration,
    pub(super) fields: BTreeMap<String, Value>,
}

/// The form in which a success gives the lifetime of its access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpiresIn {
    /// `"expires_in": 3600`, as RFC 6749 says.
    #[default]
    Number,
    /// `"expires_in": "3600"`, as some say.
    Text,
    /// Not at all.
    Omitted,
}

pub(super) struct State {
    pub(super) grants: Grants,
    pub(super) faults: Faults,
    pub(super) holds: Holds,
    pub(super) referee: Referee,
    pub(super) proofs: Proofs,
    /// Assertions of clients.
    pub(super) assertions: Once,
    /// The number of requests for metadata.
    pub(super) lookups: u64,
    /// The time by which the clock that decides expiry runs ahead.
    pub(super) advanced: Duration,
}

impl EndpointState {
    pub(super) fn new(behaviour: Behaviour, grants: Grants) -> Arc<Self> {
        let state = State {
            grants,
            faults: Faults::default(),
            holds: Holds::default(),
            referee: Referee::default(),
            proofs: Proofs::default(),
            assertions: Once::default(),
            lookups: 0,
            advanced: Duration::ZERO,
        };
        Arc::new(Self { behaviour, state: Mutex::new(state), started: Instant::now(), events: Notify::new() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of the log.
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The clock of tokens and windows.
    pub(super) fn now(&self, state: &State) -> Duration {
        self.started.elapsed() + state.advanced
    }
}

impl Behaviour {
    /// The success of RFC 6749, 5.1, as an object that faults can take fields from.
    pub(super) fn success(&self, pair: &Pair) -> Map<String, Value> {
        let mut answer: Map<String, Value> = self.fields.clone().into_iter().collect();
        let seconds = pair.expires_in.as_secs();
        let lifetime = match self.expires_in {
            ExpiresIn::Number => Some(json!(seconds)),
            ExpiresIn::Text => Some(json!(seconds.to_string())),
            ExpiresIn::Omitted => None,
        };
        answer.extend(lifetime.map(|value| ("expires_in".to_owned(), value)));
        answer.insert("access_token".into(), json!(pair.access_token));
        answer.insert("refresh_token".into(), json!(pair.refresh_token));
        answer.insert("token_type".into(), json!(if self.dpop.is_some() { "DPoP" } else { "Bearer" }));
        answer
    }
}

pub(super) fn success_response(answer: Map<String, Value>) -> Response {
    reply::answer(StatusCode::OK, &Value::Object(answer))
}
