//! Accounts of HubSpot.

use solekey_core::{Dialect, PolicySettings, Replay, Revocation};

use super::{Preset, minutes, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens do not rotate. The first version of the endpoint retires in February 2027.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["developers.hubspot.com: OAuth v3 guide", "airbytehq/airbyte #79592"],
        notes: "`BAD_REFRESH_TOKEN` in `status`, or `invalid_grant`.",
        policy: PolicySettings { assumed_lifetime: minutes(30), ..policy(Replay::NON_ROTATING) },
        endpoint: EndpointSettings {
            token_url: "https://api.hubapi.com/oauth/v3/token".to_owned(),
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("hubspot", "HubSpot", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .code_at("status")
        .permanent("BAD_REFRESH_TOKEN", Revocation::Refused)
        .our_fault("BAD_CLIENT_ID")
        .our_fault("BAD_CLIENT_SECRET")
}
