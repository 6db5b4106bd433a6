//! Sealing: nothing leaves this process in clear once a key is configured.
//!
//! AES-256-GCM-SIV, which survives a repeated nonce; the associated data binds each sealed value to its account and
//! to the claim that made it, so that a value moved elsewhere does not open. A sealed value begins with a byte for
//! the scheme, the length of the key's id, and the id.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
#[cfg(feature = "redis")]
use solekey_core::AccountKey;
use solekey_core::{Account, InputError, Sealed, mutant};
use uuid::Uuid;

/// The keys values are sealed with; the first one seals, all of them open, and what lies under another than the first is
/// put under the first in the background. Without keys values stay in clear.
#[derive(Default)]
pub struct SealKeys {
    keys: Vec<SealKey>,
    /// Values in clear are believed, until they are sealed.
    opens_clear: bool,
}

struct SealKey {
    id: Box<str>,
    aead: RandomizedNonceKey,
    check: hmac::Key,
}

/// The owner of a sealed value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    /// The kind of value.
    pub(crate) kind: &'static str,
    /// Whose it is.
    pub(crate) account: &'a Account,
    /// Which change made it.
    pub(crate) by: [u8; 16],
}

/// A sealed value does not open: another key sealed it, or it stands where it does not belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open")]
pub(crate) struct CannotOpen;

impl SealKeys {
    /// Reads a key ring `id:base64[,id:base64…]` of 32-byte keys. The first one seals. `clear` in the place of the last one
    /// also opens what was stored before there was a key; whoever can write to the store could then slip something in.
    ///
    /// # Errors
    /// `seal.key` is not such a list. The message holds no part of it.
    pub fn parse(ring: &str) -> Result<Self, InputError> {
        let mut entries: Vec<_> = ring.split(',').map(str::trim).collect();
        let opens_clear = entries.len() > 1 && entries.last() == Some(&IN_CLEAR);
        entries.truncate(entries.len() - usize::from(opens_clear));
        let keys: Result<Vec<_>, _> = entries.into_iter().map(SealKey::parse).collect();
        let keys = keys?;
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|other| other.id == key.id) {
                return Err(bad("each key id once"));
            }
        }
        Ok(Self { keys, opens_clear })
    }

    /// Values stay in clear.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns whether values are sealed.
    pub fn is_sealing(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Returns whether what nobody sealed is believed.
    pub(crate) fn believes_clear(&self) -> bool {
        !self.is_sealing() || self.opens_clear
    }

    /// Returns whether nobody sealed this: it is in clear, or nothing.
    pub(crate) fn is_clear(sealed: &Sealed) -> bool {
        matches!(sealed.as_bytes(), [] | [CLEAR, ..])
    }

    /// Returns whether nothing opens but what this ring seals: then there is nothing to re-seal.
    pub(crate) fn is_alone(&self) -> bool {
        self.keys.len() <= 1 && !self.opens_clear
    }

    /// The id of the key that seals.
    pub(crate) fn first(&self) -> Option<&str> {
        self.keys.first().map(|key| &*key.id)
    }

    /// Returns whether a value would be sealed like this now.
    pub(crate) fn is_current(&self, sealed: &Sealed) -> bool {
        match sealed.as_bytes() {
            [CLEAR, ..] => !self.is_sealing(),
            bytes => self.first().is_some_and(|first| key_id(bytes) == Some(first.as_bytes())),
        }
    }

    /// Returns the part of this ring, other than the first key, that a value lies under: a key's id, or `clear`. `None`: none.
    pub(crate) fn older(&self, sealed: &Sealed) -> Option<&str> {
        match sealed.as_bytes() {
            [CLEAR, ..] => self.opens_clear.then_some(IN_CLEAR),
            bytes => {
                let id = key_id(bytes)?;
                self.keys.iter().skip(1).map(|key| &*key.id).find(|key| key.as_bytes() == id)
            }
        }
    }

    /// The names of what opens in addition to the first key, as [`older`](Self::older) returns them.
    pub(crate) fn all_older(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().skip(1).map(|key| &*key.id).chain(self.opens_clear.then_some(IN_CLEAR))
    }

    pub(crate) fn seal(&self, binding: &Binding<'_>, clear: &[u8]) -> Sealed {
        Sealed::new(self.seal_bytes(binding.bytes(), clear))
    }

    pub(super) fn seal_bytes(&self, binding: Vec<u8>, clear: &[u8]) -> Vec<u8> {
        let Some(key) = self.keys.first() else {
            return [&[CLEAR], clear].concat();
        };
        let mut out = vec![SEALED, u8::try_from(key.id.len()).unwrap_or(u8::MAX)];
        out.extend_from_slice(key.id.as_bytes());
        let mut body = clear.to_vec();
        let nonce = key
            .aead
            .seal_in_place_append_tag(Aad::from(binding), &mut body)
            .expect("a buffer that grows takes its tag");
        out.extend_from_slice(nonce.as_ref());
        out.append(&mut body);
        out
    }

    pub(crate) fn open(&self, binding: &Binding<'_>, sealed: &Sealed) -> Result<Vec<u8>, CannotOpen> {
        self.open_bytes(binding.bytes(), sealed.as_bytes())
    }

    pub(super) fn open_bytes(&self, binding: Vec<u8>, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        match sealed {
            // A value in clear is only believed where nothing is sealed, or somebody says so: otherwise whoever can write
            // to the server could slip one in.
            [CLEAR, clear @ ..] if self.believes_clear() => Ok(clear.to_vec()),
            [SEALED, len, rest @ ..] if rest.len() > usize::from(*len) + NONCE => {
                let (id, rest) = rest.split_at(usize::from(*len));
                let (nonce, body) = rest.split_at(NONCE);
                self.open_with(id, nonce, body, binding)
            }
            _ => Err(CannotOpen),
        }
    }

    fn open_with(
        &self,
        id: &[u8],
        nonce: &[u8],
        body: &[u8],
        binding: Vec<u8>,
    ) -> Result<Vec<u8>, CannotOpen> {
        let key = self.keys.iter().find(|key| key.id.as_bytes() == id).ok_or(CannotOpen)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen)?;
        let mut body = body.to_vec();
        let clear =
            key.aead.open_in_place(nonce, Aad::from(binding), &mut body).map_err(|_| CannotOpen)?.len();
        body.truncate(clear);
        Ok(body)
    }

    /// A value that only this key makes for this store: replicas compare it before they refresh anything.
    pub(crate) fn check(&self, store: Uuid) -> String {
        self.keys.first().map_or_else(|| UNSEALED.to_owned(), |key| key.check(store))
    }

    /// Returns whether a check value found elsewhere was made by something that this ring opens.
    pub(crate) fn accepts(&self, check: &str, store: Uuid) -> bool {
        check == UNSEALED && self.believes_clear() || self.keys.iter().any(|key| key.check(store) == check)
    }
}

