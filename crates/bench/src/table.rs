//! The printed table: one line per measurement.

use std::fmt;

/// One line: ours, the figure it is compared with, and the ratio.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The benchmark it belongs to, as `--only` and `--waive` name it.
    pub(crate) bench: &'static str,
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) compared: String,
    pub(crate) ratio: String,
    pub(crate) outcome: Outcome,
}

/// The outcome of a line: shown, within its bound or not, or not run.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// There is no bound: it is there to be read.
    Shown,
    /// The bound, and whether it is met.
    Bound(String, bool),
    /// The bound, and why nothing here can meet it: not what is compared with, stripped to the least.
    OutOfReach(String, String),
    /// It was not measured, and why.
    NotRun(String),
    /// It was not measured, and why, and nobody asked for it.
    Waived(String),
}

/// A bound on a ratio or a count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Row {
    /// A line whose ratio is bounded.
    pub(crate) fn bounded(
        bench: &'static str,
        what: impl Into<String>,
        ours: impl Into<String>,
        compared: impl Into<String>,
        ratio: f64,
        bound: Bound,
    ) -> Self {
        let outcome = Outcome::Bound(bound.to_string(), bound.holds(ratio));
        Self { outcome, ..Self::shown(bench, what, ours, compared, Some(ratio)) }
    }

    /// A line that is there to be read.
    pub(crate) fn shown(
        bench: &'static str,
        what: impl Into<String>,
        ours: impl Into<String>,
        compared: impl Into<String>,
        ratio: Option<f64>,
    ) -> Self {
        let ratio = ratio.map(|ratio| format!("{}x", short(ratio))).unwrap_or_default();
        Self {
            bench,
            what: what.into(),
            ours: ours.into(),
            compared: compared.into(),
            ratio,
            outcome: Outcome::Shown,
        }
    }

    /// A benchmark that could not be run.
    pub(crate) fn not_run(bench: &'static str, why: impl fmt::Display) -> Self {
        let outcome = Outcome::NotRun(why.to_string());
        Self { outcome, ..Self::shown(bench, "", "", "", None) }
    }

    /// A benchmark that could not be run, and need not.
    pub(crate) fn waived(bench: &'static str, why: impl fmt::Display) -> Self {
        let outcome = Outcome::Waived(why.to_string());
        Self { outcome, ..Self::shown(bench, "", "", "", None) }
    }

    /// The same line, where a bound that is missed is one that `limit` misses, too: what all of them have to do anyway.
    /// That is no reason for a line that stays far behind the limit.
    pub(crate) fn within(self, ratio: f64, limit: f64, bound: Bound, whose: &str) -> Self {
        match self.outcome {
            Outcome::Bound(text, false) if !bound.holds(limit) && ratio * NEAR >= limit => {
                let limit = format!("out of reach: {whose} {}x", short(limit));
                Self { outcome: Outcome::OutOfReach(text, limit), ..self }
            }
            _ => self,
        }
    }

    /// Returns whether its bound is missed.
    pub(crate) fn misses(&self) -> bool {
        matches!(self.outcome, Outcome::Bound(_, false))
    }

    /// Returns whether it should be there and is not.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.outcome, Outcome::NotRun(_))
    }
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

/// Prints the lines as a table in Markdown.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned), HEAD.map(|head| "-".repeat(head.len()))];
    lines.extend(rows.iter().map(cells));
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    });
    let line = |cells: &[String; COLUMNS]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} "));
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    lines.iter().map(line).collect()
}

fn cells(row: &Row) -> [String; COLUMNS] {
    let (bound, met) = match &row.outcome {
        Outcome::Shown => (String::new(), String::new()),
        Outcome::Bound(bound, met) => (bound.clone(), if *met { "yes" } else { "NO" }.to_owned()),
        Outcome::OutOfReach(bound, limit) => (bound.clone(), limit.clone()),
        Outcome::Waived(why) => (String::new(), format!("waived: {why}")),
        Outcome::NotRun(why) => (String::new(), format!("NOT RUN: {why}")),
    };
    let Row { bench, what, ours, compared, ratio, .. } = row.clone();
    [bench.to_owned(), what, ours, compared, ratio, bound, met]
}

/// A time in the unit that suits it.
pub(crate) fn time(secs: f64) -> String {
    let (number, unit) = match secs {
        secs if secs < 1e-6 => (secs * 1e9, "ns"),
        secs if secs < 1e-3 => (secs * 1e6, "us"),
        secs if secs < 1.0 => (secs * 1e3, "ms"),
        secs => (secs, "s"),
    };
    format!("{} {unit}", short(number))
}

/// A rate in thousands per second.
pub(crate) fn rate(per_sec: f64) -> String {
    format!("{} k/s", short(per_sec / 1e3))
}

/// Three figures, without an exponent.
pub(crate) fn short(number: f64) -> String {
    let decimals = match number.abs() {
        number if number >= 99.95 => 0,
        number if number >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.decimals$}")
}

/// The largest factor to the limit that counts as having reached it.
const NEAR: f64 = 1.5;
const COLUMNS: usize = 7;
const HEAD: [&str; COLUMNS] = ["row", "what", "ours", "compared with", "ratio", "bound", "met"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_missed_counts_unless_nothing_can_meet_it() {
        let bound = Bound::AtLeast(5.0);
        let row = |ratio| Row::bounded("hit", "", "", "", ratio, bound);
        assert!(!row(5.0).misses());
        assert!(row(4.9).misses());
        assert!(row(4.9).within(4.9, 6.0, bound, "a bare lookup").misses());
        assert!(row(1.9).within(1.9, 3.0, bound, "a bare lookup").misses());
        assert!(!row(2.9).within(2.9, 3.0, bound, "a bare lookup").misses());
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([0.0311, 1.234, 12.34, 123.4, 99.97].map(short), ["0.03", "1.23", "12.3", "123", "100"]);
        assert_eq!([3.1e-8, 2e-5, 0.05, 2.0].map(time), ["31.0 ns", "20.0 us", "50.0 ms", "2.00 s"]);
    }

    #[test]
    fn a_benchmark_that_did_not_run_says_why() {
        let table = render(&[Row::waived("due", "no PostgreSQL"), Row::not_run("wake", "no Redis")]);
        assert!(table.contains("waived: no PostgreSQL"), "{table}");
        assert!(table.contains("NOT RUN: no Redis"), "{table}");
    }
}
