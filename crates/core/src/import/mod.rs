//! Credentials on their way in: a login, a file of a command line tool.

pub(crate) mod expiry;

use std::time::{Duration, SystemTime};

use crate::{Credential, Document, ExposeSecret, InputError, Shape, jwt};

/// A credential as somebody handed it in.
#[derive(Clone, Debug)]
pub struct Import {
    /// The credential, unknown fields and all.
    pub credential: Credential,
    /// Time left to the access token; zero when it is over or there is none, `None` when nothing says.
    pub expires_in: Option<Duration>,
    /// Time left to the refresh token, when the document says.
    pub refresh_expires_in: Option<Duration>,
}

impl Credential {
    /// Reads a flat `{access_token, refresh_token, expires_at | expires_in, …}`, which the `oauth_creds.json` of the Gemini
    /// CLI is, too; the `auth.json` of the Codex CLI; or the `.credentials.json` of Claude Code. A document that could be
    /// several is read as the first of these, in this order, that has a token in its place.
    ///
    /// `expires_at` is seconds or milliseconds since 1970 (told apart by magnitude), as number or string, or an
    /// RFC 3339 time; `expires_in` is seconds. Nothing, `null`, blank and zero mean that it is not known. Where neither
    /// stands the access token's own `exp` decides, and an `exp` before the stated end is believed.
    ///
    /// # Errors
    /// Names the field: no JSON object of modest size, neither an access nor a refresh token, a token that is no
    /// string of visible characters, an expiry that cannot be read.
    pub fn import(bytes: &[u8], wall_now: SystemTime) -> Result<Import, InputError> {
        let document = Document::parse(bytes)?;
        let shape = Shape::of(&document);
        let names = shape.names();
        let credential = Self::new(document, shape)?;
        let tokens = credential.tokens();
        let named = |error| shape.locate(error);
        let stated = expiry::stated(tokens, names.ends_at, names.lasts, wall_now).map_err(named)?;
        let refresh_expires_in =
            expiry::stated(tokens, names.refresh_ends_at, names.refresh_lasts, wall_now).map_err(named)?;
        let expires_in = match credential.access_token() {
            None => Some(Duration::ZERO),
            Some(token) => sooner(stated, jwt::remaining(token.expose_secret(), wall_now)),
        };
        Ok(Import { credential, expires_in, refresh_expires_in })
    }
}

