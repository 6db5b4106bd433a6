//! Callers: they ask, leave, report, log in and delete, at random.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use solekey::{AccessToken, AccountError, Login, TokenError};
use solekey_core::{Account, Generation, Secret};
use tokio::time::sleep;

use super::{
    history::{CallerRequest, Delivered, TokenTruth, What},
    provider::{AccessTruth, Pair},
    replica::{Fleet, Replica},
    rng::Rng,
    world::lock,
};

/// Logs every account in, through the first replica.
pub(crate) async fn register_accounts(fleet: &Arc<Fleet>) {
    for account in fleet.world.accounts.clone() {
        if let Some(replica) = fleet.get(0) {
            Caller::new(fleet, &replica, &account).login(CallerRequest::Login, false).await;
        }
    }
}

/// Sends callers until it is aborted.
pub(crate) async fn crowd(fleet: Arc<Fleet>) {
    let rng = &fleet.world.rng;
    loop {
        sleep(rng.skewed(fleet.world.setup.pause * 4)).await;
        let herd = if rng.chance(60) { 2 + rng.below(12) } else { 1 };
        let account = rng.pick(&fleet.world.accounts);
        for _ in 0..herd {
            send(&fleet, &account, herd > 1);
        }
    }
}

fn send(fleet: &Arc<Fleet>, account: &Account, alike: bool) {
    let rng = &fleet.world.rng;
    let Some(replica) = fleet.get(rng.below(fleet.len())) else { return };
    if !replica.process.is_running() {
        return;
    }
    let caller = Caller::new(fleet, &replica, account);
    let calm = fleet.world.setup.calm;
    let ask = if alike || calm { CallerRequest::Token } else { draw(fleet) };
    let patience = rng.chance(150).then(|| rng.skewed(Duration::from_secs(10)));
    tokio::spawn(async move {
        let process = Arc::clone(&caller.replica.process);
        tokio::select! {
            biased;
            // A caller dies with its process.
            () = process.death() => {}
            () = leave(patience) => caller.fleet.world.log(process.who(), What::Left { call: caller.call }),
            () = caller.run(ask) => {}
        }
    });
}

async fn leave(patience: Option<Duration>) {
    match patience {
        Some(patience) => sleep(patience).await,
        None => std::future::pending().await,
    }
}

fn draw(fleet: &Fleet) -> CallerRequest {
    match fleet.world.rng.below(1000) {
        0..700 => CallerRequest::Token,
        700..760 => CallerRequest::Rejected,
        760..790 => CallerRequest::FalselyRejected,
        790..830 => CallerRequest::StaleString,
        830..890 => CallerRequest::Refresh,
        890..910 => CallerRequest::Login,
        910..918 => CallerRequest::LoginSame,
        918..924 => CallerRequest::LoginOther,
        924..930 => CallerRequest::LoginSpent,
        930..935 => CallerRequest::LoginAcceptSpent,
        935..945 => CallerRequest::Delete,
        945..965 => CallerRequest::Stranger,
        _ => CallerRequest::State,
    }
}

/// One caller in one process.
pub(crate) struct Caller {
    fleet: Arc<Fleet>,
    replica: Replica,
    account: Account,
    call: usize,
    /// Its own: callers who are answered at one instant go on in any order.
    rng: Rng,
    asked: AtomicUsize,
}

impl Caller {
    pub(crate) fn new(fleet: &Arc<Fleet>, replica: &Replica, account: &Account) -> Self {
        let call = fleet.world.next_call() * CALLS;
        Self {
            fleet: Arc::clone(fleet),
            replica: replica.clone(),
            account: account.clone(),
            call,
            rng: Rng::new(fleet.world.setup.seed, 1_000_000 + call as u64),
            asked: AtomicUsize::new(0),
        }
    }

