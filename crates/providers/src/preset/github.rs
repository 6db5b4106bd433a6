//! Users of a GitHub App whose tokens expire.

use solekey_core::{Dialect, PolicySettings, Replay, Revocation};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// A refresh token works once, and its use ends the access token before it; a spent one is refused and nothing else
/// happens. Errors come with status 200.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["docs.github.com/en/apps: refreshing user access tokens", "coder/coder #17069"],
        notes: "200 with `error=bad_refresh_token`. Answers may be forms.",
        policy: PolicySettings {
            assumed_lifetime: hours(8),
            refresh_life: Some(days(180)),
            ..policy(Replay::STRICT)
        },
        endpoint: EndpointSettings {
            token_url: "https://github.com/login/oauth/access_token".to_owned(),
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("github", "GitHub App", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .form_answers()
        .permanent("bad_refresh_token", Revocation::Refused)
        .our_fault("incorrect_client_credentials")
}
