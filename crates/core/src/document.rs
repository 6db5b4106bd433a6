//! A JSON object that gives back what it was given.

use std::{collections::HashSet, fmt, ops::Range};

use secrecy::zeroize::Zeroizing;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::{InputError, Secret, import::text, secret};

/// A JSON object kept as the text it came in: an edit replaces one value, everything else stays byte-equal and in
/// order. It may hold tokens, so `Debug` shows a placeholder and the text is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    text: Zeroizing<String>,
    fields: Vec<Field>,
}

/// The bounds of a document.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    bytes: usize,
    depth: usize,
    fields: usize,
}

#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: String,
    value: Range<usize>,
}

impl Document {
    /// Reads an object of at most [`MAX_DOCUMENT_BYTES`] and [`MAX_DEPTH`] levels.
    ///
    /// # Errors
    /// Names the field at fault, or `document`: not UTF-8, not JSON, not an object, too large, too deep, or a field
    /// given twice. The error never quotes the input.
    pub fn parse(bytes: &[u8]) -> Result<Self, InputError> {
        Self::parse_within(bytes, Limits::IMPORT)
    }

    pub(crate) fn parse_within(bytes: &[u8], limits: Limits) -> Result<Self, InputError> {
        if bytes.len() > limits.bytes {
            return Err(refuse(format!("at most {}", shown_size(limits.bytes))));
        }
        let text = text::read(bytes)?;
        let text = text.as_str();
        let trouble = || text::trouble(text).map(refuse);
        if !text.starts_with('{') {
            return Err(trouble().unwrap_or_else(|| refuse("a JSON object")));
        }
        if depth(text) > limits.depth {
            return Err(refuse(format!("at most {} nested levels", limits.depth)));
        }
        let entries = entries(text, limits.fields).map_err(|error| {
            let at = || format!("well-formed JSON (see line {}, column {})", error.line(), error.column());
            trouble().unwrap_or_else(|| refuse(at()))
        })?;
        let fields: Vec<Field> =
            entries.into_iter().map(|(name, value)| Field::locate(name, value, text)).collect();
        if let Some(twice) = first_duplicate(&fields) {
            return Err(InputError::new(shown(twice), "to be given once"));
        }
        Ok(Self { text: Zeroizing::new(text.to_owned()), fields })
    }

    /// The object as text, as it came in but for the edits.
    pub fn render(&self) -> &str {
        &self.text
    }

    /// The names of its fields, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// The JSON text of a field.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| &self.text[field.value.clone()])
    }

    /// Fields and their JSON text, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (field.name.as_str(), &self.text[field.value.clone()]))
    }

    /// The value of a string field; absent, `null` and blank strings are `None`.
    pub(crate) fn string(&self, name: &str) -> Result<Option<Secret>, InputError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let value: Option<String> =
            serde_json::from_str(raw).map_err(|_| InputError::new(name, "a string"))?;
        Ok(value.filter(|text| !text.trim().is_empty()).map(secret))
    }

    /// Replaces a value by JSON text, or appends the field.
    pub(crate) fn set(&mut self, name: &str, json: &str) {
        match self.fields.iter().position(|field| field.name == name) {
            Some(index) => self.replace(index, json),
            None => self.append(name, json),
        }
    }

    /// Returns the same object without these fields.
    pub(crate) fn without(&self, leaves_out: impl Fn(&str, &str) -> bool) -> Self {
        let kept = self.entries().filter(|(name, json)| !leaves_out(name, json));
        let fields: Vec<Zeroizing<String>> =
            kept.map(|(name, json)| Zeroizing::new(format!("{}:{json}", quoted(name)))).collect();
        let pieces: Vec<&str> = fields.iter().map(|field| field.as_str()).collect();
        let text = Zeroizing::new(format!("{{{}}}", Zeroizing::new(pieces.join(",")).as_str()));
        // What was an object without these fields is one with fewer.
        Self::parse_within(text.as_bytes(), Limits::STORED).unwrap_or_else(|_| self.clone())
    }

    /// Returns an object with this field alone; `None` if it is not there.
    pub fn only(&self, name: &str) -> Option<Self> {
        self.raw(name).map(|_| self.without(|other, _| other != name))
    }

    /// Returns the same object with the value that a field has in another one. Where the other has no such field,
    /// nothing changes.
    #[must_use]
    pub fn with_field_of(&self, other: &Self, name: &str) -> Self {
        let mut new = self.clone();
        if let Some(json) = other.raw(name) {
            new.set(name, json);
        }
        new
    }

    /// Replaces every string that is `old`, however deep it stands; none where that would make the document much larger.
    pub(crate) fn replace_strings(&mut self, old: &str, new: &str) {
        let new = Zeroizing::new(quoted(new));
        let copies = strings(&self.text).filter(|string| is_string(&self.text[string.clone()], old)).count();
        let growth = copies.saturating_mul(new.len().saturating_sub(old.len()));
        if growth > MOST_COPIED || self.text.len() + growth > MAX_DOCUMENT_BYTES {
            return;
        }
        for index in 0..self.fields.len() {
            let raw = &self.text[self.fields[index].value.clone()];
            if let Some(json) = replaced(raw, old, &new) {
                self.replace(index, &json);
            }
        }
    }

    /// Sets a field to a string.
    pub(crate) fn set_string(&mut self, name: &str, value: &str) {
        let json = Zeroizing::new(quoted(value));
        self.set(name, &json);
    }

    fn replace(&mut self, index: usize, json: &str) {
        let old = self.fields[index].value.clone();
        self.text = splice(&self.text, old.clone(), &[json]);
        self.fields[index].value = old.start..old.start + json.len();
        for field in &mut self.fields[index + 1..] {
            let moved = |at: usize| at - old.len() + json.len();
            field.value = moved(field.value.start)..moved(field.value.end);
        }
    }

    fn append(&mut self, name: &str, json: &str) {
        let (comma, at) = self.fields.last().map_or(("", 1), |last| (",", last.value.end));
        let key = quoted(name);
        self.text = splice(&self.text, at..at, &[comma, &key, ":", json]);
        let start = at + comma.len() + key.len() + 1;
        self.fields.push(Field { name: name.to_owned(), value: start..start + json.len() });
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.text.len())
    }
}

