//! Accounts of Zoho, in any of its data centres.

use solekey_core::{Delay, Dialect, PolicySettings, Replay, Revocation};

use super::{Preset, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// Refresh tokens do not rotate. One of them gets at most ten access tokens in ten minutes. Errors come with status
/// 200.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["zoho.com/accounts/protocol/oauth", "Weble/ZohoBooksApi #84"],
        notes: "200 with `invalid_code`. \"Access Denied\" is the limit of ten per ten minutes.",
        policy: PolicySettings { assumed_lifetime: hours(1), ..policy(Replay::NON_ROTATING) },
        endpoint: EndpointSettings { dialect: dialect(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Body),
        needs_secret: true,
        ..Preset::new("zoho", "Zoho", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .permanent("invalid_code", Revocation::Refused)
        .our_fault("invalid_client_secret")
        .passing("Access Denied", Delay::RateLimited)
}
