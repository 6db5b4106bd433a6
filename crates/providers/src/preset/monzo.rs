//! Accounts of Monzo, for confidential clients.

use solekey_core::{Dialect, Replay, Revocation};

use super::{Preset, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens work once; a login elsewhere evicts them.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["docs.monzo.com: refreshing access"],
        notes: "`unauthorized.bad_refresh_token` in `code`.",
        policy: policy(Replay::STRICT_FAMILY),
        endpoint: EndpointSettings {
            token_url: "https://api.monzo.com/oauth2/token".to_owned(),
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("monzo", "Monzo", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .code_at("code")
        .permanent("unauthorized.bad_refresh_token", Revocation::Refused)
        .permanent("unauthorized.bad_refresh_token.evicted", Revocation::Refused)
}
