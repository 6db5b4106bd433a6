//! 34. Who waits is woken by news, not by its timer: in the calm a caller has its answer as soon after a publication
//!     as a few looks take.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Generation};

use crate::{
    fleet::{Ask, CALLS, Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

struct Waiting {
    who: Who,
    account: Account,
    named: Option<Generation>,
    /// Told since.
    news: Option<Duration>,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(34);
    // A flight that is in the middle of a round ends it before it looks again.
    let looks = setup.distance * 16 + Duration::from_millis(2);
    let (mut calm, mut deaf) = (false, false);
    let mut waiting: BTreeMap<usize, Waiting> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Calm => {
                calm = true;
                waiting.clear();
            }
            What::Nemesis("all news are lost", which) => deaf = which == "true",
            What::Asked { call, account, ask, named, .. } if calm => {
                if matches!(ask, Ask::Token | Ask::Rejected | Ask::FalselyRejected) {
                    // What is reported anew is withheld from those who wait for it.
                    for other in waiting.values_mut().filter(|other| other.account == *account) {
                        other.news = other.news.filter(|_| named.is_none());
                    }
                    let account = account.clone();
                    waiting.insert(*call, Waiting { who: *who, account, named: *named, news: None });
                }
            }
            What::Published { account, generation, before, token: true, .. } if calm && !deaf => {
                let newer = before.is_none_or(|before| before < *generation);
                for one in waiting.values_mut().filter(|one| newer && one.account == *account) {
                    if one.named.is_none_or(|named| named < *generation) {
                        one.news.get_or_insert(*at);
                    }
                }
            }
            What::Answered { call, .. } => {
                if let Some(Waiting { news: Some(news), account, .. }) = waiting.remove(call)
                    && *at > news + looks
                {
                    let late = at.saturating_sub(news);
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
