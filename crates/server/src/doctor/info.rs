//! Assesses the reply of `INFO` of a Redis or Valkey, without any further request.

use std::collections::HashMap;

use solekey::core::mutant;

use super::finding::Finding;

/// The fields of `INFO`, and what `CONFIG GET` adds where it is allowed.
pub(super) struct Info {
    fields: HashMap<String, String>,
    /// `appendfsync`; a managed server may keep it to itself.
    pub(super) appendfsync: Option<String>,
}

/// The kind of data that is kept there, as far as it matters when something is lost.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    /// Rows, and not only answers, leases and tokens.
    pub(super) rows: bool,
    pub(super) accept_loss: bool,
}

impl Info {
    pub(super) fn parse(text: &str) -> Self {
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.into(), value.trim().into()));
        Self { fields: text.lines().filter_map(field).collect(), appendfsync: None }
    }

    pub(super) fn assess(&self, kept: Kept) -> Vec<Finding> {
        vec![
            self.version(),
            self.role(),
            self.memory(),
            self.eviction(kept),
            self.persistence(kept),
            self.replication(kept),
        ]
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.field(name) == value
    }

    fn number(&self, name: &str) -> u64 {
        self.field(name).parse().unwrap_or(0)
    }

    fn version(&self) -> Finding {
        let check = "redis.version";
        if self.fields.contains_key("valkey_version") {
            return Finding::ok(check, format!("Valkey {}", self.field("valkey_version")));
        }
        let version = self.field("redis_version");
        let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let since = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if since < OLDEST {
            return Finding::error(check, format!("Redis {version}"), "use Redis 6.2 or newer, or Valkey");
        }
        Finding::ok(check, format!("Redis {version}"))
    }

    fn role(&self) -> Finding {
        let check = "redis.role";
        match (self.field("redis_mode"), self.field("role")) {
            ("cluster", _) => Finding::error(
                check,
                "a node of a cluster",
                "point redis.url at a single server: redirections are not followed",
            ),
            ("sentinel", _) => {
                Finding::error(check, "a Sentinel", "point redis.url at the server that it watches")
            }
            (_, "master") => Finding::ok(check, "takes writes"),
            (_, role) => {
                let observed = if role.is_empty() { "unknown".to_owned() } else { format!("a {role}") };
                Finding::error(check, observed, "point redis.url at the server that takes writes")
            }
        }
    }

    /// How full the server is, by its own limit or by its machine's memory.
    fn memory(&self) -> Finding {
        let check = "redis.memory";
        let used = self.number("used_memory");
        let (limit, whose) = match self.number("maxmemory") {
            0 => (self.number("total_system_memory"), "of its machine's memory, without a limit of its own"),
            limit => (limit, "of maxmemory"),
        };
        if limit == 0 || mutant("doctor_leaves_memory_out") {
            return Finding::note(check, format!("{} MiB used", used >> 20));
        }
        let share = used.saturating_mul(100) / limit;
        let observed = format!("{share} % {whose} used ({} MiB)", used >> 20);
        match share {
            100.. => {
                Finding::error(check, observed, "raise maxmemory: a full server refuses writes, or forgets")
            }
            80.. => Finding::warning(check, observed, "raise maxmemory before it is full"),
            _ => Finding::ok(check, observed),
        }
    }

    fn eviction(&self, kept: Kept) -> Finding {
        let check = "redis.eviction";
        let policy = self.field("maxmemory_policy");
        if self.number("maxmemory") == 0 {
            return Finding::ok(check, format!("no memory limit (policy {policy})"));
        }
        let advice = "set maxmemory-policy noeviction";
        match policy {
            "noeviction" => {
                Finding::ok(check, "noeviction: a full server refuses writes and forgets nothing")
            }
            // Rows have no time to live, everything else has.
            policy if policy.starts_with("volatile-") || !kept.rows => Finding::warning(
                check,
                format!(
                    "{policy}: a full server forgets leases, tokens and answers, and answers are the second copy"
                ),
                advice,
            ),
            policy => Finding::error(check, format!("{policy}: a full server forgets accounts"), advice),
        }
    }

    fn persistence(&self, kept: Kept) -> Finding {
        let check = "redis.persistence";
        if self.is("loading", "1") {
            return Finding::error(
                check,
                "the server is loading its data",
                "wait, then run the doctor again",
            );
        }
        let (aof, failed) = (self.is("aof_enabled", "1"), self.failed_write());
        if let Some(what) = failed {
            return Finding::error(
                check,
                format!("the last write of {what} failed"),
                "check the server's disk and log",
            );
        }
        let observed = match (aof, self.appendfsync.as_deref()) {
            (true, Some("always")) => return Finding::ok(check, "append-only file, fsync always"),
            (true, fsync) => format!("append-only file, fsync {}", fsync.unwrap_or("unknown")),
            (false, _) => {
                "no append-only file: a restart loses everything since the last snapshot".to_owned()
            }
        };
        match kept {
            // Answers are a second copy: losing it costs time where the store keeps its own.
            Kept { rows: false, .. } => Finding::note(check, observed),
            Kept { accept_loss: true, .. } => {
                Finding::note(check, format!("{observed}; accepted by accept_loss"))
            }
            Kept { .. } if aof => Finding::warning(check, observed, "appendfsync always, or rows in SQL"),
            Kept { .. } => {
                Finding::error(check, observed, "appendonly yes and appendfsync always, or rows in SQL")
            }
        }
    }

    fn failed_write(&self) -> Option<&'static str> {
        let failed = |field| !self.field(field).is_empty() && !self.is(field, "ok");
        if self.is("aof_enabled", "1") && failed("aof_last_write_status") {
            return Some("the append-only file");
        }
        failed("rdb_last_bgsave_status").then_some("a snapshot")
    }

    fn replication(&self, kept: Kept) -> Finding {
        let check = "redis.replication";
        let replicas = self.number("connected_slaves");
        match (replicas, kept) {
            (0, _) => Finding::ok(
                check,
                "no replicas: nothing is lost in a failover, and nothing is left without the server",
            ),
            (_, Kept { rows: true, accept_loss: false }) => Finding::warning(
                check,
                format!("{replicas} replicas, written to later: a failover may lose what was acknowledged"),
                "rows in SQL, or accept_loss = true in [store]",
            ),
            (_, _) => Finding::note(check, format!("{replicas} replicas, written to later")),
        }
    }
}

