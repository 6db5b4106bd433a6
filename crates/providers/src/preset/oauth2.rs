//! Any provider that keeps to RFC 6749.

use solekey_core::Replay;

use super::{Preset, policy};

/// Nothing is known, so the worst is assumed: a spent refresh token revokes the grant.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["RFC 6749", "RFC 9700"],
        notes: "The standard alone.",
        policy: policy(Replay::STRICT_FAMILY),
        ..Preset::new("oauth2", "Any other", "2026-11")
    }
}
