//! The token endpoint as one process sees it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use solekey_core::{
    Account, Dialect, ExposeSecret as _, Generation,
    ports::{Answers as _, ExchangeRequest, TokenEndpoint, Wire},
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout_at},
};

use super::{
    history::{Fault, Request, What, Who},
    network::at_once,
    process::Process,
    provider::Pair,
    setup::OfWhatStays,
    world::{World, lock, refresh_token},
};

/// The way to the provider.
pub(crate) struct SimEndpoint {
    process: Arc<Process>,
    dialect: Dialect,
}

/// The fate of an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Fine,
    NotSent,
    LostBefore,
    LostAfter,
    /// Processed after the caller's timeout.
    Late,
    Slow,
    /// Processed at once, answered late.
    SlowAnswer,
    /// Processed at once, answered when the callers were let go.
    LateAnswer,
    RateLimited,
    Unavailable,
    /// A proxy before the provider gave up after the token was processed.
    UnavailableAfter,
    Nonce,
    ErrorBefore,
    /// A server error whose body blames the grant.
    Blaming,
    ErrorAfter,
    Page,
    Redirect,
    /// Half a body: a whole answer that nobody understands, or the connection ends in it.
    Truncated,
    Stranger,
}

const TROUBLES: [(Fate, &str); 17] = [
    (Fate::NotSent, "not sent"),
    (Fate::LostBefore, "lost before processing"),
    (Fate::LostAfter, "answer lost"),
    (Fate::LostAfter, "answer lost"),
    (Fate::Late, "processed after the timeout"),
    (Fate::Slow, "slow"),
    (Fate::SlowAnswer, "slow answer"),
    (Fate::LateAnswer, "answered after the timeout"),
    (Fate::UnavailableAfter, "503 after processing"),
    (Fate::Nonce, "wants a nonce"),
    (Fate::RateLimited, "429"),
    (Fate::ErrorBefore, "500 before processing"),
    (Fate::Blaming, "500 with invalid_grant"),
    (Fate::ErrorAfter, "500 after processing"),
    (Fate::Page, "403 page"),
    (Fate::Redirect, "302"),
    (Fate::Truncated, "truncated"),
];

impl SimEndpoint {
    pub(crate) fn new(process: &Arc<Process>) -> Self {
        let mut dialect = Dialect::rfc6749();
        if process.world.setup.unavailable_is_unprocessed {
            dialect = dialect.not_processed([StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE]);
        }
        Self { process: Arc::clone(process), dialect }
    }

    fn draw(&self, account: &Account) -> Fate {
        let Process { world, rng, .. } = &*self.process;
        if world.is_cut_off() {
            return Fate::NotSent;
        }
        let provider = lock(&world.provider);
        let now = world.now();
        if world.is_healed()
            && now >= provider.down_until
            && now >= provider.stranger_until
            && provider.estranged.is_none()
        {
            return Fate::Fine;
        }
        let (fate, kind) = if now < provider.stranger_until || provider.estranged.as_ref() == Some(account) {
            (Fate::Stranger, "invalid_client")
        } else if now < provider.down_until {
            if rng.chance(600) {
                (Fate::Unavailable, "503")
            } else {
                (Fate::LostBefore, "lost before processing")
            }
        } else if now < provider.nonce_until {
            (Fate::Nonce, "wants a nonce")
        } else if !world.is_healed() && rng.chance(world.setup.faults.exchange) {
            match rng.pick(&TROUBLES) {
                // This provider keeps its word.
                (Fate::UnavailableAfter, _) if world.setup.unavailable_is_unprocessed => {
                    (Fate::Unavailable, "503")
                }
                other => other,
            }
        } else {
            return Fate::Fine;
        };
        drop(provider);
        world.log(self.process.who(), What::Struck(Fault { line: "endpoint", operation: "exchange", kind }));
        fate
    }

    /// The time at which the request reaches the provider: later than the caller's patience perhaps, but, as promise 1
    /// assumes, while the attempt is in flight.
    fn arrival(&self, fate: Fate, span: Duration, margin: Duration) -> Duration {
        let rng = &self.process.rng;
        let ms = Duration::from_millis;
        if self.process.world.is_healed() {
            return rng.span(ms(5), ms(60).min(span / 4));
        }
        match fate {
            Fate::Late if margin > span + ms(2) => rng.span(span + ms(1), margin.saturating_sub(ms(1))),
            Fate::Slow | Fate::Late => rng.span(span / 2, span * 9 / 10),
            _ => rng.span(ms(1), ms(200).min(span / 3)),
        }
    }
}

