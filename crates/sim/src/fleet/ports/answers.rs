//! The place of answers.

use std::sync::Arc;

use async_trait::async_trait;
use solekey_core::{
    Account, Answer, ClaimId, Found, Generation, Sealed,
    ports::{Answers, Registration, Trouble},
};

use crate::fleet::{
    history::What,
    network::{Behaviour, Line, at_once, carry},
    process::Process,
};

/// The place of answers, as one process sees it.
pub(crate) struct SimAnswers(pub(crate) Arc<Process>);

#[async_trait]
impl Answers for SimAnswers {
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
        let (process, account, answer) = (Arc::clone(&self.0), account.clone(), answer.clone());
        carry(&self.0, Line::Answers, "write", Behaviour::Any, move || {
            let world = &process.world;
            world.scan("answer", answer.payload.as_bytes());
            let written = at_once(world.answers.write(&account, &answer));
            world.put_down(process.who(), &account);
            world.log(process.who(), What::Written { account: account.clone(), note: answer.note });
            written
        })
        .await
    }

    async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Answers, "newest", Behaviour::Prompt, move || {
            at_once(process.world.answers.newest(&account))
        })
        .await
    }

    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble> {
        let (process, account, payload) = (Arc::clone(&self.0), account.clone(), payload.clone());
        carry(&self.0, Line::Answers, "reseal", Behaviour::Any, move || {
            process.world.scan("answer", payload.as_bytes());
            at_once(process.world.answers.reseal(&account, attempt, claim, &payload))
        })
        .await
    }

    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Answers, "erase", Behaviour::Any, move || {
            at_once(process.world.answers.erase(&account, before))
        })
        .await
    }

    async fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
        let (process, registration) = (Arc::clone(&self.0), registration.clone());
        carry(&self.0, Line::Answers, "register", Behaviour::Any, move || {
            at_once(process.world.answers.register(&registration))
        })
        .await
    }

    async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
        let (process, registration) = (Arc::clone(&self.0), registration.clone());
        carry(&self.0, Line::Answers, "register_anew", Behaviour::Any, move || {
            at_once(process.world.answers.register_anew(&registration))
        })
        .await
    }
}
