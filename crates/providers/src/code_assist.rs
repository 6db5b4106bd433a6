//! Which project Google's Code Assist has for an account of the Gemini CLI or of Antigravity.

use std::{fmt, time::Duration};

use reqwest::{Client, ClientBuilder, StatusCode, header, redirect, retry};
use serde_json::Value;
use solekey_core::{InputError, ports::BoxError};
use url::Url;

/// Asks Code Assist about accounts: one POST of `loadCodeAssist` with an access token, which changes nothing.
///
/// As of 2026-11 that is how the Gemini CLI and programs for Antigravity find the project that requests have to name.
pub struct CodeAssist {
    http: Client,
    url: Url,
    ide: &'static str,
}

/// The reply of Code Assist about an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CodeAssistAccount {
    /// The project; absent for an account that was never set up.
    pub project_id: Option<String>,
    /// The tier it is on.
    pub tier_id: Option<String>,
}

impl CodeAssist {
    /// As the Gemini CLI asks.
    ///
    /// # Errors
    /// There is no working TLS set-up.
    pub fn gemini() -> Result<Self, InputError> {
        Self::at(ENDPOINT, "IDE_UNSPECIFIED")
    }

    /// As Antigravity asks.
    ///
    /// # Errors
    /// There is no working TLS set-up.
    pub fn antigravity() -> Result<Self, InputError> {
        Self::at(ENDPOINT, "ANTIGRAVITY")
    }

    /// The same elsewhere: `https`, or `http` on loopback.
    ///
    /// # Errors
    /// Names the URL.
    pub fn asking(self, url: &str) -> Result<Self, InputError> {
        Self::at(url, self.ide)
    }

    fn at(url: &str, ide: &'static str) -> Result<Self, InputError> {
        let expected = || InputError::new("code_assist.url", "an https URL, or http on loopback");
        let url = Url::parse(url).map_err(|_| expected())?;
        let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            return Err(expected());
        }
        let mut builder = ClientBuilder::new()
            .user_agent(concat!("solekey/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy();
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|_| InputError::new("code_assist", "a working TLS set-up"))?;
        Ok(Self { http, url, ide })
    }

    /// Asks about the account of an access token, given as the value of an `Authorization` header.
    ///
    /// # Errors
    /// No answer within 8 s, another status than 200, or an answer that is too large or no JSON; never with text of it.
    ///
    /// # Cancel safety
    /// Dropping the future ends the request.
    pub async fn load(&self, bearer: header::HeaderValue) -> Result<CodeAssistAccount, BoxError> {
        let body = serde_json::json!({
            "metadata": {"ideType": self.ide, "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}
        });
        let request = self
            .http
            .post(self.url.clone())
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
        if response.status() != StatusCode::OK {
            return Err(format!("status {}", response.status().as_u16()).into());
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            if answer.len() + chunk.len() > MAX_ANSWER {
                return Err("an answer that is too large".into());
            }
            answer.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| "an answer that is no JSON")?;
        Ok(CodeAssistAccount::read(&answer))
    }
}

impl CodeAssistAccount {
    /// The project comes as text or as an object with an id.
    fn read(answer: &Value) -> Self {
        let project = &answer["cloudaicompanionProject"];
        let text = |value: &Value| {
            let text = value.as_str()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        Self {
            project_id: text(project).or_else(|| text(&project["id"])),
            tier_id: text(&answer["currentTier"]["id"]),
        }
    }
}

impl fmt::Debug for CodeAssist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeAssist").field("ide", &self.ide).finish_non_exhaustive()
    }
}

const ENDPOINT: &str = "https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist";
const PATIENCE: Duration = Duration::from_secs(8);
/// Real answers are a few kilobytes.
const MAX_ANSWER: usize = 256 * 1024;
