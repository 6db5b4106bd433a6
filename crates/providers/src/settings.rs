//! The settings of a token endpoint.

use std::time::Duration;

use solekey_core::{
    CLIENT_FIELDS, Credential, Dialect, ExposeSecret, InputError, SECRET_FIELDS, Secret, mutant,
};
use url::{Host, Url};

use crate::{ClientKey, Dpop, HttpEndpoint, issuer::Issuer};

/// Settings of an [`HttpEndpoint`] before validation.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// The URL at which refresh tokens are presented: https, or http on loopback. No default; it may be left out where
    /// the metadata of an [`issuer`](Self::issuer), or of [each account's](Self::issuer_of_account), states it. It wins
    /// over all metadata.
    pub token_url: String,
    /// The authorization server's issuer identifier, https or http on loopback: the audience of what the client signs,
    /// and, without a `token_url`, the server whose metadata (RFC 8414) is asked for the token endpoint, within the
    /// time of an exchange and at most once an hour. Its metadata counts only if it names this very issuer. Default:
    /// none; the audience is the token URL.
    pub issuer: Option<String>,
    /// Accounts live on authorization servers of their own: each account's document names it in `iss` or `issuer`, and
    /// [`issuer`](Self::issuer) is for those that name none. Ignored where there is a `token_url`. Default: they do
    /// not.
    pub issuer_of_account: bool,
    /// Accounts belong to clients of their own: a document that names one in `client_id` is presented by that one, with
    /// the `client_secret` next to it, if there is one. Default: they do not; a document that names another client than
    /// [`client_id`](Self::client_id) and [`fallback_client`](Self::fallback_client) is refused.
    pub client_of_account: bool,
    /// Proofs of possession (RFC 9449). Default: none.
    pub dpop: Dpop,
    /// The client that the provider knows us by. No default.
    pub client_id: String,
    /// The parameter that names the client. Default: `client_id`, as RFC 6749 has it.
    pub client_id_name: String,
    /// The way in which the client proves itself. Default: not at all, it is public.
    pub client_auth: ClientAuth,
    /// A second client, for accounts whose refresh token the first one may not present. It is tried where the provider
    /// returns `unauthorized_client`, in an exchange of its own, and from then on first for that account. Default:
    /// none.
    pub fallback_client: Option<FallbackClient>,
    /// The format of parameters. Default: form, as RFC 6749 wants it.
    pub body: BodyFormat,
    /// The scope to ask for; RFC 6749 keeps the granted one without it. Default: none.
    pub scope: Option<String>,
    /// Further parameters that this provider wants. Default: none.
    pub params: Vec<(String, Secret)>,
    /// The wording of the provider's answers. Default: [`Dialect::rfc6749`].
    pub dialect: Dialect,
    /// The longest time that opening the connection may take, TLS included, of the time for the exchange; never more
    /// than half of it. What does not get that far is known not to have been sent. Default 3 s.
    pub connect_timeout: Duration,
    /// The URL of a proxy to go through. Default: none, and those of the environment are ignored: a proxy can hold a
    /// request for longer than an attempt lasts.
    pub proxy: Option<Secret>,
}

/// A second client at the same token endpoint.
#[derive(Clone, Debug)]
pub struct FallbackClient {
    /// The client that the provider knows us by.
    pub client_id: String,
    /// The way in which it proves itself.
    pub client_auth: ClientAuth,
}

/// The way in which a client proves itself to the token endpoint (RFC 6749, section 2.3).
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
    /// A fresh signature for each exchange (RFC 7523), by the key that the account names in `key_id`, or by the first
    /// where it names none. Servers bind a session to the key it began with: while sessions of an older key live, keep
    /// it here behind the new one, and see to it that they name it.
    PrivateKeyJwt(Vec<ClientKey>),
}

