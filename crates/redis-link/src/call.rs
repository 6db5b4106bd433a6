//! One call of a script over a link.

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, ToRedisArgs, Value};

use crate::error::{LinkError, is_noscript};
use crate::link::RedisLink;
use crate::reply::{decode, send};
use crate::script::{Script, ScriptArgs};

/// One call of a script over a link; made by [`RedisLink::script`].
#[derive(Debug)]
#[must_use = "a script call does nothing until it is run"]
pub struct ScriptCall<'a> {
    pub(crate) link: &'a RedisLink,
    pub(crate) script: &'a Script,
    pub(crate) args: ScriptArgs,
}

impl ScriptCall<'_> {
    /// Adds a key, `KEYS[n]`.
    pub fn key(mut self, key: impl ToRedisArgs) -> Self {
        self.args = self.args.key(key);
        self
    }

    /// Adds an argument, `ARGV[n]`.
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.args = self.args.arg(arg);
        self
    }

    /// Runs the script within the link's deadline.
    ///
    /// # Errors
    ///
    /// As [`RedisLink::query`].
    ///
    /// # Cancel safety
    ///
    /// As [`RedisLink::query`]: the script may run although the future was dropped.
    pub async fn run<T: FromRedisValue>(self) -> Result<T, LinkError> {
        let Self { link, script, args } = self;
        let value = link.call(|connection| by_hash_or_text(connection, script, args)).await?;
        decode(value)
    }
}

/// A server that lost its script cache (restart, failover, `SCRIPT FLUSH`) says so before running anything, hence the text can
/// follow; `EVAL` also fills the cache again.
async fn by_hash_or_text(
    mut connection: MultiplexedConnection,
    script: &Script,
    args: ScriptArgs,
) -> RedisResult<Value> {
    let reply = send(&mut connection, &args.command("EVALSHA", script.hash())).await;
    match reply {
        Err(error) if is_noscript(&error) => {
            send(&mut connection, &args.command("EVAL", script.text())).await
        }
        reply => reply,
    }
}
