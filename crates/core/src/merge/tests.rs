#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::{ExposeSecret, credential::field::MAX_MERGED_BYTES};

pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_735_689_600)
}

pub(super) fn credential(text: &str) -> Credential {
    Credential::import(text.as_bytes(), now()).unwrap().credential
}

pub(super) fn answer(text: &str) -> TokenAnswer {
    TokenAnswer::read(text.as_bytes()).unwrap()
}

pub(super) fn merged(old: &str, response: &str) -> String {
    merge(&credential(old), &answer(response), now()).document().render().to_owned()
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
    for response in [
        r#"{"access_token":"a2","expires_in":60}"#,
        r#"{"access_token":"a2","refresh_token":"","scope":null,"expires_in":60}"#,
        r#"{"access_token":"a2","refresh_token":" ","scope":"","expires_in":60}"#,
    ] {
        let expected = r#"{"access_token":"a2","refresh_token":"r1","scope":"x y","expires_in":60}"#;
        assert_eq!(merged(old, response), expected, "{response}");
    }
}

#[test]
fn an_answer_does_not_decide_where_its_refresh_token_goes_next() {
    let answer = r#"{"access_token":"a2","refresh_token":"r2","iss":"https://evil.example","issuer":"https://evil.example",
        "key_id":"k2","client_id":"evil","sub":"s"}"#;
    for (login, kept) in [
        (
            r#""iss":"https://a.example","issuer":"https://b.example","key_id":"k1","client_id":"c","#,
            r#""iss":"https://a.example","issuer":"https://b.example","key_id":"k1","client_id":"c","#,
        ),
        // Naming none is a choice as well: it is what the configuration names.
        ("", ""),
        (r#""iss":null,"key_id":"","#, r#""iss":null,"key_id":"","#),
    ] {
        let merged = merged(&format!(r#"{{{login}"access_token":"a1","refresh_token":"r1"}}"#), answer);
        let expected = format!(r#"{{{kept}"access_token":"a2","refresh_token":"r2","sub":"s"}}"#);
        assert_eq!(merged.replace(",\"expires_at\":null", ""), expected, "{login}");
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
    let response = r#"{"access_token":"a2","refresh_token":"r2","id_token":"i2","expires_in":60,"scope":"s","token_type":"Bearer"}"#;
    let expected = old
        .replace("i1", "i2")
        .replace("a1", "a2")
        .replace("r1", "r2")
        .replace("2024-12-28T12:34:56.123456Z", "2025-01-01T00:00:00.000000Z");
    assert_eq!(merged(old, response), expected);
    let kept = merged(old, r#"{"access_token":"a2","id_token":""}"#);
    assert!(kept.contains("\"i1\"") && kept.contains("\"r1\""), "{kept}");
}

#[test]
fn a_new_access_token_and_its_end_stand_where_the_old_ones_stood() {
    for (old, new) in [
        (
            r#"{"token":"a1","refresh_token":"r1","scopes":["s"],"expiry":"2024-12-31T00:00:00.123456Z","type":"authorized_user"}"#,
            r#"{"token":"a2","refresh_token":"r2","scopes":["x","y"],"expiry":"2025-01-01T00:01:00.000000Z","type":"authorized_user"}"#,
        ),
        (
            r#"{"accessToken":"a1","refreshToken":"r1","expiresAt":"2024-12-31T00:00:00.000Z","profileArn":"p"}"#,
            r#"{"accessToken":"a2","refreshToken":"r2","expiresAt":"2025-01-01T00:01:00.000Z","profileArn":"p"}"#,
        ),
        (
            r#"{"anthropic":{"type":"oauth","access":"a1","refresh":"r1","expires":1},"own":{"x":1}}"#,
            r#"{"anthropic":{"type":"oauth","access":"a2","refresh":"r2","expires":1735689660000},"own":{"x":1}}"#,
        ),
        (
            r#"{"https://auth.x.ai::c":{"key":"a1","refresh_token":"r1","expires_at":"2024-12-31T00:00:00Z"}}"#,
            r#"{"https://auth.x.ai::c":{"key":"a2","refresh_token":"r2","expires_at":"2025-01-01T00:01:00Z"}}"#,
        ),
        (
            r#"{"token":{"access_token":"a1","refresh_token":"r1","expires_in":1,"expiry_timestamp":1700000000},"email":"e"}"#,
            r#"{"token":{"access_token":"a2","refresh_token":"r2","expires_in":60,"expiry_timestamp":1735689660},"email":"e"}"#,
        ),
        (
            r#"{"access_token":"a1","refresh_token":"r1","expires_in":3599,"timestamp":1700000000000,"expired":"2023-11-14T22:13:20+08:00"}"#,
            r#"{"access_token":"a2","refresh_token":"r2","expires_in":60,"timestamp":1735689600000,"expired":"2025-01-01T08:01:00+08:00"}"#,
        ),
        // Copies under other names are the same token.
        (
            r#"{"access_token":"a1","token":"a1","key":"other","refresh_token":"r1","expiry":"0001-01-01T00:00:00Z"}"#,
            r#"{"access_token":"a2","token":"a2","key":"other","refresh_token":"r2","expiry":"2025-01-01T00:01:00Z"}"#,
        ),
    ] {
        let response = r#"{"access_token":"a2","refresh_token":"r2","expires_in":60,"token":"evil","key":"evil","access":"evil"}"#;
        let response = if old.contains("scopes") {
            response.replace(r#""token":"evil""#, r#""scope":"x y""#)
        } else {
            response.to_owned()
        };
        let plain = response.replace(r#","token":"evil","key":"evil","access":"evil""#, "");
        let flat = old.starts_with(r#"{"access_token"#);
        assert_eq!(merged(old, if flat { &plain } else { &response }), new, "{old}");
        let again = Credential::import(new.as_bytes(), now()).unwrap();
        assert_eq!(again.expires_in, Some(Duration::from_secs(60)), "{new}");
    }
}

#[test]
fn an_answer_cannot_bloat_a_credential() {
    let large = "x".repeat(MAX_MERGED_BYTES);
    let response = format!(r#"{{"junk":"{large}","access_token":"{large}","small":1}}"#);
    let new = merge(&credential(r#"{"access_token":"a1"}"#), &answer(&response), now());
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
    for (old, new) in [(4_095, 0), (4_095, 4_094), (0, 4_094), (600, 600)] {
        let old = format!(r#"{{{}"refresh_token":"r1"}}"#, many("old", old));
        let response = answer(&format!(r#"{{{}"access_token":"a2","expires_in":60}}"#, many("new", new)));
        let old = credential(&old);
        let once = merge(&old, &response, now());
        let opened = Credential::from_bytes(&once.to_bytes()).unwrap();
        assert_eq!(opened.access_token().unwrap().expose_secret(), "a2");
        assert_eq!(Credential::from_bytes(&merge(&opened, &response, now()).to_bytes()).unwrap(), once);
        assert!(old.tokens().names().all(|name| once.tokens().raw(name).is_some()));
    }
}

#[test]
fn a_deep_field_of_an_answer_opens_again_one_level_down() {
    let deep = format!("{}{}", "[".repeat(31), "]".repeat(31));
    let response = answer(&format!(r#"{{"access_token":"a2","id_token":{deep},"own":{deep}}}"#));
    for old in [r#"{"refresh_token":"r1"}"#, r#"{"tokens":{"refresh_token":"r1"}}"#] {
        let new = merge(&credential(old), &response, now());
        assert_eq!(new.tokens().raw("id_token"), Some(&*deep), "{old}");
        assert_eq!(Credential::from_bytes(&new.to_bytes()).unwrap(), new);
    }
}

#[test]
fn a_refresh_token_that_is_none_leaves_the_one_before() {
    let old = r#"{"access_token":"a1","refresh_token":"r1"}"#;
    for odd in ["abc\\n", "r\u{e9}sum\u{e9}", "\\u0000", "\u{200b}"] {
        let response = answer(&format!(r#"{{"access_token":"a2","refresh_token":"{odd}"}}"#));
        assert_eq!(response.unusable().collect::<Vec<_>>(), ["refresh_token"], "{odd:?}");
        let new = merge(&credential(old), &response, now());
        assert_eq!(new.document().render(), r#"{"access_token":"a2","refresh_token":"r1"}"#);
        let alone = format!(r#"{{"refresh_token":"{odd}"}}"#);
        assert!(TokenAnswer::read(alone.as_bytes()).is_err(), "nothing usable: {odd:?}");
    }
    for response in [r#"{"access_token":"a2"}"#, r#"{"access_token":"a2","refresh_token":null}"#] {
        assert_eq!(answer(response).unusable().count(), 0);
    }
}

#[test]
fn an_odd_answer_cannot_spoil_a_token() {
    let old = r#"{"access_token":"a1","refresh_token":"r1","expires_in":5}"#;
    let response = "{\"access_token\":\"a2\",\"refresh_token\":[\"r2\"],\"expires_in\":60}";
    assert_eq!(merged(old, response), r#"{"access_token":"a2","refresh_token":"r1","expires_in":60}"#);
    let response = "{\"access_token\":7,\"refresh_token\":\"r2\",\"scope\":\"\\ud800\",\"expires_in\":60}";
    assert_eq!(merged(old, response), r#"{"access_token":"a1","refresh_token":"r2","expires_in":0}"#);
}

/// Whoever reads a copy would present what is spent.
#[test]
fn a_copy_of_an_old_token_stays_nowhere_in_a_document() {
    let (a1, r1) = ("access-token-of-old", "refresh-token-of-old");
    for old in [
        r#"{"access_token":"A","refresh_token":"R","accessToken":"A","refreshToken":"R","list":[["R",{"x":"A"}]]}"#,
        r#"{"access_token":"A","refresh_token":"R","token_response":{"access_token":"A","refresh_token":"R"}}"#,
        r#"{"claudeAiOauth":{"accessToken":"A","refreshToken":"R"},"accessToken":"A","R":"a name"}"#,
        r#"{"access_token":"A","refresh_token":"R","note":"refresh\u002dtoken-of-old","other":"R and more"}"#,
    ] {
        let old = old.replace("\"A\"", &format!("\"{a1}\"")).replace("\"R\"", &format!("\"{r1}\""));
        let response = r#"{"access_token":"a-new-access-token","refresh_token":"a-new-refresh-token"}"#;
        let new = merged(&old, response).replace(&format!("\"{r1}\":"), "");
        for spent in [format!("\"{a1}\""), format!("\"{r1}\""), "u002d".to_owned()] {
            assert!(!new.contains(&spent), "{spent}: {new}");
        }
        assert_eq!(new.contains("and more"), old.contains("and more"), "{new}");
    }
}

#[test]
fn a_scope_stays_a_list_and_the_times_of_a_record_around_its_tokens_stay() {
    assert_eq!(
        merged(r#"{"access_token":"a1","scope":["s"]}"#, r#"{"access_token":"a2","scope":"x y"}"#),
        r#"{"access_token":"a2","scope":["x","y"]}"#
    );
    let answer = r#"{"access_token":"a2","refresh_token":"r2","expires_in":60}"#;
    for (old, new) in [
        (
            r#"{"token":{"access_token":"a1","refresh_token":"r1","expires_in":1,"expiry_timestamp":1700000000},"created_at":1700000000}"#,
            r#"{"token":{"access_token":"a2","refresh_token":"r2","expires_in":60,"expiry_timestamp":1735689660},"created_at":1700000000}"#,
        ),
        (
            r#"{"credentials":{"access_token":"a1","refresh_token":"r1","expires_in":1},"created_at":1700000000,"updated_at":1700000001}"#,
            r#"{"credentials":{"access_token":"a2","refresh_token":"r2","expires_in":60},"created_at":1700000000,"updated_at":1735689600}"#,
        ),
        (
            r#"{"credentials":{"access_token":"a1","refresh_token":"r1","expires_in":1},"created_at":1700000000}"#,
            r#"{"credentials":{"access_token":"a2","refresh_token":"r2","expires_in":60},"created_at":1735689600}"#,
        ),
        // Not a file of Codex.
        (
            r#"{"tokens":{"access_token":"a1","refresh_token":"r1","expires_at":1700000000000}}"#,
            r#"{"tokens":{"access_token":"a2","refresh_token":"r2","expires_at":1735689660000}}"#,
        ),
        (
            r#"{"accessToken":"a1","refreshToken":"r1","accessTokenTTLMS":1000,"acquiredAtMS":1700000000000,"expired":true}"#,
            r#"{"accessToken":"a2","refreshToken":"r2","accessTokenTTLMS":60000,"acquiredAtMS":1735689600000,"expired":false}"#,
        ),
    ] {
        assert_eq!(merged(old, answer), new);
    }
}
