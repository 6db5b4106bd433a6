//! Slack apps with token rotation.

use solekey_core::{Delay, Dialect, PolicySettings, Replay, Revocation};

use super::{Preset, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// The old access token stays valid for a moment. Errors come with status 200.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["docs.slack.dev/authentication/using-token-rotation"],
        notes: "200 with `{\"ok\":false,\"error\":\"invalid_refresh_token\"}`.",
        policy: PolicySettings { assumed_lifetime: hours(12), ..policy(Replay::STRICT) },
        endpoint: EndpointSettings {
            token_url: "https://slack.com/api/oauth.v2.access".to_owned(),
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("slack", "Slack (token rotation)", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .permanent("invalid_refresh_token", Revocation::Refused)
        .permanent("token_revoked", Revocation::Refused)
        .our_fault("invalid_client_id")
        .our_fault("bad_client_secret")
        .passing("ratelimited", Delay::RateLimited)
}
