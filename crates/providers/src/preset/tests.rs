#![allow(clippy::unwrap_used)]

use solekey_core::{Stale, ports::TokenEndpoint, secret};
use solekey_testkit::provider::KeyPair;

use super::*;
use crate::{ClientAuth, Dpop, SigningKey};

#[test]
fn codex_works_as_it_is_and_with_every_part_replaced() {
    let preset = Preset::named("codex").unwrap();
    assert!(preset.replay().revokes_families());
    let endpoint = preset.endpoint.clone().build().unwrap();
    assert_eq!(endpoint.client(), "https://auth.openai.com/oauth/token app_EMoamEEZ73f0CkXaXp7hrann");
    let own = EndpointSettings { token_url: "http://127.0.0.1:9/t".to_owned(), ..preset.endpoint };
    assert_eq!(own.build().unwrap().client(), "http://127.0.0.1:9/t app_EMoamEEZ73f0CkXaXp7hrann");
}

#[test]
fn a_provider_we_know_nothing_about_has_to_be_described() {
    let preset = Preset::named("oauth2").unwrap();
    assert_eq!(preset.replay(), Replay::STRICT_FAMILY);
    assert_eq!(preset.endpoint.clone().build().unwrap_err().field(), "token_url");
    let half = EndpointSettings { token_url: "https://auth.example/token".to_owned(), ..preset.endpoint };
    assert_eq!(half.build().unwrap_err().field(), "client_id");
}

#[test]
fn atproto_wants_a_client_and_the_key_that_its_sessions_are_bound_to() {
    let preset = Preset::named("atproto").unwrap();
    assert!(preset.replay().revokes_families());
    assert_eq!(preset.endpoint.clone().build().unwrap_err().field(), "client_id");
    let half = EndpointSettings { client_id: "https://app.example/c.json".to_owned(), ..preset.endpoint };
    assert_eq!(half.build().unwrap_err().field(), "dpop_key");
}

#[test]
fn an_unknown_name_is_refused_with_a_list_of_the_known_ones() {
    let error = Preset::named("codecs").unwrap_err();
    assert_eq!(error.field(), "preset");
    assert!(error.expected().starts_with("one of oauth2, codex, claude, "), "{error}");
}

#[test]
fn every_preset_works_once_what_belongs_to_its_user_is_there_and_ships_no_secret() {
    let mut names = Vec::new();
    for preset in Preset::all() {
        let Preset { name, endpoint, policy, .. } = preset;
        assert!(!names.contains(&name), "{name} twice");
        names.push(name);
        assert!(policy.build().is_ok(), "{name}");
        assert!(matches!(endpoint.client_auth, ClientAuth::None) && endpoint.params.is_empty(), "{name}");
        let of_user = |known: String, own: &str| if known.is_empty() { own.to_owned() } else { known };
        let url = if endpoint.issuer_of_account { "" } else { "https://tenant.example/token" };
        let dpop = match endpoint.dpop {
            Dpop::KeyNeeded => Dpop::Key(SigningKey::parse(&secret(KeyPair::generate().pem())).unwrap()),
            as_it_is => as_it_is,
        };
        let whole = EndpointSettings {
            token_url: of_user(endpoint.token_url.clone(), url),
            client_id: of_user(endpoint.client_id.clone(), "gateway"),
            dpop,
            ..endpoint
        };
        assert!(whole.build().is_ok(), "{name}");
        assert!(!preset.sources.is_empty() && !preset.notes.is_empty() && !preset.title.is_empty(), "{name}");
        assert!(!preset.needs_secret || preset.client_secret.is_some(), "{name}");
    }
}

/// S-T31.
#[test]
fn presets_wait_and_fail_as_the_gateways_did_that_served_their_accounts() {
    let waits = |name: &str| {
        let policy = Preset::named(name).unwrap().policy;
        (policy.stale, policy.max_wait, policy.refresh_ahead)
    };
    for (name, stale, max_wait, ahead) in [
        ("codex", Stale::Serve, seconds(8), minutes(30)),
        ("claude", Stale::Serve, seconds(8), minutes(30)),
        ("gemini", Stale::WhileRefreshing, Duration::ZERO, minutes(30)),
        ("antigravity", Stale::WhileRefreshing, Duration::ZERO, minutes(15)),
        ("grok", Stale::Refuse, seconds(8), hours(1)),
        ("oauth2", Stale::Serve, seconds(8), minutes(10)),
    ] {
        assert_eq!(waits(name), (stale, max_wait, ahead), "{name}");
    }
}
