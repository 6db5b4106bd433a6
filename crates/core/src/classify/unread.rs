//! The description of an answer that was not understood: names of its members, never a value.

use http::{HeaderMap, header};

use crate::{Document, document::Limits};

/// Returns what can be said of a body without quoting it.
pub(super) fn described(headers: &HeaderMap, body: &[u8]) -> String {
    let Ok(document) = Document::parse_within(body, Limits::ANSWER) else {
        return format!("no JSON object: {} bytes of {}", body.len(), media(headers));
    };
    let mut names: Vec<_> =
        document.names().map(|name| if is_word(name) { name } else { "?" }).take(MOST + 1).collect();
    if names.len() > MOST {
        names[MOST] = "...";
    }
    format!("without a usable token among its members: {}", names.join(", "))
}

/// The media type, where it is one.
fn media(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim();
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || b"/+.-".contains(&byte);
    if !media.is_empty() && media.len() <= 64 && media.bytes().all(is_plain) {
        media
    } else {
        "no media type"
    }
}

/// Names of members are words; what has many digits, or is long, may be a token that stands in the place of one.
fn is_word(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !name.is_empty() && name.len() <= 32 && digits <= 4 && name.bytes().all(is_plain)
}

/// Enough to see what kind of answer it is.
const MOST: usize = 12;
