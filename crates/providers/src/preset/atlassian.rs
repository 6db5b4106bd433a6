//! Jira and Confluence, OAuth 2.0 (3LO).

use solekey_core::{Dialect, Meaning, PolicySettings, Replay, Revocation};

use super::{Preset, days, hours, minutes, policy};
use crate::{BodyFormat, EndpointSettings, SecretPlace};

/// The leeway was three seconds and is ten minutes since 2021, according to staff; afterwards a spent token ends the
/// grant. Idle refresh tokens end after 90 days, all after a year.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &[
            "developer.atlassian.com: OAuth 2.0 (3LO) apps",
            "community.developer.atlassian.com 50348, 60806",
            "raycast/extensions #11836",
        ],
        notes: "403 `invalid_grant`, or 403 `unauthorized_client` with \"refresh_token is invalid\".",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(90)),
            ..policy(Replay::grace(minutes(10)))
        },
        endpoint: EndpointSettings {
            token_url: "https://auth.atlassian.com/oauth/token".to_owned(),
            body: BodyFormat::Json,
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("atlassian", "Atlassian (3LO)", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749().described(
        "unauthorized_client",
        "refresh_token is invalid",
        Meaning::Permanent(Revocation::Refused),
    )
}
