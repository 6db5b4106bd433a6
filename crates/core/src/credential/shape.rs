//! The shapes of documents, and the names of their fields.

use serde::{Deserialize, Serialize};

use crate::{
    Document, InputError,
    document::{Limits, is_blank},
    import::names::{REFRESH_ENDS, REFRESH_LASTS, is_end},
    mutant,
};

/// The location of the tokens in a document, and the names of its fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// At the top, under the names of RFC 6749: responses of token endpoints, the `oauth_creds.json` of the Gemini CLI
    /// and of Qwen Code, most files of CLIProxyAPI, the credentials of gateways.
    Flat,
    /// In the object `tokens`, as in the `auth.json` of the Codex CLI.
    CodexAuth,
    /// In the object `claudeAiOauth`, under names of its own, as in the `.credentials.json` of Claude Code.
    ClaudeCode,
    /// At the top, the access token as `token`: `authorized_user` files of Google's libraries.
    AuthorizedUser,
    /// At the top, as `accessToken` and `refreshToken`: the `kiro-auth-token.json` of Kiro, the SSO cache of AWS.
    CamelCase,
    /// As `access`, `refresh` and `expires`, at the top or in the one field that has them: the `auth.json` of opencode.
    OpenCode,
    /// The access token as `key`, at the top or in the one field that has it: the `auth.json` of the Grok CLI.
    GrokCli,
    /// In the object `token`, under the names of RFC 6749: Gemini files of CLIProxyAPI, files of Antigravity's managers.
    TokenObject,
    /// In the object `credentials`, under the names of RFC 6749: an account of a sub2api export.
    GatewayAccount,
}

/// The place of the tokens in a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// The document itself.
    Document,
    /// The object in this field.
    Field(&'static str),
    /// The document itself, or the object in the one field that holds tokens.
    Anywhere,
}

/// The fields of an answer that a shape has room for, besides tokens and ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// All.
    All,
    /// The ID token.
    IdToken,
    /// Those that are there.
    Present,
    /// None.
    Nothing,
}

/// The names under which a shape has the fields that refreshing writes.
pub(crate) struct Names {
    home: Home,
    /// Whether access and refresh token have to be there, because one of the names alone says little.
    needs_both: bool,
    pub(crate) access: &'static str,
    pub(crate) refresh: &'static str,
    pub(crate) token_type: &'static str,
    /// As text, or as a list.
    pub(crate) scope: &'static str,
    /// The end that is added where none is there, and its usual value.
    pub(crate) adds: Option<(&'static str, &'static str)>,
    pub(crate) room: Room,
}

impl Shape {
    /// Every shape, in the order in which they are tried.
    pub const ALL: [Self; 9] = [
        Self::AuthorizedUser,
        Self::GrokCli,
        Self::Flat,
        Self::CodexAuth,
        Self::ClaudeCode,
        Self::CamelCase,
        Self::OpenCode,
        Self::TokenObject,
        Self::GatewayAccount,
    ];

    /// Recognises a document: the first shape under whose names a token stands. Where none does, the first of the three
    /// oldest whose object is there, so that the error names the field where people expect it.
    pub(crate) fn of(document: &Document) -> Self {
        let holds = Self::ALL.into_iter().find(|shape| shape.recognises(document));
        let is_there =
            |shape: &Self| matches!(shape.names().home, Home::Field(home) if document.raw(home).is_some());
        holds.or_else(|| [Self::CodexAuth, Self::ClaudeCode].into_iter().find(is_there)).unwrap_or(Self::Flat)
    }

    pub(crate) fn names(self) -> &'static Names {
        match self {
            Self::Flat => &FLAT,
            Self::CodexAuth => &CODEX,
            Self::ClaudeCode => &CLAUDE,
            Self::AuthorizedUser => &AUTHORIZED_USER,
            Self::CamelCase => &CAMEL_CASE,
            Self::OpenCode => &OPENCODE,
            Self::GrokCli => &GROK,
            Self::TokenObject => &TOKEN_OBJECT,
            Self::GatewayAccount => &GATEWAY_ACCOUNT,
        }
    }

    /// Its name, in stores and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::CodexAuth => "codex_auth",
            Self::ClaudeCode => "claude_code",
            Self::AuthorizedUser => "authorized_user",
            Self::CamelCase => "camel_case",
            Self::OpenCode => "open_code",
            Self::GrokCli => "grok_cli",
            Self::TokenObject => "token_object",
            Self::GatewayAccount => "gateway_account",
        }
    }

    /// Where its tokens are, in words.
    pub(crate) fn place(self) -> String {
        let Names { home, access, refresh, .. } = self.names();
        let pair = format!("{access}, {refresh}");
        match home {
            Home::Document => pair,
            Home::Field(home) => format!("{home} {{{pair}}}"),
            Home::Anywhere => format!("{pair}, also one level down"),
        }
    }

    /// The format number it is stored under: of the first version that reads it.
    pub(super) fn format(self) -> u32 {
        match self {
            Self::Flat | Self::CodexAuth => 1,
            Self::ClaudeCode if mutant("new_shape_bears_the_old_number") => 1,
            Self::ClaudeCode => 2,
            _ => 3,
        }
    }

    /// The field that holds the tokens, where it is not the document itself.
    ///
    /// # Errors
    /// Several fields do.
    pub(super) fn home_in(self, document: &Document) -> Result<Option<String>, InputError> {
        match self.names().home {
            Home::Document => Ok(None),
            Home::Field(home) => Ok(Some(home.to_owned())),
            Home::Anywhere if self.names().hold_token(document) => Ok(None),
            Home::Anywhere => {
                let mut homes = self.homes(document);
                let first = homes.next();
                if homes.next().is_some() {
                    return Err(InputError::new("document", SEVERAL));
                }
                Ok(first.map(str::to_owned))
            }
        }
    }

    /// The fields whose objects hold tokens of this shape.
    pub(crate) fn homes(self, document: &Document) -> impl Iterator<Item = &str> {
        document
            .entries()
            .filter(move |(_, raw)| {
                raw.starts_with('{') && object(raw).is_some_and(|it| self.names().hold_token(&it))
            })
            .map(|(name, _)| name)
    }

    /// Returns whether a token stands where this shape has it.
    pub(crate) fn recognises(self, document: &Document) -> bool {
        let names = self.names();
        match names.home {
            Home::Document => names.hold_token(document),
            Home::Field(home) => {
                document.raw(home).and_then(object).is_some_and(|nested| names.hold_token(&nested))
            }
            Home::Anywhere => names.hold_token(document) || self.homes(document).next().is_some(),
        }
    }
}

