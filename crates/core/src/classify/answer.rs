//! What a successful exchange brought.

use std::time::{Duration, SystemTime};

use crate::{
    Document, ExposeSecret, InputError, Secret, Shape,
    credential::{ACCESS, REFRESH, is_visible},
    document::Limits,
    import::{expiry, sooner},
    jwt,
};

/// The answer of a token endpoint with at least one token in it.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The access token. Without one the credential is committed as expired and refreshed once more.
    pub access_token: Option<Secret>,
    /// The new refresh token; `None` means that the old one stays.
    pub refresh_token: Option<Secret>,
    /// How long the provider says the access token lasts; `None` when it does not say, or nothing positive.
    pub expires_in: Option<Duration>,
    /// How long it says the refresh token lasts.
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
            expires_in: expiry::answered(&document, Shape::Flat.names().lasts),
            refresh_expires_in: expiry::answered(&document, Shape::Flat.names().refresh_lasts),
            document,
        })
    }

    /// Time left to the access token, counted from `wall_now`, which is from before its request was sent.
    ///
    /// A JWT's own `exp` bounds what the provider says, and stands in for it when it says nothing; one that has
    /// passed speaks of two clocks that differ, and is ignored. Zero without an access token, `None` when unknown.
    pub fn lifetime(&self, wall_now: SystemTime) -> Option<Duration> {
        let Some(token) = &self.access_token else { return Some(Duration::ZERO) };
        let bound = jwt::remaining(token.expose_secret(), wall_now).filter(|left| !left.is_zero());
        sooner(self.expires_in, bound)
    }

    /// The names of the tokens that the answer mentions and that are none; what was held before stays in their place.
    pub fn unusable(&self) -> impl Iterator<Item = &'static str> {
        let tokens = [(ACCESS, &self.access_token), (REFRESH, &self.refresh_token)];
        let said = |name| self.document.raw(name).is_some_and(|raw| !matches!(raw, "null" | "\"\""));
        tokens.into_iter().filter(move |(name, token)| token.is_none() && said(name)).map(|(name, _)| name)
    }

    /// Everything the provider said.
    pub fn document(&self) -> &Document {
        &self.document
    }
}

/// A token in an answer. What RFC 6749 does not call a token (appendix A.12, A.17) counts as absent: blank strings,
/// those with other characters than visible ASCII, and what is no string at all.
fn usable(document: &Document, name: &str) -> Option<Secret> {
    document.string(name).ok().flatten().filter(|token| is_visible(token.expose_secret()))
}
