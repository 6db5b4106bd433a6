//! Organisations of Okta.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// Rotation has a grace period of 0 to 60 seconds, 30 where the console made the client; after it a spent token
/// invalidates the grant. It is a setting of each client, so the careful rule is the default.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["developer.okta.com: refresh token rotation", "pomerium/pomerium #6530"],
        notes: "With a known grace period set `replay = \"grace\"`.",
        policy: PolicySettings { assumed_lifetime: hours(1), ..policy(Replay::STRICT_FAMILY) },
        endpoint: EndpointSettings { dialect: Dialect::rfc6749(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("okta", "Okta", "2026-11")
    }
}
