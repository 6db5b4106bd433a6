//! Proofs of possession (RFC 9449): which key they are made with, and the nonces that servers want in them.

use std::sync::{Mutex, PoisonError};

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::json;
use solekey_core::mutant;
use url::Url;

use crate::{
    SigningKey,
    bounded::Bounded,
    clock::seconds,
    key::{CannotSign, unique},
};

/// The proof of possession that exchanges carry, and its key.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Dpop {
    /// They do not.
    #[default]
    Off,
    /// They have to, and the key is still missing: settings with this are refused. For presets.
    KeyNeeded,
    /// With this one. A grant is bound to the key that its login proved, so that every replica needs the same one, and
    /// so does whoever uses the access token.
    Key(SigningKey),
}

/// The header of a request that carries a proof.
pub(crate) const PROOF: HeaderName = HeaderName::from_static("dpop");

/// A proof for one POST.
pub(crate) fn proof(key: &SigningKey, url: &Url, nonce: Option<&str>) -> Result<String, CannotSign> {
    let jti = if mutant("proof_is_used_again") { "again".to_owned() } else { unique()? };
    let mut claims = json!({"jti": jti, "htm": "POST", "htu": target(url), "iat": seconds()});
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    key.sign(&json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk()}), &claims)
}

/// The URL without query and fragment.
fn target(url: &Url) -> String {
    let mut target = url.clone();
    target.set_query(None);
    target.set_fragment(None);
    target.into()
}

/// The newest nonce of each server.
#[derive(Debug)]
pub(crate) struct Nonces(Mutex<Bounded<Box<str>>>);

impl Nonces {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Bounded::new(MOST_SERVERS)))
    }

    pub(crate) fn of(&self, url: &Url) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&server(url)).map(|nonce| nonce.clone().into_string())
    }

    /// Takes the nonce out of an answer, whatever else it says.
    pub(crate) fn learn(&self, url: &Url, headers: &HeaderMap) {
        let Some(nonce) = headers.get(NONCE).and_then(|nonce| nonce.to_str().ok()) else { return };
        // RFC 9449, section 8.1: NQCHAR. What else may stand there would not come back as it is.
        let is_nonce = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
        if (1..=MAX_NONCE_BYTES).contains(&nonce.len()) && nonce.bytes().all(is_nonce) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.put(&server(url), nonce.into());
        }
    }
}

fn server(url: &Url) -> String {
    if mutant("nonce_of_another_server") {
        return String::new();
    }
    url.origin().ascii_serialization()
}

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Real ones have some dozens of bytes.
const MAX_NONCE_BYTES: usize = 1024;

/// As many as a large fleet's accounts live on; a server beyond that costs a second attempt.
const MOST_SERVERS: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn saying(nonce: &str) -> HeaderMap {
        HeaderMap::from_iter([(NONCE, nonce.parse().unwrap())])
    }

    #[test]
    fn a_proof_speaks_of_the_url_without_query_and_fragment() {
        assert_eq!(
            target(&url("https://a.example:8443/oauth/token?x=1#y")),
            "https://a.example:8443/oauth/token"
        );
    }

    #[test]
    fn each_server_has_its_newest_nonce() {
        let nonces = Nonces::new();
        nonces.learn(&url("https://a.example/token"), &saying("one"));
        nonces.learn(&url("https://a.example:444/token"), &saying("two"));
        nonces.learn(&url("https://a.example/other"), &saying("three"));
        nonces.learn(&url("https://a.example/other"), &HeaderMap::new());
        assert_eq!(nonces.of(&url("https://a.example/token")).as_deref(), Some("three"));
        assert_eq!(nonces.of(&url("https://a.example:444/")).as_deref(), Some("two"));
        assert_eq!(nonces.of(&url("http://a.example/token")), None);
    }

    #[test]
    fn what_is_no_nonce_is_passed_over() {
        let nonces = Nonces::new();
        for nonce in ["", "with space", "with\"quote", "with\\backslash", &"n".repeat(MAX_NONCE_BYTES + 1)] {
            nonces.learn(&url("https://a.example/"), &saying(nonce));
            assert_eq!(nonces.of(&url("https://a.example/")), None, "{nonce}");
        }
    }
}
