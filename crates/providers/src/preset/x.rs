//! X (Twitter), OAuth 2.0 with `offline.access`.

use solekey_core::{Dialect, Meaning, PolicySettings, Replay, Revocation};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// A spent token ends the family. It is refused as `invalid_request`, which elsewhere is the client's fault: what
/// it says decides.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["docs.x.com: OAuth 2.0 authorization code flow", "trypost #126", "tweepy/tweepy #2156"],
        notes: "400 `invalid_request` with \"Value passed for the token was invalid\" ends the grant.",
        policy: PolicySettings {
            assumed_lifetime: hours(2),
            refresh_life: Some(days(180)),
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings {
            token_url: "https://api.x.com/2/oauth2/token".to_owned(),
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("x", "X", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749().described(
        "invalid_request",
        "Value passed for the token was invalid",
        Meaning::Permanent(Revocation::Refused),
    )
}
