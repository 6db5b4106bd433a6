//! The refresh protocol of Solekey as a pure state machine: no IO, no clock, no runtime.
//!
//! A gateway depends on the package `solekey`, which drives all of this and re-exports it as `solekey::core`. This
//! crate is for whoever writes an adapter, wants to read the rules, or has to know what an answer of a token endpoint
//! means.
//!
//! # What is here
//!
//! - [`flight`]: the refresh of one account. [`Flight`](flight::Flight) takes events and returns commands; time, ids and
//!   chance are arguments.
//! - [`Row`] and its conditional changes: what every store does, as functions. A [`Claim`] opens an [attempt](Open), a
//!   [`Commit`] puts an answer in, a [`Settle`] ends an attempt without one, a [`Login`] begins anew.
//! - [`ports`]: what the protocol asks of the outside, as contracts. `solekey-conformance` has a list of cases for each.
//! - [`Replay`] is the rule of a provider for spent refresh tokens; [`PolicySettings`] become a [`Policy`], validated.
//! - [`classify()`] reads an answer by a [`Dialect`], [`merge()`] makes the new [`Credential`] of the old one and an answer,
//!   and [`Credential::import`] reads what people hand in.
//! - [`Freshness`] is the usability of a token, a [`Verdict`] the next step of an account, a [`Generation`] the order
//!   of its states. Clocks of two machines are never compared: [`Moment`] and [`StoreTime`] do not mix.
//!
//! # A driver in a page
//!
//! The coordinator's driver does the same as this one, with a real store, cache, lease and token endpoint.
//!
//! ```
//! use std::{collections::VecDeque, time::Duration};
//!
//! use solekey_core::{
//!     Account, ClaimId, Fence, Fingerprint, Login, Moment, Need, NewFacts, Outcome, PolicySettings, Row, StoreTime,
//!     flight::{
//!         AnswersView, CacheView, Command, Context, Delivery, Event, Flight, Knowledge, LeaseView, RowView, StoreReply,
//!     },
//! };
//! use uuid::Uuid;
//!
//! # fn main() -> Result<(), solekey_core::InputError> {
//! const HOUR: Duration = Duration::from_secs(3600);
//! let (now, store_now) = (Moment::from_micros(0), StoreTime::from_micros(1_800_000_000_000_000));
//! let id = |number| ClaimId::new(Uuid::from_u128(number));
//!
//! // The machine sees fingerprints and lifetimes, never tokens.
//! let pair = |number: u8| NewFacts {
//!     access: Fingerprint::new([number; 16]),
//!     refresh: Some(Fingerprint::new([number + 100; 16])),
//!     expires_in: Some(HOUR),
//!     refresh_expires_in: None,
//! };
//!
//! // Somebody logged in an hour ago, and the access token has just run out.
//! let mut row = Row::empty();
//! let login = Login { id: id(1), facts: pair(1), accept_spent: false, accept_lesser: false, amends: None, due_in: None, as_of: None };
//! row.login(&login, false, store_now - HOUR).expect("the row is empty");
//!
//! let policy = PolicySettings::default().build()?;
//! let spread = Account::new("acme", "alice")?.key().spread();
//! let mut flight = Flight::new(Need::Valid, Knowledge::default(), spread, now, policy.max_wait());
//! let context = Context { now, policy: &policy, id: id(2), jitter: 0 };
//! let seen = |row: &Row| StoreReply::Done(RowView { row: Some(row.clone()), now: store_now, asked: now });
//!
//! let mut presentations = 0;
//! let mut delivered = None;
//! let mut commands: VecDeque<_> = flight.start(&context).into_iter().collect();
//! while let Some(command) = commands.pop_front() {
//!     let event = match command {
//!         Command::ReadSharedCache => Event::SharedCache(Some(CacheView::default())),
//!         Command::Load => Event::Loaded(seen(&row)),
//!         Command::TakeLease { .. } => Event::Lease(LeaseView::Granted(Fence::new(1))),
//!         Command::ReadAnswers => {
//!             Event::Answers(AnswersView::Read { newest: None, unread: None, kept_since: StoreTime::from_micros(0) })
//!         }
//!         // Nothing is presented without this.
//!         Command::Claim(claim) => {
//!             row.claim(&claim, store_now).expect("nobody else is here");
//!             Event::Claimed(seen(&row))
//!         }
//!         Command::Exchange(_) => {
//!             presentations += 1;
//!             Event::Exchanged(Outcome::Success(pair(2)))
//!         }
//!         Command::WriteAnswer(_) => Event::AnswerWritten(true),
//!         Command::CommitOwn(commit) => {
//!             row.commit(&commit, store_now).expect("the attempt is open");
//!             Event::Committed(seen(&row))
//!         }
//!         Command::Deliver(delivery) => {
//!             delivered = Some(delivery);
//!             continue;
//!         }
//!         // Registering, publishing, releasing the lease: they have no result.
//!         _ => continue,
//!     };
//!     commands.extend(flight.step(&context, event));
//! }
//!
//! assert!(flight.is_over());
//! assert_eq!(presentations, 1);
//! assert!(matches!(delivered, Some(Delivery::Token { generation, .. }) if generation == row.generation));
//! # Ok(())
//! # }
//! ```
//!
//! # What is not promised
//!
//! The rules hold as far as the ports keep their contracts: a state machine cannot compensate for a store that forgets
//! what it acknowledged, or for a driver that sends without a claim. Where a provider committed a rotation whose answer
//! reached nobody, the refresh token is spent: what is safe then follows from the provider's [`Replay`] rule, which is
//! stated and not discovered.

