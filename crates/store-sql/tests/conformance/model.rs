//! Rows in a file compared with rows in memory.

#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use solekey_conformance::{
    model::{self, Plan, Stage, StorePairs},
    store::Foreign,
};
use solekey_core::{Account, ports::Store};

use crate::{fixture::Location, list::NewerFile};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_does_what_the_store_in_memory_does() {
    let build = async || StorePairs::new(Files(Mutex::new(Arc::new(place())))).await;
    println!("{}", model::run("sqlite", Plan::from_env(), build).await);
}

/// The file of now. One that is lost is another file.
struct Files(Mutex<Arc<Location>>);

#[async_trait]
impl Stage for Files {
    async fn lose_everything(&self) -> Arc<dyn Store> {
        let place = Arc::new(place());
        *self.0.lock().unwrap() = place.clone();
        Arc::new(place.open().await)
    }

    async fn lose_scripts(&self) {}
}

#[async_trait]
impl Foreign for Files {
    async fn set_format(&self, account: &Account, format: u16) {
        let place = self.0.lock().unwrap().clone();
        NewerFile(place).set_format(account, format).await;
    }
}

/// Every change waits for the disk, which is not what this is about: in memory where the host has a folder there.
fn place() -> Location {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Location::below(memory) } else { Location::new() }
}