#[async_trait]
impl TokenEndpoint for SimEndpoint {
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, span: Duration) -> Wire {
        let process = &self.process;
        let world = &process.world;
        if process.is_dead() {
            std::future::pending::<()>().await;
        }
        let token: Arc<str> = request.refresh_token.expose_secret().into();
        let attempt = process.take_attempt(account);
        let fate = self.draw(account);
        if fate == Fate::NotSent {
            world.log(process.who(), What::NotSent { account: account.clone() });
            sleep(Duration::from_millis(2)).await;
            process.bucket().await;
            return Wire::NotSent { why: "the simulation did not connect".into() };
        }
        let began = tokio::time::Instant::now();
        let (deadline, end) = (began + span, began + request.read_for.unwrap_or(span));
        let number = world.next_request();
        let (_, row_token, _) = world.peek(account);
        let token_sent = Arc::clone(&token);
        let sent = Request {
            number,
            account: account.clone(),
            attempt,
            token: token_sent,
            row_token,
            timeout: span,
        };
        world.log(process.who(), What::Sent(sent));
        let until = world.until(account, attempt);
        world.take_in_hand(process.who(), account, until);
        let margin = until.saturating_sub(world.now());
        let arrival = self.arrival(fate, span, margin);
        let (report, answer) = oneshot::channel();
        let way = match fate {
            Fate::SlowAnswer => process.rng.span(span / 2, span * 9 / 10),
            // Before its attempt's `until`, after it, or when nobody reads any more.
            Fate::LateAnswer => span + process.rng.skewed((end - began) * 9 / 8),
            _ => Duration::ZERO,
        };
        let on_the_way = way.saturating_sub(arrival);
        let visit = Visit { process: Arc::clone(process), account: account.clone(), number, token, fate };
        tokio::spawn(async move {
            sleep(arrival).await;
            if let Some(wire) = visit.process() {
                sleep(on_the_way).await;
                drop(report.send(wire));
            }
        });
        let mut answer = answer;
        let mut wire = timeout_at(deadline, &mut answer).await;
        if wire.is_err() {
            // Nobody waits any more; what comes now is read while the process runs.
            world.put_down(process.who(), account);
            wire = timeout_at(end, answer).await;
        }
        let wire = wire.ok().and_then(Result::ok);
        // A lost answer may show as a reset long before the timeout, or long after it.
        if wire.is_none() && (fate != Fate::LostAfter || process.rng.chance(500)) {
            let late = !world.is_healed() && process.rng.chance(200);
            let reset = if late { began + process.rng.span(span, end - began) } else { deadline };
            tokio::time::sleep_until(reset).await;
        }
        let wire = wire.unwrap_or_else(|| Wire::Lost { why: "the simulation lost it".into() });
        process.bucket().await;
        self.heard(number, account, attempt, &wire);
        wire
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn client(&self) -> &'static str {
        "https://acme.example/token gateway"
    }
}

impl SimEndpoint {
    fn heard(&self, request: usize, account: &Account, attempt: Option<Generation>, wire: &Wire) {
        let world = &self.process.world;
        let (response, pair) = match wire {
            Wire::Reply { status, body, .. } => {
                let pair = status.is_success() && serde_json::from_slice::<serde_json::Value>(body).is_ok();
                (format!("{} {}", status.as_u16(), String::from_utf8_lossy(body)), pair)
            }
            _ => ("nothing".into(), false),
        };
        if !pair {
            world.put_down(self.process.who(), account);
        }
        world.log(
            self.process.who(),
            What::Heard { request, account: account.clone(), attempt, response, pair },
        );
    }
}

/// One request at the provider.
struct Visit {
    process: Arc<Process>,
    account: Account,
    number: usize,
    token: Arc<str>,
    fate: Fate,
}

