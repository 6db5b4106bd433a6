//! The form of a row in its columns.

use std::collections::BTreeSet;

use solekey_core::{
    Fingerprint, ROW_FORMAT, Row, Sealed, StoreTime, mutant,
    ports::{Record, StoreError},
};

/// The columns of one account, as read.
pub(crate) struct Columns {
    pub(crate) format: i64,
    pub(crate) due_at: Option<i64>,
    pub(crate) row: String,
    pub(crate) payload: Vec<u8>,
}

impl Columns {
    /// The record, unless a newer version wrote it.
    pub(crate) fn decode(self) -> Result<Record, StoreError> {
        let row = decode_row(self.format, self.due_at, &self.row)?;
        Ok(Record { row, payload: Sealed::new(self.payload) })
    }
}

/// The row without its payload, unless a newer version wrote it.
pub(crate) fn decode_row(format: i64, due_at: Option<i64>, json: &str) -> Result<Row, StoreError> {
    if format > i64::from(ROW_FORMAT) {
        return Err(StoreError::UnreadableFormat { found: u16::try_from(format).unwrap_or(u16::MAX) });
    }
    let row: Row = serde_json::from_str(json).map_err(StoreError::not_applied)?;
    Ok(Row { due_at: due_at.map(time), ..row })
}

/// The row as JSON, for its column.
pub(crate) fn encode_row(row: &Row) -> Result<String, StoreError> {
    serde_json::to_string(row).map_err(StoreError::not_applied)
}

/// A time as SQL keeps it. Times beyond SQL's integers are as good as never.
pub(crate) fn micros(time: StoreTime) -> i64 {
    number(time.as_micros())
}

/// A number as SQL keeps it.
pub(crate) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time as SQL kept it.
pub(crate) fn time(micros: i64) -> StoreTime {
    StoreTime::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The number by which the archive keeps a token, with all its bits.
pub(crate) fn short(token: u64) -> i64 {
    i64::from_be_bytes(token.to_be_bytes())
}

/// The refresh tokens that the account holds or has presented.
pub(crate) fn tokens(row: &Row) -> BTreeSet<Fingerprint> {
    let held = row.facts.and_then(|facts| facts.refresh);
    row.presented.iter().copied().chain(held).collect()
}

/// The newest format of rows that are due for this version.
pub(crate) fn newest_due() -> i64 {
    if mutant("rows_of_newer_versions_are_due") { i64::MAX } else { i64::from(ROW_FORMAT) }
}
