//! A change, relative to the row as it will be when the operation is carried out.

use std::time::Duration;

use fastrand::Rng;
use solekey_core::{
    AnswerNote, Cause, Claim, ClaimId, Commit, Content, Decision, Delay, Fence, Fingerprint, Forgotten,
    Generation, Login, NewFacts, NewVerdict, Revocation, Row, Sealed, Settle, StoreTime,
};
use uuid::Uuid;

use super::{Change, StorePairs};
use crate::model::pick::{AsOf, FAR_TIME, Near, maybe_span, pick, rarely, span};

/// A request to change a row.
#[derive(Clone, Debug)]
pub enum Request {
    /// To open an attempt.
    Claim {
        /// Its id.
        id: Id,
        /// The generation that is presented.
        from: Near,
        /// The open attempt that was seen.
        seen: Seen,
        /// The lease's fence, later than the store's time by so much.
        fence: Option<Duration>,
        /// The longest time that the attempt may be in flight.
        span: Duration,
        /// True if it arrives after the caller has given up.
        late: bool,
        /// The reason for the attempt.
        cause: Cause,
    },
    /// To put an answer into the row.
    Commit {
        /// The one that the open attempt got; else an answer of this id and attempt.
        own: bool,
        /// The change's id.
        id: Id,
        /// The generation it makes.
        attempt: Near,
        /// The generation it was made from.
        from: Near,
        /// The open attempt that was seen.
        seen: Seen,
        /// The content of the answer.
        content: Brought,
        /// The interval after a rejection.
        evidence: Option<Duration>,
        /// The delay until the row is due.
        due_in: Option<Duration>,
        /// The instant at which spans begin.
        as_of: AsOf,
        /// The longest time for which a forgotten attempt may be in flight.
        forgotten: Option<Duration>,
        /// The number of the payload.
        payload: u64,
    },
    /// To end an attempt without an answer.
    Settle {
        /// The open one; else that of this id.
        own: bool,
        /// The attempt's id.
        id: Id,
        /// The generation it was made from.
        from: Near,
        /// The new verdict.
        verdict: Option<NewVerdict>,
        /// The delay until the row is due.
        due_in: Option<Duration>,
    },
    /// To log in.
    Login {
        /// The change's id.
        id: Id,
        /// The credential.
        tokens: Tokens,
        /// The tokens that the row holds already, instead.
        same: bool,
        /// Whatever was presented.
        accept_spent: bool,
        /// An access token alone, too.
        accept_lesser: bool,
        /// The tokens and the change that made the row, or of another change, that it amends.
        amends: Option<bool>,
        /// The delay until the row is due.
        due_in: Option<Duration>,
        /// The instant at which spans begin.
        as_of: AsOf,
        /// The number of the payload.
        payload: u64,
    },
    /// To delete.
    Delete {
        /// The change's id.
        id: Id,
    },
    /// To put the credential under another seal.
    Reseal {
        /// The one that is there; else that of this id.
        own: bool,
        /// The change that made it.
        id: Id,
        /// The number of the payload.
        payload: u64,
    },
    /// To read the row.
    Load,
}

/// The id of a change.
#[derive(Clone, Copy, Debug)]
pub enum Id {
    /// One that nobody has used.
    New,
    /// One that was used for this account, so many ids ago.
    Earlier(usize),
}

/// The open attempt that was seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// None.
    None,
    /// The one that is there.
    Open,
    /// Another.
    Other(Id),
}

/// The content of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Brought {
    /// A pair.
    Rotated(Tokens),
    /// A login.
    LoggedIn(Tokens),
    /// A delete.
    Deleted,
    /// Nothing that was understood.
    Unread,
}

/// A credential: few tokens for all accounts, but so many that rows forget some of those they have presented.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    access: u64,
    refresh: Option<u64>,
    expires_in: Option<Duration>,
    refresh_expires_in: Option<Duration>,
}

