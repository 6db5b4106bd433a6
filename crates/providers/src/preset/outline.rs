//! Teams in Outline.

use solekey_core::{Dialect, Replay};

use super::{Preset, policy};
use crate::{EndpointSettings, SecretPlace};

/// A spent refresh token ends the family.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["outline/outline: OAuth provider"],
        notes: "400 `invalid_grant`.",
        policy: policy(Replay::STRICT_FAMILY),
        endpoint: EndpointSettings { dialect: Dialect::rfc6749(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Body),
        ..Preset::new("outline", "Outline", "2026-11")
    }
}
