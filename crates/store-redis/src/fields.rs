//! A row as the fields of a hash.

use std::{collections::HashMap, time::Duration};

use solekey_core::{
    ClaimId, Decision, Evidence, Facts, Fingerprint, First, Generation, Open, Row, Sealed, StoreTime,
    Verdict, ports::Record,
};

use crate::{arguments, trouble::Garbled};

/// The hash of a row, as the scripts write it: numbers in decimal, ids and fingerprints in hex, absent options as
/// absent fields. Instants are microseconds on the server's clock.
#[derive(Debug, Default)]
pub(crate) struct Fields(HashMap<String, Vec<u8>>);

type Read<T> = Result<T, Garbled>;

impl Fields {
    pub(crate) fn new(fields: HashMap<String, Vec<u8>>) -> Self {
        Self(fields)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of the format they are written in.
    pub(crate) fn format(&self) -> Read<u16> {
        let format = self.required("format")?;
        format.parse().map_err(|_| Garbled { what: "format" })
    }

    /// The account's name, as it stands there.
    pub(crate) fn name(&self) -> &[u8] {
        self.0.get("name").map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns whether the row holds the refresh token or remembers having presented it; true where that cannot be
    /// read.
    pub(crate) fn knows(&self, token: Fingerprint) -> bool {
        let (Ok(held), Ok(presented)) = (self.fingerprint("refresh"), self.presented()) else { return true };
        held == Some(token) || presented.contains(&token)
    }

    /// Returns whether the row's delete left the token behind: it was only held, and is remembered once a login follows.
    pub(crate) fn left(&self, token: Fingerprint) -> bool {
        self.fingerprint("left").is_ok_and(|left| left == Some(token))
    }

    pub(crate) fn record(&self) -> Read<Record> {
        let payload = Sealed::new(self.0.get("payload").cloned().unwrap_or_default());
        Ok(Record { row: self.row()?, payload })
    }

    pub(crate) fn row(&self) -> Read<Row> {
        Ok(Row {
            generation: self.generation("generation")?,
            made_by: self.claim("made_by")?,
            made_from: self.generation("made_from")?,
            minted: self.generation("minted")?,
            facts: self.facts()?,
            open: self.open()?,
            verdict: self.verdict()?,
            evidence: self.evidence()?,
            presented: self.presented()?,
            left: self.fingerprint("left")?,
            rotations: self.number("rotations")?.unwrap_or_default(),
            due_at: self.instant("due_at")?,
            changed_at: self.instant("changed_at")?.unwrap_or_default(),
        })
    }

    fn facts(&self) -> Read<Option<Facts>> {
        let Some(access) = self.fingerprint("access")? else { return Ok(None) };
        Ok(Some(Facts {
            access,
            refresh: self.fingerprint("refresh")?,
            made_at: self.time("made_at")?,
            expires_at: self.instant("expires_at")?,
            refresh_expires_at: self.instant("refresh_expires_at")?,
        }))
    }

    fn open(&self) -> Read<Option<Open>> {
        if !self.0.contains_key("open_id") {
            return Ok(None);
        }
        let first = First { attempt: self.generation("open_first")?, at: self.time("open_first_at")? };
        Ok(Some(Open {
            id: self.claim("open_id")?,
            attempt: self.generation("open_attempt")?,
            first,
            until: self.time("open_until")?,
            cause: self.word("open_cause")?,
        }))
    }

    fn verdict(&self) -> Read<Option<Verdict<StoreTime>>> {
        let decision = match self.text("ruling")? {
            None => return Ok(None),
            Some(LOG_IN) => Decision::LogIn { why: self.word("why")? },
            Some(NOT_BEFORE) => Decision::NotBefore { at: self.time("until_at")?, why: self.word("why")? },
            Some(_) => return Err(Garbled { what: "ruling" }),
        };
        let strikes = self.number("strikes")?.and_then(|strikes| u8::try_from(strikes).ok());
        let strikes = strikes.ok_or(Garbled { what: "strikes" })?;
        Ok(Some(Verdict { generation: self.generation("verdict_of")?, decision, strikes }))
    }

    fn evidence(&self) -> Read<Option<Evidence>> {
        let Some(at) = self.instant("evidence_at")? else { return Ok(None) };
        let interval = self.number("evidence_interval")?.ok_or(Garbled { what: "evidence_interval" })?;
        Ok(Some(Evidence { at, interval: Duration::from_micros(interval) }))
    }

    fn presented(&self) -> Read<Vec<Fingerprint>> {
        let digits = self.text("presented")?.unwrap_or_default();
        let tokens = digits.as_bytes().chunks(DIGITS).map(|token| {
            std::str::from_utf8(token).ok().and_then(Fingerprint::parse).ok_or(Garbled { what: "presented" })
        });
        tokens.collect()
    }

    fn fingerprint(&self, name: &'static str) -> Read<Option<Fingerprint>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        Fingerprint::parse(text).map(Some).ok_or(Garbled { what: name })
    }

    fn claim(&self, name: &'static str) -> Read<ClaimId> {
        let id = uuid::Uuid::try_parse(self.required(name)?).map_err(|_| Garbled { what: name })?;
        Ok(ClaimId::new(id))
    }

    fn word<T: serde::de::DeserializeOwned>(&self, name: &'static str) -> Read<T> {
        arguments::parse(self.required(name)?).ok_or(Garbled { what: name })
    }

    fn generation(&self, name: &'static str) -> Read<Generation> {
        self.number(name)?.map(Generation::new).ok_or(Garbled { what: name })
    }

    fn time(&self, name: &'static str) -> Read<StoreTime> {
        self.instant(name)?.ok_or(Garbled { what: name })
    }

    fn instant(&self, name: &'static str) -> Read<Option<StoreTime>> {
        Ok(self.number(name)?.map(StoreTime::from_micros))
    }

    fn number(&self, name: &'static str) -> Read<Option<u64>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Garbled { what: name })
    }

    fn required(&self, name: &'static str) -> Read<&str> {
        self.text(name)?.ok_or(Garbled { what: name })
    }

    fn text(&self, name: &'static str) -> Read<Option<&str>> {
        let Some(bytes) = self.0.get(name) else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| Garbled { what: name })
    }
}

/// The word for a decision.
pub(crate) const LOG_IN: &str = "log_in";
/// The word for a decision; the commit script writes it, too.
pub(crate) const NOT_BEFORE: &str = "not_before";

/// A fingerprint's length in hex.
const DIGITS: usize = 32;