impl Request {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..21) {
            0..7 => Self::Claim {
                id: Id::draw(rng),
                from: Near::close(rng),
                seen: Seen::draw(rng),
                fence: rng.bool().then(|| Duration::from_micros(rng.u64(..2_000_000))),
                // Mostly over soon: nothing is claimed while another attempt is in flight.
                span: if rarely(rng, 3) { span(rng) } else { Duration::from_micros(rng.u64(..2_000)) },
                late: rarely(rng, 8),
                cause: pick(rng, &[Cause::Due, Cause::Rejected, Cause::Operator]),
            },
            7..12 => Self::Commit {
                own: !rarely(rng, 5),
                id: Id::draw(rng),
                attempt: Near::close(rng),
                from: Near::close(rng),
                seen: Seen::draw(rng),
                content: Brought::draw(rng),
                evidence: maybe_span(rng),
                due_in: maybe_span(rng),
                as_of: AsOf::draw(rng),
                forgotten: (!rarely(rng, 3)).then(|| Duration::from_micros(rng.u64(..2_000))),
                payload: rng.u64(..),
            },
            12..15 => Self::Settle {
                own: !rarely(rng, 5),
                id: Id::draw(rng),
                from: Near::close(rng),
                verdict: (!rarely(rng, 4)).then(|| verdict(rng)),
                due_in: maybe_span(rng),
            },
            15..18 => Self::Login {
                id: Id::draw(rng),
                tokens: Tokens::draw(rng),
                same: rarely(rng, 4),
                accept_spent: rarely(rng, 4),
                accept_lesser: rarely(rng, 3),
                amends: rarely(rng, 4).then(|| !rarely(rng, 4)),
                due_in: maybe_span(rng),
                as_of: AsOf::draw(rng),
                payload: rng.u64(..),
            },
            18 => Self::Delete { id: Id::draw(rng) },
            19 => Self::Reseal { own: !rarely(rng, 3), id: Id::draw(rng), payload: rng.u64(..) },
            _ => Self::Load,
        }
    }
}

impl Id {
    fn draw(rng: &mut Rng) -> Self {
        if rarely(rng, 8) { Self::Earlier(rng.usize(..4)) } else { Self::New }
    }
}

impl Seen {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..10) {
            0 => Self::None,
            1 => Self::Other(Id::draw(rng)),
            _ => Self::Open,
        }
    }
}

impl Brought {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..12) {
            0 => Self::Deleted,
            1 => Self::LoggedIn(Tokens::draw(rng)),
            2 => Self::Unread,
            _ => Self::Rotated(Tokens::draw(rng)),
        }
    }
}

impl Tokens {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            access: 1_000_000 + rng.u64(..50),
            refresh: (!rarely(rng, 10)).then(|| rng.u64(..1_000)),
            expires_in: maybe_span(rng),
            refresh_expires_in: maybe_span(rng),
        }
    }

    fn facts(self) -> NewFacts {
        let Self { access, refresh, expires_in, refresh_expires_in } = self;
        NewFacts { access: token(access), refresh: refresh.map(token), expires_in, refresh_expires_in }
    }
}

fn verdict(rng: &mut Rng) -> NewVerdict {
    let decision = if rarely(rng, 4) {
        Decision::LogIn {
            why: pick(rng, &[Revocation::Refused, Revocation::InDoubt, Revocation::AnswerUnread]),
        }
    } else {
        let why = pick(rng, &[Delay::InDoubt, Delay::RateLimited, Delay::OurFault]);
        Decision::NotBefore { at: span(rng), why }
    };
    NewVerdict { decision, strikes: rng.u8(..) }
}

