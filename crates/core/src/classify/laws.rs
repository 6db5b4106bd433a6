//! Laws of classification, over every status, any body and every kind of dialect.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{MAX_RETRY_AFTER, Revocation};

const CODES: [&str; 9] = [
    "invalid_grant",
    "invalid_client",
    "invalid_request",
    "refresh_token_reused",
    "not_found_error",
    "use_dpop_nonce",
    "slow_down",
    "INVALID_GRANT",
    "",
];

/// The beginning of a description that ends a grant.
const GONE: &str = "Token é gone";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_735_689_600)
}

/// A dialect and the statuses it was given: by name, for laws that need it.
fn dialect() -> impl Strategy<Value = (Dialect, Vec<u16>)> {
    let base = prop_oneof![
        Just(Dialect::rfc6749()),
        Just(Dialect::openai()),
        Just(Dialect::rfc6749().code_at("error.type").permanent("not_found_error", Revocation::Refused)),
        Just(Dialect::rfc6749().our_fault("invalid_grant").permanent("invalid_client", Revocation::Refused)),
        Just(Dialect::rfc6749().passing("slow_down", Delay::RateLimited).form_answers()),
        Just(Dialect::rfc6749().described("invalid_request", GONE, Meaning::Permanent(Revocation::Expired))),
    ];
    let freed = prop_oneof![Just(vec![429]), Just(vec![]), Just(vec![429, 503]), Just(vec![500])];
    (base, freed).prop_map(|(dialect, freed)| {
        let statuses = freed.iter().map(|status| StatusCode::from_u16(*status).unwrap());
        (dialect.not_processed(statuses.collect::<Vec<_>>()), freed)
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![proptest::sample::select(&CODES[..]).prop_map(str::to_owned), any::<String>()];
    let error = code.prop_flat_map(|code| {
        prop_oneof![
            Just(json!({"error": code})),
            Just(json!({"error": code, "error_description": GONE})),
            Just(json!({"error": code, "error_description": format!("it says {GONE}")})),
            Just(json!({"error": {"code": code}})),
            Just(json!({"error": {"type": code}})),
            Just(json!({"code": code})),
            Just(json!([code])),
            Just(Value::from(code)),
        ]
    });
    let token = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!(7)),
        Just(json!("a\nb")),
        "[!-~]{1,20}".prop_map(Value::from),
    ];
    let tokens = (token.clone(), token, any::<i64>()).prop_map(
        |(access, refresh, lasts)| json!({"access_token": access, "refresh_token": refresh, "expires_in": lasts}),
    );
    prop_oneof![
        3 => error.prop_map(|json| json.to_string().into_bytes()),
        3 => tokens.prop_map(|json| json.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => any::<String>().prop_map(String::into_bytes),
        1 => Just(b"<html>invalid_grant</html>".to_vec()),
    ]
}

/// The meaning of the body by the dialect alone.
fn meaning(dialect: &Dialect, body: &[u8]) -> Option<Meaning> {
    dialect.meaning(&Dialect::object(body)?)
}

/// The statuses that the rules name, and all others.
fn status() -> impl Strategy<Value = u16> {
    let named = [200, 201, 204, 302, 307, 400, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504];
    prop_oneof![2 => proptest::sample::select(named.to_vec()), 1 => 100_u16..1000]
}

fn wire(status: u16, body: &[u8], retry_after: Option<&str>) -> Wire {
    let headers = retry_after.map(|text| (http::header::RETRY_AFTER, text.parse().unwrap()));
    Wire::Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.into_iter().collect(),
        body: body.to_vec().into(),
    }
}

fn outcome(dialect: &Dialect, status: u16, body: &[u8]) -> Outcome<()> {
    classify(dialect, &wire(status, body, None), now()).outcome.map(|_| ())
}

/// Whether a body mentions each kind of token with something that is more than nothing.
fn mentioned(body: &[u8]) -> [bool; 2] {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    ["access_token", "refresh_token"].map(|name| match json.get(name) {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Number(_)) => true,
        _ => false,
    })
}

fn is_kept(found: Outcome<()>) -> bool {
    matches!(found, Outcome::Success(()) | Outcome::Unread)
}

/// A server that sent this has come so far that the token may be spent.
fn may_have_been_processed(status: u16, freed: &[u16]) -> bool {
    let refuses_first = (300..500).contains(&status) && status != 408 && status != 429;
    !refuses_first && !freed.contains(&status)
}

