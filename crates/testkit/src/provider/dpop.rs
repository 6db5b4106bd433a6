//! Proofs of possession (RFC 9449).

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use super::key_pair::{Jwt, thumbprint};
use super::once::Once;

/// The requirements of the server for proofs of possession.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dpop {
    nonces: usize,
}

impl Dpop {
    /// Every answer of the token endpoint brings a new nonce, and a proof has to have the newest one.
    pub fn with_the_newest_nonce() -> Self {
        Self::with_recent_nonces(1)
    }

    /// Every answer of the token endpoint brings a new nonce, and a proof has to have one of the newest `count`: for servers that
    /// many clients talk to at once.
    pub fn with_recent_nonces(count: usize) -> Self {
        Self { nonces: count.max(1) }
    }
}

/// The proofs and nonces that the server remembers.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    nonces: VecDeque<String>,
    seen: Once,
}

/// The result of checking a proof.
pub(super) enum Proof {
    /// Its maker holds the key with this thumbprint.
    Good(String),
    /// It is good but for its nonce.
    WithoutNonce,
    /// It proves nothing.
    Bad(&'static str),
}

impl Proofs {
    /// A new nonce, for an answer.
    pub(super) fn next_nonce(&mut self, rules: Dpop) -> String {
        let nonce = format!("nonce-{}", uuid::Uuid::new_v4().simple());
        self.nonces.push_back(nonce.clone());
        while self.nonces.len() > rules.nonces {
            self.nonces.pop_front();
        }
        nonce
    }

    /// Checks the proofs of one POST to this URL.
    pub(super) fn verify(&mut self, proofs: &[String], url: &str) -> Proof {
        let [proof] = proofs else { return Proof::Bad("not one proof") };
        let Some(jwt) = Jwt::read(proof) else { return Proof::Bad("no JWT") };
        match self.check(&jwt, url) {
            Err(why) => Proof::Bad(why),
            Ok(_)
                if jwt
                    .claims("nonce")
                    .is_none_or(|nonce| !self.nonces.iter().any(|known| known == nonce)) =>
            {
                Proof::WithoutNonce
            }
            Ok(thumbprint) => Proof::Good(thumbprint),
        }
    }

    /// Everything but the nonce.
    fn check(&mut self, jwt: &Jwt, url: &str) -> Result<String, &'static str> {
        let none = serde_json::Value::Null;
        let jwk = jwt.header.get("jwk").unwrap_or(&none);
        let key = thumbprint(jwk).ok_or("no key")?;
        let fits = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        fits(jwk.get("d").is_none(), "a private key")?;
        fits(jwt.says("typ") == Some("dpop+jwt"), "another type")?;
        fits(jwt.is_signed_by(jwk), "another signature")?;
        fits(jwt.claims("htm") == Some("POST"), "another method")?;
        fits(jwt.claims("htu") == Some(url), "another URL")?;
        fits(jwt.seconds("iat").is_some_and(is_recent), "another time")?;
        fits(jwt.claims("jti").is_some_and(|id| self.seen.is_first(id)), "used before")?;
        Ok(key)
    }
}

/// Returns whether this was less than a minute ago, or will be.
fn is_recent(seconds: u64) -> bool {
    wall_seconds().abs_diff(seconds) < 60
}

/// Seconds since 1970.
pub(super) fn wall_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
