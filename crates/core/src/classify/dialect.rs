//! How a provider says what RFC 6749 says, as data.

use http::StatusCode;

use crate::Revocation;

/// How one provider words its refusals. [`rfc6749`](Self::rfc6749) fits providers we know nothing about; the other
/// methods add what is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialect {
    permanent: Vec<(String, Revocation)>,
    our_fault: Vec<String>,
    code_at: Vec<Vec<String>>,
    not_processed: Vec<StatusCode>,
}

impl Dialect {
    /// The standard, and no more trust than it gives: only `invalid_grant` speaks about the token, only 429 means
    /// that it was not processed.
    pub fn rfc6749() -> Self {
        Self { permanent: Vec::new(), our_fault: Vec::new(), code_at: Vec::new(), not_processed: Vec::new() }
            .code_at("error")
            .code_at("error.code")
            .permanent("invalid_grant", Revocation::Refused)
            .our_fault("invalid_client")
            .our_fault("unauthorized_client")
            .our_fault("invalid_request")
            .our_fault("unsupported_grant_type")
            .our_fault("invalid_scope")
            .not_processed([StatusCode::TOO_MANY_REQUESTS])
    }

    /// OpenAI's authorization server, as the Codex CLI reads it (source of 2026-11): 401 with a code of its own, nested in
    /// `error` or beside it.
    pub fn openai() -> Self {
        Self::rfc6749()
            .code_at("code")
            .permanent("refresh_token_reused", Revocation::Reused)
            .permanent("refresh_token_expired", Revocation::Expired)
            .permanent("refresh_token_invalidated", Revocation::Refused)
            .permanent("invalid_refresh_token", Revocation::Refused)
    }

    /// This error code ends the grant. Stronger than [`our_fault`](Self::our_fault), whatever the status.
    pub fn permanent(mut self, code: impl Into<String>, why: Revocation) -> Self {
        let code = code.into();
        self.permanent.retain(|(known, _)| !known.eq_ignore_ascii_case(&code));
        self.permanent.push((code, why));
        self
    }

    /// This error code speaks about our client or request, not about the account.
    pub fn our_fault(mut self, code: impl Into<String>) -> Self {
        self.our_fault.push(code.into());
        self
    }

    /// Error codes also stand here: names of nested objects, joined by dots.
    pub fn code_at(mut self, path: &str) -> Self {
        self.code_at.push(path.split('.').map(str::to_owned).collect());
        self
    }

    /// These statuses, and no others, mean that the token was not processed and may be presented again. A proxy may
    /// answer 503 after the provider rotated, so put it here only where the provider promises it.
    pub fn not_processed(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.not_processed = statuses.into_iter().collect();
        self
    }

    /// What a code says about the grant, if it ends it.
    pub(super) fn revocation(&self, code: &str) -> Option<Revocation> {
        self.permanent.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, why)| *why)
    }

    pub(super) fn is_our_fault(&self, code: &str) -> bool {
        self.our_fault.iter().any(|known| known.eq_ignore_ascii_case(code))
    }

    pub(super) fn leaves_unprocessed(&self, status: StatusCode) -> bool {
        self.not_processed.contains(&status)
    }

    /// Every error code in a body, in the order of the places where this provider puts them.
    pub(super) fn codes(&self, body: &serde_json::Value) -> Vec<String> {
        let at = |path: &Vec<String>| {
            let found = path.iter().try_fold(body, |value, name| value.get(name))?.as_str()?;
            (!found.is_empty()).then(|| found.to_owned())
        };
        self.code_at.iter().filter_map(at).collect()
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::rfc6749()
    }
}
