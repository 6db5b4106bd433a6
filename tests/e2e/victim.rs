//! A replica in a process of its own, to be killed.

use std::{env, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use solekey::core::{Account, Generation};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{
    blueprint::{Blueprint, PROVIDER},
    stops::{MARK, report},
    wait::within,
};

/// The process, killed at the latest when this is dropped.
pub(crate) struct Victim {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Closed with this process, whatever ends it: then the child ends too.
    _leash: ChildStdin,
}

/// The orders for the process.
#[derive(Serialize, Deserialize)]
struct Orders {
    blueprint: Blueprint,
    id: String,
    /// The generation that everybody has.
    generation: u64,
}

impl Victim {
    /// Starts a replica that asks for tokens of account `id`, and has nothing to do before that of `generation` is due.
    pub(crate) fn start(blueprint: Blueprint, id: &str, generation: Generation) -> Self {
        let orders = Orders { blueprint, id: id.to_owned(), generation: generation.get() };
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "victim::replica", "--nocapture"])
            .env(ORDERS, serde_json::to_string(&orders).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let leash = child.stdin.take().unwrap();
        Self { child, lines, _leash: leash }
    }

    /// Waits until the replica reports this line.
    pub(crate) async fn reports(&mut self, what: &str) {
        let reported = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.strip_prefix(MARK) == Some(what) {
                    return;
                }
            }
            panic!("the replica ended before it reported {what}");
        };
        within(what, reported).await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), signal).unwrap();
    }

    /// SIGKILL, and waits for the end.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Not a test by itself: what a victim runs. Without orders it has nothing to do.
#[tokio::test]
async fn replica() {
    let Ok(orders) = env::var(ORDERS) else { return };
    let Orders { blueprint, id, generation } = serde_json::from_str(&orders).unwrap();
    let solekey = blueprint.build().await;
    let account = Account::new(PROVIDER, &id).unwrap();
    let ask = async {
        loop {
            if let Ok(token) = solekey.token(&account).await
                && token.generation().get() > generation
            {
                report(SERVES);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut nothing = [0];
    let mut leash = tokio::io::stdin();
    tokio::select! {
        () = ask => {}
        _ = leash.read(&mut nothing) => {}
    }
}

/// The line that a replica reports when it serves a token newer than the one everybody has.
pub(crate) const SERVES: &str = "serves a new token";
const ORDERS: &str = "SOLEKEY_TEST_VICTIM";
