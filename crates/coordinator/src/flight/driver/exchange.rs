//! The one request of an attempt.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Classified, Credential, Delay, Fence, Moment, NewFacts, Outcome, TokenAnswer, classify,
    flight::{Event, Presentation},
    merge, mutant,
    ports::{ExchangeRequest, Wire, WirePhase},
};
use tracing::Instrument as _;

use super::super::{engine::Engine, unread::KeptReply};
use super::{
    kept_claim::KeptClaim,
    payloads::{Fetched, OwnPair},
    perform::{Done, Performer, Work},
    read_on::Unanswered,
};
use crate::{
    observer,
    process::is_odd,
    seal::{Sealer, TokenMetadata},
};

/// Everything an exchange needs, so that it depends on nothing that may go away.
struct Exchange {
    engine: Arc<Engine>,
    account: solekey_core::Account,
    provider: Arc<crate::Provider>,
    presentation: Presentation,
    credential: Option<Credential>,
    /// The facts of the credential when the row was read.
    old: Option<NewFacts>,
    /// A person asks for it.
    is_operator: bool,
    claimed: Option<KeptClaim>,
}

impl Performer {
    pub(super) fn exchange(&self, presentation: Presentation) -> Work {
        let (engine, account) = self.both();
        let row = self.payloads.row_of(presentation.from);
        let exchange = Arc::new(Exchange {
            provider: Arc::clone(&self.provider),
            presentation,
            credential: row.and_then(|row| row.credential.clone().ok().flatten()),
            old: row.and_then(|row| row.facts),
            is_operator: self.need.is_operator(),
            claimed: self.claimed.filter(|kept| kept.claim.id == presentation.claim),
            engine,
            account,
        });
        let span = tracing::info_span!(
            "exchange",
            provider = self.provider.name(),
            account = %self.account.key(),
            attempt = %presentation.attempt,
            fence = presentation.fence.map(Fence::get),
            outcome = tracing::field::Empty,
        );
        Box::pin(exchange.run().instrument(span))
    }
}

impl Exchange {
    /// The exchange, as far as its callers wait for it.
    async fn run(self: Arc<Self>) -> Done {
        let sent_at = self.engine.process.now();
        let mut work: Work = Box::pin(Arc::clone(&self).read(sent_at).in_current_span());
        tokio::select! {
            biased;
            done = &mut work => done,
            () = self.timeout(sent_at) => self.let_callers_go(work, sent_at),
        }
    }

    /// Ends with the exchange timeout. A process that was stopped finds its timers over before it has read what came
    /// meanwhile: it gets a moment for that.
    async fn timeout(&self, sent_at: Moment) {
        let process = &self.engine.process;
        let at = sent_at + self.provider.policy().exchange_timeout();
        process.sleep_until(at).await;
        if process.now().since(at) > OVERSLEPT && !mutant("timer_beats_a_readable_answer") {
            tokio::time::sleep(MOMENT_TO_READ).await;
        }
    }

    /// The answer may yet come. Where it cannot be read, the timeout ends the exchange.
    fn let_callers_go(&self, work: Work, sent_at: Moment) -> Done {
        let until = sent_at + self.provider.policy().read_limit();
        let Some(slot) = self.engine.readings.begin(self.account.key(), until) else {
            return Event::Exchanged(Outcome::Ambiguous).into();
        };
        self.engine.listener.presented(&self.account, &self.provider, Outcome::Ambiguous);
        let work = self.engine.process.tasks.read_on(work);
        let fetched = Fetched::Unanswered(Unanswered { work, slot });
        Done { event: Event::ExchangeTimeout, fetched }
    }

    async fn read(self: Arc<Self>, sent_at: Moment) -> Done {
        let refresh_token = self.credential.as_ref().and_then(Credential::refresh_token);
        let (Some(credential), Some(refresh_token)) = (&self.credential, refresh_token) else {
            tracing::error!(
                provider = self.provider.name(),
                account = %self.account.key(),
                "the stored credential does not open with the seal keys; nothing is presented for the account"
            );
            return Event::Exchanged(Outcome::NotSent).into();
        };
        let (account, attempt) = (&self.account, self.presentation.attempt);
        let policy = *self.provider.policy();
        let request = ExchangeRequest::new(&refresh_token).of(credential).reading_for(policy.read_limit());
        let client = self.provider.endpoint().client_of(&request);
        let patience = policy.exchange_timeout() / 4;
        let admitted = self.engine.process.admit_unread(&client, &self.provider, self.is_operator, patience);
        let Some(admitted) = admitted.await else {
            tracing::debug!("answers are not understood here; another account is tried, later");
            return Event::Exchanged(Outcome::Withheld(Delay::Unread)).into();
        };
        // Last, because it asks nobody: of those who are admitted here none has heard an answer to another.
        if !self.engine.process.breakers.admit(&client, self.engine.process.now()) {
            tracing::debug!("our client is not accepted here; another account is trying");
            return Event::Exchanged(Outcome::Withheld(Delay::OurFault)).into();
        }
        self.engine.listener.presenting(account, &self.provider);
        self.engine.process.observe(&observer::Event::Presenting { account, attempt });
        let endpoint = self.provider.endpoint();
        // The attempt's time goes on while somebody is asked.
        let timeout = policy.exchange_timeout().saturating_sub(self.engine.process.now().since(sent_at));
        let exchange = endpoint.exchange(account, request, timeout);
        let wire = match self.claimed {
            Some(claimed) => claimed.during(&self.engine.process, account, exchange).await,
            None => exchange.await,
        };
        let phase = wire.phase();
        let decoded = wire.decoded(endpoint);
        let readable = decoded.as_ref().unwrap_or(&wire);
        let classified = classify(endpoint.dialect(), readable, self.engine.process.wall());
        let tokens = [Some(refresh_token.clone()), credential.access_token()];
        let Classified { outcome, reason } = classified.without(&tokens);
        let named = outcome.as_ref().map(|_| ());
        self.engine.process.breakers.learn(&client, account, named, self.engine.process.now());
        self.engine.listener.presented(account, &self.provider, named);
        match named {
            Outcome::Unread => self.engine.process.close_unread(&admitted, &self.provider),
            Outcome::Success(()) => self.engine.process.open_unread(&admitted, &self.provider),
            _ => {}
        }
        let took = self.engine.process.now().since(sent_at);
        tracing::Span::current().record("outcome", named.name());
        self.audit(named, phase, took, &reason);
        self.remember(named, phase, &reason);
        let presented =
            observer::Event::Presented { account, attempt, outcome: named, phase, took, reason: &reason };
        self.engine.process.observe(&presented);
        let mut fetched = Fetched::Nothing;
        if matches!(outcome, Outcome::Unread) {
            let kept = if mutant("unread_answer_is_kept_decoded") { readable } else { &wire };
            fetched = self.unread(kept, sent_at, &reason);
        }
        let outcome = outcome.map(|answer| {
            for field in answer.unusable() {
                tracing::warn!(
                    provider = self.provider.name(),
                    account = %account.key(),
                    field,
                    "the response has a token with characters other than visible ASCII; it is ignored and the earlier \
                     token is kept"
                );
            }
            let (facts, pair) = self.merged(credential, &answer, sent_at);
            fetched = Fetched::Own(pair);
            facts
        });
        Done { event: Event::Exchanged(outcome), fetched }
    }

