//! Answers in encodings and wrappers that nobody asked for, over real connections.

use std::{io::Write as _, time::SystemTime};

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use solekey_core::ports::TokenEndpoint as _;
use solekey_core::{ExposeSecret, Outcome, TokenAnswer, classify, ports::Wire};
use solekey_providers::{EndpointSettings, HttpEndpoint, MAX_BODY_BYTES};

use super::{
    AMPLE, exchange, settings,
    stub::{Answer, Stub},
};

const PAIR: &str = r#"{"access_token":"at","refresh_token":"rt","expires_in":60}"#;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn whole(status: &str, headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    Answer::Raw([head.as_bytes(), body].concat())
}

/// The outcome of one exchange as the coordinator finds it, and the reply as it came.
async fn heard(answer: Answer, at: &str) -> (Outcome<TokenAnswer>, String, Wire, Stub) {
    let stub = Stub::start(answer).await;
    let settings = settings(&stub);
    let settings = EndpointSettings { dialect: settings.dialect.clone().at(at), ..settings };
    let endpoint: HttpEndpoint = settings.build().unwrap();
    let wire = exchange(&endpoint, AMPLE).await;
    let decoded = wire.decoded(&endpoint);
    let classified = classify(endpoint.dialect(), decoded.as_ref().unwrap_or(&wire), SystemTime::now());
    (classified.outcome, classified.reason, wire, stub)
}

#[tokio::test]
async fn an_answer_is_understood_in_whatever_it_is_wrapped_and_kept_as_it_came() {
    // By Node's zlib and the zstd command.
    let brotli = hex(
        "1b3f00d02c0e78f3a3e03fa16247f34b6a18babd3e259696726561c5a2d3225f362d1de38006c51ba66b1a4c6f8413a1254de48e5f39e0\
         850406293b03",
    );
    let zstd = hex(
        "28b52ffd0468cd010022c30b12a0ed0c5124d15d2caa2255c56ef3f5bf0801530cf2b60aebae077515eb26dd83a3e618da9cbc29735d98\
         f51c73190200a00875319fe74af2c7",
    );
    let marked = format!("\u{feff}{PAIR}").into_bytes();
    for (name, headers, body, at) in [
        ("gzip", "content-encoding: gzip\r\n", gzip(PAIR.as_bytes()), ""),
        ("brotli", "content-encoding: br\r\n", brotli, ""),
        ("zstd", "content-encoding: zstd\r\n", zstd, ""),
        ("zlib", "content-encoding: deflate\r\n", zlib(PAIR.as_bytes()), ""),
        ("deflate", "content-encoding: deflate\r\n", raw_deflate(PAIR.as_bytes()), ""),
        ("twice", "content-encoding: gzip\r\ncontent-encoding: gzip\r\n", gzip(&gzip(PAIR.as_bytes())), ""),
        ("a gzip without a header", "content-type: application/json\r\n", gzip(PAIR.as_bytes()), ""),
        ("a plain body with a header", "content-encoding: gzip\r\n", PAIR.into(), ""),
        ("form", "content-type: text/html\r\n", b"access_token=at&refresh_token=rt&expires_in=60".into(), ""),
        ("byte order mark", "", marked, ""),
        ("guard", "", format!(")]}}',\n{PAIR}").into_bytes(), ""),
        ("doubled", "", br#"{"access_token":"x","access_token":"at","refresh_token":"rt"}"#.into(), ""),
        ("wrapper", "", format!(r#"{{"code":0,"data":{PAIR}}}"#).into_bytes(), ""),
        ("a place", "", format!(r#"{{"ok":true,"a":{{"b":{PAIR}}}}}"#).into_bytes(), "a.b"),
    ] {
        let (outcome, _, wire, stub) = heard(whole("200 OK", headers, &body), at).await;
        let Outcome::Success(answer) = outcome else { panic!("{name}: {outcome:?}") };
        let access = answer.access_token.unwrap();
        assert!(access.expose_secret().starts_with("at"), "{name}");
        assert!(answer.refresh_token.is_some(), "{name}");
        let Wire::Reply { body: came, .. } = wire else { panic!("{name}") };
        assert_eq!(came, body, "{name}: kept as it came");
        assert!(stub.requests()[0].contains("accept-encoding: identity"), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_unread_and_described_by_names_alone() {
    let cut = gzip(PAIR.as_bytes());
    let bomb = gzip(&vec![b' '; 32 * MAX_BODY_BYTES]);
    for (status, headers, body, said) in [
        ("200 OK", "content-encoding: gzip\r\n", cut[..cut.len() - 9].to_vec(), "no JSON object"),
        ("200 OK", "content-encoding: gzip\r\n", bomb, "no JSON object"),
        ("200 OK", "content-type: text/html\r\n", b"<html>at-secret</html>".into(), "22 bytes of text/html"),
        ("204 No Content", "", Vec::new(), "204 no JSON object: 0 bytes"),
        ("200 OK", "", Vec::new(), "0 bytes of no media type"),
        (
            "201 Created",
            "",
            br#"{"access":"at-secret","rt.12345678":1,"refresh":"rt-secret"}"#.into(),
            "members: access, ?, refresh",
        ),
    ] {
        let (outcome, reason, ..) = heard(whole(status, headers, &body), "").await;
        assert!(matches!(outcome, Outcome::Unread), "{said}: {outcome:?}");
        assert!(reason.contains(said) && !reason.contains("secret"), "{reason}");
    }
}

#[tokio::test]
async fn an_encoded_refusal_is_the_refusal_that_it_is() {
    let refusal = gzip(br#"{"error":"invalid_grant"}"#);
    let (outcome, ..) = heard(whole("400 Bad Request", "content-encoding: gzip\r\n", &refusal), "").await;
    assert!(matches!(outcome, Outcome::Permanent(_)), "{outcome:?}");
}

#[tokio::test]
async fn two_hundred_headers_are_no_reason_to_lose_an_answer() {
    let headers: Vec<_> = (0..200).map(|number| format!("x-h-{number}: {number}\r\n")).collect();
    let (outcome, ..) = heard(whole("200 OK", &headers.concat(), PAIR.as_bytes()), "").await;
    assert!(matches!(outcome, Outcome::Success(_)), "{outcome:?}");
}
