//! Keys that take one of a few words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use solekey::core::{InDoubt, Stale};
use solekey_providers::{BodyFormat, ClientAuth};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuthName {
    None,
    Basic,
    Post,
    PrivateKeyJwt,
}

impl ClientAuthName {
    /// The word for a way that is known here.
    pub(super) fn of(way: &ClientAuth) -> Option<Self> {
        match way {
            ClientAuth::None => Some(Self::None),
            ClientAuth::Basic(_) => Some(Self::Basic),
            ClientAuth::Post(_) => Some(Self::Post),
            ClientAuth::PrivateKeyJwt(_) => Some(Self::PrivateKeyJwt),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BodyName {
    Form,
    Json,
}

impl BodyName {
    /// The word for a format that is known here.
    pub(super) fn of(format: BodyFormat) -> Option<Self> {
        match format {
            BodyFormat::Form => Some(Self::Form),
            BodyFormat::Json => Some(Self::Json),
            _ => None,
        }
    }
}

impl From<BodyName> for BodyFormat {
    fn from(name: BodyName) -> Self {
        match name {
            BodyName::Form => Self::Form,
            BodyName::Json => Self::Json,
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReplayName {
    /// Refresh tokens do not rotate.
    NonRotating,
    /// A new one is issued, the old one stays valid.
    OldStaysValid,
    /// The value changes on a timer of the provider.
    Timer,
    /// The old one is accepted again for the time in `grace`, and revokes the grant afterwards.
    Grace,
    /// The old one is accepted until its successor is first used.
    UntilUsed,
    /// Each works once; a spent one is refused.
    Strict,
    /// Each works once; a spent one revokes the grant.
    StrictFamily,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnLockHeld {
    /// Waits for the refresh, at most `max_wait`.
    WaitForCache,
    /// Does not wait.
    UseExisting,
    /// Does not wait, and refuses an overdue token.
    Fail,
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum InDoubtName {
    /// Presents again once nothing is left to lose.
    LastChance,
    /// Asks for a new login and presents nothing.
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

impl From<InDoubt> for InDoubtName {
    fn from(choice: InDoubt) -> Self {
        match choice {
            InDoubt::LastChance => Self::LastChance,
            InDoubt::AskLogin => Self::AskLogin,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StaleName {
    /// Serves the token, marked stale.
    Serve,
    /// Serves the token, marked stale, while a refresh is under way; 503 once it has failed.
    WhileRefreshing,
    /// Answers 503.
    Refuse,
}

impl From<Stale> for StaleName {
    fn from(choice: Stale) -> Self {
        match choice {
            Stale::Serve => Self::Serve,
            Stale::WhileRefreshing => Self::WhileRefreshing,
            Stale::Refuse => Self::Refuse,
        }
    }
}

/// The older spelling of `stale`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("enum" = ["use_existing", "serve_stale", "return_error"]))]
pub(super) enum OnRefreshError {
    #[serde(alias = "serve_stale")]
    UseExisting,
    ReturnError,
}