/// Scripts and commands in use are known to it.
const OLDEST: (u32, u32) = (6, 2);

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    /// Changes to a server in order, the check they concern, and how grave it is with rows there and without.
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, Level, Level);

    const ROWS: Kept = Kept { rows: true, accept_loss: false };
    const ANSWERS: Kept = Kept { rows: false, accept_loss: false };

    fn info(changes: &[(&str, &str)]) -> Info {
        let mut info = Info::parse(
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\nused_memory:1\r\n\
             total_system_memory:1000\r\nmaxmemory:0\r\n\
             maxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:ok\r\nloading:0\r\n\
             rdb_last_bgsave_status:ok\r\nconnected_slaves:0\r\n",
        );
        info.appendfsync = Some("always".to_owned());
        for (name, value) in changes {
            if *name == "appendfsync" {
                info.appendfsync = Some((*value).to_owned());
            } else {
                info.fields.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        info
    }

    #[test]
    fn a_server_that_keeps_what_it_acknowledges_is_in_order() {
        let findings = info(&[]).assess(ROWS);
        assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
    }

    #[test]
    fn each_weakness_is_found_and_weighed_by_what_is_kept_there() {
        let (error, warning, note, ok) = (Level::Error, Level::Warning, Level::Note, Level::Ok);
        let table: &[Row<'_>] = &[
            (&[("redis_version", "6.0.16")], "redis.version", error, error),
            (&[("redis_version", "6.2.0")], "redis.version", ok, ok),
            (&[("valkey_version", "9.1.2")], "redis.version", ok, ok),
            (&[("role", "slave")], "redis.role", error, error),
            (&[("redis_mode", "cluster")], "redis.role", error, error),
            (&[("redis_mode", "sentinel"), ("role", "")], "redis.role", error, error),
            (&[("maxmemory_policy", "allkeys-lru")], "redis.eviction", ok, ok),
            (&[("used_memory", "79"), ("maxmemory", "100")], "redis.memory", ok, ok),
            (&[("used_memory", "80"), ("maxmemory", "100")], "redis.memory", warning, warning),
            (&[("used_memory", "100"), ("maxmemory", "100")], "redis.memory", error, error),
            (&[("used_memory", "90"), ("total_system_memory", "100")], "redis.memory", warning, warning),
            (&[("maxmemory", "1"), ("maxmemory_policy", "allkeys-lru")], "redis.eviction", error, warning),
            (&[("maxmemory", "1"), ("maxmemory_policy", "volatile-ttl")], "redis.eviction", warning, warning),
            (&[("maxmemory", "1")], "redis.eviction", ok, ok),
            (&[("appendfsync", "everysec")], "redis.persistence", warning, note),
            (&[("aof_enabled", "0")], "redis.persistence", error, note),
            (&[("aof_last_write_status", "err")], "redis.persistence", error, error),
            (&[("rdb_last_bgsave_status", "err")], "redis.persistence", error, error),
            (&[("loading", "1")], "redis.persistence", error, error),
            (&[("connected_slaves", "2")], "redis.replication", warning, note),
        ];
        for (changes, check, with_rows, with_answers) in table {
            for (kept, level) in [(ROWS, with_rows), (ANSWERS, with_answers)] {
                let findings = info(changes).assess(kept);
                let found = findings.iter().find(|finding| finding.check == *check).expect(check);
                assert_eq!(found.level, *level, "{changes:?}: {found:?}");
                assert!(found.level < Level::Warning || found.advice.is_some(), "{found:?}");
            }
        }
    }

    #[test]
    fn what_was_accepted_is_no_warning() {
        let accepted = Kept { rows: true, accept_loss: true };
        let findings = info(&[("aof_enabled", "0"), ("connected_slaves", "2")]).assess(accepted);
        assert!(findings.iter().all(|finding| finding.level <= Level::Note), "{findings:?}");
    }
}
