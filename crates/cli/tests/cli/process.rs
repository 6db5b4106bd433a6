//! Processes of `solekey`, and their output.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use solekey_testkit::{
    provider::{AuthorizationServer, Pair, Replay},
    wait,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

/// A provider, and a folder to run in.
pub(crate) struct World {
    pub(crate) provider: AuthorizationServer,
    pub(crate) folder: TempDir,
}

/// A running `solekey serve`; killed when it is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

/// The end of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
        Self { provider, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn config(&self) -> String {
        let url = self.provider.token_url();
        format!(
            "listen = \"127.0.0.1:0\"\n[[provider]]\nname = \"acme\"\ntoken_url = \"{url}\"\nclient_id = \"gateway\"\n\
             exchange_timeout = \"30s\"\n"
        )
    }

    /// Writes a file of the folder, and says where it is.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A sidecar with the usual configuration, found as ./solekey.toml.
    pub(crate) async fn serve(&self) -> Serving {
        self.write("solekey.toml", &self.config());
        Serving::start(command(self.folder.path()).arg("serve")).await
    }

    /// Runs the command to its end, with this on standard input.
    pub(crate) async fn run(&self, args: &[&str], input: &str) -> Ended {
        let mut child = command(self.folder.path()).args(args).stdin(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
        ended(within(child.wait_with_output()).await.unwrap())
    }
}

impl Serving {
    /// Starts it and reads where it listens.
    pub(crate) async fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within(lines.next_line()).await.unwrap().expect("it says where it listens");
        let address = line.strip_prefix("listening on ").expect(&line);
        Self { child, url: format!("http://{address}") }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let status = within(self.child.wait()).await.unwrap();
        let mut err = String::new();
        let stderr = self.child.stderr.take().unwrap();
        tokio::io::AsyncReadExt::read_to_string(&mut BufReader::new(stderr), &mut err).await.unwrap();
        Ended { code: status.code(), out: String::new(), err }
    }
}

/// `solekey` in a folder, with nothing of our environment that could mean something to it.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solekey"));
    command.current_dir(folder).env_clear().kill_on_drop(true);
    // Nobody listens there, and nobody is to be asked there.
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:1");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) fn document(pair: &Pair) -> String {
    serde_json::json!({
        "access_token": pair.access_token, "refresh_token": pair.refresh_token, "expires_in": 3600,
    })
    .to_string()
}

fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Bounds every wait of a test.
pub(crate) async fn within<F: IntoFuture>(future: F) -> F::Output {
    wait::within("what the test waits for", future.into_future()).await
}
