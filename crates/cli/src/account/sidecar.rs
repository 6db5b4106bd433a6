//! The running sidecar.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect, retry};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::Account;

/// A running sidecar.
pub(crate) struct Sidecar {
    http: Client,
    base: Url,
    /// As it was given, for messages.
    shown: String,
}

/// What a login may do, and when its file was written.
pub(super) struct LoginQuery {
    pub(super) accept_spent: bool,
    pub(super) accept_lesser: bool,
    pub(super) written: Option<SystemTime>,
}

impl LoginQuery {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let flags = [("accept_spent", self.accept_spent), ("accept_lesser", self.accept_lesser)];
        let flags =
            flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, "true".to_owned()));
        let since = self.written.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        flags.chain(since.map(|since| ("written_at", since.as_secs().to_string()))).collect()
    }
}

/// A page of accounts.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) accounts: Vec<Value>,
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct LoggedIn {
    login: String,
}

#[derive(Deserialize)]
struct Refreshed {
    generation: u64,
}

#[derive(Deserialize)]
struct Failure {
    code: String,
    message: String,
}

impl Sidecar {
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .connect_timeout(CONNECT)
            .timeout(LONGEST);
        let (builder, base) = match url.strip_prefix("unix:") {
            Some(path) => (builder.unix_socket(path), "http://localhost"),
            None => (builder, url),
        };
        let base = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| anyhow!("--url: expected http://HOST:PORT or unix:PATH"))?;
        Ok(Self { http: builder.build()?, base, shown: url.to_owned() })
    }

    /// `new`, `amended` or `unchanged`.
    pub(super) async fn log_in(
        &self,
        account: &Account,
        document: Vec<u8>,
        query: LoginQuery,
    ) -> anyhow::Result<String> {
        let url = self.account(account, &[])?;
        let request = self.http.request(Method::PUT, url).query(&query.parameters()).body(document);
        Ok(self.ask::<LoggedIn>(request).await?.login)
    }

    /// The account's document, its tokens included.
    pub(super) async fn export(&self, account: &Account) -> anyhow::Result<Vec<u8>> {
        let request = self.http.post(self.account(account, &["export"])?);
        Ok(self.send(request).await?.bytes().await?.to_vec())
    }

    pub(super) async fn state(&self, account: &Account) -> anyhow::Result<Value> {
        self.ask(self.http.get(self.account(account, &[])?)).await
    }

    /// Returns the reasons for its state.
    pub(crate) async fn explain(&self, account: &Account) -> anyhow::Result<Value> {
        let mut url = self.account(account, &[])?;
        url.set_query(Some("explain=true"));
        self.ask(self.http.get(url)).await
    }

    pub(super) async fn remove(&self, account: &Account) -> anyhow::Result<()> {
        self.send(self.http.delete(self.account(account, &[])?)).await.map(drop)
    }

    /// The generation it has now.
    pub(super) async fn refresh(&self, account: &Account) -> anyhow::Result<u64> {
        let request = self.http.post(self.account(account, &["refresh"])?);
        Ok(self.ask::<Refreshed>(request).await?.generation)
    }

    pub(super) async fn list(&self, provider: Option<&str>, cursor: Option<&str>) -> anyhow::Result<Listed> {
        let query = [("provider", provider), ("cursor", cursor)];
        let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.ask(self.http.get(self.url(&["v1", "accounts"])?).query(&query)).await
    }

    fn account(&self, account: &Account, rest: &[&str]) -> anyhow::Result<Url> {
        if matches!(account.id.as_str(), "." | "..") || matches!(account.provider.as_str(), "." | "..") {
            bail!("an account called . or .. has no URL");
        }
        let named = ["v1", "accounts", &account.provider, &account.id];
        self.url(&[&named, rest].concat())
    }

    fn url(&self, segments: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        let mut path = url.path_segments_mut().map_err(|()| anyhow!("--url: expected a URL with a path"))?;
        path.pop_if_empty().extend(segments);
        drop(path);
        Ok(url)
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let body = self.send(request).await?.bytes().await?;
        serde_json::from_slice(&body).with_context(|| format!("{} is no sidecar", self.shown))
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response =
            request.send().await.with_context(|| format!("no answer from a sidecar at {}", self.shown))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await?;
        Err(refusal(status, &body))
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> anyhow::Error {
    match serde_json::from_slice(body) {
        Ok(Failure { code, message }) => anyhow!("{code}: {message}"),
        Err(_) => anyhow!("the sidecar answered {status}"),
    }
}

const CONNECT: Duration = Duration::from_secs(5);
/// A little more than the longest wait that can be configured.
const LONGEST: Duration = Duration::from_secs(310);
