//! ChatGPT accounts, as the Codex CLI uses them.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, minutes, policy, seconds};
use crate::{BodyFormat, EndpointSettings};

/// The provider refuses a spent token and keeps the grant, as far as seen; it promises neither, so the replay rule
/// is the careful one. Its client is public. Gateways that served these accounts used a token until it ended and
/// let others wait for the refresh.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["the source of the Codex CLI: codex-rs/login/src/auth/manager.rs", "openai/codex #10332"],
        notes: "Refuses with 401 and a code of its own, nested in `error` or next to it. May leave out the refresh token: the old one stays.",
        policy: PolicySettings {
            skew: minutes(3),
            refresh_ahead: minutes(30),
            exchange_timeout: seconds(30),
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings {
            token_url: "https://auth.openai.com/oauth/token".to_owned(),
            client_id: "app_EMoamEEZ73f0CkXaXp7hrann".to_owned(),
            body: BodyFormat::Json,
            scope: Some("openid profile email".to_owned()),
            dialect: Dialect::openai(),
            ..EndpointSettings::default()
        },
        ..Preset::new("codex", "OpenAI (ChatGPT, Codex CLI)", "2026-11")
    }
}
