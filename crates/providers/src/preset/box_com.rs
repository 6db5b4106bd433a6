//! Accounts of Box.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens work once and last 60 days.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &[
            "developer.box.com: refresh access token",
            "box/box-windows-sdk-v2 #718",
            "rclone/rclone #3443",
        ],
        notes: "400 `invalid_grant` \"Refresh token has expired\".",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(60)),
            ..policy(Replay::STRICT)
        },
        endpoint: EndpointSettings {
            token_url: "https://api.box.com/oauth2/token".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("box", "Box", "2026-11")
    }
}