impl SealKey {
    fn parse(entry: &str) -> Result<Self, InputError> {
        let (id, key) = entry.split_once(':').ok_or_else(|| bad("id:base64, separated by commas"))?;
        let named = !id.is_empty()
            && id.len() <= MAX_ID
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !named {
            return Err(bad("a key id of 1 to 64 letters, digits, dashes or underscores"));
        }
        let bytes = STANDARD.decode(key).map_err(|_| bad("base64 after the key id"))?;
        if bytes.len() != 32 {
            return Err(bad("32 bytes of key"));
        }
        let aead = RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).map_err(|_| bad("32 bytes of key"))?;
        Ok(Self { id: id.into(), aead, check: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }

    fn check(&self, store: Uuid) -> String {
        let message = [b"solekey seal check v1".as_slice(), store.as_bytes()].concat();
        let tag = hmac::sign(&self.check, &message);
        format!("{}:{}", self.id, STANDARD.encode(&tag.as_ref()[..16]))
    }
}

/// Names of accounts, sealed for their key: who may read Redis does not learn who has an account.
#[cfg(feature = "redis")]
#[derive(Debug)]
pub(crate) struct SealedNames(pub(crate) std::sync::Arc<SealKeys>);

#[cfg(feature = "redis")]
impl solekey_store_redis::SealNames for SealedNames {
    fn seal(&self, account: AccountKey, name: &[u8]) -> Vec<u8> {
        self.0.seal_bytes(name_binding(account), name)
    }

    fn open(&self, account: AccountKey, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.open_bytes(name_binding(account), sealed).ok()
    }
}

#[cfg(feature = "redis")]
fn name_binding(account: AccountKey) -> Vec<u8> {
    if mutant("names_are_sealed_for_nobody") {
        return b"name".to_vec();
    }
    format!("name {account}").into_bytes()
}

impl Binding<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        if mutant("sealed_for_no_account") {
            return bytes;
        }
        for part in [self.kind, self.account.provider(), self.account.id()] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.by);
        bytes
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

/// The id of the key that sealed this.
fn key_id(sealed: &[u8]) -> Option<&[u8]> {
    match sealed {
        [SEALED, len, rest @ ..] => rest.get(..usize::from(*len)),
        _ => None,
    }
}

fn bad(expected: &str) -> InputError {
    InputError::new("seal.key", expected)
}

const CLEAR: u8 = 0;
const SEALED: u8 = 1;
const NONCE: usize = 12;
const MAX_ID: usize = 64;
/// The check value of a store whose values are in clear.
const UNSEALED: &str = "none";
/// Stands in a ring for values that were never sealed.
const IN_CLEAR: &str = "clear";

