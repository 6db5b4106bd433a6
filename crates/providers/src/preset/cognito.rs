//! User pools of Amazon Cognito.

use solekey_core::{Dialect, PolicySettings, Replay, Revocation};

use super::{Preset, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens do not rotate unless the client has rotation on, with a retry period of 0 to 60 seconds, after
/// which a spent one revokes. It is a setting of each client.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["docs.aws.amazon.com: RefreshTokenRotationType"],
        notes: "Set `replay = \"non_rotating\"` where rotation is off. `RefreshTokenReuseException` in `__type`.",
        policy: PolicySettings { assumed_lifetime: hours(1), ..policy(Replay::STRICT_FAMILY) },
        endpoint: EndpointSettings {
            dialect: Dialect::rfc6749()
                .code_at("__type")
                .permanent("RefreshTokenReuseException", Revocation::Reused),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("cognito", "Amazon Cognito", "2026-11")
    }
}
