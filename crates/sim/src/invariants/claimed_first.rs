//! 2. Nothing is presented without a claim of this very attempt that the store made for this process before, and what
//!    is presented is the refresh token the row had then.

use std::collections::BTreeMap;

use crate::{
    fleet::{Event, History, Request, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(2);
    let mut claims = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Changed(changed) => {
                let open = changed.after.as_ref().and_then(|row| row.open);
                if let (Shown::Claim(claim), None, Some(open)) = (changed.shown, changed.refused, open)
                    && open.id == claim.id
                    && changed.before != changed.after
                {
                    let token = changed.has.clone();
                    claims.insert((changed.account.clone(), open.attempt), (*who, token));
                }
            }
            What::Sent(Request { number, account, attempt: Some(attempt), token, .. }) => {
                match claims.get(&(account.clone(), *attempt)) {
                    None => finder.found(*at, format!("request {number} was sent without a claim")),
                    Some((owner, _)) if owner != who => {
                        finder.found(*at, format!("request {number} was sent with another's claim"));
                    }
                    Some((_, Some(claimed))) if claimed != token => {
                        finder.found(*at, format!("request {number} presents another token than claimed"));
                    }
                    Some(_) => {}
                }
            }
            _ => {}
        }
    }
    finder.all()
}
