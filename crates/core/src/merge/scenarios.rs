//! The expectations of other systems on a merge, by the names of their scenarios.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    merge,
    tests::{answer, credential, merged, now},
};
use crate::{Credential, ExposeSecret, Outcome, Shape, classify, jwt, ports::Wire};

const CLAUDE: &str = "{\n  \"claudeAiOauth\": {\n    \"accessToken\": \"a1\",\n    \"refreshToken\": \"r1\",\n    \
                      \"expiresAt\": 1735689000000,\n    \"scopes\": [\"user:inference\", \"user:profile\"],\n    \
                      \"subscriptionType\": \"max\",\n    \"rateLimitTier\": \"t\"\n  },\n  \"mcpOAuth\": { \"x\" :1.0 }\n}";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// S-T28.
#[test]
fn new_fields_win_and_fields_missing_from_the_answer_stay_in_every_shape() {
    for (old, new) in [
        (
            r#"{"refresh_token":"r1","access_token":"a1","project_id":"p","own":{"x": 1}}"#,
            r#"{"refresh_token":"r1","access_token":"a2","project_id":"p","own":{"x": 1},"expires_at":1735689660}"#,
        ),
        (
            r#"{"access_token":"a1","own":null}"#,
            r#"{"access_token":"a2","own":null,"expires_at":1735689660}"#,
        ),
        (
            r#"{"tokens":{"refresh_token":"r1","access_token":"a1","account_id":"acc"},"last_refresh":"x"}"#,
            r#"{"tokens":{"refresh_token":"r1","access_token":"a2","account_id":"acc"},"last_refresh":"2025-01-01T00:00:00Z"}"#,
        ),
        (
            r#"{"claudeAiOauth":{"accessToken":"a1","refreshToken":"r1","scopes":["s"]},"own":1}"#,
            r#"{"claudeAiOauth":{"accessToken":"a2","refreshToken":"r1","scopes":["s"],"expiresAt":1735689660000},"own":1}"#,
        ),
    ] {
        assert_eq!(merged(old, r#"{"access_token":"a2","expires_in":60}"#), new);
    }
}

/// S-T29.
#[test]
fn a_credential_of_strings_stays_one_and_an_empty_refresh_token_or_scope_is_not_taken() {
    let old = r#"{"access_token":"a1","token_type":"Bearer","expires_in":"28800","expires_at":"1735600000","refresh_token":"r1","scope":"user:inference"}"#;
    let response =
        r#"{"access_token":"a2","token_type":"Bearer","expires_in":28800,"refresh_token":"","scope":""}"#;
    assert_eq!(
        merged(old, response),
        r#"{"access_token":"a2","token_type":"Bearer","expires_in":"28800","expires_at":"1735718400","refresh_token":"r1","scope":"user:inference"}"#
    );
}

#[test]
fn the_file_of_claude_code_keeps_its_shape_and_its_scopes_a_list() {
    let response = r#"{"token_type":"Bearer","access_token":"a2","expires_in":28800,"refresh_token":"r2",
                   "scope":"user:inference user:profile","account":{"uuid":"u","email_address":"e"}}"#;
    let expected = CLAUDE.replace("a1", "a2").replace("r1", "r2").replace("1735689000000", "1735718400000");
    assert_eq!(merged(CLAUDE, response), expected);
    let other = merged(CLAUDE, r#"{"access_token":"a2","expires_in":60,"scope":"one two"}"#);
    assert_eq!(json(&other)["claudeAiOauth"]["scopes"], json!(["one", "two"]));
    let unsaid = merged(CLAUDE, r#"{"access_token":"a2","scope":null}"#);
    assert_eq!(json(&unsaid)["claudeAiOauth"]["scopes"], json!(["user:inference", "user:profile"]));
    assert_eq!(json(&unsaid)["claudeAiOauth"]["expiresAt"], Value::Null);
    let later = merged(&unsaid, r#"{"access_token":"a3","expires_in":60}"#);
    assert_eq!(json(&later)["claudeAiOauth"]["expiresAt"], json!(1_735_689_660_000_u64));
    assert_eq!(credential(CLAUDE).scope().as_deref(), Some("user:inference user:profile"));
    let text = r#"{"claudeAiOauth":{"refreshToken":"r1","scopes":"one"}}"#;
    let text = merged(text, r#"{"access_token":"a2","scope":"one two","expires_in":60}"#);
    assert_eq!(json(&text)["claudeAiOauth"]["scopes"], "one two");
}

#[test]
fn the_file_of_the_gemini_cli_keeps_milliseconds_and_its_project() {
    let old = "{\n  \"access_token\": \"a1\",\n  \"refresh_token\": \"r1\",\n  \"scope\": \"x y\",\n  \"token_type\": \"Bearer\",\n  \
               \"id_token\": \"i1\",\n  \"expiry_date\": 1735689000123,\n  \"project_id\": \"p-1\"\n}";
    let response =
        r#"{"access_token":"a2","expires_in":3599,"id_token":"i2","project_id":"","token_type":"Bearer"}"#;
    let expected = old.replace("a1", "a2").replace("i1", "i2").replace("1735689000123", "1735693199000");
    assert_eq!(merged(old, response), expected);
}

/// S-T35.
#[test]
fn a_number_is_one_however_it_is_written() {
    let left = |value: &str| {
        let text = format!(r#"{{"access_token":"a","expires_in":{value}}}"#);
        Credential::import(text.as_bytes(), now()).map(|read| read.expires_in.map(|left| left.as_secs()))
    };
    for value in ["60", "60.0", "6e1", "\"60\"", "\" 60 \""] {
        assert_eq!(left(value).unwrap(), Some(60), "{value}");
    }
    for value in ["null", "0", "\"\"", "\" \"", "-60"] {
        assert_eq!(left(value).unwrap(), None, "{value}");
    }
    for value in ["\"soon\"", "{}", "[60]", "true"] {
        assert_eq!(left(value).unwrap_err().field(), "expires_in", "{value}");
    }
}

/// S-T52.
#[test]
fn a_refresh_leaves_unrelated_fields_alone() {
    let old = r#"{"plan_type" : "plus","access_token":"a1","organization_id":null,"chatgpt_account_id":"acc","custom":{"b":[1, 2.50]},"expires_at":"2024-12-31T23:00:00Z","subscription_expires_at":"2026-01-01T00:00:00Z"}"#;
    let new = old.replace("a1", "a2").replace("2024-12-31T23:00:00Z", "2025-01-01T01:00:00Z");
    assert_eq!(merged(old, r#"{"access_token":"a2","expires_in":3600}"#), new);
}

/// S-T56.
#[test]
fn a_grok_credential_keeps_its_base_url_and_the_refresh_token_that_an_answer_omits() {
    let old = r#"{"access_token":"a1","refresh_token":"r1","base_url":"https://own.example/v1","expires_at":"2024-12-31T23:00:00Z","subscription_tier":"heavy"}"#;
    let new = old.replace("a1", "a2").replace("2024-12-31T23:00:00Z", "2025-01-01T06:00:00Z");
    assert_eq!(merged(old, r#"{"access_token":"a2","expires_in":21600,"base_url":null}"#), new);
}

/// S-T94.
#[test]
fn an_expiry_is_read_from_text_number_and_time_and_kept_as_it_was_written() {
    for (written, left, after) in [
        ("\"1735689660\"", Some(60), "\"1735689720\""),
        ("1735689660", Some(60), "1735689720"),
        ("1735689660.0", Some(60), "1735689720"),
        ("1735689660000", Some(60), "1735689720000"),
        ("\"2025-01-01T00:01:00Z\"", Some(60), "\"2025-01-01T00:02:00Z\""),
        ("\"2025-01-01T08:01:00+08:00\"", Some(60), "\"2025-01-01T08:02:00+08:00\""),
        ("null", None, "1735689720"),
        ("\"\"", None, "\"1735689720\""),
    ] {
        let old = format!(r#"{{"access_token":"a1","expires_at":{written}}}"#);
        let read = Credential::import(old.as_bytes(), now()).unwrap();
        assert_eq!(read.expires_in, left.map(Duration::from_secs), "{written}");
        let new = format!(r#"{{"access_token":"a2","expires_at":{after}}}"#);
        assert_eq!(merged(&old, r#"{"access_token":"a2","expires_in":120}"#), new);
    }
    let missing = Credential::import(br#"{"access_token":"a1"}"#, now()).unwrap();
    assert_eq!(missing.expires_in, None);
    for garbage in ["\"tomorrow\"", "true", "[]", "1e300"] {
        let old = format!(r#"{{"access_token":"a1","expires_at":{garbage}}}"#);
        let error = Credential::import(old.as_bytes(), now()).unwrap_err();
        assert_eq!(error.field(), "expires_at", "{garbage}");
    }
}

/// C-T1.
#[test]
fn the_end_in_a_jwt_is_read_and_anything_else_says_nothing() {
    // {"exp":1736553600}
    assert_eq!(jwt::exp("e30.eyJleHAiOjE3MzY1NTM2MDB9.c2ln"), Some(1_736_553_600));
    for token in ["opaque", "a.b.c", "e30.e30.c2ln", "e30.bm90IGpzb24.c2ln", ""] {
        assert_eq!(jwt::exp(token), None, "{token}");
    }
}

/// C-T10.
#[test]
fn without_an_id_token_the_old_one_and_all_other_fields_stay() {
    for old in [
        r#"{"id_token":"i1","access_token":"a1","refresh_token":"r1","account_id":"acc","last_refresh":"2024-12-28T00:00:00Z"}"#,
        r#"{"tokens":{"id_token":"i1","access_token":"a1","refresh_token":"r1","account_id":"acc"},"last_refresh":"2024-12-28T00:00:00Z"}"#,
    ] {
        let new = json(&merged(old, r#"{"access_token":"a2","refresh_token":"r2"}"#));
        let tokens = new.get("tokens").unwrap_or(&new);
        assert_eq!((&tokens["id_token"], &tokens["account_id"]), (&json!("i1"), &json!("acc")));
        assert_eq!((&tokens["access_token"], &tokens["refresh_token"]), (&json!("a2"), &json!("r2")));
        assert_eq!(new["last_refresh"], "2025-01-01T00:00:00Z");
    }
}

/// M-T6.
#[test]
fn a_merge_leaves_the_credential_it_was_made_from_alone() {
    for text in [CLAUDE, r#"{"access_token":"a1","account_id":"acc"}"#] {
        let old = credential(text);
        let new = merge(&old, &answer(r#"{"access_token":"a2","refresh_token":"r2"}"#), now());
        assert_eq!(old.document().render(), text);
        assert_eq!(new.shape(), old.shape());
        assert_ne!(new, old);
    }
}

#[test]
fn who_an_account_is_cannot_be_blanked_at_any_depth() {
    let old = r#"{"access_token":"a1","email":"e","account":{"uuid":"u","name":"n","deep":{"id":"d"}},"plan_type":"pro"}"#;
    let response = r#"{"access_token":"a2","email":"","account":{"uuid":null,"name":"m","deep":{"id":""},"new":""},"plan_type":{},"expires_in":60}"#;
    let new = json(&merged(old, response));
    assert_eq!((&new["email"], &new["plan_type"]), (&json!("e"), &json!("pro")));
    assert_eq!(new["account"], json!({"uuid": "u", "name": "m", "deep": {"id": "d"}, "new": ""}));
}

/// M-T11.
#[test]
fn a_lifetime_of_nothing_is_unknown_and_any_other_is_believed() {
    for (expires_in, lifetime) in [("0", None), ("-1", None), ("3600", Some(3600)), ("30", Some(30))] {
        let response = answer(&format!(r#"{{"access_token":"a2","expires_in":{expires_in}}}"#));
        assert_eq!(response.lifetime(now()), lifetime.map(Duration::from_secs));
    }
}

/// N-10.
#[test]
fn what_an_answer_lacks_is_kept_unknown_or_unread_and_never_a_loss() {
    let read = |body: &str| {
        let wire = Wire::Reply {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from(body.to_owned()),
        };
        classify(&crate::Dialect::rfc6749(), &wire, now()).outcome
    };
    for old in [
        r#"{"access_token":"a1","refresh_token":"r1","expires_at":1735600000}"#,
        r#"{"tokens":{"access_token":"a1","refresh_token":"r1"}}"#,
        r#"{"claudeAiOauth":{"accessToken":"a1","refreshToken":"r1","expiresAt":1735600000000}}"#,
    ] {
        for (body, access, refresh, lifetime) in [
            (r#"{"access_token":"a2","expires_in":60}"#, "a2", "r1", Some(60)),
            (r#"{"access_token":"a2","refresh_token":"r2"}"#, "a2", "r2", None),
            (r#"{"access_token":"","refresh_token":"r2","expires_in":60}"#, "a1", "r2", Some(0)),
        ] {
            let Outcome::Success(response) = read(body) else { panic!("{body}") };
            let new = merge(&credential(old), &response, now());
            assert_eq!(new.access_token().unwrap().expose_secret(), access, "{body}");
            assert_eq!(new.refresh_token().unwrap().expose_secret(), refresh, "{body}");
            assert_eq!(response.lifetime(now()), lifetime.map(Duration::from_secs), "{body}");
        }
    }
    for body in [r#"{"access_token":"a2","refresh_tok"#, r#"{"access_token":"","refresh_token":""}"#, "{}"] {
        assert!(matches!(read(body), Outcome::Unread), "{body}");
    }
}

#[test]
fn a_document_of_several_shapes_is_read_as_the_first_that_contains_a_token() {
    for (text, shape) in [
        (
            r#"{"access_token":"a","tokens":{"access_token":"b"},"claudeAiOauth":{"accessToken":"c"}}"#,
            Shape::Flat,
        ),
        (
            r#"{"access_token":"","tokens":{"access_token":"b"},"claudeAiOauth":{"accessToken":"c"}}"#,
            Shape::CodexAuth,
        ),
        (r#"{"tokens":{"access_token":""},"claudeAiOauth":{"accessToken":"c"}}"#, Shape::ClaudeCode),
        (r#"{"tokens":null,"claudeAiOauth":{"refreshToken":"c"}}"#, Shape::ClaudeCode),
    ] {
        assert_eq!(credential(text).shape(), shape, "{text}");
        let new = merged(text, r#"{"access_token":"n","expires_in":60}"#);
        assert_eq!(credential(&new).shape(), shape, "{new}");
    }
}

#[test]
fn tokens_move_into_a_file_of_another_shape_and_leave_the_rest_of_it_alone() {
    let held = credential(r#"{"access_token":"a2","refresh_token":"r2","id_token":"i2","scope":"x y"}"#);
    let end = now() + Duration::from_secs(60);
    let claude = credential(CLAUDE).with_tokens_of(&held, Some(end), now());
    let expected = CLAUDE
        .replace("a1", "a2")
        .replace("r1", "r2")
        .replace("1735689000000", "1735689660000")
        .replace("[\"user:inference\", \"user:profile\"]", "[\"x\",\"y\"]");
    assert_eq!(claude.document().render(), expected);
    let codex = r#"{"OPENAI_API_KEY":null,"tokens":{"id_token":"i1","access_token":"a1","refresh_token":"r1","account_id":"acc"},"last_refresh":"2024-12-28T00:00:00Z"}"#;
    let expected =
        codex.replace("i1", "i2").replace("a1", "a2").replace("r1", "r2").replace("2024-12-28", "2025-01-01");
    let codex = credential(codex).with_tokens_of(&held, Some(end), now());
    assert_eq!(codex.document().render(), expected);
    let gemini = r#"{"access_token":"a1","expiry_date":1700000000000}"#;
    let gemini = credential(gemini).with_tokens_of(&claude, None, now());
    assert_eq!(
        gemini.document().render(),
        r#"{"access_token":"a2","expiry_date":null,"refresh_token":"r2"}"#
    );
}
