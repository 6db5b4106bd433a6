//! The answers that providers were seen to give, and their meaning to every preset.
//!
//! `tests/corpus` holds one file per preset, and `_any.json`, which holds for all of them.

use std::{collections::BTreeSet, fs, path::PathBuf, time::SystemTime};

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use solekey_core::{Delay, Dialect, Meaning, Outcome, Revocation, classify, ports::Wire};
use solekey_providers::Preset;

/// One answer.
struct Specimen {
    /// The text of the answer, for people.
    says: String,
    wire: Wire,
    means: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn specimens(name: &str) -> Vec<Specimen> {
    let path = folder().join(format!("{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    rows.iter().map(specimen).collect()
}

fn specimen(row: &Value) -> Specimen {
    let text = |field: &str| row[field].as_str().map(str::to_owned);
    let body = match &row["body"] {
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let media = text("type").unwrap_or_else(|| "application/json".to_owned());
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media.parse().unwrap())]);
    if let Some(after) = text("retry_after") {
        headers.insert(header::RETRY_AFTER, after.parse().unwrap());
    }
    let status = u16::try_from(row["status"].as_u64().unwrap()).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    let wire = Wire::Reply { status, headers, body: body.into() };
    Specimen { says: text("says").unwrap(), wire, means: text("means").unwrap() }
}

fn meaning(dialect: &Dialect, wire: &Wire) -> String {
    let outcome = classify(dialect, wire, SystemTime::UNIX_EPOCH).outcome;
    match outcome {
        Outcome::Permanent(why) => format!("permanent {}", why.name()),
        Outcome::Refused { retry_after: None, why } => format!("refused {}", why.name()),
        Outcome::Refused { retry_after: Some(after), why } => {
            format!("refused {} {}", why.name(), after.as_secs())
        }
        other => other.name().to_owned(),
    }
}

/// The specimens of these that the dialect reads otherwise.
fn misread(dialect: &Dialect, name: &str) -> Vec<String> {
    let wrong = |specimen: Specimen| {
        let actual = meaning(dialect, &specimen.wire);
        (actual != specimen.means).then(|| format!("{}: {actual}, not {}", specimen.says, specimen.means))
    };
    specimens(name).into_iter().filter_map(wrong).collect()
}

/// S-T73.
#[test]
fn every_preset_reads_what_its_provider_was_seen_to_answer() {
    let mut wrong = Vec::new();
    for preset in Preset::all() {
        for name in [preset.name, "_any"] {
            let misread = misread(&preset.endpoint.dialect, name);
            wrong.extend(misread.into_iter().map(|line| format!("{}/{name}: {line}", preset.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_preset_has_a_corpus_with_a_success_and_a_refusal_and_every_corpus_a_preset() {
    let mut presets: BTreeSet<_> = Preset::all().iter().map(|preset| preset.name.to_owned()).collect();
    for name in &presets {
        let means: Vec<_> = specimens(name).into_iter().map(|specimen| specimen.means).collect();
        let has = |what: &str| means.iter().any(|means| means.starts_with(what));
        assert!(has("success") && has("permanent"), "{name}");
    }
    presets.insert("_any".to_owned());
    let named = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
    let files: BTreeSet<_> = fs::read_dir(folder()).unwrap().map(|entry| named(entry.unwrap())).collect();
    assert_eq!(files, presets);
}

/// N-12.
#[test]
fn a_page_is_no_evidence_for_any_preset() {
    let page = "<html><body>invalid_grant refresh_token_reused BAD_REFRESH_TOKEN subscription required</body></html>";
    for preset in Preset::all() {
        for media in ["text/html", "application/json", "application/x-www-form-urlencoded"] {
            for status in [200, 400, 401, 403, 404, 429, 500, 503] {
                let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media.parse().unwrap())]);
                let status = StatusCode::from_u16(status).unwrap();
                let wire = Wire::Reply { status, headers, body: page.into() };
                let actual = meaning(&preset.endpoint.dialect, &wire);
                assert!(
                    actual.starts_with("refused") || ["ambiguous", "unread"].contains(&actual.as_str()),
                    "{}: {actual}",
                    preset.name
                );
            }
        }
    }
}

/// S-T87.
#[test]
fn a_label_about_entitlement_ends_a_grant_only_with_the_sentence_that_says_so() {
    let meaning_of = |name: &str, says: &str| {
        let found = specimens(name).into_iter().find(|specimen| specimen.says == says).expect(says);
        meaning(&Preset::named(name).unwrap().endpoint.dialect, &found.wire)
    };
    for says in
        ["a coarse label", "a coarse label of a gateway", "a label on a page", "the sentence somewhere else"]
    {
        assert_eq!(meaning_of("grok", says), "refused provider_down", "{says}");
    }
    for says in ["a label with the sentence that says so", "the other sentence"] {
        assert_eq!(meaning_of("grok", says), "permanent refused", "{says}");
    }
}

/// C-T6.
#[test]
fn a_503_is_no_verdict_and_leaves_the_token_to_be_tried_again() {
    for preset in Preset::all() {
        let wire = Wire::Reply {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: HeaderMap::new(),
            body: r#"{"error":"invalid_grant"}"#.into(),
        };
        assert_eq!(meaning(&preset.endpoint.dialect, &wire), "ambiguous", "{}", preset.name);
    }
}

#[test]
fn a_corpus_notices_a_dialect_that_believes_too_much() {
    let eager = Dialect::rfc6749()
        .described("entitlement_denied", "", Meaning::Permanent(Revocation::Refused))
        .passing("try_again_tomorrow", Delay::RateLimited);
    assert!(misread(&eager, "grok").iter().any(|line| line.starts_with("the sentence somewhere else")));
    assert_eq!(misread(&eager, "_any").len(), 1);
}

/// S-T29.
#[test]
fn what_claude_leaves_empty_stays_as_it_was() {
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_793_619_871);
    let held = br#"{"access_token":"at-1","refresh_token":"rt-1","scope":"user:inference","account":{"uuid":"5a1d"}}"#;
    let held = solekey_core::Credential::import(held, now).unwrap().credential;
    let answer = br#"{"access_token":"at-2","expires_in":28800,"refresh_token":"","scope":""}"#;
    let merged = solekey_core::merge(&held, &solekey_core::TokenAnswer::read(answer).unwrap(), now);
    let text = |secret: Option<solekey_core::Secret>| {
        secret.map(|secret| solekey_core::ExposeSecret::expose_secret(&secret).to_owned())
    };
    assert_eq!(text(merged.access_token()).as_deref(), Some("at-2"));
    assert_eq!(text(merged.refresh_token()).as_deref(), Some("rt-1"));
    assert_eq!(merged.scope().as_deref(), Some("user:inference"));
    assert!(merged.document().raw("account").is_some(), "fields that were not sent are kept");
}
