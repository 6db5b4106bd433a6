//! The arguments of the demo.

use std::path::PathBuf;

use super::dialect::Kind;

/// Shows what Solekey does: replicas under load, a strict provider, one owner killed in the middle; then the same
/// without coordination.
///
/// Starts an authorization server that revokes a grant when a spent refresh token comes back, a few `solekey serve`
/// processes, and a load balancer in front of them. Everything runs on this machine and is gone afterwards.
#[derive(clap::Args, Debug)]
pub(crate) struct DemoArgs {
    /// Duration of the load in each of the two phases, in seconds.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = seconds)]
    pub(super) seconds: u64,
    /// Number of `solekey serve` processes that share the accounts.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = replicas)]
    pub(super) replicas: usize,
    /// Number of accounts that are kept fresh.
    #[arg(long, value_name = "N", default_value_t = 36, value_parser = accounts)]
    pub(super) accounts: usize,
    /// The Redis server to share, used under a random prefix. Default: REDIS_URL, else a redis-server or
    /// valkey-server found on PATH, else none: the replicas then share one SQLite file.
    #[arg(long, value_name = "URL")]
    pub(super) redis: Option<String>,
    /// Which provider the strict one behaves like, and whose preset the replicas are configured with.
    #[arg(long, value_enum, default_value_t)]
    pub(super) provider: Kind,
    /// File to which the provider writes every presentation of a refresh token, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// Prints one JSON object to stdout; everything else goes to stderr.
    #[arg(long)]
    pub(super) json: bool,
}

fn seconds(text: &str) -> Result<u64, String> {
    bounded(text, 12, 3600, "one owner is killed, and its account needs some eight seconds to recover")
}

fn replicas(text: &str) -> Result<usize, String> {
    bounded(text, 2, 16, "one replica is killed and the others go on")
}

fn accounts(text: &str) -> Result<usize, String> {
    bounded(text, 2, 200, "with one account nothing but the killed owner's would be seen")
}

fn bounded<T>(text: &str, least: T, most: T, why: &str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let expected = || format!("expected a number from {least} to {most} ({why})");
    let number = text.parse().map_err(|_| expected())?;
    if number < least || number > most { Err(expected()) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn parse(words: &[&str]) -> Result<DemoArgs, clap::Error> {
        let command = DemoArgs::augment_args(clap::Command::new("demo"));
        let matches = command.try_get_matches_from([&["demo"], words].concat())?;
        DemoArgs::from_arg_matches(&matches)
    }

    #[test]
    fn without_arguments_four_replicas_keep_a_few_dozen_accounts_fresh() {
        let args = parse(&[]).unwrap();
        assert_eq!((args.seconds, args.replicas, args.accounts, args.json), (20, 4, 36, false));
        assert_eq!(args.provider, Kind::Strict);
    }

    #[test]
    fn numbers_with_which_nothing_could_be_shown_are_refused_with_the_reason() {
        for (flag, value, reason) in [
            ("--replicas", "0", "from 2 to 16 (one replica is killed"),
            ("--replicas", "1", "from 2 to 16"),
            ("--replicas", "four", "from 2 to 16"),
            ("--accounts", "1", "from 2 to 200"),
            ("--accounts", "-5", "from 2 to 200"),
            ("--seconds", "3", "from 12 to 3600 (one owner is killed"),
            ("--seconds", "99999999999999999999", "from 12 to 3600"),
        ] {
            let flag = format!("{flag}={value}");
            let error = parse(&[flag.as_str()]).unwrap_err().to_string();
            assert!(error.contains(reason), "{flag}: {error}");
        }
    }
}
