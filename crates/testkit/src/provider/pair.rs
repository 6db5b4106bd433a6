use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// An access token and the refresh token that renews it, as the server handed them out.
///
/// `Debug` shows fingerprints, never the tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// Accepted by [`GET /resource`](super::AuthorizationServer::resource_url).
    pub access_token: String,
    /// Exchanged at [`POST /token`](super::AuthorizationServer::token_url).
    pub refresh_token: String,
    /// Lifetime of the access token, counted from when it was minted.
    pub expires_in: Duration,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("access_token", &format_args!("#{}", fingerprint(&self.access_token)))
            .field("refresh_token", &format_args!("#{}", fingerprint(&self.refresh_token)))
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

/// The name a token goes by in the referee's log: the first 16 hex digits of its SHA-256.
pub fn fingerprint(token: &str) -> String {
    use fmt::Write as _;
    Sha256::digest(token).iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_head_of_the_sha256() {
        assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn debug_shows_no_token() {
        let pair = Pair {
            access_token: "at-secret".into(),
            refresh_token: "rt-secret".into(),
            expires_in: Duration::from_secs(1),
        };
        assert!(!format!("{pair:?}").contains("secret"));
    }
}
