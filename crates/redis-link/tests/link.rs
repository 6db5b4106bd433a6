//! The link against real servers that are killed, paused, demoted and cut off.
#![allow(clippy::unwrap_used, missing_docs)]

mod fixture;

use std::{sync::Arc, time::Duration};

use fixture::{Path, Server, heals, quick, steady, until, within};
use solekey_redis_link::{
    DownReason, Event, Eviction, LinkError, LinkOptions, LinkPhase, Notification, Pipeline, RedisLink,
    Script, ScriptArgs, Subscription, Value, cmd, deadpool_redis,
};

static APPEND: Script =
    Script::new("redis.call('APPEND', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])");

/// A link that keeps its deadlines on a busy machine.
async fn link(url: &str) -> RedisLink {
    RedisLink::connect(url, steady()).await.unwrap()
}

/// A link that soon notices silence.
async fn hasty(url: &str) -> RedisLink {
    RedisLink::connect(url, quick()).await.unwrap()
}

async fn ping(link: &RedisLink) -> Result<String, LinkError> {
    within("a call ends within its deadline", link.query(&cmd("PING"))).await
}

async fn set(link: &RedisLink, key: &str, value: &str) -> Result<(), LinkError> {
    within("a call ends within its deadline", link.query(cmd("SET").arg(key).arg(value))).await
}

async fn next(subscription: &mut Subscription) -> Event {
    within("an event arrives", subscription.next()).await.unwrap()
}

async fn publish(link: &RedisLink, channel: &str, payload: &str) -> i64 {
    link.query(cmd("PUBLISH").arg(channel).arg(payload)).await.unwrap()
}

fn notifications(channel: &str, payload: &str) -> Event {
    Event::Notification(Notification { channel: channel.into(), payload: payload.as_bytes().into() })
}

#[tokio::test]
async fn a_link_starts_without_a_server_and_comes_up_when_one_appears() {
    let mut server = Server::absent();
    let link = link(&server.url()).await;
    assert_eq!(link.state().phase, LinkPhase::Down(DownReason::Unreachable));
    assert_eq!(ping(&link).await, Err(LinkError::Down { why: DownReason::Unreachable }));
    server.restart().await;
    heals(&link).await;
    assert_eq!(link.state().epoch, 1);
}

#[tokio::test]
async fn a_wrong_password_turns_the_link_away_without_an_error_at_the_start() {
    let server = Server::start().await;
    let observer = server.observer().await;
    observer.query::<()>(cmd("CONFIG").arg("SET").arg("requirepass").arg("right")).await.unwrap();
    let link = link(&format!("redis://:wrong@127.0.0.1:{}", server.port())).await;
    assert_eq!(link.state().phase, LinkPhase::Down(DownReason::TurnedAway));
}

#[tokio::test]
async fn a_killed_server_is_down_at_once_and_up_again_with_a_new_epoch() {
    let mut server = Server::start().await;
    let link = link(&server.url()).await;
    let mut states = link.watch_state();
    let before = states.borrow_and_update().epoch;
    server.kill();
    let down = states.wait_for(|state| matches!(state.phase, LinkPhase::Down(_)));
    within("the link notices without being used", down).await.unwrap();
    assert!(matches!(set(&link, "key", "value").await, Err(LinkError::Down { .. })));
    server.restart().await;
    within("the link comes back unasked", states.wait_for(|state| state.is_up() && state.epoch > before))
        .await
        .unwrap();
    set(&link, "key", "value").await.unwrap();
}

