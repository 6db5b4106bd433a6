//! What the sealer seals opens where it was sealed for, and nowhere else.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use solekey_core::{Account, ClaimId, Credential, Document, ExposeSecret as _, Generation, Shape};
use uuid::Uuid;

use super::*;

const DOCUMENT: &[u8] = br#"{"access_token":"at-hush","refresh_token":"rt-hush"}"#;

fn sealer() -> Sealer {
    Sealer::new(Arc::new(SealKeys::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()))
}

fn credential() -> Credential {
    Credential::new(Document::parse(DOCUMENT).unwrap(), Shape::Flat).unwrap()
}

fn metadata(generation: u64) -> TokenMetadata {
    let generation = Generation::new(generation);
    TokenMetadata { generation, lifetime: None, expires_at: None, bare_401: false }
}

#[test]
fn a_credential_opens_for_its_account_and_the_change_that_made_it() {
    let (sealer, credential) = (sealer(), credential());
    let [alice, bob] = ["alice", "bob"].map(|id| Account::new("acme", id).unwrap());
    let [by, other] = [1, 2].map(|id| ClaimId::new(Uuid::from_u128(id)));
    let sealed = sealer.seal_credential(&alice, by, &credential);
    assert!(!sealed.as_bytes().windows(4).any(|part| part == b"hush"));
    assert!(sealer.open_credential(&alice, by, &sealed).is_ok());
    assert!(sealer.open_credential(&alice, other, &sealed).is_err());
    assert!(sealer.open_credential(&bob, by, &sealed).is_err());
    assert_ne!(sealer.seal_credential(&alice, by, &credential).as_bytes(), sealed.as_bytes());
}

#[test]
fn a_token_opens_for_its_account_and_generation() {
    let (sealer, credential) = (sealer(), credential());
    let [alice, bob] = ["alice", "bob"].map(|id| Account::new("acme", id).unwrap());
    let token = Sealer::token_of(&alice, &credential, metadata(7)).unwrap();
    let sealed = sealer.seal_token(&token);
    assert!(!sealed.as_bytes().windows(4).any(|part| part == b"hush"));
    let opened = sealer.open_token(&alice, &sealed, metadata(7)).ok().unwrap();
    assert_eq!(opened.secret.expose_secret(), "at-hush");
    assert!(sealer.open_token(&alice, &sealed, metadata(8)).is_err());
    assert!(sealer.open_token(&bob, &sealed, metadata(7)).is_err());
    assert_ne!(sealer.seal_token(&token).as_bytes(), sealed.as_bytes());
    // A credential is no token, whatever change made it.
    let by = ClaimId::new(Uuid::from_u64_pair(0, 7));
    let credential = sealer.seal_credential(&alice, by, &credential);
    assert!(sealer.open_token(&alice, &credential, metadata(7)).is_err());
    assert!(sealer.open_credential(&alice, by, &sealed).is_err());
}

#[test]
fn an_answer_that_was_not_understood_is_no_credential_and_a_credential_no_answer() {
    let (sealer, alice) = (sealer(), Account::new("acme", "alice").unwrap());
    let by = ClaimId::new(Uuid::from_u64_pair(0, 7));
    let credential = credential();
    let unread = sealer.seal_unread(&alice, by, &credential.to_bytes());
    assert_eq!(sealer.open_unread(&alice, by, &unread).unwrap(), *credential.to_bytes());
    assert!(sealer.open_credential(&alice, by, &unread).is_err());
    assert!(sealer.open_unread(&alice, by, &sealer.seal_credential(&alice, by, &credential)).is_err());
    let token = sealer.seal_token(&Sealer::token_of(&alice, &credential, metadata(7)).unwrap());
    assert!(sealer.open_unread(&alice, by, &token).is_err());
    assert!(sealer.open_token(&alice, &unread, metadata(7)).is_err());
}
