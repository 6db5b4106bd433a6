//! Assesses the settings that a PostgreSQL server reports, without any further request.

use solekey_store_sql::{PostgresCondition, PostgresProtection};

use super::finding::Finding;

pub(super) fn assess(condition: &PostgresCondition) -> Vec<Finding> {
    vec![
        version(condition.version),
        role(condition.is_standby),
        durability(condition),
        replication(condition),
        protection(condition.protection),
    ]
}

fn version(version: u32) -> Finding {
    let check = "postgres.version";
    let observed = format!("PostgreSQL {}.{}", version / 10_000, version % 10_000);
    if version < OLDEST {
        return Finding::error(
            check,
            observed,
            "use PostgreSQL 13 or newer: an older one has no gen_random_uuid(), which names the store",
        );
    }
    Finding::ok(check, observed)
}

fn role(is_standby: bool) -> Finding {
    let check = "postgres.role";
    if is_standby {
        return Finding::error(check, "a standby", "point store.url at the primary");
    }
    Finding::ok(check, "the primary")
}

/// Assesses which acknowledged changes survive a crash of the server.
fn durability(condition: &PostgresCondition) -> Finding {
    let check = "postgres.durability";
    if !condition.fsync {
        return Finding::error(
            check,
            "fsync is off: a loss of power takes claims with it that were acknowledged",
            "fsync = on",
        );
    }
    if !condition.full_page_writes {
        return Finding::warning(
            check,
            "full_page_writes is off: a crash may leave pages that are half written",
            "full_page_writes = on, unless the file system writes whole pages, as ZFS does",
        );
    }
    let PostgresCondition { synchronous_commit, .. } = condition;
    if !WAITS.contains(&synchronous_commit.as_str()) {
        return Finding::error(
            check,
            format!("synchronous_commit is {synchronous_commit} even for changes that ask for on"),
            "let the role set it",
        );
    }
    Finding::ok(
        check,
        format!("changes wait for the disk: synchronous_commit is {synchronous_commit} for them"),
    )
}

/// Assesses which acknowledged changes survive a failover.
fn replication(condition: &PostgresCondition) -> Finding {
    let check = "postgres.replication";
    match (condition.names_synchronous_standbys, condition.replicas) {
        // A standby's own settings are for the day on which it is the primary.
        _ if condition.is_standby => Finding::note(check, "not asked of a standby"),
        (false, 0) => Finding::ok(
            check,
            "no standbys: nothing is lost in a failover, and nothing is left without the server",
        ),
        (false, replicas) => Finding::note(
            check,
            format!(
                "connections that replicate: {replicas}, written to later: a failover may lose what was acknowledged, \
                 unless synchronous_standby_names says to wait"
            ),
        ),
        (true, 0) => Finding::error(
            check,
            "synchronous_standby_names is set and no standby is connected: changes wait for one",
            "connect it, or empty synchronous_standby_names",
        ),
        (true, replicas) => Finding::ok(
            check,
            format!("connections that replicate: {replicas}; changes wait for synchronous standbys, too"),
        ),
    }
}

fn protection(protection: PostgresProtection) -> Finding {
    let check = "postgres.tls";
    match protection {
        PostgresProtection::Local => Finding::ok(check, "not needed: the server is on this machine"),
        PostgresProtection::Verified => Finding::ok(check, "with a server whose certificate is checked"),
        PostgresProtection::Demanded => {
            Finding::note(check, "with whoever answers; sslmode=verify-full would check who it is")
        }
        PostgresProtection::Offered => Finding::note(
            check,
            "because the server offers it; whoever stands between could prevent that: sslmode=verify-full would not let them",
        ),
        _ => Finding::warning(
            check,
            "none: passwords and rows are sent in clear",
            "sslmode=verify-full in store.url, and a certificate for the server",
        ),
    }
}

/// The first with `gen_random_uuid()` of its own, which the tables need.
const OLDEST: u32 = 130_000;
/// The values of `synchronous_commit` under which a change is safe from a crash.
const WAITS: [&str; 2] = ["on", "remote_apply"];

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn sound() -> PostgresCondition {
        PostgresCondition {
            version: 150_004,
            is_standby: false,
            fsync: true,
            full_page_writes: true,
            synchronous_commit: "on".to_owned(),
            names_synchronous_standbys: false,
            replicas: 0,
            protection: PostgresProtection::Verified,
        }
    }

    #[test]
    fn a_server_that_keeps_what_it_acknowledges_is_in_order() {
        for synchronous_commit in ["on", "remote_apply"] {
            let synchronous_commit = synchronous_commit.to_owned();
            let findings = assess(&PostgresCondition { synchronous_commit, ..sound() });
            assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
        }
    }

    #[test]
    fn each_weakness_is_found_and_weighed() {
        use PostgresProtection::{Demanded, Local, None, Offered};
        let synchronous =
            |replicas| PostgresCondition { names_synchronous_standbys: true, replicas, ..sound() };
        let protected = |protection| PostgresCondition { protection, ..sound() };
        let table = [
            (PostgresCondition { version: 120_017, ..sound() }, "postgres.version", Level::Error),
            (PostgresCondition { version: 130_000, ..sound() }, "postgres.version", Level::Ok),
            (PostgresCondition { is_standby: true, ..sound() }, "postgres.role", Level::Error),
            (PostgresCondition { fsync: false, ..sound() }, "postgres.durability", Level::Error),
            (PostgresCondition { full_page_writes: false, ..sound() }, "postgres.durability", Level::Warning),
            (
                PostgresCondition { synchronous_commit: "off".to_owned(), ..sound() },
                "postgres.durability",
                Level::Error,
            ),
            (PostgresCondition { replicas: 2, ..sound() }, "postgres.replication", Level::Note),
            (synchronous(2), "postgres.replication", Level::Ok),
            (synchronous(0), "postgres.replication", Level::Error),
            (protected(Local), "postgres.tls", Level::Ok),
            (protected(Demanded), "postgres.tls", Level::Note),
            (protected(Offered), "postgres.tls", Level::Note),
            (protected(None), "postgres.tls", Level::Warning),
        ];
        for (condition, check, level) in table {
            let findings = assess(&condition);
            let found = findings.iter().find(|finding| finding.check == check).expect(check);
            assert_eq!(found.level, level, "{condition:?}: {found:?}");
            assert!(found.level < Level::Warning || found.advice.is_some(), "{found:?}");
            let others = findings.iter().filter(|finding| finding.check != check);
            assert!(others.map(|finding| finding.level).max() <= Some(Level::Note), "{findings:?}");
        }
    }

    #[test]
    fn versions_are_shown_in_their_usual_form() {
        assert_eq!(version(150_004).said, "PostgreSQL 15.4");
        assert_eq!(version(90_624).level, Level::Error);
    }
}
