//! What happens when a statement is committed: what it waits for, and what is known when that fails.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use solekey_core::{
    ClaimId, Settle,
    ports::{Store, StoreError, Trouble},
};
use solekey_testkit::postgres::is_waived;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

use super::database::Database;
use crate::fixture::{account, claim_on, commit_of, log_in, login, payload};

const MINUTE: Duration = Duration::from_mins(1);

async fn execute(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

/// Has `work` done at the commit of whatever changes a table of ours.
async fn at_commit(connection: &mut PgConnection, work: &str) {
    let function = format!(
        "CREATE OR REPLACE FUNCTION public.at_commit() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN {work}; RETURN NULL; END $$"
    );
    execute(connection, &function).await;
    for table in ["account", "meta"] {
        let trigger = format!(
            "DROP TRIGGER IF EXISTS at_commit ON solekey.{table};
             CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON solekey.{table}
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.at_commit()"
        );
        execute(connection, &trigger).await;
    }
}

/// The values of `synchronous_commit` at the commits since the last call.
async fn waited_for(connection: &mut PgConnection) -> Vec<String> {
    let noted =
        sqlx::query("DELETE FROM public.noted RETURNING setting").fetch_all(connection).await.unwrap();
    noted.iter().map(|row| row.get("setting")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_database_sets_every_change_waits_for_the_disk() {
    if is_waived() {
        return;
    }
    for (set, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let database = Database::new().await;
        drop(database.open().await);
        let mut observer = database.connect().await;
        execute(&mut observer, "CREATE TABLE public.noted (setting text NOT NULL)").await;
        at_commit(&mut observer, "INSERT INTO public.noted VALUES (current_setting('synchronous_commit'))")
            .await;
        let set = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = {set}', current_database()); END $$"
        );
        execute(&mut observer, &set).await;

        let (store, a) = (database.open().await, account("a"));
        let mut changed = async |what: &str| {
            let noted = waited_for(&mut observer).await;
            assert!(
                !noted.is_empty() && noted.iter().all(|setting| setting == expected),
                "{what}: {noted:?}"
            );
        };
        log_in(&store, &a).await;
        changed("a login that makes a row").await;
        let loaded = store.load(&a).await.unwrap();
        let claim = claim_on(&loaded, MINUTE);
        store.claim(&a, &claim).await.unwrap();
        changed("a claim").await;
        let settle = Settle { id: claim.id, from: claim.from, verdict: None, due_in: None };
        let settled = store.settle(&a, &settle).await.unwrap();
        changed("a settling").await;
        let claimed = store.claim(&a, &claim_on(&settled, MINUTE)).await.unwrap().record.unwrap().row;
        changed("another claim").await;
        let commit = commit_of(&claimed);
        store.commit(&a, &commit, &payload()).await.unwrap();
        changed("a commit").await;
        store.reseal(&a, commit.note.claim, &payload()).await.unwrap();
        changed("another seal").await;
        store.login(&a, &login(), &payload()).await.unwrap();
        changed("a login over a row").await;
        store.delete(&a, ClaimId::new(Uuid::new_v4())).await.unwrap();
        changed("a delete").await;
        store.pin("name", b"value").await.unwrap();
        changed("a pin").await;
        store.repin("name", b"value", b"another").await.unwrap();
        changed("a pin that is moved").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_commit_fails_is_not_reported_as_made() {
    if is_waived() {
        return;
    }
    let (database, a) = (Database::new().await, account("a"));
    let store = database.open().await;
    log_in(&store, &a).await;
    let before = store.load(&a).await.unwrap();
    let claim = claim_on(&before, MINUTE);
    let mut observer = database.connect().await;

    at_commit(&mut observer, "RAISE EXCEPTION 'a planned failure'").await;
    let refused = store.claim(&a, &claim).await;
    // The server says that it has undone it.
    assert!(matches!(refused, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{refused:?}");
    let refused = store.pin("name", b"value").await;
    assert!(matches!(refused, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{refused:?}");

    at_commit(&mut observer, "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60)").await;
    let unknown = store.claim(&a, &claim).await;
    // The session ended in the middle of its commit.
    assert!(matches!(unknown, Err(StoreError::Unavailable(Trouble::Unknown(_)))), "{unknown:?}");
    let unknown = store.pin("name", b"value").await;
    assert!(matches!(unknown, Err(StoreError::Unavailable(Trouble::Unknown(_)))), "{unknown:?}");

    assert_eq!(store.load(&a).await.unwrap().record, before.record);
    at_commit(&mut observer, "NULL").await;
    let claimed = store.claim(&a, &claim).await.unwrap().record.unwrap().row;
    assert_eq!(claimed.open.map(|open| open.id), Some(claim.id), "repeated, it is made");
}