#[tokio::test]
async fn a_call_during_a_short_loss_waits_for_the_new_connection() {
    let server = Server::start().await;
    let (link, observer) = (link(&server.url()).await, server.observer().await);
    let mut states = link.watch_state();
    observer.query::<i64>(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal")).await.unwrap();
    within("the loss is noticed", states.wait_for(|state| !state.is_up())).await.unwrap();
    assert_eq!(ping(&link).await.unwrap(), "PONG");
}

#[tokio::test]
async fn after_a_restart_a_settled_handle_waits_and_after_a_lost_connection_it_does_not() {
    let mut server = Server::start().await;
    let link = link(&server.url()).await;
    let (settled, mut restarts) = (link.settled(), link.watch_restarts());
    assert_eq!(ping(&settled).await.unwrap(), "PONG");
    let observer = server.observer().await;
    let mut states = link.watch_state();
    observer.query::<i64>(cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal")).await.unwrap();
    within("the loss is noticed", states.wait_for(|state| !state.is_up())).await.unwrap();
    heals(&link).await;
    assert_eq!((ping(&settled).await.unwrap().as_str(), *restarts.borrow()), ("PONG", 0));

    let alone = RedisLink::connect(&server.url(), steady()).await.unwrap().settled();
    assert_eq!(ping(&alone).await.unwrap(), "PONG", "a first connection replaces nothing");
    server.kill();
    server.restart().await;
    within("the restart is noticed", restarts.wait_for(|restarts| *restarts == 1)).await.unwrap();
    let refused = ping(&settled).await.unwrap_err();
    assert_eq!((&refused, refused.is_not_applied()), (&LinkError::Unsettled, true));
    assert_eq!(ping(&link).await.unwrap(), "PONG");
    assert!(!link.settles_in().is_zero());
    until("it settles", async || ping(&settled).await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_does_not_show_its_run_counts_as_another_one_with_every_connection() {
    let server = Server::start().await;
    let observer = server.observer().await;
    let mut setuser = cmd("ACL");
    setuser.arg("SETUSER").arg("app").arg("on").arg(">secret").arg("~*").arg("&*").arg("+@all").arg("-info");
    observer.query::<()>(&setuser).await.unwrap();
    let link = link(&format!("redis://app:secret@127.0.0.1:{}", server.port())).await;
    let mut restarts = link.watch_restarts();
    assert_eq!((ping(&link.settled()).await.unwrap().as_str(), *restarts.borrow()), ("PONG", 0));
    observer.query::<i64>(cmd("CLIENT").arg("KILL").arg("USER").arg("app")).await.unwrap();
    within("it counts", restarts.wait_for(|restarts| *restarts >= 1)).await.unwrap();
    until("claims are taken again", async || ping(&link.settled()).await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_hangs_up_at_once_is_not_dialled_without_a_pause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let accepting = async {
        let mut accepted = 0;
        let end = tokio::time::sleep(Duration::from_secs(3));
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return accepted,
                connection = listener.accept() => drop(connection.map(|_| accepted += 1)),
            }
        }
    };
    let link = hasty(&url).await;
    let _subscription = link.subscribe(["changes"]).await;
    let accepted = accepting.await;
    // Between 50 ms and a heartbeat: a busy machine makes fewer.
    assert!((1..150).contains(&accepted), "{accepted} in three seconds");
}

#[tokio::test]
async fn a_half_open_path_gives_unknown_then_down_and_heals_after_the_path() {
    let server = Server::start().await;
    let path = Path::to(server.address()).await;
    let link = hasty(&path.url()).await;
    set(&link, "key", "before").await.unwrap();
    path.swallow();
    assert!(set(&link, "key", "swallowed").await.unwrap_err().is_unknown());
    until("silence opens the breaker", async || matches!(ping(&link).await, Err(LinkError::Down { .. })))
        .await;
    path.heal();
    heals(&link).await;
    assert_eq!(link.query::<String>(cmd("GET").arg("key")).await.unwrap(), "before");
}

#[tokio::test]
async fn a_demoted_server_reads_only_and_the_link_finds_the_new_primary() {
    let (old, new) = (Server::start().await, Server::start().await);
    let path = Path::to(old.address()).await;
    let link = link(&path.url()).await;
    let before = link.state().epoch;
    let demote = old.observer().await;
    let replicaof = |host: &str, port: &str| cmd("REPLICAOF").arg(host).arg(port).to_owned();
    demote.query::<()>(&replicaof("127.0.0.1", &new.port().to_string())).await.unwrap();
    assert_eq!(set(&link, "key", "value").await, Err(LinkError::ReadOnly));
    path.lead_to(new.address());
    until("writes reach the new primary", async || set(&link, "key", "value").await.is_ok()).await;
    assert!(link.state().epoch > before);
    assert_eq!(new.observer().await.query::<String>(cmd("GET").arg("key")).await.unwrap(), "value");
}

#[tokio::test]
async fn a_replica_promoted_back_is_written_to_again() {
    let server = Server::start().await;
    let (link, observer) = (link(&server.url()).await, server.observer().await);
    observer.query::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg("1")).await.unwrap();
    assert_eq!(set(&link, "key", "value").await, Err(LinkError::ReadOnly));
    assert_eq!(link.script(&APPEND).key("key").arg("a").run::<String>().await, Err(LinkError::ReadOnly));
    observer.query::<()>(cmd("REPLICAOF").arg("NO").arg("ONE")).await.unwrap();
    until("the server takes writes again", async || set(&link, "key", "value").await.is_ok()).await;
}

static DOUBLE: Script = Script::new(
    "local lines = {}
     for i, key in ipairs(KEYS) do lines[i] = ARGV[1] .. key .. '=' .. ARGV[i + 1] * 2 end
     return table.concat(lines, '\\n')",
);

#[tokio::test]
async fn calls_that_travel_together_are_answered_each_by_itself() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let observer = server.observer().await;
    for number in 0..500 {
        set(&link, &format!("key-{number}"), &number.to_string()).await.unwrap();
    }
    // What is no string is nobody else's error.
    observer.query::<()>(cmd("LPUSH").arg("list").arg(1)).await.unwrap();
    // Scripts are not known here yet: that is nobody's error at all.
    let trips = link.trips();
    let common = [Arc::new(ScriptArgs::new().arg("a:")), Arc::new(ScriptArgs::new().arg("b:"))];
    let asked = (0..500).map(|number| {
        let (trips, common) = (trips.clone(), Arc::clone(&common[number % 2]));
        tokio::spawn(async move {
            let key = if number == 7 { "list".to_owned() } else { format!("key-{number}") };
            let own = || ScriptArgs::new().key(&key).arg(number);
            let timeout = steady().command_timeout;
            tokio::join!(
                trips.get(key.clone()),
                trips.run::<String>(
                    &APPEND,
                    ScriptArgs::new().key(format!("own-{number}")).arg(number),
                    timeout
                ),
                trips.run_together(&DOUBLE, &common, own, timeout),
            )
        })
    });
    for (number, reply) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        let (seen, appended, line) = within("they end within their deadlines", reply).await.unwrap();
        let seen = seen.unwrap();
        assert_eq!(seen.value, (number != 7).then(|| number.to_string().into_bytes()));
        assert!(seen.now_us > 0);
        assert_eq!(appended.unwrap(), number.to_string());
        let (of, key) =
            (["a", "b"][number % 2], if number == 7 { "list".to_owned() } else { format!("key-{number}") });
        assert_eq!(line.unwrap(), format!("{of}:{key}={}", number * 2));
    }
}

