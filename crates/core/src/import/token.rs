//! Strings that stand where a token should, and can be none.

use crate::credential::is_visible;

/// What a token should have been, where this one cannot be one as it stands.
pub(crate) fn fault(token: &str) -> Option<&'static str> {
    let bare = token.trim();
    if bare.len() != token.len() || token.ends_with("\\n") || token.ends_with("\\r") {
        return Some("a token without white space around it");
    }
    if token.split(' ').next().is_some_and(|first| first.len() < token.len() && is_scheme(first)) {
        return Some("a token without the word before it");
    }
    if !is_visible(token) {
        return Some("visible ASCII characters");
    }
    if token.contains(' ') {
        return Some("a token without white space in it");
    }
    if token.ends_with([',', ';']) || token.ends_with("%0A") || token.ends_with("%0D") {
        return Some("a token without what follows it");
    }
    if token.contains("://") || NAMES.iter().any(|name| token.starts_with(name)) {
        return Some("a token, and not what it is part of or where it is kept");
    }
    if [('"', '"'), ('\'', '\''), ('`', '`')]
        .iter()
        .any(|(left, right)| token.starts_with(*left) || token.ends_with(*right))
    {
        return Some("a token without quotes around it");
    }
    if is_stand_in(token) {
        return Some("a token, and not what stands for one");
    }
    (token.len() > LONGEST).then_some("a token that fits a request")
}

fn is_scheme(word: &str) -> bool {
    ["bearer", "bearer:", "dpop", "token", "authorization:", "basic", "zoho-oauthtoken", "oauth", "jwt"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Words for nothing, names of variables, masks, and the placeholders of documentation.
fn is_stand_in(token: &str) -> bool {
    const WORDS: [&str; 26] = [
        "null",
        "undefined",
        "none",
        "nil",
        "nan",
        "true",
        "false",
        "bearer",
        "redacted",
        "placeholder",
        "changeme",
        "(null)",
        "string",
        "todo",
        "tbd",
        "fixme",
        "n/a",
        "-",
        "--",
        "hidden",
        "(hidden)",
        "secret",
        "replaceme",
        "replace_me",
        "replace-me",
        "token_here",
    ];
    let lower = token.to_ascii_lowercase();
    let is_word = WORDS.contains(&lower.as_str());
    let encloses = |left: &str, right: &str| lower.starts_with(left) && lower.ends_with(right);
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let is_named = token.strip_prefix('$').is_some_and(is_name) || is_name(token) && token.contains("TOKEN");
    let is_variable =
        is_named || encloses("${", "}") || encloses("{{", "}}") || encloses("$(", ")") || encloses("%", "%");
    let is_slot = encloses("<", ">") || encloses("[", "]") || encloses("{", "}");
    let is_mask =
        lower.len() > 2 && lower.bytes().all(|byte| matches!(byte, b'*' | b'x' | b'.' | b'-' | b'_'));
    let is_shortened = lower.contains("...") || lower.contains("***");
    let is_advice = ["your-", "your_", "insert-", "insert_", "paste-", "paste_"]
        .iter()
        .any(|begin| lower.starts_with(begin));
    is_word || is_variable || is_slot || is_mask || is_shortened || is_advice || lower.contains("redacted")
}

/// What stands before a token in headers, queries and shells.
const NAMES: [&str; 8] = [
    "access_token=",
    "refresh_token=",
    "accessToken=",
    "refreshToken=",
    "token=",
    "#access_token=",
    "Bearer:",
    "bearer:",
];

/// Headers and forms of servers end far below it.
const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_token_is_named() {
        for token in [
            " at",
            "at ",
            "at\n",
            "\tat",
            "at\\n",
            "a\tt",
            "Bearer at",
            "bearer  at",
            "\"at\"",
            "'at'",
            "at\"",
            "null",
            "undefined",
            "None",
            "<access_token>",
            "${ACCESS_TOKEN}",
            "{{token}}",
            "$(cat token)",
            "xxxxxxxx",
            "********",
            "sk-ant-...abcd",
            "sk-ant-***abcd",
            "[REDACTED]",
            "your-access-token",
            "YOUR_REFRESH_TOKEN",
            "r\u{e9}sum\u{e9}",
            "a\u{200b}b",
            "a\0",
            "%ACCESS_TOKEN%",
            "{\"token\":1}",
            "Zoho-oauthtoken 1000.a",
            "one two",
            "Bearer:at",
            "access_token=at",
            "$ACCESS_TOKEN",
            "ACCESS_TOKEN",
            "REPLACE_ME",
            "TODO",
            "n/a",
            "-",
            "xxx",
            "TOKEN_HERE",
            "(hidden)",
            "op://private/item/field",
            "https://x/#access_token=at",
            "at,",
            "at%0A",
        ] {
            assert!(fault(token).is_some(), "{token}");
        }
        assert!(fault(&"x1".repeat(LONGEST)).is_some());
        assert_eq!(fault("Bearer at"), Some("a token without the word before it"));
        assert_eq!(fault("at "), Some("a token without white space around it"));
    }

    #[test]
    fn what_may_be_a_token_is_none_of_our_business() {
        for token in [
            "a",
            "at-1",
            "ya29.a0AfH6SM-x_y",
            "1//0gabc",
            "e30.e30.c2ln",
            "e30..iv.ct.tag",
            "1|abc",
            "sk-ant-oat01-x",
            "a+b/c==",
            "xo",
            "M.C5_BAY.0.U.-abc*def!x$$",
            "x",
            "ABCDEF",
            "$2y$10$abc",
            "a:b/c=",
        ] {
            assert_eq!(fault(token), None, "{token}");
        }
    }
}
