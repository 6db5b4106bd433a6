use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde_json::Value;

use super::access::AccessFormat;
use super::desk::{Desk, ExpiresIn, Manners};
use super::dpop::Dpop;
use super::grants::{Grants, Rules};
use super::replay::Replay;
use super::reply::Reply;
use super::request::Client;
use super::server::AuthorizationServer;

/// Settings of an [`AuthorizationServer`]; each has a default.
#[derive(Debug, Clone)]
pub struct AuthorizationServerBuilder {
    rules: Rules,
    manners: Manners,
}

impl Default for AuthorizationServerBuilder {
    fn default() -> Self {
        Self {
            rules: Rules {
                replay: Replay::StrictFamily,
                lifetime: Duration::from_secs(3600),
                timer_period: Duration::from_secs(24 * 3600),
                rotation_ends_access: false,
                format: AccessFormat::Opaque,
            },
            manners: Manners {
                client: Client::Anyone,
                dpop: None,
                json_only: false,
                expires_in: ExpiresIn::Number,
                refusal: Reply::InvalidGrant,
                exchange_time: Duration::ZERO,
                fields: BTreeMap::new(),
            },
        }
    }
}

impl AuthorizationServerBuilder {
    /// What happens to replaced refresh tokens. Default: [`Replay::StrictFamily`].
    pub fn replay(mut self, replay: Replay) -> Self {
        self.rules.replay = replay;
        self
    }

    /// How long access tokens live. Default: one hour. `expires_in` tells it in whole seconds, rounded down.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.rules.lifetime = lifetime;
        self
    }

    /// How, or whether, answers tell the lifetime. Default: as a number.
    pub fn expires_in(mut self, expires_in: ExpiresIn) -> Self {
        self.manners.expires_in = expires_in;
        self
    }

    /// How old a refresh token of [`Replay::Timer`] gets before an exchange changes it. Default: 24 hours.
    pub fn timer_period(mut self, period: Duration) -> Self {
        self.rules.timer_period = period;
        self
    }

    /// Lets each rotation end the earlier access tokens of the family, as GitHub does. Default: they live on.
    pub fn rotation_ends_access(mut self) -> Self {
        self.rules.rotation_ends_access = true;
        self
    }

    /// What access tokens look like. Default: [`AccessFormat::Opaque`].
    pub fn access_format(mut self, format: AccessFormat) -> Self {
        self.rules.format = format;
        self
    }

    /// How clients must authenticate; others get 401 `invalid_client` and spend nothing. Default: anyone is served.
    pub fn client(mut self, client: Client) -> Self {
        self.manners.client = client;
        self
    }

    /// Wants proofs of possession, and binds each grant to the key it is first presented with, or was [granted
    /// to](AuthorizationServer::grant_to); access tokens are then of the type `DPoP`. A proof that is missing or wrong is answered
    /// with 400 `invalid_dpop_proof`, one without a fresh nonce with 400 `use_dpop_nonce`, another key with 401
    /// `invalid_token`; none of them spends the token. Default: no proofs.
    ///
    /// The resource looks at no proofs.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.manners.dpop = Some(dpop);
        self
    }

    /// Reads JSON bodies only; others get 400 `invalid_request`. Default: forms as well.
    pub fn json_only(mut self) -> Self {
        self.manners.json_only = true;
        self
    }

    /// What a client hears about a refresh token that is not accepted. Default: [`Reply::InvalidGrant`].
    pub fn refusal(mut self, refusal: Reply) -> Self {
        self.manners.refusal = refusal;
        self
    }

    /// How long an ordinary exchange takes, before it is processed (see [`Fault::Delay`]). Default: no time.
    ///
    /// [`Fault::Delay`]: super::Fault::Delay
    pub fn exchange_time(mut self, time: Duration) -> Self {
        self.manners.exchange_time = time;
        self
    }

    /// Adds a field to every success, e.g. `scope` or `id_token`. Those of RFC 6749 win over it.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.manners.fields.insert(name.into(), value.into());
        self
    }

    /// Starts the server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn start(self) -> io::Result<AuthorizationServer> {
        AuthorizationServer::bind(Desk::new(self.manners, Grants::new(self.rules))).await
    }
}
