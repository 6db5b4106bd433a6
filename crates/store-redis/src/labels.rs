//! The name of an account in its row: keys hold a hash of it, and listings have to say whose rows they are.

use std::{fmt, sync::Arc};

use solekey_core::{Account, AccountKey};

/// Seals the names of accounts, for whoever must not learn from Redis who has an account here.
pub trait SealNames: fmt::Debug + Send + Sync + 'static {
    /// Seals a name; the result may differ from call to call.
    fn seal(&self, account: AccountKey, name: &[u8]) -> Vec<u8>;

    /// Opens a sealed name; `None` when it does not belong to this account or was sealed with another key.
    fn open(&self, account: AccountKey, sealed: &[u8]) -> Option<Vec<u8>>;
}

/// The form of names in rows: provider and id, a line each, sealed where there is a seal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels(Option<Arc<dyn SealNames>>);

impl Labels {
    pub(crate) fn sealed(seal: Arc<dyn SealNames>) -> Self {
        Self(Some(seal))
    }

    pub(crate) fn write(&self, account: &Account) -> Vec<u8> {
        let clear = format!("{}\n{}", account.provider(), account.id()).into_bytes();
        match &self.0 {
            Some(seal) => seal.seal(account.key(), &clear),
            None => clear,
        }
    }

    /// The account of this key; `None`, and a warning, when that is not what stands there.
    pub(crate) fn read(&self, key: AccountKey, name: &[u8]) -> Option<Account> {
        let account = self.try_read(key, name);
        if account.is_none() {
            tracing::warn!(
                account = %key,
                "the name in a row does not open; listings and due scans leave the account out"
            );
        }
        account
    }

    fn try_read(&self, key: AccountKey, name: &[u8]) -> Option<Account> {
        let opened = self.0.as_ref().and_then(|seal| seal.open(key, name));
        // A name that was written before there was a seal is distinguished from a false one by the key, which is its
        // hash.
        opened.and_then(|clear| named(key, &clear)).or_else(|| named(key, name))
    }
}

fn named(key: AccountKey, clear: &[u8]) -> Option<Account> {
    // Names hold no control characters.
    let (provider, id) = std::str::from_utf8(clear).ok()?.split_once('\n')?;
    Account::new(provider, id).ok().filter(|account| account.key() == key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug)]
    struct Reversed;

    impl SealNames for Reversed {
        fn seal(&self, _: AccountKey, name: &[u8]) -> Vec<u8> {
            name.iter().rev().copied().collect()
        }

        fn open(&self, _: AccountKey, sealed: &[u8]) -> Option<Vec<u8>> {
            Some(sealed.iter().rev().copied().collect())
        }
    }

    #[test]
    fn a_name_reads_back_where_it_belongs_and_nowhere_else() {
        let (alice, bob) = (Account::new("p", "alice").unwrap(), Account::new("p", "bob").unwrap());
        for labels in [Labels::default(), Labels::sealed(Arc::new(Reversed))] {
            let written = labels.write(&alice);
            assert_eq!(labels.read(alice.key(), &written), Some(alice.clone()));
            assert_eq!(labels.read(bob.key(), &written), None);
            assert_eq!(labels.read(alice.key(), b""), None);
        }
    }

    #[test]
    fn a_name_in_clear_is_read_once_there_is_a_seal_and_only_by_its_own_key() {
        let (alice, bob) = (Account::new("p", "alice").unwrap(), Account::new("p", "bob").unwrap());
        let clear = Labels::default().write(&alice);
        let sealed = Labels::sealed(Arc::new(Reversed));
        assert_eq!(sealed.read(alice.key(), &clear), Some(alice));
        assert_eq!(sealed.read(bob.key(), &clear), None);
    }
}
