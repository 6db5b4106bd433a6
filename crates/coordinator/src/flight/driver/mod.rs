//! Performs the commands of a flight, and reports their results to it. It decides nothing about OAuth.

mod answers;
mod deliver;
mod exchange;
mod kept_claim;
mod lease;
mod payloads;
mod perform;
mod publish;
mod read_on;
mod shared_cache;
mod store;

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use solekey_core::{
    Account, Generation,
    flight::{Command, Commands, Event, Flight, Mode, StoreReply},
    mutant,
};

use super::{engine::Engine, progress::OutcomeSender, readings::ReadingSlot};
use crate::{process::Memory, provider::Provider};
use perform::{Done, Performed, Performer, Work};

/// One flight under way: owned by a task of its own, which no caller can cancel.
pub(crate) struct Driver {
    flight: Flight,
    performer: Performer,
    /// The generation that this flight has put into the row.
    committed: Option<Generation>,
    /// The reading whose outcome this flight takes in.
    reading: Option<ReadingSlot>,
}

impl Driver {
    pub(crate) fn new(
        engine: Arc<Engine>,
        account: Account,
        provider: Arc<Provider>,
        memory: Arc<Memory>,
        flight: Flight,
        outcome: OutcomeSender,
    ) -> Self {
        let performer = Performer::new(engine, account, provider, memory, flight.need(), outcome);
        Self { flight, performer, committed: None, reading: None }
    }

    /// Runs the flight to its end, and puts what it learnt into the process' memory.
    pub(crate) async fn fly(mut self) {
        let commands = self.start();
        self.perform(commands).await;
    }

    async fn perform(mut self, commands: Commands) {
        let draining = self.performer.engine.process.tasks.draining.clone();
        let mut drained = false;
        let mut under_way: FuturesUnordered<Work> = FuturesUnordered::new();
        let mut queue = Queue::default();
        queue.add(commands);
        loop {
            while let Some(command) = queue.next() {
                match self.performer.perform(command, self.flight.knowledge()).await {
                    Performed::Done => {}
                    Performed::Reported(event) => queue.add(self.step(*event)),
                    Performed::Begun(work) => {
                        debug_assert!(may_begin(&command, under_way.len()), "{command:?} is out of order");
                        under_way.push(work);
                    }
                }
            }
            self.performer.notify().await;
            if self.flight.is_over() {
                break;
            }
            let event = tokio::select! {
                biased;
                () = draining.cancelled(), if !drained => {
                    drained = true;
                    Event::Drain
                }
                Some(done) = under_way.next() => self.take_in(done),
                else => {
                    debug_assert!(false, "a flight that is not over waits for something");
                    break;
                }
            };
            queue.add(self.step(event));
        }
        drop(under_way);
        self.leave().await;
    }

    fn take_in(&mut self, Done { event, fetched }: Done) -> Event {
        self.performer.keep(fetched, self.flight.knowledge());
        self.performer.notice(&event);
        if let Event::Committed(StoreReply::Done(view)) = &event {
            self.committed = view.row.as_ref().map(|row| row.generation).or(self.committed);
        }
        event
    }

    fn start(&mut self) -> Commands {
        let policy = *self.performer.provider.policy();
        self.flight.start(&self.performer.engine.context(&policy))
    }

    fn step(&mut self, event: Event) -> Commands {
        let policy = *self.performer.provider.policy();
        tracing::trace!(account = %self.performer.account.key(), ?event, "flight");
        let withheld = self.flight.knowledge().withheld();
        let commands = self.flight.step(&self.performer.engine.context(&policy), event);
        if let Some(generation) = withheld.filter(|old| !self.flight.knowledge().is_rejected(*old)) {
            self.performer.serve_again(generation);
        }
        commands
    }

    /// Everything is published and delivered by now.
    async fn leave(self) {
        let Performer { engine, account, memory, .. } = self.performer;
        let learnt = self.flight.knowledge();
        match self.reading {
            None => memory.lock().knowledge = learnt.clone(),
            Some(slot) => {
                memory.lock().knowledge.learn_from_reading(learnt);
                drop(slot);
            }
        }
        engine.listener.ended(&account, self.flight.recheck());
        let served = || engine.process.entries().get(account.key()).map(|entry| entry.generation);
        let adopted = if mutant("hook_is_called_for_adopted_tokens") { served() } else { None };
        let Some(generation) = self.committed.or(adopted) else { return };
        engine.listener.committed(&account, generation).await;
    }
}

fn may_begin(command: &Command, under_way: usize) -> bool {
    match command.mode() {
        Mode::AtOnce => false,
        Mode::Alone => under_way == 0,
        Mode::Together => true,
    }
}

/// The commands that are yet to be performed. Deliveries come first: they cost no IO, and nobody waits for the
/// publication to the others.
#[derive(Default)]
struct Queue(VecDeque<Command>);

impl Queue {
    fn add(&mut self, commands: Commands) {
        debug_assert!(commands.keep_order(&[]), "{commands:?}");
        self.0.extend(commands);
        self.0.make_contiguous().sort_by_key(|command| !matches!(command, Command::Deliver(_)));
    }

    fn next(&mut self) -> Option<Command> {
        self.0.pop_front()
    }
}
