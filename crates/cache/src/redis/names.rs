//! The names of keys and channels.

use std::{fmt::Display, sync::Arc};

use solekey_core::{Account, AccountKey, InputError};

/// The names of all keys and channels of this cache.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: Arc<str>,
    /// The channel of the change feed.
    pub(crate) change_feed: Arc<str>,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Result<Self, InputError> {
        // A brace in the prefix would move the cluster's hash tag away from the account.
        let good = !prefix.is_empty()
            && prefix.len() <= MAX_PREFIX
            && prefix.chars().all(|c| c.is_ascii_graphic() && !"{}*?[]\\".contains(c));
        if !good {
            let expected = format!("1 to {MAX_PREFIX} printable characters, none of {{}}*?[]\\");
            return Err(InputError::new("redis.prefix", expected));
        }
        Ok(Self { prefix: prefix.into(), change_feed: format!("{prefix}:news").into() })
    }

    /// The fast path's entry: ends with the token's good time.
    pub(crate) fn tok(&self, account: AccountKey) -> String {
        self.of(account, "tok")
    }

    /// The newest generation and what is known of it: outlives the token.
    pub(crate) fn last(&self, account: AccountKey) -> String {
        self.of(account, "last")
    }

    /// The key of the starts at this provider. Its name stays out, as everywhere; the key of a name that no account can
    /// have is used by nobody.
    pub(crate) fn starts(&self, provider: &str) -> String {
        let hash = Account::new(provider, "pace").map_or_else(|_| String::new(), |any| any.key().to_string());
        format!("{}:pace:{hash}", self.prefix)
    }

    /// The key of the breaker of this endpoint, whose name stays out, too.
    pub(crate) fn breaker(&self, endpoint: &str) -> String {
        let hash =
            Account::new(endpoint, "unread").map_or_else(|_| String::new(), |any| any.key().to_string());
        format!("{}:unread:{hash}", self.prefix)
    }

    fn of(&self, account: AccountKey, noun: impl Display) -> String {
        format!("{}:{{{account}}}:{noun}", self.prefix)
    }
}

/// Long enough for any naming scheme, short compared with the values.
const MAX_PREFIX: usize = 128;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use solekey_core::Account;

    use super::*;

    /// A18.
    #[test]
    fn the_account_is_the_hash_tag_of_its_keys() {
        let key = Account::new("p", "x").unwrap().key();
        let names = Names::new("solekey").unwrap();
        assert_eq!(names.tok(key), format!("solekey:{{{key}}}:tok"));
        assert_eq!(names.last(key), format!("solekey:{{{key}}}:last"));
    }

    #[test]
    fn a_prefix_that_would_move_the_hash_tag_is_refused_by_name() {
        for prefix in ["", "a{b}", "a b", "a*"] {
            assert_eq!(Names::new(prefix).unwrap_err().field(), "redis.prefix", "{prefix:?}");
        }
    }
}