impl Field {
    /// Finds a value in the text it was read from.
    fn locate(name: String, value: &RawValue, text: &str) -> Self {
        let start = value.get().as_ptr().addr() - text.as_ptr().addr();
        Self { name, value: start..start + value.get().len() }
    }
}

impl Limits {
    /// For files with many documents.
    pub(crate) const fn export(bytes: usize, depth: usize) -> Self {
        Self { bytes, depth, fields: MAX_FIELDS }
    }

    /// For documents that people hand in.
    pub(crate) const IMPORT: Self = Self { bytes: MAX_DOCUMENT_BYTES, depth: MAX_DEPTH, fields: MAX_FIELDS };
    /// For responses of token endpoints; nobody reads more of them.
    pub(crate) const ANSWER: Self = Self { bytes: 1024 * 1024, depth: MAX_DEPTH, fields: MAX_FIELDS };
    /// For what is stored: all that merging can make of what was handed in and any number of answers. Three tokens of
    /// an answer always fit, whatever is there; one of them may move a level down; and a few fields state their ends.
    pub(crate) const STORED: Self =
        Self { bytes: 8 * 1024 * 1024, depth: MAX_DEPTH + 1, fields: MAX_FIELDS + 16 };
}

type Entries<'a> = Vec<(String, &'a RawValue)>;

fn entries(text: &str, most: usize) -> serde_json::Result<Entries<'_>> {
    let mut from = serde_json::Deserializer::from_str(text);
    let entries = from.deserialize_map(EntriesVisitor { most })?;
    from.end()?;
    Ok(entries)
}

