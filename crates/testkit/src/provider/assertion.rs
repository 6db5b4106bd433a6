//! Clients that prove themselves with signatures (RFC 7523).

use serde_json::Value;

use super::dpop::wall_seconds;
use super::key_pair::Jwt;
use super::once::Once;
use super::request::TokenRequest;

/// The name of the key by which this client proved itself to the server with this issuer name, for this request alone.
pub(super) fn proven_by(
    id: &str,
    jwks: &Value,
    request: &TokenRequest,
    issuers: &[String],
    used: &mut Once,
) -> Option<String> {
    let by_jwt = request.field("client_assertion_type") == Some(ASSERTION_TYPE);
    let alone = request.field("client_secret").is_none() && request.field("client_id") == Some(id);
    let jwt = Jwt::read(request.field("client_assertion")?).filter(|_| by_jwt && alone)?;
    let named = jwt.says("kid")?;
    let keys = jwks.get("keys")?.as_array()?;
    let key = keys.iter().find(|key| key.get("kid").and_then(Value::as_str) == Some(named))?;
    let ours = [jwt.claims("iss"), jwt.claims("sub")] == [Some(id); 2];
    let for_us = jwt.claims("aud").is_some_and(|audience| issuers.iter().any(|issuer| issuer == audience));
    let now = wall_seconds();
    let made = jwt.seconds("iat")?;
    // No tolerance for what is made in the future, as some servers have none.
    let in_time = made <= now && now - made < MAX_AGE && jwt.seconds("exp")? > now;
    let good = ours && for_us && in_time && jwt.is_signed_by(key);
    (good && used.is_first(jwt.claims("jti")?)).then(|| named.to_owned())
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds.
const MAX_AGE: u64 = 60;
