//! Dex.

use solekey_core::{Dialect, Meaning, Replay, Revocation};

use super::{Preset, policy};
use crate::{EndpointSettings, SecretPlace};

/// A refresh token that was claimed twice is refused as a bad request: what it says decides.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["dexidp/dex: server/refreshhandlers.go", "oauth2-proxy/oauth2-proxy #3456"],
        notes: "400 `invalid_request` \"Refresh token is invalid or has already been claimed by another client\".",
        policy: policy(Replay::STRICT_FAMILY),
        endpoint: EndpointSettings { dialect: dialect(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("dex", "Dex", "2026-11")
    }
}

fn dialect() -> Dialect {
    let claimed = "Refresh token is invalid or has already been claimed by another client";
    Dialect::rfc6749()
        .described("invalid_request", claimed, Meaning::Permanent(Revocation::Refused))
        .described("invalid_request", "Refresh token expired", Meaning::Permanent(Revocation::Expired))
}
