//! 16. Nobody gets an error that another process had, or that was about an older generation: that nothing could
//!     be sent, or that the provider does not accept our client, holds for the process that found it, and for the
//!     credential it found it with.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::{Account, Delay};

use crate::{
    fleet::{Delivered, Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

#[derive(Default)]
struct Seen {
    /// The time at which a process found, about an account, what is wrong.
    found: BTreeMap<(Who, Account), Duration>,
    /// The accounts about which a process found it: three close a provider for all.
    accused: BTreeMap<Who, BTreeSet<Account>>,
    /// The times at which the generation changed before.
    moved: BTreeMap<Account, Vec<Duration>>,
    asked: BTreeMap<usize, Duration>,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(16);
    // A flight that waits may have begun with what was so before, and has callers who joined it.
    let flight = setup.policy().max_wait() + FIRST_READS;
    let mut seen = Seen::default();
    let mut settled = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::NotSent { account } => seen.found(*who, account, *at),
            What::Heard { account, response, .. } if response.contains("invalid_client") => {
                seen.found(*who, account, *at);
            }
            What::Changed(changed) => {
                let generation = changed.after.as_ref().map(|row| row.generation);
                if settled.insert(changed.account.clone(), generation) != Some(generation) {
                    seen.moved.entry(changed.account.clone()).or_default().push(*at);
                }
            }
            What::Paused(span) => {
                for asked in seen.asked.values_mut() {
                    *asked = asked.saturating_sub(*span);
                }
            }
            What::Asked { call, .. } => drop(seen.asked.insert(*call, *at)),
            What::Answered { call, account, answer: Delivered::RetryAt(why, _) }
                if matches!(why, Delay::Unreachable | Delay::OurFault) =>
            {
                let asked = seen.asked.get(call).copied().unwrap_or(*at);
                let before = match why {
                    Delay::Unreachable => asked.saturating_sub(flight),
                    // A client that is refused is refused with the next credential, too, for all that is known.
                    _ => Duration::ZERO,
                };
                if let Some(what) = seen.unfounded(*who, account, before, setup) {
                    finder.found(*at, format!("{}, call {call}: got {why:?} {what}", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

impl Seen {
    fn found(&mut self, who: Who, account: &Account, at: Duration) {
        self.found.insert((who, account.clone()), at);
        self.accused.entry(who).or_default().insert(account.clone());
    }

    fn unfounded(
        &self,
        who: Who,
        account: &Account,
        before: Duration,
        setup: &Setup,
    ) -> Option<&'static str> {
        let closed = self.accused.get(&who).is_some_and(|accounts| accounts.len() >= ACCUSERS);
        // What cannot be unsealed is our fault, too.
        if closed
            || setup.is_stranger(match who {
                Who::Process(replica, _) => replica,
                _ => 0,
            })
        {
            return None;
        }
        let Some(found) = self.found.get(&(who, account.clone())) else {
            return Some("although it never found that itself");
        };
        let moved = self.moved.get(account)?.iter().rev().find(|moved| **moved < before)?;
        (found < moved).then_some("about a credential that is gone")
    }
}

const ACCUSERS: usize = 3;
/// A flight's own reads, and those before it.
const FIRST_READS: Duration = Duration::from_secs(5);
