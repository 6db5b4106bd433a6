//! Tenants of Microsoft Entra ID.

use solekey_core::{Delay, Dialect, Meaning, PolicySettings, Replay, Revocation};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// A refresh brings a new refresh token and the old one stays valid. Descriptions begin with a code that is more exact:
/// a client that asks too often gets `invalid_grant`, which ends nothing.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &[
            "learn.microsoft.com/entra/identity-platform: refresh tokens, error codes",
            "AzureAD/microsoft-authentication-library-for-dotnet #1788",
        ],
        notes: "`AADSTS50196` (a loop) passes; `interaction_required` needs a person. Single-page apps: 24 hours.",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(90)),
            ..policy(Replay::OLD_STAYS_VALID)
        },
        endpoint: EndpointSettings { dialect: dialect(), ..EndpointSettings::default() },
        client_secret: Some(SecretPlace::Body),
        ..Preset::new("entra", "Microsoft Entra ID", "2026-11")
    }
}

fn dialect() -> Dialect {
    let expired = Meaning::Permanent(Revocation::Expired);
    Dialect::rfc6749()
        .permanent("interaction_required", Revocation::Refused)
        .permanent("login_required", Revocation::Refused)
        .permanent("consent_required", Revocation::Refused)
        .passing("temporarily_unavailable", Delay::ProviderDown)
        .described("invalid_grant", "AADSTS50196:", Meaning::Refused(Delay::RateLimited))
        .described("invalid_grant", "AADSTS9002313:", Meaning::OurFault)
        .described("invalid_grant", "AADSTS70008:", expired)
        .described("invalid_grant", "AADSTS700082:", expired)
        .described("invalid_grant", "AADSTS700084:", expired)
}
