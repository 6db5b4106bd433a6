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
    dice::Dice,
    history::{Ask, Delivered, TokenTruth, What},
    provider::{AccessTruth, Pair},
    replica::{Fleet, Replica},
    world::lock,
};

/// Logs every account in, through the first replica.
pub(crate) async fn enrol_accounts(fleet: &Arc<Fleet>) {
    for account in fleet.world.accounts.clone() {
        if let Some(replica) = fleet.get(0) {
            Caller::new(fleet, &replica, &account).login(Ask::Login, false).await;
        }
    }
}

/// Sends callers until it is aborted.
pub(crate) async fn crowd(fleet: Arc<Fleet>) {
    let dice = &fleet.world.dice;
    loop {
        sleep(dice.skewed(fleet.world.setup.pause * 4)).await;
        let herd = if dice.chance(60) { 2 + dice.below(12) } else { 1 };
        let account = dice.pick(&fleet.world.accounts);
        for _ in 0..herd {
            send(&fleet, &account, herd > 1);
        }
    }
}

fn send(fleet: &Arc<Fleet>, account: &Account, alike: bool) {
    let dice = &fleet.world.dice;
    let Some(replica) = fleet.get(dice.below(fleet.len())) else { return };
    if !replica.process.is_running() {
        return;
    }
    let caller = Caller::new(fleet, &replica, account);
    let calm = fleet.world.setup.calm;
    let ask = if alike || calm { Ask::Token } else { draw(fleet) };
    let patience = dice.chance(150).then(|| dice.skewed(Duration::from_secs(10)));
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

fn draw(fleet: &Fleet) -> Ask {
    match fleet.world.dice.below(1000) {
        0..700 => Ask::Token,
        700..760 => Ask::Rejected,
        760..790 => Ask::FalselyRejected,
        790..830 => Ask::StaleString,
        830..890 => Ask::Refresh,
        890..910 => Ask::Login,
        910..918 => Ask::LoginSame,
        918..924 => Ask::LoginOther,
        924..930 => Ask::LoginSpent,
        930..935 => Ask::LoginAcceptSpent,
        935..945 => Ask::Delete,
        945..965 => Ask::Stranger,
        _ => Ask::State,
    }
}

/// One caller in one process.
pub(crate) struct Caller {
    fleet: Arc<Fleet>,
    replica: Replica,
    account: Account,
    call: usize,
    /// Its own: callers who are answered at one instant go on in any order.
    dice: Dice,
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
            dice: Dice::new(fleet.world.setup.seed, 1_000_000 + call as u64),
            asked: AtomicUsize::new(0),
        }
    }

    async fn run(&self, ask: Ask) {
        match ask {
            Ask::Token => drop(self.token().await),
            Ask::Rejected | Ask::FalselyRejected => self.report(ask).await,
            Ask::StaleString => self.report_string().await,
            Ask::Refresh => drop(self.refresh().await),
            Ask::Login | Ask::LoginSame | Ask::LoginOther | Ask::LoginSpent => {
                self.login(ask, false).await;
            }
            Ask::LoginAcceptSpent => self.login(ask, true).await,
            Ask::Delete => self.delete().await,
            Ask::State => self.state().await,
            Ask::Stranger => self.stranger().await,
        }
    }

    /// Asks for a token, brings it to the resource, and reports it if it is refused there.
    pub(crate) async fn token(&self) -> Result<AccessToken, TokenError> {
        let told = self.asked(Ask::Token, self.fleet.world.policy.max_wait(), None).await;
        self.stroll().await;
        if let Ok(token) = &told
            && !self.bring(token)
            && self.dice.chance(700)
        {
            drop(self.replace(token, Ask::Rejected).await);
        }
        told
    }

    /// On the way to the resource. Those who wait for one flight are woken in an order of tokio's own chance; what they
    /// do next must not depend on it, so each takes its own time.
    async fn stroll(&self) {
        sleep(Duration::from_millis(1 + (self.call / CALLS) as u64 % 61)).await;
        self.replica.process.gate().await;
    }

    /// As a person who asks for a refresh now.
    pub(crate) async fn refresh(&self) -> Result<AccessToken, TokenError> {
        self.asked(Ask::Refresh, self.fleet.world.policy.max_wait(), None).await
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
    pub(crate) async fn replace(&self, token: &AccessToken, ask: Ask) -> Told {
        self.asked(ask, self.fleet.world.policy.max_wait(), Some(token)).await
    }

    async fn asked(&self, ask: Ask, bound: Duration, rejected: Option<&AccessToken>) -> Told {
        let Self { replica, account, .. } = self;
        replica.process.gate().await;
        let named = match rejected {
            Some(token) => Some(token.generation()),
            None if ask == Ask::Refresh => self.seen(),
            None => None,
        };
        let call = self.ask_about(ask, named, bound);
        let solekey = &replica.solekey;
        let told = match (ask, rejected) {
            (Ask::Refresh, _) => solekey.refresh(account, named).await,
            (_, Some(token)) => match token.rejected_by(StatusCode::UNAUTHORIZED, &challenge()) {
                Some(rejection) => solekey.token_after_rejection(account, rejection).await,
                None => unreachable!("the challenge names the token"),
            },
            (_, None) => solekey.token(account).await,
        };
        self.answered(call, self.told(&told, rejected));
        told
    }

    /// What a person has before their eyes.
    fn seen(&self) -> Option<Generation> {
        let looks = self.dice.chance(500).then(|| self.fleet.world.peek(&self.account).0);
        looks.flatten().map(|record| record.row.generation)
    }

    /// Somebody asks for what nobody ever logged in.
    async fn stranger(&self) {
        let id = format!("nobody{}", self.dice.below(3));
        let account = Account::new("acme", &id).expect("a plain name");
        let nobody = Self { account, ..Self::new(&self.fleet, &self.replica, &self.account) };
        drop(nobody.asked(Ask::Stranger, self.fleet.world.policy.max_wait(), None).await);
    }

    async fn report(&self, ask: Ask) {
        let Ok(token) = self.token().await else { return };
        if ask == Ask::Rejected {
            lock(&self.fleet.world.provider).reject(token.expose_secret());
        }
        drop(self.replace(&token, ask).await);
    }

    /// A script reports a string, which may be ages old.
    async fn report_string(&self) {
        let Ok(token) = self.token().await else { return };
        let world = &self.fleet.world;
        sleep(self.dice.skewed(world.setup.lifetime)).await;
        self.replica.process.gate().await;
        let max_wait = world.policy.max_wait();
        let (solekey, account) = (&self.replica.solekey, &self.account);
        if self.dice.chance(300) {
            let named = Some(token.generation());
            let call = self.ask_about(Ask::StaleString, named, max_wait * 2 + STORE);
            let told = solekey.token_after_rejected_generation(account, token.generation()).await;
            return self.answered(call, self.told(&told, None));
        }
        let call = self.ask(Ask::StaleString, max_wait + STORE);
        let secret = Secret::from(token.expose_secret().to_owned());
        let told = solekey.token_after_rejected_secret(account, &secret).await;
        self.answered(call, self.told(&told, Some(&token)));
    }

    pub(crate) async fn login(&self, ask: Ask, accept_spent: bool) {
        let world = &self.fleet.world;
        let lifetime = if world.setup.calm {
            world.setup.lifetime
        } else {
            self.dice.span(Duration::from_secs(3), world.setup.lifetime)
        };
        self.login_for(ask, accept_spent, lifetime).await;
    }

    /// A login whose access token lives that long.
    pub(crate) async fn login_for(&self, ask: Ask, accept_spent: bool, lifetime: Duration) {
        self.replica.process.gate().await;
        let world = &self.fleet.world;
        let pair = match ask {
            Ask::Login => lock(&world.provider).grant(&self.account, world.now(), lifetime),
            Ask::LoginSame => match self.held(&self.account) {
                Some(pair) => pair,
                None => return,
            },
            Ask::LoginOther => match self.of_another() {
                Some(pair) => pair,
                None => return,
            },
            _ => match lock(&world.spent).get(&self.account).cloned() {
                Some(pair) => pair,
                None => return,
            },
        };
        if ask == Ask::Login {
            lock(&world.spent).entry(self.account.clone()).or_insert_with(|| pair.clone());
        }
        let Pair { access, refresh } = &pair;
        // A document says how long, and it is read when the login is made.
        lock(&world.provider).say_at_least(access, lifetime + CHANGE, world.now());
        let document = format!(
            r#"{{"access_token":"{access}","refresh_token":"{refresh}","expires_in":{}}}"#,
            lifetime.as_secs()
        );
        let call = self.ask(ask, CHANGE);
        let told = self.replica.solekey.login(&self.account, document.as_bytes(), accept_spent).await;
        let told = match told {
            Ok(Login::New { .. }) => Delivered::Done("new".into()),
            Ok(Login::Same { .. }) => Delivered::Done("same".into()),
            Ok(Login::AlreadyPresented) => Delivered::Done("already presented".into()),
            Ok(other) => Delivered::Failed(format!("{other:?}")),
            Err(error) => changed(&error),
        };
        self.answered(call, told);
    }

    /// What another account holds. A store that forgets may forget that, too.
    fn of_another(&self) -> Option<Pair> {
        let world = &self.fleet.world;
        let others: Vec<_> = world
            .accounts
            .iter()
            .filter(|other| **other != self.account && world.never_went_back())
            .collect();
        self.held(others.get(self.dice.below(others.len()))?)
    }

    /// What the account holds, where that can be read.
    fn held(&self, account: &Account) -> Option<Pair> {
        let refresh = self.fleet.world.peek(account).1?;
        Some(Pair { access: "SECRET-at-of-a-file".into(), refresh })
    }

    pub(crate) async fn delete_only(&self) {
        self.replica.process.gate().await;
        let call = self.ask(Ask::Delete, CHANGE);
        let told = match self.replica.solekey.delete(&self.account).await {
            Ok(()) => Delivered::Done("deleted".into()),
            Err(error) => changed(&error),
        };
        self.answered(call, told);
    }

    async fn delete(&self) {
        self.delete_only().await;
        // A deleted account comes back now and then.
        sleep(self.dice.skewed(Duration::from_secs(20))).await;
        if self.dice.chance(800) {
            let again = Self::new(&self.fleet, &self.replica, &self.account);
            Box::pin(again.login(Ask::Login, false)).await;
        }
    }

    async fn state(&self) {
        self.replica.process.gate().await;
        let call = self.ask(Ask::State, STORE);
        let told = match self.replica.solekey.state(&self.account).await {
            Ok(state) => Delivered::Done(format!("{:?}", state.status)),
            Err(error) => changed(&error),
        };
        self.answered(call, told);
    }

    fn ask(&self, ask: Ask, bound: Duration) -> usize {
        self.ask_about(ask, None, bound)
    }

    fn ask_about(&self, ask: Ask, named: Option<Generation>, bound: Duration) -> usize {
        let call = self.call + self.asked.fetch_add(1, Relaxed);
        let account = self.account.clone();
        self.fleet.world.log(self.replica.process.who(), What::Asked { call, account, ask, named, bound });
        call
    }

    fn answered(&self, call: usize, told: Delivered) {
        let account = self.account.clone();
        self.fleet.world.log(self.replica.process.who(), What::Answered { call, account, told });
    }

    fn told(&self, told: &Told, reported: Option<&AccessToken>) -> Delivered {
        match told {
            Ok(token) => Delivered::Token(self.truth(token, reported)),
            Err(TokenError::RetryAt { why, .. }) => Delivered::RetryAt(*why, self.left()),
            Err(TokenError::LogIn { why }) => Delivered::LogIn(*why, self.left()),
            Err(TokenError::UnknownAccount) => Delivered::Unknown,
            Err(TokenError::ShuttingDown) => Delivered::ShuttingDown,
            Err(TokenError::Configuration { .. }) => Delivered::Misconfigured,
            Err(error) => Delivered::Failed(error.to_string()),
        }
    }

    /// How long the token in the row could still be served.
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

pub(crate) type Told = Result<AccessToken, TokenError>;

fn changed(error: &AccountError) -> Delivered {
    match error {
        AccountError::UnknownAccount => Delivered::Unknown,
        AccountError::Store(_) => Delivered::Done("store away".into()),
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
/// One look at the store, behind an enrolment.
const STORE: Duration = Duration::from_secs(8);
/// A change, repeated three times, behind an enrolment and before answers and shelf are told.
const CHANGE: Duration = Duration::from_secs(30);
