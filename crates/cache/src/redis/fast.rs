//! The fast path's entry: what a reader of a good token wants to know, in one value.

use super::last::Fields;

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

/// Reads the fields back; `None` for anything that is not such an entry.
pub(crate) fn read(mut value: Vec<u8>) -> Option<Fields> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let payload = value.split_off(end + 1);
    value.truncate(end);
    let mut words = value.split(|byte| *byte == b' ');
    if words.next()? != FORMAT {
        return None;
    }
    let mut fields = Fields::with_capacity(LINE.len() + 2);
    for name in LINE {
        let word = words.next()?;
        if word != NONE {
            fields.insert(name.to_owned(), word.to_vec());
        }
    }
    fields.insert(PAYLOAD.to_owned(), payload);
    Some(fields)
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
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let bare = [("stamp", "9"), ("generation", "8"), ("token", "sealed\nwith a line break")];
        let judged = [("ruling", "not_before"), ("why", "rate_limited"), ("until", "12"), ("strikes", "3")];
        for pairs in [bare.to_vec(), [bare.as_slice(), &judged].concat()] {
            let fields = fields(&pairs);
            assert_eq!(read(write(&fields).unwrap()).unwrap(), fields);
        }
    }

    #[test]
    fn without_a_token_there_is_no_entry() {
        assert_eq!(write(&fields(&[("stamp", "9")])), None);
    }

    #[test]
    fn anything_else_is_not_an_entry() {
        for value in [&b""[..], b"hello", b"2 1 1 1 1 1 - - - -\nx", b"1 1 1\nx", b"\xff\n"] {
            assert_eq!(read(value.to_vec()), None);
        }
    }
}