/// The format of parameters.
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
            issuer: None,
            issuer_of_account: false,
            client_of_account: false,
            dpop: Dpop::Off,
            client_id: String::new(),
            client_id_name: "client_id".to_owned(),
            client_auth: ClientAuth::None,
            fallback_client: None,
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
    /// talk to an https URL, and gets an error here.
    pub fn build(self) -> Result<HttpEndpoint, InputError> {
        let place = self.place()?;
        self.check_client()?;
        if matches!(self.dpop, Dpop::KeyNeeded) {
            return Err(InputError::new("dpop_key", "a private key: this provider binds tokens to one"));
        }
        if let Some(second) = self.second() {
            second
                .check_client()
                .map_err(|error| InputError::new(format!("fallback_{}", error.field()), error.expected()))?;
            if second.client_id == self.client_id {
                return Err(InputError::new("fallback_client_id", "another one than client_id"));
            }
        }
        self.check_params()?;
        if self.connect_timeout.is_zero() {
            return Err(InputError::new("connect_timeout", "more than nothing"));
        }
        HttpEndpoint::new(self, place)
    }

    fn place(&self) -> Result<EndpointLocation, InputError> {
        let issuer = self.issuer.as_deref().map(Issuer::parse).transpose()?;
        if self.token_url.is_empty() {
            match issuer {
                issuer if self.issuer_of_account => return Ok(EndpointLocation::OfAccount(issuer)),
                Some(issuer) => return Ok(EndpointLocation::Of(issuer)),
                None => {}
            }
        }
        let url = usable_url(&self.token_url).map_err(|expected| InputError::new("token_url", expected))?;
        Ok(EndpointLocation::At(url, issuer))
    }

    /// The client that a document names, where that is none of ours.
    fn other_client(&self, credential: &Credential) -> Option<Secret> {
        let named = CLIENT_FIELDS.into_iter().find_map(|name| credential.field(name))?;
        let second = self.fallback_client.as_ref().map(|second| second.client_id.as_str());
        let ours = [Some(self.client_id.as_str()), second];
        (!ours.contains(&Some(named.expose_secret()))).then_some(named)
    }

    /// Refuses a credential that was issued to another client.
    pub(crate) fn check_credential(&self, credential: &Credential) -> Result<(), InputError> {
        let is_refused = !self.client_of_account && !mutant("document_of_another_client_is_taken");
        match self.other_client(credential) {
            Some(_) if is_refused && credential.refresh_token().is_some() => {
                let expected = "the client of this provider: its own is used where client_of_account = true";
                Err(InputError::new(CLIENT_FIELDS[0], expected))
            }
            Some(client) if !is_visible(client.expose_secret()) => {
                Err(InputError::new(CLIENT_FIELDS[0], "visible ASCII characters"))
            }
            _ => Ok(()),
        }
    }

    /// The same for the client that the account's document names, where accounts have their own.
    pub(crate) fn of_account(&self, credential: &Credential) -> Option<Self> {
        let client = self.other_client(credential).filter(|_| self.client_of_account)?;
        let secret = SECRET_FIELDS.into_iter().find_map(|name| credential.field(name));
        let client_auth = match (&self.client_auth, secret) {
            (ClientAuth::Basic(_), Some(secret)) => ClientAuth::Basic(secret),
            (_, Some(secret)) => ClientAuth::Post(secret),
            (_, None) => ClientAuth::None,
        };
        let client_id = client.expose_secret().to_owned();
        Some(Self { client_id, client_auth, fallback_client: None, ..self.clone() })
    }

    /// The same for the second client.
    pub(crate) fn second(&self) -> Option<Self> {
        let FallbackClient { client_id, client_auth } = self.fallback_client.clone()?;
        Some(Self { client_id, client_auth, fallback_client: None, ..self.clone() })
    }

    fn check_client(&self) -> Result<(), InputError> {
        if self.client_id.is_empty() || !is_visible(&self.client_id) {
            return Err(InputError::new("client_id", "visible ASCII characters"));
        }
        match &self.client_auth {
            ClientAuth::Basic(secret) | ClientAuth::Post(secret) if secret.expose_secret().is_empty() => {
                Err(InputError::new("client_secret", "not to be empty"))
            }
            ClientAuth::PrivateKeyJwt(keys) => check_keys(keys),
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

/// The place where an endpoint's tokens are presented.
#[derive(Clone, Debug)]
pub(crate) enum EndpointLocation {
    /// There; what is signed is for this issuer.
    At(Url, Option<Issuer>),
    /// The token endpoint in this issuer's metadata.
    Of(Issuer),
    /// The token endpoint in the metadata of each account's issuer; of this one where an account names none.
    OfAccount(Option<Issuer>),
}

impl EndpointLocation {
    /// Returns whether nothing there wants certificates.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::At(url, _) => url.scheme() == "http",
            Self::Of(issuer) => issuer.is_plain(),
            Self::OfAccount(_) => false,
        }
    }
}

