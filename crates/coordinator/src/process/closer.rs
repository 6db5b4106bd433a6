//! Connections to close after the last flight, and the state of the link to Redis.

#[cfg(feature = "sqlite")]
use std::sync::Arc;

/// Something that has to be ended after the last flight.
pub(crate) enum Closer {
    #[cfg(feature = "redis")]
    Link(solekey_redis_link::RedisLink, solekey_redis_lock::RedisLock),
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<solekey_store_sql::SqliteStore>),
    #[cfg(feature = "postgres")]
    Postgres(solekey_store_sql::PostgresStore),
}

impl Closer {
    pub(crate) fn redis_link_state(&self) -> Option<RedisLinkState> {
        match self {
            #[cfg(feature = "redis")]
            Self::Link(link, _) => Some(link.state().into()),
            #[cfg(any(feature = "sqlite", feature = "postgres", not(feature = "redis")))]
            _ => None,
        }
    }

    #[cfg_attr(
        not(any(feature = "redis", feature = "sqlite", feature = "postgres")),
        expect(clippy::unused_async)
    )]
    pub(crate) async fn close(&self) {
        match self {
            #[cfg(feature = "redis")]
            Self::Link(link, lock) => {
                lock.shutdown().await;
                link.close().await;
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.close().await,
            #[cfg(not(any(feature = "redis", feature = "sqlite", feature = "postgres")))]
            _ => {}
        }
    }
}

/// The state of the link to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisLinkState {
    /// The phase of the link to Redis.
    pub phase: RedisPhase,
    /// The number of times that the link has come up.
    pub epoch: u64,
}

/// The phase of the link to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedisPhase {
    /// They do.
    Up,
    /// The connection was lost a moment ago; calls wait for the next one.
    Reconnecting,
    /// They fail at once.
    Down,
}

#[cfg(feature = "redis")]
impl From<solekey_redis_link::LinkState> for RedisLinkState {
    fn from(state: solekey_redis_link::LinkState) -> Self {
        use solekey_redis_link::LinkPhase;
        let phase = match state.phase {
            LinkPhase::Up => RedisPhase::Up,
            LinkPhase::Reconnecting => RedisPhase::Reconnecting,
            LinkPhase::Down(_) => RedisPhase::Down,
        };
        Self { phase, epoch: state.epoch }
    }
}
