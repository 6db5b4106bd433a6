//! The token endpoint of a provider.

use std::{borrow::Cow, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{Account, Credential, Dialect, InputError, Secret};

/// A provider's token endpoint.
#[async_trait]
pub trait TokenEndpoint: Send + Sync + 'static {
    /// Presents a refresh token: one request, on a connection of its own opened within `timeout`, no redirects, no
    /// retries, no early data; the answer read whole or up to the cap. Nothing is sent once `timeout` is over.
    ///
    /// The future is not dropped before `timeout` is over, and ends soon after [`read_for`](ExchangeRequest::read_for):
    /// what has arrived by then is read first, however long the process was stopped.
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire;

    /// The dialect of its answers.
    fn dialect(&self) -> &Dialect;

    /// Refuses a credential that this endpoint could not present: it was issued to another client.
    ///
    /// # Errors
    /// Names the field of its document. Default: none is refused.
    fn check(&self, _credential: &Credential) -> Result<(), InputError> {
        Ok(())
    }

    /// The body of an answer as plain JSON, as far as it can be read: an encoding undone, a wrapper taken off. The
    /// answer itself is kept as it came. Default: the body as it is.
    fn decoded(&self, _headers: &HeaderMap, body: &Bytes) -> Bytes {
        body.clone()
    }

    /// The common part of failures caused by our own set-up: the token URL and the client id.
    fn client(&self) -> &str;

    /// The same for one account, where accounts of a provider live on servers of their own: one of those servers that
    /// does not accept our client delays nobody at another one. Default: [`client`](Self::client).
    fn client_of(&self, _request: &ExchangeRequest<'_>) -> Cow<'_, str> {
        Cow::Borrowed(self.client())
    }
}

/// One request to a token endpoint.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ExchangeRequest<'a> {
    /// The refresh token.
    pub refresh_token: &'a Secret,
    /// The credential it is part of, where the endpoint needs more of the account: its issuer, the key it began with.
    pub credential: Option<&'a Credential>,
    /// The time for which an answer is read, from the call on; `None`: the exchange's timeout. A pair that arrives when
    /// nobody waits for it any more is still the account's next one.
    pub read_for: Option<Duration>,
}

impl<'a> ExchangeRequest<'a> {
    /// A request for this refresh token.
    pub fn new(refresh_token: &'a Secret) -> Self {
        Self { refresh_token, credential: None, read_for: None }
    }

    /// The same, as part of this credential.
    pub fn of(self, credential: &'a Credential) -> Self {
        Self { credential: Some(credential), ..self }
    }

    /// The same, its answer read for so long.
    pub fn reading_for(self, span: Duration) -> Self {
        Self { read_for: Some(span), ..self }
    }

    /// The account's field of this name next to its tokens, if that is text.
    pub fn field(&self, name: &str) -> Option<Secret> {
        self.credential?.field(name)
    }
}

/// The result of an exchange on the wire, before it is classified.
#[non_exhaustive]
pub enum Wire {
    /// Provably nothing of the request left this process.
    NotSent {
        /// The error, for people.
        why: String,
    },
    /// The request may have been processed; no whole answer arrived.
    Lost {
        /// The error, for people.
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

/// The phase that an exchange reached.
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
    /// The same with the body of its answer [decoded](TokenEndpoint::decoded); `None` where no whole answer came.
    #[must_use]
    pub fn decoded(&self, endpoint: &dyn TokenEndpoint) -> Option<Self> {
        let Self::Reply { status, headers, body } = self else { return None };
        let body = endpoint.decoded(headers, body);
        Some(Self::Reply { status: *status, headers: headers.clone(), body })
    }

    /// The phase that the exchange reached.
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
