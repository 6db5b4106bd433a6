#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use reqwest::header::HeaderValue;

use super::*;

const PAIR: &str = r#"{"access_token":"at","refresh_token":"rt","expires_in":60}"#;

fn headers(pairs: &[(reqwest::header::HeaderName, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

fn encoded(encoding: &'static str) -> HeaderMap {
    headers(&[(CONTENT_ENCODING, encoding)])
}

fn plain(body: impl Into<Bytes>) -> Bytes {
    decoded(&HeaderMap::new(), &body.into(), &[])
}

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
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// By Node's zlib.
const BROTLI: &str = "1b3f00d02c0e78f3a3e03fa16247f34b6a18babd3e259696726561c5a2d3225f362d1de38006c51ba66b1a4c6f8413\
                      a1254de48e5f39e0850406293b03";
/// By the zstd command.
const ZSTD: &str = "28b52ffd0468cd010022c30b12a0ed0c5124d15d2caa2255c56ef3f5bf0801530cf2b60aebae077515eb26dd83a3e618da\
                    9cbc29735d98f51c73190200a00875319fe74af2c7";

#[test]
fn each_encoding_is_undone() {
    let twice = gzip(&zlib(PAIR.as_bytes()));
    for (encoding, body) in [
        ("gzip", gzip(PAIR.as_bytes())),
        ("x-gzip", gzip(PAIR.as_bytes())),
        ("GZIP", gzip(PAIR.as_bytes())),
        ("deflate", zlib(PAIR.as_bytes())),
        ("deflate", raw_deflate(PAIR.as_bytes())),
        ("identity", PAIR.into()),
        ("deflate, gzip", twice),
        ("gzip, identity", gzip(PAIR.as_bytes())),
    ] {
        assert_eq!(decoded(&encoded(encoding), &body.into(), &[]), PAIR, "{encoding}");
    }
    let br = decoded(&encoded("br"), &hex(BROTLI).into(), &[]);
    assert_eq!(br, r#"{"access_token":"at-br","refresh_token":"rt-br","expires_in":60}"#);
    let zstd = decoded(&encoded("zstd"), &hex(ZSTD).into(), &[]);
    assert_eq!(zstd, r#"{"access_token":"at-zstd","refresh_token":"rt-zstd","expires_in":60}"#);
}

#[test]
fn a_lying_header_is_seen_through() {
    for (encoding, body) in [
        ("identity", gzip(PAIR.as_bytes())),
        ("br", gzip(PAIR.as_bytes())),
        ("gzip", zlib(PAIR.as_bytes())),
        ("zstd", PAIR.into()),
        ("br", PAIR.into()),
        ("nonsense", gzip(&gzip(PAIR.as_bytes()))),
    ] {
        assert_eq!(decoded(&encoded(encoding), &body.into(), &[]), PAIR, "{encoding}");
    }
    assert_eq!(plain(gzip(PAIR.as_bytes())), PAIR, "no header at all");
    assert!(plain(hex(ZSTD)).starts_with(b"{\"access_token\":\"at-zstd\""));
}

#[test]
fn what_cannot_be_undone_stays() {
    let whole = gzip(PAIR.as_bytes());
    let cut: Bytes = whole[..whole.len() - 9].to_vec().into();
    for body in [cut, Bytes::new(), "<html>access_token=at</html>".into(), "]".into(), "{\"a\":".into()] {
        assert_eq!(decoded(&encoded("gzip"), &body, &[]), body);
        assert_eq!(plain(body.clone()), body);
    }
}

#[test]
fn a_bomb_stops_at_the_cap() {
    let large = [PAIR.as_bytes(), &vec![b' '; 64 * MAX_BODY_BYTES]].concat();
    let bomb: Bytes = gzip(&large).into();
    assert!(bomb.len() < MAX_BODY_BYTES);
    assert_eq!(decoded(&encoded("gzip"), &bomb, &[]), bomb);
    let nested: Bytes = gzip(&gzip(&large)).into();
    assert_eq!(decoded(&encoded("gzip, gzip"), &nested, &[]), nested);
}

#[test]
fn marks_guards_and_padding_are_taken_off() {
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(PAIR.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(plain(wide), PAIR);
    for (before, after) in
        [("\u{feff}", ""), (")]}',\n", ""), (")]}'\n", "\n"), ("\u{feff} )]}',", "\0\0"), ("while(1);", "")]
    {
        assert_eq!(plain(format!("{before}{PAIR}{after}")), PAIR, "{before:?}");
    }
    let odd = [&br#"{"name":"J"#[..], &[0xf6], &br#"rg","access_token":"at"}"#[..]].concat();
    assert!(serde_json::from_slice::<Value>(&plain(odd)).unwrap()["access_token"] == "at");
}

#[test]
fn a_form_is_read_whatever_it_calls_itself() {
    let body: Bytes = "access_token=a%2Bt&refresh_token=rt&expires_in=60&token_type=bearer".into();
    let expected = r#"{"access_token":"a+t","expires_in":"60","refresh_token":"rt","token_type":"bearer"}"#;
    for media in ["application/x-www-form-urlencoded", "text/plain; charset=utf-8", "application/json"] {
        let found = decoded(&headers(&[(CONTENT_TYPE, media)]), &body, &[]);
        let found: Value = serde_json::from_slice(&found).unwrap();
        assert_eq!(found, serde_json::from_str::<Value>(expected).unwrap(), "{media}");
    }
    let refusal = "error=bad_verification_code&error_description=no".to_owned();
    let form = headers(&[(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8")]);
    let found: Value = serde_json::from_slice(&decoded(&form, &refusal.into(), &[])).unwrap();
    assert_eq!(found["error"], "bad_verification_code");
}

#[test]
fn of_doubled_members_the_last_one_counts() {
    let doubled = r#"{"access_token":"old","x":1,"access_token":"at","expires_in":60}"#;
    assert_eq!(plain(doubled), r#"{"x":1,"access_token":"at","expires_in":60}"#);
}

#[test]
fn a_wrapper_is_taken_off_where_the_top_has_no_token() {
    for body in [
        format!(r#"{{"data":{PAIR}}}"#),
        format!(r#"{{"ok":true,"result":{PAIR}}}"#),
        format!(r#"{{"response":{{"code":0,"data":{PAIR}}}}}"#),
        format!("[{PAIR}]"),
        Value::from(PAIR).to_string(),
    ] {
        assert_eq!(plain(body.clone()), PAIR, "{body}");
    }
    let top = r#"{"access_token":"top","data":{"access_token":"inner"}}"#;
    assert_eq!(plain(top), top);
    let none = r#"{"data":{"id":1}}"#;
    assert_eq!(plain(none), none);
}

#[test]
fn tokens_are_found_where_the_configuration_says() {
    let at = ["authed_user".to_owned(), "grant".to_owned()];
    let body = format!(r#"{{"access_token":"bot","authed_user":{{"grant":{PAIR}}}}}"#);
    assert_eq!(decoded(&HeaderMap::new(), &body.into(), &at), PAIR);
    let elsewhere = Bytes::from(PAIR);
    assert_eq!(decoded(&HeaderMap::new(), &elsewhere, &at), PAIR, "where it is not there the top counts");
}

#[test]
fn plain_json_is_untouched_and_nothing_makes_it_panic() {
    let mut rng = fastrand::Rng::with_seed(7);
    let beginnings: [&[u8]; 8] =
        [b"", b"{", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"\xff\xfe", b"[", b"\""];
    for _ in 0..20_000 {
        let begin = beginnings[rng.usize(..beginnings.len())];
        let rest = (0..rng.usize(..64)).map(|_| rng.u8(..));
        let body: Bytes = begin.iter().copied().chain(rest).collect::<Vec<_>>().into();
        let name = ["gzip", "br", "zstd", "deflate", "identity"][rng.usize(..5)];
        assert!(decoded(&encoded(name), &body, &[]).len() <= MAX_BODY_BYTES);
    }
    for plain_one in
        [PAIR, "{ }", r#" {"a":{"access_token":1}}"#.trim(), r#"{"access_token":"a","a":[1,{"a":2}]}"#]
    {
        assert_eq!(plain(plain_one), plain_one);
    }
}

#[test]
fn a_half_of_a_pair_is_found_under_another_name_or_next_to_the_other_half() {
    for body in [
        r#"{"access_token":"at","refreshToken":"rt"}"#,
        r#"{"accessToken":"at","refreshToken":"rt"}"#,
        r#"{"access_token":"at","refresh_token":"rt\r\n"}"#,
        r#"{"access_token":"at","refresh_token":"\ufeffrt"}"#,
        r#"{"access_token":"at","refresh_token":"rt","refresh_token":null}"#,
        r#"{"access_token":"at","data":{"refresh_token":"rt"}}"#,
        r#"{"refresh_token":"rt","result":{"access_token":"at"}}"#,
    ] {
        let read: Value = serde_json::from_slice(&plain(body.to_owned())).unwrap();
        assert_eq!((&read["access_token"], &read["refresh_token"]), (&"at".into(), &"rt".into()), "{body}");
        assert!(read.get("accessToken").is_none() && read.get("refreshToken").is_none(), "{read}");
    }
    let at = |body: &str| {
        let read = decoded(&HeaderMap::new(), &body.to_owned().into(), &["authed_user".to_owned()]);
        serde_json::from_slice::<Value>(&read).unwrap()["refresh_token"].clone()
    };
    assert_eq!(at(r#"{"authed_user":{"access_token":"at"},"refresh_token":"rt"}"#), "rt");
    // The pair around it is another one's.
    let bot = r#"{"authed_user":{"access_token":"at"},"access_token":"bot","refresh_token":"rt"}"#;
    assert_eq!(at(bot), Value::Null);
    let session = plain(r#"{"accessToken":"session","data":{"access_token":"at","refresh_token":"rt"}}"#);
    assert_eq!(
        session, r#"{"access_token":"at","refresh_token":"rt"}"#,
        "humps are for where nothing else is"
    );
    let contradicted =
        plain(r#"{"error":"invalid_grant","data":{"access_token":"at","refresh_token":"rt"}}"#);
    assert_eq!(contradicted, r#"{"access_token":"at","refresh_token":"rt","error":"invalid_grant"}"#);
    for same in [PAIR, r#"{"access_token":"at","refresh_token":["rt"]}"#, r#"{"access_token":"at"}"#] {
        assert_eq!(plain(same.to_owned()), same);
    }
}
