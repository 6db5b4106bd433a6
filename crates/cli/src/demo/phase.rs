//! One phase: replicas, accounts, load, and in the first one a kill.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use solekey_testkit::provider::AuthorizationServer;
use tokio::sync::oneshot;

use super::backing::Backing;
use super::balancer::Balancer;
use super::config::{Config, SEAL_KEY_ENV};
use super::dialect::Dialect;
use super::figures::{Figures, Traffic};
use super::import::{Recipients, import};
use super::killer::{Kill, Killer};
use super::load::Load;
use super::provider::{Cohort, Refereed};
use super::replica::Replica;
use super::screen::{Screen, View};

/// The values that both phases share.
pub(super) struct Stage<'a> {
    pub(super) replicas: usize,
    pub(super) accounts: usize,
    pub(super) span: Duration,
    pub(super) backing: &'a Backing,
    pub(super) folder: &'a Path,
    pub(super) provider: Arc<AuthorizationServer>,
    pub(super) dialect: Dialect,
    pub(super) client: reqwest::Client,
    pub(super) seal_key: String,
    pub(super) screen: Screen,
}

/// The relation of the replicas of a phase to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// They share a store, and one of them is killed.
    Coordinated,
    /// Each has the accounts for itself.
    Uncoordinated,
}

/// The result of a phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Phase {
    pub(super) pids: Vec<u32>,
    pub(super) traffic: Traffic,
    pub(super) refereed: Refereed,
    pub(super) killed: Option<Killed>,
    /// Failures other than those of requests: a kill that could not be done, a replica that ended by itself.
    pub(super) troubles: Vec<String>,
}

/// The kill, and how long its account took to recover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Killed {
    pub(super) kill: Kill,
    /// From the kill to the end of the account's next successful refresh, by another replica.
    pub(super) recovered_after: Option<Duration>,
}

/// A running phase.
struct Cast {
    replicas: Vec<Replica>,
    balancer: Arc<Balancer>,
    cohort: Cohort,
    figures: Arc<Figures>,
}