fn check_keys(keys: &[ClientKey]) -> Result<(), InputError> {
    if keys.is_empty() {
        return Err(InputError::new("client_key", "at least one private key"));
    }
    let is_usable = |(at, key): (usize, &ClientKey)| {
        let twice = keys[..at].iter().any(|other| other.id == key.id);
        !key.id.is_empty() && is_visible(&key.id) && !twice
    };
    if keys.iter().enumerate().all(is_usable) {
        return Ok(());
    }
    Err(InputError::new("client_key_id", "visible ASCII characters, other ones for each key"))
}

/// A URL that a token may be sent to; the error says what was expected.
pub(crate) fn usable_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "an https URL")?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("a URL without user, password and fragment");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("an https URL (http only on loopback)"),
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

/// The parameters that an exchange sets by itself.
const OWN_PARAMS: [&str; 7] = [
    "grant_type",
    "refresh_token",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "scope",
];

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
        let second = |client_id: &str, client_auth| {
            let fallback_client = Some(FallbackClient { client_id: client_id.to_owned(), client_auth });
            field(EndpointSettings { fallback_client, ..settings() })
        };
        assert_eq!(second("", ClientAuth::None), "fallback_client_id");
        assert_eq!(second("gateway", ClientAuth::None), "fallback_client_id");
        assert_eq!(second("other", ClientAuth::Post(secret(""))), "fallback_client_secret");
        assert_eq!(field(EndpointSettings { params: own, ..settings() }), "params");
        assert_eq!(
            field(EndpointSettings { connect_timeout: Duration::ZERO, ..settings() }),
            "connect_timeout"
        );
        assert_eq!(field(EndpointSettings { proxy: Some(secret("::")), ..settings() }), "proxy");
    }

    #[test]
    fn an_issuer_stands_in_for_a_token_url() {
        let nowhere = || EndpointSettings { token_url: String::new(), ..settings() };
        let issuer = Some("http://127.0.0.1:9".to_owned());
        assert!(EndpointSettings { issuer: issuer.clone(), ..nowhere() }.build().is_ok());
        assert!(EndpointSettings { issuer_of_account: true, ..nowhere() }.build().is_ok());
        assert_eq!(field(nowhere()), "token_url");
        let clear = Some("http://auth.example".to_owned());
        assert_eq!(field(EndpointSettings { issuer: clear, ..settings() }), "issuer");
        let wrong = EndpointSettings { token_url: "http://auth.example/t".to_owned(), issuer, ..settings() };
        assert_eq!(field(wrong), "token_url");
    }

    #[test]
    fn keys_that_cannot_work_are_refused_by_name() {
        assert_eq!(field(EndpointSettings { dpop: Dpop::KeyNeeded, ..settings() }), "dpop_key");
        let auth = ClientAuth::PrivateKeyJwt(Vec::new());
        assert_eq!(field(EndpointSettings { client_auth: auth, ..settings() }), "client_key");
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
