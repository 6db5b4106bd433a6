//! What was found.

use std::borrow::Cow;

use serde::Serialize;

/// Everything that was found, and whether it can stay so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Nothing was found that has to be mended first.
    pub healthy: bool,
    /// In the order of looking.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What, such as `redis.eviction`.
    pub check: Cow<'static, str>,
    /// How it is.
    pub level: Level,
    /// What was seen: never a secret.
    pub said: String,
    /// What to do about it, where something should be done.
    pub advice: Option<String>,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, and is worth knowing.
    Note,
    /// Works, and can cost accounts or time one day.
    Warning,
    /// Does not work, or will lose accounts.
    Error,
}

impl Diagnosis {
    pub(super) fn of(findings: Vec<Finding>) -> Self {
        Self { healthy: findings.iter().all(|finding| finding.level < Level::Error), findings }
    }
}

impl Finding {
    pub(super) fn ok(check: &'static str, said: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, said, None)
    }

    pub(super) fn note(check: &'static str, said: impl Into<String>) -> Self {
        Self::new(check, Level::Note, said, None)
    }

    pub(super) fn warning(check: &'static str, said: impl Into<String>, advice: &str) -> Self {
        Self::new(check, Level::Warning, said, Some(advice))
    }

    pub(super) fn error(check: &'static str, said: impl Into<String>, advice: &str) -> Self {
        Self::new(check, Level::Error, said, Some(advice))
    }

    /// What the configuration itself is warned about at every start.
    pub(super) fn careless(warning: String) -> Self {
        Self::new("configuration", Level::Warning, warning, None)
    }

    fn new(check: &'static str, level: Level, said: impl Into<String>, advice: Option<&str>) -> Self {
        Self { check: check.into(), level, said: said.into(), advice: advice.map(str::to_owned) }
    }
}
