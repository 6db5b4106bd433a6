//! The referee: writes down every presentation and counts what it was worth.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::AddAssign;

use serde::Serialize;

use super::grants::Seen;

/// One request at the token endpoint that named a refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Presentation {
    /// Order of arrival, from 1.
    pub seq: u64,
    /// Arrival, in milliseconds since the server started (monotonic, not moved by `advance`).
    pub start_ms: u64,
    /// The time at which the presentation was over; none while it is open.
    pub end_ms: Option<u64>,
    /// Whose token it was; none if the server never minted it.
    pub account: Option<String>,
    /// Number of the token's family; each grant starts one.
    pub family: Option<u64>,
    /// Which token of its family it was: 0 is the one that was granted, the others in the order of minting.
    pub generation: Option<u64>,
    /// [Fingerprint](super::fingerprint) of the token.
    pub token: String,
    /// The label in the URL it came through (see [`token_url_for`](super::AuthorizationServer::token_url_for)).
    pub via: Option<String>,
    /// The decision of the server.
    pub decision: Decision,
    /// The delivery of the answer.
    pub delivery: Delivery,
    /// The token was already spent, outside of what its class allows.
    pub spent: bool,
    /// Another presentation of the same token was open when this one arrived.
    pub overlapping: bool,
    /// A fault held it, before or after processing.
    pub held: bool,
}

impl Presentation {
    /// Returns whether this presentation should never have been made: the token was spent, or being presented.
    pub fn is_double(&self) -> bool {
        self.spent || self.overlapping
    }
}

/// The decision of the server about a presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// Nothing yet.
    Open,
    /// A new pair.
    Rotated,
    /// A new access token; the refresh token stays.
    Renewed,
    /// A replaced token, accepted inside what its class allows: a new pair.
    Replayed,
    /// Unknown token, wrong client, wrong proof or key, revoked or withdrawn family, sibling superseded by a newer one.
    Refused,
    /// A spent token: refused.
    Reused,
    /// A spent token: refused, and this very presentation revoked the family.
    Burned,
    /// Its proof of possession has no fresh nonce: not processed.
    NonceWanted,
    /// A fault answered in place of processing.
    Answered,
    /// The client was gone before it was processed: nothing was spent.
    Dropped,
}

/// The delivery of the answer to a presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delivery {
    /// None yet.
    Pending,
    /// Handed to the connection.
    Sent,
    /// A fault closed the connection before the first byte.
    Lost,
    /// A fault closed the connection in the middle of the body.
    Truncated,
    /// The client had left.
    ClientGone,
}

/// Counts over all presentations, or over those of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// All requests that named a refresh token.
    pub presentations: u64,
    /// First exchanges of a living token that succeeded at the server, answer lost or not.
    pub rotations: u64,
    /// Presentations of a token that was spent, or of which another presentation was open.
    pub double_presentations: u64,
    /// Replaced tokens accepted inside what their class allows.
    pub allowed_replays: u64,
    /// Requests whose client was gone before they were processed.
    pub dropped: u64,
    /// Families revoked because a spent token came back.
    pub burned_families: u64,
    /// Requests that were sent away for want of a fresh nonce.
    pub nonces_wanted: u64,
}

