//! The sources of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2};
use redis::{AsyncConnectionConfig, Client, ErrorKind, PushInfo, PushKind, RedisError};
use tokio::sync::Notify;
use url::{ParseError, Url};

use crate::eviction::Eviction;
use crate::options::{InvalidOption, LinkOptions};
use crate::state::DownReason;

/// The source of connections.
pub(crate) enum Source {
    Server(Box<Client>),
    #[cfg(feature = "deadpool")]
    Pool(deadpool_redis::Pool),
}

/// A fresh connection and the flag that its end will raise.
pub(crate) struct Dialed {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) gone: Arc<AtomicBool>,
    pub(crate) eviction: Eviction,
    /// The server's name for its present run; `None` where it does not show it.
    pub(crate) run: Option<String>,
}

impl Source {
    /// Makes a connection that has answered a `PING`, within `options.connect_timeout`.
    pub(crate) async fn dial(&self, options: &LinkOptions, kick: &Arc<Notify>) -> Result<Dialed, DownReason> {
        let attempt = async {
            let mut dialed = self.open(options, kick).await?;
            // A loading server shakes hands as if nothing were wrong.
            redis::cmd("PING")
                .exec_async(&mut dialed.connection)
                .await
                .map_err(|error| turned_away(&error))?;
            // A server that is slow to answer this is one that answers.
            let reading = async {
                let eviction = Eviction::read(&mut dialed.connection).await;
                (eviction, run(&mut dialed.connection).await)
            };
            if let Ok((eviction, run)) = tokio::time::timeout(options.connect_timeout / 4, reading).await {
                // A connection that is gone again says nothing about the server.
                dialed.eviction = eviction.ok_or(DownReason::Unreachable)?;
                dialed.run = run;
            }
            Ok(dialed)
        };
        tokio::time::timeout(options.connect_timeout, attempt).await.unwrap_or(Err(DownReason::Unreachable))
    }

    async fn open(&self, options: &LinkOptions, kick: &Arc<Notify>) -> Result<Dialed, DownReason> {
        let gone = Arc::new(AtomicBool::new(false));
        let connection = match self {
            Self::Server(client) => {
                let config = config(client, options, &gone, kick);
                let dialing = client.get_multiplexed_async_connection_with_config(&config);
                dialing.await.map_err(|error| turned_away(&error))?
            }
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => {
                let object = pool.get().await.map_err(|error| match error {
                    deadpool_redis::PoolError::Backend(error) => turned_away(&error),
                    _ => DownReason::Unreachable,
                })?;
                let mut connection = deadpool_redis::Connection::take(object);
                connection.set_response_timeout(FAR);
                connection
            }
        };
        Ok(Dialed { connection, gone, eviction: Eviction::Unknown, run: None })
    }

    /// Forgets idle connections: those of a pool may lead to a server that was demoted, and a `PING` does not show it.
    pub(crate) fn distrust(&self) {
        match self {
            Self::Server(_) => {}
            #[cfg(feature = "deadpool")]
            Self::Pool(pool) => drop(pool.retain(|_, _| false)),
        }
    }
}

/// What distinguishes this run of this server from every other one.
async fn run(connection: &mut MultiplexedConnection) -> Option<String> {
    let info = redis::cmd("INFO").arg("server").query_async::<String>(connection).await.ok()?;
    info.lines().find_map(|line| line.strip_prefix("run_id:")).map(|run| run.trim().to_owned())
}

fn config(
    client: &Client,
    options: &LinkOptions,
    gone: &Arc<AtomicBool>,
    kick: &Arc<Notify>,
) -> AsyncConnectionConfig {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE);
    if client.get_connection_info().redis_settings().protocol() == redis::ProtocolVersion::RESP2 {
        return config;
    }
    let (gone, kick) = (Arc::clone(gone), Arc::clone(kick));
    config.set_push_sender(move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            gone.store(true, Ordering::Release);
            kick.notify_one();
        }
        Ok::<(), ()>(())
    })
}

fn turned_away(error: &RedisError) -> DownReason {
    match error.kind() {
        ErrorKind::Io => DownReason::Unreachable,
        _ => DownReason::TurnedAway,
    }
}