#[tokio::test]
async fn an_error_of_a_script_for_many_is_everybodys_and_of_nobody_else() {
    let server = Server::start().await;
    let trips = link(&server.url()).await.trips();
    let common = Arc::new(ScriptArgs::new().arg(""));
    let timeout = steady().command_timeout;
    let calls = (0..20).map(|number| {
        let (trips, common) = (trips.clone(), Arc::clone(&common));
        async move {
            let wrong = || ScriptArgs::new().key("key").arg("no number");
            let (line, seen) = tokio::join!(
                trips.run_together(&DOUBLE, &common, wrong, timeout),
                trips.get(format!("key-{number}"))
            );
            assert!(matches!(line, Err(LinkError::Refused { .. })), "{line:?}");
            assert_eq!(seen.unwrap().value, None);
        }
    });
    within("bounded", futures_util::future::join_all(calls)).await;
}

#[tokio::test]
async fn a_key_that_is_not_allowed_fails_only_the_calls_that_use_it() {
    let server = Server::start().await;
    let observer = server.observer().await;
    let user = ["SETUSER", "app", "on", ">pass", "~app:*", "&*", "+@all"];
    observer.query::<()>(cmd("ACL").arg(&user)).await.unwrap();
    let url = server.url().replace("redis://", "redis://app:pass@");
    let trips = link(&url).await.trips();
    let common = Arc::new(ScriptArgs::new().arg(""));
    let calls = (0..40).map(|number| {
        let (trips, common) = (trips.clone(), Arc::clone(&common));
        async move {
            let key = if number % 4 == 0 { "other:key" } else { "app:key" };
            let own = || ScriptArgs::new().key(key).arg(1);
            let line = trips.run_together(&DOUBLE, &common, own, steady().command_timeout).await;
            let seen = trips.get(key.to_owned()).await;
            assert_eq!((line.is_ok(), seen.is_ok()), (number % 4 != 0, number % 4 != 0), "{line:?} {seen:?}");
        }
    });
    within("bounded", futures_util::future::join_all(calls)).await;
}

