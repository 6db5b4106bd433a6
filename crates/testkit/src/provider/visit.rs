//! One presentation from arrival to answer.

use std::sync::Arc;

use axum::response::Response;

use super::dpop::Proof;
use super::endpoint_state::{EndpointState, State, success_response};
use super::fault::{Fault, Script};
use super::grants::{Holder, OtherKey, Outcome};
use super::hold::HeldRequest;
use super::metadata::issuer;
use super::pair::fingerprint;
use super::peer::Peer;
use super::referee::{Arrival, Decision, Delivery};
use super::reply::{self, Reply};
use super::request::{Caller, TokenRequest};

/// An open presentation; dropping it closes it.
///
/// hyper drops the handler's future, and this with it, when the client closes the connection. Whatever had not
/// been processed then never is.
pub(super) struct Visit {
    endpoint_state: Arc<EndpointState>,
    peer: Peer,
    seq: u64,
    token: String,
    fingerprint: String,
    account: Option<String>,
    via: Option<String>,
    script: Script,
    decision: Decision,
    delivery: Delivery,
}

/// The reason why a request is not processed.
enum Unfit {
    Client,
    Proof(&'static str),
    Nonce,
    Key(OtherKey),
}

impl Visit {
    pub(super) fn open(
        endpoint_state: Arc<EndpointState>,
        peer: Peer,
        token: &str,
        via: Option<String>,
    ) -> Self {
        let fingerprint = fingerprint(token);
        let (seq, account, script) = {
            let state = &mut *endpoint_state.state();
            let seen = state.grants.read(token, endpoint_state.now(state));
            let account = seen.as_ref().map(|seen| seen.account.clone());
            let at_ms = endpoint_state.elapsed_ms();
            let arrival = Arrival { at_ms, seen, token: fingerprint.clone(), via: via.clone() };
            (state.referee.open(arrival), account.clone(), state.faults.take(account.as_deref()))
        };
        endpoint_state.events.notify_waiters();
        Self {
            endpoint_state,
            peer,
            seq,
            token: token.to_owned(),
            fingerprint,
            account,
            via,
            script,
            decision: Decision::Open,
            delivery: Delivery::ClientGone,
        }
    }

    /// Serves the request; `path` is the one it asked for.
    pub(super) async fn serve(mut self, request: &TokenRequest, path: &str) -> Response {
        self.before().await;
        if self.peer.is_gone() {
            return self.peer.hang_up();
        }
        let response = self.process(request, path);
        self.after().await;
        self.deliver(response).await
    }