impl Names {
    /// Returns true if refreshing may write a field of this name, or one that holds what it writes.
    pub(crate) fn writes(&self, name: &str) -> bool {
        let one = [self.access, self.refresh, self.token_type, self.scope, ID].contains(&name);
        let ends = REFRESH_ENDS.contains(&name) || REFRESH_LASTS.contains(&name);
        one || ends || is_end(name) || matches!(self.home, Home::Field(home) if home == name)
    }

    /// Returns true if the field of this name holds a token here, whatever an answer calls by it.
    pub(crate) fn writes_token(&self, name: &str) -> bool {
        [self.access, self.refresh].contains(&name)
    }

    fn hold_token(&self, object: &Document) -> bool {
        let is_there = |name| object.raw(name).is_some_and(|raw| !is_blank(raw));
        if self.needs_both {
            let is_text = |name| is_there(name) && object.raw(name).is_some_and(|raw| raw.starts_with('"'));
            is_text(self.access) && is_text(self.refresh)
        } else {
            is_there(self.access) || is_there(self.refresh)
        }
    }
}

/// Names a field by its full path.
pub(crate) fn locate(home: Option<&str>, error: InputError) -> InputError {
    match home {
        Some(home) if home.len() <= MAX_SHOWN => {
            InputError::new(format!("{home}.{}", error.field()), error.expected())
        }
        _ => error,
    }
}

fn object(raw: &str) -> Option<Document> {
    Document::parse_within(raw.as_bytes(), Limits::STORED).ok()
}

pub(crate) const ACCESS: &str = "access_token";
pub(crate) const REFRESH: &str = "refresh_token";
pub(crate) const ID: &str = "id_token";
/// The longest name of a field that an error repeats.
const MAX_SHOWN: usize = 64;
const SEVERAL: &str = "one account: it has several, which `solekey account import` takes in one by one";

const SECONDS: &str = "1700000000";
const MILLIS: &str = "1700000000000";
const TEXT: &str = "\"2023-11-14T22:13:20Z\"";

const FLAT: Names = Names {
    home: Home::Document,
    needs_both: false,
    access: ACCESS,
    refresh: REFRESH,
    token_type: "token_type",
    scope: "scope",
    adds: Some(("expires_at", SECONDS)),
    room: Room::All,
};

const CODEX: Names = Names { home: Home::Field("tokens"), adds: None, room: Room::IdToken, ..FLAT };

const CLAUDE: Names = Names {
    home: Home::Field("claudeAiOauth"),
    needs_both: false,
    access: "accessToken",
    refresh: "refreshToken",
    token_type: "tokenType",
    scope: "scopes",
    adds: Some(("expiresAt", MILLIS)),
    room: Room::Nothing,
};

const AUTHORIZED_USER: Names = Names {
    needs_both: true,
    access: "token",
    scope: "scopes",
    adds: Some(("expiry", TEXT)),
    room: Room::Present,
    ..FLAT
};

const CAMEL_CASE: Names =
    Names { home: Home::Document, adds: Some(("expiresAt", TEXT)), room: Room::Present, ..CLAUDE };

const OPENCODE: Names = Names {
    home: Home::Anywhere,
    needs_both: true,
    access: "access",
    refresh: "refresh",
    adds: Some(("expires", MILLIS)),
    room: Room::Present,
    ..FLAT
};

const GROK: Names = Names {
    home: Home::Anywhere,
    needs_both: true,
    access: "key",
    adds: Some(("expires_at", TEXT)),
    room: Room::Present,
    ..FLAT
};

const TOKEN_OBJECT: Names =
    Names { home: Home::Field("token"), adds: Some(("expiry", TEXT)), room: Room::Present, ..FLAT };

const GATEWAY_ACCOUNT: Names = Names { home: Home::Field("credentials"), ..FLAT };
