//! Random answers and faults of a strict authorization server, behind a wire that misbehaves: a refresh token is sent
//! once, on a connection of its own, to the address that was configured.

use fastrand::Rng;
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderValue, LOCATION},
};
use solekey_conformance::model::Plan;
use solekey_testkit::{
    provider::{AuthorizationServer, Fault, Replay, Reply},
    proxy::{Direction, FaultProxy, Mode},
};

use super::*;

struct World {
    provider: AuthorizationServer,
    /// A server that nobody was sent to.
    stranger: AuthorizationServer,
    wire: FaultProxy,
    endpoint: HttpEndpoint,
}

/// The faults that an exchange meets.
#[derive(Clone, Debug)]
struct FaultProfile {
    fault: Option<Fault>,
    mode: Mode,
}

impl World {
    async fn new() -> Self {
        let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
        let stranger = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
        let wire = FaultProxy::start(provider.address()).await.unwrap();
        let path = provider.token_url().split_once(&provider.address().to_string()).unwrap().1.to_owned();
        let endpoint = at(format!("http://{}{path}", wire.address())).build().unwrap();
        Self { provider, stranger, wire, endpoint }
    }

    fn faults(&self, rng: &mut Rng) -> FaultProfile {
        let mode = match rng.u8(..16) {
            0 => Mode::Cut,
            1 => Mode::Refuse,
            2 => Mode::Lose(Direction::ToClient),
            3 => Mode::Delay(Duration::from_millis(rng.u64(..5))),
            _ => Mode::Pass,
        };
        let fault = match rng.u8(..8) {
            0..2 => Some(Fault::Answer(self.reply(rng))),
            2 => Some(Fault::AnswerAfter(self.reply(rng))),
            3 => Some(Fault::LoseAnswer),
            4 => Some(Fault::Truncate),
            5 => Some(if rng.bool() { Fault::OmitAccessToken } else { Fault::OmitRefreshToken }),
            _ => None,
        };
        FaultProfile { fault, mode }
    }

    fn reply(&self, rng: &mut Rng) -> Reply {
        match rng.u8(..12) {
            0 => Reply::InvalidGrant,
            1 => Reply::InvalidClient,
            2 => Reply::UseDpopNonce,
            3 => Reply::RateLimited(Some(Duration::from_secs(1))),
            4 => Reply::Unavailable(Some(Duration::ZERO)),
            5 => Reply::ServerError,
            6 => Reply::Html(StatusCode::BAD_GATEWAY),
            7 => Reply::RedirectLoop,
            8 => Reply::Garbage200,
            _ => self.redirect(rng),
        }
    }

    fn redirect(&self, rng: &mut Rng) -> Reply {
        let status = [301, 302, 303, 307, 308][rng.usize(..5)];
        let to = if rng.bool() { self.stranger.token_url() } else { self.provider.token_url() };
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(&to).unwrap())]);
        Reply::Raw { status: StatusCode::from_u16(status).unwrap(), headers, body: bytes::Bytes::new() }
    }

    /// One exchange of a pair that was never presented.
    async fn exchange(&self, account: &str, faults: &FaultProfile) {
        let pair = self.provider.grant(account);
        if let Some(fault) = faults.fault.clone() {
            self.provider.inject(fault.once().on(account));
        }
        self.wire.set(faults.mode).await;
        let connections = self.wire.accepted();
        // A reply that never comes is not waited for.
        let lost = faults.mode == Mode::Lose(Direction::ToClient);
        let name = Account::new("acme", account).unwrap();
        let token = secret(pair.refresh_token.as_str());
        let within = if lost { SHORT } else { AMPLE };
        let wire = self.endpoint.exchange(&name, ExchangeRequest::new(&token), within).await;
        let connections = self.wire.accepted() - connections;
        if lost {
            self.wire.set(Mode::Cut).await;
        }
        let tally = self.provider.tally_of(account);
        let story = format!("{account}: {faults:?}: {wire:?}, {tally:?}, {connections} connections");
        assert!(tally.presentations <= 1, "sent again: {story}");
        assert!(tally.presentations == 0 || !is_not_sent(&wire), "sent, and called not sent: {story}");
        if matches!(faults.mode, Mode::Pass | Mode::Delay(_)) {
            assert_eq!(
                (tally.presentations, connections),
                (1, 1),
                "not once, on a connection of its own: {story}"
            );
        }
        assert!(connections <= 1, "several connections: {story}");
        self.provider.clear_faults();
    }
}

#[tokio::test]
async fn whatever_happens_a_token_is_sent_once_on_a_connection_of_its_own_and_to_nobody_else() {
    let Plan { operations, seed } = Plan::from_env();
    println!("SOLEKEY_MODEL_SEED={seed} SOLEKEY_MODEL_OPS={operations}: exchanges");
    let (mut rng, world) = (Rng::with_seed(seed), World::new().await);
    // An exchange takes as long as many operations elsewhere.
    for number in 0..4 * operations.isqrt() {
        let faults = world.faults(&mut rng);
        world.exchange(&format!("account-{number}"), &faults).await;
    }
    assert_eq!(world.stranger.presentations(), 0, "a token went to a stranger");
    assert_eq!(world.provider.double_presentations(), 0);
    assert_eq!(world.provider.burned_accounts(), Vec::<String>::new());
}
