//! What happened before that takes a promise back: each by the promise's own words.

use solekey_core::Account;

use crate::fleet::{Event, Shown, What};

/// What took promises back so far.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an excuse of its own")]
pub(crate) struct Excuses {
    /// The store forgot what it acknowledged.
    pub(crate) went_back: bool,
    /// The store's clock was stepped.
    pub(crate) store_clock: bool,
    /// The store's clock was stepped back: ends of tokens lie later by it.
    pub(crate) store_clock_back: bool,
    /// A process counted time that others did not.
    pub(crate) process_clock: bool,
    accepted: Vec<Account>,
}

impl Excuses {
    /// Takes an event in.
    pub(crate) fn see(&mut self, event: &Event) {
        match &event.what {
            What::WentBack => self.went_back = true,
            What::Nemesis(kind, _) => {
                self.store_clock |= kind.starts_with("store clock");
                self.process_clock |= matches!(*kind, "clock ahead" | "wall ahead");
                self.store_clock_back |= *kind == "store clock back";
            }
            What::Changed(changed) => {
                if let Shown::Login(login) = changed.shown
                    && login.accept_spent
                {
                    self.accepted.push(changed.account.clone());
                }
            }
            _ => {}
        }
    }

    /// A person took a spent token in, knowing better.
    pub(crate) fn accepted_spent(&self, account: &Account) -> bool {
        self.accepted.contains(account)
    }
}
