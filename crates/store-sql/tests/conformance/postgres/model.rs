//! Rows in a database compared with rows in memory.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use solekey_conformance::{
    model::{self, Plan, Stage, StorePairs},
    store::Foreign,
};
use solekey_core::{Account, ports::Store};
use solekey_testkit::postgres::{is_waived, postgres_for_tests};

use super::database::Database;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_does_what_the_store_in_memory_does() {
    if is_waived() {
        return;
    }
    // One server for all databases of this test, which come and go.
    let _server = postgres_for_tests().await.unwrap();
    let build = async || StorePairs::new(Databases(Mutex::new(Arc::new(Database::new().await)))).await;
    // Each operation is two statements and a read of both rows.
    println!("{}", model::run("postgres", Plan::from_env().shortened(5), build).await);
}

/// The database of now. One that is lost is another database.
struct Databases(Mutex<Arc<Database>>);

#[async_trait]
impl Stage for Databases {
    async fn lose_everything(&self) -> Arc<dyn Store> {
        let database = Arc::new(Database::new().await);
        *self.0.lock().unwrap() = database.clone();
        Arc::new(database.open().await)
    }

    async fn lose_scripts(&self) {}

    async fn step_back(&self, micros: i64) -> bool {
        let database = self.0.lock().unwrap().clone();
        database.step_back(micros).await;
        true
    }
}

#[async_trait]
impl Foreign for Databases {
    async fn set_format(&self, account: &Account, format: u16) {
        let database = self.0.lock().unwrap().clone();
        database.set_format(account, format).await;
    }
}
