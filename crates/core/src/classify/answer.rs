//! The answer of a successful exchange.

use std::time::{Duration, SystemTime};

use crate::{
    Document, ExposeSecret, InputError, Secret,
    credential::{ACCESS, REFRESH, is_visible},
    document::Limits,
    import::{
        ends,
        names::{LASTS, REFRESH_LASTS},
        sooner, token,
    },
    jwt, mutant,
};

/// The answer of a token endpoint with at least one token in it.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The access token. Without one the credential is committed as expired and refreshed once more.
    pub access_token: Option<Secret>,
    /// The new refresh token; `None` means that the old one stays.
    pub refresh_token: Option<Secret>,
    /// The lifetime of the access token by the provider; `None` when it states none, or none that is positive.
    pub expires_in: Option<Duration>,
    /// The lifetime of the refresh token by the provider.
    pub refresh_expires_in: Option<Duration>,
    document: Document,
}

impl TokenAnswer {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// The body is no JSON object, or holds neither token.
    pub fn read(body: &[u8]) -> Result<Self, InputError> {
        let document = Document::parse_within(body, Limits::ANSWER)?;
        let access_token = usable(&document, ACCESS);
        let refresh_token = usable(&document, REFRESH);
        if access_token.is_none() && refresh_token.is_none() {
            return Err(InputError::new(ACCESS, "an access token or a refresh token"));
        }
        Ok(Self {
            access_token,
            refresh_token,
            expires_in: ends::answered(&document, LASTS),
            refresh_expires_in: ends::answered(&document, REFRESH_LASTS),
            document,
        })
    }

    /// Time left to the access token, counted from `wall_now`, which is from before its request was sent.
    ///
    /// A JWT's own `exp` bounds the provider's lifetime, and replaces it when there is none; one that has passed is a
    /// sign of two clocks that differ, and is ignored. No token lasts longer than from its `iat` to its `exp`, however
    /// far this host's clock is behind. Zero without an access token, `None` when unknown.
    pub fn lifetime(&self, wall_now: SystemTime) -> Option<Duration> {
        let Some(token) = &self.access_token else { return Some(Duration::ZERO) };
        let token = token.expose_secret();
        let left = jwt::remaining(token, wall_now).filter(|left| !left.is_zero());
        let known = sooner(self.expires_in, left)?;
        let life = jwt::life(token).filter(|_| !mutant("jwt_lasts_longer_where_the_clock_is_behind"));
        Some(life.map_or(known, |life| life.min(known)))
    }

    /// Both tokens are there.
    pub fn is_pair(&self) -> bool {
        self.access_token.is_some() && self.refresh_token.is_some()
    }

    /// Both are there, and neither is a mask or a word that stands for one.
    pub(super) fn is_pair_of_tokens(&self) -> bool {
        let is_token = |token: &Secret| token::fault(token.expose_secret()).is_none();
        [&self.access_token, &self.refresh_token]
            .into_iter()
            .all(|token| token.as_ref().is_some_and(is_token))
    }

    /// The names of the tokens that the answer mentions and that are none; the tokens before them stay.
    pub fn unusable(&self) -> impl Iterator<Item = &'static str> {
        let tokens = [(ACCESS, &self.access_token), (REFRESH, &self.refresh_token)];
        let is_there = |name| self.document.raw(name).is_some_and(|raw| !matches!(raw, "null" | "\"\""));
        tokens
            .into_iter()
            .filter(move |(name, token)| token.is_none() && is_there(name))
            .map(|(name, _)| name)
    }

    /// The whole answer.
    pub fn document(&self) -> &Document {
        &self.document
    }
}

/// A token in an answer. Values that are no token by RFC 6749 (appendix A.12, A.17) count as absent: blank strings,
/// those with other characters than visible ASCII, and what is no string at all.
fn usable(document: &Document, name: &str) -> Option<Secret> {
    document.string(name).ok().flatten().filter(|token| is_visible(token.expose_secret()))
}
