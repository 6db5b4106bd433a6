//! The error codes and descriptions of a provider, as data.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use super::meaning::{Meaning, RANKS, Rule};
use crate::{Delay, Revocation, mutant};

/// The wording of one provider's refusals. [`rfc6749`](Self::rfc6749) fits providers of which nothing is known; the
/// other methods add what is known.
///
/// Only named fields count, and only whole codes, or the beginning of a description: a word somewhere in a body is no
/// evidence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialect {
    rules: Vec<Rule>,
    code_at: Vec<Path>,
    text_at: Vec<Path>,
    not_processed: Vec<StatusCode>,
    form_answers: bool,
    at: Path,
}

/// Names of nested objects.
type Path = Vec<String>;

impl Dialect {
    /// The standard, and no more trust than it gives: only `invalid_grant` is about the token, only 429 means that it
    /// was not processed.
    pub fn rfc6749() -> Self {
        let empty = Self {
            rules: Vec::new(),
            code_at: Vec::new(),
            text_at: Vec::new(),
            not_processed: Vec::new(),
            form_answers: false,
            at: Vec::new(),
        };
        empty
            .code_at("error")
            .code_at("error.code")
            .text_at("error_description")
            .permanent("invalid_grant", Revocation::Refused)
            .our_fault("invalid_client")
            .our_fault("unauthorized_client")
            .our_fault("invalid_request")
            .our_fault("unsupported_grant_type")
            .our_fault("invalid_scope")
            .not_processed([StatusCode::TOO_MANY_REQUESTS])
    }

    /// OpenAI's authorization server, as the Codex CLI reads it (source of 2026-11) and as gateways have met it: 401
    /// with a code of its own, nested in `error` or next to it.
    pub fn openai() -> Self {
        Self::rfc6749()
            .code_at("code")
            .permanent("refresh_token_reused", Revocation::Reused)
            .permanent("refresh_token_expired", Revocation::Expired)
            .permanent("refresh_token_invalidated", Revocation::Refused)
            .permanent("invalid_refresh_token", Revocation::Refused)
            .permanent("token_expired", Revocation::Expired)
            .permanent("token_revoked", Revocation::Refused)
            .permanent("token_invalidated", Revocation::Refused)
            .permanent("app_session_terminated", Revocation::Refused)
    }

    /// This error code ends the grant. Stronger than [`our_fault`](Self::our_fault), whatever the status.
    pub fn permanent(mut self, code: impl Into<String>, why: Revocation) -> Self {
        let code = code.into();
        let is_ending = |rule: &Rule| rule.text.is_none() && matches!(rule.means, Meaning::Permanent(_));
        self.rules.retain(|rule| !(is_ending(rule) && rule.is_about(&code)));
        self.means(code, Meaning::Permanent(why))
    }

    /// This error code is about our client or request, not about the account.
    pub fn our_fault(self, code: impl Into<String>) -> Self {
        self.means(code.into(), Meaning::OurFault)
    }

    /// This error code, with every status but those of a server in trouble, means that the token was not processed
    /// and that asking again later helps. Weaker than the other two.
    pub fn passing(self, code: impl Into<String>, why: Delay) -> Self {
        self.means(code.into(), Meaning::Refused(why))
    }

    /// This error code means this, whatever was known of it; a description that is known still counts first.
    pub fn named(mut self, code: impl Into<String>, means: Meaning) -> Self {
        let code = code.into();
        self.rules.retain(|rule| rule.text.is_some() || !rule.is_about(&code));
        self.means(code, means)
    }

    /// This error code means something else where its description begins with `text`; letters of both cases are alike.
    /// Stronger than the meaning of the code alone; of several that fit, the one added first counts.
    pub fn described(mut self, code: impl Into<String>, text: impl Into<String>, means: Meaning) -> Self {
        self.rules.push(Rule { code: code.into(), text: Some(text.into()), means });
        self
    }