proptest! {
    #![proptest_config(crate::laws::config(1024))]

    #[test]
    fn what_may_have_been_processed_is_never_taken_for_a_refusal(
        (dialect, freed) in dialect(), status in status(), body in body(),
    ) {
        if may_have_been_processed(status, &freed) {
            let found = outcome(&dialect, status, &body);
            // A 2xx that names an error is the provider's own word, unlike one of a proxy.
            let named = matches!(found, Outcome::Permanent(_) | Outcome::OurFault | Outcome::Refused { .. });
            let spoken = (200..300).contains(&status) && named && meaning(&dialect, &body).is_some();
            prop_assert!(spoken || matches!(found, Outcome::Success(()) | Outcome::Unread | Outcome::Ambiguous), "{status}: {found:?}");
        }
    }

    #[test]
    fn a_status_that_provider_data_frees_is_a_refusal_whatever_it_says(
        (dialect, freed) in dialect(), body in body(),
    ) {
        for status in freed {
            let why = if status == 429 { Delay::RateLimited } else { Delay::ProviderDown };
            let found = outcome(&dialect, status, &body);
            if mentioned(&body) == [true; 2] {
                prop_assert!(is_kept(found), "{found:?}");
            } else {
                prop_assert_eq!(found, Outcome::Refused { retry_after: None, why });
            }
        }
    }

    #[test]
    fn a_rate_limit_or_an_outage_is_doubt_where_provider_data_does_not_free_it(
        (dialect, freed) in dialect(), status in proptest::sample::select(vec![408_u16, 429, 500, 502, 503, 504]), body in body(),
    ) {
        if !freed.contains(&status) {
            let found = outcome(&dialect, status, &body);
            if mentioned(&body) == [true; 2] {
                prop_assert!(is_kept(found), "{found:?}");
            } else {
                prop_assert_eq!(found, Outcome::Ambiguous);
            }
        }
    }

    #[test]
    fn a_success_is_a_2xx_with_a_token_or_a_pair_whatever_the_status_and_nothing_else(
        (dialect, _) in dialect(), status in status(), body in body(),
    ) {
        let found = outcome(&dialect, status, &body);
        let answer = TokenAnswer::read(&body).ok();
        let expected = answer.is_some_and(|answer| {
            let leaves_nothing = answer.refresh_token.is_some() || !mentioned(&body)[1];
            if (200..300).contains(&status) { leaves_nothing } else { answer.is_pair_of_tokens() }
        });
        prop_assert_eq!(found == Outcome::Success(()), expected);
    }

    #[test]
    fn a_grant_ends_by_a_code_that_this_provider_uses_for_it_and_by_nothing_else(
        (dialect, freed) in dialect(), status in status(), body in body(),
    ) {
        let parsed = serde_json::from_slice::<Value>(&body).ok().filter(Value::is_object);
        let codes = parsed.map(|json| dialect.codes(&json)).unwrap_or_default();
        let known = match meaning(&dialect, &body) {
            Some(Meaning::Permanent(why)) => Some(why),
            _ => None,
        };
        prop_assert!(known.is_none() || !codes.is_empty(), "a grant ends without a code");
        match outcome(&dialect, status, &body) {
            Outcome::Permanent(why) => prop_assert_eq!(Some(why), known),
            found if (400..500).contains(&status) && !may_have_been_processed(status, &freed) && !freed.contains(&status) => {
                let nonce = codes.iter().any(|code| code == "use_dpop_nonce");
                prop_assert!(known.is_none() || nonce, "{status}: {found:?}");
            }
            _ => {}
        }
    }

    #[test]
    fn a_page_without_json_says_nothing_about_the_account(
        (dialect, _) in dialect(), status in status(), text in "[^{]{0,40}",
    ) {
        let page = format!("<html>{text}invalid_grant</html>");
        let found = outcome(&dialect, status, page.as_bytes());
        let says_nothing = matches!(found, Outcome::Refused { .. } | Outcome::Unread | Outcome::Ambiguous);
        prop_assert!(says_nothing, "{status}: {found:?}");
    }

    #[test]
    fn a_description_counts_by_how_it_begins_and_by_nothing_else(before in ".{0,12}", after in ".{0,12}") {
        let dialect = Dialect::rfc6749().described("odd", GONE, Meaning::Permanent(Revocation::Expired));
        let text = format!("{before}{GONE}{after}");
        let found = outcome(&dialect, 400, json!({"error": "odd", "error_description": text}).to_string().as_bytes());
        let ends = text.starts_with(GONE);
        prop_assert_eq!(found == Outcome::Permanent(Revocation::Expired), ends, "{}", text);
    }

    #[test]
    fn headers_say_when_and_never_what(
        (dialect, _) in dialect(), status in status(), body in body(),
        header in prop_oneof!["[0-9]{1,30}", "[ -~]{0,40}", Just("Fri, 01 Jan 2055 00:00:00 GMT".to_owned())],
    ) {
        let with_header = classify(&dialect, &wire(status, &body, Some(&header)), now()).outcome.map(|_| ());
        match (with_header, outcome(&dialect, status, &body)) {
            (Outcome::Refused { retry_after, why }, Outcome::Refused { why: plain, .. }) => {
                prop_assert_eq!(why, plain);
                prop_assert!(retry_after.is_none_or(|span| !span.is_zero() && span <= MAX_RETRY_AFTER));
            }
            (with_header, plain) => prop_assert_eq!(with_header, plain),
        }
    }

    #[test]
    fn what_was_lost_is_doubt_and_what_was_not_sent_is_not((dialect, _) in dialect(), why in "[ -~]{0,40}") {
        let lost = classify(&dialect, &Wire::Lost { why: why.clone() }, now());
        prop_assert!(matches!(lost.outcome, Outcome::Ambiguous));
        let unsent = classify(&dialect, &Wire::NotSent { why }, now());
        prop_assert!(matches!(unsent.outcome, Outcome::NotSent));
    }

    #[test]
    fn a_reason_is_short_and_quotes_a_code_at_most((dialect, _) in dialect(), status in status(), body in body()) {
        let Classified { outcome, reason } = classify(&dialect, &wire(status, &body, None), now());
        let words = reason.strip_prefix(&status.to_string()).unwrap().trim_start();
        let ours = ["", "redirect to nowhere", "without JSON", "without an error code", "with an unprintable error code"];
        let unread = matches!(outcome, Outcome::Unread) && reason.len() < 500;
        prop_assert!(ours.contains(&words) || is_printable(words) || unread, "{reason}");
    }
}
