//! Laws of merging, over credentials and answers of every kind.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    tests::{answer, credential, now},
    *,
};
use crate::{ExposeSecret, MAX_DEPTH};

const NAMES: [&str; 12] = [
    "access_token",
    "refresh_token",
    "id_token",
    "scope",
    "token_type",
    "expires_at",
    "expires_in",
    "expiry_date",
    "refresh_token_expires_in",
    "own",
    "own2",
    "last_refresh",
];

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        "[a-z]{1,8}".prop_map(Value::from),
        (1_700_000_000_u64..1_800_000_000).prop_map(Value::from),
        Just(json!({"deep": [1, "x"]})),
    ]
}

/// Fields in any order, with at least one token among them.
fn fields() -> impl Strategy<Value = Map<String, Value>> {
    let some = proptest::collection::vec((proptest::sample::select(&NAMES[..]), value()), 0..10);
    (some, "[a-z]{1,8}", any::<bool>()).prop_map(|(some, token, access)| {
        let mut all: Map<String, Value> = some
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .filter(|(name, value)| match name.as_str() {
                "access_token" | "refresh_token" => value.is_string() || value.is_null(),
                "expires_at" | "expiry_date" | "expires_in" | "refresh_token_expires_in" => {
                    value.is_number() || value.is_null()
                }
                _ => true,
            })
            .collect();
        all.insert(if access { "access_token" } else { "refresh_token" }.to_owned(), token.into());
        all
    })
}

/// Answers as no provider means them: any characters for tokens, any depth, known names and others.
fn anything() -> impl Strategy<Value = Value> {
    let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let value = prop_oneof![
        value(),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,8}[\n\u{e9}]?".prop_map(Value::from),
        (0..=MAX_DEPTH).prop_map(deep),
    ];
    let name = prop_oneof![proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), any::<String>()];
    proptest::collection::btree_map(name, value, 0..12).prop_map(|fields| json!(fields))
}

fn old() -> impl Strategy<Value = Credential> {
    (fields(), 0..3).prop_map(|(fields, shape)| {
        let document = match shape {
            0 => Value::Object(fields),
            1 => json!({"own": {"a": 1.5}, "tokens": fields}),
            _ => json!({"own": {"a": 1.5}, "claudeAiOauth": claude(fields), "last_refresh": "x"}),
        };
        credential(&document.to_string())
    })
}

/// The same fields under the names of Claude Code.
fn claude(fields: Map<String, Value>) -> Map<String, Value> {
    let renamed = |(name, value): (String, Value)| match name.as_str() {
        "access_token" => ("accessToken".to_owned(), value),
        "refresh_token" => ("refreshToken".to_owned(), value),
        "expires_at" => ("expiresAt".to_owned(), value),
        "scope" => ("scopes".to_owned(), value.as_str().map_or(value.clone(), |text| json!([text]))),
        _ => (name, value),
    };
    fields.into_iter().map(renamed).collect()
}

fn text(secret: Option<crate::Secret>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

proptest! {
    #![proptest_config(crate::laws::config(256))]

    #[test]
    fn merging_twice_is_merging_once(old in old(), response in fields()) {
        let response = answer(&Value::Object(response).to_string());
        let once = merge(&old, &response, now());
        prop_assert_eq!(&merge(&once, &response, now()), &once);
    }

    #[test]
    fn merging_loses_no_field_and_blanks_no_token(old in old(), response in fields()) {
        let response = answer(&Value::Object(response).to_string());
        let new = merge(&old, &response, now());
        let kept: Vec<_> = new.tokens().names().filter(|name| old.tokens().raw(name).is_some()).collect();
        prop_assert_eq!(kept, old.tokens().names().collect::<Vec<_>>());
        prop_assert_eq!(new.shape(), old.shape());
        prop_assert_eq!(text(new.access_token()), text(response.access_token.clone()).or(text(old.access_token())));
        prop_assert_eq!(text(new.refresh_token()), text(response.refresh_token.clone()).or(text(old.refresh_token())));
        for name in ["own", "own2"] {
            if response.document().raw(name).is_none() {
                prop_assert_eq!(new.tokens().raw(name), old.tokens().raw(name));
            }
        }
    }

    #[test]
    fn what_an_answer_leaves_empty_stays(old in old(), response in fields()) {
        let blank = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || value == "");
        let new = merge(&old, &answer(&Value::Object(response.clone()).to_string()), now());
        for name in ["id_token", "scope", "token_type", "own", "own2", "scopes"] {
            if blank(response.get(name)) {
                let kept = new.tokens().raw(name) == old.tokens().raw(name);
                prop_assert!(kept || name == "scopes" && !blank(response.get("scope")), "{}", name);
            }
        }
    }

    #[test]
    fn what_was_merged_survives_the_store(old in old(), response in fields()) {
        let new = merge(&old, &answer(&Value::Object(response).to_string()), now());
        prop_assert_eq!(Credential::from_bytes(&new.to_bytes()).unwrap(), new);
    }

    #[test]
    fn whatever_an_answer_contains_the_credential_opens_with_its_tokens(old in old(), response in anything()) {
        let Ok(response) = TokenAnswer::read(response.to_string().as_bytes()) else { return Ok(()) };
        let new = merge(&old, &response, now());
        let opened = Credential::from_bytes(&new.to_bytes()).unwrap();
        prop_assert_eq!(text(opened.access_token()), text(response.access_token.clone()).or(text(old.access_token())));
        prop_assert_eq!(text(opened.refresh_token()), text(response.refresh_token.clone()).or(text(old.refresh_token())));
        prop_assert_eq!(opened, new);
    }
}

proptest! {
    #![proptest_config(crate::laws::config(256))]

    #[test]
    fn a_file_takes_tokens_of_any_shape_and_keeps_its_own_fields(file in old(), held in old()) {
        let end = Some(now() + std::time::Duration::from_secs(60));
        let new = file.with_tokens_of(&held, end, now());
        prop_assert_eq!(new.shape(), file.shape());
        prop_assert_eq!(text(new.access_token()), text(held.access_token()).or(text(file.access_token())));
        prop_assert_eq!(text(new.refresh_token()), text(held.refresh_token()).or(text(file.refresh_token())));
        let kept: Vec<_> = new.tokens().names().filter(|name| file.tokens().raw(name).is_some()).collect();
        prop_assert_eq!(kept, file.tokens().names().collect::<Vec<_>>());
        for name in ["own", "own2"] {
            prop_assert_eq!(new.tokens().raw(name), file.tokens().raw(name));
        }
        prop_assert_eq!(&new.with_tokens_of(&held, end, now()), &new);
        let again = Credential::import(new.document().render().as_bytes(), now()).unwrap().credential;
        prop_assert_eq!(again, new);
    }
}
