//! Organisations of Salesforce.

use solekey_core::{Dialect, Meaning, PolicySettings, Replay};

use super::{Preset, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// With rotation on, which it is going to be everywhere, a spent token revokes the current one and all access tokens.
/// Answers never state how long an access token lasts: it is the session timeout of the organisation, two hours unless
/// changed.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &[
            "help.salesforce.com: OAuth refresh token rotation",
            "cdapio CDAP #16201",
            "nango.dev: Salesforce refresh tokens",
        ],
        notes: "400 `invalid_grant` \"expired access/refresh token\". Set `assumed_lifetime` to the session timeout.",
        policy: PolicySettings { assumed_lifetime: hours(2), ..policy(Replay::STRICT_FAMILY) },
        endpoint: EndpointSettings {
            dialect: Dialect::rfc6749().described("invalid_grant", "ip restricted", Meaning::OurFault),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        ..Preset::new("salesforce", "Salesforce", "2026-11")
    }
}
