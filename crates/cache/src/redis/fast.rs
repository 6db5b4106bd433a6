//! The fast path's entry: what a reader of a good token wants to know, in one value.

use std::time::Duration;

use solekey_core::{
    Generation, Sealed,
    ports::{CacheEntry, CachedToken},
};

use super::{proof, wire_verdict};

/// Reads the entry at `now`; `None` for anything that is not such an entry, has no good token, or was written later than
/// now: the clock has stepped back, and `last` has to follow it.
pub(crate) fn shared_cache(mut value: Vec<u8>, now: u64) -> Option<CacheEntry> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let Line { shared_cache, token_by, good, valid } = Line::read(&value[..end], now)?;
    value.drain(..=end);
    let token = CachedToken { generation: token_by, payload: Sealed::new(value), valid, good };
    Some(CacheEntry { token: Some(token), ..shared_cache })
}

/// The fields of the line.
struct Line {
    /// All but the token.
    shared_cache: CacheEntry,
    token_by: Generation,
    good: Duration,
    valid: Duration,
}

impl Line {
    fn read(line: &[u8], now: u64) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        if words.next()? != FORMAT {
            return None;
        }
        let mut fields: [&[u8]; 10] = Default::default();
        for field in &mut fields {
            *field = words.next()?;
        }
        let [generation, token_by, good_end, valid_end, wire_verdict, why, until, strikes, put, proof] =
            fields;
        if number(put)? > now {
            return None;
        }
        let left = |end: u64| Duration::from_micros(end.saturating_sub(now));
        let (good, valid) = (left(number(good_end)?), left(number(valid_end)?));
        if good.is_zero() || valid.is_zero() {
            return None;
        }
        let known = number(generation).map(Generation::new);
        let verdict = || {
            let strikes = number(strikes)?.try_into().ok()?;
            wire_verdict::verdict(known?, text(wire_verdict)?, text(why)?, strikes, left(number(until)?))
        };
        let proof = if proof == ABSENT { Sealed::default() } else { proof::read(proof) };
        let shared_cache = CacheEntry { known, verdict: verdict(), proof, ..CacheEntry::default() };
        Some(Self { shared_cache, token_by: Generation::new(number(token_by)?), good, valid })
    }
}

/// An absent field is no number.
fn number(word: &[u8]) -> Option<u64> {
    text(word)?.parse().ok()
}

fn text(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok()
}

/// A newer version may write another format; readers of this one then read `last`.
const FORMAT: &[u8] = b"3";
/// Stands for a field that is absent.
const ABSENT: &[u8] = b"-";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::last::Last, *};

    /// Good until 30, valid until 40.
    const FIELDS: [(&str, &str); 6] = [
        ("put", "9"),
        ("generation", "8"),
        ("token_by", "7"),
        ("good_end", "30"),
        ("valid_end", "40"),
        ("token", "sealed\nwith a line break"),
    ];
    const ENTRY: &[u8] = b"3 8 7 30 40 - - - - 9 -\nsealed\nwith a line break";

    #[test]
    fn an_entry_says_what_the_state_it_was_made_of_says() {
        let verdict = [
            ("ruling", "not_before"),
            ("why", "rate_limited"),
            ("until", "12"),
            ("strikes", "3"),
            ("proof", "c2hvd24"),
        ];
        let entry = b"3 8 7 30 40 not_before rate_limited 12 3 9 c2hvd24\nsealed\nwith a line break";
        for (pairs, entry) in
            [(FIELDS.to_vec(), ENTRY), ([FIELDS.as_slice(), &verdict].concat(), entry.as_slice())]
        {
            let fields =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
            assert_eq!(shared_cache(entry.to_vec(), 10), Some(Last::new(10, fields).shared_cache()));
        }
    }

    #[test]
    fn an_entry_without_a_good_token_is_none() {
        assert!(shared_cache(ENTRY.to_vec(), 29).is_some());
        assert_eq!(shared_cache(ENTRY.to_vec(), 30), None);
    }

    #[test]
    fn an_entry_that_was_written_later_than_now_is_none() {
        assert!(shared_cache(ENTRY.to_vec(), 9).is_some());
        assert_eq!(shared_cache(ENTRY.to_vec(), 8), None);
    }

    #[test]
    fn anything_else_is_not_an_entry() {
        for value in [
            &b""[..],
            b"hello",
            b"2 8 7 30 40 - - - - 9\nx",
            b"3 8 7 30 40 - - - - 9\nx",
            b"3 9 1\nx",
            b"\xff\n",
        ] {
            assert_eq!(shared_cache(value.to_vec(), 10), None);
        }
    }
}
