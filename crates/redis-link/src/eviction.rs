//! Whether a server removes keys by itself when its memory is full.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;

/// Whether a server removes keys by itself when its memory is full, as it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eviction {
    /// It refuses writes instead, or its memory has no limit.
    Never,
    /// It removes keys: all, or those with a time to live.
    Possible,
    /// It shows it neither by `INFO` nor by `CONFIG GET`.
    Unknown,
}

impl Eviction {
    /// Asks the server: by `INFO`, or where that is not allowed by `CONFIG GET`. `None`: it has not answered.
    pub(crate) async fn read(connection: &mut MultiplexedConnection) -> Option<Self> {
        let info = redis::cmd("INFO").arg("memory").query_async::<String>(connection).await;
        match info {
            Ok(text) => {
                if let Some(eviction) = Self::of_info(&text) {
                    return Some(eviction);
                }
            }
            Err(error) if error.is_io_error() => return None,
            Err(_) => {}
        }
        let mut config = redis::cmd("CONFIG");
        let fields =
            config.arg("GET").arg("maxmemory*").query_async::<HashMap<String, String>>(connection).await;
        match fields {
            Ok(fields) => Some(Self::of_config(&fields).unwrap_or(Self::Unknown)),
            Err(error) if error.is_io_error() => None,
            Err(_) => Some(Self::Unknown),
        }
    }

    fn of_info(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = text.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(field, _)| *field == name).map(|(_, value)| value.trim())
        };
        Self::of(field("maxmemory")?, field("maxmemory_policy")?)
    }

    fn of_config(fields: &HashMap<String, String>) -> Option<Self> {
        Self::of(fields.get("maxmemory")?, fields.get("maxmemory-policy")?)
    }

    fn of(limit: &str, policy: &str) -> Option<Self> {
        let limit: u64 = limit.parse().ok()?;
        Some(if limit == 0 || policy == "noeviction" { Self::Never } else { Self::Possible })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_with_a_limit_and_any_policy_but_noeviction_evicts() {
        for (limit, policy, expected) in [
            ("0", "allkeys-lru", Some(Eviction::Never)),
            ("1", "noeviction", Some(Eviction::Never)),
            ("1", "allkeys-lru", Some(Eviction::Possible)),
            ("1", "volatile-ttl", Some(Eviction::Possible)),
            ("1", "a policy of a later version", Some(Eviction::Possible)),
            ("a lot", "noeviction", None),
        ] {
            let info =
                format!("# Memory\r\nused_memory:9\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n");
            assert_eq!(Eviction::of_info(&info), expected, "{info}");
            let config = [("maxmemory", limit), ("maxmemory-policy", policy), ("maxmemory-samples", "5")];
            let config = config.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            assert_eq!(Eviction::of_config(&config), expected, "{config:?}");
        }
        assert_eq!(Eviction::of_info("# Memory\r\nused_memory:9\r\n"), None);
    }
}
