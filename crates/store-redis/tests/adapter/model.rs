//! The scripts against the functions they repeat: random changes to both, at the time the server names.
//!
//! `SOLEKEY_MODEL_OPS` sets how many changes a run makes, `SOLEKEY_MODEL_SEED` repeats one.

use std::time::Duration;

use fastrand::Rng;
use solekey_core::{
    Account, AnswerNote, Cause, Claim, ClaimId, Commit, Content, Delay, Fence, Generation, Login,
    LoginEffect, NewFacts, NewVerdict, Refusal, Revocation, Row, Ruling, Sealed, Settle, StoreTime,
    ports::{Loaded, Record, Store, StoreError},
};

use crate::{
    fixture::Fixture,
    wishes::{account, token},
};

#[tokio::test]
async fn the_scripts_do_what_the_functions_mean() {
    let seed = variable("SOLEKEY_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let ops = variable("SOLEKEY_MODEL_OPS").unwrap_or(4_000);
    println!("SOLEKEY_MODEL_SEED={seed} SOLEKEY_MODEL_OPS={ops}");
    let mut model = Model::new(Fixture::new().await, seed);
    for _ in 0..ops {
        model.step().await;
    }
    let Seen { made, moved, late, presented, same } = model.seen;
    for (kind, count) in
        [("made", made), ("moved", moved), ("late", late), ("presented", presented), ("same", same)]
    {
        assert!(count * 200 >= ops, "{kind}: only {count} of {ops}");
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How often each outcome was met, so that a run that meets none of a kind fails.
#[derive(Default)]
struct Seen {
    made: u64,
    moved: u64,
    late: u64,
    presented: u64,
    same: u64,
}

struct Model {
    fixture: Fixture,
    rng: Rng,
    places: Vec<Place>,
    now: StoreTime,
    seen: Seen,
}

struct Place {
    account: Account,
    record: Option<Record>,
    /// Ids of changes asked for earlier, for repeating and mistaking them.
    ids: Vec<ClaimId>,
}

/// Which way a change went, in the model.
type Decided<T> = Result<T, Refusal>;

/// A change, whole, as it is sent.
#[derive(Debug, Clone)]
enum Change {
    Claim(Claim),
    Commit(Commit, Sealed),
    Settle(Settle),
    Login(Login, Sealed),
    Delete(ClaimId),
    Load,
}

impl Model {
    fn new(fixture: Fixture, seed: u64) -> Self {
        let place =
            |name: &str| Place { account: account(name), record: None, ids: vec![ClaimId::new(id_of(0))] };
        Self {
            fixture,
            rng: Rng::with_seed(seed),
            places: ["a", "b", "c"].map(place).into(),
            now: StoreTime::default(),
            seen: Seen::default(),
        }
    }

    async fn step(&mut self) {
        let at = self.rng.usize(..self.places.len());
        let change = self.change(at);
        let answered = self.send(at, &change).await;
        self.compare(at, &change, answered).await;
    }

    async fn send(&self, at: usize, change: &Change) -> Result<(Loaded, Option<LoginEffect>), StoreError> {
        let (store, account) = (&self.fixture.store, &self.places[at].account);
        match change {
            Change::Claim(claim) => store.claim(account, claim).await.map(|loaded| (loaded, None)),
            Change::Commit(commit, payload) => {
                store.commit(account, commit, payload).await.map(|loaded| (loaded, None))
            }
            Change::Settle(settle) => store.settle(account, settle).await.map(|loaded| (loaded, None)),
            Change::Login(login, payload) => {
                store.login(account, login, payload).await.map(|done| (done.loaded, Some(done.effect)))
            }
            Change::Delete(id) => store.delete(account, *id).await.map(|loaded| (loaded, None)),
            Change::Load => store.load(account).await.map(|loaded| (loaded, None)),
        }
    }

    async fn compare(
        &mut self,
        at: usize,
        change: &Change,
        answered: Result<(Loaded, Option<LoginEffect>), StoreError>,
    ) {
        // Every answer but two names the time of the change; those two change nothing, and are decided by times
        // too far away to depend on which instant it was.
        let now = match &answered {
            Ok((loaded, _)) => loaded.now,
            Err(StoreError::Moved(loaded)) => loaded.now,
            Err(_) => self.fixture.store.load(&self.places[at].account).await.unwrap().now,
        };
        assert!(now >= self.now, "the server's time goes back");
        self.now = now;

        let (decided, record) = self.apply(at, change, now);
        let shown = match (&decided, &answered) {
            (Ok(effect), Ok((loaded, told))) => {
                assert_eq!(effect, told, "{change:?}");
                self.seen.made += u64::from(loaded.record != self.places[at].record);
                self.seen.same += u64::from(*effect == Some(LoginEffect::Same));
                Some(&loaded.record)
            }
            (Err(Refusal::Moved), Err(StoreError::Moved(loaded))) => {
                self.seen.moved += 1;
                Some(&loaded.record)
            }
            (Err(Refusal::Late), Err(StoreError::Late)) => {
                self.seen.late += 1;
                None
            }
            (Err(Refusal::AlreadyPresented), Err(StoreError::AlreadyPresented)) => {
                self.seen.presented += 1;
                None
            }
            _ => {
                panic!("{change:?} on {:?}: meant {decided:?}, answered {answered:?}", self.places[at].record)
            }
        };
        if let Some(shown) = shown {
            assert_eq!(*shown, record, "{change:?} on {:?}", self.places[at].record);
        }
        self.places[at].record = record;
        let loaded = self.fixture.store.load(&self.places[at].account).await.unwrap();
        assert_eq!(loaded.record, self.places[at].record, "{change:?}: what is read afterwards");
    }

    /// What the change means: the record afterwards, by the functions in core.
    fn apply(
        &self,
        at: usize,
        change: &Change,
        now: StoreTime,
    ) -> (Decided<Option<LoginEffect>>, Option<Record>) {
        let before = self.places[at].record.clone();
        let unborn = || Record { row: Row::unborn(), payload: Sealed::default() };
        let mut record = before.clone().unwrap_or_else(unborn);
        let row = &mut record.row;
        let decided = match change {
            Change::Claim(claim) => row.claim(claim, now).map(|()| None),
            Change::Commit(commit, _) => row.commit(commit, now).map(|()| None),
            Change::Settle(settle) => row.settle(settle, now).map(|()| None),
            Change::Login(login, _) => row.login(login, self.elsewhere(at, login), now).map(Some),
            Change::Delete(id) => {
                row.delete(*id, now);
                Ok(None)
            }
            Change::Load => Ok(None),
        };
        let generation = before.as_ref().map_or(Generation::ZERO, |before| before.row.generation);
        if record.row.generation != generation {
            record.payload = match change {
                Change::Commit(_, payload) | Change::Login(_, payload) if !record.row.is_gone() => {
                    payload.clone()
                }
                _ => Sealed::default(),
            };
        }
        let untouched = decided.is_err() || record == unborn();
        (decided, if untouched { before } else { Some(record) })
    }

    fn elsewhere(&self, at: usize, login: &Login) -> bool {
        let Some(token) = login.facts.refresh else { return false };
        self.places.iter().enumerate().filter(|(other, _)| *other != at).any(|(_, place)| {
            place.record.as_ref().is_some_and(|Record { row, .. }| {
                row.presented.contains(&token) || row.facts.is_some_and(|facts| facts.refresh == Some(token))
            })
        })
    }

    fn change(&mut self, at: usize) -> Change {
        let row = self.places[at].record.as_ref().map_or_else(Row::unborn, |record| record.row.clone());
        match self.rng.u8(..20) {
            0..6 => Change::Claim(self.claim(at, &row)),
            6..11 => Change::Commit(self.commit(at, &row), self.payload()),
            11..14 => Change::Settle(self.settle(at, &row)),
            14..18 => Change::Login(self.login(at), self.payload()),
            18 => Change::Delete(self.id(at)),
            _ => Change::Load,
        }
    }

    fn claim(&mut self, at: usize, row: &Row) -> Claim {
        let held = row.facts.and_then(|facts| facts.refresh);
        Claim {
            id: self.id(at),
            from: self.mostly(row.generation),
            seen: self.seen_of(at, row),
            fence: self.rng.bool().then(|| Fence::new(self.now.as_micros() + self.rng.u64(..2_000_000))),
            span: self.span(),
            not_after: if self.rng.u8(..6) == 0 { StoreTime::from_micros(1) } else { far() },
            cause: self.rng.choice([Cause::Due, Cause::Rejected, Cause::Operator]).unwrap(),
            // What is presented is what is held; an account without one presents what nobody else has.
            presents: held.unwrap_or(token(10_000 + at as u64)),
        }
    }

    fn commit(&mut self, at: usize, row: &Row) -> Commit {
        let own = row.open.filter(|_| self.often());
        let attempt = own.map_or_else(|| self.mostly(row.minted), |open| open.attempt);
        let content = match self.rng.u8(..12) {
            0 => Content::Deleted,
            1 => Content::LoggedIn(self.facts()),
            2 if row.open.is_none() => Content::Unusable,
            _ => Content::Rotated(self.facts()),
        };
        Commit {
            note: AnswerNote {
                attempt,
                claim: own.map_or_else(|| self.id(at), |open| open.id),
                made_from: self.mostly(row.generation),
                content,
            },
            seen: self.seen_of(at, row),
            evidence: self.maybe_span(),
            due_in: self.maybe_span(),
            as_of: self.as_of(),
        }
    }

    fn settle(&mut self, at: usize, row: &Row) -> Settle {
        let verdict = self.rng.u8(..4) > 0;
        let ruling = if self.rng.u8(..4) == 0 {
            Ruling::LogIn { why: self.rng.choice([Revocation::Refused, Revocation::InDoubt]).unwrap() }
        } else {
            let why = self.rng.choice([Delay::InDoubt, Delay::RateLimited, Delay::OurFault]).unwrap();
            Ruling::NotBefore { at: self.span(), why }
        };
        Settle {
            id: row.open.filter(|_| self.often()).map_or_else(|| self.id(at), |open| open.id),
            from: self.mostly(row.generation),
            verdict: verdict.then_some(NewVerdict { ruling, strikes: self.rng.u8(..) }),
            due_in: self.maybe_span(),
        }
    }

    fn login(&mut self, at: usize) -> Login {
        let held = self.places[at].record.as_ref().and_then(|record| record.row.facts);
        let mut facts = self.facts();
        if let Some(held) = held.filter(|_| self.rng.u8(..4) == 0) {
            (facts.access, facts.refresh) = (held.access, held.refresh);
        }
        Login {
            id: self.id(at),
            facts,
            accept_spent: self.rng.u8(..4) == 0,
            due_in: self.maybe_span(),
            as_of: self.as_of(),
        }
    }

    fn facts(&mut self) -> NewFacts {
        NewFacts {
            access: token(1_000 + self.rng.u64(..50)),
            // So many that the rows forget some of those they have presented.
            refresh: (self.rng.u8(..10) > 0).then(|| token(self.rng.u64(..200))),
            expires_in: self.maybe_span(),
            refresh_expires_in: self.maybe_span(),
        }
    }

    fn payload(&mut self) -> Sealed {
        let bytes: Vec<u8> = (0..self.rng.usize(1..20)).map(|_| self.rng.u8(..)).collect();
        Sealed::new(bytes)
    }

    /// A new id, or now and then one of this account's earlier ones.
    fn id(&mut self, at: usize) -> ClaimId {
        let ids = &mut self.places[at].ids;
        if self.rng.u8(..8) == 0 {
            return ids[self.rng.usize(ids.len().saturating_sub(4)..ids.len())];
        }
        let id = ClaimId::new(id_of(self.rng.u128(1..)));
        ids.push(id);
        id
    }

    fn seen_of(&mut self, at: usize, row: &Row) -> Option<ClaimId> {
        match self.rng.u8(..10) {
            0 => None,
            1 => Some(self.id(at)),
            _ => row.open.map(|open| open.id),
        }
    }

    fn mostly(&mut self, generation: Generation) -> Generation {
        match self.rng.u8(..12) {
            0 => Generation::new(generation.get().saturating_sub(1)),
            1 => Generation::new(generation.get() + 1),
            _ => generation,
        }
    }

    fn often(&mut self) -> bool {
        self.rng.u8(..10) > 0
    }

    /// Over at once, soon enough to pass during the run, or not at all during it.
    fn span(&mut self) -> Duration {
        match self.rng.u8(..3) {
            0 => Duration::ZERO,
            1 => Duration::from_micros(self.rng.u64(..5_000)),
            _ => Duration::from_secs(self.rng.u64(1_000..100_000)),
        }
    }

    /// Not said, a while ago, or by a clock that is ahead.
    fn as_of(&mut self) -> Option<StoreTime> {
        match self.rng.u8(..3) {
            0 => None,
            1 => Some(self.now - Duration::from_micros(self.rng.u64(..5_000_000))),
            _ => Some(far()),
        }
    }

    fn maybe_span(&mut self) -> Option<Duration> {
        self.rng.bool().then(|| self.span())
    }
}

fn id_of(bits: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(bits)
}

/// Beyond every run, and exact in a script.
fn far() -> StoreTime {
    StoreTime::from_micros(1 << 52)
}
