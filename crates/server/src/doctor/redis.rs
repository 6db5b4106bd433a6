//! Redis, asked.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use solekey::core::ExposeSecret as _;
use solekey_redis_link::{DownReason, Event, LinkError, LinkOptions, LinkPhase, RedisLink, cmd};

use super::{
    RedisPart, clock,
    finding::Finding,
    info::{Info, Kept},
    spans::Spans,
};

/// Asks the server for everything that is judged, over a link of its own.
pub(super) async fn examine(part: &RedisPart, rows: bool) -> Vec<Finding> {
    let link = match RedisLink::connect(part.url.expose_secret(), options()).await {
        Ok(link) => link,
        Err(error) => {
            return vec![Finding::error(REACHABLE, error.to_string(), "correct redis.url")];
        }
    };
    let mut findings = match read_info(&link).await {
        Ok(info) => info.judge(Kept { rows, accept_loss: part.accept_loss }),
        Err(error) => vec![unreachable(link.state().phase, &error)],
    };
    if link.state().is_up() {
        findings.extend(latency(&link).await);
        findings.extend(clock(&link).await);
        findings.push(push(&link).await);
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

fn unreachable(phase: LinkPhase, error: &LinkError) -> Finding {
    let advice = match phase {
        LinkPhase::Down(DownReason::TurnedAway) => {
            "look at user, password and database in redis.url, and at its ACL"
        }
        _ => "start it, or correct redis.url; without it replicas coordinate through the store alone",
    };
    Finding::error(REACHABLE, error.to_string(), advice)
}

async fn latency(link: &RedisLink) -> Option<Finding> {
    let check = "redis.latency";
    let spans = Spans::of(PINGS, async || link.query::<String>(&cmd("PING")).await.ok().map(drop)).await?;
    let said = spans.to_string();
    let slow = LinkOptions::default().slow;
    Some(match spans.median() {
        median if median >= slow => {
            Finding::error(check, said, "move it nearer: an answer this slow counts as an outage")
        }
        median if median >= slow / 10 => {
            Finding::warning(check, said, "move it nearer: it is on the way of every first request")
        }
        _ => Finding::ok(check, said),
    })
}

async fn clock(link: &RedisLink) -> Option<Finding> {
    clock::compare("redis.clock", async || {
        let (seconds, micros): (u64, u32) = link.query(&cmd("TIME")).await.ok()?;
        Some(Duration::new(seconds, micros.min(999_999) * 1000))
    })
    .await
}

/// Whether a push arrives: without it waiters poll.
async fn push(link: &RedisLink) -> Finding {
    let check = "redis.push";
    let channel = format!("solekey-doctor-{}", std::process::id());
    let mut news = link.subscribe([channel.as_str()]).await;
    let began = Instant::now();
    let arrived = async {
        link.query::<i64>(cmd("PUBLISH").arg(&channel).arg("?")).await.ok()?;
        loop {
            match news.next().await? {
                Event::News(_) => return Some(()),
                Event::Gap => {}
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

/// Patient: a slow server is to be told from one that is not there.
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
