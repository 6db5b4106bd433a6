//! A token endpoint over HTTP.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, Proxy, Response, header, redirect, retry};
use solekey_core::{
    Account, Dialect, ExposeSecret, InputError, mutant,
    ports::{ExchangeRequest, TokenEndpoint, Wire},
};
use url::Url;

use crate::{EndpointSettings, request};

/// A provider's token endpoint over HTTP/1.1, made by [`EndpointSettings::build`].
///
/// Every exchange is one request on a connection of its own. Redirects are answers, not instructions; nothing is
/// retried, by nobody; the environment's proxies are ignored; the answer is read up to [`MAX_BODY_BYTES`].
pub struct HttpEndpoint {
    settings: EndpointSettings,
    url: Url,
    /// Token URL and client id, for breakers and people.
    client: String,
    /// The HTTP client for the last connect timeout asked for. It keeps no connection; making one reads the
    /// certificates of the machine, which is why it is kept.
    http: Mutex<(Duration, Client)>,
}

impl HttpEndpoint {
    pub(crate) fn new(settings: EndpointSettings, url: Url) -> Result<Self, InputError> {
        let within = settings.connect_timeout;
        let http = client(&settings, &url, within)?;
        let client = format!("{url} {}", settings.client_id);
        Ok(Self { settings, url, client, http: Mutex::new((within, http)) })
    }

    /// The client for an exchange of this length. Connecting gets at most half of it: were the exchange to end while
    /// still connecting, "not sent" could not be told from "lost".
    fn http(&self, timeout: Duration) -> Result<Client, InputError> {
        let within = self.settings.connect_timeout.min(timeout / 2);
        let mut kept = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != within {
            *kept = (within, client(&self.settings, &self.url, within)?);
        }
        Ok(kept.1.clone())
    }

    async fn present(&self, http: Client, body: String, timeout: Duration) -> Result<Wire, reqwest::Error> {
        let mut request = http
            .post(self.url.clone())
            .timeout(timeout)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, request::content_type(self.settings.body))
            .body(body);
        if let Some(proof) = request::authorization(&self.settings) {
            request = request.header(header::AUTHORIZATION, proof);
        }
        let mut response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(match read(&mut response).await? {
            Some(body) => Wire::Reply { status, headers, body },
            None => Wire::Lost { why: format!("the answer ({status}) exceeds {MAX_BODY_BYTES} bytes") },
        })
    }
}

#[async_trait]
impl TokenEndpoint for HttpEndpoint {
    /// # Cancel safety
    /// Not cancel safe: a dropped exchange may have been processed. Poll it in a task that nobody cancels.
    async fn exchange(&self, _account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        let http = match self.http(timeout) {
            Ok(http) => http,
            Err(error) => return Wire::NotSent { why: error.to_string() },
        };
        let body = request::body(&self.settings, request.refresh_token);
        if mutant("endpoint_sends_again")
            && let Ok(wire) = self.present(http.clone(), body.clone(), timeout).await
        {
            return wire;
        }
        self.present(http, body, timeout).await.unwrap_or_else(|error| failure(&error))
    }

    fn dialect(&self) -> &Dialect {
        &self.settings.dialect
    }

    fn client(&self) -> &str {
        &self.client
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn client(settings: &EndpointSettings, url: &Url, connect_timeout: Duration) -> Result<Client, InputError> {
    let redirect =
        if mutant("redirect_is_followed") { redirect::Policy::limited(3) } else { redirect::Policy::none() };
    let idle = if mutant("connection_is_used_again") { 8 } else { 0 };
    let mut builder = ClientBuilder::new()
        .user_agent(concat!("solekey/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .pool_max_idle_per_host(idle)
        .connect_timeout(connect_timeout)
        .redirect(redirect)
        .retry(retry::never())
        .referer(false)
        .no_proxy();
    if let Some(proxy) = &settings.proxy {
        let proxy =
            Proxy::all(proxy.expose_secret()).map_err(|_| InputError::new("proxy", "the URL of a proxy"))?;
        builder = builder.proxy(proxy);
    }
    if url.scheme() == "http" {
        // Loopback needs no certificates, and images without any should still start.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| InputError::new("token_url", format!("a working TLS set-up ({})", causes(&error))))
}

/// The whole body, or nothing when there is more of it than we take.
async fn read(response: &mut Response) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// Only what went wrong before there was a connection is known not to have been sent.
fn failure(error: &reqwest::Error) -> Wire {
    let why = causes(error);
    if error.is_connect() || error.is_builder() { Wire::NotSent { why } } else { Wire::Lost { why } }
}

/// What went wrong, without the URL: reqwest puts it first, and the causes say the rest.
fn causes(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() { "the exchange failed".to_owned() } else { causes.join(": ") }
}

/// How much of an answer is read; real ones are below 16 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
