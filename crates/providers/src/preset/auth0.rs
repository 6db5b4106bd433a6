//! Tenants of Auth0.

use solekey_core::{Dialect, Replay};

use super::{Preset, policy};
use crate::{EndpointSettings, SecretPlace};

/// With rotation the leeway is 0 unless configured; outside of it a spent token ends the family. Name the leeway,
/// if there is one, with `replay = "grace"`.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["auth0.com/docs: refresh token rotation"],
        notes: "403, also 400, `invalid_grant`. With a leeway set `replay = \"grace\"`.",
        policy: policy(Replay::STRICT_FAMILY),
        endpoint: EndpointSettings { dialect: Dialect::rfc6749(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Body),
        ..Preset::new("auth0", "Auth0", "2026-11")
    }
}