    /// Error codes also stand here: names of nested objects, joined by dots.
    pub fn code_at(mut self, path: &str) -> Self {
        self.code_at.push(path.split('.').map(str::to_owned).collect());
        self
    }

    /// Descriptions also stand here: names of nested objects, joined by dots.
    pub fn text_at(mut self, path: &str) -> Self {
        self.text_at.push(path.split('.').map(str::to_owned).collect());
        self
    }

    /// The tokens of an answer stand in this object: names of nested objects, joined by dots. Where it has none, they are
    /// searched for as if this had not been said.
    pub fn at(mut self, path: &str) -> Self {
        self.at = path.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        self
    }

    /// The names of the nested objects in which the tokens of an answer stand; none: at its top.
    pub fn tokens_at(&self) -> &[String] {
        &self.at
    }

    /// These statuses, and no others, mean that the token was not processed and may be presented again. A proxy may
    /// answer 503 after the provider rotated, so put it here only where the provider promises it.
    pub fn not_processed(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.not_processed = statuses.into_iter().collect();
        self
    }

    /// Returns whether this status means that the token was not processed.
    pub fn leaves_unprocessed(&self, status: StatusCode) -> bool {
        self.not_processed.contains(&status)
    }

    /// Answers may come form-encoded, and then have that `Content-Type`.
    pub fn form_answers(mut self) -> Self {
        self.form_answers = true;
        self
    }

    /// Returns true if this answer means that the provider knows the account's grant, but not with this client: the
    /// same token may be presented by another one.
    pub fn wants_another_client(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
        let refusal = Self::object(&self.as_json(headers, body));
        let named = |value: &Value| self.codes(value).iter().any(|code| code == "unauthorized_client");
        status.is_client_error()
            && !self.leaves_unprocessed(status)
            && refusal.is_some_and(|value| named(&value) && self.meaning(&value) == Some(Meaning::OurFault))
    }

    fn means(mut self, code: String, means: Meaning) -> Self {
        self.rules.push(Rule { code, text: None, means });
        self
    }

    /// The body as JSON, where it is one of the forms in which this provider answers.
    pub(super) fn as_json<'a>(&self, headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
        if !(self.form_answers && is_form(headers)) || body.trim_ascii_start().starts_with(b"{") {
            return Cow::Borrowed(body);
        }
        let pairs = form_urlencoded::parse(body).map(|(name, value)| (name.into(), value.into()));
        Cow::Owned(Value::Object(pairs.collect::<Map<_, _>>()).to_string().into_bytes())
    }

    /// The body of a refusal, where it is an object.
    pub(super) fn object(body: &[u8]) -> Option<Value> {
        serde_json::from_slice(body).ok().filter(Value::is_object)
    }

    /// The meaning of a body, where it has one that is known.
    pub(super) fn meaning(&self, body: &Value) -> Option<Meaning> {
        let codes = self.codes(body);
        let texts: Vec<_> = strings(body, &self.text_at).collect();
        let applies =
            |rule: &&Rule| rule.text.is_none() || rule.fits(&texts) || mutant("description_is_not_checked");
        let of_rank = |rank| {
            let rules = || self.rules.iter().filter(applies).filter(move |rule| rule.rank() == rank);
            codes.iter().find_map(|code| rules().find(|rule| rule.is_about(code)))
        };
        (0..RANKS).find_map(of_rank).map(|rule| rule.means)
    }

    /// Every error code in a body, in the order of the places where this provider puts them.
    pub(super) fn codes(&self, body: &Value) -> Vec<String> {
        strings(body, &self.code_at).map(str::to_owned).collect()
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::rfc6749()
    }
}

fn strings<'a>(body: &'a Value, paths: &'a [Path]) -> impl Iterator<Item = &'a str> {
    let at = move |path: &Path| path.iter().try_fold(body, |value, name| value.get(name))?.as_str();
    paths.iter().filter_map(at).filter(|found| !found.is_empty())
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
