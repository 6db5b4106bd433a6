//! Kills an owner while the provider holds its request unprocessed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use solekey_testkit::provider::{AuthorizationServer, Decision, Delivery, Fault, Presentation, Reply};
use tokio::time::timeout;

use super::balancer::Balancer;
use super::provider::{PROVIDER, presentation};
use super::replica::Replica;

/// A kill that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kill {
    /// The process that is no more.
    pub(super) pid: u32,
    /// Its name.
    pub(super) replica: String,
    /// The account whose refresh token it was presenting.
    pub(super) account: String,
    /// The provider held the request, undecided, when the process was killed, and has dropped it since, because its
    /// client was gone.
    pub(super) presentation_open: bool,
    /// The number of that presentation in the referee's log.
    pub(super) seq: u64,
}

/// Kills an owner at the right moment.
pub(super) struct Killer<'a> {
    pub(super) client: &'a reqwest::Client,
    pub(super) provider: &'a AuthorizationServer,
    pub(super) balancer: &'a Balancer,
}

impl Killer<'_> {
    /// Kills one owner. Tries again when the moment has passed before everything was in place.
    pub(super) async fn kill_an_owner(&self, replicas: &mut [Replica]) -> anyhow::Result<Kill> {
        for _ in 0..TRIES {
            if let Some(kill) = self.try_once(replicas).await? {
                return Ok(kill);
            }
        }
        bail!("in {TRIES} tries no replica could be killed while the provider held its request");
    }

    /// The provider holds the next request; the replica that it came from is killed.
    async fn try_once(&self, replicas: &mut [Replica]) -> anyhow::Result<Option<Kill>> {
        self.provider.wait_until(|provider| !provider.log().iter().any(is_held)).await;
        let _holding = Holding::next(self.provider);
        let held = timeout(ARRIVAL_BOUND, self.first_held()).await;
        let held = held.context("no refresh token was presented although tokens are about to expire")?;
        let Presentation { seq, account: Some(account), via: Some(via), .. } = held else {
            bail!("the provider holds a request of a stranger");
        };
        let replica = replicas.iter_mut().find(|replica| replica.name() == via);
        let (Some(replica), Some(backend)) = (replica, self.balancer.named(&via)) else {
            bail!("the provider was asked by {via}, which is none of the replicas");
        };
        let quiet = timeout(HOLD_BOUND, self.nothing_to_lose(&via)).await.is_ok();
        if !quiet || self.decision(seq) != Some(Decision::Open) {
            return Ok(None);
        }
        backend.note_kill();
        replica.kill().await?;
        let presentation_open = timeout(DROP_BOUND, self.dropped(seq)).await.is_ok();
        Ok(Some(Kill { pid: replica.pid(), replica: via, account, presentation_open, seq }))
    }

    async fn first_held(&self) -> Presentation {
        let mut first = None;
        let arrived = |provider: &AuthorizationServer| {
            first = provider.log().into_iter().find(is_held);
            first.is_some()
        };
        self.provider.wait_until(arrived).await;
        first.expect("it was waited for")
    }

    /// Waits for a moment at which everything that the provider has sent to this replica has reached the store.
    ///
    /// A pair whose answer is on its way to the process at the moment of the kill is lost with any client whatsoever:
    /// the old token is spent, and nobody has the new one. The demo does not show that case, but a request that the
    /// provider has not processed.
    async fn nothing_to_lose(&self, via: &str) {
        let mine = |line: &Presentation| line.via.as_deref() == Some(via);
        let under_way = |line: &Presentation| mine(line) && line.end_ms.is_none() && !line.held;
        let arrived = || self.provider.log().iter().filter(|line| mine(line)).count();
        loop {
            self.provider.wait_until(|provider| !provider.log().iter().any(under_way)).await;
            let before = arrived();
            for account in recently_rotated(&self.provider.log(), mine) {
                while !self.is_recorded(&account, via).await {
                    tokio::time::sleep(RECORDED_POLL).await;
                }
            }
            // Nothing can go wrong for an exchange time from now: what arrives next is not processed earlier.
            if arrived() == before {
                return;
            }
        }
    }

    /// Returns whether the store, as another replica reads it, has as many rotations of the account as the provider
    /// made.
    async fn is_recorded(&self, account: &str, via: &str) -> bool {
        let made = self.provider.tally_of(account).rotations;
        let Some(other) = self.balancer.backends().iter().find(|backend| backend.name() != via) else {
            return false;
        };
        let url = format!("http://{}/v1/accounts/{PROVIDER}/{account}", other.address());
        let Ok(answer) = self.client.get(url).send().await else { return false };
        answer.json::<State>().await.is_ok_and(|state| state.rotations >= made)
    }

    async fn dropped(&self, seq: u64) {
        let dropped =
            |line: Presentation| line.decision == Decision::Dropped && line.delivery == Delivery::ClientGone;
        self.provider.wait_until(|provider| presentation(provider, seq).is_some_and(dropped)).await;
    }

    fn decision(&self, seq: u64) -> Option<Decision> {
        presentation(self.provider, seq).map(|line| line.decision)
    }
}

