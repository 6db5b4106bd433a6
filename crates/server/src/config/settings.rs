//! The keys of the configuration file, before anything is checked against anything.

use std::path::PathBuf;

use serde::Deserialize;
use solekey::core::{InDoubt, Secret};

use super::{listen::Listen, mirror::MirrorSettings, span::Span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    #[serde(default)]
    pub(super) listen: Listen,
    pub(super) redis: Option<RedisSettings>,
    #[serde(default)]
    pub(super) store: StoreSettings,
    #[serde(default)]
    pub(super) seal: SealSettings,
    pub(super) state_dir: Option<PathBuf>,
    #[serde(default)]
    pub(super) provider: Vec<ProviderSettings>,
    #[serde(default)]
    pub(super) mirror: Vec<MirrorSettings>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedisSettings {
    /// May hold a password.
    pub(super) url: Password,
    pub(super) prefix: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreSettings {
    pub(super) url: Option<Password>,
    pub(super) state_dir: Option<PathBuf>,
    #[serde(default)]
    pub(super) accept_loss: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealSettings {
    pub(super) key_env: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderSettings {
    pub(super) name: String,
    pub(super) preset: Option<String>,
    pub(super) token_url: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) issuer_of_account: Option<bool>,
    pub(super) client_id: Option<String>,
    pub(super) client_auth: Option<ClientAuthName>,
    pub(super) client_secret_env: Option<String>,
    pub(super) client_key_env: Option<String>,
    pub(super) client_key_id: Option<String>,
    pub(super) client_older_key_env: Option<String>,
    pub(super) client_older_key_id: Option<String>,
    pub(super) dpop_key_env: Option<String>,
    pub(super) body: Option<BodyName>,
    pub(super) scope: Option<String>,
    pub(super) replay: Option<ReplayName>,
    pub(super) grace: Option<Span>,
    pub(super) refresh_ahead: Option<Span>,
    pub(super) refresh_rate: Option<u32>,
    pub(super) refresh_concurrency: Option<u32>,
    pub(super) exchange_timeout: Option<Span>,
    pub(super) not_processed: Option<Vec<u16>>,
    pub(super) on_lock_held: Option<OnLockHeld>,
    pub(super) max_wait: Option<Span>,
    #[serde(default)]
    pub(super) lease: LeaseSettings,
    pub(super) quarantine: Option<Span>,
    pub(super) skew: Option<Span>,
    pub(super) in_doubt: Option<InDoubtName>,
    pub(super) stale: Option<StaleName>,
    pub(super) on_refresh_error: Option<OnRefreshError>,
    #[serde(default)]
    pub(super) accept_loss: bool,
    pub(super) fallback_client_id: Option<String>,
    pub(super) fallback_client_secret_env: Option<String>,
    pub(super) assumed_lifetime: Option<Span>,
    pub(super) refresh_life: Option<Span>,
    #[serde(default)]
    pub(super) code_assist_project: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseSettings {
    pub(super) ttl: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuthName {
    None,
    Basic,
    Post,
    PrivateKeyJwt,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BodyName {
    Form,
    Json,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReplayName {
    NonRotating,
    OldStaysValid,
    Timer,
    Grace,
    UntilUsed,
    Strict,
    StrictFamily,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnLockHeld {
    WaitForCache,
    /// The same as waiting not at all.
    UseExisting,
    /// Waiting not at all, and refusing an overdue token.
    Fail,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InDoubtName {
    LastChance,
    AskLogin,
}

impl From<InDoubtName> for InDoubt {
    fn from(name: InDoubtName) -> Self {
        match name {
            InDoubtName::LastChance => Self::LastChance,
            InDoubtName::AskLogin => Self::AskLogin,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StaleName {
    Serve,
    WhileRefreshing,
    Refuse,
}

/// The older spelling of `stale`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnRefreshError {
    #[serde(alias = "serve_stale")]
    UseExisting,
    ReturnError,
}

/// Text that may hold a password.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Password(pub(super) Secret);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(solekey::core::secret(text))
    }
}
