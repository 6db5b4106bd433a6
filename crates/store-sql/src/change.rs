//! Conditional changes of one row, whatever database it is in.

use solekey_core::{
    Account, Claim, ClaimId, Commit, Fingerprint, Login, LoginEffect, Refusal, Row, Sealed, Settle,
    StoreTime,
    ports::{Loaded, Record, StoreError},
};

/// The facts that a change is decided on.
pub(crate) struct Seen {
    /// The store's time.
    pub(crate) now: StoreTime,
    /// Another account holds or has presented the refresh token asked about, or the archive remembers it.
    pub(crate) claimed_elsewhere: bool,
}

/// One conditional change of one row: a request `T` with an effect `E`.
pub(crate) struct Change<T, E> {
    pub(crate) account: Account,
    /// The payload stored with the row when its generation changes.
    pub(crate) payload: Sealed,
    /// True if the payload is also stored when the row stays as it is.
    pub(crate) replaces_payload: bool,
    /// The refresh token to search for among other accounts and in the archive.
    pub(crate) asks_about: Option<Fingerprint>,
    /// Nobody else may bring that token at the same instant.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has one writer at a time"))]
    pub(crate) is_exclusive: bool,
    /// The store's time after which it must not be made any more.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite has one writer at a time"))]
    pub(crate) not_after: Option<StoreTime>,
    /// After a failover it is refused until owners can have repeated their claims.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite's file is in one place"))]
    pub(crate) waits_for_owners: bool,
    /// The function on [`Row`] that the change is.
    pub(crate) apply: fn(&mut Row, &Seen, &T) -> Result<E, Refusal>,
    /// Its argument.
    pub(crate) request: T,
}

/// The outcome of a change that is not refused.
pub(crate) struct Outcome<E> {
    pub(crate) effect: E,
    pub(crate) before: Loaded,
    /// The record to write; nothing where that is there already.
    pub(crate) after: Option<Record>,
}

impl Change<Claim, ()> {
    pub(crate) fn claim(account: &Account, claim: &Claim) -> Self {
        let change = Self::of(account, *claim, |row, seen, claim| row.claim(claim, seen.now));
        Self { not_after: Some(claim.not_after), waits_for_owners: true, ..change }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn repeat_claim(account: &Account, claim: &Claim) -> Self {
        Self { waits_for_owners: false, ..Self::claim(account, claim) }
    }
}

impl Change<Commit, ()> {
    pub(crate) fn commit(account: &Account, commit: &Commit, payload: &Sealed) -> Self {
        let change = Self::of(account, *commit, |row, seen, commit| row.commit(commit, seen.now));
        Self { payload: payload.clone(), ..change }
    }
}

impl Change<Settle, ()> {
    pub(crate) fn settle(account: &Account, settle: &Settle) -> Self {
        Self::of(account, *settle, |row, seen, settle| row.settle(settle, seen.now))
    }
}

impl Change<Login, LoginEffect> {
    pub(crate) fn login(account: &Account, login: &Login, payload: &Sealed) -> Self {
        let change =
            Self::of(account, *login, |row, seen, login| row.login(login, seen.claimed_elsewhere, seen.now));
        let is_exclusive = !login.accept_spent && login.amends.is_none();
        Self { payload: payload.clone(), asks_about: login.facts.refresh, is_exclusive, ..change }
    }
}

impl Change<ClaimId, ()> {
    pub(crate) fn delete(account: &Account, id: ClaimId) -> Self {
        Self::of(account, id, |row, seen, id| {
            row.delete(*id, seen.now);
            Ok(())
        })
    }
}

/// The row's instants on a clock that stepped back, which every change sees to.
#[cfg(feature = "postgres")]
pub(crate) struct Follow;

#[cfg(feature = "postgres")]
impl Change<Follow, ()> {
    pub(crate) fn follow(account: &Account) -> Self {
        Self::of(account, Follow, |_, _, Follow| Ok(()))
    }
}

/// The same credential under another seal.
pub(crate) struct Reseal(ClaimId);

impl Change<Reseal, ()> {
    pub(crate) fn reseal(account: &Account, made_by: ClaimId, payload: &Sealed) -> Self {
        let change = Self::of(account, Reseal(made_by), |row, _, Reseal(made_by)| row.reseal(*made_by));
        Self { payload: payload.clone(), replaces_payload: true, ..change }
    }
}

impl<T, E> Change<T, E> {
    fn of(account: &Account, request: T, apply: fn(&mut Row, &Seen, &T) -> Result<E, Refusal>) -> Self {
        Self {
            account: account.clone(),
            payload: Sealed::default(),
            replaces_payload: false,
            asks_about: None,
            is_exclusive: false,
            not_after: None,
            waits_for_owners: false,
            apply,
            request,
        }
    }

    /// The outcome of the change for a row that was read.
    pub(crate) fn decide(
        &self,
        mut before: Loaded,
        claimed_elsewhere: bool,
    ) -> Result<Outcome<E>, StoreError> {
        let old = before.record.as_ref().map_or_else(Row::empty, |record| record.row.clone());
        if let Some(record) = &mut before.record {
            record.row.follow(before.now);
        }
        let mut row = before.record.as_ref().map_or_else(Row::empty, |record| record.row.clone());
        let effect = match (self.apply)(&mut row, &Seen { now: before.now, claimed_elsewhere }, &self.request)
        {
            Ok(effect) => effect,
            Err(refusal) => return Err(refused(refusal, before)),
        };
        let writes = row != old || self.replaces_payload;
        let after = writes.then(|| self.record(before.record.as_ref(), row));
        Ok(Outcome { effect, before, after })
    }

    fn record(&self, before: Option<&Record>, row: Row) -> Record {
        let same = before.filter(|before| before.row.generation == row.generation);
        let kept = same.filter(|_| !self.replaces_payload);
        let payload = match kept {
            Some(before) => before.payload.clone(),
            None if row.is_gone() => Sealed::default(),
            None => self.payload.clone(),
        };
        Record { row, payload }
    }
}

fn refused(refusal: Refusal, loaded: Loaded) -> StoreError {
    match refusal {
        Refusal::Moved => StoreError::Moved(Box::new(loaded)),
        Refusal::Late => StoreError::Late,
        Refusal::AlreadyPresented => StoreError::AlreadyPresented,
        Refusal::Lesser => StoreError::Lesser,
    }
}

/// The row, of a change without an effect to report.
pub(crate) fn row(((), loaded): ((), Loaded)) -> Loaded {
    loaded
}
