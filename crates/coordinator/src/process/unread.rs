//! Endpoints whose answers are not understood: nothing is presented there but by one account in turn.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use solekey_core::{Admission, BreakerRequest, Delay, Moment, UnreadBreaker, mutant, ports::BoxError};
use tokio::sync::Notify;

use super::{Process, store_breaker};
use crate::provider::Provider;

/// The breakers of endpoints whose answers were not understood, by the client that presents there. The fleet shares
/// them through its rate limiter, or else through its store; while that is away each process has its own, and learns at its
/// start from the rows.
#[derive(Debug, Default)]
pub(crate) struct UnreadBreakers {
    state: Mutex<State>,
    search_ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    endpoints: HashMap<Box<str>, Endpoint>,
    search: Search,
}

#[derive(Debug)]
struct Endpoint {
    provider: Box<str>,
    breaker: UnreadBreaker,
    /// When it was last asked, or the fleet's for it.
    asked: Moment,
}

/// The search for answers that were not understood before this process began.
#[derive(Clone, Copy, Debug, Default)]
enum Search {
    /// Nobody searches, or it has ended.
    #[default]
    Over,
    /// Until then at the latest an endpoint without a breaker here counts as unknown.
    UnderWay(Moment),
}

/// A provider at which an answer was not understood, and none since.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct UnreadProvider {
    /// The provider.
    pub provider: String,
    /// The time in seconds until one account in turn is tried; 0: the next one that is due.
    pub next_try_in: u64,
}

/// A presentation that was admitted at an endpoint.
#[must_use = "what comes of it is to be learnt"]
pub(crate) struct Admitted {
    endpoint: Box<str>,
    strikes: u8,
    /// Presenting again after an answer that was not understood loses nothing here.
    forgiven: bool,
}

impl UnreadBreakers {
    /// A search has begun for what was not understood before; it ends by `until`.
    pub(crate) fn begin_search(&self, until: Moment) {
        self.lock().search = Search::UnderWay(until);
    }

    /// The search has found everything.
    pub(crate) fn end_search(&self) {
        let mut state = self.lock();
        state.search = Search::Over;
        state.endpoints.retain(|_, endpoint| !endpoint.breaker.is_unknown());
        drop(state);
        self.search_ended.notify_waiters();
    }

    /// Waits for the end of the search, if one is under way.
    async fn searched(&self) {
        let ended = self.search_ended.notified();
        if matches!(self.lock().search, Search::UnderWay(_)) {
            ended.await;
        }
    }

    /// The search has found so many accounts of this provider whose last answers were not understood, the last one
    /// `age` ago.
    pub(crate) fn restore(&self, provider: &Provider, accounts: usize, age: Duration, now: Moment) {
        let strikes = u8::try_from(accounts.saturating_sub(1)).unwrap_or(UnreadBreaker::MAX_STRIKES);
        let then = Moment::from_micros(now.as_micros().saturating_sub(micros(age)));
        let mut state = self.lock();
        let endpoint = state.at(provider.endpoint().client(), provider, now);
        endpoint.breaker.perform(BreakerRequest::Close { strikes }, then);
    }

    /// The end of the time in which nothing is presented by this provider, and its breaker is not asked again.
    pub(crate) fn hold(&self, provider: &Provider, now: Moment) -> Option<(Moment, Delay)> {
        let state = self.lock();
        let endpoint = state.endpoints.get(provider.endpoint().client())?;
        let until = endpoint.breaker.hold(now).filter(|_| endpoint.breaker.is_closed())?;
        let until = until.min(endpoint.asked + ASKED_AGAIN);
        (until > now).then_some((until, Delay::Unread))
    }

    /// The providers at which answers are not understood, as far as is known here.
    pub(crate) fn closed(&self, now: Moment) -> Vec<UnreadProvider> {
        let state = self.lock();
        let closed = state.endpoints.values().filter(|endpoint| endpoint.breaker.is_closed());
        let mut closed: Vec<_> = closed
            .map(|Endpoint { provider, breaker, asked: _ }| UnreadProvider {
                provider: provider.to_string(),
                next_try_in: breaker.hold(now).map_or(0, |until| until.since(now).as_secs().max(1)),
            })
            .collect();
        closed.sort_unstable_by(|one, other| one.provider.cmp(&other.provider));
        closed
    }

    fn perform(&self, client: &str, provider: &Provider, request: BreakerRequest, now: Moment) -> Admission {
        let mut state = self.lock();
        let unknown = matches!(state.search, Search::UnderWay(until) if now < until);
        if let BreakerRequest::Close { .. } = request {
            return state.at(client, provider, now).breaker.perform(request, now);
        }
        if unknown && !state.endpoints.contains_key(client) && state.endpoints.len() < MOST {
            state.at(client, provider, now).breaker = UnreadBreaker::unknown(now);
        }
        let Some(endpoint) = state.endpoints.get_mut(client) else { return OPEN };
        endpoint.asked = now;
        let admission = endpoint.breaker.perform(request, now);
        if endpoint.breaker == UnreadBreaker::default() {
            state.endpoints.remove(client);
        }
        admission
    }

