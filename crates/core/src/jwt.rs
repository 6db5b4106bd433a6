//! The expiry in a JWT.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The `exp` claim of a JWT in whole seconds since 1970; `None` when the token is opaque or has no such claim.
///
/// Nothing is verified: the value is advice of whoever made the token, good enough as an upper bound.
pub fn exp(token: &str) -> Option<u64> {
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
    let Claims { exp } = serde_json::from_str(&claims).ok()?;
    Some(Duration::try_from_secs_f64(exp?).ok()?.as_secs())
}

/// Time left until `exp`; zero once it has passed.
pub(crate) fn remaining(token: &str, wall_now: SystemTime) -> Option<Duration> {
    let end = UNIX_EPOCH.checked_add(Duration::from_secs(exp(token)?))?;
    Some(end.duration_since(wall_now).unwrap_or_default())
}

#[derive(serde::Deserialize)]
struct Claims {
    exp: Option<f64>,
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
