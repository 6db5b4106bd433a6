//! The condition of a server, for a check of its fitness as a store.

use std::{future::Future, io, net::IpAddr, time::Duration};

use sqlx::{
    Connection as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow, PgSslMode},
};
use tokio::time::timeout;

use super::{PostgresError, address, session::LIMIT};

/// A connection that only asks. It makes no tables, and needs none.
pub struct PostgresReadOnly {
    connection: PgConnection,
    options: PgConnectOptions,
}

/// The condition of a server, as far as rows depend on it. Each field needs a check by the code that reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own that is on or off")]
pub struct PostgresCondition {
    /// Its version as a number: 150004 is 15.4.
    pub version: u32,
    /// It takes no writes.
    pub is_standby: bool,
    /// It waits for its disk. Where not, a loss of power takes what was acknowledged with it.
    pub fsync: bool,
    /// It can mend pages that a crash has left half written.
    pub full_page_writes: bool,
    /// The level that a change of ours waits for: `on`, or `remote_apply` where the database asks for it.
    pub synchronous_commit: String,
    /// Commits wait for standbys: `synchronous_standby_names` is set.
    pub names_synchronous_standbys: bool,
    /// Connections that replicate.
    pub replicas: u64,
    /// The protection of this connection.
    pub protection: PostgresProtection,
}

/// The protection of tokens and passwords on their way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostgresProtection {
    /// They do not leave this machine.
    Local,
    /// Nothing.
    None,
    /// TLS, because the server happened to offer it: an attacker in between can claim that it does not.
    Offered,
    /// TLS, with whoever answers.
    Demanded,
    /// TLS, with a server whose certificate is checked.
    Verified,
}

impl PostgresReadOnly {
    /// Connects to the server at `url`; gives up after 5 s.
    ///
    /// # Errors
    /// [`PostgresError`]: the URL is none, or the server cannot be reached. None of them repeats the URL.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection.
    pub async fn connect(url: &str) -> Result<Self, PostgresError> {
        let options = address::read(url)?;
        let connection = bounded(PgConnection::connect_with(&options)).await?;
        Ok(Self { connection, options })
    }

    /// Asks for everything at once; gives up after 5 s.
    ///
    /// # Errors
    /// [`PostgresError::Database`].
    ///
    /// # Cancel safety
    /// Dropping the future makes the next question fail.
    pub async fn condition(&mut self) -> Result<PostgresCondition, PostgresError> {
        let found = bounded(sqlx::query(CONDITION).fetch_one(&mut self.connection)).await?;
        self.read(&found).map_err(|error| PostgresError::Database(error.into()))
    }

    /// The time on the server's clock, since 1970; a round trip that does nothing else. Gives up after 5 s.
    ///
    /// # Errors
    /// [`PostgresError::Database`].
    ///
    /// # Cancel safety
    /// As [`condition`](Self::condition).
    pub async fn clock(&mut self) -> Result<Duration, PostgresError> {
        let micros = sqlx::query_scalar::<_, i64>(CLOCK).fetch_one(&mut self.connection);
        Ok(Duration::from_micros(bounded(micros).await?.unsigned_abs()))
    }

    /// Says farewell; waits for it 5 s at the most.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection without a farewell.
    pub async fn close(self) {
        // It ends either way.
        let _ = bounded(self.connection.close()).await;
    }

    fn read(&self, found: &PgRow) -> Result<PostgresCondition, sqlx::Error> {
        let number = |name| found.try_get::<i64, _>(name).map(i64::unsigned_abs);
        Ok(PostgresCondition {
            version: u32::try_from(number("version")?).unwrap_or(u32::MAX),
            is_standby: found.try_get("standby")?,
            fsync: found.try_get("fsync")?,
            full_page_writes: found.try_get("full_page_writes")?,
            synchronous_commit: found.try_get("synchronous_commit")?,
            names_synchronous_standbys: found.try_get("synchronous")?,
            replicas: number("replicas")?,
            protection: protection(self.options.get_ssl_mode(), self.is_local(), found.try_get("tls")?),
        })
    }

    fn is_local(&self) -> bool {
        let host = self.options.get_host();
        let is_loopback =
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        self.options.get_socket().is_some() || host.starts_with('/') || is_loopback
    }
}

impl std::fmt::Debug for PostgresReadOnly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresReadOnly").finish_non_exhaustive()
    }
}

/// The mode counts before the server's own reply: behind a pooler that is how the *pooler* speaks to it. sqlx never
/// tries TLS for `allow`.
fn protection(mode: PgSslMode, is_local: bool, has_tls: bool) -> PostgresProtection {
    match mode {
        _ if is_local => PostgresProtection::Local,
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => PostgresProtection::Verified,
        PgSslMode::Require => PostgresProtection::Demanded,
        PgSslMode::Prefer if has_tls => PostgresProtection::Offered,
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => PostgresProtection::None,
    }
}

async fn bounded<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, PostgresError> {
    let late = |_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()));
    timeout(LIMIT, asked).await.unwrap_or_else(late).map_err(|error| PostgresError::Database(error.into()))
}

// The setting is asked for as changes do; alone in its transaction it ends with the question.
const CONDITION: &str = "
    SELECT current_setting('server_version_num')::bigint AS version,
           pg_is_in_recovery() AS standby,
           current_setting('fsync')::boolean AS fsync,
           current_setting('full_page_writes')::boolean AS full_page_writes,
           set_config('synchronous_commit', CASE current_setting('synchronous_commit')
               WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS synchronous_commit,
           current_setting('synchronous_standby_names') <> '' AS synchronous,
           (SELECT count(*) FROM pg_stat_replication) AS replicas,
           coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls";

const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_demands_counts_and_what_it_leaves_open_the_server_decides() {
        use PgSslMode::{Allow, Disable, Prefer, Require, VerifyCa, VerifyFull};
        use PostgresProtection::{Demanded, Local, None, Offered, Verified};
        for (mode, without, with) in [
            (Disable, None, None),
            (Allow, None, None),
            (Prefer, None, Offered),
            (Require, Demanded, Demanded),
            (VerifyCa, Verified, Verified),
            (VerifyFull, Verified, Verified),
        ] {
            assert_eq!(
                (protection(mode, false, false), protection(mode, false, true)),
                (without, with),
                "{mode:?}"
            );
            assert_eq!(protection(mode, true, false), Local);
        }
    }
}
