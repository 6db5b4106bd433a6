//! The end that a token states for itself.

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use solekey_core::{TokenAnswer, jwt};

/// The input is taken for a token, and for the claims of one.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(token) = std::str::from_utf8(bytes) {
        says_what_its_claims_say(token);
        bounds_what_the_provider_says(token);
    }
    let payload = URL_SAFE_NO_PAD.encode(bytes);
    let token = format!("e30.{payload}.c2ln");
    says_what_its_claims_say(&token);
    assert_eq!(
        jwt::exp(&format!("x.{payload}=.y")),
        jwt::exp(&format!("x.{payload}.y")),
        "padding means nothing"
    );
    assert_eq!(jwt::exp(&format!("{token}.more")), None, "four parts are no token");
    assert_eq!(jwt::exp(&payload), None, "one part is no token");
}

/// The same question to another reader.
fn says_what_its_claims_say(token: &str) {
    let exp = jwt::exp(token);
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok());
    let claims = claims.and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
    // It reads all of the claims, where we pass over what does not matter: of what it cannot read it decides nothing.
    let Some(claims) = claims else { return };
    let stated = claims.as_object().and_then(|claims| claims.get("exp")?.as_f64());
    if let Some(exp) = exp {
        let stated = stated.expect("an end that no claim states");
        let whole = format!("{:.0}", stated.floor());
        assert!(stated >= EXACT || whole == exp.to_string() || whole == "-0", "{stated} became {exp}");
    }
}

fn bounds_what_the_provider_says(token: &str) {
    let response = serde_json::json!({"access_token": token, "expires_in": 3600}).to_string();
    let Ok(answer) = TokenAnswer::read(response.as_bytes()) else { return };
    for wall_now in [UNIX_EPOCH, UNIX_EPOCH + HALF_A_CENTURY] {
        let left = answer.lifetime(wall_now).expect("the provider says it");
        assert!(
            !left.is_zero() && left.as_secs() <= 3600,
            "a new token is never born expired, nor outlives the stated end"
        );
    }
}

const HALF_A_CENTURY: Duration = Duration::from_secs(50 * 365 * 24 * 60 * 60);
/// From here on a float does not know seconds apart.
const EXACT: f64 = 9_007_199_254_740_992.0;
