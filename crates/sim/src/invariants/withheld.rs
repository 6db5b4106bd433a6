//! 32. A token whose rejection was reported to a process is handed out there to nobody until the provider has been asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::{Account, Cause, Delay, Generation};

use crate::{
    fleet::{CALLS, CallerRequest, Changed, Delivered, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

#[derive(Default)]
struct Known {
    /// Reports that were not answered yet.
    reports: BTreeMap<usize, (Who, Account, Generation)>,
    /// The rejection that each process received, and since when.
    answer: BTreeMap<(Who, Account), (Generation, Duration)>,
    /// Accounts with an attempt on evidence.
    open: BTreeSet<Account>,
    /// The last rotation on evidence: its successor is rejected at the resource's own fault.
    rotated: BTreeMap<Account, Duration>,
    /// Tokens for which a rotation was tried: whoever reports them again gets the same answer.
    tried: BTreeSet<(Account, Generation)>,
    asked: BTreeMap<usize, Duration>,
}

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(32);
    let mut exceptions = Exceptions::default();
    let mut known = Known::default();
    let mut calm = false;
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        match what {
            What::Calm => calm = true,
            What::Asked { call, account, ask, named, .. } => {
                known.asked.insert(*call, *at);
                if let (CallerRequest::Rejected | CallerRequest::FalselyRejected, Some(named)) = (ask, named)
                    && calm
                {
                    known.reports.insert(*call, (*who, account.clone(), *named));
                }
            }
            What::Left { call } => known.reports.retain(|other, _| other / CALLS != call / CALLS),
            What::Heard { account, .. } => known.tried(account),
            What::Changed(changed) => known.changed(changed, *at),
            What::Answered { call, account, answer } => {
                if let Delivered::Token(token) = answer
                    && calm
                    && !exceptions.went_back
                    && !exceptions.store_clock
                    && known.withholds(*who, account, token.generation, *call, *at)
                {
                    finder.found(*at, format!("{}: call {call} got a rejected token", account.id()));
                }
                known.answered(*call, answer, *at);
            }
            _ => {}
        }
    }
    finder.all()
}

impl Known {
    fn tried(&mut self, account: &Account) {
        let reported = self.reports.values().filter(|(_, whose, _)| whose == account);
        let answer = self.answer.iter().filter(|((_, whose), _)| whose == account);
        let named = reported.map(|(_, _, named)| *named).chain(answer.map(|(_, (named, _))| *named));
        self.tried.extend(named.map(|named| (account.clone(), named)));
        self.reports.retain(|_, (_, whose, _)| whose != account);
        self.answer.retain(|(_, whose), _| whose != account);
    }

    fn changed(&mut self, changed: &Changed, at: Duration) {
        let Changed { account, shown, before, after, .. } = changed;
        if before == after {
            return;
        }
        match shown {
            Shown::Claim(claim) => {
                self.open.remove(account);
                if claim.cause == Cause::Rejected {
                    self.open.insert(account.clone());
                }
            }
            Shown::Commit(_) => {
                if self.open.contains(account) {
                    self.rotated.insert(account.clone(), at);
                }
                self.open.remove(account);
                self.tried(account);
            }
            Shown::Settle(_) => {
                self.open.remove(account);
            }
            Shown::Login(_) | Shown::Delete(_) => {
                self.open.remove(account);
                self.rotated.remove(account);
                self.tried(account);
            }
        }
    }

    fn answered(&mut self, call: usize, answer: &Delivered, at: Duration) {
        let Some((who, account, named)) = self.reports.remove(&call) else { return };
        // A report answered by "the resource is at fault" has not put the token out of service.
        let tried = self.tried.contains(&(account.clone(), named));
        if matches!(answer, Delivered::RetryAt(why, _) if *why != Delay::RejectedAgain && !tried) {
            self.answer.insert((who, account), (named, at));
        }
    }

    fn withholds(&self, who: Who, account: &Account, token: Generation, call: usize, at: Duration) -> bool {
        let asked = self.asked.get(&call).copied().unwrap_or(at);
        if self.rotated.get(account).is_some_and(|rotated| at < *rotated + EVIDENCE) {
            return false;
        }
        let answer = self.answer.get(&(who, account.clone()));
        answer.is_some_and(|(named, since)| *named == token && asked > *since)
    }
}

const EVIDENCE: Duration = Duration::from_secs(3600);
