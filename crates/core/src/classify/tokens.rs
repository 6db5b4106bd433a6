//! What sounds like a token in the body of an answer, wherever it stands.

use serde_json::Value;

use crate::mutant;

/// The kinds of tokens that a body mentions: with a value that is none of nothing, and that may be one.
#[derive(Clone, Copy, Default)]
pub(super) struct Tokens {
    pub(super) access: bool,
    pub(super) refresh: bool,
}

impl Tokens {
    pub(super) fn of(body: &[u8]) -> Self {
        let mut tokens = Self::default();
        if let Ok(value) = serde_json::from_slice(body)
            && !mutant("token_under_another_name_is_none")
        {
            tokens.search(&value);
        }
        tokens
    }

    /// The reader of JSON bounds the depth.
    fn search(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.search(item)),
            Value::Object(members) => {
                for (name, value) in members.iter().filter(|(name, _)| !is_about_the_request(name)) {
                    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
                    let name = name.to_ascii_lowercase();
                    self.access |= name.ends_with("accesstoken") && may_be_token(value);
                    self.refresh |= name.ends_with("refreshtoken") && may_be_token(value);
                    self.search(value);
                }
            }
            _ => {}
        }
    }
}

/// What stands there quotes or rejects what was sent.
fn is_about_the_request(name: &str) -> bool {
    ["error", "errors", "request", "message", "detail"].contains(&name)
}

fn may_be_token(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Number(_) => true,
        Value::Array(items) => items.iter().any(may_be_token),
        Value::Object(members) => members.values().any(may_be_token),
        Value::Null | Value::Bool(_) => false,
    }
}
