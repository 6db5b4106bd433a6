//! The gateway, from outside.

use std::{io::Write as _, process::Stdio, time::Duration};

use reqwest::{Client, Response, StatusCode, header::RETRY_AFTER};
use rustix::process::{Pid, Signal, kill_process};
use solekey_testkit::provider::{AuthorizationServer, Fault, Replay, Reply};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::output::within;

/// The program before a provider, killed at the latest when this is dropped.
struct Gateway {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    http: Client,
    _credential: NamedTempFile,
}

impl Gateway {
    async fn before(acme: &AuthorizationServer) -> Self {
        let mut credential = NamedTempFile::new().unwrap();
        write!(credential, r#"{{"refresh_token": "{}"}}"#, acme.grant("alice").refresh_token).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gateway"))
            .args([acme.token_url(), acme.resource_url()])
            .arg(credential.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within(lines.next_line()).await.unwrap().unwrap();
        let url = format!("http://{}", line.strip_prefix("listening on ").unwrap());
        let http = Client::builder().no_proxy().build().unwrap();
        Self { child, lines, url, http, _credential: credential }
    }

    async fn get(&self, id: &str) -> Response {
        within(self.http.get(format!("{}/{id}", self.url)).send()).await.unwrap()
    }

    /// Asks it to end, as a supervisor does; its last line, and whether it ended well.
    async fn stopped(mut self) -> (String, bool) {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let line = within(self.lines.next_line()).await.unwrap().unwrap();
        (line, within(self.child.wait()).await.unwrap().success())
    }
}

async fn world() -> (AuthorizationServer, Gateway) {
    let acme = within(AuthorizationServer::start(Replay::StrictFamily)).await.unwrap();
    let gateway = Gateway::before(&acme).await;
    (acme, gateway)
}

#[tokio::test]
async fn gateway_replaces_a_token_that_the_api_refuses_and_stops_without_doubt() {
    let (acme, gateway) = world().await;
    assert_eq!(gateway.get("alice").await.status(), StatusCode::OK);
    assert!(acme.reject_access(&acme.newest("alice").unwrap().access_token));
    assert_eq!(gateway.get("alice").await.status(), StatusCode::OK);
    assert_eq!((acme.rotations(), acme.double_presentations()), (2, 0));
    assert_eq!(gateway.stopped().await, ("stopped, in doubt: 0".to_owned(), true));
}

#[tokio::test]
async fn gateway_says_when_to_come_back_and_whom_nobody_knows() {
    let (acme, gateway) = world().await;
    acme.inject(Fault::Answer(Reply::RateLimited(Some(Duration::from_secs(30)))).once());
    let answer = gateway.get("alice").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let after: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(gateway.get("bob").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn gateway_requires_a_login_where_the_grant_has_ended() {
    let (acme, gateway) = world().await;
    acme.withdraw("alice");
    let answer = gateway.get("alice").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.text().await.unwrap().starts_with("login required"));
}
