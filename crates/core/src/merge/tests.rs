#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::ExposeSecret;

pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_735_689_600)
}

pub(super) fn credential(text: &str) -> Credential {
    Credential::import(text.as_bytes(), now()).unwrap().credential
}

pub(super) fn answer(text: &str) -> TokenAnswer {
    TokenAnswer::read(text.as_bytes()).unwrap()
}

pub(super) fn merged(old: &str, said: &str) -> String {
    merge(&credential(old), &answer(said), now()).document().render().to_owned()
}

#[test]
fn a_rotated_pair_replaces_the_old_one_where_it_stood() {
    assert_eq!(
        merged(
            "{ \"own\": {\"b\" :1.0},\n  \"refresh_token\": \"r1\", \"access_token\": \"a1\",\n  \"expires_at\": 1700000000 }",
            r#"{"access_token":"a2","refresh_token":"r2","expires_in":60,"token_type":"Bearer"}"#,
        ),
        "{ \"own\": {\"b\" :1.0},\n  \"refresh_token\": \"r2\", \"access_token\": \"a2\",\n  \"expires_at\": 1735689660,\
         \"token_type\":\"Bearer\" }"
    );
}

#[test]
fn what_the_answer_does_not_say_stays() {
    let old = r#"{"access_token":"a1","refresh_token":"r1","scope":"x y","expires_in":5}"#;
    for said in [
        r#"{"access_token":"a2","expires_in":60}"#,
        r#"{"access_token":"a2","refresh_token":"","scope":null,"expires_in":60}"#,
        r#"{"access_token":"a2","refresh_token":" ","scope":"","expires_in":60}"#,
    ] {
        let expected = r#"{"access_token":"a2","refresh_token":"r1","scope":"x y","expires_in":60}"#;
        assert_eq!(merged(old, said), expected, "{said}");
    }
}

#[test]
fn a_refresh_token_alone_keeps_the_access_token_and_ends_it() {
    assert_eq!(
        merged(
            r#"{"access_token":"a1","refresh_token":"r1","expires_at":1835689600}"#,
            r#"{"refresh_token":"r2"}"#
        ),
        r#"{"access_token":"a1","refresh_token":"r2","expires_at":1735689600}"#
    );
}