/// Turns a URL into a client with the socket settings of a link.
///
/// RESP3 is spoken unless the URL says `?protocol=resp2`: under RESP3 the end of a connection is reported at once,
/// under RESP2 only by the next call or heartbeat.
pub(crate) fn client(url: &str, options: &LinkOptions) -> Result<Client, InvalidOption> {
    let mut url = Url::parse(url).map_err(|error| match error {
        ParseError::InvalidPort => InvalidOption { field: "url.port", expected: "a number up to 65535" },
        ParseError::EmptyHost => NO_HOST,
        _ => InvalidOption { field: "url", expected: "redis://[user:password@]host[:port][/database]" },
    })?;
    check(&url)?;
    if !url.query_pairs().any(|(name, _)| name == "protocol") {
        url.query_pairs_mut().append_pair("protocol", "resp3");
    }
    let info = redis::IntoConnectionInfo::into_connection_info(url).map_err(|_| NOT_A_SERVER)?;
    let info = info.set_tcp_settings(tcp(options.command_timeout));
    Client::open(info).map_err(|_| NOT_A_SERVER)
}

fn check(url: &Url) -> Result<(), InvalidOption> {
    let unix = match url.scheme() {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => {
            let expected = "redis: this build has no TLS";
            return Err(InvalidOption { field: "url.scheme", expected });
        }
        "unix" | "redis+unix" | "valkey+unix" => true,
        _ => return Err(InvalidOption { field: "url.scheme", expected: "redis, valkey or unix" }),
    };
    if !unix && url.host_str().is_none_or(str::is_empty) {
        return Err(NO_HOST);
    }
    let database = match url.query_pairs().find(|(name, _)| unix && name == "db") {
        Some((_, database)) => database.into_owned(),
        None if unix => String::new(),
        None => url.path().trim_matches('/').to_owned(),
    };
    if !database.is_empty() && database.parse::<u32>().is_err() {
        return Err(InvalidOption { field: "url.database", expected: "a number, such as /0" });
    }
    let known = ["2", "resp2", "3", "resp3"];
    match url.query_pairs().find(|(name, _)| name == "protocol") {
        Some((_, protocol)) if !known.contains(&&*protocol) => {
            Err(InvalidOption { field: "url.protocol", expected: "resp2 or resp3" })
        }
        _ => Ok(()),
    }
}

fn tcp(command_timeout: Duration) -> TcpSettings {
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(15));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    // Bytes that nobody acknowledged for this long end the connection, so that it does not outlive its calls by
    // minutes.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let settings = settings.set_user_timeout((command_timeout * 4).max(Duration::from_secs(2)));
    settings
}

/// Every call has a deadline of its own; the crate's own must not end one earlier.
#[cfg(feature = "deadpool")]
const FAR: Duration = Duration::from_secs(3600);
/// Calls that may queue for the writer before callers have to wait.
const QUEUE: usize = 256;
const NO_HOST: InvalidOption = InvalidOption { field: "url.host", expected: "the name of a server" };
const NOT_A_SERVER: InvalidOption =
    InvalidOption { field: "url", expected: "the address of one Redis server" };

#[cfg(test)]
mod tests {
    use super::*;

    fn field(url: &str) -> Option<&'static str> {
        client(url, &LinkOptions::default()).err().map(|error| error.field)
    }

    #[test]
    fn a_bad_url_is_refused_with_the_part_that_is_wrong() {
        let table = [
            ("redis://localhost", None),
            ("redis://user:pa%20ss@localhost:6380/3", None),
            ("valkey://localhost/?protocol=resp2", None),
            ("unix:///run/redis.sock?db=2", None),
            ("localhost:6379", Some("url.scheme")),
            ("127.0.0.1:6379", Some("url")),
            ("", Some("url")),
            ("http://localhost", Some("url.scheme")),
            ("rediss://localhost", Some("url.scheme")),
            ("redis://", Some("url.host")),
            ("redis://localhost:99999", Some("url.port")),
            ("redis://localhost/zero", Some("url.database")),
            ("redis://localhost/-1", Some("url.database")),
            ("redis://localhost?protocol=resp4", Some("url.protocol")),
            ("redis://0.0.0.0", Some("url")),
        ];
        for (url, expected) in table {
            assert_eq!(field(url), expected, "{url}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_password() {
        let error = client("redis://:s3cret@localhost/x", &LinkOptions::default()).map(drop);
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
