//! Events that take a promise back: each by the promise's own words.

use solekey_core::Account;

use crate::fleet::{Event, Shown, What};

/// The events so far that took promises back.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an exception of its own")]
pub(crate) struct Exceptions {
    /// The store forgot what it acknowledged.
    pub(crate) went_back: bool,
    /// The store's clock was stepped.
    pub(crate) store_clock: bool,
    /// The store's clock was stepped back: ends of tokens lie later by it.
    pub(crate) store_clock_back: bool,
    /// The same of the clock of shared cache and answers.
    pub(crate) redis_clock_back: bool,
    /// Redis was away: what was offered meanwhile shows only when it arrives.
    pub(crate) redis_away: bool,
    /// A process counted time that others did not.
    pub(crate) process_clock: bool,
    accepted: Vec<Account>,
    moved: Vec<Account>,
}

impl Exceptions {
    /// Takes an event in.
    pub(crate) fn see(&mut self, event: &Event) {
        match &event.what {
            What::WentBack => self.went_back = true,
            What::Nemesis(kind, _) => {
                self.store_clock |= kind.starts_with("store clock");
                self.process_clock |= matches!(*kind, "clock ahead" | "wall ahead");
                self.store_clock_back |= *kind == "store clock back";
                self.redis_away |= *kind == "redis away";
                self.redis_clock_back |= *kind == "redis clock back";
            }
            What::Changed(changed) => {
                let Shown::Login(login) = changed.shown else { return };
                if login.accept_spent {
                    self.accepted.push(changed.account.clone());
                }
                let own = format!("-{}-", changed.account.id());
                let brought = changed.has.as_ref().filter(|_| changed.before != changed.after);
                if brought.is_some_and(|token| !token.contains(&own)) {
                    self.moved.push(changed.account.clone());
                }
            }
            _ => {}
        }
    }

    /// A person logged the account in with a credential that another account had only held when it was deleted.
    pub(crate) fn moved_in(&self, account: &Account) -> bool {
        self.moved.contains(account)
    }

    /// A person took a spent token in, knowing better.
    pub(crate) fn accepted_spent(&self, account: &Account) -> bool {
        self.accepted.contains(account)
    }
}
