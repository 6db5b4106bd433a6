//! Accounts of AT Protocol: each lives on an authorization server of its own.

use solekey_core::{Dialect, PolicySettings, Replay};

use super::{Preset, days, hours, policy};
use crate::{Dpop, EndpointSettings};

/// A refresh token that comes back deletes the session. Tokens of public clients last two weeks, those of confidential
/// ones up to three months while idle. What is missing are the client's id, which is the URL of its metadata, the key
/// that its sessions are bound to, and, for a confidential client, the key it signs with.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["bluesky-social/atproto: packages/oauth/oauth-provider", "atproto.com/specs/oauth"],
        notes: "400 `use_dpop_nonce` is sent before the token is processed. The issuer is in each account's credential.",
        policy: PolicySettings {
            assumed_lifetime: hours(1),
            refresh_life: Some(days(14)),
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings {
            issuer_of_account: true,
            dpop: Dpop::KeyNeeded,
            // How it says that the proof is of another key than the session's.
            dialect: Dialect::rfc6749().our_fault("invalid_token"),
            ..EndpointSettings::default()
        },
        ..Preset::new("atproto", "AT Protocol", "2026-11")
    }
}
