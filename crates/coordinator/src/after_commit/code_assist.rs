//! The project of an account at Google's Code Assist.

use std::time::Duration;

use async_trait::async_trait;
use solekey_core::{Additions, InputError, ports::BoxError};
use solekey_providers::{CodeAssist, CodeAssistAccount};

use super::{AfterCommit, Committed};

/// Looks up `project_id` and `tier_id` of accounts of one provider that have no project yet, at most every 5 min for each.
#[derive(Debug)]
pub struct CodeAssistProject {
    provider: String,
    code_assist: CodeAssist,
}

impl CodeAssistProject {
    /// For the accounts of `provider`.
    pub fn new(provider: &str, code_assist: CodeAssist) -> Self {
        Self { provider: provider.to_owned(), code_assist }
    }
}

#[async_trait]
impl AfterCommit for CodeAssistProject {
    fn name(&self) -> &'static str {
        "code_assist_project"
    }

    fn cooldown(&self) -> Duration {
        Duration::from_secs(5 * 60)
    }

    fn wants(&self, committed: &Committed) -> bool {
        committed.account().provider() == self.provider && committed.text("project_id").is_none()
    }

    async fn after_commit(&self, committed: &Committed) -> Result<Additions, BoxError> {
        let account = self.code_assist.load(committed.token().bearer()).await?;
        Ok(additions(&account)?)
    }
}

/// What is not known is empty, and changes nothing.
fn additions(account: &CodeAssistAccount) -> Result<Additions, InputError> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Additions::new().text("project_id", &text(&account.project_id))?.text("tier_id", &text(&account.tier_id))
}
