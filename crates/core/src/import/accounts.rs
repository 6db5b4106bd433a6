//! The accounts in a file: one, or as many as an export has.

use std::time::SystemTime;

use secrecy::zeroize::Zeroizing;
use serde_json::value::RawValue;

use super::{Import, names::is_end, text};
use crate::{
    Credential, Document, ExposeSecret as _, InputError, MAX_DEPTH, MAX_DOCUMENT_BYTES, Secret, Shape,
    document::{Limits, quoted},
};

/// One account that was found in a file.
#[derive(Clone)]
#[non_exhaustive]
pub struct FoundAccount {
    /// Where it was found: `accounts[3]`; empty where it is the whole file.
    pub path: String,
    /// False for what has no tokens of a known shape: API keys, other things in a list.
    pub is_account: bool,
    /// The document of this account alone.
    pub document: Zeroizing<String>,
    /// The credential in it, or why it is refused.
    pub import: Result<Import, InputError>,
    /// What the file calls its provider: `platform`, `type`, `provider`, or the name of the field that it stands in.
    pub provider: Option<String>,
    /// What the file calls the account: an address, a name, the id of an account.
    pub id: Option<String>,
}

impl std::fmt::Debug for FoundAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FoundAccount").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Finds the accounts in a file: in a document of a known shape, in a list or a JSON object per line of such documents,
/// in the fields of an `auth.json` of opencode or the Grok CLI, in an export of sub2api.
///
/// # Errors
/// It is no JSON, too large, or no account of a known shape is in it: the error lists the shapes and where something
/// like one stands.
pub fn accounts(
    bytes: &[u8],
    written: Option<SystemTime>,
    wall_now: SystemTime,
) -> Result<Vec<FoundAccount>, InputError> {
    if bytes.len() > MAX_EXPORT_BYTES {
        let most = crate::document::shown_size(MAX_EXPORT_BYTES);
        return Err(InputError::new("document", format!("at most {most}")));
    }
    let text = text::read(bytes)?;
    let text = text.as_str();
    let mut search = Search { written, wall_now, found: Vec::new() };
    if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| ill_formed(text, &error))?;
        let items = items.into_iter().map(RawValue::get).enumerate();
        search.list(items.map(|(at, item)| (format!("[{at}]"), item)))?;
    } else if let Some(lines) = lines(text)? {
        search.list(lines.into_iter().map(|(line, item)| (format!("line {line}"), item)))?;
    } else {
        search.object("", text, Hints::default())?;
    }
    if search.found.is_empty() {
        if text.starts_with('[') {
            return Err(InputError::new("document", "at least one account in the list"));
        }
        // For its words about what is wrong.
        let import = Credential::import_file(bytes, written, wall_now);
        return Err(import.err().unwrap_or_else(|| InputError::new("document", "an account")));
    }
    Ok(search.found)
}

/// What a file says of an account around its credential.
#[derive(Clone, Default)]
struct Hints {
    provider: Option<String>,
    id: Option<String>,
}

struct Search {
    written: Option<SystemTime>,
    wall_now: SystemTime,
    found: Vec<FoundAccount>,
}