impl Visit {
    /// The provider's answer; nothing where it is lost.
    fn process(self) -> Option<Wire> {
        let Process { world, rng, .. } = &*self.process;
        // A process that dies takes some of its requests along.
        let torn = self.process.is_dead() && rng.chance(300);
        match self.fate {
            _ if torn => self.dropped(),
            Fate::LostBefore => self.dropped(),
            Fate::RateLimited => {
                self.dropped();
                return Some(rate_limited(rng.below(6)));
            }
            Fate::Unavailable => {
                self.dropped();
                return Some(reply(503, "<html>down</html>"));
            }
            Fate::Nonce => {
                self.dropped();
                return Some(reply(400, r#"{"error":"use_dpop_nonce"}"#));
            }
            Fate::ErrorBefore => {
                self.dropped();
                return Some(reply(500, r#"{"error":"server_error"}"#));
            }
            Fate::Blaming => {
                self.dropped();
                return Some(reply(500, r#"{"error":"invalid_grant"}"#));
            }
            Fate::Page => {
                self.dropped();
                return Some(reply(403, "<html><body>blocked</body></html>"));
            }
            Fate::Redirect => {
                self.dropped();
                return Some(reply(302, ""));
            }
            Fate::Stranger => {
                self.dropped();
                return Some(reply(401, r#"{"error":"invalid_client"}"#));
            }
            _ => {
                let body = self.present(world);
                return match (self.fate, body) {
                    (Fate::LostAfter, _) => None,
                    (Fate::ErrorAfter, _) => Some(reply(500, "oops")),
                    (Fate::UnavailableAfter, _) => Some(reply(503, "<html>down</html>")),
                    (_, None) => Some(reply(400, r#"{"error":"invalid_grant"}"#)),
                    (Fate::Truncated, Some(body)) if lock(&world.provider).may_garble() => {
                        Some(reply(200, &body[..body.len() / 2]))
                    }
                    (Fate::Truncated, Some(_)) => Some(Wire::Lost { why: "the simulation cut it".into() }),
                    (_, Some(body)) => Some(reply(200, &body)),
                };
            }
        }
        None
    }

    fn dropped(&self) {
        self.process.world.log(Who::Provider, What::Dropped { request: self.number });
    }

    fn present(&self, world: &World) -> Option<String> {
        let now = world.now();
        let living = self.living(world);
        let mut provider = lock(&world.provider);
        let (seen, pair) = provider.present(&self.token, now);
        let response = pair.map(|pair| {
            let (body, answer) = self.body(&pair, provider.left(&pair.access, now));
            provider.say(&pair.access, answer, now);
            (body, answer)
        });
        drop(provider);
        let (request, token) = (self.number, Arc::clone(&self.token));
        let ends = response.as_ref().and_then(|(_, answer)| Some(now + (*answer)?));
        world.log(Who::Provider, What::Processed { request, token, seen, living, ends });
        response.map(|(body, _)| body)
    }

    /// The location of another pair of the same grant that works as long as this token does no harm.
    fn living(&self, world: &World) -> Option<&'static str> {
        let (now, (_, row, _)) = (world.now(), world.peek(&self.account));
        let provider = lock(&world.provider);
        let family = provider.family_of(&self.token);
        let lives = |other: &str| {
            *other != *self.token
                && provider.family_of(other) == family
                && provider.would(other, now).is_pair()
        };
        if row.as_deref().is_some_and(lives) {
            return Some("row");
        }
        let newest = at_once(world.answers.newest(&self.account)).ok()?.newest?;
        refresh_token(newest.payload.as_bytes()).as_deref().is_some_and(lives).then_some("answers")
    }

    /// The part of the answer about the refresh token, with a comma behind it.
    fn of_refresh(&self, refresh: &str) -> String {
        let stays = *refresh == *self.token;
        match self.process.world.setup.of_what_stays {
            OfWhatStays::LeftOut if stays => String::new(),
            OfWhatStays::Empty if stays => r#""refresh_token":"","#.into(),
            OfWhatStays::Null if stays => r#""refresh_token":null,"#.into(),
            _ => format!(r#""refresh_token":"{refresh}","#),
        }
    }

    /// The answer, and the lifetime it gives the access token.
    fn body(&self, pair: &Pair, lifetime: Duration) -> (String, Option<Duration>) {
        let Pair { access, refresh } = pair;
        let secs = lifetime.as_secs();
        let refresh = self.of_refresh(refresh);
        let plain = format!(r#"{refresh}"expires_in":{secs}"#);
        let Process { world, rng, .. } = &*self.process;
        if world.is_healed() || !rng.chance(world.setup.faults.odd) {
            return (format!(r#"{{"access_token":"{access}",{plain}}}"#), Some(lifetime));
        }
        let kinds = ["no access token", "0", "-5", "missing", "huge", "short", "text"];
        let kind = rng.pick(&kinds);
        world.log(
            self.process.who(),
            What::Struck(Fault { line: "endpoint", operation: "body", kind: odd(kind) }),
        );
        let with = |expires: &str| {
            format!(r#"{{"access_token":"{access}",{refresh}"token_type":"Bearer"{expires}}}"#)
        };
        match kind {
            "no access token" => (format!("{{{plain}}}"), Some(Duration::ZERO)),
            "0" => (with(r#","expires_in":0"#), None),
            "-5" => (with(r#","expires_in":-5"#), None),
            "huge" => {
                let huge = 400_000_000;
                (with(&format!(r#","expires_in":{huge}"#)), Some(Duration::from_secs(huge)))
            }
            "short" => (with(r#","expires_in":5"#), Some(Duration::from_secs(5))),
            "text" => (with(&format!(r#","expires_in":"{secs}""#)), Some(lifetime)),
            _ => (with(""), None),
        }
    }
}

fn odd(kind: &'static str) -> &'static str {
    match kind {
        "no access token" => "200 without access token",
        "0" | "-5" | "missing" => "no usable expires_in",
        _ => "odd expires_in",
    }
}

fn rate_limited(kind: usize) -> Wire {
    let mut headers = HeaderMap::new();
    let value = ["", "1", "5", "20", "soon", "31536000"][kind];
    if !value.is_empty() {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
    }
    Wire::Reply { status: StatusCode::TOO_MANY_REQUESTS, headers, body: Bytes::new() }
}

fn reply(status: u16, body: &str) -> Wire {
    let status = StatusCode::from_u16(status).expect("a status");
    Wire::Reply { status, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) }
}
