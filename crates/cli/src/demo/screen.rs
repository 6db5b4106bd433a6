//! The progress that is shown while it runs, on stderr.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Bars that move on a terminal, plain lines elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Screen(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Live(Arc<MultiProgress>),
    Lines,
}

/// The view of one phase; dropping it ends it.
#[derive(Debug)]
pub(super) struct View {
    task: JoinHandle<()>,
    rows: Vec<ProgressBar>,
}

impl Screen {
    pub(super) fn on_stderr() -> Self {
        if std::io::stderr().is_terminal() {
            return Self(Kind::Live(Arc::new(MultiProgress::new())));
        }
        Self(Kind::Lines)
    }

    /// Says something that stays.
    pub(super) fn note(&self, text: &str) {
        let shown = match &self.0 {
            Kind::Live(bars) => bars.println(text).is_ok(),
            Kind::Lines => false,
        };
        if !shown {
            eprintln!("{text}");
        }
    }

    /// Shows `status` again and again for as long as a phase of this length lasts.
    pub(super) fn phase(
        &self,
        title: &str,
        span: Duration,
        status: impl Fn() -> Vec<String> + Send + 'static,
    ) -> View {
        match &self.0 {
            Kind::Live(bars) => live(bars, title, span, status),
            Kind::Lines => lines(title.to_owned(), status),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.task.abort();
        self.rows.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn live(
    bars: &MultiProgress,
    title: &str,
    span: Duration,
    status: impl Fn() -> Vec<String> + Send + 'static,
) -> View {
    let bar = bars
        .add(ProgressBar::new(millis(span)).with_style(style("{prefix:.bold} {wide_bar:.cyan/blue} {msg}")));
    bar.set_prefix(title.to_owned());
    let details: Vec<_> =
        status().iter().map(|_| bars.add(ProgressBar::new(1).with_style(style("  {msg}")))).collect();
    let rows = details.iter().cloned().chain([bar.clone()]).collect();
    let began = Instant::now();
    let task = tokio::spawn(async move {
        let mut ticks = ticks(LIVE_EVERY);
        loop {
            ticks.tick().await;
            let passed = began.elapsed();
            bar.set_position(millis(passed.min(span)));
            bar.set_message(format!("{}/{} s", passed.as_secs(), span.as_secs()));
            for (row, text) in details.iter().zip(status()) {
                row.set_message(text);
            }
        }
    });
    View { task, rows }
}

fn lines(title: String, status: impl Fn() -> Vec<String> + Send + 'static) -> View {
    let began = Instant::now();
    let task = tokio::spawn(async move {
        let mut ticks = ticks(LINE_EVERY);
        loop {
            ticks.tick().await;
            eprintln!("{title} {:>3} s: {}", began.elapsed().as_secs(), status().join("; "));
        }
    });
    View { task, rows: Vec::new() }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

const LIVE_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(5);
