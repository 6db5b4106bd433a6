//! The token endpoint of a provider.

use std::{borrow::Cow, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{Account, Credential, Dialect, Secret};

/// A provider's token endpoint.
#[async_trait]
pub trait TokenEndpoint: Send + Sync + 'static {
    /// Presents a refresh token: one request, on a connection of its own opened within `timeout`, no redirects, no
    /// retries, no early data; the answer read whole or up to the cap.
    ///
    /// The future is never dropped once it was polled, and ends within `timeout`.
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire;

    /// How to read its answers.
    fn dialect(&self) -> &Dialect;

    /// What failures caused by our own set-up have in common: the token URL and the client id.
    fn client(&self) -> &str;

    /// The same for one account, where accounts of a provider live on servers of their own: what one of those servers
    /// thinks of our client holds up nobody at another one. Default: [`client`](Self::client).
    fn client_of(&self, _request: &ExchangeRequest<'_>) -> Cow<'_, str> {
        Cow::Borrowed(self.client())
    }
}

/// What to present.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ExchangeRequest<'a> {
    /// The refresh token.
    pub refresh_token: &'a Secret,
    /// What it is part of, where the endpoint needs to know more of the account: its issuer, the key it began with.
    pub credential: Option<&'a Credential>,
}

impl<'a> ExchangeRequest<'a> {
    /// A request for this refresh token.
    pub fn new(refresh_token: &'a Secret) -> Self {
        Self { refresh_token, credential: None }
    }

    /// The same, as part of this credential.
    pub fn of(self, credential: &'a Credential) -> Self {
        Self { credential: Some(credential), ..self }
    }

    /// What the account holds under this name beside its tokens, if that is text.
    pub fn field(&self, name: &str) -> Option<Secret> {
        self.credential?.field(name)
    }
}

/// What happened on the wire, before anybody asks what it means.
#[non_exhaustive]
pub enum Wire {
    /// Provably nothing of the request left this process.
    NotSent {
        /// What went wrong, for people.
        why: String,
    },
    /// The request may have been processed; no whole answer arrived.
    Lost {
        /// What went wrong, for people.
        why: String,
    },
    /// A whole answer: the provider does not let this client present this token, and the endpoint has another client,
    /// which it takes for the account's next exchange.
    OtherClient {
        /// Its status.
        status: StatusCode,
    },
    /// A whole answer.
    Reply {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: HeaderMap,
        /// Its body.
        body: Bytes,
    },
}

/// How far an exchange came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WirePhase {
    /// Provably nothing of the request left this process.
    Unsent,
    /// The request may have been processed; no whole answer arrived.
    Unanswered,
    /// A whole answer arrived.
    Answered,
}

impl WirePhase {
    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::Unanswered => "unanswered",
            Self::Answered => "answered",
        }
    }
}

impl Wire {
    /// How far the exchange came.
    pub fn phase(&self) -> WirePhase {
        match self {
            Self::NotSent { .. } => WirePhase::Unsent,
            Self::Lost { .. } => WirePhase::Unanswered,
            Self::OtherClient { .. } | Self::Reply { .. } => WirePhase::Answered,
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { why } => f.debug_struct("NotSent").field("why", why).finish(),
            Self::Lost { why } => f.debug_struct("Lost").field("why", why).finish(),
            Self::OtherClient { status } => f.debug_struct("OtherClient").field("status", status).finish(),
            Self::Reply { status, body, .. } => f
                .debug_struct("Reply")
                .field("status", status)
                .field("bytes", &body.len())
                .finish_non_exhaustive(),
        }
    }
}
