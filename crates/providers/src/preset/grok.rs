//! Grok accounts, as the Grok CLI uses them.

use solekey_core::{Delay, Dialect, Meaning, PolicySettings, Replay, Revocation, Stale};

use super::{Preset, hours, minutes, policy, seconds};
use crate::EndpointSettings;

/// Refresh tokens rotate with every use, and a spent one revokes the grant. A coarse label about entitlement is no
/// evidence that an account is lost: only together with the sentence that states it.
pub(super) fn preset() -> Preset {
    Preset {
        sources: &["anomalyco/opencode #37059", "Wei-Shaw/sub2api #4227", "leookun/cursor-byok #445"],
        notes: "`entitlement_denied` alone passes; with \"subscription required\" or \"no active Grok subscription\" it ends the grant.",
        policy: PolicySettings {
            assumed_lifetime: hours(6),
            skew: minutes(3),
            refresh_ahead: hours(1),
            exchange_timeout: seconds(30),
            stale: Stale::Refuse,
            ..policy(Replay::STRICT_FAMILY)
        },
        endpoint: EndpointSettings {
            token_url: "https://auth.x.ai/oauth2/token".to_owned(),
            client_id: "b1a00492-073a-47ea-816f-4c329264a828".to_owned(),
            dialect: dialect(),
            ..EndpointSettings::default()
        },
        ..Preset::new("grok", "xAI (Grok)", "2026-11")
    }
}

fn dialect() -> Dialect {
    let denied = Meaning::Permanent(Revocation::Refused);
    ["entitlement_denied", "grok_oauth_entitlement_denied"].into_iter().fold(
        Dialect::rfc6749().code_at("code").text_at("message").text_at("error.message"),
        |dialect, code| {
            dialect
                .described(code, "subscription required", denied)
                .described(code, "no active grok subscription", denied)
                .passing(code, Delay::ProviderDown)
        },
    )
}
