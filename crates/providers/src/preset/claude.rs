//! Claude accounts, as Claude Code uses them.

use solekey_core::{Delay, Dialect, PolicySettings, Replay};

use super::{Preset, days, hours, minutes, policy, seconds};
use crate::{BodyFormat, EndpointSettings};

/// Each refresh token works once; that a spent one revokes the grant is reported by some and denied by none. A refresh
/// may end the access token before it. A 404 means that the endpoint moved, as it did in June 2026, and nothing about
/// accounts.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &[
            "anthropics/claude-code #27933, #58066",
            "Wei-Shaw/claude-relay-service #1207",
            "earendil-works/pi #2169, #9369",
            "ericjypark/codex-island #53",
        ],
        notes: "JSON. A scope in a refresh is refused as `invalid_scope`, so none is sent. A 404 `not_found_error` is the moved endpoint: our fault, never the end of a grant.",
        policy: PolicySettings {
            assumed_lifetime: hours(8),
            refresh_life: Some(days(28)),
            skew: minutes(3),
            refresh_ahead: minutes(30),
            exchange_timeout: seconds(30),
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings {
            token_url: "https://platform.claude.com/v1/oauth/token".to_owned(),
            client_id: "9d1c250a-e61b-44d9-88ed-5944d1962f5e".to_owned(),
            body: BodyFormat::Json,
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        ..Preset::new("claude", "Anthropic (Claude Code)", "2026-11")
    }
}

fn dialect() -> Dialect {
    Dialect::rfc6749()
        .code_at("error.type")
        .code_at("type")
        .our_fault("not_found_error")
        .our_fault("invalid_request_error")
        .passing("rate_limit_error", Delay::RateLimited)
}
