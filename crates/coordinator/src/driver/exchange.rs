//! The one request of an attempt.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    ClaimId, Classified, Credential, Fence, Generation, Moment, NewFacts, Outcome, TokenAnswer, classify,
    flight::Event,
    merge,
    ports::{ExchangeRequest, WirePhase},
};
use tracing::Instrument as _;

use super::{
    Done, Driver, Work,
    stock::{Keep, OwnPair},
};
use crate::{
    instance::Instance,
    observer,
    vault::{Stamp, Vault},
};

/// Everything an exchange needs, so that it depends on nothing that may go away.
struct Exchange {
    instance: Arc<Instance>,
    account: solekey_core::Account,
    provider: Arc<crate::Provider>,
    credential: Option<Credential>,
    /// What was known of it when the row was read.
    old: Option<NewFacts>,
    attempt: Generation,
    claim: ClaimId,
    /// The generation whose refresh token is presented.
    from: Generation,
    /// The lease's, where there is a lease.
    fence: Option<Fence>,
}

impl Driver {
    pub(super) fn exchange(&self) -> Work {
        let (instance, account) = self.both();
        let credential = self.stock.row.as_ref().and_then(|row| row.credential.clone().ok().flatten());
        let (attempt, claim) =
            self.flight.own_attempt().expect("an exchange is commanded with an attempt open");
        let span = tracing::info_span!(
            "exchange",
            provider = self.provider.name(),
            account = %account.key(),
            attempt = %attempt,
            fence = self.flight.fence().map(Fence::get),
            outcome = tracing::field::Empty,
        );
        let provider = Arc::clone(&self.provider);
        let old = self.stock.row.as_ref().and_then(|row| row.facts);
        let from = self.stock.row.as_ref().map(|row| row.generation).unwrap_or_default();
        let fence = self.flight.fence();
        let exchange = Exchange { instance, account, provider, credential, old, attempt, claim, from, fence };
        Box::pin(exchange.run().instrument(span))
    }
}

impl Exchange {
    async fn run(self) -> Done {
        let refresh_token = self.credential.as_ref().and_then(Credential::refresh_token);
        let (Some(credential), Some(refresh_token)) = (&self.credential, refresh_token) else {
            tracing::error!("the stored credential does not open: nothing is presented");
            return Event::Exchanged(Outcome::NotSent).into();
        };
        let (account, attempt) = (&self.account, self.attempt);
        let request = ExchangeRequest::new(&refresh_token).of(credential);
        let client = self.provider.endpoint().client_of(&request);
        if !self.instance.breakers.admit(&client, self.instance.now()) {
            tracing::debug!("our client is not accepted here; another account is trying");
            return Event::Exchanged(Outcome::Withheld).into();
        }
        self.instance.note_presentation(account, &self.provider);
        self.instance.observe(&observer::Event::Presenting { account, attempt });
        let sent_at = self.instance.now();
        let endpoint = self.provider.endpoint();
        let timeout = self.provider.policy().exchange_timeout();
        let wire = endpoint.exchange(account, request, timeout).await;
        let phase = wire.phase();
        let Classified { outcome, reason } = classify(endpoint.dialect(), &wire, self.instance.wall());
        let named = outcome.as_ref().map(|_| ());
        self.instance.breakers.learn(&client, account, named, self.instance.now());
        self.instance.note_outcome(account, &self.provider, named);
        let took = self.instance.now().since(sent_at);
        tracing::Span::current().record("outcome", named.name());
        self.audit(named, phase, took, &reason);
        let presented =
            observer::Event::Presented { account, attempt, outcome: named, phase, took, reason: &reason };
        self.instance.observe(&presented);
        let mut keep = Keep::Nothing;
        let outcome = outcome.map(|answer| {
            for field in answer.unusable() {
                tracing::warn!(
                    field,
                    "the answer holds a token that is no visible ASCII: the one before stays"
                );
            }
            let (facts, pair) = self.merged(credential, &answer, sent_at);
            keep = Keep::Own(pair);
            facts
        });
        Done { event: Event::Exchanged(outcome), keep }
    }

    /// The one line that says what was done with somebody's refresh token. It holds no token and no name.
    fn audit(&self, outcome: Outcome<()>, phase: WirePhase, took: Duration, reason: &str) {
        tracing::info!(
            target: "solekey::audit",
            provider = self.provider.name(),
            account = %self.account.key(),
            attempt = self.attempt.get(),
            claim = %self.claim,
            generation = self.from.get(),
            outcome = outcome.name(),
            phase = phase.name(),
            reason,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            fence = self.fence.map(Fence::get),
            "presented"
        );
    }

    /// What the row will hold, sealed once for both of its places.
    fn merged(&self, old: &Credential, answer: &TokenAnswer, sent_at: Moment) -> (NewFacts, OwnPair) {
        // Lifetimes count from the send, and so do the instants made of them.
        let wall = self.instance.wall_at(sent_at);
        let vault = self.instance.vault();
        let credential = merge(old, answer, wall);
        let (access, refresh) = vault.prints(&credential);
        let lifetime = answer.lifetime(wall);
        let facts =
            NewFacts { access, refresh, expires_in: lifetime, refresh_expires_in: answer.refresh_expires_in }
                .keeping(self.old.as_ref());
        let stamp = Stamp {
            generation: self.attempt,
            lifetime,
            expires_at: lifetime.map(|span| wall + span),
            bare_401: self.provider.takes_bare_401(),
        };
        let sealed = vault.seal_credential(&self.account, self.claim, &credential);
        let token = answer
            .access_token
            .as_ref()
            .and_then(|_| Vault::token_of(&self.account, &credential, stamp))
            .map(|data| self.instance.hold(&self.provider, data, sent_at, lifetime));
        (facts, OwnPair { sealed, token })
    }
}
