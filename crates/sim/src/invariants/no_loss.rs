//! 6. No pair is lost in silence: what a living process has read comes into the row, unless the account has moved on; and no spent token is presented whose successor a place had when the attempt was claimed.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Content, Generation};

use crate::{
    fleet::{Event, History, Request, Seen, Setup, Shown, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(6);
    silent(history, &mut finder);
    burnt(setup, history, &mut finder);
    finder.all()
}

/// A pair in the hands of a process.
type Holdings = BTreeMap<(Who, Account), (Duration, Generation)>;

fn silent(history: &History, finder: &mut Finder) {
    let mut held = Holdings::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Heard { account, attempt: Some(attempt), pair: true, .. } => {
                held.insert((*who, account.clone()), (*at, *attempt));
            }
            What::Changed(changed) => {
                let generation = changed.after.as_ref().map_or(Generation::ZERO, |row| row.generation);
                held.retain(|(_, whose), (_, attempt)| *whose != changed.account || *attempt > generation);
            }
            What::Crashed | What::ShutDown { .. } => held.retain(|(whose, _), _| whose != who),
            _ => {}
        }
    }
    for ((_, account), (at, attempt)) in held {
        finder.found(at, format!("{}: the pair of attempt {attempt} is nowhere", account.id()));
    }
}

/// The locations and times at which a pair was written.
#[derive(Default)]
struct Copies {
    row: Option<Duration>,
    answers: Option<Duration>,
}

fn burnt(setup: &Setup, history: &History, finder: &mut Finder) {
    let mut exceptions = Exceptions::default();
    let mut copies: BTreeMap<Account, Copies> = BTreeMap::new();
    let mut claims = BTreeMap::new();
    let mut sent: BTreeMap<usize, &Request> = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, what, .. } = event;
        match what {
            What::Changed(changed) => {
                let account = &changed.account;
                let open = changed.after.as_ref().and_then(|row| row.open);
                if let (Shown::Claim(_), Some(open)) = (changed.shown, open) {
                    claims.entry((account.clone(), open.attempt)).or_insert(*at);
                }
                let moved = changed.before.as_ref().map(|row| row.generation)
                    != changed.after.as_ref().map(|row| row.generation);
                if moved {
                    copies.entry(account.clone()).or_default().row = Some(*at);
                }
            }
            What::Written { account, note } if matches!(note.content, Content::Rotated(_)) => {
                copies.entry(account.clone()).or_default().answers = Some(*at);
            }
            What::AnswersLost => copies.values_mut().for_each(|copies| copies.answers = None),
            What::Sent(request) => drop(sent.insert(request.number, request)),
            What::Processed { request, seen: Seen::Burned | Seen::Spent, living: Some(place), .. } => {
                let Some(request) = sent.get(request) else { continue };
                let Request { account, attempt, number, .. } = request;
                if exceptions.went_back || exceptions.accepted_spent(account) {
                    continue;
                }
                if exceptions.store_clock && setup.trusts_store_clock() {
                    continue;
                }
                let claimed = attempt.and_then(|attempt| claims.get(&(account.clone(), attempt)));
                let lay = copies.get(account).and_then(|copies| match *place {
                    "row" => copies.row,
                    _ => copies.answers,
                });
                if let (Some(claimed), Some(lay)) = (claimed, lay)
                    && lay <= *claimed
                {
                    finder.found(
                        *at,
                        format!(
                            "{}: request {number} spent a token while a pair lay in the {place}",
                            account.id()
                        ),
                    );
                }
            }
            _ => {}
        }
    }
}
