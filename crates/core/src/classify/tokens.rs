//! What sounds like a token in the body of an answer, wherever it stands.

use serde_json::Value;

use crate::{import::token, mutant};

/// The kinds of tokens that a body mentions: with a value that is none of nothing, and that may be one.
#[derive(Clone, Copy, Default)]
pub(super) struct Tokens {
    pub(super) access: bool,
    pub(super) refresh: bool,
}

impl Tokens {
    pub(super) fn of(body: &[u8]) -> Self {
        let mut tokens = Self::default();
        if mutant("token_under_another_name_is_none") {
            return tokens;
        }
        match serde_json::from_slice(body) {
            Ok(value) => tokens.search(&value),
            // What this reader refuses (half a character, a number beyond all bounds) others pass over.
            Err(_) if body.trim_ascii_start().starts_with(b"{") => {
                let text = plain(&String::from_utf8_lossy(body));
                (tokens.access, tokens.refresh) = (text.contains(ACCESS), text.contains(REFRESH));
            }
            Err(_) => {}
        }
        tokens
    }

    /// The reader of JSON bounds the depth.
    fn search(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.search(item)),
            Value::Object(members) => {
                for (name, value) in members.iter().filter(|(name, _)| !is_about_something_else(name)) {
                    let name = plain(name);
                    let holds = |kind: &str| {
                        name == kind && may_be_token(value)
                            || name.ends_with(kind) && value.as_str().is_some_and(is_like_a_token)
                    };
                    self.access |= holds(ACCESS);
                    self.refresh |= holds(REFRESH);
                    self.search(value);
                }
            }
            _ => {}
        }
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// What stands there quotes or rejects what was sent, or leads elsewhere.
fn is_about_something_else(name: &str) -> bool {
    ["error", "errors", "request", "message", "detail", "links", "_links"].contains(&name)
}

/// The value of a member of exactly that name.
fn may_be_token(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.trim().is_empty() && !is_flag(text),
        Value::Number(number) => number.as_u64().is_none_or(|number| number > 1),
        Value::Array(items) => items.iter().any(|item| item.is_string() && may_be_token(item)),
        Value::Object(members) => members.values().any(|value| value.is_string() && may_be_token(value)),
        Value::Null | Value::Bool(_) => false,
    }
}

/// The value of a member whose name only ends like that.
fn is_like_a_token(text: &str) -> bool {
    text.len() >= SHORTEST && token::fault(text.trim()).is_none()
}

fn is_flag(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "0", "1"]
        .iter()
        .any(|flag| text.trim().eq_ignore_ascii_case(flag))
}

const ACCESS: &str = "accesstoken";
const REFRESH: &str = "refreshtoken";
/// Words for states are shorter.
const SHORTEST: usize = 12;
