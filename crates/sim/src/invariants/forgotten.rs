//! 23. A store that forgets an account does not make it unknown: who has handed its tokens out says so only once it was
//!     deleted, or once nothing bears witness to it any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::{Account, Row};

use crate::{
    fleet::{CallerRequest, Delivered, Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(23);
    let mut given = BTreeSet::new();
    let mut asked = BTreeMap::new();
    // A store that goes back may go back to a tombstone.
    let mut tombs: BTreeSet<Account> = BTreeSet::new();
    let mut dug_up = BTreeSet::new();
    let mut witnessed: BTreeSet<Account> = BTreeSet::new();
    // Until when it may be called unknown; no longer than that after a login.
    let mut gone: BTreeMap<Account, Option<Duration>> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Changed(changed) if changed.before != changed.after => {
                let is_gone = |row: &Option<Row>| row.as_ref().is_none_or(Row::is_gone);
                let account = changed.account.clone();
                if is_gone(&changed.after) {
                    tombs.insert(account.clone());
                    gone.insert(account, None);
                } else if is_gone(&changed.before) || matches!(changed.shown, Shown::Login(_)) {
                    gone.insert(account, Some(*at));
                }
            }
            What::Written { account, .. } => drop(witnessed.insert(account.clone())),
            What::WentBack => dug_up.extend(tombs.iter().cloned()),
            What::AnswersLost => witnessed.clear(),
            // Whoever asks for the state, or deletes, asks what the store has.
            What::Asked { call, ask, .. } if !matches!(ask, CallerRequest::State | CallerRequest::Delete) => {
                asked.insert(*call, *at);
            }
            What::Answered { account, answer: Delivered::Token(_), .. } => {
                given.insert((*who, account.clone()));
            }
            What::Answered { call, account, answer: Delivered::Unknown } => {
                let Some(since) = asked.get(call).copied() else { continue };
                let known = given.contains(&(*who, account.clone())) && witnessed.contains(account);
                let lives = gone.get(account).copied().flatten().is_some_and(|back| since > back + NOTIFIED);
                if known && lives && !dug_up.contains(account) {
                    finder.found(*at, format!("{}, call {call}: called unknown", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// The longest time for which what was deleted and is back may still be called unknown, with notifications lost.
const NOTIFIED: Duration = Duration::from_secs(40);
