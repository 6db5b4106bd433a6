//! People behind the gateway: each asks a replica for a token, and shows it to the site.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{ID, site::Site};
use crate::{
    sidecar::{Sidecar, path},
    wait::{eventually, within},
};

pub(super) struct Visitors {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    met: Vec<(&'static str, Met)>,
}

/// The observations of one visitor.
type Met = Arc<Mutex<Meeting>>;

#[derive(Default)]
struct Meeting {
    /// The newest generation whose token the site has accepted.
    accepted: Option<u64>,
    must_log_in: bool,
}

struct Visitor {
    client: Client,
    token_url: String,
    rejected_url: String,
    resource_url: String,
    met: Met,
}

impl Visitors {
    pub(super) fn start<'a>(
        site: &Site,
        replicas: impl IntoIterator<Item = (&'static str, &'a Sidecar)>,
    ) -> Self {
        let mut visitors = Self { tasks: JoinSet::new(), stop: Arc::default(), met: Vec::new() };
        for (name, sidecar) in replicas {
            for _ in 0..PER_REPLICA {
                let visitor = Visitor {
                    client: site.client.clone(),
                    token_url: sidecar.url(&format!("{}/token", path(ID))),
                    rejected_url: sidecar.url(&format!("{}/rejected", path(ID))),
                    resource_url: site.url("/api/me/"),
                    met: Met::default(),
                };
                visitors.met.push((name, Arc::clone(&visitor.met)));
                visitors.tasks.spawn(visitor.visit(Arc::clone(&visitors.stop)));
            }
        }
        visitors
    }

    /// Those of this replica are not waited for any more.
    pub(super) fn desert(&mut self, replica: &str) {
        self.met.retain(|(name, _)| *name != replica);
    }

    /// Waits until the site has accepted from everybody a token that is newer than what it has accepted from anybody by
    /// now.
    pub(super) async fn everybody_is_served_anew(&mut self) {
        let before = self.met.iter().map(|(_, met)| met.lock().unwrap().accepted).max().flatten();
        self.everybody("new tokens for all", |meeting| meeting.accepted > before).await;
    }

    pub(super) async fn every_caller_gets_log_in(&mut self) {
        self.everybody("a login is asked for everywhere", |meeting| meeting.must_log_in).await;
    }

    async fn everybody(&mut self, what: &str, has: impl Fn(&Meeting) -> bool) {
        eventually(what, async || {
            while let Some(ended) = self.tasks.try_join_next() {
                ended.unwrap();
            }
            self.met.iter().all(|(_, met)| has(&met.lock().unwrap())).then_some(())
        })
        .await;
    }

    /// Ends the visits; returns the number of visitors that have to log in.
    pub(super) async fn leave(mut self) -> usize {
        self.stop.store(true, Relaxed);
        within("the visitors leave", async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.unwrap();
            }
        })
        .await;
        self.met.iter().filter(|(_, met)| met.lock().unwrap().must_log_in).count()
    }
}

impl Visitor {
    /// Tokens that are valid, never an older one than before, or a request for patience: nothing else is acceptable,
    /// but that a login is asked for, which ends the visits, as does a replica that is gone.
    async fn visit(self, stop: Arc<AtomicBool>) {
        while !stop.load(Relaxed) {
            let asked = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let Ok(answer) = self.client.get(&self.token_url).send().await else { return };
            let status = answer.status();
            let Ok(body) = answer.json::<Value>().await else { return };
            match status {
                StatusCode::OK => {
                    assert!(
                        body["expires_at"].as_u64().unwrap() >= asked,
                        "past its expiry: {asked}, {body}"
                    );
                    let Some(()) = self.show(&body).await else { return };
                }
                StatusCode::SERVICE_UNAVAILABLE => {}
                StatusCode::UNAUTHORIZED => return self.leave_for_a_login(&body),
                _ => panic!("{status}: {body}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Shows a token to the site. It ends the token before with every rotation, so that whoever is on the way with one
    /// may be refused: that is reported, as a gateway does.
    async fn show(&self, token: &Value) -> Option<()> {
        let (secret, generation) =
            (token["access_token"].as_str().unwrap(), token["generation"].as_u64().unwrap());
        let shown = self.client.get(&self.resource_url).bearer_auth(secret).send().await.unwrap();
        match shown.status() {
            StatusCode::OK => {
                let before = self.met.lock().unwrap().accepted.replace(generation);
                assert!(before <= Some(generation), "{before:?}, then {generation}");
            }
            StatusCode::UNAUTHORIZED => {
                let report = self.client.post(&self.rejected_url).json(&json!({"access_token": secret}));
                let answer = report.send().await.ok()?;
                let status = answer.status();
                let body = answer.json::<Value>().await.ok()?;
                match status {
                    StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {}
                    StatusCode::UNAUTHORIZED => {
                        self.leave_for_a_login(&body);
                        return None;
                    }
                    _ => panic!("{status}: {body}"),
                }
            }
            status => panic!("the site says {status}"),
        }
        Some(())
    }

    fn leave_for_a_login(&self, body: &Value) {
        assert_eq!(body["code"], "reauth_required", "{body}");
        self.met.lock().unwrap().must_log_in = true;
    }
}

const PER_REPLICA: usize = 3;

/// Nine of them, and a site in Python that shares two processors with everything else.
const PAUSE: Duration = Duration::from_millis(100);
