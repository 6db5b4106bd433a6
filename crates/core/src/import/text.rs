//! The text of a document, without what editors and shells add to files.

use std::borrow::Cow;

use secrecy::zeroize::Zeroizing;

use crate::InputError;

/// Text that is wiped on drop where it had to be copied.
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Decoded(Zeroizing<String>),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

/// Reads UTF-8, or UTF-16 as PowerShell writes it, without byte order marks, padding and the
/// end-of-file character of old shells around it.
///
/// # Errors
/// It is neither.
pub(crate) fn read(bytes: &[u8]) -> Result<Text<'_>, InputError> {
    let unreadable = || InputError::new("document", "UTF-8 text");
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Zeroizing<Vec<u16>> =
            Zeroizing::new(bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect());
        let text = String::from_utf16(&units).map_err(|_| unreadable())?;
        let text = Zeroizing::new(text);
        Ok(Text::Decoded(Zeroizing::new(trimmed(&text).to_owned())))
    };
    match bytes {
        // The first character of JSON is ASCII: without a mark, the zero next to it shows which half comes first.
        [0xff, 0xfe, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, 1..=0x7f, 0, 1..=0x7f, ..] => wide(u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).map(|text| Text::Borrowed(trimmed(text))).map_err(|_| unreadable()),
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_ascii_whitespace() || matches!(c, '\u{feff}' | '\0' | '\u{1a}' | '\u{200b}')
    })
}

/// What is wrong with a text that is no JSON, where it is something that people, editors and shells do.
pub(crate) fn trouble(text: &str) -> Option<Cow<'static, str>> {
    let marks = Marks::of(text);
    let named = |line: usize, what: &str| Some(Cow::Owned(format!("JSON without {what} (see line {line})")));
    match marks {
        Marks { comment: Some(line), .. } => named(line, "comments"),
        Marks { comma: Some(line), .. } => named(line, "a comma behind the last value"),
        Marks { line_break: Some(line), .. } => named(line, "a line break inside a string"),
        Marks { curly_quote: Some(line), .. } => named(line, "typographic quotes"),
        Marks { conflict: Some(line), .. } => named(line, "marks of a merge conflict"),
        _ if text.starts_with("```") => Some("JSON without the fence around it".into()),
        _ if text.starts_with(['\'', '`']) => Some("JSON without quotes around it".into()),
        _ if text.trim_start_matches(['{', '[', ' ', '\t', '\r', '\n']).starts_with('\'') => {
            Some("JSON with double quotes around names and strings".into())
        }
        _ if text.starts_with(['\u{1b}', '$', '#', '%', '>']) => {
            Some("JSON without what a shell printed around it".into())
        }
        _ => None,
    }
}

/// The lines of what is no JSON, outside of strings.
#[derive(Default)]
struct Marks {
    comment: Option<usize>,
    comma: Option<usize>,
    line_break: Option<usize>,
    curly_quote: Option<usize>,
    conflict: Option<usize>,
}

impl Marks {
    fn of(text: &str) -> Self {
        let (mut marks, mut line) = (Self::default(), 1);
        let (mut quoted, mut escaped, mut before) = (false, false, ' ');
        for (at, c) in text.char_indices() {
            let behind = &text[at..];
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = quoted,
                '"' => quoted = !quoted,
                '\n' if quoted => _ = marks.line_break.get_or_insert(line),
                _ if quoted => {}
                '/' if behind.starts_with("//") || behind.starts_with("/*") => {
                    marks.comment.get_or_insert(line);
                }
                '}' | ']' if before == ',' => _ = marks.comma.get_or_insert(line),
                '\u{201c}' | '\u{201d}' => _ = marks.curly_quote.get_or_insert(line),
                '<' if behind.starts_with("<<<<<<<") => _ = marks.conflict.get_or_insert(line),
                _ => {}
            }
            if !c.is_whitespace() {
                before = c;
            }
            line += usize::from(c == '\n');
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_editors_and_shells_add_around_a_document_is_skipped() {
        let wide = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}{\"a\":\"é\"}\r\n".encode_utf16().flat_map(bytes).collect()
        };
        for bytes in [
            "{\"a\":\"é\"}".as_bytes().to_vec(),
            "\u{feff}{\"a\":\"é\"}\r\n".as_bytes().to_vec(),
            "\u{feff}\u{feff} {\"a\":\"é\"}\u{1a}".as_bytes().to_vec(),
            "{\"a\":\"é\"}\n\0\0\0".as_bytes().to_vec(),
            wide(u16::to_le_bytes),
            wide(u16::to_be_bytes),
        ] {
            assert_eq!(read(&bytes).unwrap().as_str(), "{\"a\":\"é\"}", "{bytes:?}");
        }
        for bytes in [&b"{\"a\":\"\xff\"}"[..], b"\xff\xfe\x00\xd8"] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn what_makes_a_text_no_json_is_named() {
        for (text, named) in [
            ("{\n// mine\n\"a\":1}", "JSON without comments (see line 2)"),
            ("{/* mine */\"a\":1}", "JSON without comments (see line 1)"),
            ("{\"a\":\"//\",\n}", "JSON without a comma behind the last value (see line 2)"),
            ("{\"a\":\"b\nc\"}", "JSON without a line break inside a string (see line 1)"),
            ("{\u{201c}a\u{201d}:1}", "JSON without typographic quotes (see line 1)"),
            ("{\n<<<<<<< HEAD\n\"a\":1}", "JSON without marks of a merge conflict (see line 2)"),
            ("```json\n{}\n```", "JSON without the fence around it"),
            ("'{\"a\":1}'", "JSON without quotes around it"),
            ("$ cat auth.json\n{}", "JSON without what a shell printed around it"),
        ] {
            assert_eq!(trouble(text).as_deref(), Some(named), "{text}");
        }
        for text in ["{\"a\":\"https://x\"}", "{", "<html>", "{\"a\":\"\\\",}\"}"] {
            assert_eq!(trouble(text), None, "{text}");
        }
    }
}