impl Search {
    fn list<'a>(&mut self, items: impl Iterator<Item = (String, &'a str)>) -> Result<(), InputError> {
        for (path, item) in items {
            let before = self.found.len();
            self.object(&path, item, Hints::default())?;
            if self.found.len() == before {
                self.take(&path, item, Hints::default())?;
            }
        }
        Ok(())
    }

    /// Takes an object as an account, or searches it for accounts.
    fn object(&mut self, path: &str, raw: &str, hints: Hints) -> Result<(), InputError> {
        let Ok(document) = Document::parse_within(raw.as_bytes(), EXPORT) else {
            return if path.is_empty() { Document::parse(raw.as_bytes()).map(drop) } else { Ok(()) };
        };
        let shape = Shape::of(&document);
        if !shape.recognises(&document) {
            return self.wrapped(path, &document);
        }
        let homes: Vec<String> = match shape {
            Shape::OpenCode | Shape::GrokCli => shape.homes(&document).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        if homes.is_empty() {
            return self.take(path, raw, Hints::of(&document, shape).or(hints));
        }
        for (home, value) in document.entries().filter(|(_, value)| value.starts_with('{')) {
            let home = home.to_owned();
            if !homes.contains(&home) {
                let why = InputError::new("type", "tokens of OAuth: this is another kind of account");
                self.push(&joined(path, &home), "", Err(why), Hints::default())?;
                continue;
            }
            let alone = Zeroizing::new(format!("{{{}:{value}}}", quoted(&home)));
            let inner =
                Document::parse_within(value.as_bytes(), EXPORT).map(|inner| Hints::of(&inner, shape));
            let provider = if shape == Shape::GrokCli { "grok".to_owned() } else { home.clone() };
            let named = Hints { provider: Some(provider), id: None };
            self.take(&joined(path, &home), &alone, named.or(inner.unwrap_or_default()))?;
        }
        Ok(())
    }

    /// Finds accounts where exports keep them.
    fn wrapped(&mut self, path: &str, document: &Document) -> Result<(), InputError> {
        if path.matches('.').count() > 2 {
            return Ok(());
        }
        for name in ["accounts", "data", "items", "credentials"] {
            let Some(raw) = document.raw(name) else { continue };
            let inner = joined(path, name);
            match list(raw) {
                Some(items) => {
                    let items = items.into_iter().enumerate();
                    self.list(items.map(|(at, item)| (format!("{inner}[{at}]"), item)))?;
                }
                None if raw.starts_with('{') => self.object(&inner, raw, Hints::default())?,
                None => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &str, raw: &str, hints: Hints) -> Result<(), InputError> {
        let import = Credential::import_file(raw.as_bytes(), self.written, self.wall_now);
        self.push(path, raw, import, hints)
    }

    fn push(
        &mut self,
        path: &str,
        raw: &str,
        import: Result<Import, InputError>,
        hints: Hints,
    ) -> Result<(), InputError> {
        if self.found.len() >= MAX_ACCOUNTS {
            return Err(InputError::new("document", format!("at most {MAX_ACCOUNTS} accounts")));
        }
        let Hints { provider, id } = hints;
        let document = Document::parse_within(raw.as_bytes(), EXPORT).ok();
        let is_account = document.is_some_and(|document| Shape::of(&document).recognises(&document));
        let document = Zeroizing::new(raw.to_owned());
        self.found.push(FoundAccount { path: path.to_owned(), is_account, document, import, provider, id });
        Ok(())
    }
}

impl Hints {
    fn of(document: &Document, shape: Shape) -> Self {
        let tokens = ["credentials", "tokens", "token", "claudeAiOauth"]
            .iter()
            .filter_map(|name| document.raw(name))
            .find_map(|raw| Document::parse_within(raw.as_bytes(), Limits::STORED).ok());
        let text = |name: &str| {
            let inner = tokens.as_ref().and_then(|tokens| plain(tokens, name));
            plain(document, name).or(inner)
        };
        let states_end = tokens.as_ref().is_some_and(|tokens| tokens.names().any(is_end));
        let by_shape = match shape {
            // Other tools have an object of that name, with an end in it.
            Shape::CodexAuth if !states_end => Some("codex"),
            Shape::ClaudeCode => Some("claude"),
            Shape::GrokCli => Some("grok"),
            // Who logged in there did so with Google or GitHub, which `provider` names.
            Shape::CamelCase
                if ["profileArn", "authMethod"].iter().any(|name| document.raw(name).is_some()) =>
            {
                Some("kiro")
            }
            _ => None,
        };
        let provider = text("platform").or_else(|| by_shape.map(str::to_owned)).or_else(|| text("type"));
        let provider = provider.or_else(|| text("provider").filter(|_| shape != Shape::CamelCase));
        // Members of a workspace share its `account_id`.
        let by_id_token = || crate::jwt::email(text_of(tokens.as_ref()?, "id_token")?.expose_secret());
        let email = plain(document, "email").or_else(|| by_id_token().filter(|_| shape == Shape::CodexAuth));
        let id = ["email", "name", "account_id", "accountId", "chatgpt_account_id", "label", "id"]
            .into_iter()
            .find_map(text);
        let id = email.or(id);
        Self { provider, id }
    }

    fn or(self, other: Self) -> Self {
        Self { provider: self.provider.or(other.provider), id: self.id.or(other.id) }
    }
}

fn text_of(document: &Document, name: &str) -> Option<Secret> {
    document.string(name).ok().flatten()
}

fn plain(document: &Document, name: &str) -> Option<String> {
    let text = text_of(document, name)?;
    let text = text.expose_secret();
    (text.len() <= 200 && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Why a document is none of the known shapes, and where in it something like one stands.
pub(super) fn unknown(document: &Document) -> String {
    let known: Vec<String> =
        Shape::ALL.iter().map(|shape| format!("{} ({})", shape.name(), shape.place())).collect();
    let mut expected = format!("an access token or a refresh token, in a known shape: {}", known.join("; "));
    let mut paths = Vec::new();
    search(document.render(), "", 0, &mut paths);
    if !paths.is_empty() {
        expected.push_str("; something like one is at ");
        expected.push_str(&paths.join(", "));
    }
    expected
}

/// Finds objects that hold something like a token, a few levels down.
fn search(raw: &str, path: &str, depth: usize, paths: &mut Vec<String>) {
    if depth > LEVELS_DOWN || paths.len() >= SHOWN_PATHS || raw.len() > MAX_DOCUMENT_BYTES {
        return;
    }
    if let Some(items) = list(raw) {
        for (at, item) in items.iter().enumerate().take(SHOWN_PATHS) {
            search(item, &format!("{path}[{at}]"), depth + 1, paths);
        }
        return;
    }
    let Ok(object) = Document::parse_within(raw.as_bytes(), EXPORT) else { return };
    if depth > 0 && (Shape::ALL.iter().any(|shape| shape.recognises(&object)) || sounds_like_one(&object)) {
        if path.len() <= SHOWN_LENGTH && paths.len() < SHOWN_PATHS {
            paths.push(path.to_owned());
        }
        return;
    }
    for (name, value) in object.entries().filter(|(_, value)| value.starts_with(['{', '['])) {
        let shown = if name.len() <= SHOWN_NAME { name } else { "*" };
        search(value, &joined(path, shown), depth + 1, paths);
    }
}

fn sounds_like_one(object: &Document) -> bool {
    object.entries().any(|(name, value)| {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        value.len() > 2
            && value.starts_with('"')
            && ["accesstoken", "refreshtoken"].iter().any(|it| name.ends_with(it))
    })
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The values of a list.
fn list(text: &str) -> Option<Vec<&str>> {
    if !text.starts_with('[') {
        return None;
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// The values of a text with one after another, as in JSON lines, and the lines in which they begin.
///
/// # Errors
/// What follows the first of them is no JSON.
fn lines(text: &str) -> Result<Option<Vec<(usize, &str)>>, InputError> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut lines = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for value in values {
        match value {
            Ok(value) if lines.len() <= MAX_ACCOUNTS => {
                let start = value.get().as_ptr().addr() - text.as_ptr().addr();
                line += text[counted..start].matches('\n').count();
                counted = start;
                lines.push((line, value.get()));
            }
            Ok(_) => break,
            // Whatever is wrong with a single one is said by whoever reads it.
            Err(_) if lines.is_empty() => return Ok(None),
            Err(error) => return Err(ill_formed(text, &error)),
        }
    }
    Ok((lines.len() > 1).then_some(lines))
}

fn ill_formed(text: &str, error: &serde_json::Error) -> InputError {
    let at = || format!("well-formed JSON (see line {}, column {})", error.line(), error.column()).into();
    InputError::new("document", text::trouble(text).unwrap_or_else(at))
}

/// The most accounts that are taken from one file.
pub const MAX_ACCOUNTS: usize = 10_000;
/// Each account is some kilobytes.
const MAX_EXPORT_BYTES: usize = 64 * 1024 * 1024;
const EXPORT: Limits = Limits::export(MAX_EXPORT_BYTES, MAX_DEPTH + 4);
const LEVELS_DOWN: usize = 5;
const SHOWN_PATHS: usize = 4;
const SHOWN_LENGTH: usize = 80;
/// Longer names of fields may be more than names.
const SHOWN_NAME: usize = 40;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::UNIX_EPOCH;

    use super::*;

    /// Path, provider, id, and whether it is a credential.
    fn found(text: &str) -> Vec<(String, String, String, bool)> {
        let found = accounts(text.as_bytes(), None, UNIX_EPOCH).unwrap();
        let text = |hint: Option<String>| hint.unwrap_or_default();
        found
            .into_iter()
            .map(|one| (one.path, text(one.provider), text(one.id), one.import.is_ok()))
            .collect()
    }

    fn row(path: &str, provider: &str, id: &str, ok: bool) -> (String, String, String, bool) {
        (path.to_owned(), provider.to_owned(), id.to_owned(), ok)
    }

    #[test]
    fn one_document_is_one_account() {
        assert_eq!(
            found(r#"{"access_token":"a","email":"e","type":"claude"}"#),
            [row("", "claude", "e", true)]
        );
        let codex = r#"{"tokens":{"access_token":"a","account_id":"acc"}}"#;
        assert_eq!(found(codex), [row("", "codex", "acc", true)]);
    }

    #[test]
    fn lists_and_lines_are_many() {
        let (one, two, bad) =
            (r#"{"access_token":"a","email":"1"}"#, r#"{"refresh_token":"b","email":"2"}"#, r#"{"x":1}"#);
        let rows = |prefix: fn(usize) -> String| {
            [row(&prefix(0), "", "1", true), row(&prefix(1), "", "2", true), row(&prefix(2), "", "", false)]
        };
        assert_eq!(found(&format!("[{one},{two},{bad}]")), rows(|at| format!("[{at}]")));
        assert_eq!(found(&format!("{one}\n{two}\n{bad}\n")), rows(|at| format!("line {}", at + 1)));
    }

    #[test]
    fn lines_are_those_of_the_file_and_what_is_broken_is_located() {
        let one = r#"{"access_token":"a","email":"1"}"#;
        let paths: Vec<_> =
            found(&format!("\n{one}\n\n{one}\n")).into_iter().map(|(path, ..)| path).collect();
        // The blank line at the top is padding.
        assert_eq!(paths, ["line 1", "line 3"]);
        for (text, says) in [
            (format!("[{one},\n{{\"x\""), "line 2"),
            (format!("[{one}\n{one}]"), "line 2"),
            (format!("{one}\n{one}\n{{\"x\":"), "line 3"),
            (format!("{one}\n{{\"x\":"), "line 2"),
            ("[]".to_owned(), "at least one account"),
            ("{'access_token': 'a'}".to_owned(), "double quotes"),
        ] {
            let error = accounts(text.as_bytes(), None, UNIX_EPOCH).unwrap_err().to_string();
            assert!(error.contains(says), "{error}: {text}");
        }
    }

    #[test]
    fn whose_account_it_is_goes_by_what_the_tool_writes_and_not_by_who_logged_in() {
        let kiro = r#"{"accessToken":"a","refreshToken":"r","profileArn":"arn","authMethod":"social","provider":"Google"}"#;
        assert_eq!(found(kiro), [row("", "kiro", "", true)]);
        let firebase =
            r#"{"user":{"email":"e"},"tokens":{"refresh_token":"r","access_token":"a","expires_at":1}}"#;
        assert_eq!(found(firebase), [row("", "", "", true)]);
        let claims = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            r#"{"email":"p@q.r","exp":1}"#,
        );
        let member = format!(
            r#"{{"tokens":{{"access_token":"a","id_token":"e30.{claims}.c2ln","account_id":"workspace"}}}}"#
        );
        assert_eq!(found(&member), [row("", "codex", "p@q.r", true)]);
    }

    #[test]
    fn an_export_of_a_gateway_is_taken_apart() {
        let account = |name: &str, platform: &str, credentials: &str| {
            format!(
                r#"{{"name":"{name}","platform":"{platform}","type":"oauth","credentials":{credentials}}}"#
            )
        };
        let pair = r#"{"access_token":"a","refresh_token":"r"}"#;
        let accounts =
            [account("n1", "openai", pair), account("n2", "anthropic", r#"{"api_key":"k"}"#)].join(",");
        let export = format!(r#"{{"type":"sub2api-data","version":1,"proxies":[],"accounts":[{accounts}]}}"#);
        assert_eq!(
            found(&export),
            [row("accounts[0]", "openai", "n1", true), row("accounts[1]", "", "", false)]
        );
        let wrapped = format!(r#"{{"code":0,"data":{export}}}"#);
        assert_eq!(found(&wrapped)[0], row("data.accounts[0]", "openai", "n1", true));
    }

    #[test]
    fn fields_that_are_accounts_are_taken_one_by_one() {
        let opencode = r#"{"anthropic":{"type":"oauth","access":"a","refresh":"r","expires":1},
            "openai":{"type":"oauth","access":"b","refresh":"s","expires":1,"accountId":"acc"},
            "groq":{"type":"api","key":"k"}}"#;
        assert_eq!(
            found(opencode),
            [
                row("anthropic", "anthropic", "", true),
                row("openai", "openai", "acc", true),
                row("groq", "", "", false)
            ]
        );
        let first = &accounts(opencode.as_bytes(), None, UNIX_EPOCH).unwrap()[0];
        assert_eq!(
            first.document.as_str(),
            r#"{"anthropic":{"type":"oauth","access":"a","refresh":"r","expires":1}}"#
        );
        assert!(!format!("{first:?}").contains("access"), "{first:?}");
    }

    #[test]
    fn a_file_without_accounts_says_why() {
        for (text, field) in
            [("{\"x\":1}", "access_token"), ("[]", "document"), ("<html>", "document"), ("{", "document")]
        {
            assert_eq!(accounts(text.as_bytes(), None, UNIX_EPOCH).unwrap_err().field(), field, "{text}");
        }
    }
}
