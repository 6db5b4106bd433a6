//! Realms of Keycloak.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, minutes, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens do not rotate unless the realm has "Revoke Refresh Token" on; then a token that was used too
/// often is refused, and its client session may be dropped. Which of the two it is nobody can see from outside.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["keycloak.org: server administration, session and token timeouts"],
        notes: "Set `replay = \"non_rotating\"` where \"Revoke Refresh Token\" is off.",
        policy: PolicySettings { assumed_lifetime: minutes(5), ..policy(Replay::STRICT_FAMILY) },
        endpoint: EndpointSettings { dialect: Dialect::rfc6749(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("keycloak", "Keycloak", "2026-11")
    }
}