    /// Adopts what the fleet's breaker has replied.
    fn learn(&self, client: &str, provider: &Provider, reply: Admission, now: Moment) {
        let mut state = self.lock();
        if reply == OPEN {
            state.endpoints.remove(client);
        } else {
            state.at(client, provider, now).breaker.learn(reply, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The endpoint's breaker, which is asked now.
    fn at(&mut self, client: &str, provider: &Provider, now: Moment) -> &mut Endpoint {
        if self.endpoints.len() >= MOST && !self.endpoints.contains_key(client) {
            // What is forgotten is found out again, at the price of one account.
            let any = self.endpoints.keys().next().cloned();
            any.and_then(|any| self.endpoints.remove(&any));
        }
        let endpoint = self.endpoints.entry(client.into()).or_insert_with(|| Endpoint {
            provider: provider.name().into(),
            breaker: UnreadBreaker::default(),
            asked: now,
        });
        endpoint.asked = now;
        endpoint
    }
}

impl Process {
    /// Asks whether a presentation by this client may go out, for `patience` at most; a person's always may.
    pub(crate) async fn admit_unread(
        &self,
        client: &str,
        provider: &Provider,
        is_operator: bool,
        patience: Duration,
    ) -> Option<Admitted> {
        let forgiven = provider.policy().replay().forgives_unread();
        let endpoint = Box::from(client);
        if forgiven || is_operator {
            return Some(Admitted { endpoint, strikes: UnreadBreaker::MAX_STRIKES, forgiven });
        }
        let request = BreakerRequest::Admit { hold: provider.policy().span() };
        let admission = if let Some(reply) = self.ask_fleet(client, request, patience).await {
            self.unread.learn(client, provider, reply, self.now());
            reply
        } else {
            let _ = tokio::time::timeout(patience, self.unread.searched()).await;
            self.unread.perform(client, provider, request, self.now())
        };
        match admission {
            Admission::Admitted { strikes } => Some(Admitted { endpoint, strikes, forgiven }),
            Admission::Closed { .. } => None,
        }
    }

    /// The answer to a presentation was not understood: the breaker closes here at once, and for the fleet in a task.
    pub(crate) fn close_unread(self: &Arc<Self>, admitted: &Admitted, provider: &Arc<Provider>) {
        if admitted.forgiven {
            return;
        }
        // A person's presentation is no try.
        let strikes = if admitted.strikes == UnreadBreaker::MAX_STRIKES { 0 } else { admitted.strikes };
        self.report_unread(&admitted.endpoint, provider, BreakerRequest::Close { strikes });
    }

    /// An answer was understood.
    pub(crate) fn open_unread(self: &Arc<Self>, admitted: &Admitted, provider: &Arc<Provider>) {
        let is_news = admitted.strikes > 0 || self.unread.lock().endpoints.contains_key(&admitted.endpoint);
        if is_news && !admitted.forgiven {
            let request = BreakerRequest::Open { strikes: admitted.strikes };
            self.report_unread(&admitted.endpoint, provider, request);
        }
    }

    /// An answer that was kept is understood by now: so are those that come.
    pub(crate) fn read_unread(self: &Arc<Self>, provider: &Arc<Provider>) {
        let request = BreakerRequest::Open { strikes: UnreadBreaker::MAX_STRIKES };
        self.report_unread(provider.endpoint().client(), provider, request);
    }

    /// Somebody logged in: the next account may try, here and wherever the fleet is asked.
    pub(crate) async fn retry_unread(&self, provider: &Provider) {
        if provider.policy().replay().forgives_unread() {
            return;
        }
        let (client, request) = (provider.endpoint().client(), BreakerRequest::Retry);
        self.unread.perform(client, provider, request, self.now());
        if let Some(reply) = self.ask_fleet(client, request, PATIENCE).await {
            self.unread.learn(client, provider, reply, self.now());
        }
    }

    fn report_unread(self: &Arc<Self>, client: &str, provider: &Arc<Provider>, request: BreakerRequest) {
        self.unread.perform(client, provider, request, self.now());
        if mutant("unread_provider_is_closed_here_alone") {
            return;
        }
        let (process, provider, client) = (Arc::clone(self), Arc::clone(provider), Box::<str>::from(client));
        self.tasks.tracker.spawn(async move {
            if let Some(reply) = process.ask_fleet(&client, request, PATIENCE).await {
                process.unread.learn(&client, &provider, reply, process.now());
            }
        });
    }

    /// The reply of the breaker that the fleet shares; `None` where there is none, or it is away.
    async fn ask_fleet(
        &self,
        client: &str,
        request: BreakerRequest,
        patience: Duration,
    ) -> Option<Admission> {
        let name = shared_name(client);
        let reply = async {
            match self.ports.rate_limiter.as_deref() {
                Some(limiter) => limiter.breaker(&name, request).await.map_err(BoxError::from),
                None if mutant("unread_breaker_is_not_pinned") => Err("not asked".into()),
                None => store_breaker::perform(self.store(), &name, request).await.map_err(BoxError::from),
            }
        };
        let reply = tokio::time::timeout(patience.min(PATIENCE), reply).await.ok()?;
        reply
            .inspect_err(|error| {
                tracing::debug!(error = &**error as &dyn std::error::Error, "the fleet's breaker is away");
            })
            .ok()
    }
}

/// The endpoint's name among those who share breakers: of a bounded length, whatever the URL.
fn shared_name(client: &str) -> String {
    let hash = digest(&SHA256, client.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

const OPEN: Admission = Admission::Admitted { strikes: 0 };
/// Servers at which answers are not understood, at a time.
const MOST: usize = 1024;
/// The longest time for which a breaker is believed closed without asking it: a success elsewhere opens it.
const ASKED_AGAIN: Duration = Duration::from_secs(60);
/// The longest time that one request may take: as long as a call to Redis.
const PATIENCE: Duration = Duration::from_millis(500);
