//! Credentials on their way in: a login, a file of a command line tool.

mod accounts;
mod amendment;
pub(crate) mod ends;
pub(crate) mod instant;
pub(crate) mod moments;
pub(crate) mod names;
pub(crate) mod text;
pub(crate) mod token;

use std::time::{Duration, SystemTime};

use crate::{ASSUMED_LIFETIME, Credential, Document, ExposeSecret, InputError, Policy, Shape, jwt, mutant};
pub use accounts::{FoundAccount, MAX_ACCOUNTS, accounts};
pub use amendment::Amendment;
use ends::{Since, stated};
use names::{ENDS, LASTS, REFRESH_ENDS, REFRESH_LASTS};

/// A credential as somebody handed it in.
#[derive(Clone, Debug)]
pub struct Import {
    /// The credential, unknown fields and all.
    pub credential: Credential,
    /// Time left to the access token; zero when it is over or there is none, `None` when nothing states it.
    pub expires_in: Option<Duration>,
    /// Time left to the refresh token, when the document states it.
    pub refresh_expires_in: Option<Duration>,
    /// The time since the moment at which its document, or else its file, was written; `None` when nothing states it.
    pub age: Option<Duration>,
    /// The access token's end is a lifetime that counts from the hand-over, for want of anything better.
    is_guessed: bool,
    /// The document itself states that end.
    states_end: bool,
}

impl Credential {
    /// Reads a document of one of the shapes in [`Shape`]. A document that could be several is read as the first of
    /// [`Shape::ALL`] that has a token in its place.
    ///
    /// Ends are read under the names that tools give them: seconds or milliseconds since 1970 (distinguished by
    /// magnitude), as number or string, or a time as text; `expires_in` is seconds, counted from the moment that the
    /// document names (`created_at`, `timestamp`, `last_refresh` and their kind), else from now. Nothing, `null`, blank,
    /// zero and what stands for "never" mean that it is not known. Where neither stands the access token's own `exp`
    /// decides, and an `exp` before the stated end is believed.
    ///
    /// # Errors
    /// Names the field: no JSON object of modest size, neither an access nor a refresh token, a token that cannot be one
    /// as it stands, an expiry that cannot be read.
    pub fn import(bytes: &[u8], wall_now: SystemTime) -> Result<Import, InputError> {
        Self::import_file(bytes, None, wall_now)
    }

    /// Reads the content of a file that was last written at `written`: lifetimes count from then, where the document
    /// names no moment of its own.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_file(
        bytes: &[u8],
        written: Option<SystemTime>,
        wall_now: SystemTime,
    ) -> Result<Import, InputError> {
        let document = Document::parse(bytes)?;
        let shape = Shape::of(&document);
        let unknown = (!shape.recognises(&document)).then(|| accounts::unknown(&document));
        let credential = Self::new(document, shape).map_err(|error| match unknown {
            Some(unknown) if is_want_of_token(&error) => InputError::new(error.field(), unknown),
            _ => error,
        })?;
        let tokens = credential.tokens();
        let named = |error| credential.locate(error);
        check_tokens(&credential).map_err(named)?;
        let written = written.map(|at| at.min(wall_now));
        let moment = moments::latest(tokens, wall_now)
            .or_else(|| credential.home().and_then(|_| moments::latest(credential.document(), wall_now)))
            .or(written);
        let since = Since { at: moment.unwrap_or(wall_now), is_known: moment.is_some() };
        let access = stated(tokens, ENDS, LASTS, since, wall_now).map_err(named)?;
        let refresh = stated(tokens, REFRESH_ENDS, REFRESH_LASTS, since, wall_now).map_err(named)?;
        let exp = credential.access_token().map(|token| jwt::remaining(token.expose_secret(), wall_now));
        let expires_in = exp.map_or(Some(Duration::ZERO), |exp| sooner(access.left, exp));
        let age = moment.map(|at| wall_now.duration_since(at).unwrap_or_default());
        let is_guessed = access.is_guessed && expires_in == access.left;
        let states_end = access.left.is_some();
        Ok(Import { credential, expires_in, refresh_expires_in: refresh.left, age, is_guessed, states_end })
    }
}

