//! Redis, asked.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use solekey::core::ExposeSecret as _;
use solekey_redis_link::{
    DownReason, Event, Eviction, LinkError, LinkOptions, LinkPhase, RedisLink, Value, cmd,
};

use super::{
    RedisPart, clock,
    finding::Finding,
    info::{Info, Kept},
    spans::Spans,
};

/// Queries everything that is assessed, over a link of its own.
pub(super) async fn examine(part: &RedisPart, rows: bool) -> Vec<Finding> {
    let link = match RedisLink::connect(part.url.expose_secret(), options()).await {
        Ok(link) => link,
        Err(error) => {
            return vec![Finding::error(REACHABLE, error.to_string(), "correct redis.url")];
        }
    };
    let mut findings = match read_info(&link).await {
        Ok(info) => info.assess(Kept { rows, accept_loss: part.accept_loss }),
        Err(error) if is_denied(&error) => without_info(link.eviction(), rows),
        Err(error) => vec![unreachable(link.state().phase, &error)],
    };
    if link.state().is_up() {
        findings.extend(latency(&link).await);
        findings.extend(clock(&link).await);
        findings.push(keys(&link, &part.prefix).await);
        findings.push(push(&link, &part.prefix).await);
    }
    link.close().await;
    findings
}

async fn read_info(link: &RedisLink) -> Result<Info, LinkError> {
    let text: String = link.query(&cmd("INFO")).await?;
    let mut info = Info::parse(&text);
    // A managed server may refuse it.
    let answer = link.query::<HashMap<String, String>>(cmd("CONFIG").arg("GET").arg("appendfsync")).await;
    info.appendfsync = answer.ok().and_then(|mut settings| settings.remove("appendfsync"));
    Ok(info)
}

/// The server is there, and the user may not ask it.
fn is_denied(error: &LinkError) -> bool {
    matches!(error, LinkError::Refused { code, .. } if code == "NOPERM")
}

/// What is left to find where `INFO` is not allowed: what `CONFIG GET` shows of eviction.
fn without_info(eviction: Eviction, rows: bool) -> Vec<Finding> {
    let check = "redis.eviction";
    let advice = "set maxmemory-policy noeviction";
    let denied = "INFO is not allowed: version, role, memory and persistence are not checked";
    let eviction = match eviction {
        Eviction::Never => Finding::ok(check, "a full server refuses writes and forgets nothing"),
        Eviction::Possible if rows => Finding::error(check, "a full server may forget accounts", advice),
        Eviction::Possible => Finding::warning(check, "a full server forgets answers and tokens", advice),
        _ => Finding::note(check, "neither INFO nor CONFIG GET is allowed: see to it that it is noeviction"),
    };
    vec![Finding::note("redis.info", denied), eviction]
}

/// Writes, reads and removes a key under the prefix, which a user may not be allowed to.
async fn keys(link: &RedisLink, prefix: &str) -> Finding {
    let check = "redis.keys";
    let key = format!("{prefix}:doctor:{}", std::process::id());
    let tried = async {
        link.query::<Value>(cmd("SET").arg(&key).arg("?").arg("PX").arg(10_000)).await?;
        link.query::<Value>(cmd("GET").arg(&key)).await?;
        link.query::<Value>(cmd("DEL").arg(&key)).await
    };
    match tried.await {
        Ok(_) => Finding::ok(check, "keys under the prefix can be written and read"),
        Err(error) => Finding::error(
            check,
            error.to_string(),
            "let the user of redis.url read and write the keys of the prefix, with scripts; make room if memory is full",
        ),
    }
}

fn unreachable(phase: LinkPhase, error: &LinkError) -> Finding {
    let advice = match phase {
        LinkPhase::Down(DownReason::TurnedAway) => {
            "check user, password and database in redis.url, and its ACL"
        }
        _ => "start it, or correct redis.url; without it replicas coordinate through the store alone",
    };
    Finding::error(REACHABLE, error.to_string(), advice)
}

async fn latency(link: &RedisLink) -> Option<Finding> {
    let spans = Spans::of(PINGS, async || link.query::<String>(&cmd("PING")).await.ok().map(drop)).await?;
    Some(assess_latency(spans.median(), spans.to_string()))
}

fn assess_latency(median: Duration, observed: String) -> Finding {
    let check = "redis.latency";
    let slow = LinkOptions::default().slow;
    match median {
        median if median >= slow => {
            Finding::error(check, observed, "move it nearer: an answer this slow counts as an outage")
        }
        median if median >= slow / 10 => {
            Finding::warning(check, observed, "move it nearer: it is on the way of every first request")
        }
        _ => Finding::ok(check, observed),
    }
}

async fn clock(link: &RedisLink) -> Option<Finding> {
    clock::compare("redis.clock", async || {
        let (seconds, micros): (u64, u32) = link.query(&cmd("TIME")).await.ok()?;
        Some(Duration::new(seconds, micros.min(999_999) * 1000))
    })
    .await
}

/// Checks that a published message arrives: without such messages waiters poll.
async fn push(link: &RedisLink, prefix: &str) -> Finding {
    let check = "redis.push";
    let channel = format!("{prefix}:news");
    // Nobody takes it for a change of an account.
    let message = format!("doctor {}", std::process::id());
    let mut change_feed = link.subscribe([channel.as_str()]).await;
    let began = Instant::now();
    let arrived = async {
        link.query::<i64>(cmd("PUBLISH").arg(&channel).arg(&message)).await.ok()?;
        loop {
            match change_feed.next().await? {
                Event::Notification(heard) if *heard.payload == *message.as_bytes() => return Some(()),
                Event::Notification(_) | Event::Gap => {}
            }
        }
    };
    match tokio::time::timeout(PUSH, arrived).await {
        Ok(Some(())) => Finding::ok(check, format!("a message arrives after {:.1?}", began.elapsed())),
        Ok(None) | Err(_) => Finding::warning(
            check,
            "no message arrives",
            "allow SUBSCRIBE and PUBLISH on the prefix' channel: until then waiters poll every 25 to 250 ms",
        ),
    }
}

/// Returns options with long timeouts, which distinguish a slow server from one that is not there.
fn options() -> LinkOptions {
    let patient = Duration::from_secs(2);
    LinkOptions {
        command_timeout: patient,
        connect_timeout: patient,
        slow: patient,
        ..LinkOptions::default()
    }
}

const REACHABLE: &str = "redis.reachable";
const PINGS: usize = 21;
const PUSH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn an_answer_in_a_quarter_of_a_second_is_an_outage_and_one_in_a_tenth_of_that_is_slow() {
        let level = |millis| assess_latency(Duration::from_millis(millis), String::new()).level;
        for (millis, expected) in [
            (0, Level::Ok),
            (24, Level::Ok),
            (25, Level::Warning),
            (249, Level::Warning),
            (250, Level::Error),
        ] {
            assert_eq!(level(millis), expected, "{millis} ms");
        }
    }
}