#[tokio::test]
async fn what_was_under_way_when_the_link_was_closed_is_unknown() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let (trips, common) = (link.trips(), Arc::new(ScriptArgs::new().arg("")));
    let own = || ScriptArgs::new().key("key").arg(1);
    // Known to the server, so that what follows waits for nothing but its answer.
    trips.run_together(&DOUBLE, &common, own, steady().command_timeout).await.unwrap();
    server.pause();
    let mut calls: Vec<_> =
        (0..8).map(|_| Box::pin(trips.run_together(&DOUBLE, &common, own, Duration::from_secs(2)))).collect();
    // Each has been asked once: one alone, the others in their lanes.
    for call in &mut calls {
        assert!(futures_util::poll!(call).is_pending());
    }
    tokio::task::yield_now().await;
    within("the link closes", link.close()).await;
    for outcome in within("bounded", futures_util::future::join_all(calls)).await {
        assert!(outcome.as_ref().is_err_and(LinkError::is_unknown), "{outcome:?}");
    }
    server.resume();
}

#[tokio::test]
async fn calls_to_a_paused_server_that_travel_together_end_within_their_timeout_and_go_on_afterwards() {
    let server = Server::start().await;
    let link = hasty(&server.url()).await;
    let trips = link.trips();
    server.pause();
    let get = || trips.get("key".to_owned());
    for seen in within("bounded", futures_util::future::join_all((0..50).map(|_| get()))).await {
        assert!(seen.is_err());
    }
    server.resume();
    heals(&link).await;
    until("they are answered again", async || get().await.is_ok()).await;
    within("the link closes although somebody could call", link.close()).await;
    assert!(get().await.is_err());
}

#[tokio::test]
async fn a_call_that_times_out_is_unknown_and_sent_only_once() {
    let server = Server::start().await;
    let (link, observer) = (hasty(&server.url()).await, server.observer().await);
    server.pause();
    let outcome = within("bounded", link.query::<i64>(cmd("APPEND").arg("key").arg("x"))).await;
    assert!(outcome.unwrap_err().is_unknown());
    server.resume();
    heals(&link).await;
    until("the late command ran after all", async || {
        observer.query::<Option<String>>(cmd("GET").arg("key")).await.unwrap().is_some()
    })
    .await;
    assert_eq!(observer.query::<String>(cmd("GET").arg("key")).await.unwrap(), "x");
}

