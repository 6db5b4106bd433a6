//! Google accounts, as Antigravity uses them.

use std::time::Duration;

use solekey_core::{Dialect, PolicySettings, Replay, Stale};

use super::{Preset, days, hours, minutes, policy};
use crate::{EndpointSettings, SecretPlace};

/// As with the Gemini CLI, the secret of its client is published and not shipped here. Gateways gave a request
/// eight seconds and did not let it wait for others.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["open-source clients of Antigravity, compared in 2026-11"],
        notes: "As `gemini`, with its own client.",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(180)),
            skew: minutes(3),
            refresh_ahead: minutes(15),
            max_wait: Duration::ZERO,
            stale: Stale::WhileRefreshing,
            ..policy(Replay::NON_ROTATING)
        },
        endpoint: EndpointSettings {
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
            client_id: "1071006060591-tmhssin2h21lcre235vtolojh4g403ep.apps.googleusercontent.com".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("antigravity", "Google (Antigravity)", "2026-11")
    }
}