    async fn before(&self) {
        if self.script.hold_before {
            self.hold().await;
        }
        let delay = self.script.delay.unwrap_or(self.endpoint_state.behaviour.exchange_time);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    async fn after(&self) {
        if self.script.hold_after {
            self.hold().await;
        }
        if let Some(delay) = self.script.delay_answer {
            tokio::time::sleep(delay).await;
        }
    }

    async fn hold(&self) {
        let held = HeldRequest {
            seq: self.seq,
            account: self.account.clone(),
            via: self.via.clone(),
            peer: self.peer.address,
            processed: self.decision != Decision::Open,
        };
        let released = {
            let mut state = self.endpoint_state.state();
            state.referee.held(self.seq);
            state.holds.hold(held)
        };
        self.endpoint_state.events.notify_waiters();
        // The sender goes away unsent only with the server itself.
        let _ = released.await;
    }

    /// Decides and books in one piece: nothing can come between.
    fn process(&mut self, request: &TokenRequest, path: &str) -> Response {
        let endpoint_state = self.endpoint_state.clone();
        let state = &mut *endpoint_state.state();
        let (decision, mut response) = self.decide(state, request, path);
        if let Some(rules) = endpoint_state.behaviour.dpop {
            reply::bring_nonce(&mut response, &state.proofs.next_nonce(rules));
        }
        self.decision = decision;
        state.referee.decide(self.seq, decision);
        // The account that is meant is in the referee's log, by this number.
        tracing::debug!(seq = self.seq, ?decision, "refresh token presented");
        response
    }

    fn decide(&mut self, state: &mut State, request: &TokenRequest, path: &str) -> (Decision, Response) {
        let behaviour = &self.endpoint_state.behaviour;
        let answer = self.script.answer.take();
        if let Some(Fault::Answer(reply)) = answer {
            return (Decision::Answered, reply.into_response(path));
        }
        let holder = match self.holder(state, request, path) {
            Ok(holder) => holder,
            Err(unfit) => return self.turned_away(unfit, path),
        };
        let now = self.endpoint_state.now(state);
        let (decision, pair) = match state.grants.present(&self.token, now) {
            Outcome::Rotated(pair) => (Decision::Rotated, Some(pair)),
            Outcome::Renewed(pair) => (Decision::Renewed, Some(pair)),
            Outcome::Replayed(pair) => (Decision::Replayed, Some(pair)),
            Outcome::Refused => (Decision::Refused, None),
            Outcome::Reused => (Decision::Reused, None),
            Outcome::Burned => (Decision::Burned, None),
        };
        if pair.is_some() {
            state.grants.bind(&self.token, &holder);
        }
        if let Some(Fault::AnswerAfter(reply)) = answer {
            return (decision, reply.into_response(path));
        }
        let Some(pair) = pair else { return (decision, behaviour.refusal.clone().into_response(path)) };
        let mut success = behaviour.success(&pair);
        match answer {
            Some(Fault::OmitAccessToken) => drop(success.remove("access_token")),
            Some(Fault::OmitRefreshToken) => drop(success.remove("refresh_token")),
            _ => {}
        }
        (decision, success_response(success))
    }

    /// Returns the holder that presents, if it is authorised. Proof and assertion are used up in either case.
    fn holder(&self, state: &mut State, request: &TokenRequest, path: &str) -> Result<Holder, Unfit> {
        let behaviour = &self.endpoint_state.behaviour;
        let issuers = [issuer(&request.host, None), issuer(&request.host, self.via.as_deref())];
        let caller = behaviour.client.caller(request, &issuers, &mut state.assertions);
        let url = format!("http://{}{path}", request.host);
        let proof = behaviour.dpop.map(|_| state.proofs.verify(&request.proofs, &url));
        let Caller::Known { key: client_key } = caller else { return Err(Unfit::Client) };
        let key = match proof {
            None => None,
            Some(Proof::Good(thumbprint)) => Some(thumbprint),
            Some(Proof::Bad(why)) => return Err(Unfit::Proof(why)),
            Some(Proof::WithoutNonce) => return Err(Unfit::Nonce),
        };
        let holder = Holder { key, client_key };
        state.grants.bound_to_another(&self.token, &holder).map_or(Ok(holder), |key| Err(Unfit::Key(key)))
    }

    fn turned_away(&self, unfit: Unfit, path: &str) -> (Decision, Response) {
        let response = match unfit {
            Unfit::Client => Reply::InvalidClient.into_response(path),
            Unfit::Proof(why) => reply::bad_proof(why),
            Unfit::Nonce => return (Decision::NonceWanted, Reply::UseDpopNonce.into_response(path)),
            Unfit::Key(OtherKey::Proof) => reply::bound_to_another_key(),
            Unfit::Key(OtherKey::Client) => self.endpoint_state.behaviour.refusal.clone().into_response(path),
        };
        (Decision::Refused, response)
    }

    async fn deliver(mut self, response: Response) -> Response {
        if self.peer.is_gone() {
            return self.peer.hang_up();
        }
        match self.script.delivery {
            Some(Fault::LoseAnswer) => {
                self.delivery = Delivery::Lost;
                self.peer.hang_up()
            }
            Some(Fault::Truncate) => {
                self.delivery = Delivery::Truncated;
                self.peer.break_off(response).await
            }
            _ => {
                self.delivery = Delivery::Sent;
                response
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        {
            let mut state = self.endpoint_state.state();
            state.holds.forget(self.seq);
            if self.decision == Decision::Open {
                state.referee.decide(self.seq, Decision::Dropped);
            }
            state.referee.close(self.seq, &self.fingerprint, self.delivery, self.endpoint_state.elapsed_ms());
        }
        self.endpoint_state.events.notify_waiters();
    }
}