#[tokio::test]
async fn calls_to_a_paused_server_are_bounded_and_soon_fail_without_waiting() {
    let server = Server::start().await;
    let link = hasty(&server.url()).await;
    server.pause();
    until("the breaker opens", async || matches!(ping(&link).await, Err(LinkError::Down { .. }))).await;
    assert!(!link.state().is_up());
    server.resume();
    heals(&link).await;
}

/// B14.
#[tokio::test]
async fn a_slow_server_opens_the_breaker_until_it_is_fast_again() {
    let server = Server::start().await;
    let options =
        LinkOptions { slow: Duration::from_nanos(1), heartbeat: Duration::from_secs(60), ..quick() };
    let link = RedisLink::connect(&server.url(), options).await.unwrap();
    let mut last = Ok(String::new());
    for _ in 0..20 {
        last = ping(&link).await;
    }
    assert_eq!(last, Err(LinkError::Down { why: DownReason::Slow }));
}

#[tokio::test]
async fn a_script_runs_although_the_server_forgot_it() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    for expected in ["a", "aa"] {
        link.query::<()>(cmd("SCRIPT").arg("FLUSH")).await.unwrap();
        assert_eq!(link.script(&APPEND).key("key").arg("a").run::<String>().await.unwrap(), expected);
    }
    assert_eq!(link.script(&APPEND).key("key").arg("b").run::<String>().await.unwrap(), "aab");
    assert_eq!(
        APPEND.hash(),
        link.query::<String>(cmd("SCRIPT").arg("LOAD").arg(APPEND.text())).await.unwrap()
    );
}

#[tokio::test]
async fn a_pipeline_runs_unknown_scripts_in_order_and_keeps_outcomes_apart() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let append = |value: &str| ScriptArgs::new().key("key").arg(value);
    let pipeline = Pipeline::new()
        .script(&APPEND, append("a"))
        .cmd(cmd("LPUSH").arg("key").arg("x").to_owned())
        .script(&APPEND, append("b"));
    let replies = link.pipeline(&pipeline).await.unwrap();
    assert_eq!(replies[0], Ok(Value::BulkString(b"a".to_vec())));
    assert!(matches!(&replies[1], Err(LinkError::Refused { code, .. }) if code == "WRONGTYPE"));
    assert_eq!(replies[2], Ok(Value::BulkString(b"ab".to_vec())));
}

