use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde_json::Value;

use super::access::AccessFormat;
use super::dpop::Dpop;
use super::endpoint_state::{Behaviour, EndpointState, ExpiresIn};
use super::grants::{Grants, Rules};
use super::replay::Replay;
use super::reply::Reply;
use super::request::Client;
use super::server::AuthorizationServer;

/// Settings of an [`AuthorizationServer`]; each has a default.
#[derive(Debug, Clone)]
pub struct AuthorizationServerBuilder {
    rules: Rules,
    behaviour: Behaviour,
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
            behaviour: Behaviour {
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
    /// Sets the handling of replaced refresh tokens. Default: [`Replay::StrictFamily`].
    pub fn replay(mut self, replay: Replay) -> Self {
        self.rules.replay = replay;
        self
    }

    /// Sets the lifetime of access tokens. Default: one hour. `expires_in` gives it in whole seconds, rounded down.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.rules.lifetime = lifetime;
        self
    }

    /// Sets the form in which answers give the lifetime, if they do. Default: as a number.
    pub fn expires_in(mut self, expires_in: ExpiresIn) -> Self {
        self.behaviour.expires_in = expires_in;
        self
    }

    /// Sets the age that a refresh token of [`Replay::Timer`] reaches before an exchange changes it. Default: 24 hours.
    pub fn timer_period(mut self, period: Duration) -> Self {
        self.rules.timer_period = period;
        self
    }

    /// Lets each rotation end the earlier access tokens of the family, as GitHub does. Default: they live on.
    pub fn rotation_ends_access(mut self) -> Self {
        self.rules.rotation_ends_access = true;
        self
    }

    /// Sets the format of access tokens. Default: [`AccessFormat::Opaque`].
    pub fn access_format(mut self, format: AccessFormat) -> Self {
        self.rules.format = format;
        self
    }

    /// Sets the authentication of clients; others get 401 `invalid_client`, and the token is not used up. Default:
    /// anyone is served.
    pub fn client(mut self, client: Client) -> Self {
        self.behaviour.client = client;
        self
    }

    /// Wants proofs of possession, and binds each grant to the key it is first presented with, or was [granted
    /// to](AuthorizationServer::grant_to); access tokens are then of the type `DPoP`. A proof that is missing or wrong
    /// is answered with 400 `invalid_dpop_proof`, one without a fresh nonce with 400 `use_dpop_nonce`, another key with
    /// 401 `invalid_token`; none of them uses the token up. Default: no proofs.
    ///
    /// The resource does not check proofs.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.behaviour.dpop = Some(dpop);
        self
    }

    /// Reads JSON bodies only; others get 400 `invalid_request`. Default: forms as well.
    pub fn json_only(mut self) -> Self {
        self.behaviour.json_only = true;
        self
    }

    /// Sets the answer to a refresh token that is not accepted. Default: [`Reply::InvalidGrant`].
    pub fn refusal(mut self, refusal: Reply) -> Self {
        self.behaviour.refusal = refusal;
        self
    }

    /// Sets the time that an ordinary exchange takes before it is processed (see [`Fault::Delay`]). Default: no time.
    ///
    /// [`Fault::Delay`]: super::Fault::Delay
    pub fn exchange_time(mut self, time: Duration) -> Self {
        self.behaviour.exchange_time = time;
        self
    }

    /// Adds a field to every success, e.g. `scope` or `id_token`. Those of RFC 6749 win over it.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.behaviour.fields.insert(name.into(), value.into());
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
        AuthorizationServer::bind(EndpointState::new(self.behaviour, Grants::new(self.rules))).await
    }
}