struct EntriesVisitor {
    most: usize,
}

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if entries.len() == self.most {
                return Err(A::Error::custom("too many fields"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// JSON text with every string that is `old` replaced by the JSON text `new`; `None` if there is none.
fn replaced(raw: &str, old: &str, new: &str) -> Option<Zeroizing<String>> {
    let mut pieces = Vec::new();
    let mut copied = 0;
    for string in strings(raw) {
        if is_string(&raw[string.clone()], old) && !raw[string.end..].trim_start().starts_with(':') {
            pieces.extend([&raw[copied..string.start], new]);
            copied = string.end;
        }
    }
    if pieces.is_empty() {
        return None;
    }
    pieces.push(&raw[copied..]);
    Some(Zeroizing::new(pieces.concat()))
}

fn is_string(raw: &str, text: &str) -> bool {
    serde_json::from_str::<String>(raw).map(Zeroizing::new).is_ok_and(|read| *read == text)
}

/// Where the strings of a JSON text stand, quotes included.
fn strings(raw: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = raw.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes[at..].iter().position(|byte| *byte == b'"')?;
        let mut end = start + 1;
        while *bytes.get(end)? != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        at = end + 1;
        Some(start..at)
    })
}

/// Puts `pieces` in the place of `range`. The buffer is made to measure: growing would leave copies behind.
fn splice(text: &str, range: Range<usize>, pieces: &[&str]) -> Zeroizing<String> {
    let added: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut spliced = Zeroizing::new(String::with_capacity(text.len() - range.len() + added));
    spliced.push_str(&text[..range.start]);
    for piece in pieces {
        spliced.push_str(piece);
    }
    spliced.push_str(&text[range.end..]);
    spliced
}

/// `null`, strings of nothing but blanks, empty objects and lists, and what was skipped over when it was read and means
/// nothing: a lone surrogate, a number beyond all bounds.
pub(crate) fn is_blank(json: &str) -> bool {
    match serde_json::from_str(json) {
        Ok(Value::Null) | Err(_) => true,
        Ok(Value::String(text)) => text.trim().is_empty(),
        Ok(Value::Object(fields)) => fields.is_empty(),
        Ok(Value::Array(items)) => items.is_empty(),
        Ok(Value::Bool(_) | Value::Number(_)) => false,
    }
}

pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The depth to which brackets nest outside of strings. The JSON reader skips unknown values without a limit of its
/// own.
fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => now += 1,
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

fn first_duplicate(fields: &[Field]) -> Option<&str> {
    let mut seen = HashSet::with_capacity(fields.len());
    fields.iter().map(|field| field.name.as_str()).find(|name| !seen.insert(*name))
}

/// A field name from outside, short enough for an error.
fn shown(name: &str) -> &str {
    if name.len() <= 64 { name } else { "document" }
}

/// A bound for people.
pub(crate) fn shown_size(bytes: usize) -> String {
    match bytes / 1024 {
        kib if kib % 1024 == 0 => format!("{} MiB", kib / 1024),
        kib => format!("{kib} KiB"),
    }
}

fn refuse(expected: impl Into<String>) -> InputError {
    InputError::new("document", expected)
}

/// The largest document accepted: command line tools keep a credential of some kilobytes next to much else.
pub const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;
/// The largest document that is kept as it is; of a larger one the credential alone is.
pub(crate) const MAX_KEPT_BYTES: usize = 64 * 1024;
/// What copies of a longer token may add to a document: files have one or two of them.
const MOST_COPIED: usize = 64 * 1024;
/// The deepest nesting accepted: real documents have three levels.
pub const MAX_DEPTH: usize = 32;
/// The most fields of an object; an answer of 1 MiB could bring a hundred thousand.
const MAX_FIELDS: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ODD: &str = "{ \"a\" : 1.50e+2,\n\t\"b\\u0062\": {\"x\" :[ 1 , {} ]}, \"c\":\"\\u00e9\" }";

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    fn refused(text: &str) -> InputError {
        Document::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_edit_leaves_every_other_byte_alone() {
        let mut document = parse(ODD);
        document.set("bb", "null");
        assert_eq!(document.render(), ODD.replace("{\"x\" :[ 1 , {} ]}", "null"));
        document.set_string("a", "tok\"en");
        document.set("c", "7");
        assert_eq!(document.render(), "{ \"a\" : \"tok\\\"en\",\n\t\"b\\u0062\": null, \"c\":7 }");
        assert_eq!(document, parse(document.render()));
    }

    #[test]
    fn a_new_field_goes_to_the_end() {
        let mut document = parse("{}");
        document.set("first", "1");
        document.set_string("sec\"ond", "x");
        assert_eq!(document.render(), r#"{"first":1,"sec\"ond":"x"}"#);
        assert_eq!(document, parse(document.render()));
    }

    #[test]
    fn what_is_no_modest_object_is_refused_by_name() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(32), "]".repeat(32));
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_DOCUMENT_BYTES));
        for text in
            ["", "[]", "null", "\"x\"", "{", "{\"a\":}", "{\"a\":1,}", "{\"a\":1} x", "<html>", &deep, &huge]
        {
            assert_eq!(refused(text).field(), "document", "{text:.20}");
        }
        assert_eq!(refused(r#"{"twice":1,"b":2,"tw\u0069ce":3}"#).field(), "twice");
        assert!(Document::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn brackets_in_strings_are_no_levels() {
        let text = format!("{{\"a\":\"{}\\\"[[\"}}", "[".repeat(100));
        assert!(Document::parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn nothing_of_it_is_ever_printed() {
        let printed = format!("{:?} {}", parse(r#"{"k":"hush"}"#), refused(r#"{"k":"hush", hush}"#));
        assert!(!printed.contains("hush"), "{printed}");
    }
}
