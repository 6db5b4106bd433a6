//! 7. A lease is granted only when the last one was released by its own name, has ended, or was lost; its fence is
//!    higher than every one since the fences were lost.
//!
//! That a release takes nothing from a stranger is seen here by what is granted next. The scripts of the real lease
//! are held to the same meaning by the conformance list of leases; this simulation has no scripts.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, ClaimId, Fence};

use crate::{
    fleet::{Event, History, Setup, What},
    invariants::{Finder, Violation},
};

struct Grant {
    token: ClaimId,
    fence: Fence,
    ends: Duration,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(7);
    let ttl = setup.policy().lease_ttl();
    let mut grants: BTreeMap<Account, Grant> = BTreeMap::new();
    for Event { at, what, .. } in &history.events {
        match what {
            What::Granted { account, fence, token } => {
                if let Some(last) = grants.get(account).filter(|last| last.token != *token) {
                    if *at < last.ends {
                        finder.found(*at, format!("{}: granted while somebody held it", account.id()));
                    }
                    if *fence <= last.fence {
                        finder.found(*at, format!("{}: the fence did not grow", account.id()));
                    }
                }
                let grant = Grant { token: *token, fence: *fence, ends: *at + ttl };
                let again = grants.get(account).is_some_and(|last| last.token == *token && *at < last.ends);
                if !again {
                    grants.insert(account.clone(), grant);
                }
            }
            What::Released { account, token } => {
                if let Some(last) = grants.get_mut(account).filter(|last| last.token == *token) {
                    last.ends = last.ends.min(*at);
                }
            }
            // Leases end by that clock.
            What::Nemesis(kind, _) if kind.starts_with("redis clock") => {
                for last in grants.values_mut() {
                    last.ends = last.ends.min(*at);
                }
            }
            What::LeasesLost => grants.clear(),
            _ => {}
        }
    }
    finder.all()
}