mod account;
mod addition;
mod answer;
mod archive;
mod attempt;
mod backoff;
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
mod rate_limit;
mod relation;
mod replay;
mod row;
mod sealed;
mod secret;
mod standing;
mod time;
mod unread;
mod verdict;

pub use account::{Account, AccountKey, MAX_NAME_BYTES};
pub use addition::Additions;
pub use answer::{Answer, AnswerNote, Content, Found, UnreadNote};
pub use archive::{Archived, SPENT_KEPT};
pub use attempt::{Cause, Claim, ClaimId, First, Open};
pub use breaker::Breaker;
pub use classify::{Classified, Dialect, Meaning, TokenAnswer, classify};
pub use credential::{CLIENT_FIELDS, Credential, ISSUER_FIELDS, KEY_FIELD, SECRET_FIELDS, Shape};
pub use document::{Document, MAX_DEPTH, MAX_DOCUMENT_BYTES};
pub use exchange::{MAX_RETRY_AFTER, Outcome};
pub use facts::{Facts, NewFacts};
pub use fingerprint::Fingerprint;
pub use flight::next_check;
pub use freshness::{ASSUMED_LIFETIME, Freshness, Remaining, UNKNOWN_EXPIRY_CAP, Windows};
pub use generation::{Fence, Generation};
pub use import::{Amendment, FoundAccount, Import, MAX_ACCOUNTS, accounts};
pub use input::InputError;
pub use merge::merge;
#[doc(hidden)]
pub use mutant::mutant;
pub use need::{Candidate, Need, SETTLED_FOR};
pub use policy::{InDoubt, Policy, PolicySettings, Stale};
pub use rate_limit::{Limits, TokenBucket};
pub use relation::Relation;
pub use replay::{Replay, Spent, Window};
pub use row::{
    Commit, Evidence, Forgotten, Login, LoginEffect, MAX_PRESENTED, NewVerdict, ROW_FORMAT, Refusal, Row,
    STEP, Settle,
};
pub use sealed::Sealed;
pub use secret::{ExposeSecret, Secret, secret};
pub use standing::Standing;
pub use time::{Moment, StoreTime};
pub use unread::{Admission, BreakerRequest, UnreadBreaker};
pub use verdict::{Decision, Delay, Revocation, Verdict};

/// The time for which the two newest answers of an account are kept as witnesses against a store that forgets.
pub const KEEP_ANSWERS: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);
