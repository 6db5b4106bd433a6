//! A token endpoint over HTTP.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{
    Body, Client, ClientBuilder, Proxy,
    header::{self, HeaderMap},
    redirect, retry,
};
use solekey_core::{
    Account, Credential, Dialect, ExposeSecret, ISSUER_FIELDS, InputError, KEY_FIELD, mutant,
    ports::{ExchangeRequest, TokenEndpoint, Wire},
};
use url::Url;

use crate::{
    ClientAuth, Dpop, EndpointSettings,
    assertion::{assertion, chosen},
    body::{MAX_BODY_BYTES, causes},
    decode,
    departure::{Departure, Refused},
    dpop::{self, Nonces, PROOF},
    fallback::Clients,
    issuer::{Directory, Issuer},
    key::CannotSign,
    patience::{self, Since},
    received::Received,
    request,
    settings::EndpointLocation,
};

/// A provider's token endpoint over HTTP/1.1, made by [`EndpointSettings::build`].
///
/// Every exchange is one request on a connection of its own. Redirects are answers, not instructions; nothing is
/// retried, by nobody; the environment's proxies are ignored; the answer is read up to [`MAX_BODY_BYTES`]. Where the
/// token endpoint has to be found first, that is a request of its own, without any token, and the exchange is not
/// sent when it fails.
///
/// Proofs of possession carry the newest nonce that the server put into any of its answers, refusals included: an
/// exchange after one that was refused for want of a nonce has it.
pub struct HttpEndpoint {
    settings: EndpointSettings,
    /// The same with the second client.
    second: Option<EndpointSettings>,
    clients: Clients,
    place: EndpointLocation,
    /// Token URL or issuer, and client id, for breakers and people.
    client: String,
    /// The HTTP client for the last connect timeout asked for. It keeps no connection; making one reads the
    /// certificates of the machine, which is why it is kept.
    http: Mutex<(Duration, Client)>,
    directory: Directory,
    nonces: Nonces,
}

/// One exchange, ready to be sent.
struct Message {
    url: Url,
    body: String,
    proof: Option<String>,
}

impl HttpEndpoint {
    pub(crate) fn new(mut settings: EndpointSettings, place: EndpointLocation) -> Result<Self, InputError> {
        if !matches!(settings.dpop, Dpop::Off) {
            // Of our clock or our key, which the account cannot help.
            settings.dialect = settings.dialect.our_fault("invalid_dpop_proof");
        }
        let within = settings.connect_timeout;
        let http = client(&settings, &place, within)?;
        let client = match &place {
            EndpointLocation::At(url, _) => format!("{url} {}", settings.client_id),
            EndpointLocation::Of(issuer) => named(issuer, &settings),
            EndpointLocation::OfAccount(_) => format!("each account's issuer {}", settings.client_id),
        };
        let http = Mutex::new((within, http));
        let (directory, nonces) = (Directory::new(), Nonces::new());
        let (second, clients) = (settings.second(), Clients::default());
        Ok(Self { settings, second, clients, place, client, http, directory, nonces })
    }

    /// The client for an exchange of this length. Connecting gets at most half of it: were the exchange to end while
    /// still connecting, "not sent" could not be distinguished from "lost".
    fn http(&self, timeout: Duration) -> Result<Client, InputError> {
        let within = self.settings.connect_timeout.min(timeout / 2);
        let mut kept = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != within {
            *kept = (within, client(&self.settings, &self.place, within)?);
        }
        Ok(kept.1.clone())
    }

    /// The issuer of this account, where its token endpoint has to be found.
    fn issuer<'a>(&'a self, request: &ExchangeRequest<'_>) -> Result<Option<Cow<'a, Issuer>>, String> {
        match &self.place {
            EndpointLocation::At(..) => Ok(None),
            EndpointLocation::Of(issuer) => Ok(Some(Cow::Borrowed(issuer))),
            EndpointLocation::OfAccount(others) => {
                match ISSUER_FIELDS.into_iter().find_map(|name| request.field(name)) {
                    Some(named) => {
                        let issuer = Issuer::parse(named.expose_secret());
                        issuer
                            .map(|issuer| Some(Cow::Owned(issuer)))
                            .map_err(|error| format!("the account's {error}"))
                    }
                    None if others.is_some() => Ok(others.as_ref().map(Cow::Borrowed)),
                    None => Err("the account names no issuer, and none is configured".to_owned()),
                }
            }
        }
    }

