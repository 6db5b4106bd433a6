//! Workspaces of Linear.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens rotate; what a spent one does is not promised.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["linear.app/developers: OAuth 2.0"],
        notes: "400 `invalid_grant`.",
        policy: PolicySettings { assumed_lifetime: hours(24), ..policy(Replay::STRICT_FAMILY) },
        endpoint: EndpointSettings {
            token_url: "https://api.linear.app/oauth/token".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        ..Preset::new("linear", "Linear", "2026-11")
    }
}
