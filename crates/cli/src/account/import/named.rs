//! Whose account it is, by what a file says.

use solekey_core::FoundAccount;

/// The preset by whose name the sidecar's configuration usually has the provider of a found account.
pub(super) fn provider_of(found: &FoundAccount) -> Option<String> {
    let said = found.provider.as_deref()?.to_ascii_lowercase();
    let preset = match said.as_str() {
        "codex" | "openai" | "chatgpt" | "openai-codex" => "codex",
        "claude" | "anthropic" | "claude-code" => "claude",
        "gemini" | "gemini-cli" | "google" => "gemini",
        "antigravity" | "google-antigravity" => "antigravity",
        "grok" | "xai" | "x.ai" => "grok",
        // What kind of credential it is, and not whose.
        "oauth" | "authorized_user" | "bearer" | "setup-token" | "api" | "social" | "idc" => return None,
        other => other,
    };
    Some(preset.to_owned())
}

/// Which of the accounts of a file are of this provider: those whose preset has its name, or all where the file has only
/// one kind.
pub(super) fn choose(found: &[FoundAccount], provider: Option<&str>) -> Vec<bool> {
    let whose: Vec<_> = found.iter().map(provider_of).collect();
    let mut kinds: Vec<&String> = whose.iter().flatten().collect();
    kinds.dedup();
    let is_mixed = kinds.len() > 1;
    let is_chosen = |one: &Option<String>| match (provider, one) {
        (Some(provider), Some(one)) if is_mixed => one == provider,
        _ => true,
    };
    whose.iter().map(is_chosen).collect()
}
