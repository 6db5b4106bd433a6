//! Files to test on, and requests.

#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use solekey_core::{
    Account, AnswerNote, Cause, Claim, ClaimId, Commit, Content, Fingerprint, Login, NewFacts, Row, Sealed,
    ports::{Loaded, Store},
};
use solekey_store_sql::SqliteStore;
use solekey_testkit::wait::BOUND;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use uuid::Uuid;

/// A folder that ends with the test, and the path of a store in it.
pub(crate) struct Location {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Location {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    pub(crate) fn below(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        let path = folder.path().join("solekey.db");
        Self { _folder: folder, path }
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path).await.unwrap()
    }

    /// A connection that is none of the store's.
    pub(crate) async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(&self.path).busy_timeout(BOUND);
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

pub(crate) fn account(id: &str) -> Account {
    Account::new("acme", id).unwrap()
}

pub(crate) fn token() -> Fingerprint {
    Fingerprint::new(*Uuid::new_v4().as_bytes())
}

pub(crate) fn login() -> Login {
    Login {
        id: ClaimId::new(Uuid::new_v4()),
        facts: facts(),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: None,
        as_of: None,
    }
}

pub(crate) fn payload() -> Sealed {
    Sealed::new(&b"sealed"[..])
}

/// A claim on the row as it was loaded.
pub(crate) fn claim_on(loaded: &Loaded, span: Duration) -> Claim {
    let row = &loaded.record.as_ref().unwrap().row;
    Claim {
        id: ClaimId::new(Uuid::new_v4()),
        from: row.generation,
        seen: row.open.map(|open| open.id),
        fence: None,
        span,
        not_after: loaded.now + Duration::from_mins(1),
        cause: Cause::Due,
        presents: row.facts.unwrap().refresh.unwrap(),
    }
}

/// The commit of the open attempt.
pub(crate) fn commit_of(row: &Row) -> Commit {
    let open = row.open.unwrap();
    let content = Content::Rotated(facts());
    let note = AnswerNote {
        attempt: open.attempt,
        claim: open.id,
        made_from: row.generation,
        content,
        access_ends: None,
    };
    Commit { note, seen: Some(open.id), evidence: None, due_in: None, as_of: None, forgotten: None }
}

pub(crate) async fn log_in(store: &dyn Store, account: &Account) -> Row {
    store.login(account, &login(), &payload()).await.unwrap().loaded.record.unwrap().row
}

pub(crate) async fn rotate(store: &dyn Store, account: &Account) -> Row {
    let loaded = store.load(account).await.unwrap();
    let claimed = store.claim(account, &claim_on(&loaded, Duration::from_mins(1))).await.unwrap();
    let commit = commit_of(&claimed.record.unwrap().row);
    store.commit(account, &commit, &payload()).await.unwrap().record.unwrap().row
}

fn facts() -> NewFacts {
    NewFacts { access: token(), refresh: Some(token()), expires_in: None, refresh_expires_in: None }
}
