//! The requests of clients to the token endpoint.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;
use url::form_urlencoded;

use super::assertion::proven_by;
use super::once::Once;

/// The expected authentication of a client.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Client {
    /// Whoever asks is served.
    #[default]
    Anyone,
    /// A public client: `client_id` in the body, no secret.
    Public {
        /// The expected id.
        id: String,
    },
    /// `Authorization: Basic`, both parts form-encoded first (RFC 6749, 2.3.1).
    Basic {
        /// The expected id.
        id: String,
        /// The expected secret.
        secret: String,
    },
    /// `client_id` and `client_secret` in the body.
    Post {
        /// The expected id.
        id: String,
        /// The expected secret.
        secret: String,
    },
    /// `client_id` and a signed assertion in the body (RFC 7523): for this server's issuer, made less than a minute ago, and used
    /// once. A grant is bound to the key with which it is first presented.
    PrivateKeyJwt {
        /// The expected id.
        id: String,
        /// The public keys, as a JWKS: `{"keys": [...]}`, each with its `kid` ([`KeyPair::named`](super::KeyPair::named)).
        jwks: Value,
    },
}

/// The party that sends a request.
pub(super) enum Caller {
    /// Nobody that is known.
    Unknown,
    /// The expected client.
    Known {
        /// The key it signed with, where it does that.
        key: Option<String>,
    },
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anyone => f.write_str("Anyone"),
            Self::Public { id } => f.debug_struct("Public").field("id", id).finish(),
            Self::Basic { id, .. } => f.debug_struct("Basic").field("id", id).finish_non_exhaustive(),
            Self::Post { id, .. } => f.debug_struct("Post").field("id", id).finish_non_exhaustive(),
            Self::PrivateKeyJwt { id, jwks } => {
                f.debug_struct("PrivateKeyJwt").field("id", id).field("jwks", jwks).finish()
            }
        }
    }
}

impl Client {
    /// Returns whether the request authenticates as this client, by this method and no other.
    pub(super) fn caller(&self, request: &TokenRequest, issuers: &[String], used: &mut Once) -> Caller {
        if let Self::PrivateKeyJwt { id, jwks } = self {
            let key = proven_by(id, jwks, request, issuers, used).filter(|_| request.basic.is_none());
            return key.map_or(Caller::Unknown, |key| Caller::Known { key: Some(key) });
        }
        if self.authenticates(request) { Caller::Known { key: None } } else { Caller::Unknown }
    }

    fn authenticates(&self, request: &TokenRequest) -> bool {
        let body = (request.field("client_id"), request.field("client_secret"));
        let basic = request.basic.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        match self {
            Self::Anyone => true,
            Self::Public { id } => basic.is_none() && body == (Some(id), None),
            Self::Basic { id, secret } => {
                basic == Some((id, secret)) && body.1.is_none() && body.0.is_none_or(|named| named == id)
            }
            Self::Post { id, secret } => basic.is_none() && body == (Some(id), Some(secret)),
            Self::PrivateKeyJwt { .. } => false,
        }
    }
}

/// A request that could be read.
pub(super) struct TokenRequest {
    fields: HashMap<String, String>,
    basic: Option<(String, String)>,
    /// Its `DPoP` headers.
    pub(super) proofs: Vec<String>,
    /// The name it called the server by.
    pub(super) host: String,
}

impl TokenRequest {
    /// Reads a form or JSON body; the error says what is wrong with it.
    pub(super) fn read(headers: &HeaderMap, body: &Bytes, json_only: bool) -> Result<Self, &'static str> {
        let content_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let fields = match content_type.split(';').next().map(str::trim) {
            Some("application/x-www-form-urlencoded") if !json_only => form(body)?,
            Some("application/json") => json(body)?,
            _ => return Err("neither a form nor JSON"),
        };
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        Ok(Self {
            fields,
            basic: basic(headers)?,
            proofs: headers.get_all("dpop").iter().map(text).collect(),
            host: headers.get(header::HOST).map(text).unwrap_or_default(),
        })
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// RFC 6749, 3.2: no parameter more than once.
fn form(body: &[u8]) -> Result<HashMap<String, String>, &'static str> {
    let mut fields = HashMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err("a parameter is repeated");
        }
    }
    Ok(fields)
}

fn json(body: &[u8]) -> Result<HashMap<String, String>, &'static str> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return Err("not a JSON object") };
    let text = |(name, value)| match value {
        Value::String(text) => Some((name, text)),
        _ => None,
    };
    Ok(object.into_iter().filter_map(text).collect())
}

fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, &'static str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let decoded = value
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((id, secret)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Err("unreadable Authorization header");
    };
    Ok(Some((form_decoded(id), form_decoded(secret))))
}

fn form_decoded(text: &str) -> String {
    // A key without `=` is one pair with an empty value; an `=` inside the text stays part of the key only when
    // it is escaped, which is what RFC 6749 asks for.
    form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}
