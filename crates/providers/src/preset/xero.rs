//! Organisations in Xero.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, days, minutes, policy};
use crate::{EndpointSettings, SecretPlace};

/// An old refresh token may be presented again for 30 minutes where the answer was lost, by what the documentation
/// promises.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["developer.xero.com: OAuth 2.0 token types", "XeroAPI/xero-node #382"],
        notes: "400 `invalid_grant`.",
        policy: PolicySettings {
            assumed_lifetime: minutes(30),
            refresh_life: Some(days(60)),
            ..policy(Replay::grace(minutes(30)))
        },
        endpoint: EndpointSettings {
            token_url: "https://identity.xero.com/connect/token".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("xero", "Xero", "2026-11")
    }
}
