//! 34. A waiter is woken by a notification, not by its timer: in the calm a caller has its answer as soon after a
//!     publication as a few reads take.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Generation};

use crate::{
    fleet::{CALLS, CallerRequest, Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

struct Waiting {
    who: Who,
    account: Account,
    named: Option<Generation>,
    /// Notified since.
    change_feed: Option<Duration>,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(34);
    // A flight that is in the middle of a round ends it before it reads again.
    let reads = setup.distance * 16 + Duration::from_millis(2);
    let (mut calm, mut deaf) = (false, false);
    let mut waiting: BTreeMap<usize, Waiting> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Calm => {
                calm = true;
                waiting.clear();
            }
            What::Nemesis("all notifications are lost", which) => deaf = which == "true",
            What::Asked { call, account, ask, named, .. } if calm => {
                if matches!(
                    ask,
                    CallerRequest::Token | CallerRequest::Rejected | CallerRequest::FalselyRejected
                ) {
                    // What is reported anew is withheld from those who wait for it.
                    for other in waiting.values_mut().filter(|other| other.account == *account) {
                        other.change_feed = other.change_feed.filter(|_| named.is_none());
                    }
                    let account = account.clone();
                    waiting.insert(*call, Waiting { who: *who, account, named: *named, change_feed: None });
                }
            }
            What::Published { account, generation, before, token: true, .. } if calm && !deaf => {
                let newer = before.is_none_or(|before| before < *generation);
                for one in waiting.values_mut().filter(|one| newer && one.account == *account) {
                    if one.named.is_none_or(|named| named < *generation) {
                        one.change_feed.get_or_insert(*at);
                    }
                }
            }
            What::Answered { call, .. } => {
                if let Some(Waiting { change_feed: Some(change_feed), account, .. }) = waiting.remove(call)
                    && *at > change_feed + reads
                {
                    let late = at.saturating_sub(change_feed);
                    finder.found(*at, format!("{}: call {call} heard after {late:?}", account.id()));
                }
            }
            What::Crashed => waiting.retain(|_, one| one.who != *who),
            What::Left { call } => waiting.retain(|other, _| other / CALLS != call / CALLS),
            _ => {}
        }
    }
    finder.all()
}
