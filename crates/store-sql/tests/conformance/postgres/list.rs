//! The list of stores, over one process with the database open, and over three.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use solekey_conformance::{
    Table,
    store::{self, StoreSubject},
};
use solekey_testkit::postgres::{is_waived, postgres_for_tests};

use super::database::Database;
use crate::list::{CASES, InTurn};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_passes_every_case() {
    if is_waived() {
        return;
    }
    // One server for all databases of this test, which come and go.
    let _server = postgres_for_tests().await.unwrap();
    let reports = [
        store::run("postgres", async || subject(1).await).await,
        store::run("postgres, opened 3 times", async || subject(3).await).await,
    ];
    let table = Table::of(reports);
    println!("{table}");
    assert_eq!(table.cells(), 2 * CASES);
}

async fn subject(times: usize) -> StoreSubject {
    let database = Arc::new(Database::new().await);
    let mut stores = Vec::new();
    for _ in 0..times {
        stores.push(database.open().await);
    }
    StoreSubject::new(Arc::new(InTurn::over(stores)), database)
}
