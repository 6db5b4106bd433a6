//! Where credentials and tokens are opened and sealed.

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use solekey_core::{
    Account, ClaimId, Credential, ExposeSecret as _, Facts, Fingerprint, Generation, Sealed, Secret, secret,
};
use uuid::Uuid;

use crate::{
    fingerprints::Fingerprints,
    seal::{Binding, CannotOpen, SealKeys},
    token::TokenData,
};

/// Opens and seals what the adapters carry, and knows the fingerprints of one store.
pub(crate) struct Vault<'a> {
    pub(crate) seal: &'a SealKeys,
    pub(crate) fingerprints: &'a Fingerprints,
}

/// An access token as it lies on the shelf.
#[derive(Serialize, Deserialize)]
struct ShelvedToken {
    access_token: String,
    token_type: Box<str>,
    /// The whole lifetime in milliseconds, when known.
    lifetime_ms: Option<u64>,
}

/// What a token is made of, besides its secret.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) generation: Generation,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) bare_401: bool,
}

impl Vault<'_> {
    pub(crate) fn seal_credential(&self, account: &Account, by: ClaimId, credential: &Credential) -> Sealed {
        self.seal.seal(&credential_binding(account, by), &credential.to_bytes())
    }

    pub(crate) fn open_credential(
        &self,
        account: &Account,
        by: ClaimId,
        sealed: &Sealed,
    ) -> Result<Credential, CannotOpen> {
        let bytes = self.seal.open(&credential_binding(account, by), sealed)?;
        Credential::from_bytes(&bytes).map_err(|_| CannotOpen)
    }

    /// The same credential under the first key; nothing where it lies there already.
    pub(crate) fn reseal_credential(
        &self,
        account: &Account,
        by: ClaimId,
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, CannotOpen> {
        if self.seal.is_current(sealed) {
            return Ok(None);
        }
        let binding = credential_binding(account, by);
        // Not read and written anew: it comes back byte by byte.
        let clear = self.seal.open(&binding, sealed)?;
        Ok(Some(self.seal.seal(&binding, &clear)))
    }

    pub(crate) fn seal_token(&self, token: &TokenData) -> Sealed {
        let shelved = ShelvedToken {
            access_token: token.secret.expose_secret().to_owned(),
            token_type: token.token_type.clone(),
            lifetime_ms: token.lifetime.and_then(|span| u64::try_from(span.as_millis()).ok()),
        };
        let bytes = serde_json::to_vec(&shelved).expect("plain fields serialize");
        self.seal.seal(&token_binding(&token.account, token.generation), &bytes)
    }

    pub(crate) fn open_token(
        &self,
        account: &Account,
        sealed: &Sealed,
        stamp: Stamp,
    ) -> Result<TokenData, CannotOpen> {
        let bytes = self.seal.open(&token_binding(account, stamp.generation), sealed)?;
        let shelved: ShelvedToken = serde_json::from_slice(&bytes).map_err(|_| CannotOpen)?;
        let lifetime = shelved.lifetime_ms.map(Duration::from_millis);
        let stamp = Stamp { lifetime, ..stamp };
        Self::token(account, secret(shelved.access_token), shelved.token_type, stamp).ok_or(CannotOpen)
    }

    /// The token of a credential; `None` when it has none.
    pub(crate) fn token_of(account: &Account, credential: &Credential, stamp: Stamp) -> Option<TokenData> {
        let access = credential.access_token()?;
        let token_type = credential.token_type().map_or_else(|| "Bearer".into(), String::into_boxed_str);
        Self::token(account, access, token_type, stamp)
    }

    fn token(account: &Account, secret: Secret, token_type: Box<str>, stamp: Stamp) -> Option<TokenData> {
        let Stamp { generation, lifetime, expires_at, bare_401 } = stamp;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", secret.expose_secret())).ok()?;
        bearer.set_sensitive(true);
        Some(TokenData {
            account: account.clone(),
            secret,
            bearer,
            token_type,
            generation,
            lifetime,
            expires_at,
            bare_401,
            condemned: AtomicBool::new(false),
        })
    }

    /// The fingerprints of a credential's tokens. One without an access token yet borrows its refresh token's.
    pub(crate) fn prints(&self, credential: &Credential) -> (Fingerprint, Option<Fingerprint>) {
        let refresh = credential.refresh_token().map(|token| self.fingerprints.of(&token));
        let access = credential.access_token().map(|token| self.fingerprints.of(&token));
        (access.or(refresh).unwrap_or(NO_TOKEN), refresh)
    }
}

impl Stamp {
    /// The stamp of a row's credential, read at the store's `now`, asked for when the wall clock here showed `wall`.
    pub(crate) fn of_row(
        generation: Generation,
        facts: &Facts,
        now: solekey_core::StoreTime,
        wall: SystemTime,
        bare_401: bool,
    ) -> Self {
        let expires_at = facts.expires_at.map(|end| wall + end.since(now));
        Self { generation, lifetime: facts.lifetime(), expires_at, bare_401 }
    }
}

fn credential_binding(account: &Account, by: ClaimId) -> Binding<'_> {
    Binding { kind: "credential", account, by: *by.uuid().as_bytes() }
}

fn token_binding(account: &Account, generation: Generation) -> Binding<'_> {
    let by = Uuid::from_u64_pair(0, generation.get());
    Binding { kind: "token", account, by: *by.as_bytes() }
}

const NO_TOKEN: Fingerprint = Fingerprint::new([0; 16]);
