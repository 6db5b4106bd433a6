//! 37. As long as callers are served at once, a process reads the shared cache now and then, however many
//!     they are.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use solekey_core::Account;

use crate::{
    fleet::{CallerRequest, Delivered, Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

#[derive(Default)]
struct EndpointState {
    reads: VecDeque<Duration>,
    /// Somebody waited, or something else was done.
    busy: Duration,
}

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(37);
    let mut states: BTreeMap<(Who, Account), EndpointState> = BTreeMap::new();
    let mut asked: BTreeMap<usize, Duration> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Asked { call, account, ask, .. } => {
                asked.insert(*call, *at);
                if *ask != CallerRequest::Token {
                    states.entry((*who, account.clone())).or_default().busy = *at;
                }
            }
            What::Answered { call, account, answer } => {
                let since = asked.remove(call).unwrap_or(*at);
                let served = matches!(answer, Delivered::Token(token) if !token.stale);
                if since < *at || !served {
                    states.entry((*who, account.clone())).or_default().busy = *at;
                }
            }
            What::Claiming { account, .. } | What::Heard { account, .. } => {
                states.entry((*who, account.clone())).or_default().busy = *at;
            }
            What::ReadSharedCache { account } => {
                let endpoint_state = states.entry((*who, account.clone())).or_default();
                endpoint_state.reads.push_back(*at);
                while endpoint_state.reads.front().is_some_and(|first| *first + SECOND < *at) {
                    endpoint_state.reads.pop_front();
                }
                if endpoint_state.reads.len() > MOST && *at > endpoint_state.busy + SECOND {
                    let count = endpoint_state.reads.len();
                    finder.found(*at, format!("{}: {count} reads in a second", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

const SECOND: Duration = Duration::from_secs(1);
/// Each flight reads once or twice, and notifications, which every replica makes, let the next one start at once.
const MOST: usize = 20;
