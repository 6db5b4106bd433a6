//! The records of the referee before the token endpoint.

use std::{fs, path::Path};

use serde::Deserialize;

/// A refresh token arrived at the token endpoint.
#[derive(Clone, Debug)]
pub(super) struct Presentation {
    pub(super) number: u64,
    /// The SHA-256 of the refresh token, in hexadecimal digits.
    pub(super) token: String,
    pub(super) replica: Option<String>,
    /// It was kept from the endpoint.
    pub(super) held: bool,
    /// None while its request is under way.
    pub(super) end: Option<End>,
}

/// The end of a presentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    Answered {
        status: u16,
        error: Option<String>,
        /// The SHA-256 of the refresh token in the answer.
        minted: Option<String>,
    },
    /// Its client was gone before the endpoint had seen it.
    Dropped,
    /// Its client did not go away.
    Abandoned,
}

impl Presentation {
    pub(super) fn is_refused_as_spent(&self) -> bool {
        matches!(&self.end, Some(End::Answered { status: 400, error: Some(error), .. }) if error == "invalid_grant")
    }
}

#[derive(Deserialize)]
struct Line {
    number: u64,
    #[serde(flatten)]
    event: Event,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Arrived { token: String, replica: Option<String> },
    Held,
    Answered { status: u16, error: Option<String>, minted: Option<String> },
    Dropped,
    Abandoned,
}

/// All presentations in a log, as far as it is written.
pub(super) fn read(log: &Path) -> Vec<Presentation> {
    let text = fs::read_to_string(log).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut presentations: Vec<Presentation> = Vec::new();
    for line in whole.lines() {
        let Line { number, event } = serde_json::from_str(line).unwrap();
        if let Event::Arrived { token, replica } = event {
            presentations.push(Presentation { number, token, replica, held: false, end: None });
            continue;
        }
        let known = presentations.iter_mut().find(|presentation| presentation.number == number).unwrap();
        match event {
            Event::Arrived { .. } => {}
            Event::Held => known.held = true,
            Event::Answered { status, error, minted } => {
                known.end = Some(End::Answered { status, error, minted });
            }
            Event::Dropped => known.end = Some(End::Dropped),
            Event::Abandoned => known.end = Some(End::Abandoned),
        }
    }
    presentations
}
