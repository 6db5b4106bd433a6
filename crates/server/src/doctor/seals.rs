//! Checks whether older seal keys are still needed.

use solekey::SealCount;

use super::finding::Finding;

pub(super) fn assess(count: &SealCount) -> Finding {
    let first = count.key.as_deref().unwrap_or_default();
    let scope = match (count.whole, count.accounts) {
        (true, accounts) => format!("of {accounts} accounts"),
        (false, accounts) => {
            format!("of the first {accounts} accounts, which were read in the time allowed,")
        }
    };
    if count.unopened > 0 {
        return Finding::error(
            CHECK,
            format!("{} values {scope} lie under no key of the ring", count.unopened),
            "put their key back into the ring: until then their accounts wait",
        );
    }
    if let Some(left) = left(count) {
        let observed =
            format!("values {scope} lie under older keys: {left}; replicas that run put them under {first}");
        return Finding::note(CHECK, observed);
    }
    let observed = format!("nothing {scope} lies under another key than {first}");
    if !count.whole || count.unread > 0 {
        let unread = count.unread;
        return Finding::note(
            CHECK,
            format!("{observed}, but for {unread} that could not be read; /readyz knows of all"),
        );
    }
    if !count.settled {
        return Finding::note(
            CHECK,
            format!("{observed}; a replica has yet to walk over all and report done in /readyz"),
        );
    }
    Finding::ok(
        CHECK,
        format!("{observed}; once /readyz of every replica reports done, the others can be removed"),
    )
}

/// Returns the number of values left under each other key; nothing if there are none.
fn left(count: &SealCount) -> Option<String> {
    let left = count.left.iter().filter(|(_, values)| **values > 0);
    let left: Vec<_> = left.map(|(key, values)| format!("{values} under {key}")).collect();
    (!left.is_empty()).then(|| left.join(", "))
}

const CHECK: &str = "seal.keys";

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn count(change: impl FnOnce(&mut SealCount)) -> SealCount {
        let mut count = SealCount::default();
        count.key = Some("k2".to_owned());
        count.left.insert("k1".to_owned(), 0);
        (count.accounts, count.whole, count.settled) = (3, true, true);
        change(&mut count);
        count
    }

    #[test]
    fn older_keys_can_go_only_where_all_was_seen_and_nothing_is_left() {
        let done = assess(&count(|_| ()));
        assert_eq!(done.level, Level::Ok, "{done:?}");
        let left = assess(&count(|count| *count.left.entry("k1".to_owned()).or_default() = 2));
        assert!(left.level == Level::Note && left.said.contains("2 under k1"), "{left:?}");
        for not_yet in [
            count(|count| count.whole = false),
            count(|count| count.unread = 1),
            count(|count| count.settled = false),
        ] {
            let found = assess(&not_yet);
            assert!(found.level == Level::Note && !found.said.contains("can be removed"), "{found:?}");
        }
        let lost = assess(&count(|count| count.unopened = 1));
        assert!(lost.level == Level::Error && lost.advice.is_some(), "{lost:?}");
    }
}
