//! The documents we know, and what they call their fields.

use serde::{Deserialize, Serialize};

use super::{ACCESS, REFRESH};
use crate::{
    Document, InputError,
    document::{Limits, is_blank},
    mutant,
};

/// Where in a document the tokens stand, and under which names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// At the top, under the names of RFC 6749: what token endpoints say, the `oauth_creds.json` of the Gemini CLI, the
    /// credentials of gateways.
    Flat,
    /// In the object `tokens`, as in the `auth.json` of the Codex CLI.
    CodexAuth,
    /// In the object `claudeAiOauth`, under names of its own, as in the `.credentials.json` of Claude Code.
    ClaudeCode,
}

/// What a shape calls what we write into it.
pub(crate) struct Names {
    /// The field that holds the tokens, where it is not the document itself.
    pub(super) home: Option<&'static str>,
    pub(crate) access: &'static str,
    pub(crate) refresh: &'static str,
    pub(crate) token_type: &'static str,
    /// As text, or as a list.
    pub(crate) scope: &'static str,
    /// The instant an access token ends; the first is added where there is none.
    pub(crate) ends_at: &'static [&'static str],
    /// Its lifetime.
    pub(crate) lasts: &'static [&'static str],
    /// The instant a refresh token ends.
    pub(crate) refresh_ends_at: &'static [&'static str],
    /// Its lifetime, as answers say it: GitHub, Keycloak, QuickBooks.
    pub(crate) refresh_lasts: &'static [&'static str],
}

impl Shape {
    /// Recognises a document: the first shape under whose names a token stands, in the order flat, Codex, Claude. Where
    /// none does, the first whose object is there, so that what is missing is named where people look for it.
    pub(crate) fn of(document: &Document) -> Self {
        let known = [Self::Flat, Self::CodexAuth, Self::ClaudeCode];
        let holds = known.into_iter().find(|shape| shape.holds_token(document));
        let is_there = |shape: &Self| shape.home().is_some_and(|home| document.raw(home).is_some());
        holds.or_else(|| known.into_iter().find(is_there)).unwrap_or(Self::Flat)
    }

    pub(crate) fn names(self) -> &'static Names {
        match self {
            Self::Flat => &FLAT,
            Self::CodexAuth => &CODEX,
            Self::ClaudeCode => &CLAUDE,
        }
    }

    /// The field that holds the tokens, where it is not the document itself.
    pub(super) fn home(self) -> Option<&'static str> {
        self.names().home
    }

    /// Its name in stores.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::CodexAuth => "codex_auth",
            Self::ClaudeCode => "claude_code",
        }
    }

    /// The format number it is stored under: of the first version that reads it.
    pub(super) fn format(self) -> u32 {
        match self {
            Self::Flat | Self::CodexAuth => 1,
            Self::ClaudeCode if mutant("new_shape_bears_the_old_number") => 1,
            Self::ClaudeCode => 2,
        }
    }

    /// Names a field by its full path.
    pub(crate) fn locate(self, error: InputError) -> InputError {
        match self.home() {
            None => error,
            Some(home) => InputError::new(format!("{home}.{}", error.field()), error.expected()),
        }
    }

    fn holds_token(self, document: &Document) -> bool {
        let Names { access, refresh, .. } = self.names();
        let says = |object: &Document| {
            [access, refresh].iter().any(|name| object.raw(name).is_some_and(|raw| !is_blank(raw)))
        };
        match self.home() {
            None => says(document),
            Some(home) => document
                .raw(home)
                .and_then(|raw| Document::parse_within(raw.as_bytes(), Limits::STORED).ok())
                .is_some_and(|nested| says(&nested)),
        }
    }
}

impl Names {
    /// Whether refreshing may write a field of this name, or one that holds what it writes.
    pub(crate) fn writes(&self, name: &str) -> bool {
        let one = [self.access, self.refresh, self.token_type, self.scope, super::ID].contains(&name);
        let ends = [self.refresh_ends_at, self.refresh_lasts].iter().any(|names| names.contains(&name));
        one || ends || self.is_end(name) || self.home == Some(name)
    }

    /// Whether a field is one of those that say when an access token ends.
    pub(crate) fn is_end(&self, name: &str) -> bool {
        self.ends_at.contains(&name) || self.lasts.contains(&name)
    }
}

const FLAT: Names = Names {
    home: None,
    access: ACCESS,
    refresh: REFRESH,
    token_type: "token_type",
    scope: "scope",
    // Ours, the Gemini CLI's, and the one of Go programs.
    ends_at: &["expires_at", "expiry_date", "expiry"],
    lasts: &["expires_in"],
    refresh_ends_at: &["refresh_token_expires_at", "refresh_expires_at"],
    refresh_lasts: &["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"],
};

const CODEX: Names = Names { home: Some("tokens"), ..FLAT };

const CLAUDE: Names = Names {
    home: Some("claudeAiOauth"),
    access: "accessToken",
    refresh: "refreshToken",
    token_type: "tokenType",
    scope: "scopes",
    ends_at: &["expiresAt"],
    lasts: &["expiresIn"],
    refresh_ends_at: &["refreshTokenExpiresAt"],
    refresh_lasts: &["refreshTokenExpiresIn"],
};
