//! The metrics and logs of the sidecars agree with the counts of the referee.

use std::{collections::BTreeSet, time::Duration};

use reqwest::{Method, StatusCode};
use solekey_testkit::{
    provider::{AuthorizationServer, Fault, Replay, Reply},
    redis::RedisServer,
};

use crate::{
    sidecar::{Settings, Sidecar, path},
    wait::{eventually, within},
};

const REPLICAS: usize = 3;
const ACCOUNTS: usize = 16;
const LOST: &str = "lost";
const REFUSED: &str = "refused";

struct World {
    sidecars: Vec<Sidecar>,
    provider: AuthorizationServer,
    _redis: RedisServer,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let (folder, redis) = (tempfile::tempdir().unwrap(), RedisServer::builder().start().await.unwrap());
        let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
        let head = format!("[redis]\nurl = \"{}\"\n[store]\nurl = \"sqlite://solekey.db\"", redis.url());
        let settings = Settings::new(&provider, &head).with_a_long_quarantine();
        let mut sidecars = Vec::new();
        for replica in 0..REPLICAS {
            sidecars.push(Sidecar::start(&settings, &format!("replica-{replica}"), folder.path()).await);
        }
        Self { sidecars, provider, _redis: redis, _folder: folder }
    }

    async fn log_in(&self, id: &str) {
        self.sidecars[0].log_in_due(id, &self.provider.grant(id)).await;
    }

    /// Every replica is asked for this account by several clients at once.
    async fn crowd(&self, ids: &[String]) {
        let asked: Vec<_> = ids
            .iter()
            .flat_map(|id| {
                self.sidecars.iter().cycle().take(2 * REPLICAS).map(|one| one.token_in_background(id))
            })
            .collect();
        for request in asked {
            let answer = within("a token", request).await.unwrap().unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
    }

    /// The sum over all replicas of the series that hold all of this.
    async fn sum(&self, metric: &str, labels: &[&str]) -> u64 {
        let mut sum = 0;
        for sidecar in &self.sidecars {
            sum += total(&sidecar.metrics().await, metric, labels);
        }
        sum
    }

    fn audit(&self) -> Vec<String> {
        self.sidecars.iter().flat_map(Sidecar::audit).collect()
    }
}

