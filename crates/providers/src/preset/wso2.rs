//! WSO2 Identity Server.

use solekey_core::{Dialect, Replay};

use super::{Preset, policy};
use crate::{EndpointSettings, SecretPlace};

/// Rotation and its grace period are settings, off or 0 unless changed; a spent token ends the family.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["is.docs.wso2.com: refresh token grant"],
        notes: "With a grace period set `replay = \"grace\"`.",
        policy: policy(Replay::STRICT_FAMILY),
        endpoint: EndpointSettings { dialect: Dialect::rfc6749(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("wso2", "WSO2 Identity Server", "2026-11")
    }
}
