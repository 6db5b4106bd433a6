//! The events that really happened, counted.

use std::{collections::BTreeMap, fmt};

use solekey_core::{Decision, Row};

use super::history::{Changed, Delivered, Event, Fault, History, Settled, Shown, What};

/// The events that really happened, counted by name: a simulation in which nothing happens proves nothing.
#[derive(Clone, Default, Debug)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub(crate) fn of(history: &History) -> Self {
        let mut tally = Self::default();
        for Event { what, .. } in &history.events {
            tally.count(what);
        }
        tally
    }

    /// The number of these events.
    pub fn get(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Takes another one in.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name.clone()).or_default() += count;
        }
    }

    fn note(&mut self, name: impl Into<String>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    fn count(&mut self, what: &What) {
        match what {
            What::Crashed => self.note("crash"),
            What::Paused(_) => self.note("pause"),
            What::ShutDown { in_doubt, .. } => {
                self.note("shutdown");
                if *in_doubt > 0 {
                    self.note("shutdown with a refresh left in doubt");
                }
            }
            What::Struck(Fault { line, kind, .. }) => self.note(format!("fault: {line}: {kind}")),
            What::Nemesis(kind, _) => self.note(format!("nemesis: {kind}")),
            What::Changed(changed) => self.changed(changed),
            What::WentBack => self.note("nemesis: store went back"),
            What::LeasesLost => self.note("nemesis: leases lost"),
            What::SharedCacheLost => self.note("nemesis: shared cache lost"),
            What::AnswersLost => self.note("nemesis: answers lost"),
            What::Granted { .. } => self.note("lease granted"),
            What::Written { .. } => self.note("answer written"),
            What::Published { gone: true, .. } => self.note("published: gone"),
            What::Published { verdict: true, .. } => self.note("published: verdict"),
            What::Published { .. } => self.note("published: token"),
            What::Processed { seen, .. } => self.note(format!("presented: {seen:?}")),
            What::Dropped { .. } => self.note("presented: not processed"),
            What::Heard { pair: true, .. } => self.note("pair heard"),
            What::Left { .. } => self.note("caller dropped"),
            What::Overtaken { .. } => self.note("answer overtaken"),
            What::Asked { ask, .. } => self.note(format!("asked: {ask:?}")),
            What::Answered { answer, .. } => self.answer(answer),
            What::AtRest { settled, .. } => self.settled(settled),
            What::Built
            | What::Draining
            | What::Claiming { .. }
            | What::Released { .. }
            | What::Sent(_)
            | What::NotSent { .. }
            | What::Offered { .. }
            | What::Kept { .. }
            | What::Heard { .. }
            | What::Healed
            | What::Calm
            | What::ReadSharedCache { .. }
            | What::LeftOver(_)
            | What::SecretSeen(_) => {}
        }
    }

    fn changed(&mut self, changed: &Changed) {
        let Changed { shown, before, after, refused, .. } = changed;
        let name = match shown {
            Shown::Claim(claim) if claim.seen.is_some() => "claim over a doubt",
            Shown::Claim(_) => "claim",
            Shown::Commit(_) => "commit",
            Shown::Settle(_) => "settle",
            Shown::Login(_) => "login",
            Shown::Delete(_) => "delete",
        };
        match refused {
            Some(why) => self.note(format!("{name}: {why}")),
            None if before == after => self.note(format!("{name}: repeated")),
            None => self.note(name),
        }
        let decided = |row: &Option<Row>| {
            let verdict = row.as_ref().and_then(Row::current_verdict);
            verdict.is_some_and(|verdict| matches!(verdict.decision, Decision::LogIn { .. }))
        };
        if !decided(before) && decided(after) {
            self.note("verdict: log in");
        }
        let open = |row: &Option<Row>| row.as_ref().and_then(|row| row.open);
        if let (Some(was), Shown::Commit(commit), None) = (open(before), shown, refused)
            && was.id != commit.note.claim
            && before != after
        {
            self.note("commit over another attempt");
        }
    }

    fn answer(&mut self, answer: &Delivered) {
        match answer {
            Delivered::Token(truth) if truth.stale => self.note("answered: stale token"),
            Delivered::Token(truth) if !truth.honoured => self.note("answered: token that is refused"),
            Delivered::Token(_) => self.note("answered: token"),
            Delivered::RetryAt(why, _) => self.note(format!("answered: retry, {why}")),
            Delivered::LogIn(why, _) => self.note(format!("answered: log in, {why}")),
            Delivered::Unknown => self.note("answered: unknown"),
            Delivered::ShuttingDown => self.note("answered: shutting down"),
            Delivered::Misconfigured => self.note("answered: does not belong here"),
            Delivered::Done(what) => self.note(format!("answered: {what}")),
            Delivered::Failed(what) => self.note(format!("answered: FAILED {what}")),
        }
    }

    fn settled(&mut self, settled: &Settled) {
        let name = match settled {
            Settled::Fresh => "fresh",
            Settled::LogIn(_) => "log in",
            Settled::LogInExpected(_) => "log in, expected",
            Settled::LogInUnfounded(_) => "log in, unfounded",
            Settled::Gone => "gone",
            Settled::AnswersUnvouched => "waits out the answers",
            Settled::Stuck(_) => "stuck",
            Settled::ByOperator(settled) => {
                self.note("at rest: only by an operator");
                return self.settled(settled);
            }
        };
        self.note(format!("at rest: {name}"));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, count)| writeln!(f, "{count:>9}  {name}"))
    }
}
