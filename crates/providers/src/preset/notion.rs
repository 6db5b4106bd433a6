//! Public integrations of Notion.

use solekey_core::{Dialect, Replay};

use super::{Preset, policy};
use crate::{BodyFormat, EndpointSettings, SecretPlace};

/// Refresh tokens work once.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["developers.notion.com/reference/refresh-a-token"],
        notes: "JSON, and the secret in the header.",
        policy: policy(Replay::STRICT),
        endpoint: EndpointSettings {
            token_url: "https://api.notion.com/v1/oauth/token".to_owned(),
            body: BodyFormat::Json,
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Header),
        needs_secret: true,
        ..Preset::new("notion", "Notion", "2026-11")
    }
}
