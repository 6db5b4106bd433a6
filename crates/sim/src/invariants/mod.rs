//! The invariants, one file per sentence: functions over a history.

#![expect(clippy::mutable_key_type, reason = "the cell in an account only remembers the hash of its name")]

mod at_rest;
mod breakers;
mod checks;
mod claimed_first;
mod commits;
mod copies;
mod deadline;
mod deliveries;
mod draining;
mod ends;
mod evidence;
mod exceptions;
mod fences;
mod forgotten;
mod forward;
mod founded;
mod generations;
mod haste;
mod kept;
mod leases;
mod logins;
mod never_back;
mod no_loss;
mod no_useless_refresh;
mod notified;
mod on_purpose;
mod one_presentation;
mod out_of_service;
mod own_trouble;
mod patience;
mod rest;
mod secrets;
mod served;
mod shared_cache;
mod strangers;
mod unknown_ids;
mod unread;
mod unsent;
mod waiters;
mod whole_changes;
mod withheld;
mod witnesses;

use std::{fmt, time::Duration};

use crate::fleet::{History, Setup};

/// Something that must not happen, and did.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The number of the invariant.
    pub invariant: u8,
    /// The time of the violation.
    pub at: Duration,
    /// The violation.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {} at {:.3}: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}

/// Collects the violations of one invariant.
pub(crate) struct Finder {
    invariant: u8,
    found: Vec<Violation>,
}

impl Finder {
    pub(crate) fn new(invariant: u8) -> Self {
        Self { invariant, found: Vec::new() }
    }

    pub(crate) fn found(&mut self, at: Duration, what: impl Into<String>) {
        self.found.push(Violation { invariant: self.invariant, at, what: what.into() });
    }

    pub(crate) fn all(self) -> Vec<Violation> {
        self.found
    }
}

type Check = fn(&Setup, &History) -> Vec<Violation>;

const CHECKS: [Check; 41] = [
    one_presentation::check,
    claimed_first::check,
    deadline::check,
    generations::check,
    commits::check,
    no_loss::check,
    leases::check,
    shared_cache::check,
    waiters::check,
    at_rest::check,
    deliveries::check,
    secrets::check,
    no_useless_refresh::check,
    copies::check,
    unsent::check,
    own_trouble::check,
    ends::check,
    witnesses::check,
    logins::check,
    on_purpose::check,
    haste::check,
    never_back::check,
    forgotten::check,
    kept::check,
    strangers::check,
    rest::check,
    draining::check,
    unknown_ids::check,
    forward::check,
    patience::check,
    evidence::check,
    withheld::check,
    fences::check,
    notified::check,
    out_of_service::check,
    whole_changes::check,
    checks::check,
    served::check,
    breakers::check,
    founded::check,
    unread::check,
];

/// All of them.
pub fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut found: Vec<_> = CHECKS.iter().flat_map(|check| check(setup, history)).collect();
    found.sort_by_key(|violation| violation.at);
    found
}