impl Stage<'_> {
    /// Runs a phase from the start of its replicas to their end.
    ///
    /// # Cancel safety
    /// Dropping the future kills the replicas.
    pub(super) async fn run(&self, mode: Mode) -> anyhow::Result<Phase> {
        let mut cast = self.set_up(mode).await?;
        let view = self.view(mode, &cast);
        let killed = self.play(mode, &mut cast).await;
        drop(view);
        let (killed, trouble) = match killed {
            Ok(killed) => (killed, None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let pids = cast.replicas.iter().map(Replica::pid).collect();
        let dead = killed.as_ref().map(|killed| killed.kill.pid);
        let mut troubles = Vec::from_iter(trouble);
        for replica in cast.replicas.into_iter().filter(|replica| Some(replica.pid()) != dead) {
            troubles.extend(replica.stop().await.err());
        }
        let refereed = cast.cohort.refereed(&self.provider);
        Ok(Phase { pids, traffic: cast.figures.traffic(), refereed, killed, troubles })
    }

    /// Runs the load, and meanwhile the kill. The killed owner's account recovers because its token is requested, so
    /// the load goes on until it has.
    async fn play(&self, mode: Mode, cast: &mut Cast) -> anyhow::Result<Option<Killed>> {
        let load = self.load(mode, cast);
        let (recovered, until_recovered) = oneshot::channel::<Infallible>();
        let kill = async {
            let _recovered = recovered;
            self.kill(mode, cast).await
        };
        let end = async {
            tokio::time::sleep(self.span).await;
            // It ends by being closed.
            let _ = until_recovered.await;
        };
        tokio::join!(kill, load.run(end)).0
    }

    async fn set_up(&self, mode: Mode) -> anyhow::Result<Cast> {
        let mut replicas = Vec::new();
        for number in 1..=self.replicas {
            replicas.push(self.start(mode, number).await?);
        }
        for replica in &replicas {
            replica.ready(&self.client).await?;
        }
        let balancer =
            Balancer::new(replicas.iter().map(|replica| (replica.name().to_owned(), replica.address())));
        let cohort = Cohort::new(mode.name(), self.accounts);
        self.screen.note(&format!(
            "{}: {} replicas listen; importing {} accounts",
            mode.title(),
            self.replicas,
            self.accounts
        ));
        import(&self.client, &self.provider, &self.dialect, &balancer, &cohort, mode.recipients()).await?;
        Ok(Cast { replicas, balancer: Arc::new(balancer), cohort, figures: Arc::new(Figures::new()) })
    }

    async fn start(&self, mode: Mode, number: usize) -> anyhow::Result<Replica> {
        let host = self.folder.join(mode.name());
        let mut secrets = self.dialect.variables();
        secrets.push((SEAL_KEY_ENV, self.seal_key.clone()));
        match mode {
            Mode::Coordinated => {
                let name = format!("replica-{number}");
                let config = Config::coordinated(&self.provider, &self.dialect, &name, self.backing, &host);
                Replica::start(&name, &config, &secrets, &host).await
            }
            Mode::Uncoordinated => {
                let name = format!("loner-{number}");
                let folder = host.join(&name);
                let config = Config::alone(&self.provider, &self.dialect, &name, &folder);
                Replica::start(&name, &config, &secrets, &folder).await
            }
        }
    }

    fn load(&self, mode: Mode, cast: &Cast) -> Load {
        Load {
            client: self.client.clone(),
            provider: Arc::clone(&self.provider),
            balancer: Arc::clone(&cast.balancer),
            accounts: cast.cohort.accounts().into(),
            figures: Arc::clone(&cast.figures),
            screen: (mode == Mode::Coordinated).then(|| self.screen.clone()),
        }
    }

    async fn kill(&self, mode: Mode, cast: &mut Cast) -> anyhow::Result<Option<Killed>> {
        if mode == Mode::Uncoordinated {
            return Ok(None);
        }
        tokio::time::sleep(self.span.mul_f64(KILL_AT)).await;
        let killer = Killer { client: &self.client, provider: &self.provider, balancer: &cast.balancer };
        let kill = killer.kill_an_owner(&mut cast.replicas).await?;
        self.screen.note(&format!(
            "{} (pid {}) killed while the provider held its request for {}",
            kill.replica, kill.pid, kill.account
        ));
        let recovered = tokio::time::timeout(RECOVERY_BOUND, kill.recovery(&self.provider)).await.ok();
        if let Some(after) = recovered {
            self.screen
                .note(&format!("{} refreshed by another replica {after:.1?} after the kill", kill.account));
        }
        Ok(Some(Killed { kill, recovered_after: recovered }))
    }

    fn view(&self, mode: Mode, cast: &Cast) -> View {
        let figures = Arc::clone(&cast.figures);
        let balancer = Arc::clone(&cast.balancer);
        let provider = Arc::clone(&self.provider);
        let cohort = cast.cohort.clone();
        self.screen.phase(mode.title(), self.span, move || {
            let live = balancer.backends().iter().filter(|backend| !backend.is_killed()).count();
            let refereed = cohort.refereed(&provider);
            vec![
                format!(
                    "requests {}, failed {}, retried {}",
                    figures.requests(),
                    figures.failed(),
                    figures.retried()
                ),
                format!(
                    "rotations {}, double presentations {}, burned accounts {}",
                    refereed.rotations, refereed.double_presentations, refereed.burned_accounts
                ),
                format!("{live} of {} replicas live", balancer.backends().len()),
            ]
        })
    }
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Coordinated => "coordinated",
            Self::Uncoordinated => "uncoordinated",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Coordinated => "1/2 coordinated",
            Self::Uncoordinated => "2/2 uncoordinated",
        }
    }

    fn recipients(self) -> Recipients {
        match self {
            Self::Coordinated => Recipients::First,
            Self::Uncoordinated => Recipients::Each,
        }
    }
}

/// Early enough for the account to recover and for the fleet to be seen without the replica; late enough for a
/// rotation or two before.
const KILL_AT: f64 = 0.4;

/// A caller waits for 20 s at the most; an account that takes longer has failed its callers.
const RECOVERY_BOUND: Duration = Duration::from_secs(20);
