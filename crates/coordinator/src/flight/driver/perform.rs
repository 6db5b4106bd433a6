//! The performance of one command.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use solekey_cache::Waiting;
use solekey_core::{
    Account, ClaimId, Generation, Moment, Need,
    flight::{AnswersView, Command, Event, Knowledge, StoreReply},
};
use uuid::Uuid;

use super::{
    super::{engine::Engine, progress::OutcomeSender},
    kept_claim::KeptClaim,
    payloads::{Fetched, Payloads},
};
use crate::{observer, process::Memory, provider::Provider};

/// Performs the commands of one flight: it has the tokens, and of the machine only its knowledge.
pub(super) struct Performer {
    pub(super) engine: Arc<Engine>,
    pub(super) account: Account,
    pub(super) provider: Arc<Provider>,
    pub(super) memory: Arc<Memory>,
    /// The need that the flight was started for.
    pub(super) need: Need,
    /// Names this flight's lease.
    pub(super) lease: ClaimId,
    pub(super) payloads: Payloads,
    pub(super) outcome: OutcomeSender,
    /// The last claim that was sent.
    pub(super) claimed: Option<KeptClaim>,
    waiting: Option<Waiting>,
    /// The generation of a change that the store has taken and the shared cache has not notified the others of.
    pub(super) pending_notification: Option<Generation>,
}

/// The result of performing a command.
#[must_use = "an event that is not taken in is lost"]
pub(super) enum Performed {
    /// Nothing is to be reported.
    Done,
    /// The event is there.
    Reported(Box<Event>),
    /// The work that brings the event.
    Begun(Work),
}

pub(super) type Work = BoxFuture<'static, Done>;

/// The end of some work: the event for the machine, and the payload behind it.
pub(super) struct Done {
    pub(super) event: Event,
    pub(super) fetched: Fetched,
}

impl From<Event> for Done {
    fn from(event: Event) -> Self {
        Self { event, fetched: Fetched::Nothing }
    }
}

impl Performer {
    pub(super) fn new(
        engine: Arc<Engine>,
        account: Account,
        provider: Arc<Provider>,
        memory: Arc<Memory>,
        need: Need,
        outcome: OutcomeSender,
    ) -> Self {
        Self {
            engine,
            account,
            provider,
            memory,
            need,
            lease: ClaimId::new(Uuid::new_v4()),
            payloads: Payloads::default(),
            outcome,
            claimed: None,
            waiting: None,
            pending_notification: None,
        }
    }

    /// Performs a command as its [mode](Command::mode) demands: to its end, or to its beginning.
    pub(super) async fn perform(&mut self, command: Command, knowledge: &Knowledge) -> Performed {
        if matches!(command, Command::Claim(_) | Command::Sleep { .. }) {
            self.outcome.go_to_work();
        }
        let work = match command {
            Command::Register => {
                self.waiting = Some(self.engine.process.waits().register(self.account.key()));
                return Performed::Done;
            }
            Command::ReleaseLease => return self.release_lease().await,
            Command::MarkRejected(generation) => return self.mark_rejected(generation).await,
            Command::ClearRejection(generation) => return self.clear_rejection(generation).await,
            Command::EraseAnswers(before) => return self.erase_answers(before).await,
            Command::ReadOn(reading) => return self.read_on(reading),
            Command::Publish(notice) => return self.publish(notice, knowledge).await,
            Command::Deliver(delivery) => return self.deliver(delivery, knowledge),
            Command::ReadSharedCache => self.read_shared_cache(),
            Command::Load => self.load(),
            Command::ReadAnswers => self.read_answers(),
            Command::TakeLease { floor } => self.take_lease(floor),
            Command::Claim(claim) => self.claim(claim),
            Command::Settle(settle) => self.settle(settle),
            Command::Exchange(presentation) => self.exchange(presentation),
            Command::WriteAnswer(note) => self.write_answer(note),
            Command::CommitOwn(commit) => self.commit_own(commit),
            Command::CommitFound(commit) => self.commit_found(commit),
            Command::Sleep { until, or_change } => self.sleep(until, or_change),
        };
        Performed::Begun(work)
    }

    /// The registration goes into the sleep: whoever wakes registers anew before it reads.
    fn sleep(&mut self, until: Moment, or_change: bool) -> Work {
        let engine = Arc::clone(&self.engine);
        let waiting = self.waiting.take().filter(|_| or_change);
        Box::pin(async move {
            match waiting {
                None => engine.process.sleep_until(until).await,
                Some(mut waiting) => {
                    tokio::select! {
                        biased;
                        _ = waiting.woken() => {}
                        () = engine.process.sleep_until(until) => {}
                    }
                }
            }
            Event::Woken.into()
        })
    }

    /// Notes what others wait for or want to observe: a commit, a verdict, a doubt.
    pub(super) fn notice(&mut self, event: &Event) {
        self.pending_notification = changed(event);
        if let Event::Answers(answers) = event {
            self.report_doubt(answers);
        }
    }

    /// Answers that cannot be read are doubt.
    fn report_doubt(&self, answers: &AnswersView) {
        let newest = match answers {
            AnswersView::Read { newest, .. } => newest.map(|note| note.attempt),
            AnswersView::Unreadable => None,
        };
        let row = self.payloads.row.as_ref().filter(|row| newest <= Some(row.generation));
        let Some(attempt) = row.and_then(|row| row.overdue) else { return };
        if self.memory.lock().doubts(attempt) {
            self.engine.process.observe(&observer::Event::InDoubt { account: &self.account, attempt });
        }
    }

    /// Notifies the others to check the store, where the shared cache has not notified them.
    pub(super) async fn notify(&mut self) {
        if let Some(generation) = self.pending_notification.take() {
            self.engine.fleet.notify(self.account.key(), generation).await;
        }
    }

    pub(super) fn both(&self) -> (Arc<Engine>, Account) {
        (Arc::clone(&self.engine), self.account.clone())
    }

    /// A quarter of an attempt's span: an owner must be able to try again within it.
    pub(super) fn store_deadline(&self) -> Duration {
        (self.provider.policy().span() / 4).clamp(MIN_STORE_DEADLINE, MAX_STORE_DEADLINE)
    }
}

/// The generation of a change that the others wait for: a commit, a verdict.
fn changed(event: &Event) -> Option<Generation> {
    match event {
        Event::Committed(StoreReply::Done(view)) => Some(view.row.as_ref()?.generation),
        Event::Settled(StoreReply::Done(view)) => Some(view.row.as_ref()?.current_verdict()?.generation),
        _ => None,
    }
}

const MIN_STORE_DEADLINE: Duration = Duration::from_secs(1);
const MAX_STORE_DEADLINE: Duration = Duration::from_secs(5);
