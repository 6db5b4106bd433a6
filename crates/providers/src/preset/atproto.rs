//! Accounts of AT Protocol: each lives on an authorization server of its own.

use solekey_core::{Dialect, Replay};

use super::Preset;
use crate::{Dpop, EndpointSettings};

/// A refresh token that comes back deletes the session. What is missing are the client's id, which is the URL of its metadata, the
/// key that its sessions are bound to, and, for a confidential client, the key it signs with.
pub(super) fn preset() -> Preset {
    Preset {
        name: "atproto",
        as_of: "2026-11, the source of the reference authorization server",
        replay: Replay::STRICT_FAMILY,
        endpoint: EndpointSettings {
            issuer_of_account: true,
            dpop: Dpop::KeyNeeded,
            // How it says that the proof is of another key than the session's.
            dialect: Dialect::rfc6749().our_fault("invalid_token"),
            ..EndpointSettings::default()
        },
    }
}