#[tokio::test]
async fn a_server_out_of_memory_did_not_apply_the_command() {
    let server = Server::start().await;
    let (link, observer) = (link(&server.url()).await, server.observer().await);
    observer.query::<()>(cmd("CONFIG").arg("SET").arg("maxmemory").arg("1")).await.unwrap();
    let outcomes =
        [set(&link, "key", "value").await, link.script(&APPEND).key("key").arg("a").run::<()>().await];
    for outcome in outcomes {
        assert!(
            matches!(&outcome, Err(LinkError::NotApplied { why }) if why.starts_with("OOM command not allowed")),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_is_reported_as_one_and_not_quoted() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    set(&link, "key", "s3cret").await.unwrap();
    let error = link.query::<u64>(cmd("GET").arg("key")).await.unwrap_err();
    assert!(matches!(error, LinkError::Shape { .. }));
    assert!(!error.to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_dropped_call_leaves_the_connection_in_step() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    for round in 0..200 {
        let value = round.to_string();
        let mut echo = cmd("ECHO");
        echo.arg("dropped");
        {
            let mut dropped = std::pin::pin!(link.query::<String>(&echo));
            let poll = futures_util::poll!(dropped.as_mut());
            assert!(poll.is_pending());
        }
        assert_eq!(link.query::<String>(cmd("ECHO").arg(&value)).await.unwrap(), value);
    }
}

#[tokio::test]
async fn a_subscriber_receives_the_notifications_of_its_channels() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let mut subscription = link.subscribe(["a", "b"]).await;
    assert!(subscription.is_live());
    assert_eq!(publish(&link, "a", "1").await, 1);
    assert_eq!(publish(&link, "b", "2").await, 1);
    assert_eq!(publish(&link, "c", "3").await, 0);
    assert_eq!(next(&mut subscription).await, notifications("a", "1"));
    assert_eq!(next(&mut subscription).await, notifications("b", "2"));
}

#[tokio::test]
async fn a_killed_subscriber_receives_a_gap_and_then_notifications_again() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let mut subscription = link.subscribe(["a"]).await;
    let killed: i64 = link.query(cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub")).await.unwrap();
    assert_eq!(killed, 1);
    assert_eq!(next(&mut subscription).await, Event::Gap);
    within("the subscription is live again", async {
        while !subscription.is_live() {
            assert_eq!(next(&mut subscription).await, Event::Gap);
            subscription.live().await;
        }
    })
    .await;
    assert_eq!(publish(&link, "a", "1").await, 1);
    within("the notification arrives", async {
        while next(&mut subscription).await != notifications("a", "1") {}
    })
    .await;
}

#[tokio::test]
async fn a_half_open_subscriber_is_noticed_and_replaced() {
    let server = Server::start().await;
    let path = Path::to(server.address()).await;
    let (link, observer) = (hasty(&path.url()).await, server.observer().await);
    let mut subscription = link.subscribe(["a"]).await;
    path.swallow();
    assert_eq!(next(&mut subscription).await, Event::Gap);
    assert!(!subscription.is_live());
    path.heal();
    within("the subscription is live again", subscription.live()).await;
    // The server still counts the half-open connection as a subscriber.
    assert!(publish(&observer, "a", "1").await >= 1);
    within("the notification arrives", async {
        while next(&mut subscription).await != notifications("a", "1") {}
    })
    .await;
}

#[tokio::test]
async fn a_subscription_made_before_the_server_is_there_becomes_live_and_says_so() {
    let mut server = Server::absent();
    let link = hasty(&server.url()).await;
    let mut subscription = link.subscribe(["a"]).await;
    assert!(!subscription.is_live());
    server.restart().await;
    assert_eq!(next(&mut subscription).await, Event::Gap);
    within("the subscription is live", subscription.live()).await;
}

#[tokio::test]
async fn a_process_subscribes_once_however_many_listen() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let mut first = link.subscribe(["a"]).await;
    let mut second = link.subscribe(["a"]).await;
    assert_eq!(publish(&link, "a", "1").await, 1);
    assert_eq!(next(&mut first).await, notifications("a", "1"));
    assert_eq!(next(&mut second).await, notifications("a", "1"));
    drop((first, second));
    until("nobody listens any more", async || publish(&link, "a", "2").await == 0).await;
}

fn pool(server: &Server) -> deadpool_redis::Pool {
    let manager = deadpool_redis::Manager::new(server.url()).unwrap();
    deadpool_redis::Pool::builder(manager).max_size(2).build().unwrap()
}

#[tokio::test]
async fn a_link_from_a_pool_alone_works_without_push_and_heals() {
    let mut server = Server::start().await;
    let link = RedisLink::from_pool(pool(&server), None, steady()).await.unwrap();
    set(&link, "key", "value").await.unwrap();
    assert!(!link.has_push());
    assert!(!link.subscribe(["a"]).await.is_live());
    server.kill();
    until("the loss is noticed", async || matches!(ping(&link).await, Err(LinkError::Down { .. }))).await;
    server.restart().await;
    heals(&link).await;
}

#[tokio::test]
async fn a_link_from_a_pool_leaves_the_pool_its_size() {
    let server = Server::start().await;
    let pool = pool(&server);
    let link = RedisLink::from_pool(pool.clone(), None, steady()).await.unwrap();
    let both = within("two more fit", async { (pool.get().await.unwrap(), pool.get().await.unwrap()) }).await;
    assert_eq!(ping(&link).await.unwrap(), "PONG");
    drop(both);
}

#[tokio::test]
async fn a_url_in_addition_to_a_pool_gives_push() {
    let server = Server::start().await;
    let link = RedisLink::from_pool(pool(&server), Some(&server.url()), steady()).await.unwrap();
    let mut subscription = link.subscribe(["a"]).await;
    assert!(subscription.is_live());
    publish(&link, "a", "1").await;
    assert_eq!(next(&mut subscription).await, notifications("a", "1"));
}

#[tokio::test]
async fn a_closed_link_is_down_for_good_and_ends_its_subscriptions() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let mut subscription = link.subscribe(["a"]).await;
    within("closing ends", link.close()).await;
    assert_eq!(ping(&link).await, Err(LinkError::Down { why: DownReason::Closed }));
    assert_eq!(within("the end arrives", subscription.next()).await, None);
    let observer = server.observer().await;
    until("only the observer is connected", async || {
        let clients: String =
            observer.query(cmd("CLIENT").arg("LIST").arg("TYPE").arg("normal")).await.unwrap();
        clients.lines().count() == 1
    })
    .await;
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_connections() {
    let server = Server::start().await;
    let link = link(&server.url()).await;
    let subscription = link.subscribe(["a"]).await;
    let observer = server.observer().await;
    drop(link);
    until("only the observer is connected", async || {
        let clients: String = observer.query(cmd("CLIENT").arg("LIST")).await.unwrap();
        clients.lines().count() == 1
    })
    .await;
    assert!(!subscription.is_live());
}

async fn sees(link: &RedisLink, eviction: Eviction) {
    until("the policy is seen", async || link.eviction() == eviction).await;
}

#[tokio::test]
async fn eviction_is_read_with_every_connection_and_while_one_stands() {
    let server = Server::start().await;
    let observer = server.observer().await;
    let config = async |name: &str, value: &str| {
        observer.query::<()>(cmd("CONFIG").arg("SET").arg(name).arg(value)).await.unwrap();
    };
    let first = link(&server.url()).await;
    assert_eq!(first.eviction(), Eviction::Never, "no limit");
    config("maxmemory", "100mb").await;
    config("maxmemory-policy", "allkeys-lru").await;
    sees(&first, Eviction::Possible).await;
    assert_eq!(link(&server.url()).await.eviction(), Eviction::Possible);
    config("maxmemory-policy", "volatile-ttl").await;
    assert_eq!(link(&server.url()).await.eviction(), Eviction::Possible);
    config("maxmemory-policy", "noeviction").await;
    assert_eq!(link(&server.url()).await.eviction(), Eviction::Never);
    sees(&first, Eviction::Never).await;
}

#[tokio::test]
async fn a_user_without_info_learns_of_eviction_by_config_and_one_without_both_does_not() {
    let server = Server::start().await;
    let observer = server.observer().await;
    for args in [&["maxmemory", "100mb"], &["maxmemory-policy", "allkeys-lfu"]] {
        observer.query::<()>(cmd("CONFIG").arg("SET").arg(args)).await.unwrap();
    }
    for (user, rules, expected) in [
        ("no-info", &["+@all", "-info"][..], Eviction::Possible),
        ("no-config", &["+@all", "-config"], Eviction::Possible),
        ("neither", &["+@all", "-info", "-config"], Eviction::Unknown),
    ] {
        let mut setuser = cmd("ACL");
        setuser.arg("SETUSER").arg(user).arg("on").arg(">secret").arg("~*").arg("&*").arg(rules);
        observer.query::<()>(&setuser).await.unwrap();
        let link = link(&format!("redis://{user}:secret@127.0.0.1:{}", server.port())).await;
        assert_eq!((link.eviction(), ping(&link).await), (expected, Ok("PONG".to_owned())), "{user}");
    }
}
