//! `solekey serve` processes, over HTTP.

use std::{
    ffi::OsString,
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use reqwest::{Client, Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use solekey_testkit::provider::{AuthorizationServer, Pair};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::{
    binary::solekey,
    blueprint::PROVIDER,
    fleet::document,
    wait::{BOUND, eventually, within},
};

/// The variable in which sidecars find their seal key.
pub(crate) const SEAL_VARIABLE: &str = "SOLEKEY_E2E_SEAL_KEY";

/// The content of a `solekey.toml`.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The text before the providers.
    pub(crate) head: String,
    pub(crate) token_url: String,
    /// The text below the provider's `token_url`.
    pub(crate) terms: String,
    pub(crate) seal_keys: Option<String>,
    /// Variables of its environment besides.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Settings {
    pub(crate) fn new(provider: &AuthorizationServer, head: &str) -> Self {
        Self {
            head: head.to_owned(),
            token_url: provider.token_url(),
            terms: terms("45s"),
            seal_keys: None,
            variables: Vec::new(),
        }
    }

    /// A doubt outlasts the test, however long that takes.
    pub(crate) fn with_a_long_quarantine(mut self) -> Self {
        self.terms = terms("1h");
        self
    }

    pub(crate) fn toml(&self) -> String {
        let seal = self
            .seal_keys
            .as_ref()
            .map_or_else(String::new, |_| format!("[seal]\nkey_env = \"{SEAL_VARIABLE}\""));
        format!(
            "listen = \"127.0.0.1:0\"\n{}\n{seal}\n[[provider]]\nname = \"{PROVIDER}\"\ntoken_url = \"{}\"\n{}",
            self.head, self.token_url, self.terms
        )
    }
}

/// So long that a machine which is busy or stopped for a while ends no exchange and no wait.
fn terms(quarantine: &str) -> String {
    format!(
        "client_id = \"solekey-tests\"\nreplay = \"strict_family\"\nexchange_timeout = \"30s\"\n\
         quarantine = \"{quarantine}\"\nmax_wait = \"60s\"\n"
    )
}

/// A running sidecar, killed when dropped.
pub(crate) struct Sidecar {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    address: SocketAddr,
    log: PathBuf,
    client: Client,
}

/// An answer of a sidecar.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn token(&self) -> &str {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.body["access_token"].as_str().expect("a token")
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// The command that serves from this configuration file, everything of this process' environment left out that could
/// change what it does.
pub(crate) fn serve(settings: &Settings, name: &str, folder: &Path) -> Command {
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, settings.toml()).unwrap();
    let mut command = std::process::Command::new(solekey());
    let foreign = std::env::vars_os().map(|(name, _)| name);
    let is_heard =
        |name: &OsString| ["SOLEKEY_", "OTEL_"].iter().any(|ours| name.to_string_lossy().starts_with(ours));
    foreign.filter(is_heard).for_each(|name| {
        command.env_remove(name);
    });
    // Nobody listens there, and nobody is to be asked there.
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:1");
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    command
        .args(["serve", "--config"])
        .arg(file)
        .env("SOLEKEY_LOG", "trace")
        .envs(settings.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    if let Some(keys) = &settings.seal_keys {
        command.env(SEAL_VARIABLE, keys);
    }
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command
}

impl Sidecar {
    /// Starts a sidecar and waits until it listens.
    pub(crate) async fn start(settings: &Settings, name: &str, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let mut command = serve(settings, name, folder);
        let mut child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        within("it listens", stdout.read_line(&mut line)).await.unwrap();
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{line:?}: {}", fs::read_to_string(&log).unwrap()));
        let client = Client::builder().no_proxy().timeout(BOUND).build().unwrap();
        Self { child, _stdout: stdout, address, log, client }
    }

    pub(crate) async fn ready(&self) {
        eventually("it is ready", async || {
            let answer = self.get("/readyz").await;
            if answer.status == StatusCode::OK { Ok(()) } else { Err(answer) }
        })
        .await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = self.client.request(method, self.url(path));
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status();
        let bytes = answer.bytes().await.unwrap();
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// Returns the text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.client.get(format!("http://{}/metrics", self.address)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let kind = answer.headers()[reqwest::header::CONTENT_TYPE].to_str().unwrap();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        answer.text().await.unwrap()
    }

    /// The lines that say what was done with refresh tokens.
    pub(crate) fn audit(&self) -> Vec<String> {
        self.logged(" solekey::audit: ")
    }

    /// The lines of the log with these words in them.
    pub(crate) fn logged(&self, words: &str) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }

    pub(crate) async fn token(&self, id: &str) -> Answer {
        self.get(&format!("{}/token", path(id))).await
    }

    /// As [`token`](Self::token), for a client that waits no longer.
    pub(crate) async fn ask_within(&self, id: &str, wait: Duration) -> Answer {
        let request = self.client.get(self.url(&format!("{}/token", path(id))));
        let answer = request.header("x-token-wait-ms", wait.as_millis().to_string()).send().await.unwrap();
        Answer { status: answer.status(), body: answer.json().await.unwrap() }
    }

    pub(crate) async fn import(&self, id: &str, document: &str) -> Answer {
        self.ask(Method::PUT, &path(id), document).await
    }

    /// Logs an account in.
    pub(crate) async fn log_in(&self, id: &str, pair: &Pair) {
        self.log_in_with(id, &document(pair, pair.expires_in)).await;
    }

    /// Logs an account in whose token has ended.
    pub(crate) async fn log_in_due(&self, id: &str, pair: &Pair) {
        let document = serde_json::json!({"refresh_token": pair.refresh_token}).to_string();
        self.log_in_with(id, &document).await;
    }

    /// A store that does not answer in time is asked again, and may have done it.
    async fn log_in_with(&self, id: &str, document: &str) {
        let mut repeated = false;
        let answer = eventually("a login", async || {
            let answer = self.import(id, document).await;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                return Ok(answer);
            }
            repeated = true;
            Err(answer)
        })
        .await;
        let same = repeated && answer.status == StatusCode::OK;
        assert!(same || answer.status == StatusCode::CREATED, "{answer:?}");
    }

    /// Another client of the same sidecar, which can be moved into a task.
    pub(crate) fn token_in_background(&self, id: &str) -> tokio::task::JoinHandle<reqwest::Result<Answer>> {
        let request = self.client.get(self.url(&format!("{}/token", path(id))));
        tokio::spawn(async move {
            let answer = request.send().await?;
            Ok(Answer { status: answer.status(), body: answer.json().await? })
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), signal).unwrap();
    }

    pub(crate) async fn end(mut self) -> ExitStatus {
        within("it ends", self.child.wait()).await.unwrap()
    }

    /// SIGTERM, and a good end.
    pub(crate) async fn stop(self) {
        self.signal(Signal::TERM);
        let log = self.log.clone();
        let status = self.end().await;
        assert!(status.success(), "{status}: {}", fs::read_to_string(log).unwrap());
    }
}

pub(crate) fn path(id: &str) -> String {
    format!("/v1/accounts/{PROVIDER}/{id}")
}
