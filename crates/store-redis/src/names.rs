//! The names of keys.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use solekey_core::{AccountKey, Fingerprint, InputError};

/// The names of all keys under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Names(Arc<str>);

impl Names {
    pub(crate) fn new(prefix: &str) -> Result<Self, InputError> {
        // A brace in the prefix would move the cluster's hash tag away from the account, the others mean something in
        // the pattern of a scan.
        let good = !prefix.is_empty()
            && prefix.len() <= MAX_PREFIX
            && prefix.chars().all(|c| c.is_ascii_graphic() && !"{}*?[]\\".contains(c));
        if !good {
            let expected = format!("1 to {MAX_PREFIX} printable characters, none of {{}}*?[]\\");
            return Err(InputError::new("redis.prefix", expected));
        }
        Ok(Self(prefix.into()))
    }

    /// The account's row.
    pub(crate) fn row(&self, account: AccountKey) -> String {
        self.of_account(account, ROW)
    }

    /// The account's archive of spent tokens.
    pub(crate) fn archive(&self, account: AccountKey) -> String {
        self.of_account(account, "spent")
    }

    /// The account's answers.
    pub(crate) fn answers(&self, account: AccountKey) -> String {
        self.of_account(account, "ans")
    }

    /// The key of the accounts that hold or have presented a refresh token.
    pub(crate) fn token(&self, token: Fingerprint) -> String {
        format!("{}:rt:{{{}}}:{token}", self.0, share(token))
    }

    /// The part of the archive of all accounts that has a token once it is spent. It is where the token's accounts are.
    pub(crate) fn share_of_archive(&self, token: Fingerprint) -> String {
        format!("{}:rt:{{{}}}:spent", self.0, share(token))
    }

    /// The index of all accounts, in the order of their keys.
    pub(crate) fn accounts(&self) -> String {
        self.of_store("accounts")
    }

    /// The index of a provider's accounts by the time at which they are due.
    pub(crate) fn due(&self, provider: &str) -> String {
        format!("{}:due:{{{:016x}}}", self.0, hashed(provider))
    }

    /// The clock of that index.
    pub(crate) fn due_clock(&self, provider: &str) -> String {
        format!("{}:clock", self.due(provider))
    }

    /// The store's identity and its pins.
    pub(crate) fn meta(&self) -> String {
        self.of_store("meta")
    }

    /// The registration of the location of answers.
    pub(crate) fn registration(&self) -> String {
        self.of_store("identity")
    }

    /// A pattern that all rows match.
    pub(crate) fn all_rows(&self) -> String {
        format!("{}:{{*}}:{ROW}", self.0)
    }

    /// The account of a row found by that pattern.
    pub(crate) fn account_of(&self, row: &str) -> Option<AccountKey> {
        let key = row.strip_prefix(&*self.0)?.strip_prefix(":{")?.strip_suffix(ROW)?.strip_suffix("}:")?;
        AccountKey::parse(key)
    }

    fn of_account(&self, account: AccountKey, noun: &str) -> String {
        format!("{}:{{{account}}}:{noun}", self.0)
    }

    fn of_store(&self, noun: &str) -> String {
        format!("{}:{noun}", self.0)
    }
}

/// The first byte of a token: it divides what is about tokens into 256 parts, each of which is in one place.
fn share(token: Fingerprint) -> String {
    let digits = token.to_string();
    digits[..2].to_owned()
}

/// The hash that stands for a provider's name.
fn hashed(provider: &str) -> u64 {
    let hash = Sha256::digest(provider.as_bytes());
    hash[..8].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

const ROW: &str = "rec";

/// Long enough for any naming scheme, short compared with the values.
const MAX_PREFIX: usize = 128;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use solekey_core::Account;

    use super::*;

    /// A18.
    #[test]
    fn the_account_is_the_hash_tag_of_its_keys_and_is_read_back_from_its_row() {
        let names = Names::new("solekey").unwrap();
        let key = Account::new("p", "x").unwrap().key();
        assert_eq!(names.row(key), format!("solekey:{{{key}}}:rec"));
        assert_eq!(names.account_of(&names.row(key)), Some(key));
        assert_eq!(names.account_of("solekey:{x}:rec"), None);
    }

    #[test]
    fn a_prefix_that_means_something_in_a_key_pattern_is_refused_by_name() {
        for prefix in ["", "a{b}", "a b", "a*"] {
            assert_eq!(Names::new(prefix).unwrap_err().field(), "redis.prefix", "{prefix:?}");
        }
    }
}
