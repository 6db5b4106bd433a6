use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The format of access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessFormat {
    /// A random string.
    #[default]
    Opaque,
    /// A JWT with `iat`, `exp` and `jti`, whose signature nobody can verify.
    Jwt,
}

impl AccessFormat {
    pub(super) fn mint(self, lifetime: Duration) -> String {
        let id = uuid::Uuid::new_v4().simple();
        match self {
            Self::Opaque => format!("at-{id}"),
            Self::Jwt => jwt(&id.to_string(), lifetime),
        }
    }
}

fn jwt(id: &str, lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let claims = serde_json::json!({
        "iss": "solekey-testkit",
        "jti": id,
        "iat": now.as_secs(),
        "exp": (now + lifetime).as_secs(),
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = serde_json::json!({"alg": "HS256", "typ": "JWT"});
    format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode(id))
}