    /// Everything that can fail before a token is on its way.
    async fn prepare(
        &self,
        settings: &EndpointSettings,
        http: &Client,
        request: &ExchangeRequest<'_>,
        timeout: Duration,
    ) -> Result<Message, String> {
        let (url, audience) = match (self.issuer(request)?, &self.place) {
            (Some(issuer), _) => {
                let within = timeout / LOOKUP_SHARE;
                let found = self.directory.token_endpoint(http, &issuer, &self.nonces, within).await;
                (found.map_err(|why| why.to_string())?, issuer.as_str().to_owned())
            }
            (None, EndpointLocation::At(url, Some(issuer))) => (url.clone(), issuer.as_str().to_owned()),
            (None, EndpointLocation::At(url, None)) => (url.clone(), url.to_string()),
            (None, EndpointLocation::Of(_) | EndpointLocation::OfAccount(_)) => {
                return Err("no token endpoint is known".to_owned());
            }
        };
        let signed =
            |made: Result<String, CannotSign>| made.map_err(|_| "nothing could be signed".to_owned());
        let assertion = match &settings.client_auth {
            ClientAuth::PrivateKeyJwt(keys) => {
                let named = request.field(KEY_FIELD);
                let key = chosen(keys, named.as_ref().map(ExposeSecret::expose_secret));
                let key = key.ok_or("the client key that the account names in `key_id` is not configured")?;
                Some(signed(assertion(key, &settings.client_id, &audience))?)
            }
            ClientAuth::None | ClientAuth::Basic(_) | ClientAuth::Post(_) => None,
        };
        let proof = match &settings.dpop {
            Dpop::Key(key) => Some(signed(dpop::proof(key, &url, self.nonces.of(&url).as_deref()))?),
            Dpop::Off | Dpop::KeyNeeded => None,
        };
        let body = request::body(settings, request.refresh_token, assertion.as_deref());
        Ok(Message { url, body, proof })
    }

    async fn present(
        &self,
        settings: &EndpointSettings,
        http: Client,
        message: &Message,
        body: Departure,
        received: &Received,
    ) -> Result<Wire, reqwest::Error> {
        let mut request = http
            .post(message.url.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONTENT_TYPE, request::content_type(settings.body))
            .body(Body::wrap(body));
        if let Some(secret) = request::authorization(settings) {
            request = request.header(header::AUTHORIZATION, secret);
        }
        if let Some(proof) = &message.proof {
            request = request.header(PROOF, proof);
        }
        let mut response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() || !mutant("nonce_of_the_refusal_is_ignored") {
            self.nonces.learn(&message.url, &headers);
        }
        received.begin(status, headers);
        while let Some(chunk) = response.chunk().await? {
            if !received.add(&chunk) {
                let why = format!("the answer ({status}) exceeds {MAX_BODY_BYTES} bytes");
                return Ok(received.whole(self).unwrap_or(Wire::Lost { why }));
            }
        }
        Ok(received.take())
    }
}