impl Kill {
    /// Waits until another replica has refreshed the account; never ends if none does.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(super) async fn recovery(&self, provider: &AuthorizationServer) -> Duration {
        let since = Instant::now();
        provider.wait_until(|provider| provider.log().iter().any(|line| self.is_recovered_by(line))).await;
        since.elapsed()
    }

    fn is_recovered_by(&self, line: &Presentation) -> bool {
        line.seq > self.seq
            && line.account.as_ref() == Some(&self.account)
            && line.decision == Decision::Rotated
            && line.delivery == Delivery::Sent
    }
}

/// Makes the provider hold the next request that arrives. Dropping it ends the hold: a request whose client is still
/// there gets "come again", unprocessed, as it may be too late to process it within the client's patience.
struct Holding<'a>(&'a AuthorizationServer);

impl<'a> Holding<'a> {
    fn next(provider: &'a AuthorizationServer) -> Self {
        provider.inject(Fault::Answer(Reply::RateLimited(Some(COME_AGAIN))).once());
        provider.inject(Fault::HoldBefore.once());
        Self(provider)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.clear_faults();
        self.0.release_all();
    }
}

#[derive(Deserialize)]
struct State {
    rotations: u64,
}

fn is_held(line: &Presentation) -> bool {
    line.held && line.end_ms.is_none()
}

/// The accounts that presentations of this kind rotated within the last seconds.
fn recently_rotated(log: &[Presentation], mine: impl Fn(&Presentation) -> bool) -> BTreeSet<String> {
    let now =
        log.iter().map(|line| line.start_ms.max(line.end_ms.unwrap_or_default())).max().unwrap_or_default();
    let recent = |line: &&Presentation| line.end_ms.is_some_and(|end| end + RECENT_MS >= now);
    let rotated = log.iter().filter(recent).filter(|line| mine(line) && line.decision == Decision::Rotated);
    rotated.filter_map(|line| line.account.clone()).collect()
}

/// A token lives for six seconds, so that with a few dozen accounts one falls due every few hundred milliseconds. Much
/// longer than that: the machine may be busy.
const ARRIVAL_BOUND: Duration = Duration::from_secs(30);

/// The replica gives its request up after two seconds: it has to be killed, or get "come again", before that.
const HOLD_BOUND: Duration = Duration::from_secs(1);

/// The time that a replica that is not killed after all is asked to wait: its token lives for longer than that.
const COME_AGAIN: Duration = Duration::from_secs(1);
const RECORDED_POLL: Duration = Duration::from_millis(5);

/// The kernel closes the connection with the process; the provider notices it at once.
const DROP_BOUND: Duration = Duration::from_secs(30);

/// The age, in milliseconds, from which an answer has been recorded, or is in no hurry.
const RECENT_MS: u64 = 3000;

/// A replica with many accounts is not often without a request under way.
const TRIES: u32 = 20;
