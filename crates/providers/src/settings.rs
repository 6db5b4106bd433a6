//! What has to be known about a token endpoint.

use std::time::Duration;

use solekey_core::{Dialect, ExposeSecret, InputError, Secret};
use url::{Host, Url};

use crate::HttpEndpoint;

/// Settings of an [`HttpEndpoint`] before validation.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Where refresh tokens are presented: https, or http on loopback. No default.
    pub token_url: String,
    /// The client that the provider knows us by. No default.
    pub client_id: String,
    /// How the client proves itself. Default: not at all, it is public.
    pub client_auth: ClientAuth,
    /// How parameters are written. Default: form, as RFC 6749 wants it.
    pub body: BodyFormat,
    /// The scope to ask for; RFC 6749 keeps the granted one without it. Default: none.
    pub scope: Option<String>,
    /// Further parameters that this provider wants. Default: none.
    pub params: Vec<(String, Secret)>,
    /// How the provider words its answers. Default: [`Dialect::rfc6749`].
    pub dialect: Dialect,
    /// How long opening the connection may take, TLS included, of the time for the exchange; never more than half of
    /// it. What does not get that far is known not to have been sent. Default 3 s.
    pub connect_timeout: Duration,
    /// The URL of a proxy to go through. Default: none, and those of the environment are ignored: a proxy can hold a
    /// request for longer than an attempt lasts.
    pub proxy: Option<Secret>,
}

/// How a client proves itself to the token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientAuth {
    /// It does not: a public client.
    #[default]
    None,
    /// This secret in the `Authorization` header.
    Basic(Secret),
    /// This secret in the body.
    Post(Secret),
}

/// How parameters are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`.
    #[default]
    Form,
    /// A flat JSON object.
    Json,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            token_url: String::new(),
            client_id: String::new(),
            client_auth: ClientAuth::None,
            body: BodyFormat::Form,
            scope: None,
            params: Vec::new(),
            dialect: Dialect::rfc6749(),
            connect_timeout: Duration::from_secs(3),
            proxy: None,
        }
    }
}

impl EndpointSettings {
    /// Validates the settings.
    ///
    /// # Errors
    /// Names the first field that cannot work and what was expected of it. A machine without CA certificates cannot
    /// talk to an https URL, and is told so here.
    pub fn build(self) -> Result<HttpEndpoint, InputError> {
        let url = token_url(&self.token_url)?;
        self.check_client()?;
        self.check_params()?;
        if self.connect_timeout.is_zero() {
            return Err(InputError::new("connect_timeout", "more than nothing"));
        }
        HttpEndpoint::new(self, url)
    }

    fn check_client(&self) -> Result<(), InputError> {
        if self.client_id.is_empty() || !is_visible(&self.client_id) {
            return Err(InputError::new("client_id", "visible ASCII characters"));
        }
        match &self.client_auth {
            ClientAuth::Basic(secret) | ClientAuth::Post(secret) if secret.expose_secret().is_empty() => {
                Err(InputError::new("client_secret", "not to be empty"))
            }
            ClientAuth::None | ClientAuth::Basic(_) | ClientAuth::Post(_) => Ok(()),
        }
    }

    fn check_params(&self) -> Result<(), InputError> {
        match self.params.iter().find(|(name, _)| name.is_empty() || OWN_PARAMS.contains(&name.as_str())) {
            None => Ok(()),
            Some(_) => Err(InputError::new("params", format!("names other than {}", OWN_PARAMS.join(", ")))),
        }
    }
}

fn token_url(text: &str) -> Result<Url, InputError> {
    let refuse = |expected: &str| InputError::new("token_url", expected);
    let url = Url::parse(text).map_err(|_| refuse("an https URL"))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(refuse("a URL without user, password and fragment"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(refuse("an https URL (http only on loopback)")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// RFC 6749, appendix A: client ids are made of VSCHAR.
fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// What an exchange says by itself.
const OWN_PARAMS: [&str; 5] = ["grant_type", "refresh_token", "client_id", "client_secret", "scope"];

#[cfg(test)]
mod tests {
    use solekey_core::secret;

    use super::*;

    fn settings() -> EndpointSettings {
        EndpointSettings {
            token_url: "http://127.0.0.1:9/token".to_owned(),
            client_id: "gateway".to_owned(),
            ..EndpointSettings::default()
        }
    }

    fn field(settings: EndpointSettings) -> String {
        settings.build().expect_err("refused").field().to_owned()
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for url in [
            "https://auth.example/token?tenant=1",
            "http://localhost:1/t",
            "http://[::1]/t",
            "http://127.9.9.9/",
        ] {
            assert!(EndpointSettings { token_url: url.to_owned(), ..settings() }.build().is_ok(), "{url}");
        }
        for url in [
            "",
            "token",
            "http://auth.example/token",
            "http://localhost.example/",
            "ftp://127.0.0.1/",
            "https://u:p@auth.example/",
            "https://auth.example/#x",
        ] {
            assert_eq!(
                field(EndpointSettings { token_url: url.to_owned(), ..settings() }),
                "token_url",
                "{url}"
            );
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        let own = vec![("client_secret".to_owned(), secret("x"))];
        assert_eq!(field(EndpointSettings { client_id: String::new(), ..settings() }), "client_id");
        assert_eq!(field(EndpointSettings { client_id: "a\nb".to_owned(), ..settings() }), "client_id");
        assert_eq!(
            field(EndpointSettings { client_auth: ClientAuth::Post(secret("")), ..settings() }),
            "client_secret"
        );
        assert_eq!(field(EndpointSettings { params: own, ..settings() }), "params");
        assert_eq!(
            field(EndpointSettings { connect_timeout: Duration::ZERO, ..settings() }),
            "connect_timeout"
        );
        assert_eq!(field(EndpointSettings { proxy: Some(secret("::")), ..settings() }), "proxy");
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let settings = EndpointSettings {
            client_auth: ClientAuth::Basic(secret("hush")),
            params: vec![("assertion".to_owned(), secret("hush"))],
            proxy: Some(secret("http://user:hush@127.0.0.1:9")),
            ..settings()
        };
        let printed = format!("{settings:?} {:?}", settings.clone().build().expect("valid"));
        assert!(!printed.contains("hush"), "{printed}");
    }
}
