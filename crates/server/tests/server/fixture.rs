//! A sidecar in this process, with everything it needs.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use solekey::Shutdown;
use solekey_server::{Config, Environment, Server, ServerError};
use solekey_testkit::{
    provider::{AuthorizationServer, Pair, Replay},
    wait::{self, eventually},
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::raw;

/// A sidecar with the provider `acme`, embedded, on a free port.
pub(crate) struct Sidecar {
    pub(crate) address: String,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Shutdown>,
}

/// The response of a sidecar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

/// A provider and a folder for sidecars.
pub(crate) struct World {
    pub(crate) provider: AuthorizationServer,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Replay::StrictFamily).await
    }

    pub(crate) async fn of(replay: Replay) -> Self {
        let provider = AuthorizationServer::start(replay).await.unwrap();
        Self { provider, folder: tempfile::tempdir().unwrap() }
    }

    /// The usual configuration: embedded, attempts that are over soon.
    pub(crate) fn config(&self) -> String {
        self.config_with("")
    }

    /// The usual configuration with these keys of the provider on top.
    pub(crate) fn config_with(&self, more: &str) -> String {
        let file = self.folder.path().join("solekey.db");
        format!(
            "listen = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite://{}\"\n{}",
            file.display(),
            self.provider_table(more)
        )
    }

    /// Unless `more` says otherwise, its times are such that a machine which is busy or stopped for a while ends no exchange
    /// and no wait.
    pub(crate) fn provider_table(&self, more: &str) -> String {
        let patience = if more.contains("max_wait") { "" } else { "max_wait = \"60s\"\n" };
        format!(
            "[[provider]]\nname = \"acme\"\ntoken_url = \"{}\"\nclient_id = \"gateway\"\nexchange_timeout = \"30s\"\n\
             {patience}{more}\n",
            self.provider.token_url()
        )
    }

    pub(crate) async fn sidecar(&self) -> Sidecar {
        Sidecar::start(&self.config()).await
    }

    pub(crate) async fn sidecar_with(&self, more: &str) -> Sidecar {
        Sidecar::start(&self.config_with(more)).await
    }
}

impl Sidecar {
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_in(config, &Environment::default()).await.unwrap()
    }

    pub(crate) async fn start_in(config: &str, environment: &Environment) -> Result<Self, ServerError> {
        let server = Server::bind(Config::parse(config, environment).unwrap()).await?;
        Ok(Self::run(server, Client::builder().no_proxy().build().unwrap()))
    }

    pub(crate) fn run(server: Server, client: Client) -> Self {
        let address = server.address().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, client, stop: Some(stop), running }
    }

    /// Asks it to end, as SIGTERM does.
    pub(crate) fn ask_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Shutdown {
        self.ask_to_stop();
        within(self.running).await.unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let host = if self.address.starts_with("unix:") { "localhost" } else { &self.address };
        self.client.request(method, format!("http://{host}{path}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.request(Method::POST, path).body(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.request(Method::PUT, path).body(body)).await
    }

    /// Logs `id` in with this pair, fresh.
    pub(crate) async fn log_in(&self, id: &str, pair: &Pair) {
        let answer = self.put(&account(id), document(pair, 3600)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// Logs `id` in with this pair, of which the access token has expired.
    pub(crate) async fn log_in_expired(&self, id: &str, pair: &Pair) {
        let answer = self.put(&account(id), document(pair, -60)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// The state of an account, without what moves by itself.
    pub(crate) async fn state(&self, id: &str) -> Value {
        steady(self.get(&account(id)).await.body)
    }

    /// Sends the request line as it is: clients tidy paths up before they send them.
    pub(crate) async fn raw(&self, method: &str, target: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}"
        );
        raw::exchange(&self.address, &format!("{head}\r\n\r\n{body}")).await
    }
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = within(request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = within(response.bytes()).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Self { status, headers, body }
    }

    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status, self.text("code"))
    }

    pub(crate) fn field(&self) -> &str {
        self.text("field")
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    pub(crate) fn access_token(&self) -> &str {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.text("access_token")
    }

    pub(crate) fn generation(&self) -> u64 {
        self.body["generation"].as_u64().unwrap()
    }
}

/// A state without the expiry: it is counted from the store's clock, and may round either way.
pub(crate) fn steady(mut state: Value) -> Value {
    if let Some(state) = state.as_object_mut() {
        state.remove("expires_at");
    }
    state
}

/// The path of an account whose id needs no escapes.
pub(crate) fn account(id: &str) -> String {
    format!("/v1/accounts/acme/{id}")
}

pub(crate) fn token(id: &str) -> String {
    format!("/v1/accounts/acme/{id}/token")
}

pub(crate) fn document(pair: &Pair, expires_in: i64) -> String {
    let expires_at = i64::try_from(unix_now()).unwrap() + expires_in;
    json!({
        "access_token": pair.access_token, "refresh_token": pair.refresh_token, "expires_at": expires_at, "x": [1.50],
    })
    .to_string()
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Bounds every wait of a test.
pub(crate) async fn within<F: IntoFuture>(future: F) -> F::Output {
    wait::within("what the test waits for", future.into_future()).await
}

/// Asks again until `done` says so.
pub(crate) async fn until<F, R>(mut done: F)
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    eventually("what the test waits for", async || done().await.then_some(())).await;
}

/// Every file below a folder, as bytes.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}
