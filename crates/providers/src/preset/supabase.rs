//! Projects of Supabase.

use solekey_core::{Delay, Dialect, PolicySettings, Replay, Revocation};

use super::{Preset, hours, policy};
use crate::EndpointSettings;

/// An old token may be used again for ten seconds, unless configured otherwise, which is shorter than anybody could
/// know that an answer was lost; then it ends the session.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["supabase.com/docs: sessions, error codes", "githits-cli #164"],
        notes: "Codes in `error_code`. Give the whole `token_url` of the project.",
        policy: PolicySettings { assumed_lifetime: hours(1), ..policy(Replay::STRICT_FAMILY) },
        endpoint: EndpointSettings { dialect: dialect(), ..EndpointSettings::default() },
        ..Preset::new("supabase", "Supabase", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .code_at("error_code")
        .code_at("code")
        .permanent("refresh_token_already_used", Revocation::Reused)
        .permanent("refresh_token_not_found", Revocation::Refused)
        .permanent("session_not_found", Revocation::Refused)
        .permanent("session_expired", Revocation::Expired)
        .passing("over_request_rate_limit", Delay::RateLimited)
}
