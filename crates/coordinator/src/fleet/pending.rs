//! Publications that this process still has to make.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, PoisonError},
};

use solekey_core::{Account, Generation};

/// Accounts of which something could not be published. Ordered, so that a simulation can be repeated.
#[derive(Debug, Default)]
pub(crate) struct PendingPublications(Mutex<BTreeMap<Account, PendingPublication>>);

/// What has to be published about an account, in addition to the token that this process serves by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PendingPublication {
    pub(crate) generation: Generation,
    pub(crate) gone: bool,
    pub(crate) replaces: bool,
}

impl PendingPublications {
    pub(crate) fn remember(&self, account: &Account, pending: PendingPublication) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = accounts.len() >= MAX_PENDING;
        match accounts.entry(account.clone()) {
            Entry::Occupied(mut before) => {
                let both = before.get().and(pending);
                before.insert(both);
            }
            Entry::Vacant(place) if !full => {
                place.insert(pending);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Notes that this generation or a newer one is published: nothing older is pending.
    pub(crate) fn done(&self, account: &Account, generation: Generation) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.get(account).is_some_and(|pending| pending.generation <= generation) {
            accounts.remove(account);
        }
    }

    pub(crate) fn take(&self) -> Vec<(Account, PendingPublication)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

impl PendingPublication {
    /// The newer one, and that older tokens have to go if either says so.
    fn and(self, other: Self) -> Self {
        let newer = if other.generation >= self.generation { other } else { self };
        let replaces = [self, other].iter().any(|pending| pending.replaces || pending.gone);
        Self { replaces, ..newer }
    }
}

/// Beyond it the shared cache shows the older token until somebody confirms it (at most 30 s), a deleted account until it is
/// deleted again.
const MAX_PENDING: usize = 10_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pending(generation: u64) -> PendingPublication {
        PendingPublication { generation: Generation::new(generation), gone: false, replaces: false }
    }

    fn account(id: usize) -> Account {
        Account::new("acme", &id.to_string()).unwrap()
    }

    #[test]
    fn the_newest_publication_is_pending_and_replaces_older_tokens() {
        let pending_publications = PendingPublications::default();
        let gone = PendingPublication { gone: true, ..pending(5) };
        for publication in [pending(6), gone, pending(4)] {
            pending_publications.remember(&account(1), publication);
        }
        let both = PendingPublication { replaces: true, ..pending(6) };
        assert_eq!(pending_publications.take(), [(account(1), both)]);
        assert_eq!(pending_publications.take(), []);
    }

    #[test]
    fn an_older_success_pays_nothing() {
        let pending_publications = PendingPublications::default();
        pending_publications.remember(&account(1), pending(5));
        pending_publications.done(&account(1), Generation::new(4));
        assert_eq!(pending_publications.take().len(), 1);
        pending_publications.remember(&account(1), pending(5));
        pending_publications.done(&account(1), Generation::new(5));
        assert_eq!(pending_publications.take(), []);
    }

    #[test]
    fn debts_are_bounded() {
        let pending_publications = PendingPublications::default();
        for id in 0..=MAX_PENDING {
            pending_publications.remember(&account(id), pending(5));
        }
        pending_publications.remember(&account(0), pending(6));
        let all = pending_publications.take();
        assert_eq!(all.len(), MAX_PENDING);
        assert!(all.iter().any(|(_, pending)| pending.generation == Generation::new(6)));
    }
}
