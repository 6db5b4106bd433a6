//! 38. In the calm whoever asks for a token gets one as long as one is valid, whatever becomes of its refresh: unless
//!     its resource has refused it, or the policy says that nothing stale is served, or the store went back: what the
//!     others know to be newer is not to be had from it.

use std::{collections::BTreeSet, time::Duration};

use solekey_core::Stale;

use crate::{
    fleet::{CallerRequest, Delivered, Event, History, Setup, Shown, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(38);
    if setup.policy().stale() != Stale::Serve {
        return finder.all();
    }
    let (mut calm, mut exceptions) = (false, Exceptions::default());
    let (mut asks, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for event in &history.events {
        exceptions.see(event);
        let Event { at, what, .. } = event;
        match what {
            What::Calm => calm = true,
            What::Asked { call, ask: CallerRequest::Token, .. } => drop(asks.insert(*call)),
            What::Asked { account, named: Some(_), .. } => drop(refused.insert(account.clone())),
            // The string of an earlier token is that of the credential which a person brought back.
            What::Asked { account, ask: CallerRequest::StaleString, .. }
                if exceptions.accepted_spent(account) =>
            {
                refused.insert(account.clone());
            }
            What::Changed(changed)
                if matches!(changed.shown, Shown::Login(_)) && changed.before != changed.after =>
            {
                refused.remove(&changed.account);
            }
            What::Answered { call, account, answer } if asks.remove(call) && calm => {
                if let Delivered::RetryAt(_, left) | Delivered::LogIn(_, left) = answer
                    && *left > BREATH
                    && !refused.contains(account)
                    && !exceptions.went_back
                {
                    finder.found(
                        *at,
                        format!("{}: call {call} got none of {left:?}: {answer:?}", account.id()),
                    );
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// A document that was logged in counts from when it is read, for which there are 30 s; and the lifetime of a token
/// is sent on the way.
const BREATH: Duration = Duration::from_secs(31);
