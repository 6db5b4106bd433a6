//! The body of an answer as plain JSON, whatever stands between the two: what servers and proxies do unasked.
//!
//! Each layer is taken off where that succeeds and stays as it came where it does not. No layer comes out larger than
//! [`MAX_BODY_BYTES`].

use std::{collections::HashSet, fmt, io::Read};

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};
use solekey_core::mutant;
use url::form_urlencoded;

use crate::body::MAX_BODY_BYTES;

/// Returns the body as plain JSON, as far as it can be had. `at` names the nested objects in which tokens stand.
pub(crate) fn decoded(headers: &HeaderMap, body: &Bytes, at: &[String]) -> Bytes {
    let bytes = unpacked(headers, body);
    let text = text(&bytes);
    let text = trimmed(&text);
    match json(headers, text).and_then(|json| object(&json, at, DEPTH)) {
        Some(object) if object.len() <= MAX_BODY_BYTES && object.as_bytes() != &body[..] => object.into(),
        _ => body.clone(),
    }
}

/// The body without the encodings that its header names, and without those that its first bytes show.
fn unpacked(headers: &HeaderMap, body: &Bytes) -> Bytes {
    let named = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut named: Vec<_> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    named.truncate(LAYERS);
    let mut bytes = body.clone();
    while let Some(name) = named.pop() {
        bytes = if is_object(&bytes) { bytes } else { undone(name, &bytes).unwrap_or(bytes) };
    }
    for _ in 0..LAYERS {
        let Some(shown) = shown(&bytes).filter(|_| !mutant("lying_header_is_believed")) else { break };
        let Some(inner) = undone(shown, &bytes) else { break };
        bytes = inner;
    }
    bytes
}

fn undone(encoding: &str, bytes: &[u8]) -> Option<Bytes> {
    match encoding.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => inflated(MultiGzDecoder::new(bytes)),
        // By its name it is zlib; some send what is inside of that.
        "deflate" | "x-deflate" => {
            inflated(ZlibDecoder::new(bytes)).or_else(|| inflated(DeflateDecoder::new(bytes)))
        }
        "br" => inflated(brotli_decompressor::Decompressor::new(bytes, BUFFER)),
        "zstd" => inflated(ruzstd::decoding::StreamingDecoder::new(bytes).ok()?),
        _ => None,
    }
}

/// What comes out, if all of it does and it is not too much.
fn inflated(from: impl Read) -> Option<Bytes> {
    let most = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    let mut out = Vec::new();
    from.take(most + 1).read_to_end(&mut out).ok()?;
    (out.len() <= MAX_BODY_BYTES || mutant("bomb_is_unpacked")).then(|| out.into())
}

/// The encoding that the first bytes show.
fn shown(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some("deflate"),
        _ => None,
    }
}

/// The bytes as text: UTF-8, or UTF-16 where a byte order mark says so. What is no text stands for itself elsewhere
/// than in tokens, which are ASCII.
fn text(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<_> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The text without what keeps browsers from running it, byte order marks and padding.
fn trimmed(text: &str) -> &str {
    let is_padding = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\0');
    let mut text = text.trim_matches(is_padding);
    for guard in GUARDS {
        text = text.strip_prefix(guard).unwrap_or(text).trim_matches(is_padding);
    }
    text
}

/// The text as JSON: itself, or what a form says.
fn json(headers: &HeaderMap, text: &str) -> Option<String> {
    if text.starts_with(['{', '[', '"']) {
        return Some(text.to_owned());
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = media.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    let names_token = pairs.iter().any(|(name, _)| TOKENS.contains(&&**name));
    let is_read = is_form || (names_token && !text.starts_with('<'));
    if !is_read {
        return None;
    }
    let pairs: Map<_, _> = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    Some(Value::Object(pairs).to_string())
}

/// The object that has the tokens, each of its members once; the outermost one where none has any.
fn object(json: &str, at: &[String], depth: usize) -> Option<String> {
    if json.starts_with('"') {
        return object(trimmed(&serde_json::from_str::<String>(json).ok()?), at, depth.checked_sub(1)?);
    }
    if json.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let [only] = items[..] else { return None };
        return object(only.get(), at, depth.checked_sub(1)?);
    }
    let outer = Members::read(json)?;
    let named = at.iter().try_fold(outer.clone(), |object, name| object.within(name));
    let search = |names: [&str; 2]| {
        let named = named.clone().filter(|named| !at.is_empty() && named.has_any(names));
        let found = named.or_else(|| outer.has_any(names).then(|| outer.clone()));
        found.or_else(|| wrapped(&outer, depth, names))
    };
    let found = search(TOKENS).or_else(|| search(HUMPS)).unwrap_or_else(|| outer.clone());
    Some(found.with_tokens_around(&outer).render())
}

/// The object in a wrapper that has tokens.
fn wrapped<'a>(outer: &Members<'a>, depth: usize, names: [&str; 2]) -> Option<Members<'a>> {
    let depth = depth.checked_sub(1)?;
    let mut found = WRAPPERS.iter().filter_map(|name| outer.within(name));
    found.find_map(|found| if found.has_any(names) { Some(found) } else { wrapped(&found, depth, names) })
}

