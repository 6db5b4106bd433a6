//! The passed cases, as a table.

use std::fmt;

/// The cases of one list that an adapter passed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The adapter's name, as given to the list.
    pub adapter: String,
    /// The port whose list was run.
    pub port: &'static str,
    /// The cases, in order. A list that returns at all has passed them all.
    pub passed: Vec<&'static str>,
}

/// Adapters by cases: what several reports of one list say together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table(Vec<Report>);

impl Table {
    /// Puts reports side by side.
    pub fn of(reports: impl IntoIterator<Item = Report>) -> Self {
        Self(reports.into_iter().collect())
    }

    /// Returns the number of passed cases, over all adapters.
    pub fn cells(&self) -> usize {
        self.0.iter().map(|report| report.passed.len()).sum()
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.0.iter().flat_map(|report| report.passed.iter().copied()).collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.passed
            .iter()
            .try_for_each(|name| writeln!(f, "{} | {} | {name} | passed", self.port, self.adapter))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        write!(f, "{:width$}", self.0.first().map_or("", |report| report.port))?;
        self.0.iter().try_for_each(|report| write!(f, " | {}", report.adapter))?;
        writeln!(f)?;
        for name in names {
            write!(f, "{name:width$}")?;
            for report in &self.0 {
                let mark = if report.passed.contains(&name) { "passed" } else { "-" };
                write!(f, " | {mark:len$}", len = report.adapter.len())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
