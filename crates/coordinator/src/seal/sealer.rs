//! Opening and sealing of credentials and tokens.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use solekey_core::{
    Account, Answer, ClaimId, Credential, ExposeSecret as _, Facts, Fingerprint, Generation, Sealed, Secret,
    secret,
};
use uuid::Uuid;

use super::{
    fingerprints::Fingerprints,
    keys::{Binding, CannotOpen, SealKeys},
};
use crate::token::TokenData;

/// Opens and seals what the adapters carry, and computes the fingerprints of one store.
pub(crate) struct Sealer {
    keys: Arc<SealKeys>,
    fingerprints: OnceLock<(Uuid, Fingerprints)>,
    /// Stands in until the store has returned its id: comparisons within this process still work.
    provisional: Fingerprints,
}

/// An access token as the shared cache holds it.
#[derive(Serialize, Deserialize)]
struct TokenPayload {
    access_token: String,
    token_type: Box<str>,
    /// The whole lifetime in milliseconds, when known.
    lifetime_ms: Option<u64>,
}

/// The parts of a token other than its secret.
#[derive(Clone, Copy)]
pub(crate) struct TokenMetadata {
    pub(crate) generation: Generation,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) bare_401: bool,
}

impl Sealer {
    pub(crate) fn new(keys: Arc<SealKeys>) -> Self {
        let provisional = Fingerprints::of_store(Uuid::new_v4());
        Self { keys, fingerprints: OnceLock::new(), provisional }
    }

    pub(crate) fn keys(&self) -> &SealKeys {
        &self.keys
    }

    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        self.fingerprints.get().map_or(&self.provisional, |(_, fingerprints)| fingerprints)
    }

    /// The id of the store whose fingerprints are computed.
    pub(crate) fn store(&self) -> Option<Uuid> {
        self.fingerprints.get().map(|(store, _)| *store)
    }

    /// Computes fingerprints for the store with this id from now on; the first id stays.
    pub(crate) fn set_store(&self, id: Uuid) {
        self.fingerprints.get_or_init(|| (id, Fingerprints::of_store(id)));
    }

    pub(crate) fn seal_credential(&self, account: &Account, by: ClaimId, credential: &Credential) -> Sealed {
        self.keys.seal(&credential_binding(account, by), &credential.to_bytes())
    }

    pub(crate) fn open_credential(
        &self,
        account: &Account,
        by: ClaimId,
        sealed: &Sealed,
    ) -> Result<Credential, CannotOpen> {
        let bytes = self.keys.open(&credential_binding(account, by), sealed)?;
        Credential::from_bytes(&bytes).map_err(|_| CannotOpen)
    }

    /// Seals an answer as it came.
    pub(crate) fn seal_unread(&self, account: &Account, by: ClaimId, answer: &[u8]) -> Sealed {
        self.keys.seal(&unread_binding(account, by), answer)
    }

    pub(crate) fn open_unread(
        &self,
        account: &Account,
        by: ClaimId,
        sealed: &Sealed,
    ) -> Result<Vec<u8>, CannotOpen> {
        self.keys.open(&unread_binding(account, by), sealed)
    }

    /// The same credential under the first key; nothing where it lies there already.
    pub(crate) fn reseal_credential(
        &self,
        account: &Account,
        by: ClaimId,
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, CannotOpen> {
        self.reseal(&credential_binding(account, by), sealed)
    }

    /// The payload of an answer under the first key; nothing where it lies there already.
    pub(crate) fn reseal_answer(
        &self,
        account: &Account,
        Answer { note, payload }: &Answer,
    ) -> Result<Option<Sealed>, CannotOpen> {
        let binding = if note.content.is_usable() { credential_binding } else { unread_binding };
        self.reseal(&binding(account, note.claim), payload)
    }

    fn reseal(&self, binding: &Binding<'_>, sealed: &Sealed) -> Result<Option<Sealed>, CannotOpen> {
        if self.keys.is_current(sealed) {
            return Ok(None);
        }
        // Not read and written anew: it comes back byte by byte.
        let clear = self.keys.open(binding, sealed)?;
        Ok(Some(self.keys.seal(binding, &clear)))
    }

    pub(crate) fn seal_token(&self, token: &TokenData) -> Sealed {
        let cached = TokenPayload {
            access_token: token.secret.expose_secret().to_owned(),
            token_type: token.token_type.clone(),
            lifetime_ms: token.lifetime.and_then(|span| u64::try_from(span.as_millis()).ok()),
        };
        let bytes = serde_json::to_vec(&cached).expect("plain fields serialize");
        self.keys.seal(&token_binding(&token.account, token.generation), &bytes)
    }

    pub(crate) fn open_token(
        &self,
        account: &Account,
        sealed: &Sealed,
        metadata: TokenMetadata,
    ) -> Result<TokenData, CannotOpen> {
        let bytes = self.keys.open(&token_binding(account, metadata.generation), sealed)?;
        let cached: TokenPayload = serde_json::from_slice(&bytes).map_err(|_| CannotOpen)?;
        let lifetime = cached.lifetime_ms.map(Duration::from_millis);
        let metadata = TokenMetadata { lifetime, ..metadata };
        Self::token(account, secret(cached.access_token), cached.token_type, metadata).ok_or(CannotOpen)
    }

    /// The token of a credential; `None` when it has none.
    pub(crate) fn token_of(
        account: &Account,
        credential: &Credential,
        metadata: TokenMetadata,
    ) -> Option<TokenData> {
        let access = credential.access_token()?;
        let token_type = credential.token_type().map_or_else(|| "Bearer".into(), String::into_boxed_str);
        Self::token(account, access, token_type, metadata)
    }

    fn token(
        account: &Account,
        secret: Secret,
        token_type: Box<str>,
        metadata: TokenMetadata,
    ) -> Option<TokenData> {
        let TokenMetadata { generation, lifetime, expires_at, bare_401 } = metadata;
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

    /// As [`Fingerprints::of_credential`].
    pub(crate) fn prints(&self, credential: &Credential) -> (Fingerprint, Option<Fingerprint>) {
        self.fingerprints().of_credential(credential)
    }
}

impl TokenMetadata {
    /// The metadata of a row's credential, read at the store's `now`, asked for when the wall clock here showed `wall`.
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

fn unread_binding(account: &Account, by: ClaimId) -> Binding<'_> {
    Binding { kind: "unread", account, by: *by.uuid().as_bytes() }
}

fn token_binding(account: &Account, generation: Generation) -> Binding<'_> {
    let by = Uuid::from_u64_pair(0, generation.get());
    Binding { kind: "token", account, by: *by.as_bytes() }
}
