//! A change feed by LISTEN and NOTIFY, among the processes that share a database.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    AccountKey, Generation,
    ports::{ChangeFeed, Heard, Listen, StoreError, Trouble},
};
use sqlx::{
    Executor as _,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Db, PostgresStore, session::LIMIT};

/// Notifies other processes of changed accounts, by NOTIFY.
///
/// A notification is a statement of its own: as part of a commit it would make all commits of a server wait for each
/// other, because PostgreSQL holds one lock over the flush of every transaction that notifies.
///
/// A listener has one connection of its own. It is replaced: whatever ends it is heard as a gap once there is another
/// one. Behind a pooler in transaction mode nothing is ever heard; waiters then poll.
///
/// # Cancel safety
/// A notification is sent by a task of the store, whether or not anybody waits for it.
pub struct PostgresChangeFeed {
    store: PostgresStore,
    /// The sender's id: a process does not want to hear its own notifications.
    me: Uuid,
}

impl PostgresStore {
    /// The change feed among the processes that have this database for a store.
    pub fn change_feed(&self) -> PostgresChangeFeed {
        PostgresChangeFeed { store: self.clone(), me: Uuid::new_v4() }
    }
}

impl fmt::Debug for PostgresChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresChangeFeed").finish_non_exhaustive()
    }
}

#[async_trait]
impl ChangeFeed for PostgresChangeFeed {
    async fn notify(&self, key: AccountKey, generation: Generation) -> Result<(), Trouble> {
        let message = write(key, generation, self.me);
        let sent = self.store.carry_out(|db| async move { db.notify(&message).await });
        sent.await.map_err(|error| match error {
            StoreError::Unavailable(trouble) => trouble,
            other => Trouble::not_applied(other),
        })
    }

    async fn listen(&self) -> Box<dyn Listen> {
        let mut listener = PostgresListener { db: Arc::clone(&self.store.db), me: self.me, ears: None };
        // Where there is no server yet, its coming is heard as a gap.
        listener.ears = listener.connect().await.ok();
        Box::new(listener)
    }
}

impl Db {
    async fn notify(&self, message: &str) -> Result<(), StoreError> {
        let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(message);
        self.session().await?.execute(notify).await.map(drop)
    }
}

/// A subscription with a connection of its own.
struct PostgresListener {
    db: Arc<Db>,
    me: Uuid,
    /// `None`: there is no connection, and notifications sent meanwhile are missed.
    ears: Option<PgListener>,
}

#[async_trait]
impl Listen for PostgresListener {
    async fn next(&mut self) -> Option<Heard> {
        loop {
            let Some(ears) = &mut self.ears else {
                self.ears = Some(self.reconnect().await);
                return Some(Heard::Gap);
            };
            let goes_on = match timeout(SILENCE, ears.try_recv()).await {
                Ok(Ok(Some(notification))) => match read(notification.payload(), self.me) {
                    Some(heard) => return Some(heard),
                    None => true,
                },
                Ok(Ok(None) | Err(_)) => false,
                Err(_) => is_alive(ears).await,
            };
            if !goes_on {
                self.ears = None;
            }
        }
    }
}

impl PostgresListener {
    /// A pool of one for each connection: one that never ends, because the other side is gone without a word, must not
    /// keep the next one waiting.
    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(LIMIT).idle_timeout(None);
        let pool = pool.max_lifetime(None).connect_lazy_with(self.db.options.clone());
        let listening = async {
            let mut ears = PgListener::connect_with(&pool).await?;
            ears.ignore_pool_close_event(true);
            ears.eager_reconnect(false);
            ears.listen(CHANNEL).await?;
            Ok(ears)
        };
        timeout(LIMIT, listening).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn reconnect(&self) -> PgListener {
        loop {
            match self.connect().await {
                Ok(ears) => return ears,
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "PostgreSQL cannot be listened to yet"
                    );
                }
            }
            sleep(PAUSE).await;
        }
    }
}

/// Returns whether the other side still answers. Notifications that it sends meanwhile are heard afterwards.
async fn is_alive(ears: &mut PgListener) -> bool {
    matches!(timeout(LIMIT, ears.execute("SELECT 1")).await, Ok(Ok(_)))
}

/// One line per change: the account's key, the generation, the sender.
fn write(key: AccountKey, generation: Generation, me: Uuid) -> String {
    format!("{key} {generation} {}", me.simple())
}

/// Anybody may notify, newer versions too: what cannot be read is ignored. Words after the third are left to those.
fn read(message: &str, me: Uuid) -> Option<Heard> {
    let mut words = message.split(' ');
    let key = AccountKey::parse(words.next()?)?;
    let generation = Generation::new(words.next()?.parse().ok()?);
    let sender = Uuid::try_parse(words.next()?).ok()?;
    (sender != me).then_some(Heard::Changed { key, generation })
}

/// A database's channels are its own.
const CHANNEL: &str = "solekey_news";
/// The longest silence before the connection is checked: a server that went away without an error is noticed within
/// half a minute, as an entry in use would be compared.
const SILENCE: Duration = Duration::from_secs(30);
/// Between two connections that could not be had.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_core::Account;

    use super::*;

    #[test]
    fn notifications_read_back_as_written_except_ones_own_and_garbage_is_none() {
        let key = Account::new("p", "x").unwrap().key();
        let (me, another) = (Uuid::new_v4(), Uuid::new_v4());
        let generation = Generation::new(12);
        let message = write(key, generation, another);
        assert_eq!(read(&message, me), Some(Heard::Changed { key, generation }));
        assert_eq!(read(&format!("{message} later words"), me), Some(Heard::Changed { key, generation }));
        assert_eq!(read(&message, another), None);
        let unsigned = format!("{key} 12");
        for garbage in ["", "x", "x 1 y", &unsigned, &format!("{unsigned} y"), &format!("{key} -1 {me}")] {
            assert_eq!(read(garbage, me), None, "{garbage}");
        }
    }
}