impl StorePairs {
    /// Returns the request as a change of the row as it is.
    ///
    /// A store cannot see which tokens a row of a newer version has, and may keep the reservations made for it.
    /// Therefore a change of such a row uses tokens that no other change uses.
    pub(super) async fn change_of(&mut self, at: usize, request: &Request, newer: bool) -> Change {
        let row = self.row(at).await;
        let now = self.now;
        match *request {
            Request::Claim { id, from, seen, fence, span, late, cause } => Change::Claim(Claim {
                id: self.id(at, id),
                from: near(from, row.generation),
                seen: self.seen(at, seen, &row),
                fence: fence.map(|ahead| Fence::new((now + ahead).as_micros())),
                span,
                not_after: if late { StoreTime::from_micros(1) } else { FAR_TIME },
                cause,
                // What is presented is what is held; an account without one presents what nobody else has.
                presents: held(&row).unwrap_or(token(10_000 + at as u64)),
            }),
            Request::Commit {
                own,
                id,
                attempt,
                from,
                seen,
                content,
                evidence,
                due_in,
                as_of,
                forgotten,
                payload,
            } => {
                let open = row.open.filter(|_| own);
                let note = AnswerNote {
                    attempt: open.map_or_else(|| near(attempt, row.minted), |open| open.attempt),
                    claim: open.map_or_else(|| self.id(at, id), |open| open.id),
                    made_from: near(from, row.generation),
                    content: self.content(content, &row, newer),
                    access_ends: None,
                };
                let seen = self.seen(at, seen, &row);
                let forgotten = forgotten.map(|span| Forgotten { id: self.id(at, Id::New), span });
                let commit = Commit { note, seen, evidence, due_in, as_of: as_of.at(now), forgotten };
                Change::Commit(commit, payload_of(payload))
            }
            Request::Settle { own, id, from, verdict, due_in } => {
                let open = row.open.filter(|_| own);
                let id = open.map_or_else(|| self.id(at, id), |open| open.id);
                Change::Settle(Settle { id, from: near(from, row.generation), verdict, due_in })
            }
            Request::Login {
                id,
                tokens,
                same,
                accept_spent,
                accept_lesser,
                amends,
                due_in,
                as_of,
                payload,
            } => {
                let mut facts = self.facts(tokens, newer);
                if let Some(held) = row.facts.filter(|_| same || amends.is_some()) {
                    facts.refresh = held.refresh;
                    if same || held.refresh.is_none() {
                        facts.access = held.access;
                    }
                }
                let id = self.id(at, id);
                let amends = match amends {
                    Some(true) => Some(row.made_by),
                    Some(false) => Some(self.id(at, Id::New)),
                    None => None,
                };
                let as_of = as_of.at(now);
                let login = Login { id, facts, accept_spent, accept_lesser, amends, due_in, as_of };
                Change::Login(login, payload_of(payload))
            }
            Request::Delete { id } => Change::Delete(self.id(at, id)),
            Request::Reseal { own, id, payload } => {
                let made_by = if own { row.made_by } else { self.id(at, id) };
                Change::Reseal(made_by, payload_of(payload))
            }
            Request::Load => Change::Load,
        }
    }

    /// An answer without a usable token is never put into a row whose attempt is open: it counts as absent.
    fn content(&mut self, brought: Brought, row: &Row, newer: bool) -> Content {
        match brought {
            Brought::Rotated(tokens) => Content::Rotated(self.facts(tokens, newer)),
            Brought::LoggedIn(tokens) => Content::LoggedIn(self.facts(tokens, newer)),
            Brought::Unread if row.open.is_none() => Content::Unread,
            Brought::Unread | Brought::Deleted => Content::Deleted,
        }
    }

    fn facts(&mut self, tokens: Tokens, newer: bool) -> NewFacts {
        let facts = tokens.facts();
        if !newer {
            return facts;
        }
        NewFacts { refresh: facts.refresh.map(|_| Fingerprint::new(*self.mint().as_bytes())), ..facts }
    }

    fn id(&mut self, at: usize, id: Id) -> ClaimId {
        let id = match id {
            Id::New => ClaimId::new(self.mint()),
            Id::Earlier(back) => {
                let ids = &self.places[at].ids;
                return ids[ids.len().saturating_sub(back + 1)];
            }
        };
        self.places[at].ids.push(id);
        id
    }

    fn seen(&mut self, at: usize, seen: Seen, row: &Row) -> Option<ClaimId> {
        match seen {
            Seen::None => None,
            Seen::Open => row.open.map(|open| open.id),
            Seen::Other(id) => Some(self.id(at, id)),
        }
    }

    fn mint(&mut self) -> Uuid {
        self.minted += 1;
        Uuid::from_u128(self.minted << 64 | 1)
    }
}

fn held(row: &Row) -> Option<Fingerprint> {
    row.facts.and_then(|facts| facts.refresh)
}

fn near(near: Near, generation: Generation) -> Generation {
    Generation::new(near.of(generation.get()))
}

fn token(number: u64) -> Fingerprint {
    // An archive keeps the first half.
    Fingerprint::new((u128::from(number) << 64).to_be_bytes())
}

/// Of all lengths that matter: none, one, many.
fn payload_of(number: u64) -> Sealed {
    let bytes = number.to_be_bytes();
    Sealed::new(bytes.repeat(usize::from(bytes[0]) / 64)[..].to_vec())
}