    /// Keeps what the provider answered instead of tokens, for people.
    fn remember(&self, outcome: Outcome<()>, phase: WirePhase, reason: &str) {
        let (process, provider, key) = (&self.engine.process, self.provider.name(), self.account.key());
        let now = process.now();
        let failed = !matches!(outcome, Outcome::Success(())) && !mutant("last_answer_is_forgotten");
        process.memories.of(key).lock().answered = failed.then(|| (reason.to_owned(), now));
        if is_odd(outcome, phase) && process.answered.is_new(provider, reason, now) {
            tracing::warn!(
                provider,
                account = %key,
                outcome = outcome.name(),
                reason,
                "the provider answers a refresh with something else than tokens; it is tried again after a pause"
            );
        }
    }

    /// The answer as it came, sealed: it is read again by whoever may understand it.
    fn unread(&self, wire: &Wire, sent_at: Moment, reason: &str) -> Fetched {
        tracing::error!(
            provider = self.provider.name(),
            account = %self.account.key(),
            reason,
            "the provider's answer was not understood and is kept as it came; where presenting again could revoke \
             grants, nothing more is presented for the account, and few others are tried"
        );
        let Presentation { from, attempt, claim, .. } = self.presentation;
        let reply = KeptReply::of(wire, from, attempt, self.engine.process.wall_at(sent_at));
        let Some(reply) = reply else { return Fetched::Nothing };
        let sealed = self.engine.sealer.seal_unread(&self.account, claim, &reply.to_bytes());
        Fetched::Own(OwnPair { claim, sealed, token: None })
    }

    /// The one line about the use of somebody's refresh token. It holds no token and no name.
    fn audit(&self, outcome: Outcome<()>, phase: WirePhase, took: Duration, reason: &str) {
        let Presentation { from, attempt, claim, fence } = self.presentation;
        tracing::info!(
            target: "solekey::audit",
            provider = self.provider.name(),
            account = %self.account.key(),
            attempt = attempt.get(),
            claim = %claim,
            generation = from.get(),
            outcome = outcome.name(),
            phase = phase.name(),
            reason,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            fence = fence.map(Fence::get),
            "presented"
        );
    }

    /// The credential that the row will hold, sealed once for both of its copies.
    fn merged(&self, old: &Credential, answer: &TokenAnswer, sent_at: Moment) -> (NewFacts, OwnPair) {
        // Lifetimes count from the send, and so do the instants made of them.
        let wall = self.engine.process.wall_at(sent_at);
        let sealer = &self.engine.sealer;
        let credential = merge(old, answer, wall);
        let (access, refresh) = sealer.prints(&credential);
        let lifetime = answer.lifetime(wall);
        let facts =
            NewFacts { access, refresh, expires_in: lifetime, refresh_expires_in: answer.refresh_expires_in }
                .keeping(self.old.as_ref());
        let Presentation { attempt, claim, .. } = self.presentation;
        let metadata = TokenMetadata {
            generation: attempt,
            lifetime,
            expires_at: lifetime.map(|span| wall + span),
            bare_401: self.provider.takes_bare_401(),
        };
        let sealed = sealer.seal_credential(&self.account, claim, &credential);
        let token = answer
            .access_token
            .as_ref()
            .and_then(|_| Sealer::token_of(&self.account, &credential, metadata))
            .map(|data| self.engine.process.refreshed_token(&self.provider, data, sent_at, lifetime));
        (facts, OwnPair { claim, sealed, token })
    }
}

/// A timer that fires later than this: the process was stopped, or its machine.
const OVERSLEPT: Duration = Duration::from_millis(50);
/// For reading what has arrived in that time; short compared with what callers have waited.
const MOMENT_TO_READ: Duration = Duration::from_millis(200);
