//! Members of LinkedIn, for partners with programmatic refresh tokens.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens do not rotate, and end a year after the login however often they are used: answers say what is
/// left.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["learn.microsoft.com/linkedin: programmatic refresh tokens"],
        notes: "Access tokens last 60 days.",
        policy: PolicySettings { assumed_lifetime: hours(24), ..policy(Replay::NON_ROTATING) },
        endpoint: EndpointSettings {
            token_url: "https://www.linkedin.com/oauth/v2/accessToken".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("linkedin", "LinkedIn", "2026-11")
    }
}
