//! The commands that read, write or erase answers.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, Answer, AnswerNote, Found, Generation,
    flight::{AnswersView, Event},
    mutant,
};

use super::super::unread::RowPart;
use super::{
    super::engine::Engine,
    payloads::Fetched,
    perform::{Done, Performed, Performer, Work},
};
use crate::seal::Witness;

impl Performer {
    pub(super) fn read_answers(&self) -> Work {
        let (engine, account) = self.both();
        let provider = Arc::clone(&self.provider);
        let row = self.payloads.row.as_ref().map(RowPart::of);
        let deadline = self.store_deadline();
        let witness = self.payloads.row.as_ref().and_then(|row| row.witness.clone());
        let witness = witness.filter(|_| engine.process.shares_answers());
        Box::pin(async move {
            let answers = tokio::time::timeout(deadline, engine.process.answers().newest(&account)).await;
            match answers {
                Ok(Ok(found)) => {
                    let found = vouched(&engine, &account, witness, found, deadline).await;
                    let (view, newest) = engine.read_again(&account, &provider, found, row.as_ref());
                    Done { event: Event::Answers(view), fetched: Fetched::Found(newest) }
                }
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(account = %account.key(), error, "the answers cannot be read");
                    engine.check.reopen();
                    Event::Answers(AnswersView::Unreadable).into()
                }
                Err(_) => Event::Answers(AnswersView::Unreadable).into(),
            }
        })
    }

    pub(super) fn write_answer(&self, note: AnswerNote) -> Work {
        let (engine, account) = self.both();
        let answer = self.payloads.own(note.claim).map(|payload| Answer { note, payload });
        let deadline = self.store_deadline();
        Box::pin(async move {
            if mutant("answer_is_not_written") {
                return Event::AnswerWritten(true).into();
            }
            let Some(answer) = answer else { return Event::AnswerWritten(false).into() };
            let written =
                tokio::time::timeout(deadline, engine.process.answers().write(&account, &answer)).await;
            if let Ok(Err(error)) = &written {
                let error = error as &dyn std::error::Error;
                tracing::debug!(account = %account.key(), error, "the answer was not written");
            }
            Event::AnswerWritten(matches!(written, Ok(Ok(())))).into()
        })
    }

    pub(super) async fn erase_answers(&self, before: Generation) -> Performed {
        if let Err(error) = self.engine.process.answers().erase(&self.account, before).await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(account = %self.account.key(), error, "answers were not erased");
        }
        Performed::Done
    }
}

/// What was found, as far as the answer that made the row vouches for it. Where that is missing and no attempt is open it
/// is written again, before the next claim: its process may have ended, or Redis been away, before it was.
async fn vouched(
    engine: &Engine,
    account: &Account,
    witness: Option<Witness>,
    found: Found,
    deadline: Duration,
) -> Found {
    let Some(witness) = witness else { return found };
    if witness.is_wanted(&found) {
        let writing = engine.process.answers().write(account, &witness.answer);
        let written = matches!(tokio::time::timeout(deadline, writing).await, Ok(Ok(())));
        tracing::debug!(account = %account.key(), written, "the answer that made the row was missing");
    }
    witness.limit(found)
}