    async fn run(&self, ask: CallerRequest) {
        match ask {
            CallerRequest::Token => drop(self.token().await),
            CallerRequest::Rejected | CallerRequest::FalselyRejected => self.report(ask).await,
            CallerRequest::StaleString => self.report_string().await,
            CallerRequest::Refresh => drop(self.refresh().await),
            CallerRequest::Login
            | CallerRequest::LoginSame
            | CallerRequest::LoginOther
            | CallerRequest::LoginSpent => {
                self.login(ask, false).await;
            }
            CallerRequest::LoginAcceptSpent => self.login(ask, true).await,
            CallerRequest::Delete => self.delete().await,
            CallerRequest::State => self.state().await,
            CallerRequest::Stranger => self.stranger().await,
        }
    }

    /// Asks for a token, brings it to the resource, and reports it if it is refused there.
    pub(crate) async fn token(&self) -> Result<AccessToken, TokenError> {
        let answer = self.asked(CallerRequest::Token, self.fleet.world.policy.max_wait(), None).await;
        self.stroll().await;
        if let Ok(token) = &answer
            && !self.bring(token)
            && self.rng.chance(700)
        {
            drop(self.replace(token, CallerRequest::Rejected).await);
        }
        answer
    }

    /// On the way to the resource. Those who wait for one flight are woken in an order of tokio's own chance; what they
    /// do next must not depend on it, so each takes its own time.
    async fn stroll(&self) {
        sleep(Duration::from_millis(1 + (self.call / CALLS) as u64 % 61)).await;
        self.replica.process.bucket().await;
    }

    /// As a person who asks for a refresh now.
    pub(crate) async fn refresh(&self) -> Result<AccessToken, TokenError> {
        self.asked(CallerRequest::Refresh, self.fleet.world.policy.max_wait(), None).await
    }

    /// Whose caller it is.
    pub(crate) fn process(&self) -> Arc<super::process::Process> {
        Arc::clone(&self.replica.process)
    }

    /// It hangs up.
    pub(crate) fn leave(&self) {
        self.fleet.world.log(self.replica.process.who(), What::Left { call: self.call });
    }

    /// The resource's word on a token.
    pub(crate) fn bring(&self, token: &AccessToken) -> bool {
        let world = &self.fleet.world;
        lock(&world.provider).use_access(token.expose_secret(), world.now())
    }

    /// Reports a token that the resource refused.
    pub(crate) async fn replace(&self, token: &AccessToken, ask: CallerRequest) -> CallResult {
        self.asked(ask, self.fleet.world.policy.max_wait(), Some(token)).await
    }

    async fn asked(&self, ask: CallerRequest, bound: Duration, rejected: Option<&AccessToken>) -> CallResult {
        let Self { replica, account, .. } = self;
        replica.process.bucket().await;
        let named = match rejected {
            Some(token) => Some(token.generation()),
            None if ask == CallerRequest::Refresh => self.seen(),
            None => None,
        };
        let call = self.ask_about(ask, named, bound);
        let solekey = &replica.solekey;
        let answer = match (ask, rejected) {
            (CallerRequest::Refresh, _) => solekey.refresh(account, named).await,
            (_, Some(token)) => match token.rejected_by(StatusCode::UNAUTHORIZED, &challenge()) {
                Some(rejection) => solekey.token_after_rejection(account, rejection).await,
                None => unreachable!("the challenge names the token"),
            },
            (_, None) => solekey.token(account).await,
        };
        self.answered(call, self.answer(&answer, rejected));
        answer
    }

    /// The generation that a person sees.
    fn seen(&self) -> Option<Generation> {
        let reads = self.rng.chance(500).then(|| self.fleet.world.peek(&self.account).0);
        reads.flatten().map(|record| record.row.generation)
    }

    /// Somebody asks for what nobody ever logged in.
    async fn stranger(&self) {
        let id = format!("nobody{}", self.rng.below(3));
        let account = Account::new("acme", &id).expect("a plain name");
        let nobody = Self { account, ..Self::new(&self.fleet, &self.replica, &self.account) };
        drop(nobody.asked(CallerRequest::Stranger, self.fleet.world.policy.max_wait(), None).await);
    }

    async fn report(&self, ask: CallerRequest) {
        let Ok(token) = self.token().await else { return };
        if ask == CallerRequest::Rejected {
            lock(&self.fleet.world.provider).reject(token.expose_secret());
        }
        drop(self.replace(&token, ask).await);
    }

