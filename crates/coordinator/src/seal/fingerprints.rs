//! Keyed hashes of tokens.

use aws_lc_rs::hmac;
use solekey_core::{Credential, ExposeSecret as _, Fingerprint, Secret};
use uuid::Uuid;

/// HMAC-SHA-256 under the store's identity: equal for all replicas of a store, different between stores.
#[derive(Clone)]
pub(crate) struct Fingerprints(hmac::Key);

impl Fingerprints {
    pub(crate) fn of_store(id: Uuid) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, id.as_bytes()))
    }

    pub(crate) fn of(&self, token: &Secret) -> Fingerprint {
        let tag = hmac::sign(&self.0, token.expose_secret().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&tag.as_ref()[..16]);
        Fingerprint::new(bytes)
    }

    /// The fingerprints of a credential's tokens. One without an access token yet borrows its refresh token's.
    pub(crate) fn of_credential(&self, credential: &Credential) -> (Fingerprint, Option<Fingerprint>) {
        let refresh = credential.refresh_token().map(|token| self.of(&token));
        let access = credential.access_token().map(|token| self.of(&token));
        (access.or(refresh).unwrap_or(NO_TOKEN), refresh)
    }
}

const NO_TOKEN: Fingerprint = Fingerprint::new([0; 16]);
