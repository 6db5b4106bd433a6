//! 15. An attempt that its living owner has not sent does not stay open: its owner settles it as soon as it can reach
//!     the store, also where it learns late, or never, that its claim was made.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::{Account, ClaimId, Generation};

use crate::{
    fleet::{Changed, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation},
};

struct Unsent {
    attempt: Generation,
    owner: Who,
    since: Duration,
}

#[derive(Default)]
struct Seen {
    unsent: BTreeMap<Account, Unsent>,
    /// Attempts that were open before.
    closed: BTreeSet<ClaimId>,
    dead: BTreeSet<Who>,
    /// A claim of theirs was carried out twice.
    doubled: BTreeSet<Who>,
    /// The time until which somebody had trouble of its own.
    trouble: BTreeMap<Who, Duration>,
}

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(15);
    let mut seen = Seen::default();
    for event in &history.events {
        seen.read(event.at, &mut finder);
        seen.see(event);
    }
    finder.all()
}

impl Seen {
    fn read(&mut self, at: Duration, finder: &mut Finder) {
        let Self { unsent, trouble, .. } = self;
        unsent.retain(|account, Unsent { attempt, owner, since, .. }| {
            let free = trouble.get(owner).copied().unwrap_or_default().max(*since);
            let late = at > free + SETTLED;
            if late {
                let what = format!("{}: attempt {attempt} was never sent and stays open", account.id());
                finder.found(at, what);
            }
            !late
        });
    }

    fn see(&mut self, Event { at, who, what }: &Event) {
        match what {
            What::Changed(changed) => self.changed(*at, *who, changed),
            What::WentBack => self.unsent.clear(),
            What::Sent(request) => {
                let attempt = request.attempt;
                self.unsent
                    .retain(|account, unsent| *account != request.account || Some(unsent.attempt) != attempt);
            }
            What::Struck(fault) if fault.line == "store" => {
                self.trouble.insert(*who, *at);
                if fault.operation == "claim" && fault.kind == "twice" {
                    self.doubled.insert(*who);
                }
            }
            What::Paused(span) => drop(self.trouble.insert(*who, *at + *span)),
            What::Crashed | What::ShutDown { .. } => {
                self.dead.insert(*who);
                self.unsent.retain(|_, unsent| unsent.owner != *who);
            }
            _ => {}
        }
    }

    fn changed(&mut self, at: Duration, who: Who, changed: &Changed) {
        let Changed { account, shown, before, after, .. } = changed;
        let open = |row: &Option<solekey_core::Row>| row.as_ref().and_then(|row| row.open);
        let (was, is) = (open(before), open(after));
        if was.map(|open| open.id) == is.map(|open| open.id) {
            return;
        }
        self.unsent.remove(account);
        self.closed.extend(was.map(|open| open.id));
        if let (Shown::Claim(claim), Some(open)) = (shown, is)
            && open.id == claim.id
            && !self.dead.contains(&who)
            // One after an attempt that was sent stays open for that one's sake.
            && open.is_first()
            // A second copy of a claim whose owner is done with it: no wire repeats what its sender saw answered.
            && !self.closed.contains(&open.id)
            && !self.doubled.contains(&who)
        {
            let unsent = Unsent { attempt: open.attempt, owner: who, since: at };
            self.unsent.insert(account.clone(), unsent);
        }
    }
}

/// The longest pause between two tries to settle, behind the patience of the one before.
const SETTLED: Duration = Duration::from_secs(10);
