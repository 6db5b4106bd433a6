//! Whether older seal keys are still needed.

use solekey::SealCount;

use super::finding::Finding;

pub(super) fn judge(count: &SealCount) -> Finding {
    let first = count.key.as_deref().unwrap_or_default();
    let looked = match (count.whole, count.accounts) {
        (true, accounts) => format!("of {accounts} accounts"),
        (false, accounts) => format!("of the first {accounts} accounts, which is how far this look came,"),
    };
    if count.unopened > 0 {
        return Finding::error(
            CHECK,
            format!("{} values {looked} lie under no key of the ring", count.unopened),
            "put their key back into the ring: until then their accounts wait",
        );
    }
    if let Some(left) = left(count) {
        let said =
            format!("values {looked} lie under older keys: {left}; replicas that run put them under {first}");
        return Finding::note(CHECK, said);
    }
    let said = format!("nothing {looked} lies under another key than {first}");
    if !count.whole || count.unread > 0 {
        let unread = count.unread;
        return Finding::note(
            CHECK,
            format!("{said}, but for {unread} that could not be read; /readyz knows of all"),
        );
    }
    if !count.settled {
        return Finding::note(
            CHECK,
            format!("{said}; a replica has yet to walk over all and say done in /readyz"),
        );
    }
    Finding::ok(CHECK, format!("{said}; once /readyz of every replica says done, the others can be removed"))
}

/// How much is left under which other key; nothing where nothing is.
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
        let done = judge(&count(|_| ()));
        assert_eq!(done.level, Level::Ok, "{done:?}");
        let left = judge(&count(|count| *count.left.entry("k1".to_owned()).or_default() = 2));
        assert!(left.level == Level::Note && left.said.contains("2 under k1"), "{left:?}");
        for not_yet in [
            count(|count| count.whole = false),
            count(|count| count.unread = 1),
            count(|count| count.settled = false),
        ] {
            let found = judge(&not_yet);
            assert!(found.level == Level::Note && !found.said.contains("can be removed"), "{found:?}");
        }
        let lost = judge(&count(|count| count.unopened = 1));
        assert!(lost.level == Level::Error && lost.advice.is_some(), "{lost:?}");
    }
}