    /// A script reports a string, which may be ages old.
    async fn report_string(&self) {
        let Ok(token) = self.token().await else { return };
        let world = &self.fleet.world;
        sleep(self.rng.skewed(world.setup.lifetime)).await;
        self.replica.process.bucket().await;
        let max_wait = world.policy.max_wait();
        let (solekey, account) = (&self.replica.solekey, &self.account);
        if self.rng.chance(300) {
            let named = Some(token.generation());
            let call = self.ask_about(CallerRequest::StaleString, named, max_wait * 2 + STORE);
            let answer = solekey.token_after_rejected_generation(account, token.generation()).await;
            return self.answered(call, self.answer(&answer, None));
        }
        let call = self.ask(CallerRequest::StaleString, max_wait + STORE);
        let secret = Secret::from(token.expose_secret().to_owned());
        let answer = solekey.token_after_rejected_secret(account, &secret).await;
        self.answered(call, self.answer(&answer, Some(&token)));
    }

    pub(crate) async fn login(&self, ask: CallerRequest, accept_spent: bool) {
        let world = &self.fleet.world;
        let lifetime = if world.setup.calm {
            world.setup.lifetime
        } else {
            self.rng.span(Duration::from_secs(3), world.setup.lifetime)
        };
        self.login_for(ask, accept_spent, lifetime).await;
    }