#[test]
fn an_expiry_keeps_its_unit_and_type() {
    for (before, after) in [
        (r#""expires_at":1700000000000"#, r#""expires_at":1735689660000"#),
        (r#""expires_at":"1700000000""#, r#""expires_at":"1735689660""#),
        (r#""expires_at":"2024-01-01T00:00:00Z""#, r#""expires_at":"2025-01-01T00:01:00Z""#),
        (r#""expiry_date":1700000000000"#, r#""expiry_date":1735689660000"#),
        (r#""expires_in":"5""#, r#""expires_in":"60""#),
        (r#""token_type":"t""#, r#""token_type":"t","expires_at":1735689660"#),
    ] {
        let old = format!(r#"{{"access_token":"a1",{before}}}"#);
        let new = format!(r#"{{"access_token":"a2",{after}}}"#);
        assert_eq!(merged(&old, r#"{"access_token":"a2","expires_in":60}"#), new);
    }
}

#[test]
fn an_expiry_of_the_old_token_is_not_lent_to_the_new_one() {
    let old = r#"{"access_token":"a1","refresh_token":"r1","expires_at":"1700000000","refresh_token_expires_at":1800000000}"#;
    assert_eq!(
        merged(old, r#"{"access_token":"a2"}"#),
        r#"{"access_token":"a2","refresh_token":"r1","expires_at":null,"refresh_token_expires_at":1800000000}"#
    );
    assert_eq!(
        merged(old, r#"{"access_token":"a2","refresh_token":"r2","expires_in":60,"refresh_expires_in":120}"#),
        r#"{"access_token":"a2","refresh_token":"r2","expires_at":"1735689660","refresh_token_expires_at":1735689720,"refresh_expires_in":120}"#
    );
}

#[test]
fn the_file_of_the_codex_cli_keeps_its_shape() {
    let old = "{\n  \"OPENAI_API_KEY\": null,\n  \"tokens\": {\n    \"id_token\": \"i1\",\n    \"access_token\": \"a1\",\n    \
               \"refresh_token\": \"r1\",\n    \"account_id\": \"acc\"\n  },\n  \"last_refresh\": \
               \"2024-12-28T12:34:56.123456Z\",\n  \"own\": [ 1 ]\n}";
    let said = r#"{"access_token":"a2","refresh_token":"r2","id_token":"i2","expires_in":60,"scope":"s","token_type":"Bearer"}"#;
    let expected = old
        .replace("i1", "i2")
        .replace("a1", "a2")
        .replace("r1", "r2")
        .replace("2024-12-28T12:34:56.123456Z", "2025-01-01T00:00:00Z");
    assert_eq!(merged(old, said), expected);
    let kept = merged(old, r#"{"access_token":"a2","id_token":""}"#);
    assert!(kept.contains("\"i1\"") && kept.contains("\"r1\""), "{kept}");
}

#[test]
fn an_answer_cannot_bloat_a_credential() {
    let large = "x".repeat(MAX_MERGED_BYTES);
    let said = format!(r#"{{"junk":"{large}","access_token":"{large}","small":1}}"#);
    let new = merge(&credential(r#"{"access_token":"a1"}"#), &answer(&said), now());
    assert_eq!(new.document().names().collect::<Vec<_>>(), ["access_token"]);
    assert_eq!(new.access_token().unwrap().expose_secret(), large);
    assert_eq!(Credential::from_bytes(&new.to_bytes()).unwrap(), new);
}

#[test]
fn an_answer_cannot_add_more_fields_than_open_again() {
    let many = |prefix: &str, count: usize| -> String {
        let fields: Vec<_> = (0..count).map(|at| format!(r#""{prefix}{at}":1,"#)).collect();
        fields.concat()
    };
    for (old, said) in [(4_095, 0), (4_095, 4_094), (0, 4_094), (600, 600)] {
        let old = format!(r#"{{{}"refresh_token":"r1"}}"#, many("old", old));
        let said = answer(&format!(r#"{{{}"access_token":"a2","expires_in":60}}"#, many("new", said)));
        let old = credential(&old);
        let once = merge(&old, &said, now());
        let opened = Credential::from_bytes(&once.to_bytes()).unwrap();
        assert_eq!(opened.access_token().unwrap().expose_secret(), "a2");
        assert_eq!(Credential::from_bytes(&merge(&opened, &said, now()).to_bytes()).unwrap(), once);
        assert!(old.tokens().names().all(|name| once.tokens().raw(name).is_some()));
    }
}

#[test]
fn a_deep_field_of_an_answer_opens_again_one_level_down() {
    let deep = format!("{}{}", "[".repeat(31), "]".repeat(31));
    let said = answer(&format!(r#"{{"access_token":"a2","id_token":{deep},"own":{deep}}}"#));
    for old in [r#"{"refresh_token":"r1"}"#, r#"{"tokens":{"refresh_token":"r1"}}"#] {
        let new = merge(&credential(old), &said, now());
        assert_eq!(new.tokens().raw("id_token"), Some(&*deep), "{old}");
        assert_eq!(Credential::from_bytes(&new.to_bytes()).unwrap(), new);
    }
}

#[test]
fn a_refresh_token_that_is_none_leaves_the_one_before() {
    let old = r#"{"access_token":"a1","refresh_token":"r1"}"#;
    for odd in ["abc\\n", "r\u{e9}sum\u{e9}", "\\u0000", "\u{200b}"] {
        let said = answer(&format!(r#"{{"access_token":"a2","refresh_token":"{odd}"}}"#));
        assert_eq!(said.unusable().collect::<Vec<_>>(), ["refresh_token"], "{odd:?}");
        let new = merge(&credential(old), &said, now());
        assert_eq!(new.document().render(), r#"{"access_token":"a2","refresh_token":"r1"}"#);
        let alone = format!(r#"{{"refresh_token":"{odd}"}}"#);
        assert!(TokenAnswer::read(alone.as_bytes()).is_err(), "nothing usable: {odd:?}");
    }
    for said in [r#"{"access_token":"a2"}"#, r#"{"access_token":"a2","refresh_token":null}"#] {
        assert_eq!(answer(said).unusable().count(), 0);
    }
}

#[test]
fn an_odd_answer_cannot_spoil_a_token() {
    let old = r#"{"access_token":"a1","refresh_token":"r1","expires_in":5}"#;
    let said = "{\"access_token\":\"a2\",\"refresh_token\":[\"r2\"],\"expires_in\":60}";
    assert_eq!(merged(old, said), r#"{"access_token":"a2","refresh_token":"r1","expires_in":60}"#);
    let said = "{\"access_token\":7,\"refresh_token\":\"r2\",\"scope\":\"\\ud800\",\"expires_in\":60}";
    assert_eq!(merged(old, said), r#"{"access_token":"a1","refresh_token":"r2","expires_in":0}"#);
}