impl AddAssign<Change> for Tally {
    fn add_assign(&mut self, change: Change) {
        let field = match change {
            Change::Presentation => &mut self.presentations,
            Change::Rotation => &mut self.rotations,
            Change::Double => &mut self.double_presentations,
            Change::AllowedReplay => &mut self.allowed_replays,
            Change::Dropped => &mut self.dropped,
            Change::BurnedFamily => &mut self.burned_families,
            Change::NonceWanted => &mut self.nonces_wanted,
        };
        *field += 1;
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Presentation,
    Rotation,
    Double,
    AllowedReplay,
    Dropped,
    BurnedFamily,
    NonceWanted,
}

/// The log and the counts. Counts stay exact when the log's oldest lines have gone.
#[derive(Debug, Default)]
pub(super) struct Referee {
    log: VecDeque<Presentation>,
    /// Presentations under way: how many there are per token.
    open: HashMap<String, u32>,
    total: Tally,
    accounts: BTreeMap<String, Tally>,
}

/// The facts that are known about a request when it arrives.
pub(super) struct Arrival {
    pub(super) at_ms: u64,
    pub(super) seen: Option<Seen>,
    pub(super) token: String,
    pub(super) via: Option<String>,
}

impl Referee {
    /// Opens a presentation and returns its sequence number.
    pub(super) fn open(&mut self, arrival: Arrival) -> u64 {
        let Arrival { at_ms, seen, token, via } = arrival;
        let under_way = self.open.entry(token.clone()).or_default();
        let overlapping = *under_way > 0;
        *under_way += 1;
        let presentation = Presentation {
            seq: self.total.presentations + 1,
            start_ms: at_ms,
            end_ms: None,
            account: seen.as_ref().map(|seen| seen.account.clone()),
            family: seen.as_ref().map(|seen| seen.family),
            generation: seen.as_ref().map(|seen| seen.generation),
            token,
            via,
            decision: Decision::Open,
            delivery: Delivery::Pending,
            spent: seen.is_some_and(|seen| seen.spent),
            overlapping,
            held: false,
        };
        self.count(presentation.account.as_deref(), Change::Presentation);
        if presentation.is_double() {
            self.count(presentation.account.as_deref(), Change::Double);
        }
        let seq = presentation.seq;
        self.log.push_back(presentation);
        if self.log.len() > MAX_LOG {
            self.log.pop_front();
        }
        seq
    }

    pub(super) fn held(&mut self, seq: u64) {
        self.change(seq, |presentation| presentation.held = true);
    }

    pub(super) fn decide(&mut self, seq: u64, decision: Decision) {
        let reused = matches!(decision, Decision::Reused | Decision::Burned);
        let mut newly_double = false;
        let account = self.change(seq, |presentation| {
            newly_double = reused && !presentation.is_double();
            presentation.decision = decision;
            presentation.spent |= reused;
            presentation.account.clone()
        });
        let account = account.flatten();
        if newly_double {
            self.count(account.as_deref(), Change::Double);
        }
        if let Some(change) = worth(decision) {
            self.count(account.as_deref(), change);
        }
    }

    /// Closes a presentation.
    pub(super) fn close(&mut self, seq: u64, token: &str, delivery: Delivery, at_ms: u64) {
        self.change(seq, |presentation| {
            presentation.delivery = delivery;
            presentation.end_ms = Some(at_ms);
        });
        if let Some(under_way) = self.open.get_mut(token) {
            *under_way -= 1;
            if *under_way == 0 {
                self.open.remove(token);
            }
        }
    }

    pub(super) fn log(&self) -> impl Iterator<Item = &Presentation> {
        self.log.iter()
    }

    pub(super) fn total(&self) -> Tally {
        self.total
    }

    pub(super) fn of(&self, account: &str) -> Tally {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    pub(super) fn burned(&self) -> Vec<String> {
        let burned = self.accounts.iter().filter(|(_, tally)| tally.burned_families > 0);
        burned.map(|(account, _)| account.clone()).collect()
    }

    fn count(&mut self, account: Option<&str>, change: Change) {
        self.total += change;
        if let Some(account) = account {
            // Accounts are those the test granted, so the map is as small as the test.
            *self.accounts.entry(account.to_owned()).or_default() += change;
        }
    }

    fn change<R>(&mut self, seq: u64, change: impl FnOnce(&mut Presentation) -> R) -> Option<R> {
        let oldest = self.log.front()?.seq;
        let index = usize::try_from(seq.checked_sub(oldest)?).ok()?;
        self.log.get_mut(index).map(change)
    }
}

fn worth(decision: Decision) -> Option<Change> {
    match decision {
        Decision::Rotated | Decision::Renewed => Some(Change::Rotation),
        Decision::Replayed => Some(Change::AllowedReplay),
        Decision::Dropped => Some(Change::Dropped),
        Decision::Burned => Some(Change::BurnedFamily),
        Decision::NonceWanted => Some(Change::NonceWanted),
        Decision::Open | Decision::Refused | Decision::Reused | Decision::Answered => None,
    }
}

/// Lines kept: hours of a demo, some tens of megabytes at the most.
const MAX_LOG: usize = 100_000;
