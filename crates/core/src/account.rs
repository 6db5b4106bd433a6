//! The name of an account.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha256};

use crate::{InputError, mutant};

/// The owner of tokens: a provider and the account's id there, compared byte by byte.
///
/// Nothing is trimmed, folded or normalised: two spellings are two accounts. Cloning is cheap.
#[derive(Clone)]
pub struct Account(Arc<Inner>);

struct Inner {
    provider: Box<str>,
    id: Box<str>,
    key: OnceLock<AccountKey>,
}

impl Account {
    /// Names an account.
    ///
    /// # Errors
    /// `provider` or `id` is empty, longer than [`MAX_NAME_BYTES`], or holds a control character.
    pub fn new(provider: &str, id: &str) -> Result<Self, InputError> {
        check("provider", provider)?;
        check("id", id)?;
        let inner = Inner { provider: provider.into(), id: id.into(), key: OnceLock::new() };
        Ok(Self(Arc::new(inner)))
    }

    /// The provider's name, as configured.
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The account's id at that provider.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The name under which shared servers know this account: reveals neither provider nor id.
    #[inline]
    pub fn key(&self) -> AccountKey {
        *self.0.key.get_or_init(|| AccountKey::of(self.provider(), self.id()))
    }
}

/// Longest accepted provider name or account id: long enough for e-mail addresses and URNs, short enough for an index.
pub const MAX_NAME_BYTES: usize = 512;

fn check(field: &'static str, value: &str) -> Result<(), InputError> {
    let good = !value.is_empty() && value.len() <= MAX_NAME_BYTES && !value.chars().any(char::is_control);
    if good {
        return Ok(());
    }
    Err(InputError::new(field, format!("1 to {MAX_NAME_BYTES} bytes without control characters")))
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.provider() == other.provider() && self.id() == other.id()
    }
}

impl Eq for Account {}

impl PartialOrd for Account {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Account {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.provider(), self.id()).cmp(&(other.provider(), other.id()))
    }
}

impl Hash for Account {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.provider().hash(state);
        self.id().hash(state);
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({:?}, {:?})", self.provider(), self.id())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider(), self.id())
    }
}

/// The first 128 bits of SHA-256 over the length-prefixed provider and id.
///
/// The length prefixes keep `("a:b", "c")` and `("a", "b:c")` apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountKey([u8; 16]);

/// Half of it is as good as all of it, and half the work for every lookup: it is a hash already.
impl Hash for AccountKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.spread());
    }
}

impl AccountKey {
    fn of(provider: &str, id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [provider, id] {
            if !mutant("key_without_lengths") {
                hash.update((part.len() as u64).to_be_bytes());
            }
            hash.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }

    /// Reads the 32 hexadecimal digits that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        crate::hex::parse(text).map(Self)
    }

    /// A number spread evenly over accounts and stable for each: the source of per-account jitter.
    #[inline]
    pub fn spread(self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(bytes)
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex::write(f, &self.0)
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({self})")
    }
}

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;

    /// A18.
    #[test]
    fn names_that_share_their_concatenation_have_different_keys() {
        for [one, two] in [[("a:b", "c"), ("a", "b:c")], [("ab", "c"), ("a", "bc")]] {
            let [one, two] = [one, two].map(|(provider, id)| Account::new(provider, id).expect("valid"));
            assert_ne!(one.key(), two.key(), "{one} {two}");
        }
    }

    /// S-T32.
    #[test]
    fn accounts_are_distinguished_by_provider_and_id_and_by_nothing_they_share() {
        // A project or an e-mail address that several accounts have is no part of anything.
        let names = [
            ("gemini", "1"),
            ("antigravity", "1"),
            ("grok", "1"),
            ("grok", "2"),
            ("gemini", " "),
            ("gemini", "1 "),
        ];
        let keys: std::collections::HashSet<_> = names
            .map(|(provider, id)| Account::new(provider, id).expect("valid").key())
            .into_iter()
            .collect();
        assert_eq!(keys.len(), names.len());
    }

    /// A18.
    #[test]
    fn spelling_is_identity() {
        assert_ne!(Account::new("p", "X").expect("valid"), Account::new("p", "x").expect("valid"));
        assert_ne!(Account::new("p", "x ").expect("valid"), Account::new("p", "x").expect("valid"));
    }

    #[test]
    fn an_empty_or_huge_or_unprintable_name_is_refused_by_field() {
        assert_eq!(Account::new("", "x").expect_err("empty").field(), "provider");
        assert_eq!(Account::new("p", &"x".repeat(513)).expect_err("huge").field(), "id");
        assert_eq!(Account::new("p", "a\nb").expect_err("control").field(), "id");
    }

    #[test]
    fn a_key_reads_back_from_its_text() {
        let key = Account::new("p", "x").expect("valid").key();
        assert_eq!(AccountKey::parse(&key.to_string()), Some(key));
        assert_eq!(AccountKey::parse("xyz"), None);
    }
}
