//! 29. A process never goes back: whoever asks for a token after it handed out a token, or after it has answered that a login
//!     is done, gets no token older than that.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Generation};

use crate::{
    fleet::{CALLS, CallerRequest, Delivered, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(29);
    let mut exceptions = Exceptions::default();
    let mut floors: BTreeMap<(Who, Account), Generation> = BTreeMap::new();
    let mut replaced: BTreeMap<(Who, Account), Vec<(Duration, Generation)>> = BTreeMap::new();
    let mut asked: BTreeMap<usize, (Duration, Generation)> = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        match what {
            What::Asked { call, account, ask: CallerRequest::Token, .. } => {
                let floor = floors.get(&(*who, account.clone())).copied();
                asked.insert(*call, (*at, floor.unwrap_or(Generation::ZERO)));
            }
            What::Changed(changed) if matches!(changed.shown, Shown::Login(_) | Shown::Delete(_)) => {
                if let Some(row) = changed.after.as_ref().filter(|_| changed.before != changed.after) {
                    let made = replaced.entry((*who, changed.account.clone())).or_default();
                    made.push((*at, row.generation));
                }
            }
            What::Answered { call, account, answer } => {
                let (since, least) = asked.get(call).copied().unwrap_or_default();
                let floor = floors.entry((*who, account.clone())).or_insert(Generation::ZERO);
                match answer {
                    Delivered::Token(truth) => {
                        if truth.generation < least && !exceptions.went_back {
                            let what = format!("call {call} got an older token than its process had");
                            finder.found(*at, format!("{}: {what}", account.id()));
                        }
                        *floor = (*floor).max(truth.generation);
                    }
                    Delivered::Done(what) if what == "new" => {
                        // Of two changes at once it may be the first.
                        let made = replaced.get(&(*who, account.clone()));
                        let own = made.and_then(|made| made.iter().find(|(made, _)| *made >= since));
                        *floor = (*floor).max(own.map_or(Generation::ZERO, |(_, generation)| *generation));
                    }
                    _ => {}
                }
            }
            What::Left { call } => asked.retain(|other, _| other / CALLS != call / CALLS),
            _ => {}
        }
    }
    finder.all()
}
