//! 37. As long as callers are served at once, a process looks at the shelf now and then, however many
//!     they are.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use solekey_core::Account;

use crate::{
    fleet::{Ask, Delivered, Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

#[derive(Default)]
struct Desk {
    looks: VecDeque<Duration>,
    /// Somebody waited, or something else was done.
    busy: Duration,
}

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(37);
    let mut desks: BTreeMap<(Who, Account), Desk> = BTreeMap::new();
    let mut asked: BTreeMap<usize, Duration> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Asked { call, account, ask, .. } => {
                asked.insert(*call, *at);
                if *ask != Ask::Token {
                    desks.entry((*who, account.clone())).or_default().busy = *at;
                }
            }
            What::Answered { call, account, told } => {
                let since = asked.remove(call).unwrap_or(*at);
                let served = matches!(told, Delivered::Token(token) if !token.stale);
                if since < *at || !served {
                    desks.entry((*who, account.clone())).or_default().busy = *at;
                }
            }
            What::Claiming { account, .. } | What::Heard { account, .. } => {
                desks.entry((*who, account.clone())).or_default().busy = *at;
            }
            What::Looked { account } => {
                let desk = desks.entry((*who, account.clone())).or_default();
                desk.looks.push_back(*at);
                while desk.looks.front().is_some_and(|first| *first + SECOND < *at) {
                    desk.looks.pop_front();
                }
                if desk.looks.len() > MOST && *at > desk.busy + SECOND {
                    let count = desk.looks.len();
                    finder.found(*at, format!("{}: {count} looks in a second", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

const SECOND: Duration = Duration::from_secs(1);
/// Each flight looks once or twice, and news, of which every replica makes some, let the next one set out at once.
const MOST: usize = 20;
