//! The page about providers says what the data say.

use std::{fs, path::Path, time::Duration};

use solekey_core::{Replay, Stale};
use solekey_providers::{BodyFormat, EndpointSettings, Preset, SecretPlace};

/// In the largest unit that divides it.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size));
    unit.map_or_else(|| format!("{seconds} s"), |(size, name)| format!("{} {name}", seconds / size))
}

fn replay(rule: Replay) -> String {
    let named = [
        (Replay::NON_ROTATING, "non_rotating"),
        (Replay::UNTIL_USED, "until_used"),
        (Replay::STRICT, "strict"),
        (Replay::STRICT_FAMILY, "strict_family"),
    ];
    let name = named.into_iter().find(|(known, _)| *known == rule).map(|(_, name)| name.to_owned());
    name.unwrap_or_else(|| match rule.window() {
        solekey_core::Window::For(window) => format!("grace, {}", span(window)),
        other => panic!("{other:?}"),
    })
}

fn client(preset: &Preset) -> String {
    let id = &preset.endpoint.client_id;
    let secret = preset.client_secret.map(|place| match place {
        SecretPlace::Header => "secret in the header",
        SecretPlace::Body => "secret in the body",
    });
    let demanded = preset.needs_secret.then_some("demanded");
    let id = (!id.is_empty()).then(|| format!("`{id}`"));
    let json = (preset.endpoint.body == BodyFormat::Json).then_some("JSON");
    let usual = EndpointSettings::default().client_id_name;
    let name = (preset.endpoint.client_id_name != usual).then(|| code(&preset.endpoint.client_id_name));
    let parts = id.iter().chain(&name).map(String::as_str).chain(secret).chain(demanded).chain(json);
    let parts: Vec<_> = parts.collect();
    parts.join(", ")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn row(preset: &Preset) -> String {
    let policy = preset.policy;
    let cells = [
        code(preset.name),
        preset.title.to_owned(),
        replay(preset.replay()),
        code(&preset.endpoint.token_url),
        client(preset),
        span(policy.assumed_lifetime),
        policy.refresh_life.map(span).unwrap_or_default(),
        preset.notes.to_owned(),
        preset.as_of.to_owned(),
        preset.sources.join("; "),
    ];
    format!("| {} |", cells.join(" | "))
}

fn waits(preset: &Preset) -> Option<String> {
    let (policy, usual) = (preset.policy, solekey_core::PolicySettings::default());
    let of = |policy: solekey_core::PolicySettings| {
        (policy.refresh_ahead, policy.skew, policy.max_wait, policy.stale, policy.exchange_timeout)
    };
    let stale = match policy.stale {
        Stale::Serve => "`serve`",
        Stale::WhileRefreshing => "`while_refreshing`",
        Stale::Refuse => "`refuse`",
    };
    let cells = [
        code(preset.name),
        format!("{} before its end", span(policy.refresh_ahead)),
        format!("{} of it", span(policy.skew)),
        if policy.max_wait.is_zero() { "not at all".to_owned() } else { span(policy.max_wait) },
        stale.to_owned(),
        span(policy.exchange_timeout),
    ];
    (preset.name == "oauth2" || of(policy) != of(usual)).then(|| format!("| {} |", cells.join(" | ")))
}

#[test]
fn the_page_lists_every_preset_as_it_is_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let page = fs::read_to_string(path).unwrap();
    let presets = Preset::all();
    let rows: Vec<_> = presets.iter().map(row).chain(presets.iter().filter_map(waits)).collect();
    let listed: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(listed == rows, "docs/providers.md should list\n{}", rows.join("\n"));
}