impl Import {
    /// Returns the end of the access token as text, where it is known.
    pub fn ends_at(&self, wall_now: SystemTime) -> Option<String> {
        let end = wall_now.checked_add(self.expires_in?)?;
        let since = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(instant::rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())))
    }

    /// Returns the names of the fields that are not kept, because the file is large.
    ///
    /// # Errors
    /// What would be kept is too large as well.
    pub fn ignored(&self) -> Result<Vec<String>, InputError> {
        let kept = self.credential.to_kept()?;
        let is_gone = |name: &&str| kept.document().raw(name).is_none();
        Ok(self.credential.document().names().filter(is_gone).map(str::to_owned).collect())
    }

    /// Returns how long before the hand-over the access token counts as made, where nothing states its end: as long as
    /// leaves it [`ASSUMED_LIFETIME`] at most, or since a later moment that is known. What a provider's answers last is
    /// no reason to take a token of unknown age for a new one.
    pub fn assumed_age(&self, policy: &Policy) -> Duration {
        let is_known = self.expires_in.is_some() || self.credential.refresh_token().is_none();
        if is_known || mutant("token_of_unknown_age_is_new") {
            return Duration::ZERO;
        }
        let unknown = policy.assumed_lifetime().saturating_sub(ASSUMED_LIFETIME);
        self.age.unwrap_or(unknown).min(unknown)
    }
}

/// Refuses tokens that cannot be ones as they stand: a person can correct them now, and nobody can when the provider
/// refuses them.
fn check_tokens(credential: &Credential) -> Result<(), InputError> {
    let names = credential.names();
    let tokens = [(names.access, credential.access_token()), (names.refresh, credential.refresh_token())];
    for (name, token) in tokens {
        let fault = token.and_then(|token| token::fault(token.expose_secret()));
        if let Some(expected) = fault.filter(|_| !mutant("token_is_taken_as_it_stands")) {
            return Err(InputError::new(name, expected));
        }
    }
    other_half(credential)?;
    let is_packed = |token: crate::Secret| token.expose_secret().contains('|');
    if credential.shape() == Shape::OpenCode && credential.refresh_token().is_some_and(is_packed) {
        return Err(InputError::new(
            names.refresh,
            "a refresh token without the project that a plugin put behind it",
        ));
    }
    Ok(())
}

/// Refuses a pair of which one half stands under a name of another shape: it would be refreshed, and the half that is
/// not recognised would stay as it is.
fn other_half(credential: &Credential) -> Result<(), InputError> {
    let (names, tokens) = (credential.names(), credential.tokens());
    let halves = [
        (names.refresh, credential.refresh_token(), &["refresh_token", "refreshToken", "RefreshToken"][..]),
        (
            names.access,
            credential.access_token(),
            &["access_token", "accessToken", "AccessToken", "token"][..],
        ),
    ];
    for (name, held, others) in halves {
        let stands = |other: &&&str| **other != name && tokens.string(other).ok().flatten().is_some();
        if held.is_none()
            && let Some(other) = others.iter().find(stands)
        {
            return Err(InputError::new(*other, format!("the name `{name}`, as its other token has it")));
        }
    }
    Ok(())
}

