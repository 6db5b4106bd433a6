//! The step that runs tests.

use anyhow::{Context, Result};

use super::Ci;
use crate::program::Run;

impl Ci<'_> {
    pub(super) fn tests(&mut self) -> Result<()> {
        let ended_well = self.script("scripts/test").args(self.deep.then_some("--deep")).run();
        let summary = self.repository.target.join("solekey-test.summary");
        let summary = std::fs::read_to_string(&summary).unwrap_or_default();
        self.tests = summary.lines().last().and_then(counts);
        ended_well?;
        self.tests.context("scripts/test does not say how many tests passed")?;
        self.spare(&["interleavings", "doc"])
    }
}

/// Returns the numbers of tests that passed and that failed, from `N passed, N failed in N test binaries`.
fn counts(line: &str) -> Option<(u64, u64)> {
    let (passed, rest) = line.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_tests_is_read() {
        assert_eq!(counts("1843 passed, 2 failed in 31 test binaries"), Some((1843, 2)));
        assert_eq!(counts("FAILED: x"), None);
    }
}