#[async_trait]
impl TokenEndpoint for HttpEndpoint {
    /// # Cancel safety
    /// Not cancel safe: a dropped exchange may have been processed. Poll it in a task that nobody cancels.
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        let began = Since::now();
        let http = match self.http(timeout) {
            Ok(http) => http,
            Err(error) => return Wire::NotSent { why: error.to_string() },
        };
        let second = self.second.as_ref().filter(|_| self.clients.is_second(account));
        let own = request.credential.and_then(|credential| self.settings.of_account(credential));
        let settings = own.as_ref().or(second).unwrap_or(&self.settings);
        let message = match self.prepare(settings, &http, &request, timeout).await {
            Ok(message) => message,
            Err(why) => return Wire::NotSent { why },
        };
        let left = timeout.saturating_sub(began.elapsed());
        if left < timeout / 2 {
            // Connecting may take that long; see `http`.
            return Wire::NotSent { why: "the time was over before anything could be sent".to_owned() };
        }
        let (refused, received) = (Refused::default(), Received::default());
        let body = || Departure::new(Bytes::from(message.body.clone()), began, timeout, &refused);
        if mutant("endpoint_sends_again")
            && let Ok(wire) = self.present(settings, http.clone(), &message, body(), &received).await
        {
            return wire;
        }
        let reading = request.read_for.unwrap_or(timeout).saturating_sub(began.elapsed());
        let wire = tokio::select! {
            biased;
            wire = self.present(settings, http, &message, body(), &received) => {
                wire.unwrap_or_else(|error| received.whole(self).unwrap_or_else(|| failure(&error, &refused)))
            }
            () = patience::over(reading) => received
                .whole(self)
                .unwrap_or_else(|| Wire::Lost { why: "no whole answer came in time".to_owned() }),
        };
        if self.second.is_some() && own.is_none() { self.clients.learn(account, self, wire) } else { wire }
    }

    fn dialect(&self) -> &Dialect {
        &self.settings.dialect
    }

    fn check(&self, credential: &Credential) -> Result<(), InputError> {
        self.settings.check_credential(credential)
    }

    fn decoded(&self, headers: &HeaderMap, body: &Bytes) -> Bytes {
        decode::decoded(headers, body, self.settings.dialect.tokens_at())
    }

    fn client(&self) -> &str {
        &self.client
    }

    fn client_of(&self, request: &ExchangeRequest<'_>) -> Cow<'_, str> {
        let own = request.credential.and_then(|credential| self.settings.of_account(credential));
        match self.issuer(request) {
            Ok(Some(issuer)) => Cow::Owned(named(&issuer, own.as_ref().unwrap_or(&self.settings))),
            // One that is not accepted delays nobody else.
            Ok(None) if own.is_some() => {
                let id = own.map(|own| own.client_id).unwrap_or_default();
                Cow::Owned(format!("{} (of its account: {id})", self.client))
            }
            Ok(None) | Err(_) => Cow::Borrowed(&self.client),
        }
    }
}

fn named(issuer: &Issuer, settings: &EndpointSettings) -> String {
    format!("{} {}", issuer.as_str(), settings.client_id)
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn client(
    settings: &EndpointSettings,
    place: &EndpointLocation,
    connect_timeout: Duration,
) -> Result<Client, InputError> {
    let redirect =
        if mutant("redirect_is_followed") { redirect::Policy::limited(3) } else { redirect::Policy::none() };
    let idle = if mutant("connection_is_used_again") { 8 } else { 0 };
    let mut builder = ClientBuilder::new()
        .user_agent(concat!("solekey/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .http1_max_headers(MAX_HEADERS)
        // A line that some proxy put in is no reason to throw away the answer behind it.
        .http1_ignore_invalid_headers_in_responses(!mutant("bad_header_line_loses_the_answer"))
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        // What came is kept as it came: a program around this one may have asked for more.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .pool_max_idle_per_host(idle)
        .tcp_keepalive(DEAD_AFTER / 4)
        .tcp_keepalive_interval(DEAD_AFTER / 4)
        .tcp_keepalive_retries(3)
        .connect_timeout(connect_timeout)
        .redirect(redirect)
        .retry(retry::never())
        .referer(false);
    #[cfg(target_os = "linux")]
    {
        builder = builder.tcp_user_timeout(DEAD_AFTER);
    }
    if !mutant("proxies_of_the_environment_are_used") {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = &settings.proxy {
        let proxy =
            Proxy::all(proxy.expose_secret()).map_err(|_| InputError::new("proxy", "the URL of a proxy"))?;
        builder = builder.proxy(proxy);
    }
    if place.is_plain() {
        // Loopback needs no certificates, and images without any should still start.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| InputError::new("token_url", format!("a working TLS set-up ({})", causes(&error))))
}

/// Only what went wrong before there was a connection, or before the body was handed to it, is known not to have been sent.
fn failure(error: &reqwest::Error, refused: &Refused) -> Wire {
    let why = causes(error);
    if error.is_connect() || error.is_builder() || refused.is_true() {
        Wire::NotSent { why }
    } else {
        Wire::Lost { why }
    }
}

/// Many times as many as the largest seen: cookies of a load balancer, policies, traces.
const MAX_HEADERS: usize = 1024;

/// The lookup of a token endpoint gets a quarter of the exchange's time, so that the rest suffices for a connection.
const LOOKUP_SHARE: u32 = 4;

/// A peer that acknowledges nothing for so long is gone: answers are read for longer than anybody waits for them, and a
/// connection that is dead would be read to the end of that.
const DEAD_AFTER: Duration = Duration::from_secs(60);
const _: () = assert!(DEAD_AFTER.as_secs() >= 30, "a far peer may be slow to acknowledge");