/// The earlier of two ends, of which either may be unknown.
pub(crate) fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::UNIX_EPOCH;

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const NOW_SECS: u64 = 1_735_689_600;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW_SECS)
    }

    fn import(text: &str) -> Result<Import, InputError> {
        Credential::import(text.as_bytes(), now())
    }

    fn left(text: &str) -> Option<u64> {
        import(text).unwrap().expires_in.map(|left| left.as_secs())
    }

    fn jwt(exp: u64) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}}}")))
    }

    fn codex(access: &str) -> String {
        format!(
            "{{\n  \"OPENAI_API_KEY\": null,\n  \"tokens\": {{\n    \"id_token\": \"id\",\n    \"access_token\": \"{access}\",\n    \
             \"refresh_token\": \"rt-1\",\n    \"account_id\": \"acc\"\n  }},\n  \"last_refresh\": \
             \"2024-12-28T12:34:56.123456Z\"\n}}\n"
        )
    }

    fn token(secret: Option<crate::Secret>) -> String {
        secret.map_or_else(String::new, |secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn a_flat_document_is_read() {
        let read = import(
            r#"{"access_token":"at","refresh_token":"rt","token_type":"Bearer","scope":"a b","expires_in":"3600",
               "refresh_token_expires_in":7200,"own":[1]}"#,
        )
        .unwrap();
        assert_eq!(read.credential.shape(), Shape::Flat);
        assert_eq!(token(read.credential.access_token()), "at");
        assert_eq!(token(read.credential.refresh_token()), "rt");
        assert_eq!(read.credential.token_type().as_deref(), Some("Bearer"));
        assert_eq!(read.credential.scope().as_deref(), Some("a b"));
        assert_eq!(read.expires_in, Some(Duration::from_secs(3600)));
        assert_eq!(read.refresh_expires_in, Some(Duration::from_secs(7200)));
    }

    #[test]
    fn the_file_of_the_codex_cli_is_read_and_ends_with_its_jwt() {
        let read = import(&codex(&jwt(NOW_SECS + 864_000))).unwrap();
        assert_eq!(read.credential.shape(), Shape::CodexAuth);
        assert_eq!(token(read.credential.refresh_token()), "rt-1");
        assert_eq!(read.expires_in, Some(Duration::from_secs(864_000)));
        assert_eq!(read.credential.document().render(), codex(&jwt(NOW_SECS + 864_000)).trim());
        assert_eq!(import(&codex(&jwt(NOW_SECS - 1))).unwrap().expires_in, Some(Duration::ZERO));
        assert_eq!(import(&codex("opaque")).unwrap().expires_in, None);
    }

    #[test]
    fn the_file_of_the_gemini_cli_is_flat_enough() {
        assert_eq!(left(r#"{"access_token":"a","refresh_token":"r","expiry_date":1735689660000}"#), Some(60));
    }

    #[test]
    fn an_end_is_found_wherever_it_stands() {
        assert_eq!(left(r#"{"access_token":"a","expires_at":1735689660}"#), Some(60));
        assert_eq!(
            left(r#"{"access_token":"a","expires_at":"2025-01-01T00:01:00Z","expires_in":5}"#),
            Some(60)
        );
        assert_eq!(left(r#"{"access_token":"a","expires_at":null,"expires_in":5}"#), Some(5));
        assert_eq!(left(r#"{"access_token":"a","expires_at":1735689000}"#), Some(0));
        assert_eq!(left(r#"{"access_token":"a","expires_in":0}"#), None);
        assert_eq!(left(r#"{"access_token":"a"}"#), None);
        assert_eq!(left(r#"{"refresh_token":"r","expires_in":60}"#), Some(0));
        assert_eq!(
            left(&format!(r#"{{"access_token":"{}","expires_in":60}}"#, jwt(NOW_SECS + 30))),
            Some(30)
        );
        assert_eq!(
            left(&format!(r#"{{"access_token":"{}","expires_in":60}}"#, jwt(NOW_SECS + 90))),
            Some(60)
        );
    }

    #[test]
    fn what_cannot_be_a_credential_is_refused_by_name() {
        for (text, field) in [
            ("{}", "access_token"),
            (r#"{"access_token":"","refresh_token":null}"#, "access_token"),
            (r#"{"access_token":5}"#, "access_token"),
            ("{\"access_token\":\"a\\nb\"}", "access_token"),
            (r#"{"access_token":"a","refresh_token":"r\u0000"}"#, "refresh_token"),
            (r#"{"access_token":"a","expires_at":"soon"}"#, "expires_at"),
            (r#"{"access_token":"a","expires_at":1735689660,"expires_in":true}"#, "expires_in"),
            (r#"{"access_token":"a","refresh_expires_in":"x"}"#, "refresh_expires_in"),
            (r#"{"tokens":{"access_token":"a","expires_at":"soon"}}"#, "tokens.expires_at"),
            (r#"{"tokens":{"access_token":{}}}"#, "tokens.access_token"),
            (r#"{"tokens":{}}"#, "tokens.access_token"),
            (r#"{"OPENAI_API_KEY":"sk","tokens":null}"#, "tokens"),
            (r#"{"claudeAiOauth":{"accessToken":""}}"#, "claudeAiOauth.accessToken"),
            (r#"{"claudeAiOauth":{"accessToken":"a","expiresAt":"soon"}}"#, "claudeAiOauth.expiresAt"),
            (r#"{"claudeAiOauth":"a"}"#, "claudeAiOauth"),
            ("[1]", "document"),
        ] {
            assert_eq!(import(text).unwrap_err().field(), field, "{text}");
        }
    }
}
