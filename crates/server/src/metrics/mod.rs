//! Counting, for Prometheus.
//!
//! Labels are names of providers and fixed words, never of accounts. What can be counted is there from the start, as zero.

mod background;
mod counters;
#[cfg(test)]
mod exposition;
mod gauges;
mod labels;

use std::fmt;

use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};
use solekey::{Event, Observer, Sealing, Stats};

use counters::Counters;
use gauges::Gauges;

/// Everything that is counted here.
pub(crate) struct Metrics {
    registry: Registry,
    counters: Counters,
    gauges: Gauges,
}

impl Metrics {
    /// Counts for these providers.
    pub(crate) fn of(providers: &[String]) -> Self {
        let mut registry = Registry::with_prefix("solekey");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        let counters = Counters::register(&mut registry, providers);
        let gauges = Gauges::register(&mut registry, providers);
        Self { registry, counters, gauges }
    }

    /// Sets how many mirrored files of a provider are not kept fresh.
    pub(crate) fn set_files_in_trouble(&self, provider: &str, files: usize) {
        self.gauges.set_files_in_trouble(provider, files);
    }

    /// The page that is scraped.
    pub(crate) fn page(
        &self,
        stats: &Stats,
        sealing: &Sealing,
        ready: [(&'static str, bool); 2],
    ) -> Result<String, fmt::Error> {
        self.gauges.set_ready(ready);
        self.gauges.set(stats);
        self.gauges.set_sealing(sealing);
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

impl Observer for Metrics {
    fn on(&self, event: &Event<'_>) {
        self.counters.count(event);
    }
}

/// The content type of [`Metrics::page`].
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use solekey::{
        Level, RefreshResult,
        core::{Account, Outcome, ports::WirePhase},
    };

    use super::*;

    fn stats() -> Stats {
        let mut stats = Stats::default();
        stats.waiting = 7;
        stats
    }

    fn sealing() -> Sealing {
        let mut sealing = Sealing::default();
        sealing.left.insert("k0".to_owned(), 3);
        sealing
    }

    fn page(metrics: &Metrics) -> String {
        metrics.page(&stats(), &sealing(), [("serve", true), ("refresh", false)]).expect("a page")
    }

    /// `name kind`, as the page declares them.
    fn declared(page: &str) -> BTreeSet<String> {
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect()
    }

    #[test]
    fn what_can_be_counted_is_there_as_zero_before_it_happens() {
        let page = page(&Metrics::of(&["acme".to_owned()]));
        for line in [
            r#"solekey_presentations_total{provider="acme",outcome="permanent",phase="answered"} 0"#,
            r#"solekey_presentations_total{provider="acme",outcome="ambiguous",phase="unanswered"} 0"#,
            r#"solekey_tokens_served_total{provider="acme",level="process"} 0"#,
            r#"solekey_leases_total{provider="acme",outcome="busy"} 0"#,
            r#"solekey_wait_seconds_count{provider="acme"} 0"#,
            "solekey_requests_waiting 7",
            r#"solekey_ready{what="serve"} 1"#,
            r#"solekey_ready{what="refresh"} 0"#,
            r#"solekey_values_to_reseal{key="k0"} 3"#,
        ] {
            assert!(page.lines().any(|other| other == line), "{line}\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn an_exchange_of_which_nothing_left_the_process_is_no_presentation() {
        let metrics = Metrics::of(&["acme".to_owned()]);
        let account = Account::new("acme", "alice").expect("a name");
        let attempt = solekey::core::Generation::new(1);
        for (outcome, phase) in [
            (Outcome::NotSent, WirePhase::Unsent),
            (Outcome::Ambiguous, WirePhase::Unanswered),
            (Outcome::Success(()), WirePhase::Answered),
        ] {
            let took = std::time::Duration::from_secs(1);
            let account = &account;
            metrics.on(&Event::Presented { account, attempt, outcome, phase, took, reason: "" });
        }
        let page = page(&metrics);
        let presented = page.lines().filter(|line| line.starts_with("solekey_presentations_total"));
        let presented: u64 =
            presented.map(|line| line.rsplit(' ').next().map_or(0, |n| n.parse().unwrap_or(0))).sum();
        assert_eq!(presented, 2, "{page}");
        assert!(page.contains("solekey_unsent_exchanges_total{provider=\"acme\"} 1"));
        assert!(page.contains("solekey_exchange_seconds_count{provider=\"acme\"} 2"));
    }

    #[test]
    fn what_is_done_for_accounts_without_requests_is_counted_by_its_result() {
        let metrics = Metrics::of(&["acme".to_owned()]);
        let account = Account::new("acme", "alice").expect("a name");
        let (waited, late) = (std::time::Duration::from_secs(1), std::time::Duration::from_secs(20));
        metrics.on(&Event::Due { provider: "acme", accounts: 3 });
        metrics.on(&Event::Due { provider: "other", accounts: 3 });
        for end in [RefreshResult::Refreshed, RefreshResult::Fresh, RefreshResult::ProviderPaused] {
            metrics.on(&Event::RefreshResult { account: &account, end, waited, late });
        }
        let page = page(&metrics);
        for line in [
            r#"solekey_accounts_due_total{provider="acme"} 3"#,
            r#"solekey_refresh_jobs_total{provider="acme",outcome="refreshed"} 1"#,
            r#"solekey_refresh_jobs_total{provider="acme",outcome="provider_paused"} 1"#,
            r#"solekey_refresh_jobs_total{provider="acme",outcome="start_timeout"} 0"#,
            r#"solekey_start_wait_seconds_count{provider="acme"} 1"#,
            r#"solekey_refresh_lag_seconds_bucket{le="15.0",provider="acme"} 0"#,
            r#"solekey_refresh_lag_seconds_bucket{le="60.0",provider="acme"} 1"#,
        ] {
            assert!(page.lines().any(|other| other == line), "{line}\n{page}");
        }
        assert!(!page.contains("provider=\"other\""));
    }

    #[test]
    fn nothing_on_the_page_names_an_account() {
        let metrics = Metrics::of(&["acme".to_owned()]);
        let account = Account::new("acme", "alice-featherstone").expect("a name");
        metrics.on(&Event::Served { account: &account, level: Level::Process, stale: true });
        let page = page(&metrics);
        assert!(page.contains("solekey_stale_tokens_served_total{provider=\"acme\"} 1"));
        assert!(!page.contains("featherstone") && !page.contains(&account.key().to_string()));
    }

    #[test]
    fn events_of_a_provider_nobody_configured_make_no_series() {
        let metrics = Metrics::of(&["acme".to_owned()]);
        let before = page(&metrics);
        let account = Account::new("other", "alice").expect("a name");
        metrics.on(&Event::Served { account: &account, level: Level::Process, stale: false });
        assert_eq!(page(&metrics), before);
    }

    #[test]
    fn the_page_and_its_documentation_list_the_same_metrics() {
        let documents = include_str!("../../../../docs/metrics.md");
        let row = |line: &str| {
            let mut cells = line.strip_prefix("| `solekey_")?.split('|').map(str::trim);
            let (name, kind) = (cells.next()?.trim_end_matches('`'), cells.next()?);
            // The page declares a counter without its suffix.
            Some(format!("solekey_{} {kind}", name.trim_end_matches("_total").trim_end_matches("_info")))
        };
        let documented: BTreeSet<_> = documents.lines().filter_map(row).collect();
        assert_eq!(documented, declared(&page(&Metrics::of(&["acme".to_owned()]))));
    }
}
