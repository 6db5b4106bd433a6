//! Google accounts, as the Gemini CLI uses them.

use std::time::Duration;

use solekey_core::{Dialect, PolicySettings, Replay, Stale};

use super::{Preset, days, hours, minutes, policy};
use crate::{EndpointSettings, SecretPlace};

/// Its client is an installed application: the secret in its source is published and no secret, and all the same it
/// is not ours to ship. Accounts that were logged in with another client answer `unauthorized_client`; a second
/// client can be named for them.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["the source of the Gemini CLI: packages/core/src/code_assist/oauth2.ts"],
        notes: "The client id is the published one; its secret comes from `client_secret_env`. `fallback_client_id` is tried once where the client is refused.",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(180)),
            skew: minutes(3),
            refresh_ahead: minutes(30),
            max_wait: Duration::ZERO,
            stale: Stale::WhileRefreshing,
            ..policy(Replay::NON_ROTATING)
        },
        endpoint: EndpointSettings {
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
            client_id: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("gemini", "Google (Gemini CLI)", "2026-11")
    }
}
