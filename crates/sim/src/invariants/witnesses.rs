//! 18. Once a login or a delete is done, its witness lies among the answers and the shared cache knows of it,
//!     unless they could not be had.

use std::collections::{BTreeMap, BTreeSet};

use solekey_core::{Account, Generation};

use crate::{
    fleet::{CallerRequest, Changed, Delivered, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation},
};

/// A change under way.
struct Call {
    who: Who,
    account: Account,
    made: Option<Generation>,
    written: bool,
    published: bool,
    /// The ports that could not be reached meanwhile.
    struck: BTreeSet<&'static str>,
}

impl Call {
    fn see(&mut self, what: &What) {
        match what {
            What::Changed(changed) if changed.account == self.account && is_made(changed) => {
                self.made = changed.after.as_ref().map(|row| row.generation);
            }
            What::Written { account, note } if *account == self.account => {
                self.written |= Some(note.attempt) >= self.made;
            }
            What::Published { account, generation, .. } if *account == self.account => {
                self.published |= Some(*generation) >= self.made;
            }
            What::Struck(fault) => drop(self.struck.replace(fault.line)),
            What::Paused(_) => self.struck.extend(["answers", "cache"]),
            _ => {}
        }
    }
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(18);
    let mut calls: BTreeMap<usize, Call> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        calls.values_mut().filter(|call| call.who == *who).for_each(|call| call.see(what));
        match what {
            What::Asked { call, account, ask, .. } if is_change(*ask) => {
                let count = calls.len();
                calls.retain(|_, call| call.who != *who || call.account != *account);
                // Of two at once nobody can say from outside which did what.
                if count == calls.len() {
                    calls.insert(*call, Call::new(*who, account));
                }
            }
            What::Answered { call, answer: Delivered::Done(done), .. } => {
                let Some(call) = calls.remove(call).filter(|_| done == "new" || done == "deleted") else {
                    continue;
                };
                let (account, could) = (call.account.id(), |line| !call.struck.contains(line));
                if call.made.is_none() {
                    continue;
                }
                if !call.written && could("answers") {
                    finder.found(*at, format!("{account}: {done}, and no answer bears witness"));
                }
                if setup.cache && !call.published && could("cache") {
                    finder.found(*at, format!("{account}: {done}, and the shared cache does not know"));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

impl Call {
    fn new(who: Who, account: &Account) -> Self {
        let account = account.clone();
        Self { who, account, made: None, written: false, published: false, struck: BTreeSet::new() }
    }
}

fn is_made(changed: &Changed) -> bool {
    matches!(changed.shown, Shown::Login(_) | Shown::Delete(_)) && changed.before != changed.after
}

fn is_change(ask: CallerRequest) -> bool {
    matches!(
        ask,
        CallerRequest::Login
            | CallerRequest::LoginSame
            | CallerRequest::LoginOther
            | CallerRequest::LoginSpent
            | CallerRequest::LoginAcceptSpent
            | CallerRequest::Delete
    )
}
