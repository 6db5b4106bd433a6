//! A client that proves itself with a signature (RFC 7523, `private_key_jwt`).

use serde_json::json;
use solekey_core::mutant;

use crate::{
    ClientKey,
    clock::seconds,
    key::{CannotSign, unique},
};

/// An assertion for one exchange with this server.
pub(crate) fn assertion(key: &ClientKey, client_id: &str, audience: &str) -> Result<String, CannotSign> {
    let jti = if mutant("assertion_is_used_again") { "again".to_owned() } else { unique()? };
    let now = seconds();
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": now.saturating_sub(SLACK),
        "exp": now + LIFETIME,
    });
    key.key.sign(&json!({"typ": "JWT", "alg": "ES256", "kid": key.id}), &claims)
}

/// The key that an account's session began with: the one it names, the first where it names none. Servers bind a
/// session to the client's key, so another one is no substitute; `None` when it is not here.
pub(crate) fn chosen<'a>(keys: &'a [ClientKey], named: Option<&str>) -> Option<&'a ClientKey> {
    match named {
        Some(id) => keys.iter().find(|key| key.id == id),
        None => keys.first(),
    }
}

/// The value of `client_assertion_type`.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds. It is made for one request, and servers refuse what lives for longer than a minute.
const LIFETIME: u64 = 50;

/// Seconds that this clock may run ahead: some servers refuse at once what was made in their future.
const SLACK: u64 = 5;
