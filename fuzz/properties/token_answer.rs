//! The response of a token endpoint: classified, and merged into the earlier credential.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{StatusCode, header::RETRY_AFTER};
use solekey_core::{
    Credential, Dialect, ExposeSecret as _, MAX_RETRY_AFTER, Outcome, Revocation, Secret, TokenAnswer,
    classify, merge, ports::Wire,
};

/// The first line is the status and, behind a space, a `Retry-After`; the rest is the body.
pub(crate) fn check(bytes: &[u8]) {
    let (head, body) = split(bytes);
    let (status, retry_after) = match head.iter().position(|byte| *byte == b' ') {
        Some(at) => (&head[..at], Some(&head[at + 1..])),
        None => (head, None),
    };
    let status = StatusCode::from_bytes(status).unwrap_or(StatusCode::OK);
    let headers = retry_after.and_then(|text| text.try_into().ok()).map(|value| (RETRY_AFTER, value));
    let wire = Wire::Reply { status, headers: headers.into_iter().collect(), body: body.to_vec().into() };

    for dialect in dialects() {
        is_one_of(status, &wire, body, &dialect);
    }
    if let Ok(answer) = TokenAnswer::read(body) {
        for old in HELD {
            merges(old, &answer);
        }
    }
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (b"200", bytes),
    }
}

fn dialects() -> [Dialect; 3] {
    let freeing = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    [
        Dialect::rfc6749(),
        Dialect::openai(),
        Dialect::rfc6749()
            .code_at("error.type")
            .permanent("not_found_error", Revocation::Refused)
            .not_processed(freeing),
    ]
}

fn is_one_of(status: StatusCode, wire: &Wire, body: &[u8], dialect: &Dialect) {
    let classified = classify(dialect, wire, now());
    let printed = format!("{classified:?}");
    let frees_503 = *dialect == dialects()[2];
    match &classified.outcome {
        Outcome::Success(answer) => {
            assert!(status.is_success() || answer.is_pair());
            for token in [&answer.access_token, &answer.refresh_token].into_iter().flatten() {
                let token = token.expose_secret();
                assert!(token.len() < LONG || !printed.contains(token), "a token is printed");
            }
        }
        Outcome::Refused { retry_after, .. } => {
            assert!(retry_after.is_none_or(|span| !span.is_zero() && span <= MAX_RETRY_AFTER));
            let freed = status.as_u16() == 429 || (frees_503 && status.as_u16() == 503);
            let before = (300..500).contains(&status.as_u16()) && status.as_u16() != 408;
            assert!(freed || before, "{status} may have been processed");
        }
        Outcome::Permanent(_) | Outcome::OurFault => {
            assert!(status.is_success() || status.is_client_error());
            assert!(serde_json::from_slice::<serde_json::Value>(body).is_ok(), "a page ends a grant");
        }
        Outcome::NonceWanted => assert!(status.is_client_error()),
        Outcome::Unread => {
            let mentions = |name: &[u8]| {
                let letters: Vec<u8> =
                    body.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
                letters.to_ascii_lowercase().windows(name.len()).any(|part| part == name)
            };
            // Names may be written with escapes.
            let may_hold = mentions(b"accesstoken") && mentions(b"refreshtoken") || body.contains(&b'\\');
            assert!(status.is_success() || may_hold, "a refusal that is kept");
        }
        Outcome::Ambiguous => {}
        Outcome::NotSent | Outcome::Withheld(_) | Outcome::OtherClient => {
            panic!("it was sent, by one client")
        }
    }
    assert!(classified.reason.len() < 512, "a reason as long as a novel");
    assert!(classified.reason.bytes().all(|byte| matches!(byte, b' '..=b'~')), "an unprintable reason");
}

fn merges(old: &str, answer: &TokenAnswer) {
    let old = Credential::import(old.as_bytes(), now()).expect("ours").credential;
    // The last is in the year 2500; from 5138 on seconds could be milliseconds.
    for wall_now in [UNIX_EPOCH, now(), now() + Duration::from_secs(15_000_000_000)] {
        let lifetime = answer.lifetime(wall_now);
        assert!(answer.expires_in.is_none_or(|stated| lifetime.is_none_or(|left| left <= stated)));

        let new = merge(&old, answer, wall_now);
        assert_eq!(merge(&new, answer, wall_now), new, "twice is not once");
        assert_eq!(Credential::from_bytes(&new.to_bytes()).expect("opens again"), new);
        assert_eq!(new.shape(), old.shape());
        let newest =
            |stated: &Option<Secret>, held: Option<Secret>| exposed(stated.clone()).or(exposed(held));
        assert_eq!(exposed(new.access_token()), newest(&answer.access_token, old.access_token()));
        assert_eq!(exposed(new.refresh_token()), newest(&answer.refresh_token, old.refresh_token()));
        for name in old.document().names() {
            assert!(new.document().raw(name).is_some(), "{name} got lost");
        }
        if answer.document().raw("own").is_none() {
            assert_eq!(new.document().raw("own"), old.document().raw("own"));
        }
    }
}

fn exposed(secret: Option<Secret>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_735_689_600)
}

const HELD: [&str; 4] = [
    r#"{"access_token":"held-access","refresh_token":"held-refresh","expires_at":1735689000,"scope":"s","own":{"a":1.50}}"#,
    r#"{"refresh_token":"held-refresh","expires_in":"60","refresh_token_expires_at":"2025-01-01T00:00:00Z","own":null}"#,
    r#"{"own":[1,2],"tokens":{"id_token":"i","access_token":"held-access","refresh_token":"held-refresh"},"last_refresh":"x"}"#,
    r#"{"own":[1,2],"claudeAiOauth":{"accessToken":"held-access","refreshToken":"held-refresh","expiresAt":1735689000000,"scopes":["s"]}}"#,
];

/// Shorter strings may stand in our own sentences.
const LONG: usize = 24;
