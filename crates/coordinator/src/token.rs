//! The tokens that callers get.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use solekey_cache::Entry;
use solekey_core::{Account, ExposeSecret as _, Generation, Secret};

/// An access token, ready for use. Cloning is cheap; `Debug` shows no part of it.
#[derive(Clone)]
pub struct AccessToken {
    served: Served,
    overdue: bool,
}

/// The source of a token: the fast path counts one owner more, not two.
#[derive(Clone)]
enum Served {
    Token(Arc<TokenData>),
    Entry(Arc<Entry<Arc<TokenData>>>),
}

pub(crate) struct TokenData {
    pub(crate) account: Account,
    pub(crate) secret: Secret,
    pub(crate) bearer: HeaderValue,
    pub(crate) token_type: Box<str>,
    pub(crate) generation: Generation,
    /// The whole lifetime, when known.
    pub(crate) lifetime: Option<Duration>,
    pub(crate) expires_at: Option<SystemTime>,
    /// The provider's resources refuse tokens without a challenge.
    pub(crate) bare_401: bool,
    /// Its grant has ended: it is the last one until somebody logs in.
    pub(crate) condemned: AtomicBool,
}

impl TokenData {
    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Relaxed);
    }

    pub(crate) fn is_condemned(&self) -> bool {
        self.condemned.load(Relaxed)
    }
}

impl AccessToken {
    pub(crate) fn new(token: Arc<TokenData>, overdue: bool) -> Self {
        Self { served: Served::Token(token), overdue }
    }

    /// The token that this process holds, good as it is.
    pub(crate) fn of(entry: Arc<Entry<Arc<TokenData>>>) -> Self {
        Self { served: Served::Entry(entry), overdue: false }
    }

    fn inner(&self) -> &Arc<TokenData> {
        match &self.served {
            Served::Token(token) => token,
            Served::Entry(entry) => &entry.value,
        }
    }

    /// The token itself. Prefer [`bearer`](Self::bearer), which HTTP libraries keep out of their logs.
    pub fn expose_secret(&self) -> &str {
        self.inner().secret.expose_secret()
    }

    /// The value of an `Authorization` header, marked sensitive.
    pub fn bearer(&self) -> HeaderValue {
        self.inner().bearer.clone()
    }

    /// The token's type as the provider named it, `Bearer` if it did not.
    pub fn token_type(&self) -> &str {
        &self.inner().token_type
    }

    /// The generation that made it: what [`token_after_rejection`](crate::Solekey::token_after_rejection) and logs name.
    pub fn generation(&self) -> Generation {
        self.inner().generation
    }

    /// Its true expiry, by this machine's wall clock; `None` when the provider did not say.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.inner().expires_at
    }

    /// Returns whether a refresh is overdue or the grant has ended: the token is still valid, and all there is for now.
    pub fn is_stale(&self) -> bool {
        self.overdue || self.inner().is_condemned()
    }

    /// Whose token it is.
    pub fn account(&self) -> &Account {
        &self.inner().account
    }

    /// Reads a resource's answer as evidence against this token.
    ///
    /// A 401 whose `WWW-Authenticate` names `invalid_token` (RFC 6750, 3.1) is evidence; of providers known to leave
    /// the header out, a 401 with a JSON body as well. 403, `insufficient_scope`, challenges of another kind and HTML
    /// pages are not: refreshing would not help, and rotating for them burns tokens.
    pub fn rejected_by(&self, status: StatusCode, headers: &HeaderMap) -> Option<Rejection> {
        is_evidence(status, headers, self.inner().bare_401)
            .then(|| Rejection { token: Arc::clone(self.inner()) })
    }
}

/// Evidence that a resource refused a token. `Debug` shows no part of it.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Not its fingerprint: that is the store's, which may not have been heard of yet.
    pub(crate) token: Arc<TokenData>,
}

fn is_evidence(status: StatusCode, headers: &HeaderMap, bare_401: bool) -> bool {
    if status != StatusCode::UNAUTHORIZED {
        return false;
    }
    let mut challenges = headers.get_all(WWW_AUTHENTICATE).iter().peekable();
    if challenges.peek().is_none() {
        return bare_401 && is_json(headers);
    }
    challenges.any(|value| value.to_str().is_ok_and(names_invalid_token))
}

/// Gateways and firewalls answer 401 with a page; an API that refuses a token answers JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.to_ascii_lowercase().contains("json"))
}

fn names_invalid_token(challenge: &str) -> bool {
    let challenge = challenge.to_ascii_lowercase();
    let bearer = challenge.contains("bearer") || challenge.contains("dpop");
    bearer && challenge.replace([' ', '"'], "").contains("error=invalid_token")
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("account", &self.inner().account)
            .field("generation", &self.inner().generation)
            .field("stale", &self.is_stale())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenData").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    fn headers(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    /// B3.
    #[test]
    fn only_a_401_that_speaks_about_the_token_is_evidence() {
        let invalid = [(WWW_AUTHENTICATE, "Bearer realm=\"x\", error=\"invalid_token\"")];
        let scope = [(WWW_AUTHENTICATE, "Bearer error=\"insufficient_scope\"")];
        let basic = [(WWW_AUTHENTICATE, "Basic realm=\"x\"")];
        let json = [(CONTENT_TYPE, "application/json")];
        let html = [(CONTENT_TYPE, "text/html")];
        for (status, pairs, strict, bare) in [
            (401, &invalid, true, true),
            (403, &invalid, false, false),
            (401, &scope, false, false),
            (401, &basic, false, false),
            (401, &json, false, true),
            (401, &html, false, false),
            (200, &invalid, false, false),
        ] {
            let status = StatusCode::from_u16(status).expect("status");
            assert_eq!(is_evidence(status, &headers(pairs), false), strict, "{status} {pairs:?}");
            assert_eq!(is_evidence(status, &headers(pairs), true), bare, "{status} {pairs:?}, bare 401");
        }
        assert!(!is_evidence(StatusCode::UNAUTHORIZED, &HeaderMap::new(), true));
    }
}
