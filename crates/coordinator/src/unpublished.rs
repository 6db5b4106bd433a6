//! What this process still has to tell the others.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, PoisonError},
};

use solekey_core::{Account, Generation};

/// Accounts of which something could not be published. Ordered, so that a simulation can be repeated.
#[derive(Debug, Default)]
pub(crate) struct Unpublished(Mutex<BTreeMap<Account, Owed>>);

/// What the shelf has to hear of an account, besides the token that this process serves by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owed {
    pub(crate) generation: Generation,
    pub(crate) gone: bool,
    pub(crate) replaces: bool,
}

impl Unpublished {
    pub(crate) fn remember(&self, account: &Account, owed: Owed) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = accounts.len() >= MAX_UNPUBLISHED;
        match accounts.entry(account.clone()) {
            Entry::Occupied(mut before) => {
                let both = before.get().and(owed);
                before.insert(both);
            }
            Entry::Vacant(place) if !full => {
                place.insert(owed);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// This generation is on the shelf, or a newer one: nothing older is owed.
    pub(crate) fn done(&self, account: &Account, generation: Generation) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.get(account).is_some_and(|owed| owed.generation <= generation) {
            accounts.remove(account);
        }
    }

    pub(crate) fn take(&self) -> Vec<(Account, Owed)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

impl Owed {
    /// The newer one, and that older tokens have to go if either says so.
    fn and(self, other: Self) -> Self {
        let newer = if other.generation >= self.generation { other } else { self };
        let replaces = [self, other].iter().any(|owed| owed.replaces || owed.gone);
        Self { replaces, ..newer }
    }
}

/// Beyond it the shelf shows the older token until somebody confirms it (at most 30 s), a deleted account until it is
/// deleted again.
const MAX_UNPUBLISHED: usize = 10_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn owed(generation: u64) -> Owed {
        Owed { generation: Generation::new(generation), gone: false, replaces: false }
    }

    fn account(id: usize) -> Account {
        Account::new("acme", &id.to_string()).unwrap()
    }

    #[test]
    fn the_newest_is_owed_and_that_older_tokens_go() {
        let unpublished = Unpublished::default();
        let gone = Owed { gone: true, ..owed(5) };
        for said in [owed(6), gone, owed(4)] {
            unpublished.remember(&account(1), said);
        }
        let both = Owed { replaces: true, ..owed(6) };
        assert_eq!(unpublished.take(), [(account(1), both)]);
        assert_eq!(unpublished.take(), []);
    }

    #[test]
    fn an_older_success_pays_nothing() {
        let unpublished = Unpublished::default();
        unpublished.remember(&account(1), owed(5));
        unpublished.done(&account(1), Generation::new(4));
        assert_eq!(unpublished.take().len(), 1);
        unpublished.remember(&account(1), owed(5));
        unpublished.done(&account(1), Generation::new(5));
        assert_eq!(unpublished.take(), []);
    }

    #[test]
    fn debts_are_bounded() {
        let unpublished = Unpublished::default();
        for id in 0..=MAX_UNPUBLISHED {
            unpublished.remember(&account(id), owed(5));
        }
        unpublished.remember(&account(0), owed(6));
        let all = unpublished.take();
        assert_eq!(all.len(), MAX_UNPUBLISHED);
        assert!(all.iter().any(|(_, owed)| owed.generation == Generation::new(6)));
    }
}
