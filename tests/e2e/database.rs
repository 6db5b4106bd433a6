//! PostgreSQL databases to test on.

use solekey_testkit::postgres::{SharedPostgres, postgres_for_tests};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::wait::eventually;

/// A database of a test's own on the server that tests share. On a server that is not theirs it is dropped in the end.
pub(crate) struct Database(SharedPostgres);

impl Database {
    pub(crate) async fn new() -> Self {
        let server = postgres_for_tests().await.unwrap();
        administer(&server.url, format!("CREATE DATABASE {} TEMPLATE template0", server.name)).await;
        Self(server)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url_of_own_database()
    }
}

/// Waits until that many replicas listen to the change feed of this database.
pub(crate) async fn listened_to(url: &str, replicas: i64) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let listening = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN%'";
    eventually("replicas listen", async || {
        let found: i64 = sqlx::query_scalar(listening).fetch_one(&mut connection).await.unwrap();
        if found == replicas { Ok(()) } else { Err(found) }
    })
    .await;
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.0.is_own() {
            return;
        }
        let (url, name) = (self.0.url.clone(), self.0.name.clone());
        // A thread of its own: a runtime that is blocked cannot run what it waits for.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(administer(&url, format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        let _ = dropped.join();
    }
}

async fn administer(url: &str, statement: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}
