//! Real processes that share a file.

#![allow(clippy::unwrap_used)]

use std::{env, path::Path, process::Stdio, time::Duration};

use solekey_core::{
    Account, Row,
    ports::{Store, StoreError, Trouble},
};
use solekey_store_sql::SqliteStore;
use solekey_testkit::wait::within;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::fixture::{Location, account, claim_on, commit_of, log_in, payload};

const FILE: &str = "SOLEKEY_TEST_WORKER_FILE";
const ROTATIONS: &str = "SOLEKEY_TEST_WORKER_ROTATIONS";
/// The word that a worker prints with every acknowledged rotation.
const MARK: &str = "rotated ";

/// Long enough for a commit on a slow disk, short enough to wait for when its process was killed.
const SPAN: Duration = Duration::from_millis(300);

#[tokio::test]
async fn processes_that_rotate_one_account_count_every_rotation_once() {
    let (place, a) = (Location::new(), account("shared"));
    let store = place.open().await;
    log_in(&store, &a).await;
    let mut workers: Vec<_> = (0..3).map(|_| Worker::start(&place.path, 15)).collect();
    let mut made = std::collections::BTreeSet::new();
    for worker in &mut workers {
        while let Some(generation) = worker.rotated().await {
            assert!(made.insert(generation), "generation {generation} twice");
        }
        assert!(worker.child.wait().await.unwrap().success());
    }
    let row = row(&store, &a).await;
    assert_eq!((made.len(), row.rotations), (45, 45));
    assert_eq!(made.last(), Some(&row.generation.get()));
}

#[tokio::test]
async fn a_process_killed_in_the_middle_loses_nothing_it_acknowledged_and_blocks_nobody() {
    let (place, a) = (Location::new(), account("shared"));
    let store = place.open().await;
    log_in(&store, &a).await;
    for round in 1..=4_u64 {
        let before = row(&store, &a).await.rotations;
        let mut worker = Worker::start(&place.path, usize::MAX);
        let mut acknowledged = 0;
        while acknowledged < 5 * round {
            worker.rotated().await.expect("the worker goes on until it is killed");
            acknowledged += 1;
        }
        worker.child.kill().await.unwrap();
        while worker.rotated().await.is_some() {
            acknowledged += 1;
        }
        let after = row(&store, &a).await.rotations - before;
        assert!(
            (acknowledged..=acknowledged + 1).contains(&after),
            "{acknowledged} acknowledged, {after} made"
        );
        rotate_at_last(&store, &a).await;
    }
}

/// Not a test by itself: what the workers above run. Without a file it has nothing to do.
#[tokio::test]
async fn worker() {
    let (Some(file), Ok(rotations)) = (env::var_os(FILE), env::var(ROTATIONS)) else { return };
    let store = SqliteStore::open(file).await.unwrap();
    for _ in 0..rotations.parse::<usize>().unwrap() {
        let generation = rotate_at_last(&store, &account("shared")).await.generation;
        println!("\n{MARK}{generation}");
    }
}

/// Rotates as soon as nobody else's attempt is under way.
async fn rotate_at_last(store: &SqliteStore, account: &Account) -> Row {
    loop {
        match rotate_once(store, account).await {
            Ok(row) => return row,
            // A writer that does not get its turn in time has changed nothing.
            Err(StoreError::Moved(_) | StoreError::Unavailable(Trouble::NotApplied(_))) => {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn rotate_once(store: &SqliteStore, account: &Account) -> Result<Row, StoreError> {
    let loaded = store.load(account).await?;
    let claimed = store.claim(account, &claim_on(&loaded, SPAN)).await?;
    let commit = commit_of(&claimed.record.unwrap().row);
    let committed = store.commit(account, &commit, &payload()).await?;
    Ok(committed.record.unwrap().row)
}

async fn row(store: &SqliteStore, account: &Account) -> Row {
    store.load(account).await.unwrap().record.unwrap().row
}

struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(file: &Path, rotations: usize) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::worker", "--nocapture"])
            .env(FILE, file)
            .env(ROTATIONS, rotations.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next rotation it acknowledges; `None` after its end.
    async fn rotated(&mut self) -> Option<u64> {
        let next = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(generation) = line.strip_prefix(MARK) {
                    return Some(generation.parse().unwrap());
                }
            }
            None
        };
        within("the worker goes on", next).await
    }
}
