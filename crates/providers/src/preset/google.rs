//! Google accounts, by a client of your own.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens do not rotate. They end when they are revoked, idle for six months, or when an account has more
/// than a hundred with one client; those of a consent screen in testing end after seven days.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["developers.google.com/identity/protocols/oauth2"],
        notes: "`invalid_grant` whatever ended it.",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(180)),
            ..policy(Replay::NON_ROTATING)
        },
        endpoint: EndpointSettings {
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("google", "Google", "2026-11")
    }
}
