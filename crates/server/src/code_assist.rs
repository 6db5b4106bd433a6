//! The project of an account at Google's Code Assist.

use std::time::Duration;

use async_trait::async_trait;
use solekey::{
    AfterCommit, Committed,
    core::{Additions, InputError, ports::BoxError},
};
use solekey_providers::{CodeAssist, CodeAssistAccount};

/// Finds `project_id` and `tier_id` of accounts of one provider that have no project yet, at most every 5 min for each.
#[derive(Debug)]
pub(crate) struct CodeAssistProject {
    provider: String,
    code_assist: CodeAssist,
}

impl CodeAssistProject {
    /// For the accounts of `provider`.
    pub(crate) fn new(provider: &str, code_assist: CodeAssist) -> Self {
        Self { provider: provider.to_owned(), code_assist }
    }
}

#[async_trait]
impl AfterCommit for CodeAssistProject {
    fn name(&self) -> &'static str {
        "code_assist_project"
    }

    fn cooldown(&self) -> Duration {
        Duration::from_mins(5)
    }

    fn wants(&self, committed: &Committed) -> bool {
        committed.account().provider() == self.provider && committed.text("project_id").is_none()
    }

    async fn after_commit(&self, committed: &Committed) -> Result<Additions, BoxError> {
        let account = self.code_assist.load(committed.token().bearer()).await?;
        Ok(additions(&account)?)
    }
}

/// Returns the fields to add. A value that is not known is empty, and changes nothing.
fn additions(account: &CodeAssistAccount) -> Result<Additions, InputError> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Additions::new().text("project_id", &text(&account.project_id))?.text("tier_id", &text(&account.tier_id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        time::Duration,
    };

    use axum::{Router, routing::post};
    use solekey::{Provider, Solekey, core::Account};
    use solekey_providers::Preset;
    use solekey_testkit::memory::{MemoryAnswers, MemoryStore};
    use tokio::net::TcpListener;

    use super::*;

    /// Something that answers as Code Assist does; its URL, and how often it was asked.
    async fn code_assist() -> (String, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let answer = async move || {
            counted.fetch_add(1, Relaxed);
            r#"{"cloudaicompanionProject":"p-1","currentTier":{"id":"free-tier"}}"#
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/load", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, Router::new().route("/load", post(answer))).await });
        (url, asked)
    }

    /// An instance with the hook for accounts of `another`, and of `google`, which is its provider.
    async fn with_hooks(url: &str) -> Solekey {
        let preset = Preset::named("oauth2").unwrap();
        let mut endpoint = preset.endpoint;
        "https://auth.example/token".clone_into(&mut endpoint.token_url);
        "gateway".clone_into(&mut endpoint.client_id);
        let endpoint = Arc::new(endpoint.build().unwrap());
        let hook = |provider| {
            let code_assist = CodeAssist::gemini().unwrap().asking(url).unwrap();
            Arc::new(CodeAssistProject::new(provider, code_assist))
        };
        Solekey::builder()
            .provider(Provider::new("google", preset.policy.build().unwrap(), endpoint).unwrap())
            .store(Arc::new(MemoryStore::new()))
            .answers(Arc::new(MemoryAnswers::new()))
            .after_commit(hook("another"))
            .after_commit(hook("google"))
            .build()
            .await
            .unwrap()
    }

    async fn log_in(solekey: &Solekey, id: &str, more: &str) -> Account {
        let account = Account::new("google", id).unwrap();
        let document =
            format!(r#"{{"access_token":"at","refresh_token":"rt-{id}","expires_in":3600{more}}}"#);
        solekey.login(&account, document.as_bytes(), false).await.unwrap();
        account
    }

    /// The JSON text of a field of the account's document.
    async fn field(solekey: &Solekey, account: &Account, name: &str) -> Option<String> {
        let exported = solekey.export(account).await.unwrap();
        exported.expose_credential().unwrap().shown(name).map(str::to_owned)
    }

    #[tokio::test]
    async fn the_project_of_an_account_of_the_provider_is_asked_for_where_it_is_not_known_and_kept() {
        let (url, asked) = code_assist().await;
        let solekey = with_hooks(&url).await;
        let known = log_in(&solekey, "known", r#","project_id":"p-0""#).await;
        let unknown = log_in(&solekey, "unknown", "").await;
        let found = async {
            while field(&solekey, &unknown, "project_id").await.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.expect("it is found");
        assert_eq!(field(&solekey, &unknown, "project_id").await.as_deref(), Some(r#""p-1""#));
        assert_eq!(field(&solekey, &unknown, "tier_id").await.as_deref(), Some(r#""free-tier""#));
        assert_eq!(field(&solekey, &known, "project_id").await.as_deref(), Some(r#""p-0""#));
        // Hooks under way are waited for: those of the other account began before.
        solekey.shutdown(Duration::from_secs(5)).await;
        assert_eq!(asked.load(Relaxed), 1);
    }
}