fn total(page: &str, metric: &str, labels: &[&str]) -> u64 {
    let is_it = |line: &&str| {
        let name = line.split(['{', ' ']).next();
        name == Some(metric) && labels.iter().all(|label| line.contains(label))
    };
    page.lines().filter(is_it).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn presentations_and_audit_lines_of_all_replicas_are_as_many_as_the_referee_saw() {
    let world = World::start().await;
    let ids: Vec<_> = (0..ACCOUNTS).map(|number| format!("account-{number}")).collect();
    for id in ids.iter().map(String::as_str).chain([LOST, REFUSED]) {
        world.log_in(id).await;
    }
    world.provider.inject(Fault::LoseAnswer.once().on(LOST));
    world.provider.inject(Fault::Answer(Reply::InvalidGrant).once().on(REFUSED));
    world.crowd(&ids).await;
    // Nobody waits for the account in doubt: its next presentation comes long after this test.
    let lost = world.sidecars[1].ask_within(LOST, Duration::ZERO).await;
    assert_eq!(lost.status, StatusCode::SERVICE_UNAVAILABLE, "{lost:?}");
    let refused = world.sidecars[2].token(REFUSED).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
    for (at, id) in ids.iter().enumerate() {
        let again =
            world.sidecars[at % REPLICAS].ask(Method::POST, &format!("{}/refresh", path(id)), "").await;
        assert_eq!(again.status, StatusCode::OK, "{again:?}");
    }
    world.crowd(&ids).await;

    let seen = eventually("all is counted", async || {
        let seen = world.provider.tally();
        let counted = world.sum("solekey_presentations_total", &[]).await;
        let written = world.audit().len() as u64;
        let flights = world.sum("solekey_flights", &[]).await;
        let quiet = flights == 0 && world.provider.tally() == seen;
        if quiet && (counted, written) == (seen.presentations, seen.presentations) {
            return Ok(seen);
        }
        Err((seen.presentations, counted, written, flights))
    })
    .await;
    assert!(seen.presentations >= ACCOUNTS as u64 + 2, "{seen:?}");
    assert_eq!((seen.double_presentations, world.provider.burned_accounts().len()), (0, 0));
    // Of one rotation the answer was lost; one presentation was refused for good; the others are successes.
    let of_outcome = async |outcome: &str, phase: &str| {
        world.sum("solekey_presentations_total", &[&format!("\"{outcome}\""), &format!("\"{phase}\"")]).await
    };
    assert_eq!(of_outcome("success", "answered").await, seen.rotations - 1);
    assert_eq!(of_outcome("ambiguous", "unanswered").await, 1);
    assert_eq!(of_outcome("permanent", "answered").await, 1);
    assert_eq!(world.sum("solekey_exchange_seconds_count", &[]).await, seen.presentations);
    assert_eq!(world.sum("solekey_commits_total", &[]).await, seen.rotations - 1);
    assert_eq!(world.sum("solekey_accounts_revoked_total", &["why=\"refused\""]).await, 1);
    assert_eq!(world.sum("solekey_accounts_revoked_total", &[]).await, 1);
    let ended: Vec<_> =
        world.sidecars.iter().flat_map(|sidecar| sidecar.logged("the account needs a login")).collect();
    assert!(matches!(&ended[..], [line] if line.contains("WARN")), "once for the fleet: {ended:?}");
    assert!(world.sum("solekey_requests_refused_total", &["why=\"login_needed\""]).await >= 1);
    // One for each presentation, granted unless Redis did not answer in time.
    let leases = async |result: &str| world.sum("solekey_leases_total", &[result]).await;
    let granted = leases("\"granted\"").await;
    assert!(granted > 0 && granted + leases("\"unreachable\"").await >= seen.presentations, "{granted}");
    // Every request of the crowds was served, from wherever; so was every refresh.
    let asked = (2 * ids.len() * 2 * REPLICAS + ids.len()) as u64;
    assert_eq!(world.sum("solekey_tokens_served_total", &[]).await, asked);
    assert!(world.sum("solekey_tokens_served_total", &["\"process\""]).await > 0);
    assert!(world.sum("solekey_tokens_served_total", &["\"refresh\""]).await >= ids.len() as u64);
    assert_eq!(world.sum("solekey_requests_waiting", &[]).await, 0);
    eventually("all links are up", async || {
        let up = world.sum("solekey_redis_link_state", &["\"up\""]).await;
        if up == REPLICAS as u64 { Ok(()) } else { Err(up) }
    })
    .await;
    is_in_order(&world.audit());
    for sidecar in world.sidecars {
        sidecar.stop().await;
    }
}

/// Every line names what was presented and what came of it, and no two name the same attempt.
fn is_in_order(lines: &[String]) {
    let field = |line: &str, name: &str| {
        let line = line.split_once(" solekey::audit: ").expect("an audit line").1;
        let value = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{name}: {line}")).1;
        value.split(' ').next().unwrap().trim_matches('"').to_owned()
    };
    let claims: BTreeSet<_> = lines.iter().map(|line| field(line, "claim")).collect();
    assert_eq!(claims.len(), lines.len());
    for line in lines {
        for name in [
            "provider",
            "account",
            "attempt",
            "generation",
            "outcome",
            "phase",
            "reason",
            "duration_ms",
            "fence",
        ] {
            assert!(!field(line, name).is_empty(), "{line}");
        }
        assert!(field(line, "attempt") > field(line, "generation"), "{line}");
    }
    let outcomes = |outcome: &str| lines.iter().filter(|line| field(line, "outcome") == outcome).count();
    assert_eq!((outcomes("ambiguous"), outcomes("permanent")), (1, 1));
}
