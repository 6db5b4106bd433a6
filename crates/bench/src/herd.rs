//! Everybody wants the token of one account that has expired, at the same moment.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use redis::aio::MultiplexedConnection;
use solekey::Solekey;
use solekey_testkit::redis::RedisServer;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    effort::Effort,
    replica::{Endpoint, account, builder, token},
    rounds::median,
    server,
    table::{Bound, Row, time},
};

pub(crate) const NAME: &str = "herd";

pub(crate) async fn run(effort: &Effort) -> Result<Vec<Row>> {
    let redis = server::redis().await?;
    let callers = effort.callers;
    let few = replicas(effort, &redis, REPLICAS, callers.div_ceil(10)).await?;
    let many = replicas(effort, &redis, REPLICAS, callers).await?;
    let half = replicas(effort, &redis, REPLICAS / 2, callers).await?;

    let presented = many.presentations.max(few.presentations).max(half.presentations);
    let crowd = format!("{REPLICAS} replicas x {callers} callers");
    let mut rows = vec![
        Row::bounded(
            NAME,
            format!("{crowd}: presentations"),
            short(presented),
            "",
            presented,
            Bound::AtMost(1.0),
        ),
        Row::bounded(
            NAME,
            "Redis commands: ten times the callers",
            short(many.commands),
            format!("{} with {} callers per replica", few.commands, callers.div_ceil(10)),
            many.commands / few.commands,
            Bound::AtMost(1.5),
        ),
        Row::bounded(
            NAME,
            "Redis commands: twice the replicas",
            short(many.commands),
            format!("{} with {} replicas", half.commands, REPLICAS / 2),
            many.commands / half.commands,
            Bound::AtMost(3.0),
        ),
    ];
    for polling in POLLINGS {
        let polled = polls(effort, &redis, polling).await?;
        let compared = match polled.gave_up {
            0 => format!("{}: {}, {} commands", polling.name, time(polled.last), polled.commands),
            gave_up => format!(
                "{}: {}, {} commands, {gave_up} of {} gave up",
                polling.name,
                time(polled.last),
                polled.commands,
                REPLICAS * callers
            ),
        };
        let what = format!("{crowd}: provider's answer to the last caller's; how much sooner");
        rows.push(Row::shown(NAME, what, time(many.last), compared, Some(polled.last / many.last)));
    }
    Ok(rows)
}

/// The costs of one way of waiting, in the median of some herds.
struct Figures {
    /// From the provider's answer to the last caller's, in seconds.
    last: f64,
    commands: f64,
    presentations: f64,
    gave_up: usize,
}

impl Figures {
    /// The median of each; of presentations the most.
    fn of(herds: &[Self]) -> Self {
        Self {
            last: median(herds.iter().map(|herd| herd.last)),
            commands: median(herds.iter().map(|herd| herd.commands)),
            presentations: herds.iter().map(|herd| herd.presentations).fold(0.0, f64::max),
            gave_up: herds.iter().map(|herd| herd.gave_up).max().unwrap_or_default(),
        }
    }
}

async fn replicas(effort: &Effort, redis: &RedisServer, replicas: usize, callers: usize) -> Result<Figures> {
    let mut herds = Vec::new();
    for _ in 0..effort.rounds.div_ceil(4) {
        herds.push(herd(redis, replicas, callers).await?);
    }
    Ok(Figures::of(&herds))
}

