//! Helpers of the cases.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, AnswerNote, Cause, Claim, ClaimId, Commit, Content, Decision, Delay, Fingerprint, Generation,
    Login, LoginEffect, NewFacts, NewVerdict, Row, Sealed, Settle, StoreTime,
    ports::{Loaded, LoggedIn, Record, Store, StoreError},
};
use uuid::Uuid;

use super::StoreSubject;
use crate::wait::until;

/// Long enough not to pass during a case.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// Short enough to wait for.
pub(super) const SHORT: Duration = Duration::from_millis(50);

pub(super) type Answered = Result<Loaded, StoreError>;

impl StoreSubject {
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store.port
    }

    pub(super) async fn set_format(&self, account: &Account, format: u16) {
        self.foreign.set_format(account, format).await;
    }

    pub(super) async fn load(&self, account: &Account) -> Loaded {
        self.store().load(account).await.expect("loads")
    }

    pub(super) async fn record(&self, account: &Account) -> Record {
        self.load(account).await.record.expect("the account has a row")
    }

    pub(super) async fn row(&self, account: &Account) -> Row {
        self.record(account).await.row
    }

    pub(super) async fn log_in(&self, account: &Account, refresh: Fingerprint) -> Row {
        let done = self.store().login(account, &login(refresh), &payload("login")).await.expect("logs in");
        assert_eq!(done.effect, LoginEffect::New);
        self.same_as_loaded(account, done.loaded).await
    }

    pub(super) async fn try_log_in(&self, account: &Account, login: &Login) -> Result<LoggedIn, StoreError> {
        self.store().login(account, login, &payload("again")).await
    }

    /// Claims from the row as it is.
    pub(super) async fn claim(&self, account: &Account) -> Row {
        let claim = claim_on(&self.load(account).await);
        self.accepted(account, self.store().claim(account, &claim).await).await
    }

    /// Claims from the row as it is, for a span that passes, and waits until it has.
    pub(super) async fn claim_and_doubt(&self, account: &Account) -> Row {
        let claim = Claim { span: SHORT, ..claim_on(&self.load(account).await) };
        let row = self.accepted(account, self.store().claim(account, &claim).await).await;
        self.passed(account, row.open.expect("an attempt is open").until).await;
        row
    }

    pub(super) async fn commit(&self, account: &Account, commit: &Commit) -> Row {
        self.accepted(account, self.store().commit(account, commit, &payload("commit")).await).await
    }

    pub(super) async fn try_commit(&self, account: &Account, commit: &Commit) -> Answered {
        self.store().commit(account, commit, &payload("late")).await
    }

    /// Claims and commits a new refresh token.
    pub(super) async fn rotate(&self, account: &Account, to: Fingerprint) -> Row {
        let claimed = self.claim(account).await;
        self.commit(account, &commit_of(&claimed, to)).await
    }

    pub(super) async fn settle(&self, account: &Account, settle: &Settle) -> Row {
        self.accepted(account, self.store().settle(account, settle).await).await
    }

    /// Checks that an acknowledged row is the one that is read, and returns it.
    pub(super) async fn accepted(&self, account: &Account, answered: Answered) -> Row {
        self.same_as_loaded(account, answered.expect("accepted")).await
    }

    async fn same_as_loaded(&self, account: &Account, answered: Loaded) -> Row {
        let record = answered.record.expect("an accepted change leaves a row");
        let read = self.load(account).await;
        assert_eq!(read.record.as_ref(), Some(&record), "the row read is the row acknowledged");
        assert!(read.now >= answered.now, "the store's time does not step back");
        record.row
    }

    /// A refusal as moved that shows the row, and has not touched it.
    pub(super) async fn moved(&self, account: &Account, before: &Loaded, answered: Answered) {
        let Err(StoreError::Moved(shown)) = answered else { panic!("expected Moved, got {answered:?}") };
        assert_eq!(shown.record, before.record, "the refusal shows the row");
        self.untouched(account, before).await;
    }

    pub(super) async fn untouched(&self, account: &Account, before: &Loaded) {
        assert_eq!(self.load(account).await.record, before.record, "a refusal changes nothing");
    }

    /// Waits until the store's clock is past `instant`.
    pub(super) async fn passed(&self, account: &Account, instant: StoreTime) {
        let passed = async || (self.load(account).await.now > instant).then_some(());
        until("the store's clock", passed).await;
    }
}

pub(super) fn account(id: &str) -> Account {
    Account::new("acme", id).expect("a valid name")
}

/// The fingerprint of the `n`th token.
pub(super) fn token(n: u64) -> Fingerprint {
    let mut bytes = [0xa5; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Fingerprint::new(bytes)
}

pub(super) fn id() -> ClaimId {
    ClaimId::new(Uuid::new_v4())
}

pub(super) fn payload(text: &'static str) -> Sealed {
    Sealed::new(text.as_bytes())
}

pub(super) fn facts(refresh: Fingerprint) -> NewFacts {
    NewFacts {
        access: Fingerprint::new(*id().uuid().as_bytes()),
        refresh: Some(refresh),
        expires_in: Some(LONG),
        refresh_expires_in: None,
    }
}

pub(super) fn login(refresh: Fingerprint) -> Login {
    Login {
        id: id(),
        facts: facts(refresh),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: Some(LONG),
        as_of: None,
    }
}

/// A claim that fits what was loaded, if anything does.
pub(super) fn claim_on(loaded: &Loaded) -> Claim {
    let row = loaded.record.as_ref().map_or_else(Row::empty, |record| record.row.clone());
    Claim {
        id: id(),
        from: row.generation,
        seen: row.open.map(|open| open.id),
        fence: None,
        span: LONG,
        not_after: loaded.now + LONG,
        cause: Cause::Due,
        presents: row.facts.and_then(|facts| facts.refresh).unwrap_or(token(u64::MAX)),
    }
}

/// The commit of the open attempt.
pub(super) fn commit_of(claimed: &Row, to: Fingerprint) -> Commit {
    let open = claimed.open.expect("an attempt is open");
    Commit {
        note: AnswerNote {
            attempt: open.attempt,
            claim: open.id,
            made_from: claimed.generation,
            content: Content::Rotated(facts(to)),
            access_ends: None,
        },
        seen: Some(open.id),
        evidence: None,
        due_in: Some(LONG),
        as_of: None,
        forgotten: None,
    }
}

/// The settling of the open attempt.
pub(super) fn settle_of(claimed: &Row, verdict: Option<NewVerdict>) -> Settle {
    let open = claimed.open.expect("an attempt is open");
    Settle { id: open.id, from: claimed.generation, verdict, due_in: Some(LONG) }
}

pub(super) fn not_before(span: Duration, strikes: u8) -> NewVerdict {
    NewVerdict { decision: Decision::NotBefore { at: span, why: Delay::ProviderDown }, strikes }
}

/// The generation after every one minted so far.
pub(super) fn after(row: &Row) -> Generation {
    Generation::new(row.minted.get() + 1)
}
