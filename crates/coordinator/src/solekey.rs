//! The handle users hold.

use std::{sync::Arc, time::Duration};

use solekey_cache::{Absence, Entry};
use solekey_core::{
    Account, Delay, ExposeSecret as _, Fingerprint, Generation, Moment, Need, Secret, flight::Knowledge,
    mutant,
};
use tokio::runtime::Handle;

use crate::{
    background::{Background, Sealing},
    builder::Builder,
    error::TokenError,
    fleet::Changes,
    flight::{CROWDED, Engine, FlightHandle, FlightOutcome},
    observer::{Event, Level},
    process::LocalToken,
    provider::Provider,
    seal::{SealCount, SealCounter},
    token::{AccessToken, Rejection, TokenData},
};

/// One OAuth refresh owner per account, across all replicas.
///
/// Cloning is cheap; all clones are one instance. Dropping every clone does not stop what is under way: call
/// [`shutdown`](Self::shutdown) before the runtime ends.
#[derive(Clone)]
pub struct Solekey {
    pub(crate) engine: Arc<Engine>,
    pub(crate) background: Arc<Background>,
}

impl Solekey {
    /// Starts building an instance.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns a token that is good enough; waits for a refresh where there is none.
    ///
    /// Costs one lookup in this process' memory where there is such a token: no allocation, no IO. Otherwise one
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
    /// and the store know is read with a `wait` of zero, too, for a second at most.
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
        let current = self.engine.process.entries().get(account.key());
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
        self.engine.process.memories.release(account.key());
        let policy = provider.policy();
        let began = self.engine.process.now();
        // Whoever asks for a refresh waits for it, however short requests for tokens wait at this provider.
        let exchange = policy.exchange_timeout() + policy.answer_budget() + RETRY_SOON;
        let exchange = if mutant("refresh_is_not_waited_for") { Duration::ZERO } else { exchange };
        let wait = Wait { began, until: began + policy.max_wait().max(exchange) };
        self.obtain(account, provider, Need::Now { seen }, wait).await
    }

    async fn another_than(
        &self,
        account: &Account,
        generation: Generation,
        rejected: &Secret,
    ) -> Result<AccessToken, TokenError> {
        let provider = self.provider(account)?;
        let wait = self.wait(provider);
        self.engine.check.know_store().await;
        let need = Need::NotThis { generation, access: self.engine.sealer.fingerprints().of(rejected) };
        let another = self.obtain(account, provider, need, wait).await?;
        if another.expose_secret() == rejected.expose_secret() {
            // The store's id became known only now, and by its fingerprints the same string counts as another one.
            return Err(self.retry_at(account, self.engine.process.now() + RETRY_SOON, Delay::InFlight));
        }
        Ok(another)
    }

    /// A caller's wait, from now on.
    fn wait(&self, provider: &Provider) -> Wait {
        let began = self.engine.process.now();
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
        self.engine.process.providers.get(account.provider()).ok_or(TokenError::UnknownProvider)
    }

    /// The fast path: a token in memory that is good enough. What has to happen because of it happens behind.
    #[inline]
    fn in_memory(&self, account: &Account) -> Option<AccessToken> {
        let entries = self.engine.process.entries();
        let entry = entries.get(account.key())?;
        // The coarse clock is behind only where the tick is late: the skew is the margin for that, and a token without
        // any is not in memory.
        let coarse_now = self.engine.process.clock().coarse_now();
        let wants_more = !entry.is_good(coarse_now)
            || entry.is_ahead(coarse_now)
            || entries.needs_confirmation(&entry, coarse_now);
        if wants_more && !self.check_exactly(account, &entry) {
            return None;
        }
        self.engine.process.observe(&Event::Served { account, level: Level::Process, stale: false });
        Some(AccessToken::of(entry))
    }

    /// The fast path where the coarse clock was not enough: returns whether the entry is good after all.
    #[cold]
    fn check_exactly(&self, account: &Account, entry: &Arc<Entry<Arc<TokenData>>>) -> bool {
        let (engine, process) = (&self.engine, &self.engine.process);
        let now = process.now();
        let Ok(provider) = self.provider(account) else { return false };
        if !entry.is_good(now) {
            return false;
        }
        if entry.is_ahead(now) {
            self.refresh_behind(account, provider, now);
        }
        if process.entries().needs_confirmation(entry, now) {
            engine.fleet.confirm(account, provider, entry, now);
        }
        true
    }

    /// Starts one background flight, unless a verdict in memory says not yet.
    fn refresh_behind(&self, account: &Account, provider: &Arc<Provider>, now: Moment) {
        let (engine, process) = (&self.engine, &self.engine.process);
        let key = account.key();
        let is_pointless = !mutant("flight_behind_every_request")
            && self.background.standing_delay(key, now).is_some()
            || process.entries().absence(key, now).is_some();
        if process.tasks.is_draining() || is_pointless {
            return;
        }
        let pause = Duration::from_millis(1000 + fastrand::u64(0..250));
        if !mutant("flight_behind_every_request") {
            process.memories.put_off(key, now + pause, Delay::InFlight, now);
        }
        engine.join(account, provider, Need::RefreshedAhead, Duration::ZERO);
    }

    async fn obtain(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        wait: Wait,
    ) -> Result<AccessToken, TokenError> {
        let outcome = self.ask(account, provider, need, wait).await;
        let waited = self.engine.process.now().since(wait.began);
        self.engine.process.observe(&Event::Waited { account, waited });
        let answer = self.answer(account, provider, need, outcome);
        if let Err(error) = &answer {
            self.engine.process.observe(&Event::Refused { account, error });
        }
        answer
    }

    /// Asks flights until one answers this caller's need, or the wait is over.
    async fn ask(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        wait: Wait,
    ) -> FlightOutcome {
        let (engine, process, until) = (&self.engine, &self.engine.process, wait.until);
        if let Some(outcome) = self.known_answer(account, need, until) {
            return outcome;
        }
        let _waiting = process.count_waiting();
        let mut report = Report { solekey: self, account, provider, need, before: None };
        for _ in 0..MAX_FLIGHTS_PER_CALL {
            let patience = until.since(process.now());
            let Some(handle) = engine.join(account, provider, need, patience) else {
                let (span, why) = CROWDED;
                return FlightOutcome::RetryAt { at: process.now() + span, why };
            };
            report.before = (!handle.serves(need, Duration::ZERO)).then(|| handle.clone());
            let late = handle.has_delivered();
            let out_of_patience = self.out_of_patience(handle.clone(), wait);
            let outcome = tokio::select! {
                biased;
                outcome = handle.delivery() => outcome,
                () = out_of_patience => break,
            };
            let current = self.is_alive(&outcome) && (!late || self.still_holds(account, &outcome));
            if current && (handle.serves(need, patience) || self.is_final(need, &outcome)) {
                report.before = None;
                return outcome;
            }
            // The flight was somebody else's, or is only busy writing down what has ended since: the next one is ours.
            tokio::select! {
                biased;
                () = handle.finished() => {}
                () = process.sleep_until(until), if !mutant("callers_wait_for_the_end_of_a_flight") => break,
            }
        }
        FlightOutcome::RetryAt { at: process.now() + RETRY_SOON, why: Delay::InFlight }
    }

    /// Has a flight of its own follow the one that is in a rejection's way, and may put the token back into memory.
    fn report_behind(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        mut before: FlightHandle,
    ) {
        let (engine, process) = (&self.engine, &self.engine.process);
        let Some(rejection) = need.rejection() else { return };
        let memory = process.memories.of(account.key());
        // Whoever drops a future may do so where no runtime is.
        let Ok(runtime) = Handle::try_current() else { return };
        if process.tasks.is_draining() || !memory.lock().begin_report(rejection) {
            return;
        }
        let (engine, account, provider) = (Arc::clone(engine), account.clone(), Arc::clone(provider));
        let reporting = async move {
            for _ in 0..MAX_FLIGHTS_PER_CALL {
                before.finished().await;
                match engine.join(&account, &provider, need, Duration::ZERO) {
                    Some(flight) if !flight.serves(need, Duration::ZERO) => before = flight,
                    _ => break,
                }
            }
            memory.lock().end_report();
        };
        process.tasks.tracker.spawn_on(reporting, &runtime);
    }

    /// Returns whether this answers a caller whose flight it was not.
    fn is_final(&self, need: Need, outcome: &FlightOutcome) -> bool {
        match outcome {
            FlightOutcome::Token(LocalToken { data, .. }) => {
                need.accepts(data.generation, self.engine.sealer.fingerprints().of(&data.secret))
            }
            FlightOutcome::LogIn { .. } => !need.is_operator(),
            FlightOutcome::Unknown | FlightOutcome::Misconfigured { .. } => true,
            FlightOutcome::RetryAt { .. } | FlightOutcome::RejectedAgain { .. } | FlightOutcome::Lost => {
                false
            }
        }
    }

    /// Returns whether a token has not ended on the way here: the process may have been stopped.
    fn is_alive(&self, outcome: &FlightOutcome) -> bool {
        !matches!(outcome, FlightOutcome::Token(held) if !held.is_valid(self.engine.process.now()))
    }

    /// Returns whether a token delivered a while ago may still be served.
    fn still_holds(&self, account: &Account, outcome: &FlightOutcome) -> bool {
        let FlightOutcome::Token(LocalToken { data, .. }) = outcome else { return true };
        let entry = self.engine.process.entries().get(account.key());
        let served = entry.filter(|entry| entry.generation == data.generation);
        served.is_some_and(|entry| entry.is_valid(self.engine.process.now()) && !entry.is_rejected())
    }

    /// Returns what is remembered about this account and still holds.
    fn known_answer(&self, account: &Account, need: Need, until: Moment) -> Option<FlightOutcome> {
        let process = &self.engine.process;
        let now = process.now();
        if need.is_operator() {
            return None;
        }
        if process.tasks.is_draining() {
            return Some(FlightOutcome::RetryAt { at: now + RETRY_SOON, why: Delay::ShuttingDown });
        }
        match process.entries().absence(account.key(), now) {
            Some(Absence::Unknown) => return Some(FlightOutcome::Unknown),
            Some(Absence::LogIn { generation, why }) => {
                return Some(FlightOutcome::LogIn { generation, why });
            }
            None => {}
        }
        let (at, why) = self.background.standing_delay(account.key(), now)?;
        let pointless = at > until && !why.may_end_early() && need == Need::Valid;
        pointless.then_some(FlightOutcome::RetryAt { at, why })
    }

    /// Turns the outcome of a flight into what this caller gets.
    fn answer(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        need: Need,
        outcome: FlightOutcome,
    ) -> Result<AccessToken, TokenError> {
        let error = match outcome {
            FlightOutcome::Token(LocalToken { data, level, .. }) => {
                let stale = self.is_overdue(account, data.generation);
                self.engine.process.observe(&Event::Served { account, level, stale });
                return Ok(AccessToken::new(data, stale));
            }
            FlightOutcome::Unknown => return Err(TokenError::UnknownAccount),
            FlightOutcome::Misconfigured { field, expected } => {
                TokenError::Configuration { field: field.to_owned(), expected: expected.to_owned() }
            }
            FlightOutcome::LogIn { why, .. } => TokenError::LogIn { why },
            FlightOutcome::RetryAt { why: Delay::ShuttingDown, .. } => TokenError::ShuttingDown,
            FlightOutcome::RetryAt { at, why } => self.retry_at(account, at, why),
            FlightOutcome::RejectedAgain { at } => self.retry_at(account, at, Delay::RejectedAgain),
            FlightOutcome::Lost => {
                self.retry_at(account, self.engine.process.now() + RETRY_SOON, Delay::InFlight)
            }
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
        let entry =
            self.engine.process.entries().get(account.key()).filter(|_| !mutant("skew_is_the_end"))?;
        let served = provider.policy().stale().serves(why)
            && entry.is_valid(self.engine.process.now())
            && (!entry.is_rejected() || mutant("rejected_token_is_served_as_stale"))
            && need
                .accepts_stale(entry.generation, self.engine.sealer.fingerprints().of(&entry.value.secret));
        served.then(|| {
            self.engine.process.observe(&Event::Served { account, level: Level::Process, stale: true });
            AccessToken::new(Arc::clone(&entry.value), true)
        })
    }

    fn is_overdue(&self, account: &Account, generation: Generation) -> bool {
        let entry = self.engine.process.entries().get(account.key());
        let now = self.engine.process.now();
        entry.is_some_and(|entry| entry.generation == generation && now >= entry.good_until)
    }

    fn retry_at(&self, account: &Account, at: Moment, why: Delay) -> TokenError {
        let process = &self.engine.process;
        let left = at.since(process.now());
        let answered = process.memories.answered(account.key()).filter(|_| why.is_by_provider());
        TokenError::RetryAt { at: process.wall() + left, why, answered: answered.map(|(reason, _)| reason) }
    }

    /// Returns whether the account has not come that far, as far as anybody knows: a rejection of a generation yet to come
    /// would withhold every token until then.
    async fn never_reached(&self, account: &Account, generation: Generation) -> bool {
        let (process, key) = (&self.engine.process, account.key());
        let served = process.entries().get(key).map(|entry| entry.generation);
        let seen = served.max(Some(process.memories.of(key).lock().knowledge.known));
        if seen >= Some(generation) || self.known_to_others(account).await >= Some(generation) {
            return false;
        }
        let loaded = tokio::time::timeout(READ_TIMEOUT, process.store().load(account)).await;
        let record = loaded.ok().and_then(Result::ok).and_then(|loaded| loaded.record);
        record.map(|record| record.row.generation) < Some(generation)
    }

    /// The newest generation in the shared cache.
    async fn known_to_others(&self, account: &Account) -> Option<Generation> {
        self.engine.process.cache()?.read(account).await.ok()?.known
    }

    /// A subscription to changes from now on. A hint where to read, not a log: of a slow subscriber's backlog only
    /// [`Change::Missed`](crate::Change::Missed) remains. Without Redis it has only the changes that this process makes itself.
    pub fn subscribe(&self) -> Changes {
        self.engine.fleet.subscribe()
    }

    /// Returns the progress of re-sealing in this process.
    pub fn sealing(&self) -> Sealing {
        self.background.resealing.sealing(self.engine.sealer.keys())
    }

    /// Counts what lies under which key of the ring, for `patience` at most: where there is more, the count says that it is
    /// not whole. It reads rows and answers one by one, and changes nothing.
    ///
    /// # Cancel safety
    /// Dropping the future ends the count.
    pub async fn count_seals(&self, patience: Duration) -> SealCount {
        let Engine { process, sealer, check, .. } = &*self.engine;
        SealCounter { process, sealer, check }.count(patience).await
    }

    /// Waits for the end of a caller's patience. The reads that its flight begins with are short and are no waiting.
    async fn out_of_patience(&self, flight: FlightHandle, Wait { began, until }: Wait) {
        let process = &self.engine.process;
        process.sleep_until(until).await;
        tokio::select! {
            biased;
            () = flight.reads_done() => {}
            () = process.sleep_until(began + FIRST_READS) => {}
        }
    }

    /// Returns what this process has learnt of an account, for tests and `explain`.
    #[doc(hidden)]
    pub fn knowledge(&self, account: &Account) -> Knowledge {
        self.engine.process.memories.of(account.key()).lock().knowledge.clone()
    }
}

/// A rejection outlives its reporter, who may have no patience left, or not wait for its own flight to begin.
struct Report<'a> {
    solekey: &'a Solekey,
    account: &'a Account,
    provider: &'a Arc<Provider>,
    need: Need,
    /// The flight in its way.
    before: Option<FlightHandle>,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.solekey.report_behind(self.account, self.provider, self.need, before);
        }
    }
}

impl std::fmt::Debug for Solekey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Solekey").field("flights", &self.engine.flights.len()).finish_non_exhaustive()
    }
}

/// The begin and the end of a caller's wait. Reads before its flight count.
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
/// The longest time that a read of the store on behalf of one caller may take.
const READ_TIMEOUT: Duration = Duration::from_millis(500);
/// Stands for a token whose string is not known: no token has it.
const UNKNOWN_STRING: Fingerprint = Fingerprint::new([0xff; 16]);
/// The longest time that a flight's first reads may take, whatever its caller's patience: a read of the shared cache ends within half of
/// it.
const FIRST_READS: Duration = Duration::from_secs(1);
