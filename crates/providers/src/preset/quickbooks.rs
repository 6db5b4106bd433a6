//! Companies in QuickBooks Online.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, days, hours, policy};
use crate::{EndpointSettings, SecretPlace};

/// The value of the refresh token changes about once a day, and the one before stays valid for a while: what comes
/// back is always stored. It ends after 100 days without use, and after five years in any case.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["developer.intuit.com: OAuth 2.0", "intuit/oauth-jsclient #77, #173"],
        notes: "400 `invalid_grant`.",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(100)),
            ..policy(Replay::TIMER)
        },
        endpoint: EndpointSettings {
            token_url: "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer".to_owned(),
            dialect: Dialect::rfc6749(),
            ..EndpointSettings::default()
        },
        client_secret: Some(SecretPlace::Header),
        needs_secret: true,
        ..Preset::new("quickbooks", "QuickBooks Online", "2026-11")
    }
}
