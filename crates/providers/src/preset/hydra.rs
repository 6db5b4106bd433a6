//! Ory Hydra and Ory Network.

use solekey_core::{Delay, Dialect, Meaning, PolicySettings, Replay, Revocation};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// A spent token revokes its chain, but for a grace period that can be configured. Two requests at once are
/// refused, whichever of them was processed.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &[
            "ory.sh/docs/hydra: refresh token rotation",
            "ory/hydra #1831",
            "ory/fosite: handler/oauth2/flow_refresh.go",
        ],
        notes: "`token_inactive` besides `invalid_grant`. With graceful rotation set `replay = \"grace\"`.",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(30)),
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings { dialect: dialect(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Header),
        ..Preset::new("hydra", "Ory Hydra", "2026-11")
    }
}

fn dialect() -> Dialect {
    let malformed = "The request is missing a required parameter, includes an invalid parameter value, includes a \
                     parameter more than once, or is otherwise malformed. Failed to refresh token";
    Dialect::rfc6749().permanent("token_inactive", Revocation::Refused).described(
        "invalid_request",
        malformed,
        Meaning::Refused(Delay::ProviderDown),
    )
}