fn is_want_of_token(error: &InputError) -> bool {
    error.expected() == crate::credential::A_TOKEN
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
    fn an_end_is_read_under_the_names_that_tools_give_it() {
        for name in ENDS {
            for end in ["1735689660", "1735689660000", "\"2025-01-01T00:01:00Z\"", "\"1735689660\""] {
                let text = format!(r#"{{"access_token":"a","refresh_token":"r","{name}":{end}}}"#);
                assert_eq!(left(&text), Some(60), "{text}");
            }
        }
        // Of several the first to come; a sentinel says nothing.
        let several =
            r#"{"access_token":"a","expires_at":1735689700,"expired":"2025-01-01T00:01:00Z","expiry":0}"#;
        assert_eq!(left(several), Some(60));
        let never = r#"{"access_token":"a","refresh_token":"r","expiry":"0001-01-01T00:00:00Z"}"#;
        assert_eq!(left(never), None);
        assert_eq!(left(r#"{"access_token":"a","expired":false}"#), None);
    }

    #[test]
    fn a_lifetime_counts_from_the_moment_that_its_document_names_else_from_its_file() {
        let file = |text: &str, age| {
            let written = Some(now() - Duration::from_secs(age));
            let read = Credential::import_file(text.as_bytes(), written, now()).unwrap();
            (read.expires_in.map(|left| left.as_secs()), read.age.map(|age| age.as_secs()))
        };
        let bare = r#"{"access_token":"a","refresh_token":"r","expires_in":3600}"#;
        assert_eq!(file(bare, 600), (Some(3000), Some(600)));
        assert_eq!(file(bare, 86_400), (Some(0), Some(86_400)));
        for name in names::MOMENTS {
            for moment in ["1735689000", "1735689000000", "\"2024-12-31T23:50:00Z\""] {
                let text = format!(
                    r#"{{"access_token":"a","refresh_token":"r","expires_in":3600,"{name}":{moment}}}"#
                );
                assert_eq!(left(&text), Some(3000), "{text}");
                assert_eq!(file(&text, 5), (Some(3000), Some(600)), "{text}");
            }
        }
        let around =
            r#"{"tokens":{"access_token":"a","expires_in":3600},"last_refresh":"2024-12-31T23:50:00Z"}"#;
        assert_eq!(left(around), Some(3000));
        // A clock that is ahead, or no time at all: as if it were not there.
        for odd in ["1735776000", "\"yesterday\"", "0", "{}"] {
            let text = format!(r#"{{"access_token":"a","expires_in":3600,"created_at":{odd}}}"#);
            assert_eq!(left(&text), Some(3600), "{text}");
        }
        // Nothing states when: it counts from now, and is known to be a guess.
        let read = import(bare).unwrap();
        assert_eq!((read.expires_in, read.age), (Some(Duration::from_secs(3600)), None));
    }

    #[test]
    fn a_token_of_unknown_age_is_no_new_one() {
        let policy = |assumed| {
            let assumed_lifetime = Duration::from_secs(assumed);
            crate::PolicySettings { assumed_lifetime, ..crate::PolicySettings::default() }.build().unwrap()
        };
        let age = |text: &str, assumed| import(text).unwrap().assumed_age(&policy(assumed)).as_secs();
        let unknown = r#"{"access_token":"a","refresh_token":"r"}"#;
        assert_eq!((age(unknown, 28_800), age(unknown, 1_800), age(unknown, 60)), (27_000, 0, 0));
        let dated = r#"{"access_token":"a","refresh_token":"r","last_refresh":"2024-12-31T23:50:00Z"}"#;
        assert_eq!((age(dated, 28_800), age(dated, 60)), (600, 0));
        let old = r#"{"access_token":"a","refresh_token":"r","last_refresh":"2023-12-31T23:50:00Z"}"#;
        assert_eq!(age(old, 28_800), 27_000);
        for known in [r#"{"access_token":"a","refresh_token":"r","expires_in":5}"#, r#"{"access_token":"a"}"#]
        {
            assert_eq!(age(known, 28_800), 0, "{known}");
        }
    }

    #[test]
    fn the_shapes_of_tools_are_read() {
        for (shape, end, text) in [
            (
                Shape::Flat,
                Some(60),
                r#"{"access_token":"a","refresh_token":"r","token_type":"Bearer","resource_url":"portal.qwen.ai","expiry_date":1735689660000}"#,
            ),
            (
                Shape::Flat,
                Some(60),
                r#"{"access_token":"a","refresh_token":"r","id_token":"i","account_id":"acc","email":"x@y.z","type":"codex","last_refresh":"2024-12-31T23:50:00Z","expired":"2025-01-01T00:01:00Z"}"#,
            ),
            (
                Shape::Flat,
                Some(60),
                r#"{"access_token":"a","refresh_token":"r","type":"antigravity","expires_in":3599,"timestamp":1735689000000,"expired":"2025-01-01T08:01:00+08:00","project_id":"p"}"#,
            ),
            (
                Shape::Flat,
                Some(0),
                r#"{"client_id":"c","client_secret":"s","refresh_token":"r","type":"authorized_user"}"#,
            ),
            (
                Shape::AuthorizedUser,
                Some(60),
                r#"{"token":"a","refresh_token":"r","token_uri":"https://oauth2.googleapis.com/token","client_id":"c","client_secret":"s","scopes":["x"],"expiry":"2025-01-01T00:01:00.000000Z"}"#,
            ),
            (
                Shape::CamelCase,
                Some(60),
                r#"{"accessToken":"a","refreshToken":"r","profileArn":"arn:aws:x","expiresAt":"2025-01-01T00:01:00.000Z","authMethod":"social","provider":"Google"}"#,
            ),
            (
                Shape::OpenCode,
                Some(60),
                r#"{"type":"oauth","access":"a","refresh":"r","expires":1735689660000}"#,
            ),
            (
                Shape::OpenCode,
                Some(60),
                r#"{"anthropic":{"type":"oauth","access":"a","refresh":"r","expires":1735689660000},"groq":{"type":"api","key":"k"}}"#,
            ),
            (
                Shape::GrokCli,
                Some(60),
                r#"{"https://auth.x.ai::b1a00492":{"key":"a","auth_mode":"oidc","refresh_token":"r","expires_at":"2025-01-01T00:01:00Z"}}"#,
            ),
            (
                Shape::TokenObject,
                Some(60),
                r#"{"token":{"access_token":"a","refresh_token":"r","token_type":"Bearer","expiry":"2025-01-01T00:01:00Z"},"project_id":"p","email":"x@y.z","type":"gemini"}"#,
            ),
            (
                Shape::TokenObject,
                Some(60),
                r#"{"id":"1","email":"x@y.z","token":{"access_token":"a","refresh_token":"r","expires_in":3599,"expiry_timestamp":1735689660}}"#,
            ),
            (
                Shape::GatewayAccount,
                Some(60),
                r#"{"name":"n","platform":"anthropic","type":"oauth","credentials":{"access_token":"a","refresh_token":"r","expires_at":"1735689660"},"concurrency":3}"#,
            ),
        ] {
            let read = import(text).unwrap();
            assert_eq!(
                (read.credential.shape(), read.expires_in.map(|left| left.as_secs())),
                (shape, end),
                "{text}"
            );
            assert_eq!(token(read.credential.refresh_token()), "r", "{text}");
            if end != Some(0) {
                assert_eq!(token(read.credential.access_token()), "a", "{text}");
            }
            assert_eq!(read.credential.document().render(), text);
            let stored = Credential::from_bytes(&read.credential.to_bytes()).unwrap();
            assert_eq!(stored, read.credential);
        }
    }

    #[test]
    fn an_unknown_shape_lists_those_that_are_known_and_where_something_like_one_is() {
        let error =
            import(r#"{"profiles":[{"x":1},{"oauth":{"userAccessToken":"secret-of-somebody"}}],"v":2}"#)
                .unwrap_err();
        let message = error.to_string();
        for part in ["flat (access_token, refresh_token)", "claude_code", "grok_cli", "profiles[1].oauth"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("somebody"), "{message}");
        let several =
            r#"{"a":{"access":"1","refresh":"2","expires":1},"b":{"access":"3","refresh":"4","expires":1}}"#;
        assert!(import(several).unwrap_err().to_string().contains("account import"));
    }

    #[test]
    fn a_pair_in_two_styles_is_refused_by_the_name_of_the_half_that_would_be_left_behind() {
        for (text, field) in [
            (r#"{"token":"a","refreshToken":"r"}"#, "token"),
            (r#"{"accessToken":"a","refresh_token":"r"}"#, "accessToken"),
            (r#"{"access_token":"a","refreshToken":"r"}"#, "refreshToken"),
            (r#"{"claudeAiOauth":{"accessToken":"a","refresh_token":"r"}}"#, "claudeAiOauth.refresh_token"),
        ] {
            assert_eq!(import(text).unwrap_err().field(), field, "{text}");
        }
        for text in [r#"{"refresh_token":"r","token":""}"#, r#"{"access_token":"a","refreshToken":null}"#] {
            assert!(import(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_same_ends_are_read_under_the_names_of_more_tools() {
        for (text, left) in [
            (r#"{"access_token":"a","expiration_time_millis":1735689660000}"#, Some(60)),
            (r#"{"access_token":"a","refresh_token":"r","exp":1735689660}"#, Some(60)),
            (r#"{"accessToken":"a","accessTokenTTLMS":60000,"acquiredAtMS":1735689600000}"#, Some(60)),
            (
                r#"{"access_token":"a","expires_in":3600000,"expires_in_sec":60,"created_on":1735689600}"#,
                Some(60),
            ),
            (r#"{"access_token":"a","expires_in":60,"Issued":"2025-01-01T00:00:00+00:00"}"#, Some(60)),
            (r#"{"access_token":"a","expires_in":1735689660}"#, None),
            (r#"{"access_token":"a","expired":true}"#, Some(0)),
            (r#"{"accessToken":"a","expiresAt":"2025-01-01T00:01:00UTC"}"#, Some(60)),
        ] {
            let read = import(text).unwrap();
            assert_eq!(read.expires_in.map(|left| left.as_secs()), left, "{text}");
        }
    }

    #[test]
    fn a_token_that_cannot_be_one_is_refused_by_the_name_of_its_field() {
        for (text, field) in [
            (r#"{"access_token":"a","refresh_token":" r"}"#, "refresh_token"),
            (r#"{"access_token":"Bearer a"}"#, "access_token"),
            (r#"{"access_token":"null","refresh_token":"r"}"#, "access_token"),
            (r#"{"tokens":{"access_token":"a","refresh_token":"<refresh>"}}"#, "tokens.refresh_token"),
            (r#"{"claudeAiOauth":{"accessToken":"a","refreshToken":"r\n"}}"#, "claudeAiOauth.refreshToken"),
            (r#"{"xai":{"access":"a","refresh":"'r'","expires":0}}"#, "xai.refresh"),
            (r#"{"google":{"access":"a","refresh":"1//r|project","expires":0}}"#, "refresh"),
        ] {
            assert_eq!(import(text).unwrap_err().field().trim_start_matches("google."), field, "{text}");
        }
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
