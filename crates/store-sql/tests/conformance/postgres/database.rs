//! Databases to test on.

#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use solekey_conformance::store::Foreign;
use solekey_core::{Account, Row, StoreTime};
use solekey_store_sql::PostgresStore;
use solekey_testkit::{
    postgres::{SharedPostgres, postgres_for_tests},
    wait::eventually,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

/// A database of a test's own on the server that tests share. On a server that is not theirs it is dropped in the end.
pub(crate) struct Database {
    server: SharedPostgres,
    pub(crate) url: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let server = postgres_for_tests().await.unwrap();
        create(&server.url, &server.name).await;
        let url = server.url_of_own_database();
        Self { server, url }
    }

    pub(crate) async fn open(&self) -> PostgresStore {
        PostgresStore::connect(&self.url).await.unwrap()
    }

    /// A connection that is none of the store's.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// Returns once a session waits for another one's lock.
    pub(crate) async fn until_somebody_waits(&self) {
        let mut connection = self.connect().await;
        let waiting = "SELECT FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND datname = current_database()";
        eventually("somebody waits", async || {
            let waiting = sqlx::query(waiting).fetch_all(&mut connection).await.unwrap();
            (!waiting.is_empty()).then_some(())
        })
        .await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.server.is_own() {
            return;
        }
        let (url, name) = (self.server.url.clone(), self.server.name.clone());
        // A thread of its own: a runtime that is blocked cannot run what it waits for.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(administer(&url, format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        let _ = dropped.join();
    }
}

/// Makes a database on a server.
pub(crate) async fn create(url: &str, name: &str) {
    administer(url, format!("CREATE DATABASE {name} TEMPLATE template0")).await;
}

async fn administer(url: &str, statement: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}

impl Database {
    /// As if the server's clock had stepped back: every instant lies ahead by so many microseconds.
    pub(crate) async fn step_back(&self, micros: i64) {
        let moved = |at: StoreTime| StoreTime::from_micros(at.as_micros().saturating_add_signed(micros));
        let mut connection = self.connect().await;
        let all = sqlx::query("SELECT provider, id, row FROM solekey.account");
        for found in all.fetch_all(&mut connection).await.unwrap() {
            let mut row: Row = serde_json::from_str(found.get("row")).unwrap();
            row.move_instants(moved);
            let change = sqlx::query(
                "UPDATE solekey.account SET row = $1, due_at = due_at + $2, changed_at = changed_at + $2
                 WHERE provider = $3 AND id = $4",
            );
            let change = change.bind(serde_json::to_string(&row).unwrap()).bind(micros);
            let change = change.bind(found.get::<String, _>("provider")).bind(found.get::<String, _>("id"));
            change.execute(&mut connection).await.unwrap();
        }
    }
}

/// A newer version at work on the same database.
#[async_trait]
impl Foreign for Database {
    async fn set_format(&self, account: &Account, format: u16) {
        let change = sqlx::query("UPDATE solekey.account SET format = $1 WHERE provider = $2 AND id = $3")
            .bind(i64::from(format))
            .bind(account.provider())
            .bind(account.id());
        let changed = change.execute(&mut self.connect().await).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
    }
}
