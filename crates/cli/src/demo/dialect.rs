//! Which provider the strict one behaves like.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use solekey_testkit::provider::{
    AccessFormat, AuthorizationServer, AuthorizationServerBuilder, Client, Dpop, ExpiresIn, KeyPair, Pair,
    Reply,
};

/// Whose words, bodies and documents the provider uses. What a spent token does is the same for all of them: it revokes the
/// grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Nobody's: plain OAuth 2.0.
    #[default]
    Strict,
    /// JSON bodies, JWTs, `auth.json`; a spent token is refused with 401 `refresh_token_reused`.
    Codex,
    /// JSON bodies; a spent token is refused with 400 `invalid_grant`.
    Claude,
    /// Proofs of possession with nonces that change with every answer, clients that sign, issuers.
    Atproto,
}

/// The provider's ways, and the keys that belong to them.
pub(super) struct Dialect {
    kind: Kind,
    dpop: KeyPair,
    client: KeyPair,
}

/// The keys of a `[[provider]]` that describe the requests to the provider.
#[derive(Serialize)]
pub(super) struct Ways {
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_auth: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_env: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_key_env: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'static str>,
}

impl Dialect {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, dpop: KeyPair::generate(), client: KeyPair::generate() }
    }

    /// A provider with these ways.
    pub(super) fn provider(&self) -> AuthorizationServerBuilder {
        let provider = AuthorizationServer::builder();
        match self.kind {
            Kind::Strict => provider,
            Kind::Codex => provider
                .json_only()
                .access_format(AccessFormat::Jwt)
                .expires_in(ExpiresIn::Omitted)
                .refusal(Reply::OpenAi("refresh_token_reused")),
            Kind::Claude => provider.json_only().refusal(Reply::ClaudeInvalidGrant),
            Kind::Atproto => {
                let jwks = json!({"keys": [self.client.named(CLIENT_KEY_ID)]});
                let client = Client::PrivateKeyJwt { id: CLIENT_ID.to_owned(), jwks };
                provider.dpop(Dpop::with_recent_nonces(NONCES)).client(client)
            }
        }
    }

    /// Returns the keys for the replica of this name.
    pub(super) fn ways(&self, provider: &AuthorizationServer, replica: &str) -> Ways {
        let none = Ways {
            preset: None,
            token_url: None,
            issuer: None,
            client_id: None,
            client_auth: None,
            client_key_env: None,
            client_key_id: None,
            dpop_key_env: None,
            replay: None,
        };
        let token_url = Some(provider.token_url_for(replica));
        match self.kind {
            Kind::Strict => Ways {
                token_url,
                client_id: Some("solekey-demo"),
                client_auth: Some("none"),
                replay: Some("strict_family"),
                ..none
            },
            Kind::Codex => Ways { preset: Some("codex"), token_url, ..none },
            Kind::Claude => Ways { preset: Some("claude"), token_url, ..none },
            Kind::Atproto => Ways {
                preset: Some("atproto"),
                issuer: Some(provider.issuer_for(replica)),
                client_id: Some(CLIENT_ID),
                client_auth: Some("private_key_jwt"),
                client_key_env: Some(CLIENT_KEY_ENV),
                client_key_id: Some(CLIENT_KEY_ID),
                dpop_key_env: Some(DPOP_KEY_ENV),
                ..none
            },
        }
    }

    /// The environment variables that these ways name.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::Strict | Kind::Codex | Kind::Claude => Vec::new(),
            Kind::Atproto => vec![(CLIENT_KEY_ENV, self.client.pem()), (DPOP_KEY_ENV, self.dpop.pem())],
        }
    }

    /// Logs the account in.
    pub(super) fn log_in(&self, provider: &AuthorizationServer, account: &str) -> Pair {
        match self.kind {
            Kind::Strict | Kind::Codex | Kind::Claude => provider.grant(account),
            Kind::Atproto => provider.grant_to(account, &self.dpop.thumbprint()),
        }
    }

    /// Returns the document to import: the pair, as this provider's own tools keep it. No token outlives `expires_at`.
    pub(super) fn document(&self, pair: &Pair, expires_at: SystemTime) -> Value {
        let Pair { access_token, refresh_token, .. } = pair;
        let expires_at = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        match self.kind {
            Kind::Strict => json!({
                "access_token": access_token,
                "refresh_token": refresh_token,
                "expires_at": expires_at.as_secs_f64(),
            }),
            Kind::Codex => json!({
                "OPENAI_API_KEY": null,
                "tokens": {"access_token": access_token, "refresh_token": refresh_token, "account_id": "demo"},
                "last_refresh": "2026-11-01T00:00:00Z",
            }),
            Kind::Claude => json!({
                "claudeAiOauth": {
                    "accessToken": access_token,
                    "refreshToken": refresh_token,
                    "expiresAt": u64::try_from(expires_at.as_millis()).unwrap_or(u64::MAX),
                    "scopes": ["user:inference"],
                },
            }),
            Kind::Atproto => json!({
                "access_token": access_token,
                "refresh_token": refresh_token,
                "expires_at": expires_at.as_secs_f64(),
                "token_type": "DPoP",
                "sub": "did:plc:demo",
                "key_id": CLIENT_KEY_ID,
            }),
        }
    }
}

const CLIENT_ID: &str = "https://solekey-demo.example/client-metadata.json";
const CLIENT_KEY_ID: &str = "demo-1";
const CLIENT_KEY_ENV: &str = "SOLEKEY_DEMO_CLIENT_KEY";
const DPOP_KEY_ENV: &str = "SOLEKEY_DEMO_DPOP_KEY";

/// A replica that has not asked for a second or two is sent away once, and hears a nonce that outlives its next request.
const NONCES: usize = 12;
