//! The servers to compare with.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use solekey_testkit::redis::{FixtureError, RedisServer, find_server, find_server_on_path, server_cache};

/// The servers that scripts have to mean the same on: the oldest that is supported, and the newest kin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Make {
    /// Redis 7.
    Redis7,
    /// Valkey 9.
    Valkey9,
}

/// A server of the wanted make that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// No server of this make was found.
    #[error(
        "no {make} to test with: set {variable}, or run the test through ./scripts/with-servers, which fetches one, or \
         do without it by name: SOLEKEY_TEST_WITHOUT={name}"
    )]
    Missing {
        /// The make.
        make: Make,
        /// The variable that names its binary.
        variable: &'static str,
        /// The name to do without it by.
        name: &'static str,
    },
    /// The binary is not of the make it is named for.
    #[error("{} is not {make}", .binary.display())]
    Other {
        /// The make that was expected.
        make: Make,
        /// The binary.
        binary: PathBuf,
    },
    /// The server does not start, or does not answer.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
}

impl Make {
    /// Finds the binary: the variable that names it (`SOLEKEY_REDIS7_BIN`, `SOLEKEY_VALKEY9_BIN`), else any ordinary
    /// server that is of this make, else what `scripts/with-servers` has fetched.
    ///
    /// # Errors
    /// [`MakeError::Missing`], which says how to get one, or how to do without by name.
    pub fn find(self) -> Result<PathBuf, MakeError> {
        if let Some(named) = env::var_os(self.variable()) {
            return Ok(PathBuf::from(named));
        }
        let ordinary = [find_server().ok(), find_server_on_path()].into_iter().flatten();
        let fetched = server_cache().with_file_name("solekey-test-makes").join(self.name()).join("server");
        ordinary.chain([fetched]).find(|binary| self.is_made_of(binary)).ok_or(MakeError::Missing {
            make: self,
            variable: self.variable(),
            name: self.name(),
        })
    }

    /// Returns whether the test run does without it, by its name in `SOLEKEY_TEST_WITHOUT`.
    pub fn is_waived(self) -> bool {
        let without = env::var("SOLEKEY_TEST_WITHOUT").unwrap_or_default();
        without.split([',', ' ']).any(|name| name == self.name())
    }

    /// Starts one that persists nothing.
    ///
    /// # Errors
    /// As [`find`](Self::find) and [`RedisServer::start`]; [`MakeError::Other`] when the binary is another.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start(self) -> Result<RedisServer, MakeError> {
        let binary = self.find()?;
        if !self.is_made_of(&binary) {
            return Err(MakeError::Other { make: self, binary });
        }
        Ok(RedisServer::builder().binary(binary).start().await?)
    }

    /// The word by which a test run does without it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis7 => "redis7",
            Self::Valkey9 => "valkey9",
        }
    }

    /// Returns the name and version that its binary reports, e.g. `redis 7.0.15`.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn version(self) -> Result<String, MakeError> {
        let binary = self.find()?;
        version(&binary).ok_or(MakeError::Other { make: self, binary })
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Redis7 => "SOLEKEY_REDIS7_BIN",
            Self::Valkey9 => "SOLEKEY_VALKEY9_BIN",
        }
    }

    fn is_made_of(self, binary: &Path) -> bool {
        let begins = match self {
            Self::Redis7 => "redis 7.",
            Self::Valkey9 => "valkey 9.",
        };
        version(binary).is_some_and(|version| version.starts_with(begins))
    }
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis7 => "Redis 7",
            Self::Valkey9 => "Valkey 9",
        })
    }
}

fn version(binary: &Path) -> Option<String> {
    let printed = Command::new(binary).arg("--version").output().ok()?;
    read(&String::from_utf8_lossy(&printed.stdout))
}

/// `Redis server v=7.0.15 sha=…` and `Valkey server v=9.1.2 sha=…`.
fn read(printed: &str) -> Option<String> {
    let mut words = printed.split_whitespace();
    let maker = words.next()?.to_lowercase();
    let number = words.find_map(|word| word.strip_prefix("v="))?;
    Some(format!("{maker} {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_makers_name_and_the_number() {
        let printed = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=d8\n";
        assert_eq!(read(printed).as_deref(), Some("redis 7.0.15"));
        assert_eq!(read("Valkey server v=9.1.2 sha=0").as_deref(), Some("valkey 9.1.2"));
        assert_eq!(read("GNU bash, version 5.2"), None);
    }
}
