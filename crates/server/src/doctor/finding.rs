//! The findings of the doctor.

use std::borrow::Cow;

use serde::Serialize;

/// All findings, and whether the set-up can stay as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// True if nothing was found that has to be mended first.
    pub healthy: bool,
    /// The findings, in the order of the checks.
    pub findings: Vec<Finding>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the check, such as `redis.eviction`.
    pub check: Cow<'static, str>,
    /// The severity.
    pub level: Level,
    /// The observation: never a secret.
    pub said: String,
    /// The remedy, where something should be done.
    pub advice: Option<String>,
}

/// The severity of a finding.
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
    pub(super) fn ok(check: &'static str, observed: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, observed, None)
    }

    pub(super) fn note(check: &'static str, observed: impl Into<String>) -> Self {
        Self::new(check, Level::Note, observed, None)
    }

    pub(super) fn warning(check: &'static str, observed: impl Into<String>, advice: &str) -> Self {
        Self::new(check, Level::Warning, observed, Some(advice))
    }

    pub(super) fn error(check: &'static str, observed: impl Into<String>, advice: &str) -> Self {
        Self::new(check, Level::Error, observed, Some(advice))
    }

    /// A warning about the configuration itself, which every start repeats.
    pub(super) fn careless(warning: String) -> Self {
        Self::new("configuration", Level::Warning, warning, None)
    }

    fn new(check: &'static str, level: Level, observed: impl Into<String>, advice: Option<&str>) -> Self {
        Self { check: check.into(), level, said: observed.into(), advice: advice.map(str::to_owned) }
    }
}