#[cfg(test)]
mod laws;
#[cfg(test)]
mod places;

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(text: &str) -> SealKeys {
        SealKeys::parse(text).expect("valid")
    }

    fn key(id: &str, fill: u8) -> String {
        format!("{id}:{}", STANDARD.encode([fill; 32]))
    }

    fn account() -> Account {
        Account::new("p", "x").expect("valid")
    }

    fn binding(account: &Account, by: u8) -> Binding<'_> {
        Binding { kind: "credential", account, by: [by; 16] }
    }

    #[test]
    fn a_sealed_value_opens_only_where_it_belongs() {
        let keys = ring(&key("a", 1));
        let account = account();
        let sealed = keys.seal(&binding(&account, 1), b"token");
        assert!(!sealed.as_bytes().windows(5).any(|part| part == b"token"));
        assert_eq!(keys.open(&binding(&account, 1), &sealed), Ok(b"token".to_vec()));
        assert_eq!(keys.open(&binding(&account, 2), &sealed), Err(CannotOpen));
        let other = Account::new("p", "y").expect("valid");
        assert_eq!(keys.open(&binding(&other, 1), &sealed), Err(CannotOpen));
    }

    #[test]
    fn an_older_key_of_the_ring_still_opens_and_a_foreign_one_does_not() {
        let account = account();
        let sealed = ring(&key("a", 1)).seal(&binding(&account, 1), b"token");
        let both = ring(&format!("{},{}", key("b", 2), key("a", 1)));
        assert_eq!(both.open(&binding(&account, 1), &sealed), Ok(b"token".to_vec()));
        assert_eq!(ring(&key("a", 3)).open(&binding(&account, 1), &sealed), Err(CannotOpen));
        assert_eq!(SealKeys::none().open(&binding(&account, 1), &sealed), Err(CannotOpen));
    }

    #[test]
    fn a_value_in_clear_is_not_believed_once_there_is_a_key() {
        let account = account();
        let clear = SealKeys::none().seal(&binding(&account, 1), b"token");
        assert_eq!(SealKeys::none().open(&binding(&account, 1), &clear), Ok(b"token".to_vec()));
        assert_eq!(ring(&key("a", 1)).open(&binding(&account, 1), &clear), Err(CannotOpen));
    }

    #[test]
    fn a_ring_that_ends_in_clear_believes_values_in_clear_and_seals_none_so() {
        let account = account();
        let clear = SealKeys::none().seal(&binding(&account, 1), b"token");
        let keys = ring(&format!("{},clear", key("a", 1)));
        assert_eq!(keys.open(&binding(&account, 1), &clear), Ok(b"token".to_vec()));
        assert!(!keys.is_current(&clear) && keys.older(&clear) == Some("clear"));
        let sealed = keys.seal(&binding(&account, 1), b"token");
        assert!(keys.is_current(&sealed) && keys.older(&sealed).is_none());
        assert!(!keys.is_alone() && ring(&key("a", 1)).is_alone());
    }

    #[test]
    fn a_value_says_which_key_it_lies_under() {
        let account = account();
        let old = ring(&key("a", 1)).seal(&binding(&account, 1), b"token");
        let both = ring(&format!("{},{}", key("b", 2), key("a", 1)));
        assert_eq!((both.is_current(&old), both.older(&old)), (false, Some("a")));
        let stranger = ring(&key("c", 3)).seal(&binding(&account, 1), b"token");
        assert_eq!((both.is_current(&stranger), both.older(&stranger)), (false, None));
        assert_eq!(both.older(&Sealed::new(vec![SEALED, 200, b'a'])), None);
    }

    #[test]
    fn a_bad_ring_is_refused_without_repeating_it() {
        for text in [
            "",
            "clear",
            "clear,a:AAAA",
            "nocolon",
            "a:???",
            "a:AAAA",
            ":AAAA",
            &format!("{},{}", key("a", 1), key("a", 2)),
        ] {
            let error = SealKeys::parse(text).expect_err("refused");
            assert_eq!(error.field(), "seal.key");
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
    }

    #[test]
    fn the_check_value_distinguishes_keys_and_stores() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let keys = ring(&key("a", 1));
        assert!(keys.accepts(&keys.check(one), one));
        assert!(!keys.accepts(&keys.check(one), other));
        assert!(!ring(&key("a", 2)).accepts(&keys.check(one), one));
        assert!(!SealKeys::none().accepts(&keys.check(one), one));
        let unsealed = SealKeys::none().check(one);
        assert!(SealKeys::none().accepts(&unsealed, one));
        assert!(
            !keys.accepts(&unsealed, one),
            "a store that began in clear takes no key that does not say so"
        );
        assert!(ring(&format!("{},clear", key("a", 1))).accepts(&unsealed, one));
    }
}
