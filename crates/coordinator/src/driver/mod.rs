//! Performs what a flight asks for, and reports back. It asks no questions about OAuth.

mod exchange;
mod perform;
mod stock;

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use solekey_cache::Waiting;
use solekey_core::{
    Account, ClaimId, Generation,
    flight::{AnswersView, Command, Context, Event, Flight, StoreReply},
    mutant,
};
use uuid::Uuid;

use crate::{instance::Instance, memory::Memory, observer, progress::Teller, provider::Provider};
pub(crate) use stock::{Held, StockedRow};
use stock::{Keep, Stock};

/// One flight being flown: owned by a task of its own, which no caller can cancel.
pub(crate) struct Driver {
    instance: Arc<Instance>,
    account: Account,
    provider: Arc<Provider>,
    memory: Arc<Memory>,
    flight: Flight,
    /// Names this flight's lease.
    lease: ClaimId,
    stock: Stock,
    waiting: Option<Waiting>,
    told: Teller,
    /// The store has taken a change that the others wait for, and they have not been told by the shelf.
    untold: Option<Generation>,
    /// What this flight has put into the row.
    committed: Option<Generation>,
}

type Work = BoxFuture<'static, Done>;

/// What a command came to: the event for the machine, and what has to be put in stock with it.
struct Done {
    event: Event,
    keep: Keep,
}

impl From<Event> for Done {
    fn from(event: Event) -> Self {
        Self { event, keep: Keep::Nothing }
    }
}

impl Driver {
    pub(crate) fn new(
        instance: Arc<Instance>,
        account: Account,
        provider: Arc<Provider>,
        memory: Arc<Memory>,
        flight: Flight,
        told: Teller,
    ) -> Self {
        let lease = ClaimId::new(Uuid::new_v4());
        Self {
            instance,
            account,
            provider,
            memory,
            flight,
            lease,
            stock: Stock::default(),
            waiting: None,
            told,
            untold: None,
            committed: None,
        }
    }

    /// Flies until nothing is left to do, and leaves what was learnt in memory.
    pub(crate) async fn fly(mut self) {
        let draining = self.instance.draining().clone();
        let mut drained = false;
        let mut pending: FuturesUnordered<Work> = FuturesUnordered::new();
        let mut commands: VecDeque<Command> = self.begin().into();
        loop {
            while let Some(command) = commands.pop_front() {
                if let Some(work) = self.perform(command).await {
                    pending.push(work);
                }
            }
            if let Some(generation) = self.untold.take() {
                self.instance.hint(self.account.key(), generation).await;
            }
            if self.flight.is_over() {
                break;
            }
            let event = tokio::select! {
                biased;
                () = draining.cancelled(), if !drained => {
                    drained = true;
                    Event::Drain
                }
                Some(Done { event, keep }) = pending.next() => {
                    self.keep(keep);
                    self.untold = changed(&event);
                    if matches!(event, Event::Committed(_)) {
                        self.committed = self.untold.or(self.committed);
                    }
                    event
                }
                else => {
                    debug_assert!(false, "a flight that is not over waits for something");
                    break;
                }
            };
            commands.extend(self.step(event));
            // Telling costs no IO: nobody waits for the publication to the others.
            commands.make_contiguous().sort_by_key(|command| !matches!(command, Command::Deliver(_)));
        }
        self.memory.lock().knowledge = self.flight.knowledge().clone();
        self.instance.vigils.plan(&self.account, self.flight.vigil(), self.instance.now());
        self.tell_hooks().await;
    }

    /// Everything is published and delivered by now.
    async fn tell_hooks(&self) {
        let served = || self.instance.entries().get(self.account.key()).map(|entry| entry.generation);
        let adopted = if mutant("hook_is_called_for_adopted_tokens") { served() } else { None };
        let Some(generation) = self.committed.or(adopted) else { return };
        self.instance.hooks.committed(&self.account, generation);
        if mutant("hook_delays_its_flight") {
            Arc::clone(&self.instance).run_hooks(self.account.clone(), generation).await;
        }
    }

    fn begin(&mut self) -> Vec<Command> {
        let policy = *self.provider.policy();
        self.flight.start(&self.instance.context(&policy))
    }

    fn step(&mut self, event: Event) -> Vec<Command> {
        let policy = *self.provider.policy();
        tracing::trace!(account = %self.account.key(), ?event, "flight");
        if let Event::Answers(answers) = &event {
            self.tell_doubt(answers);
        }
        let withheld = self.flight.knowledge().withheld();
        let commands = self.flight.step(&self.instance.context(&policy), event);
        if let Some(generation) = withheld.filter(|old| !self.flight.knowledge().is_rejected(*old)) {
            self.instance.entries().absolve(self.account.key(), generation);
        }
        commands
    }

    /// Answers that cannot be read are doubt.
    fn tell_doubt(&self, answers: &AnswersView) {
        let newest = match answers {
            AnswersView::Read { newest, .. } => newest.map(|note| note.attempt),
            AnswersView::Unreadable => None,
        };
        let row = self.stock.row.as_ref().filter(|row| newest <= Some(row.generation));
        let Some(attempt) = row.and_then(|row| row.overdue) else { return };
        if self.memory.lock().doubts(attempt) {
            self.instance.observe(&observer::Event::InDoubt { account: &self.account, attempt });
        }
    }
}

/// What of this event the others wait for: a commit, a verdict.
fn changed(event: &Event) -> Option<Generation> {
    match event {
        Event::Committed(StoreReply::Done(view)) => Some(view.row.as_ref()?.generation),
        Event::Settled(StoreReply::Done(view)) => Some(view.row.as_ref()?.current_verdict()?.generation),
        _ => None,
    }
}

impl Instance {
    /// What a step of the machine is told besides the event.
    pub(crate) fn context<'a>(&self, policy: &'a solekey_core::Policy) -> Context<'a> {
        Context {
            now: self.clock().now(),
            policy,
            id: ClaimId::new(Uuid::new_v4()),
            jitter: fastrand::u16(0..1000),
        }
    }
}
