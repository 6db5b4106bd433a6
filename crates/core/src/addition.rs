//! Fields of an account in addition to its tokens.

use std::collections::BTreeMap;

use crate::{
    Document, InputError, Shape,
    credential::is_routing,
    document::{Limits, quoted},
    import::names::is_moment,
    mutant,
};

/// Fields to be written next to the tokens of a credential: a project, a tier, a plan. They can name no token, no
/// expiry, nothing that sounds like a secret, and neither issuer nor client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions(BTreeMap<String, String>);

impl Additions {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, a string. An empty one changes nothing.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub fn text(self, name: &str, value: &str) -> Result<Self, InputError> {
        self.json(name, &quoted(value))
    }

    /// One more, as JSON text.
    ///
    /// # Errors
    /// Names the field: it is none that may be added, no JSON value, too large, or one too many.
    pub fn json(mut self, name: &str, json: &str) -> Result<Self, InputError> {
        let ours = (is_ours(name) || may_be_secret(name)) && !mutant("addition_may_be_a_token");
        if name.is_empty() || name.len() > MAX_NAME || ours || is_routing(name) {
            let expected = "a field that is no token, no expiry, no secret, no issuer and no client";
            return Err(InputError::new("addition", expected));
        }
        let one = format!("{{{}:{json}}}", quoted(name));
        let read = Document::parse_within(one.as_bytes(), Limits::IMPORT).ok();
        if json.len() > MAX_VALUE || read.is_none_or(|read| read.names().count() != 1) {
            return Err(InputError::new(name, format!("a JSON value of at most {MAX_VALUE} bytes")));
        }
        if self.0.len() >= MAX_ADDITIONS && !self.0.contains_key(name) {
            return Err(InputError::new(name, format!("at most {MAX_ADDITIONS} fields")));
        }
        self.0.insert(name.to_owned(), json.trim().to_owned());
        Ok(self)
    }

    /// Returns true if there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of another; of two values for a field the other's counts.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), json.as_str()))
    }
}

/// Returns true for the names that refreshing writes or that hold the tokens.
fn is_ours(name: &str) -> bool {
    Shape::ALL.iter().any(|shape| shape.names().writes(name)) || is_moment(name)
}

/// Returns true if a field of this name may hold a secret.
pub(crate) fn may_be_secret(name: &str) -> bool {
    const MARKS: [&str; 8] =
        ["token", "secret", "password", "key", "assertion", "credential", "cookie", "auth"];
    let name = name.to_ascii_lowercase();
    let harmless = matches!(name.as_str(), "token_type" | "tokentype" | "oauth_type");
    !harmless && MARKS.iter().any(|mark| name.contains(mark))
}

const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 8 * 1024;
/// Hooks learn a handful.
const MAX_ADDITIONS: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Credential;

    #[test]
    fn nothing_that_refreshing_writes_and_no_secret_can_be_added() {
        for name in [
            "access_token",
            "refresh_token",
            "id_token",
            "accessToken",
            "expires_at",
            "expiresAt",
            "expires_in",
            "expiry_date",
            "refresh_expires_at",
            "tokens",
            "claudeAiOauth",
            "last_refresh",
            "scope",
            "scopes",
            "OPENAI_API_KEY",
            "client_secret",
            "client_id",
            "iss",
            "issuer",
            "key_id",
            "",
        ] {
            assert!(Additions::new().text(name, "x").is_err(), "{name}");
        }
        for json in ["", "1,\"access_token\":\"x\"", "{", "\"x", "1} {"] {
            assert!(Additions::new().json("project_id", json).is_err(), "{json}");
        }
    }

    #[test]
    fn additions_are_written_next_to_the_tokens_and_an_empty_one_changes_nothing() {
        let added = Additions::new().text("project_id", "p-1").unwrap().text("tier_id", " ").unwrap();
        for (before, after) in [
            (
                r#"{ "access_token":"a", "tier_id":"t" }"#,
                r#"{ "access_token":"a", "tier_id":"t","project_id":"p-1" }"#,
            ),
            (
                r#"{"tokens":{"access_token":"a","project_id":""},"x":1}"#,
                r#"{"tokens":{"access_token":"a","project_id":"p-1"},"x":1}"#,
            ),
        ] {
            let old = Credential::import(before.as_bytes(), std::time::UNIX_EPOCH).unwrap().credential;
            let new = old.with(&added);
            assert_eq!(new.document().render(), after);
            assert_eq!(new.shown("project_id"), Some(r#""p-1""#));
            assert_eq!(new.with(&added), new);
            assert_eq!((new.shown("access_token"), new.shown("tokens")), (None, None));
        }
    }
}