    /// A login whose access token lives that long.
    pub(crate) async fn login_for(&self, ask: CallerRequest, accept_spent: bool, lifetime: Duration) {
        self.replica.process.bucket().await;
        let world = &self.fleet.world;
        let pair = match ask {
            CallerRequest::Login => lock(&world.provider).grant(&self.account, world.now(), lifetime),
            CallerRequest::LoginSame => match self.held(&self.account) {
                Some(pair) => pair,
                None => return,
            },
            CallerRequest::LoginOther => match self.of_another() {
                Some(pair) => pair,
                None => return,
            },
            _ => match lock(&world.spent).get(&self.account).cloned() {
                Some(pair) => pair,
                None => return,
            },
        };
        if ask == CallerRequest::Login {
            lock(&world.spent).entry(self.account.clone()).or_insert_with(|| pair.clone());
        }
        let Pair { access, refresh } = &pair;
        // A document says how long, and it is read when the login is made.
        lock(&world.provider).say_at_least(access, lifetime + CHANGE, world.now());
        // The token that it has, and another key next to it: an amendment.
        let is_corrected = ask == CallerRequest::LoginSame && self.rng.chance(500);
        let key = if is_corrected { format!(r#","key_id":"k{}""#, self.rng.below(3)) } else { String::new() };
        let document = format!(
            r#"{{"access_token":"{access}","refresh_token":"{refresh}","expires_in":{}{key}}}"#,
            lifetime.as_secs()
        );
        let call = self.ask(ask, CHANGE);
        let answer = self.replica.solekey.login(&self.account, document.as_bytes(), accept_spent).await;
        let answer = match answer {
            Ok(Login::New { .. }) => Delivered::Done("new".into()),
            Ok(Login::Same { .. }) => Delivered::Done("same".into()),
            Ok(Login::Amended { .. }) => Delivered::Done("amended".into()),
            Ok(Login::AlreadyPresented) => Delivered::Done("already presented".into()),
            Ok(other) => Delivered::Failed(format!("{other:?}")),
            Err(error) => changed(&error),
        };
        self.answered(call, answer);
    }

    /// A pair that another account holds. A store that forgets may forget that, too.
    fn of_another(&self) -> Option<Pair> {
        let world = &self.fleet.world;
        let others: Vec<_> = world
            .accounts
            .iter()
            .filter(|other| **other != self.account && world.never_went_back())
            .collect();
        self.held(others.get(self.rng.below(others.len()))?)
    }

    /// The pair that the account holds, where that can be read.
    fn held(&self, account: &Account) -> Option<Pair> {
        let refresh = self.fleet.world.peek(account).1?;
        Some(Pair { access: "SECRET-at-of-a-file".into(), refresh })
    }

    pub(crate) async fn delete_only(&self) {
        self.replica.process.bucket().await;
        let call = self.ask(CallerRequest::Delete, CHANGE);
        let answer = match self.replica.solekey.delete(&self.account).await {
            Ok(()) => Delivered::Done("deleted".into()),
            Err(error) => changed(&error),
        };
        self.answered(call, answer);
    }

    async fn delete(&self) {
        self.delete_only().await;
        // A deleted account comes back now and then.
        sleep(self.rng.skewed(Duration::from_secs(20))).await;
        if self.rng.chance(800) {
            let again = Self::new(&self.fleet, &self.replica, &self.account);
            Box::pin(again.login(CallerRequest::Login, false)).await;
        }
    }

    async fn state(&self) {
        self.replica.process.bucket().await;
        let call = self.ask(CallerRequest::State, STORE);
        let answer = match self.replica.solekey.state(&self.account).await {
            Ok(state) => Delivered::Done(format!("{:?}", state.status)),
            Err(error) => changed(&error),
        };
        self.answered(call, answer);
    }

    fn ask(&self, ask: CallerRequest, bound: Duration) -> usize {
        self.ask_about(ask, None, bound)
    }

    fn ask_about(&self, ask: CallerRequest, named: Option<Generation>, bound: Duration) -> usize {
        let call = self.call + self.asked.fetch_add(1, Relaxed);
        let account = self.account.clone();
        self.fleet.world.log(self.replica.process.who(), What::Asked { call, account, ask, named, bound });
        call
    }

    fn answered(&self, call: usize, answer: Delivered) {
        let account = self.account.clone();
        self.fleet.world.log(self.replica.process.who(), What::Answered { call, account, answer });
    }

    fn answer(&self, answer: &CallResult, reported: Option<&AccessToken>) -> Delivered {
        match answer {
            Ok(token) => Delivered::Token(self.truth(token, reported)),
            Err(TokenError::RetryAt { why, .. }) => Delivered::RetryAt(*why, self.left()),
            Err(TokenError::LogIn { why }) => Delivered::LogIn(*why, self.left()),
            Err(TokenError::UnknownAccount) => Delivered::Unknown,
            Err(TokenError::ShuttingDown) => Delivered::ShuttingDown,
            Err(TokenError::Configuration { .. }) => Delivered::Misconfigured,
            Err(error) => Delivered::Failed(error.to_string()),
        }
    }

    /// The time for which the token in the row could still be served.
    fn left(&self) -> Duration {
        let world = &self.fleet.world;
        let Some(access) = world.access(&self.account) else { return Duration::ZERO };
        lock(&world.provider).serves_for(&self.account, &access, world.now())
    }

    fn truth(&self, token: &AccessToken, reported: Option<&AccessToken>) -> TokenTruth {
        let world = &self.fleet.world;
        let text = token.expose_secret();
        let AccessTruth { honoured, own, overdue } =
            lock(&world.provider).truth(&self.account, text, world.now());
        TokenTruth {
            token: text.into(),
            generation: token.generation(),
            stale: token.is_stale(),
            own: own || text == FILE,
            overdue,
            honoured,
            reported: reported.is_some_and(|reported| reported.expose_secret() == text),
            older: reported.is_some_and(|reported| token.generation() < reported.generation()),
        }
    }
}

pub(crate) type CallResult = Result<AccessToken, TokenError>;

fn changed(error: &AccountError) -> Delivered {
    match error {
        AccountError::UnknownAccount => Delivered::Unknown,
        AccountError::Store(_) => Delivered::Done("store away".into()),
        AccountError::Busy => Delivered::Done("busy".into()),
        AccountError::ShuttingDown => Delivered::ShuttingDown,
        AccountError::Configuration(_) => Delivered::Misconfigured,
        error => Delivered::Failed(error.to_string()),
    }
}

fn challenge() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
    headers
}

const FILE: &str = "SECRET-at-of-a-file";
/// A caller's calls are numbered from its own number on; it makes fewer.
pub const CALLS: usize = 10;
/// One read of the store, after a registration.
const STORE: Duration = Duration::from_secs(8);
/// A change, repeated three times, after a registration and before answers and shared cache are written.
const CHANGE: Duration = Duration::from_secs(30);
