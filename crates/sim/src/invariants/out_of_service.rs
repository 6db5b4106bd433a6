//! 35. A token that was replaced by a login or a delete is out of service at every replica that is in use within half a
//!     minute, whatever notifications are lost; at once where it is known that some were.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Generation};

use crate::{
    fleet::{Delivered, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation},
};

#[derive(Clone, Copy)]
struct Replaced {
    by: Generation,
    /// Whoever is in use reads at the latest when it is asked after this.
    due: Duration,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(35);
    let mut calm = false;
    let mut replaced: BTreeMap<Account, Replaced> = BTreeMap::new();
    let mut asked: BTreeMap<usize, Duration> = BTreeMap::new();
    // The first answer behind which a process has to read.
    let mut reads: BTreeMap<(Who, Account), Duration> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Calm => calm = true,
            What::Changed(changed) if calm && changed.before != changed.after => {
                if let (Shown::Login(_) | Shown::Delete(_), Some(row)) = (changed.shown, &changed.after) {
                    let account = changed.account.clone();
                    reads.retain(|(_, whose), _| *whose != account);
                    replaced.insert(account, Replaced { by: row.generation, due: *at + CONFIRM });
                }
            }
            // Without a shared cache there is nothing to hear.
            What::Nemesis("subscriptions broken", _) if setup.cache => {
                for replaced in replaced.values_mut() {
                    replaced.due = replaced.due.min(*at);
                }
            }
            What::Asked { call, .. } => drop(asked.insert(*call, *at)),
            What::Answered { call, account, answer } => {
                let since = asked.remove(call).unwrap_or(*at);
                let Some(replaced) = replaced.get(account) else { continue };
                let last_read = reads.get(&(*who, account.clone())).copied();
                if let Delivered::Token(token) = answer
                    && token.generation < replaced.by
                    && last_read.is_some_and(|last_read| since > last_read + READ)
                {
                    finder.found(*at, format!("{}: call {call} got a token long replaced", account.id()));
                }
                if *at > replaced.due {
                    reads.entry((*who, account.clone())).or_insert(*at);
                }
            }
            _ => {}
        }
    }
    finder.all()
}

const CONFIRM: Duration = Duration::from_secs(30);
/// A read is made behind an answer, once in a second.
const READ: Duration = Duration::from_secs(2);
