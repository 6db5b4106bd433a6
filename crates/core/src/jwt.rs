//! The expiry in a JWT.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// The `exp` claim of a JWT in whole seconds since 1970; `None` when the token is opaque or has no such claim.
///
/// Nothing is verified: the value is advice of whoever made the token, good enough as an upper bound.
pub fn exp(token: &str) -> Option<u64> {
    let End { exp } = serde_json::from_str(&claims(token)?).ok()?;
    Some(Duration::try_from_secs_f64(exp?).ok()?.as_secs())
}

/// The address of whom an ID token is about.
pub(crate) fn email(token: &str) -> Option<String> {
    let Claims { email, .. } = serde_json::from_str(&claims(token)?).ok()?;
    let email = email?;
    (email.len() <= 200 && !email.chars().any(char::is_control)).then_some(email)
}

/// The claims, as JSON.
fn claims(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    // The reader below validates no text that it skips.
    let claims = String::from_utf8(claims).ok()?;
    // And it would take a list for the fields in their order.
    if !claims.trim_ascii_start().starts_with('{') {
        return None;
    }
    Some(claims)
}

/// The whole life of a JWT by its own claims, whatever any clock shows: `exp` minus `iat`.
pub(crate) fn life(token: &str) -> Option<Duration> {
    let Claims { exp, iat, .. } = serde_json::from_str(&claims(token)?).ok()?;
    let [iat, exp] = [iat?, exp?].map(|at| Duration::try_from_secs_f64(at).ok());
    exp?.checked_sub(iat?).filter(|life| !life.is_zero())
}

/// Time left until `exp`; zero once it has passed.
pub(crate) fn remaining(token: &str, wall_now: SystemTime) -> Option<Duration> {
    let end = UNIX_EPOCH.checked_add(Duration::from_secs(exp(token)?))?;
    Some(end.duration_since(wall_now).unwrap_or_default())
}

/// Whatever else is there, the end counts.
#[derive(Deserialize)]
struct End {
    exp: Option<f64>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    #[serde(default, deserialize_with = "number")]
    iat: Option<f64>,
    #[serde(default, deserialize_with = "text")]
    email: Option<String>,
}

fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(serde_json::Value::deserialize(from)?.as_f64())
}

fn text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(serde_json::Value::deserialize(from)?.as_str().map(str::to_owned))
}

/// Longer ones fit no header and are not worth decoding.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn exp_is_read_from_the_payload() {
        assert_eq!(exp(&jwt(r#"{"sub":"x","exp":1735689600}"#)), Some(1_735_689_600));
        assert_eq!(exp(&jwt(r#"{"exp":1735689600.75}"#)), Some(1_735_689_600));
        let odd = jwt(r#"{"exp":1735689600,"iat":"today","email":["a@b.c"]}"#);
        assert_eq!((exp(&odd), life(&odd), email(&odd)), (Some(1_735_689_600), None, None));
        let whole = jwt(r#"{"iat":1735689000,"exp":1735689600,"email":"a@b.c"}"#);
        assert_eq!((life(&whole), email(&whole)), (Some(Duration::from_secs(600)), Some("a@b.c".to_owned())));
    }

    #[test]
    fn what_says_nothing_readable_says_nothing() {
        for claims in [
            "{}",
            "[]",
            "[1735689600]",
            "null",
            "",
            r#"{"exp":"soon"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            "{\"exp\":1",
        ] {
            assert_eq!(exp(&jwt(claims)), None, "{claims}");
        }
        for token in ["", ".", "..", "...", "opaque", "a.b", "a.!!.c", "a.e30.c.d"] {
            assert_eq!(exp(token), None, "{token}");
        }
    }

    #[test]
    fn claims_that_are_no_text_say_nothing() {
        let claims = URL_SAFE_NO_PAD.encode(b"{\"sub\":\"\x9c\",\"exp\":1735689600}");
        assert_eq!(exp(&format!("e30.{claims}.c2ln")), None);
    }

    proptest! {
        #![proptest_config(crate::laws::config(256))]

        #[test]
        fn no_token_makes_it_panic(token in "\\PC{0,200}", claims in "\\PC{0,80}") {
            exp(&token);
            remaining(&jwt(&claims), UNIX_EPOCH);
        }
    }
}
