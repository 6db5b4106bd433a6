#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::{ExposeSecret, MAX_RETRY_AFTER, Revocation};

const HTML: &str = "<html><head><title>invalid_grant</title></head></html>";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_735_689_600)
}

fn wire(status: u16, headers: &[(&'static str, &str)], body: &str) -> Wire {
    let headers =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Wire::Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned().into() }
}

/// The outcome without the tokens.
fn foundof(dialect: &Dialect, wire: &Wire) -> Outcome<()> {
    classify(dialect, wire, now()).outcome.map(|_| ())
}

fn outcome(dialect: &Dialect, status: u16, body: &str) -> Outcome<()> {
    foundof(dialect, &wire(status, &[], body))
}

fn answer(body: &str) -> TokenAnswer {
    TokenAnswer::read(body.as_bytes()).unwrap()
}

fn jwt(exp: u64) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}}}")))
}

fn refused(why: Delay) -> Outcome<()> {
    Outcome::Refused { retry_after: None, why }
}

#[test]
fn the_standard_wording_is_understood() {
    let down = refused(Delay::ProviderDown);
    let dead = Outcome::Permanent(Revocation::Refused);
    let dialect = Dialect::rfc6749();
    for (status, body, expected) in [
        (200, r#"{"access_token":"a","refresh_token":"r","expires_in":60}"#, Outcome::Success(())),
        (201, r#"{"access_token":"a","error":null}"#, Outcome::Success(())),
        (200, r#"{"refresh_token":"r"}"#, Outcome::Success(())),
        (200, r#"{"access_token":"","refresh_token":"r"}"#, Outcome::Success(())),
        (200, r#"{"access_token":"a","error":"soft"}"#, Outcome::Success(())),
        (200, "{}", Outcome::Unread),
        (200, r#"{"access_token":" ","refresh_token":null}"#, Outcome::Unread),
        (200, r#"{"access_token":"a""#, Outcome::Unread),
        (200, HTML, Outcome::Unread),
        (204, "", Outcome::Unread),
        (200, r#"{"error":"invalid_grant"}"#, dead),
        (200, r#"{"error":"invalid_client"}"#, Outcome::OurFault),
        (200, r#"{"error":"what"}"#, Outcome::Unread),
        (302, "", down),
        (307, r#"{"error":"invalid_grant"}"#, down),
        (400, r#"{"error":"invalid_grant","error_description":"gone"}"#, dead),
        (400, r#"{"error":"INVALID_GRANT"}"#, dead),
        (403, r#"{"error":"invalid_grant"}"#, dead),
        (401, r#"{"error":"invalid_client"}"#, Outcome::OurFault),
        (400, r#"{"error":"unauthorized_client"}"#, Outcome::OurFault),
        (400, r#"{"error":"invalid_request"}"#, Outcome::OurFault),
        (400, r#"{"error":"unsupported_grant_type"}"#, Outcome::OurFault),
        (400, r#"{"error":"invalid_scope"}"#, Outcome::OurFault),
        (400, r#"{"error":"use_dpop_nonce"}"#, Outcome::NonceWanted),
        (400, r#"{"error":"slow_down"}"#, down),
        (400, r#"{"message":"invalid_grant"}"#, down),
        (401, r#"["invalid_grant"]"#, down),
        (400, HTML, down),
        (404, HTML, down),
        (403, "", down),
        (408, "", Outcome::Ambiguous),
        (429, r#"{"error":"invalid_grant"}"#, refused(Delay::RateLimited)),
        (500, r#"{"error":"invalid_grant"}"#, Outcome::Ambiguous),
        (503, "", Outcome::Ambiguous),
        (504, HTML, Outcome::Ambiguous),
        (101, "", Outcome::Ambiguous),
        (999, "", Outcome::Ambiguous),
    ] {
        assert_eq!(outcome(&dialect, status, body), expected, "{status} {body}");
    }
}

#[test]
fn an_answer_that_mentions_a_refresh_token_which_is_none_as_it_stands_is_kept() {
    let dialect = Dialect::rfc6749();
    for (body, expected) in [
        (r#"{"access_token":"a","refresh_token":"r\n"}"#, Outcome::Unread),
        (r#"{"access_token":"a","refresh_token":{"token":"r"}}"#, Outcome::Unread),
        (r#"{"access_token":"a","refresh_token":["r"]}"#, Outcome::Unread),
        (r#"{"access_token":"a","refresh_token":7}"#, Outcome::Unread),
        (r#"{"access_token":"a","newRefreshToken":"r-0123456789"}"#, Outcome::Unread),
        (r#"{"access_token":"a","refresh_token":["r"],"name":"\ud83d"}"#, Outcome::Unread),
        (r#"{"error":"invalid_grant","refresh_token":"r"}"#, Outcome::Unread),
        (r#"{"access_token":"a","has_refresh_token":"false"}"#, Outcome::Success(())),
        (r#"{"access_token":"a","rotate_refresh_token":0,"refresh_token":"false"}"#, Outcome::Success(())),
        (r#"{"access_token":"a","_links":{"refresh_token":{"href":"https://a/b"}}}"#, Outcome::Success(())),
        (r#"{"access_token":"a","refresh_token":{"expires_in":3600}}"#, Outcome::Success(())),
        (r#"{"access_token":"a","grant":{"refresh-token":"r"}}"#, Outcome::Unread),
        (r#"{"access_token":"a","refresh_token":null}"#, Outcome::Success(())),
        (r#"{"access_token":"a","refresh_token":" "}"#, Outcome::Success(())),
        (r#"{"access_token":"a","refresh_token":{}}"#, Outcome::Success(())),
        (r#"{"access_token":"a","refresh_token":false,"refresh_token_expires_in":5}"#, Outcome::Success(())),
        (r#"{"access_token":"a","request":{"refresh_token":"old"}}"#, Outcome::Success(())),
        // A known code explains an answer without tokens, and none with them.
        (r#"{"error":"invalid_grant","tokens":{"access_token":"a","refresh_token":"r"}}"#, Outcome::Unread),
        (r#"{"error":"invalid_request","tokens":{"refresh_token":"r"}}"#, Outcome::Unread),
        (
            r#"{"error":"invalid_grant","error_description":"refresh_token"}"#,
            Outcome::Permanent(Revocation::Refused),
        ),
    ] {
        assert_eq!(outcome(&dialect, 200, body), expected, "{body}");
    }
}

#[test]
fn a_pair_in_a_refusal_was_issued_all_the_same() {
    let dialect = Dialect::rfc6749();
    let pair = r#"{"access_token":"a","refresh_token":"r","expires_in":60}"#;
    for status in [302, 307, 400, 401, 403, 408, 429, 500, 502, 503, 520, 999] {
        assert_eq!(outcome(&dialect, status, pair), Outcome::Success(()), "{status}");
        let wrapped = format!(r#"{{"payload":{pair}}}"#);
        assert_eq!(outcome(&dialect, status, &wrapped), Outcome::Unread, "{status}");
        let contradiction = pair.replace('{', r#"{"error":"invalid_grant","#);
        assert_eq!(outcome(&dialect, status, &contradiction), Outcome::Unread, "{status}");
        let masked = r#"{"access_token":"***","refresh_token":"***"}"#;
        assert_eq!(outcome(&dialect, status, masked), Outcome::Unread, "{status}");
        // What was sent comes back, or is called wrong.
        for echo in [
            r#"{"refresh_token":"old","grant_type":"refresh_token"}"#,
            r#"{"errors":{"refresh_token":["is invalid"],"access_token":["is missing"]}}"#,
        ] {
            assert_eq!(outcome(&dialect, status, echo), outcome(&dialect, status, "{}"), "{status} {echo}");
        }
    }
}

#[test]
fn openai_names_the_end_of_a_token_in_its_own_way() {
    let dialect = Dialect::openai();
    for (code, why) in [
        ("refresh_token_reused", Revocation::Reused),
        ("refresh_token_expired", Revocation::Expired),
        ("refresh_token_invalidated", Revocation::Refused),
        ("invalid_refresh_token", Revocation::Refused),
        ("invalid_grant", Revocation::Refused),
    ] {
        for body in [
            format!(
                r#"{{"error":{{"message":"m","type":"invalid_request_error","param":null,"code":"{code}"}}}}"#
            ),
            format!(r#"{{"error":"{code}"}}"#),
            format!(r#"{{"code":"{code}"}}"#),
        ] {
            assert_eq!(outcome(&dialect, 401, &body), Outcome::Permanent(why), "{body}");
            assert_eq!(outcome(&dialect, 400, &body), Outcome::Permanent(why), "{body}");
            assert_eq!(outcome(&dialect, 502, &body), Outcome::Ambiguous, "{body}");
        }
    }
    let unknown = r#"{"error":{"code":"unsupported_country_region_territory"}}"#;
    assert_eq!(outcome(&dialect, 403, unknown), refused(Delay::ProviderDown));
    assert_eq!(
        outcome(&Dialect::rfc6749(), 401, r#"{"error":{"code":"refresh_token_reused"}}"#),
        refused(Delay::ProviderDown),
        "another provider's word is no evidence"
    );
}

#[test]
fn providers_that_answer_200_or_stretch_the_standard_are_data() {
    let github = Dialect::rfc6749().permanent("bad_refresh_token", Revocation::Refused);
    let body = r#"{"error":"bad_refresh_token","error_description":"expired","error_uri":"u"}"#;
    assert_eq!(outcome(&github, 200, body), Outcome::Permanent(Revocation::Refused));

    let slack = Dialect::rfc6749().permanent("invalid_refresh_token", Revocation::Refused);
    let body = r#"{"ok":false,"error":"invalid_refresh_token"}"#;
    assert_eq!(outcome(&slack, 200, body), Outcome::Permanent(Revocation::Refused));

    let nested = Dialect::rfc6749().code_at("error.type").our_fault("not_found_error");
    let body = r#"{"type":"error","error":{"type":"not_found_error","message":"m"}}"#;
    assert_eq!(outcome(&nested, 404, body), Outcome::OurFault);
    assert_eq!(outcome(&nested, 404, HTML), refused(Delay::ProviderDown));

    let limited = Dialect::rfc6749().passing("ratelimited", Delay::RateLimited);
    let body = r#"{"ok":false,"error":"ratelimited"}"#;
    assert_eq!(outcome(&limited, 200, body), refused(Delay::RateLimited));
    assert_eq!(outcome(&limited, 500, body), Outcome::Ambiguous);
    assert_eq!(outcome(&Dialect::rfc6749(), 200, body), Outcome::Unread);
}

#[test]
fn a_code_may_mean_something_else_by_how_its_description_begins() {
    let reused = Meaning::Permanent(Revocation::Reused);
    let dialect = Dialect::rfc6749()
        .text_at("error.message")
        .described("unauthorized_client", "Old refresh token used", reused)
        .described("invalid_grant", "busy:", Meaning::Refused(Delay::RateLimited));
    let dead = Outcome::Permanent(Revocation::Reused);
    for (body, expected) in [
        (r#"{"error":"unauthorized_client","error_description":"Old refresh token used."}"#, dead),
        (r#"{"error":"unauthorized_client","error_description":"old REFRESH token used"}"#, dead),
        (r#"{"error":{"code":"unauthorized_client","message":"Old refresh token used"}}"#, dead),
        (
            r#"{"error":"unauthorized_client","error_description":"an Old refresh token used"}"#,
            Outcome::OurFault,
        ),
        (r#"{"error":"unauthorized_client","message":"Old refresh token used"}"#, Outcome::OurFault),
        (r#"{"error":"unauthorized_client","error_description":"Old ref"}"#, Outcome::OurFault),
        (r#"{"error":"odd","error_description":"Old refresh token used"}"#, refused(Delay::ProviderDown)),
        (r#"{"error":"invalid_grant","error_description":"busy: wait"}"#, refused(Delay::RateLimited)),
        (r#"{"error":"invalid_grant","error_description":"gone"}"#, Outcome::Permanent(Revocation::Refused)),
    ] {
        assert_eq!(outcome(&dialect, 401, body), expected, "{body}");
    }
}

/// S-T24, S-T73.
#[test]
fn the_end_of_a_grant_is_a_code_in_its_field_in_letters_of_any_case() {
    let dialect = Dialect::openai();
    for code in ["invalid_grant", "INVALID_GRANT", "Invalid_Grant"] {
        let found = outcome(&dialect, 400, &format!(r#"{{"error":"{code}","error_description":"x"}}"#));
        assert_eq!(found, Outcome::Permanent(Revocation::Refused), "{code}");
    }
    for (status, body) in [
        (400, r#"{"error":"invalid_client","error_description":"not an invalid_grant"}"#),
        (400, r#"{"message":"error: invalid_grant"}"#),
        (403, "access_denied: refresh_token_reused"),
        (400, r#"["refresh_token_reused"]"#),
        (400, r#""refresh_token_reused""#),
        (502, r#"{"error":"refresh_token_reused"}"#),
        (400, ""),
    ] {
        let found = outcome(&dialect, status, body);
        assert!(!matches!(found, Outcome::Permanent(_)), "{status} {body}: {found:?}");
    }
    for wire in [Wire::Lost { why: "invalid_grant".into() }, Wire::NotSent { why: "invalid_grant".into() }] {
        assert!(!matches!(foundof(&dialect, &wire), Outcome::Permanent(_)), "{wire:?}");
    }
}

#[test]
fn a_form_is_read_where_a_provider_is_known_to_answer_in_one_and_says_that_it_does() {
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let github = Dialect::rfc6749().form_answers().permanent("bad_refresh_token", Revocation::Refused);
    let bad = "error=bad_refresh_token&error_description=incorrect+or+expired";
    let good = "access_token=ghu_1&expires_in=28800&refresh_token=ghr_1&refresh_token_expires_in=15897600";
    assert_eq!(foundof(&github, &wire(200, &form, bad)), Outcome::Permanent(Revocation::Refused));
    let Outcome::Success(answer) = classify(&github, &wire(200, &form, good), now()).outcome else {
        panic!("a pair is lost")
    };
    assert_eq!(answer.access_token.as_ref().unwrap().expose_secret(), "ghu_1");
    assert_eq!(answer.lifetime(now()), Some(Duration::from_secs(28_800)));
    assert_eq!(answer.refresh_expires_in, Some(Duration::from_secs(15_897_600)));
    assert_eq!(foundof(&github, &wire(200, &[], bad)), Outcome::Unread);
    assert_eq!(foundof(&Dialect::rfc6749(), &wire(200, &form, bad)), Outcome::Unread);
    assert_eq!(foundof(&github, &wire(200, &form, HTML)), Outcome::Unread);
}

#[test]
fn another_client_is_wanted_only_where_the_client_is_all_that_is_wrong() {
    let dialect = Dialect::rfc6749().described(
        "unauthorized_client",
        "Old refresh token",
        Meaning::Permanent(Revocation::Reused),
    );
    for (status, body, wanted) in [
        (401, r#"{"error":"unauthorized_client","error_description":"Unauthorized"}"#, true),
        (401, r#"{"error":"unauthorized_client","error_description":"Old refresh token used."}"#, false),
        (401, r#"{"error":"invalid_client"}"#, false),
        (400, r#"{"error":"invalid_grant"}"#, false),
        (500, r#"{"error":"unauthorized_client"}"#, false),
        (429, r#"{"error":"unauthorized_client"}"#, false),
        (401, "unauthorized_client", false),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let wants = dialect.wants_another_client(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(wants, wanted, "{status} {body}");
    }
}

/// A14.
#[test]
fn only_provider_data_frees_a_token_after_503() {
    let both = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let open = Dialect::rfc6749().not_processed(both);
    assert_eq!(outcome(&open, 503, ""), refused(Delay::ProviderDown));
    assert_eq!(outcome(&Dialect::rfc6749(), 503, ""), Outcome::Ambiguous);
    assert_eq!(outcome(&open, 429, ""), refused(Delay::RateLimited));
    assert_eq!(outcome(&Dialect::rfc6749().not_processed([]), 429, ""), Outcome::Ambiguous);
}

/// B11.
#[test]
fn retry_after_is_believed_for_an_hour_at_most() {
    for (header, expected) in [
        ("7", Some(Duration::from_secs(7))),
        ("Wed, 01 Jan 2025 00:00:30 GMT", Some(Duration::from_secs(30))),
        ("31536000", Some(MAX_RETRY_AFTER)),
        ("99999999999999999999999999", Some(MAX_RETRY_AFTER)),
        ("Fri, 01 Jan 2055 00:00:00 GMT", Some(MAX_RETRY_AFTER)),
        ("Wed, 01 Jan 2020 00:00:00 GMT", None),
        ("0", None),
        ("-1", None),
        ("soon", None),
        ("", None),
    ] {
        let found = foundof(&Dialect::rfc6749(), &wire(429, &[("retry-after", header)], ""));
        assert_eq!(found, Outcome::Refused { retry_after: expected, why: Delay::RateLimited }, "{header}");
    }
}

#[test]
fn a_request_not_sent_and_a_lost_answer_are_distinguished() {
    let dialect = Dialect::rfc6749();
    let (not_sent, lost) = (Wire::NotSent { why: "refused".into() }, Wire::Lost { why: "reset".into() });
    assert_eq!(foundof(&dialect, &not_sent), Outcome::NotSent);
    assert_eq!(foundof(&dialect, &lost), Outcome::Ambiguous);
    assert_eq!(classify(&dialect, &lost, now()).reason, "no answer: reset");
}

#[test]
fn the_reason_names_status_and_code_and_quotes_nothing_else() {
    for (status, body, expected) in [
        (200, r#"{"access_token":"hush"}"#, "200"),
        (400, r#"{"error":"invalid_grant","error_description":"hush"}"#, "400 invalid_grant"),
        (400, r#"{"error":"token hush is bad"}"#, "400 with an unprintable error code"),
        (200, r#"{"id":"hush"}"#, "200 without a usable token among its members: id"),
        (502, "hush", "502 without JSON"),
    ] {
        let classified = classify(&Dialect::rfc6749(), &wire(status, &[], body), now());
        assert_eq!(classified.reason, expected);
        assert!(!format!("{classified:?}").contains("hush"), "{body}");
    }
}

#[test]
fn a_token_in_place_of_a_code_stands_in_no_reason() {
    let tokens = [Some(crate::secret("Rt-opaque.1")), None];
    for (status, headers, body) in [
        (400, vec![], r#"{"error":"Rt-opaque.1"}"#),
        (302, vec![("location", "https://rt-opaque.1.evil/")], ""),
        (200, vec![], r#"{"Rt-opaque.1":1}"#),
    ] {
        let classified = classify(&Dialect::rfc6749(), &wire(status, &headers, body), now());
        let reason = classified.without(&tokens).reason;
        assert!(
            !reason.to_lowercase().contains("opaque") && reason.starts_with(&status.to_string()),
            "{reason}"
        );
    }
    let plain = classify(&Dialect::rfc6749(), &wire(400, &[], r#"{"error":"slow_down"}"#), now());
    assert_eq!(plain.without(&tokens).reason, "400 slow_down");
}

#[test]
fn a_lifetime_is_what_provider_and_token_agree_on() {
    let start = now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let left = |access: &str, rest: &str| {
        answer(&format!(r#"{{"access_token":"{access}"{rest}}}"#)).lifetime(now()).map(|left| left.as_secs())
    };
    assert_eq!(left("a", r#","expires_in":3600"#), Some(3600));
    assert_eq!(left("a", r#","expires_in":"3600""#), Some(3600));
    assert_eq!(left("a", r#","expires_in":0"#), None);
    assert_eq!(left("a", r#","expires_in":-5"#), None);
    assert_eq!(left("a", r#","expires_in":"soon""#), None);
    assert_eq!(left("a", ""), None);
    assert_eq!(left(&jwt(start + 60), r#","expires_in":3600"#), Some(60));
    assert_eq!(left(&jwt(start + 7200), r#","expires_in":3600"#), Some(3600));
    assert_eq!(left(&jwt(start + 7200), ""), Some(7200));
    assert_eq!(
        left(&jwt(start - 60), r#","expires_in":3600"#),
        Some(3600),
        "a new token is never born expired"
    );
    assert_eq!(left(&jwt(start - 60), ""), None);
    // The host's clock is an hour behind: the token lasts ten minutes nonetheless.
    let claims = |from: u64, to: u64| {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":{from},"exp":{to}}}"#)))
    };
    assert_eq!(left(&claims(start + 3600, start + 4200), ""), Some(600));
    assert_eq!(left(&claims(start + 3600, start + 4200), r#","expires_in":900"#), Some(600));
    assert_eq!(left(&claims(start - 600, start + 60), ""), Some(60), "and no longer than to its end");
    assert_eq!(left(&claims(start + 60, start + 60), ""), Some(60), "no life at all means nothing");
    assert_eq!(answer(r#"{"refresh_token":"r","expires_in":60}"#).lifetime(now()), Some(Duration::ZERO));
}

#[test]
fn a_token_that_fits_no_header_is_no_token() {
    let odd = answer("{\"access_token\":\"a\\nb\",\"refresh_token\":\"r\",\"refresh_expires_in\":9}");
    assert!(odd.access_token.is_none());
    assert_eq!(odd.refresh_token.unwrap().expose_secret(), "r");
    assert_eq!(odd.refresh_expires_in, Some(Duration::from_secs(9)));
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let word =
        prop_oneof!["[a-z_]{0,20}", Just("invalid_grant".to_owned()), Just("invalid_client".to_owned())];
    let name = prop_oneof![
        Just("error"),
        Just("access_token"),
        Just("refresh_token"),
        Just("expires_in"),
        Just("code")
    ];
    let json = proptest::collection::vec((name, word), 0..4).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(name, word)| format!("\"{name}\":\"{word}\"")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "\\PC{0,100}".prop_map(String::into_bytes),
        json
    ]
}

proptest! {
    #![proptest_config(crate::laws::config(256))]

    #[test]
    fn no_answer_makes_it_panic_and_few_end_a_grant(
        status in 100_u16..1000, body in body(), header in "[ -~]{0,40}",
    ) {
        let text = String::from_utf8_lossy(&body).into_owned();
        let wire = Wire::Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: [(http::header::RETRY_AFTER, header.parse().unwrap())].into_iter().collect(),
            body: body.into(),
        };
        let classified = classify(&Dialect::openai(), &wire, now());
        if let Outcome::Permanent(_) = classified.outcome {
            prop_assert!(text.contains("invalid_grant"));
            prop_assert!((200..300).contains(&status) || (400..500).contains(&status));
        }
        let may_be_issued = text.contains("access_token") && text.contains("refresh_token");
        if status >= 500 && !may_be_issued {
            prop_assert!(matches!(classified.outcome, Outcome::Ambiguous));
        }
        prop_assert!(classified.reason.len() < 500);
    }
}