/// An object, and its members in order.
#[derive(Clone)]
struct Members<'a> {
    text: &'a str,
    members: Vec<(String, &'a RawValue)>,
}

impl<'a> Members<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let Entries(members) = serde_json::from_str(text).ok()?;
        Some(Self { text, members })
    }

    /// The object that this member is.
    fn within(&self, name: &str) -> Option<Self> {
        let named = self.members.iter().rev().find(|(other, _)| other == name);
        named.and_then(|(_, raw)| Self::read(raw.get()))
    }

    fn has_any(&self, names: [&str; 2]) -> bool {
        names.iter().any(|name| self.text_of(name).is_some())
    }

    /// The token of this kind, without padding, by its own name or by that of languages whose names have humps.
    fn token(&self, kind: usize) -> Option<String> {
        self.text_of(TOKENS[kind]).or_else(|| self.text_of(HUMPS[kind]))
    }

    /// The text in a member; of several the last one that is something counts.
    fn text_of(&self, name: &str) -> Option<String> {
        let found = self.members.iter().rev().filter(|(other, _)| other == name);
        let texts = found.filter_map(|(_, raw)| serde_json::from_str::<String>(raw.get()).ok());
        texts.map(|text| trimmed(&text).to_owned()).find(|text| !text.is_empty())
    }

    /// The object, and what it takes to have both tokens in their places.
    fn with_tokens_around(self, outer: &Self) -> Completed<'a> {
        let around = WRAPPERS.iter().filter_map(|name| outer.within(name)).chain([outer.clone()]);
        let halves: Vec<_> = around.collect();
        // Half a pair stands next to the other one; whole pairs are somebody's each.
        let elsewhere = |kind: usize| {
            let other = 1 - kind;
            let mut found = halves.iter().filter(|half| half.token(other).is_none());
            self.token(other).and_then(|_| found.find_map(|half| half.token(kind)))
        };
        let tokens = [0, 1].map(|kind| self.token(kind).or_else(|| elsewhere(kind)));
        // What was around a wrapper may contradict what is in it.
        let around = if self.text == outer.text { "" } else { ERROR };
        let error = outer.text_of(around).filter(|_| self.text_of(ERROR).is_none());
        Completed { object: self, tokens, error }
    }
}

/// An object, and the tokens of its pair.
struct Completed<'a> {
    object: Members<'a>,
    tokens: [Option<String>; 2],
    /// The error code next to its wrapper.
    error: Option<String>,
}

impl Completed<'_> {
    /// As text; of members of one name the last one counts, or of tokens the last one that is something.
    fn render(&self) -> String {
        let Members { text, members } = &self.object;
        let mut names = HashSet::new();
        let mut kept: Vec<(String, String)> = members
            .iter()
            .rev()
            .filter(|(name, _)| names.insert(name.as_str()))
            .map(|(name, raw)| (name.clone(), raw.get().to_owned()))
            .collect();
        kept.reverse();
        // Their values stand under the other names from here on.
        kept.retain(|(name, _)| {
            HUMPS.iter().zip(&self.tokens).all(|(hump, token)| token.is_none() || name != hump)
        });
        let mut is_other = kept.len() != members.len();
        if let Some(error) = &self.error {
            kept.push((ERROR.to_owned(), Value::from(error.as_str()).to_string()));
            is_other = true;
        }
        for (name, token) in TOKENS.iter().zip(&self.tokens) {
            let Some(token) = token.as_ref().map(|token| Value::from(token.as_str()).to_string()) else {
                continue;
            };
            match kept.iter_mut().find(|(other, _)| other == name) {
                Some((_, raw)) if is_same(raw, &token) => continue,
                Some((_, raw)) => *raw = token,
                None => kept.push(((*name).to_owned(), token)),
            }
            is_other = true;
        }
        if !is_other || mutant("half_of_a_pair_is_left_behind") {
            return (*text).to_owned();
        }
        let members = kept.iter().map(|(name, raw)| format!("{}:{raw}", Value::from(name.as_str())));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// Returns whether two JSON texts are one string.
fn is_same(one: &str, other: &str) -> bool {
    let text = |raw| serde_json::from_str::<String>(raw).ok();
    text(one).is_some_and(|one| text(other) == Some(one))
}

/// The members of an object as they come, doubled ones too.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        from.deserialize_map(EntriesVisitor)
    }
}

fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

/// The members by which an object is recognised as the one with tokens.
const TOKENS: [&str; 2] = ["access_token", "refresh_token"];
/// The member with an error code.
const ERROR: &str = "error";
/// The same by other names, in the same order.
const HUMPS: [&str; 2] = ["accessToken", "refreshToken"];
/// The members that hold the answer itself, where servers put one around it.
const WRAPPERS: [&str; 3] = ["data", "result", "response"];
/// The beginnings that keep browsers from running an answer.
const GUARDS: [&str; 5] = [")]}',", ")]}'", "while(1);", "for(;;);", "for (;;);"];
/// The encodings, one around the other, that are undone: nobody has been seen with three.
const LAYERS: usize = 4;
/// The wrappers, one in the other, that are taken off.
const DEPTH: usize = 3;
const BUFFER: usize = 4096;

#[cfg(test)]
mod tests;
