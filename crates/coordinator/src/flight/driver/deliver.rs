//! The delivery of a flight, and the reports that go with it.

use std::time::Duration;

use solekey_cache::Absence;
use solekey_core::{
    Account, Decision, Delay, Generation, Revocation,
    flight::{Delivery, Knowledge, Source},
    mutant,
};

use super::super::engine::Engine;
use super::super::outcome::{FlightOutcome, Progress};
use super::perform::{Performed, Performer};
use crate::observer;

impl Performer {
    pub(super) fn deliver(&self, delivery: Delivery, knowledge: &Knowledge) -> Performed {
        let outcome = match delivery {
            // Whoever asks from now on must not get what a login or a delete of this process has replaced; what becomes
            // of the commit decides what those get who wait.
            Delivery::Token { generation, source: Source::Own } if self.is_replaced(generation) => {
                return Performed::Done;
            }
            Delivery::Token { generation, source } => match self.payloads.token(source, generation) {
                Some(token) => {
                    self.serve(Some(token), knowledge);
                    FlightOutcome::Token(token.clone())
                }
                None => self.without_token(),
            },
            Delivery::Unknown => FlightOutcome::Unknown,
            Delivery::LogIn { generation, why } => {
                self.report_unwritten(generation, why);
                FlightOutcome::LogIn { generation, why }
            }
            Delivery::RetryAt { at, why } => FlightOutcome::RetryAt { at, why },
            Delivery::RejectedAgain { at } => FlightOutcome::RejectedAgain { at },
        };
        // Whoever asked may have stopped waiting: what was learnt must not go with the last caller.
        self.remember(&outcome);
        self.outcome.send(Progress::Finished(outcome));
        Performed::Done
    }

    fn is_replaced(&self, generation: Generation) -> bool {
        if mutant("pair_is_handed_out_over_a_delete") {
            let served = self.engine.process.entries().get(self.account.key());
            return served.is_some_and(|entry| entry.generation > generation);
        }
        self.engine.process.entries().newest(self.account.key()) > generation
    }

    /// Keeps what the flight learnt, so that for a moment nobody starts another one that would only learn it again. A delay
    /// met by a flight that no caller started need not be one for callers.
    fn remember(&self, outcome: &FlightOutcome) {
        let process = &self.engine.process;
        let (key, now) = (self.account.key(), process.now());
        match outcome {
            FlightOutcome::Unknown => process.entries().fill_absence(key, Absence::Unknown, now),
            FlightOutcome::LogIn { generation, why } => {
                let absence = Absence::LogIn { generation: *generation, why: *why };
                process.entries().fill_absence(key, absence, now);
                process.condemn(key, *generation);
            }
            FlightOutcome::RetryAt { at, why } if !why.may_end_early() && !self.need.is_behind() => {
                process.memories.put_off(key, *at, *why, now);
            }
            _ => {}
        }
    }

    /// A verdict that no row has is reported by each process that finds it.
    fn report_unwritten(&self, generation: Generation, why: Revocation) {
        let found = !why.is_written() && !self.need.is_operator();
        if found && (self.memory.lock().ends(generation) || mutant("end_is_reported_again_and_again")) {
            report_decision(&self.engine, &self.account, generation, Decision::LogIn { why });
        }
    }

    /// A token the machine counts on is not held: the credential does not open, or has no access token yet.
    fn without_token(&self) -> FlightOutcome {
        let sealed = self.payloads.row.as_ref().is_some_and(|row| row.credential.is_err());
        if sealed {
            tracing::error!(
                provider = self.provider.name(),
                account = %self.account.key(),
                "the stored credential does not open with the seal keys; callers get a configuration error"
            );
            return FlightOutcome::Misconfigured {
                field: "seal.key",
                expected: "the key that sealed this account",
            };
        }
        FlightOutcome::RetryAt {
            at: self.engine.process.now() + Duration::from_secs(1),
            why: Delay::JustRefreshed,
        }
    }
}

/// Reports a decision that this process has written or found.
pub(super) fn report_decision(
    engine: &Engine,
    account: &Account,
    generation: Generation,
    decision: Decision<Duration>,
) {
    match decision {
        Decision::LogIn { why } => {
            let (provider, reason) = (account.provider(), why.name());
            tracing::warn!(
                provider,
                account = %account.key(),
                %generation,
                reason,
                "the account needs a login; it is not refreshed until then"
            );
            engine.process.observe(&observer::Event::LoginNeeded { account, generation, why });
        }
        Decision::NotBefore { at: span, why } => {
            engine.process.observe(&observer::Event::CoolingDown { account, generation, span, why });
        }
    }
}
