//! The fast path's entry: what a reader of a good token wants to know, in one value.

use std::time::Duration;

use solekey_core::{
    Generation, Sealed,
    ports::{Shelf, Shelved},
};

use super::{last::Fields, ruling};

/// Writes the entry: a line with the fields of `last` that concern a reader, then the payload. `None` when there is no
/// token.
pub(crate) fn write(fields: &Fields) -> Option<Vec<u8>> {
    let mut value = FORMAT.to_vec();
    for name in LINE {
        value.push(b' ');
        value.extend_from_slice(fields.get(name).map_or(NONE, Vec::as_slice));
    }
    value.push(b'\n');
    value.extend_from_slice(fields.get(PAYLOAD)?);
    Some(value)
}

/// Reads the entry at `now`; `None` for anything that is not such an entry, belongs to another state than the one with
/// this `stamp`, or has no good token.
pub(crate) fn shelf(mut value: Vec<u8>, now: u64, stamp: &[u8], rejected: Option<&[u8]>) -> Option<Shelf> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let Line { shelf, token_by, good, valid } = Line::read(&value[..end], now, stamp)?;
    value.drain(..=end);
    let token = Shelved { generation: token_by, payload: Sealed::new(value), valid, good };
    let rejected = rejected.and_then(number).map(Generation::new);
    Some(Shelf { token: Some(token), rejected, ..shelf })
}

/// What the line says.
struct Line {
    /// All but the token and the mark.
    shelf: Shelf,
    token_by: Generation,
    good: Duration,
    valid: Duration,
}

impl Line {
    fn read(line: &[u8], now: u64, stamp: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        if words.next()? != FORMAT {
            return None;
        }
        let mut fields = [NONE; LINE.len()];
        for field in &mut fields {
            *field = words.next()?;
        }
        let [made, generation, token_by, good_end, valid_end, ruling, why, until, strikes] = fields;
        let left = |end: u64| Duration::from_micros(end.saturating_sub(now));
        let (good, valid) = (left(number(good_end)?), left(number(valid_end)?));
        if made != stamp || good.is_zero() || valid.is_zero() {
            return None;
        }
        let known = number(generation).map(Generation::new);
        let verdict = || {
            let strikes = number(strikes)?.try_into().ok()?;
            ruling::verdict(known?, text(ruling)?, text(why)?, strikes, left(number(until)?))
        };
        let shelf = Shelf { known, token: None, verdict: verdict(), rejected: None, gone: false };
        Some(Self { shelf, token_by: Generation::new(number(token_by)?), good, valid })
    }
}

/// An absent field is no number.
fn number(word: &[u8]) -> Option<u64> {
    text(word)?.parse().ok()
}

fn text(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok()
}

/// A newer version may write another format; readers of this one then look at `last`.
const FORMAT: &[u8] = b"1";

/// The fields of the line, in order. None of their values holds a space.
const LINE: [&str; 9] =
    ["stamp", "generation", "token_by", "good_end", "valid_end", "ruling", "why", "until", "strikes"];
const PAYLOAD: &str = "token";
const NONE: &[u8] = b"-";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::last::Last, *};

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    /// At the time 10: good until 30, valid until 40.
    const TOKEN: [(&str, &str); 6] = [
        ("stamp", "9"),
        ("generation", "8"),
        ("token_by", "7"),
        ("good_end", "30"),
        ("valid_end", "40"),
        ("token", "sealed\nwith a line break"),
    ];

    #[test]
    fn an_entry_says_what_the_state_it_was_made_of_says() {
        let judged = [("ruling", "not_before"), ("why", "rate_limited"), ("until", "12"), ("strikes", "3")];
        for pairs in [TOKEN.to_vec(), [TOKEN.as_slice(), &judged].concat()] {
            let fields = fields(&pairs);
            let entry = write(&fields).unwrap();
            assert_eq!(shelf(entry.clone(), 10, b"9", None), Some(Last::new(10, fields.clone()).shelf()));
            let marked = fields.into_iter().chain([("rejected".to_owned(), b"7".to_vec())]).collect();
            assert_eq!(shelf(entry, 10, b"9", Some(b"7")), Some(Last::new(10, marked).shelf()));
        }
    }

    #[test]
    fn an_entry_of_another_state_or_without_a_good_token_is_none() {
        let entry = write(&fields(&TOKEN)).unwrap();
        assert_eq!(shelf(entry.clone(), 10, b"10", None), None);
        assert_eq!(shelf(entry.clone(), 30, b"9", None), None);
        assert!(shelf(entry, 29, b"9", None).is_some());
    }

    #[test]
    fn without_a_token_there_is_no_entry() {
        assert_eq!(write(&fields(&[("stamp", "9")])), None);
    }

    #[test]
    fn anything_else_is_not_an_entry() {
        for value in [&b""[..], b"hello", b"2 9 1 1 90 90 - - - -\nx", b"1 9 1\nx", b"\xff\n"] {
            assert_eq!(shelf(value.to_vec(), 10, b"9", None), None);
        }
    }
}
