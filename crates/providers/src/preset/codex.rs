//! ChatGPT accounts, as the Codex CLI uses them.

use solekey_core::{Dialect, Replay};

use super::Preset;
use crate::{BodyFormat, EndpointSettings};

/// The provider refuses a spent token and keeps the grant, as far as seen; it promises neither, so the replay rule is
/// the careful one.
pub(super) fn preset() -> Preset {
    Preset {
        name: "codex",
        as_of: "2026-11, the source of the Codex CLI",
        replay: Replay::STRICT_FAMILY,
        endpoint: EndpointSettings {
            token_url: "https://auth.openai.com/oauth/token".to_owned(),
            client_id: "app_EMoamEEZ73f0CkXaXp7hrann".to_owned(),
            body: BodyFormat::Json,
            scope: Some("openid profile email".to_owned()),
            dialect: Dialect::openai(),
            ..EndpointSettings::default()
        },
    }
}
