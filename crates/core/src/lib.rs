//! The refresh protocol of Solekey as a pure state machine: no IO, no clock, no runtime.

mod account;
mod answer;
mod attempt;
mod breaker;
mod classify;
mod credential;
mod document;
mod exchange;
mod facts;
mod fingerprint;
pub mod flight;
mod freshness;
mod generation;
mod hex;
mod import;
mod input;
pub mod jwt;
#[cfg(test)]
mod laws;
mod merge;
mod mutant;
mod need;
mod policy;
pub mod ports;
mod replay;
mod row;
mod sealed;
mod secret;
mod time;
mod verdict;

pub use account::{Account, AccountKey, MAX_NAME_BYTES};
pub use answer::{Answer, AnswerNote, Content, Found};
pub use attempt::{Cause, Claim, ClaimId, First, Open};
pub use breaker::Breaker;
pub use classify::{Classified, Dialect, TokenAnswer, classify};
pub use credential::{Credential, Shape};
pub use document::{Document, MAX_DEPTH, MAX_DOCUMENT_BYTES};
pub use exchange::{MAX_RETRY_AFTER, Outcome};
pub use facts::{Facts, NewFacts};
pub use fingerprint::Fingerprint;
pub use flight::next_look;
pub use freshness::{ASSUMED_LIFETIME, Freshness, Remaining, UNKNOWN_EXPIRY_CAP, Windows};
pub use generation::{Fence, Generation};
pub use import::Import;
pub use input::InputError;
pub use merge::merge;
#[doc(hidden)]
pub use mutant::mutant;
pub use need::{Candidate, Need, SETTLED_FOR};
pub use policy::{InDoubt, Policy, PolicySettings, Stale};
pub use replay::{Replay, Spent, Window};
pub use row::{
    Commit, Evidence, Login, LoginEffect, MAX_PRESENTED, NewVerdict, ROW_FORMAT, Refusal, Row, Settle,
};
pub use sealed::Sealed;
pub use secret::{ExposeSecret, Secret, secret};
pub use time::{Moment, StoreTime};
pub use verdict::{Delay, Revocation, Ruling, Verdict};

/// How long the two newest answers of an account are kept as witnesses against a store that forgets.
pub const KEEP_ANSWERS: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);
