//! Users of TikTok.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// A refresh may bring another refresh token, which ends the one before. The client id is called `client_key`.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["developers.tiktok.com/docs/en/oauth-refresh-a-user-access-token"],
        notes: "`client_key` instead of `client_id`.",
        policy: PolicySettings {
            assumed_lifetime: hours(2),
            refresh_life: Some(days(180)),
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings {
            token_url: "https://open.tiktokapis.com/v2/oauth/token/".to_owned(),
            client_id_name: "client_key".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("tiktok", "TikTok", "2026-11")
    }
}
