//! The site's process.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use reqwest::{Client, StatusCode, redirect::Policy};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

use super::referee::{self, Presentation};
use crate::{binary::target, sidecar::Settings, wait::within};

/// Returns whether the test run does without it, by its name in `SOLEKEY_TEST_WITHOUT`.
pub(super) fn is_waived() -> bool {
    let without = env::var("SOLEKEY_TEST_WITHOUT").unwrap_or_default();
    without.split([',', ' ']).any(|name| name == "dot")
}

/// A running site with one person and one client. Killed when dropped; it ends by itself when this process does.
pub(crate) struct Site {
    _child: Child,
    /// The site ends with it.
    _stdin: ChildStdin,
    url: String,
    folder: TempDir,
    pub(super) client: Client,
}

/// The refresh tokens that came of one login.
#[derive(Debug, Deserialize)]
pub(super) struct Family {
    pub(super) live: usize,
    pub(super) revoked: usize,
}

/// The content of the site's tables about the refresh tokens that it has minted.
#[derive(Debug, Deserialize)]
pub(super) struct Tables {
    /// The version of the toolkit.
    pub(super) toolkit: String,
    pub(super) families: Vec<Family>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut child = command(folder.path()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        within("the site listens", stdout.read_line(&mut line)).await.unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{line:?}: {}", fs::read_to_string(&log).unwrap()));
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { _child: child, _stdin: stdin, url: format!("http://{address}"), folder, client }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Returns the settings of a user for such a site, with times short enough for a killed owner's attempt to be
    /// waited for, and long enough for a site in Python on a busy machine.
    pub(super) fn settings(&self, replica: &str, head: &str) -> Settings {
        let terms = format!(
            "client_id = \"{CLIENT_ID}\"\n\
             client_auth = \"basic\"\n\
             client_secret_env = \"GATEWAY_CLIENT_SECRET\"\n\
             replay = \"strict_family\"\n\
             exchange_timeout = \"10s\"\n\
             quarantine = \"13s\"\n\
             lease.ttl = \"11s\"\n\
             max_wait = \"60s\"\n"
        );
        Settings {
            head: head.to_owned(),
            token_url: self.url(&format!("/o/token/of/{replica}/")),
            terms,
            seal_keys: None,
            variables: vec![("GATEWAY_CLIENT_SECRET", CLIENT_SECRET.to_owned())],
        }
    }

    /// The next refresh token that is presented goes no further than the referee, who waits until its client is gone.
    pub(super) fn hold_the_next_presentation(&self) {
        File::create(self.folder.path().join("hold")).unwrap();
    }

    /// All that were made, in their order.
    pub(super) fn presentations(&self) -> Vec<Presentation> {
        referee::read(&self.folder.path().join("presentations.jsonl"))
    }

    pub(super) fn presentation(&self, number: u64) -> Presentation {
        self.presentations().into_iter().find(|presentation| presentation.number == number).unwrap()
    }

    pub(super) async fn tables(&self) -> Tables {
        self.client.get(self.url("/families/")).send().await.unwrap().json().await.unwrap()
    }

    /// Returns the status with which the site's resource answers this access token.
    pub(super) async fn shown(&self, access_token: &str) -> StatusCode {
        self.client.get(self.url("/api/me/")).bearer_auth(access_token).send().await.unwrap().status()
    }
}

fn command(folder: &Path) -> Command {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("dot");
    let mut command = std::process::Command::new(python());
    command
        .arg(project.join("serve.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SOLEKEY_DOT_FOLDER", folder)
        .env("SOLEKEY_DOT_USER", USER)
        .env("SOLEKEY_DOT_PASSWORD", PASSWORD)
        .env("SOLEKEY_DOT_CLIENT_ID", CLIENT_ID)
        .env("SOLEKEY_DOT_CLIENT_SECRET", CLIENT_SECRET)
        .env("SOLEKEY_DOT_REDIRECT_URI", REDIRECT_URI)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command
}

/// A Python that has the toolkit: the one that `scripts/with-dot` names, or that it left in the target folder.
fn python() -> PathBuf {
    let named = env::var_os("SOLEKEY_DOT_PYTHON").map(PathBuf::from);
    let found = named.unwrap_or_else(|| target().join("solekey-test-dot/python"));
    assert!(
        found.is_file(),
        "no django-oauth-toolkit to test with: run the tests with scripts/with-dot, which fetches it, or do without it \
         by name: SOLEKEY_TEST_WITHOUT=dot"
    );
    found
}

pub(super) const USER: &str = "alice";
pub(super) const PASSWORD: &str = "the horse that Alice rides";
pub(super) const CLIENT_ID: &str = "gateway";
pub(super) const CLIENT_SECRET: &str = "what only the gateway knows";
pub(super) const REDIRECT_URI: &str = "http://127.0.0.1/callback";
