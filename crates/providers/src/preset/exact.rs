//! Divisions in Exact Online, in any of its countries.

use solekey_core::{Dialect, Meaning, PolicySettings, Replay, Revocation};

use super::{Preset, days, minutes, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens work once, access tokens ten minutes, and refresh tokens end after 30 days without use.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["picqer/exact-php-client #300, #487, #640", "websmurf/laravel-exact-online #19, #23"],
        notes: "401 `unauthorized_client` \"Old refresh token used\" ends the grant. Give the `token_url` of your country.",
        policy: PolicySettings {
            assumed_lifetime: minutes(10),
            refresh_life: Some(days(30)),
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings { dialect: dialect(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("exact", "Exact Online", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .described("unauthorized_client", "Old refresh token used", Meaning::Permanent(Revocation::Reused))
        .described("invalid_request", "The refresh token expired", Meaning::Permanent(Revocation::Expired))
}
