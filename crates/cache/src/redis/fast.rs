//! The fast path's entry: what a reader of a good token wants to know, in one value.

use std::time::Duration;

use solekey_core::{
    Generation, Sealed,
    ports::{Shelf, Shelved},
};

use super::ruling;

/// Reads the entry at `now`; `None` for anything that is not such an entry or has no good token.
pub(crate) fn shelf(mut value: Vec<u8>, now: u64) -> Option<Shelf> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let Line { shelf, token_by, good, valid } = Line::read(&value[..end], now)?;
    value.drain(..=end);
    let token = Shelved { generation: token_by, payload: Sealed::new(value), valid, good };
    Some(Shelf { token: Some(token), ..shelf })
}

/// What the line says.
struct Line {
    /// All but the token.
    shelf: Shelf,
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
        let mut fields: [&[u8]; 8] = Default::default();
        for field in &mut fields {
            *field = words.next()?;
        }
        let [generation, token_by, good_end, valid_end, ruling, why, until, strikes] = fields;
        let left = |end: u64| Duration::from_micros(end.saturating_sub(now));
        let (good, valid) = (left(number(good_end)?), left(number(valid_end)?));
        if good.is_zero() || valid.is_zero() {
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
const FORMAT: &[u8] = b"2";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::last::Last, *};

    /// Good until 30, valid until 40.
    const FIELDS: [(&str, &str); 5] = [
        ("generation", "8"),
        ("token_by", "7"),
        ("good_end", "30"),
        ("valid_end", "40"),
        ("token", "sealed\nwith a line break"),
    ];
    const ENTRY: &[u8] = b"2 8 7 30 40 - - - -\nsealed\nwith a line break";

    #[test]
    fn an_entry_says_what_the_state_it_was_made_of_says() {
        let judged = [("ruling", "not_before"), ("why", "rate_limited"), ("until", "12"), ("strikes", "3")];
        let entry = b"2 8 7 30 40 not_before rate_limited 12 3\nsealed\nwith a line break";
        for (pairs, entry) in
            [(FIELDS.to_vec(), ENTRY), ([FIELDS.as_slice(), &judged].concat(), entry.as_slice())]
        {
            let fields =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
            assert_eq!(shelf(entry.to_vec(), 10), Some(Last::new(10, fields).shelf()));
        }
    }

    #[test]
    fn an_entry_without_a_good_token_is_none() {
        assert!(shelf(ENTRY.to_vec(), 29).is_some());
        assert_eq!(shelf(ENTRY.to_vec(), 30), None);
    }

    #[test]
    fn anything_else_is_not_an_entry() {
        for value in [&b""[..], b"hello", b"1 9 9 1 1 90 90 - - - -\nx", b"2 9 1\nx", b"\xff\n"] {
            assert_eq!(shelf(value.to_vec(), 10), None);
        }
    }
}
