//! FusionAuth.

use solekey_core::{Dialect, Replay};

use super::{Preset, policy};
use crate::{EndpointSettings, SecretPlace};

/// Rotation and its grace period are settings, off or 0 unless changed; a spent token ends the family.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["fusionauth.io/docs: OAuth endpoints"],
        notes: "With a grace period set `replay = \"grace\"`.",
        policy: policy(Replay::STRICT_FAMILY),
        endpoint: EndpointSettings { dialect: Dialect::rfc6749(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Body),
        ..Preset::new("fusionauth", "FusionAuth", "2026-11")
    }
}
