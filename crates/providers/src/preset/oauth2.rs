//! Any provider that keeps to RFC 6749.

use solekey_core::Replay;

use super::Preset;
use crate::EndpointSettings;

/// Nothing is known, so the worst is assumed: a spent refresh token revokes the grant.
pub(super) fn preset() -> Preset {
    Preset {
        name: "oauth2",
        as_of: "RFC 6749 and RFC 9700",
        replay: Replay::STRICT_FAMILY,
        endpoint: EndpointSettings::default(),
    }
}
