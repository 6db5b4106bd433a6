//! The handle users hold.

use std::{sync::Arc, time::Duration};

use solekey_cache::{Absence, Entry};
use solekey_core::{
    Account, Delay, ExposeSecret as _, Fingerprint, Generation, Moment, Need, Secret, flight::Knowledge,
    mutant,
};

use crate::{
    builder::Builder,
    driver::Held,
    error::TokenError,
    flights::CROWDED,
    instance::Instance,
    observer::{Event, Level},
    provider::Provider,
    token::{AccessToken, Rejection, TokenData},
    told::Told,
};

/// One OAuth refresh owner per account, across all replicas.
///
/// Cloning is cheap; all clones are one instance. Dropping every clone does not stop what is under way: call
/// [`shutdown`](Self::shutdown) before the runtime ends.
#[derive(Clone)]
pub struct Solekey {
    pub(crate) instance: Arc<Instance>,
}

impl Solekey {
    /// Starts building an instance.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A token that is good enough, waiting for a refresh where none is.
    ///
    /// Costs one look into this process' memory where there is such a token: no allocation, no IO. Otherwise one
    /// task of this process asks Redis, then the store, and refreshes if it is this replica's turn; all callers wait
    /// for that one, at most for the provider's `max_wait`.
    ///
    /// # Errors
    /// See [`TokenError`]: each variant is something else to do for the caller.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub async fn token(&self, account: &Account) -> Result<AccessToken, TokenError> {
        if let Some(token) = self.in_memory(account) {
            return Ok(token);
        }
        // In a box, so that what every request carries about is as small as the fast path.
        Box::pin(self.token_by_flight(account)).await
    }

    async fn token_by_flight(&self, account: &Account) -> Result<AccessToken, TokenError> {
        let provider = self.provider(account)?;
        self.obtain(account, provider, Need::Valid, self.wait(provider)).await
    }

    /// As [`token`](Self::token), waiting at most `wait`; where the provider's `max_wait` is less, that long. What Redis
    /// and the store know is looked up with a `wait` of zero, too, for a second at most.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub async fn token_within(&self, account: &Account, wait: Duration) -> Result<AccessToken, TokenError> {
        let provider = self.provider(account)?;
        self.valid(account, provider, self.wait(provider).at_most(wait)).await
    }

    /// Another token than the one a resource refused: whatever the fleet has by now, or one rotation for all who
    /// report the same. [`AccessToken::rejected_by`] makes the evidence.
    ///
    /// # Errors
    /// As [`token`](Self::token); [`Delay::RejectedAgain`] when the successor of a rejected token was rejected too,
    /// which speaks about the resource, not about the token.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub async fn token_after_rejection(
        &self,
        account: &Account,
        rejection: Rejection,
    ) -> Result<AccessToken, TokenError> {
        let rejected = &rejection.token;
        self.another_than(account, rejected.generation, &rejected.secret).await
    }

    /// As [`token_after_rejection`](Self::token_after_rejection), for evidence that arrived as a string: of sidecars
    /// and scripts. A token that is not the current one counts as older.
    ///
    /// # Errors
    /// As [`token_after_rejection`](Self::token_after_rejection).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub async fn token_after_rejected_secret(
        &self,
        account: &Account,
        rejected: &Secret,
    ) -> Result<AccessToken, TokenError> {
        let current = self.instance.entries().get(account.key());
        let is_current =
            current.filter(|entry| entry.value.secret.expose_secret() == rejected.expose_secret());
        let generation = is_current.map_or(Generation::ZERO, |entry| entry.generation);
        self.another_than(account, generation, rejected).await
    }

    /// As [`token_after_rejection`](Self::token_after_rejection), for evidence that names the generation.
    ///
    /// # Errors
    /// As [`token_after_rejection`](Self::token_after_rejection).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub async fn token_after_rejected_generation(
        &self,
        account: &Account,
        generation: Generation,
    ) -> Result<AccessToken, TokenError> {
        let provider = self.provider(account)?;
        let wait = self.wait(provider);
        if self.never_reached(account, generation).await {
            // Evidence against a token nobody ever had is evidence of nothing.
            return self.valid(account, provider, wait).await;
        }
        let need = Need::NotThis { generation, access: UNKNOWN_STRING };
        self.obtain(account, provider, need, wait).await
    }

    /// Refreshes now, because a person asked: a newer token than generation `seen`; without it any success of the last
    /// 5 s will do. Goes the same way as every refresh, and past cooldowns.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing but this caller's waiting.
    pub async fn refresh(
        &self,
        account: &Account,
        seen: Option<Generation>,
    ) -> Result<AccessToken, TokenError> {
        let provider = self.provider(account)?;
        self.instance.memories.release(account.key());
        self.obtain(account, provider, Need::Now { seen }, self.wait(provider)).await
    }

    async fn another_than(
        &self,
        account: &Account,
        generation: Generation,
        rejected: &Secret,
    ) -> Result<AccessToken, TokenError> {
        let provider = self.provider(account)?;
        let wait = self.wait(provider);
        self.instance.know_the_store().await;
        let need = Need::NotThis { generation, access: self.instance.fingerprints().of(rejected) };
        let another = self.obtain(account, provider, need, wait).await?;
        if another.expose_secret() == rejected.expose_secret() {
            // The store was heard of only now, and by its fingerprints the same string looks like another one.
            return Err(self.retry_at(self.instance.now() + RETRY_SOON, Delay::InFlight));
        }
        Ok(another)
    }

    /// A caller's wait, from now on.
    fn wait(&self, provider: &Provider) -> Wait {
        let began = self.instance.now();
        Wait { began, until: began + provider.policy().max_wait() }
    }

    async fn valid(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        wait: Wait,
    ) -> Result<AccessToken, TokenError> {
        match self.in_memory(account) {
            Some(token) => Ok(token),
            None => self.obtain(account, provider, Need::Valid, wait).await,
        }
    }

    pub(crate) fn provider(&self, account: &Account) -> Result<&Arc<Provider>, TokenError> {
        self.instance.providers.get(account.provider()).ok_or(TokenError::UnknownProvider)
    }

    /// The fast path: a token in memory that is good enough. What has to happen because of it happens behind.
    #[inline]
    fn in_memory(&self, account: &Account) -> Option<AccessToken> {
        let entries = self.instance.entries();
        let entry = entries.get(account.key())?;
        // A glance is never early, hence what it finds good is good, and what is due by now is due by it.
        let glance = self.instance.clock().glance();
        let wants_more =
            !entry.is_good(glance) || entry.is_ahead(glance) || entries.needs_confirmation(&entry, glance);
        if wants_more && !self.look_after(account, &entry) {
            return None;
        }
        self.instance.observe(&Event::Served { account, level: Level::Process, stale: false });
        Some(AccessToken::of(entry))
    }

    /// The fast path where a glance was not enough: whether the entry is good after all.
    #[cold]
    fn look_after(&self, account: &Account, entry: &Arc<Entry<Arc<TokenData>>>) -> bool {
        let instance = &self.instance;
        let now = instance.now();
        let Ok(provider) = self.provider(account) else { return false };
        if !entry.is_good(now) {
            return false;
        }
        if entry.is_ahead(now) {
            self.refresh_behind(account, provider, now);
        }
        if instance.entries().needs_confirmation(entry, now) {
            instance.confirm(account, provider, entry, now);
        }
        true
    }

    /// Starts one background flight, unless a verdict in memory says not yet.
    fn refresh_behind(&self, account: &Account, provider: &Arc<Provider>, now: Moment) {
        let instance = &self.instance;
        let key = account.key();
        let told_otherwise = !mutant("flight_behind_every_request")
            && instance.standing_delay(key, now).is_some()
            || instance.entries().absence(key, now).is_some();
        if instance.draining().is_cancelled() || told_otherwise {
            return;
        }
        let pause = Duration::from_millis(1000 + fastrand::u64(0..250));
        if !mutant("flight_behind_every_request") {
            instance.memories.put_off(key, now + pause, Delay::InFlight, now);
        }
        instance.board(account, provider, Need::RefreshedAhead, Duration::ZERO);
    }

    async fn obtain(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        wait: Wait,
    ) -> Result<AccessToken, TokenError> {
        let told = self.ask(account, provider, need, wait).await;
        let waited = self.instance.now().since(wait.began);
        self.instance.observe(&Event::Waited { account, waited });
        let answer = self.answer(account, provider, need, told);
        if let Err(error) = &answer {
            self.instance.observe(&Event::Refused { account, error });
        }
        answer
    }

    /// Asks flights until one answers this caller's need, or the wait is over.
    async fn ask(&self, account: &Account, provider: &Arc<Provider>, need: Need, wait: Wait) -> Told {
        let (instance, until) = (&self.instance, wait.until);
        if let Some(told) = self.known_answer(account, need, until) {
            return told;
        }
        let _waiting = Counted::new(instance);
        for _ in 0..MAX_FLIGHTS_PER_CALL {
            let patience = until.since(instance.now());
            let Some(boarding) = instance.board(account, provider, need, patience) else {
                let (span, why) = CROWDED;
                return Told::RetryAt { at: instance.now() + span, why };
            };
            let late = boarding.has_delivered();
            let out_of_patience = instance.out_of_patience(boarding.clone(), wait);
            let told = tokio::select! {
                biased;
                told = boarding.delivery() => told,
                () = out_of_patience => break,
            };
            let current = self.is_alive(&told) && (!late || self.still_holds(account, &told));
            if current && (boarding.serves(need, patience) || self.is_final(need, &told)) {
                return told;
            }
            // The flight was somebody else's, or is only busy writing down what has ended since: the next one is ours.
            tokio::select! {
                biased;
                () = boarding.landing() => {}
                () = instance.sleep_until(until) => break,
            }
        }
        Told::RetryAt { at: instance.now() + RETRY_SOON, why: Delay::InFlight }
    }

    /// Whether this answers a caller whose flight it was not.
    fn is_final(&self, need: Need, told: &Told) -> bool {
        match told {
            Told::Token(Held { data, .. }) => match need {
                Need::NotThis { generation, access } => {
                    data.generation > generation && self.instance.fingerprints().of(&data.secret) != access
                }
                Need::AtLeast(least) => data.generation >= least,
                // What was seen is not known: only a flight that was told to refresh knows whether it has.
                Need::Now { seen } => seen.is_some_and(|seen| data.generation > seen),
                Need::Valid | Need::RefreshedAhead | Need::Resolved => true,
            },
            // A person may try in spite of a verdict.
            Told::LogIn { .. } => !matches!(need, Need::Now { .. }),
            Told::Unknown | Told::Misconfigured { .. } => true,
            Told::RetryAt { .. } | Told::RejectedAgain { .. } | Told::Lost => false,
        }
    }

    /// Whether a token has not ended on the way here: the process may have been stopped.
    fn is_alive(&self, told: &Told) -> bool {
        !matches!(told, Told::Token(held) if !held.is_valid(self.instance.now()))
    }

    /// Whether a token delivered a while ago may still be served.
    fn still_holds(&self, account: &Account, told: &Told) -> bool {
        let Told::Token(Held { data, .. }) = told else { return true };
        let entry = self.instance.entries().get(account.key());
        let served = entry.filter(|entry| entry.generation == data.generation);
        served.is_some_and(|entry| entry.is_valid(self.instance.now()) && !entry.is_rejected())
    }

    /// What is remembered about this account and still holds.
    fn known_answer(&self, account: &Account, need: Need, until: Moment) -> Option<Told> {
        let instance = &self.instance;
        let now = instance.now();
        if matches!(need, Need::Now { .. }) {
            return None;
        }
        if instance.draining().is_cancelled() {
            return Some(Told::RetryAt { at: now + RETRY_SOON, why: Delay::ShuttingDown });
        }
        match instance.entries().absence(account.key(), now) {
            Some(Absence::Unknown) => return Some(Told::Unknown),
            Some(Absence::LogIn { generation, why }) => return Some(Told::LogIn { generation, why }),
            None => {}
        }
        let (at, why) = instance.standing_delay(account.key(), now)?;
        let pointless = at > until && !why.may_end_early() && need == Need::Valid;
        pointless.then_some(Told::RetryAt { at, why })
    }

    /// Turns what a flight told into what this caller gets.
    fn answer(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        told: Told,
    ) -> Result<AccessToken, TokenError> {
        let error = match told {
            Told::Token(Held { data, level, .. }) => {
                let stale = self.is_overdue(account, data.generation);
                self.instance.observe(&Event::Served { account, level, stale });
                return Ok(AccessToken::new(data, stale));
            }
            Told::Unknown => return Err(TokenError::UnknownAccount),
            Told::Misconfigured { field, expected } => {
                TokenError::Configuration { field: field.to_owned(), expected: expected.to_owned() }
            }
            Told::LogIn { why, .. } => TokenError::LogIn { why },
            Told::RetryAt { why: Delay::ShuttingDown, .. } => TokenError::ShuttingDown,
            Told::RetryAt { at, why } => self.retry_at(at, why),
            Told::RejectedAgain { at } => self.retry_at(at, Delay::RejectedAgain),
            Told::Lost => self.retry_at(self.instance.now() + RETRY_SOON, Delay::InFlight),
        };
        self.stale(account, provider, need, error.delay()).ok_or(error)
    }

    /// A token that is still valid although the refresh did not deliver.
    fn stale(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        why: Option<Delay>,
    ) -> Option<AccessToken> {
        let entry = self.instance.entries().get(account.key()).filter(|_| !mutant("skew_is_the_end"))?;
        let served = provider.policy().stale().serves(why)
            && entry.is_valid(self.instance.now())
            && (!entry.is_rejected() || mutant("rejected_token_is_served_as_stale"))
            && need.accepts_stale(entry.generation, self.instance.fingerprints().of(&entry.value.secret));
        served.then(|| {
            self.instance.observe(&Event::Served { account, level: Level::Process, stale: true });
            AccessToken::new(Arc::clone(&entry.value), true)
        })
    }

    fn is_overdue(&self, account: &Account, generation: Generation) -> bool {
        let entry = self.instance.entries().get(account.key());
        let now = self.instance.now();
        entry.is_some_and(|entry| entry.generation == generation && now >= entry.good_until)
    }

    fn retry_at(&self, at: Moment, why: Delay) -> TokenError {
        let left = at.since(self.instance.now());
        TokenError::RetryAt { at: self.instance.wall() + left, why }
    }

    /// Whether the account has not come that far, as far as anybody can tell: a mark on a generation yet to come would
    /// withhold every token until then.
    async fn never_reached(&self, account: &Account, generation: Generation) -> bool {
        let (instance, key) = (&self.instance, account.key());
        let served = instance.entries().get(key).map(|entry| entry.generation);
        let seen = served.max(Some(instance.memories.of(key).lock().knowledge.known));
        if seen >= Some(generation) || self.known_to_others(account).await >= Some(generation) {
            return false;
        }
        let loaded = tokio::time::timeout(LOOK, instance.store().load(account)).await;
        let record = loaded.ok().and_then(Result::ok).and_then(|loaded| loaded.record);
        record.map(|record| record.row.generation) < Some(generation)
    }

    /// The newest generation on the shelf.
    async fn known_to_others(&self, account: &Account) -> Option<Generation> {
        self.instance.cache()?.read(account).await.ok()?.known
    }

    /// What this process has learnt of an account, for tests and `explain`.
    #[doc(hidden)]
    pub fn knowledge(&self, account: &Account) -> Knowledge {
        self.instance.memories.of(account.key()).lock().knowledge.clone()
    }
}

impl std::fmt::Debug for Solekey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Solekey").field("flights", &self.instance.flights.len()).finish_non_exhaustive()
    }
}

/// A request that waits, counted while it does.
struct Counted<'a>(&'a Instance);

impl<'a> Counted<'a> {
    fn new(instance: &'a Instance) -> Self {
        instance.waiting_requests.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self(instance)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.waiting_requests.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Since when a caller waits, and until when. What is looked up before its flight counts.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) began: Moment,
    pub(crate) until: Moment,
}

impl Wait {
    fn at_most(self, span: Duration) -> Self {
        Self { until: self.until.min(self.began + span), ..self }
    }
}

/// A caller may have to sit through a background flight and a flight with another need before its own.
const MAX_FLIGHTS_PER_CALL: usize = 8;
const RETRY_SOON: Duration = Duration::from_secs(1);
/// What a look at the store on behalf of one caller may take.
const LOOK: Duration = Duration::from_millis(500);
/// Stands for a token whose string is not known: no token has it.
const UNKNOWN_STRING: Fingerprint = Fingerprint::new([0xff; 16]);