async fn herd(redis: &RedisServer, replicas: usize, callers: usize) -> Result<Figures> {
    let endpoint = Endpoint::new();
    let folder = tempfile::tempdir()?;
    let prefix = format!("herd-{}", uuid::Uuid::new_v4().simple());
    let mut fleet: Vec<Solekey> = Vec::new();
    for _ in 0..replicas {
        let builder = builder(&endpoint)?.redis(redis.url()).redis_prefix(&prefix).state_dir(folder.path());
        fleet.push(builder.build().await?);
    }
    // A refresh token alone: there is nothing to serve.
    let document = br#"{"refresh_token":"refresh"}"#;
    fleet[0].login(&account(0), document, false).await?;

    let before = server::processed(redis).await?;
    let mut crowd = JoinSet::new();
    for replica in &fleet {
        for _ in 0..callers {
            let replica = replica.clone();
            crowd.spawn(async move {
                replica.token(&account(0)).await?;
                anyhow::Ok(Instant::now())
            });
        }
    }
    sleep(EXCHANGE).await;
    ensure!(waiting(&fleet).await == replicas * callers, "everybody waits");
    endpoint.let_one_through();
    let mut last = None;
    while let Some(got) = crowd.join_next().await {
        last = last.max(Some(got??));
    }
    let commands = server::processed(redis).await? - before;
    let answered = endpoint.answered().context("an answer")?;
    let last = last.context("a caller")?.saturating_duration_since(answered).as_secs_f64();
    for replica in &fleet {
        replica.shutdown(Duration::from_secs(5)).await;
    }
    let presentations = endpoint.presentations() as f64;
    Ok(Figures { last, commands: commands as f64, presentations, gave_up: 0 })
}

async fn waiting(fleet: &[Solekey]) -> usize {
    let mut waiting = 0;
    for replica in fleet {
        waiting += replica.health().await.waiting;
    }
    waiting
}

/// The way in which peers wait for the token: every caller reads Redis after each of these pauses.
#[derive(Clone, Copy)]
struct Polling {
    name: &'static str,
    pauses_ms: &'static [u64],
    /// True if the last pause is repeated; else the caller gives up after it.
    for_ever: bool,
}

const POLLINGS: [Polling; 3] = [
    Polling { name: "polling every 50 ms", pauses_ms: &[50], for_ever: true },
    Polling { name: "polling every 100 ms", pauses_ms: &[100], for_ever: true },
    Polling {
        name: "polling after 20/40/80/120/120 ms",
        pauses_ms: &[20, 40, 80, 120, 120],
        for_ever: false,
    },
];

async fn polls(effort: &Effort, redis: &RedisServer, polling: Polling) -> Result<Figures> {
    let mut herds = Vec::new();
    for _ in 0..effort.rounds.div_ceil(4) {
        herds.push(poll_herd(effort, redis, polling).await?);
    }
    Ok(Figures::of(&herds))
}

async fn poll_herd(effort: &Effort, redis: &RedisServer, polling: Polling) -> Result<Figures> {
    let key = format!("herd-{}", uuid::Uuid::new_v4().simple());
    let mut owner = server::raw(redis).await?;
    let before = server::processed(redis).await?;
    let mut crowd = JoinSet::new();
    for _ in 0..REPLICAS {
        let replica = server::raw(redis).await?;
        for _ in 0..effort.callers {
            crowd.spawn(poll(replica.clone(), key.clone(), polling));
        }
    }
    sleep(EXCHANGE).await;
    let answered = Instant::now();
    redis::cmd("SET").arg(&key).arg(token(0)).exec_async(&mut owner).await?;
    let (mut last, mut gave_up) = (answered, 0);
    while let Some(got) = crowd.join_next().await {
        match got?? {
            Some(got) => last = last.max(got),
            None => gave_up += 1,
        }
    }
    let commands = server::processed(redis).await? - before;
    Ok(Figures {
        last: (last - answered).as_secs_f64(),
        commands: commands as f64,
        presentations: 1.0,
        gave_up,
    })
}

/// The moment at which the token was there; nothing if the caller gave up.
async fn poll(mut redis: MultiplexedConnection, key: String, polling: Polling) -> Result<Option<Instant>> {
    let mut pauses = polling.pauses_ms.iter();
    let mut pause = 0;
    loop {
        let found: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query_async(&mut redis).await?;
        if found.is_some() {
            return Ok(Some(Instant::now()));
        }
        pause = match pauses.next() {
            Some(pause) => *pause,
            None if polling.for_ever => pause,
            None => return Ok(None),
        };
        sleep(Duration::from_millis(pause)).await;
    }
}

fn short(count: f64) -> String {
    format!("{count:.0}")
}

const REPLICAS: usize = 8;
/// The time that the provider takes.
const EXCHANGE: Duration = Duration::from_millis(300);
