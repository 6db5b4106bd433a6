//! Changes to ask for.

use std::time::Duration;

use solekey_core::{
    Account, AnswerNote, Cause, Claim, ClaimId, Commit, Content, Fingerprint, Login, NewFacts, Row, Sealed,
    ports::Loaded,
};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn account(id: &str) -> Account {
    Account::new("acme", id).unwrap()
}

pub(crate) fn id() -> ClaimId {
    ClaimId::new(uuid::Uuid::new_v4())
}

/// The fingerprint of the `n`th token.
pub(crate) fn token(n: u64) -> Fingerprint {
    let mut bytes = [0xee; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Fingerprint::new(bytes)
}

pub(crate) fn facts(refresh: u64) -> NewFacts {
    NewFacts {
        access: token(1_000_000 + refresh),
        refresh: Some(token(refresh)),
        expires_in: Some(HOUR),
        refresh_expires_in: None,
    }
}

pub(crate) fn login(refresh: u64) -> Login {
    Login {
        id: id(),
        facts: facts(refresh),
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: Some(HOUR),
        as_of: None,
    }
}

pub(crate) fn claim(loaded: &Loaded) -> Claim {
    let row = &loaded.record.as_ref().unwrap().row;
    Claim {
        id: id(),
        from: row.generation,
        seen: row.open.map(|open| open.id),
        fence: None,
        span: HOUR,
        not_after: loaded.now + HOUR,
        cause: Cause::Due,
        presents: row.facts.unwrap().refresh.unwrap(),
    }
}

pub(crate) fn commit(claimed: &Row, refresh: u64) -> Commit {
    let open = claimed.open.unwrap();
    let content = Content::Rotated(facts(refresh));
    Commit {
        note: AnswerNote {
            attempt: open.attempt,
            claim: open.id,
            made_from: claimed.generation,
            content,
            access_ends: None,
        },
        seen: Some(open.id),
        evidence: None,
        due_in: Some(HOUR),
        as_of: None,
        forgotten: None,
    }
}

pub(crate) fn payload() -> Sealed {
    Sealed::new(&b"sealed"[..])
}
