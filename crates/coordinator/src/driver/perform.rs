//! One command, performed.

use std::{future::Future, sync::Arc, time::Duration};

use solekey_core::{
    Account, Answer, ClaimId, Found, Generation, Moment, Need, Revocation, Ruling, Verdict,
    flight::{
        AnswersView, Command, Delivery, Event, LeaseView, Notice, RowView, ShelfView, Source, StoreReply,
        TokenView,
    },
    mutant,
    ports::{LeaseReply, Loaded, Shelf, StoreError},
};
use uuid::Uuid;

use super::{
    Done, Driver, Work,
    stock::{Held, Keep},
};
use crate::{
    announcement::Announcement,
    instance::Instance,
    observer::{self, Door},
    told::{Progress, Told},
};

impl Driver {
    /// Starts a command; one that has a result returns the work that brings it.
    pub(super) async fn perform(&mut self, command: Command) -> Option<Work> {
        if matches!(command, Command::Claim(_) | Command::Sleep { .. }) {
            self.told.go_to_work();
        }
        match command {
            Command::Register => self.waiting = Some(self.instance.waits().register(self.account.key())),
            Command::LeaveDoor => self.leave_door().await,
            Command::Mark(generation) => {
                let shared = self.mark(generation).await;
                self.step(Event::Marked { generation, shared });
            }
            Command::Unmark(generation) => self.unmark(generation).await,
            Command::EraseAnswers(before) => self.erase_answers(before).await,
            Command::Publish(notice) => self.publish(notice).await,
            Command::Deliver(delivery) => self.deliver(delivery),
            Command::ReadShelf => return Some(self.read_shelf()),
            Command::Load => return Some(self.load()),
            Command::ReadAnswers => return Some(self.read_answers()),
            Command::TakeLease { floor } => return Some(self.take_lease(floor)),
            Command::Claim(claim) => {
                return Some(self.change(Event::Claimed, move |instance, account| async move {
                    if !instance.know_the_store().await {
                        // What the provider would send could not be recognised later.
                        return Err(StoreError::not_applied("the store does not say who it is"));
                    }
                    instance.store().claim(&account, &claim).await
                }));
            }
            Command::Settle(settle) => {
                return Some(self.change(Event::Settled, move |instance, account| async move {
                    let done = instance.store().settle(&account, &settle).await;
                    if let (Ok(_), Some(verdict)) = (&done, settle.verdict) {
                        instance.tell_ruling(&account, settle.from, verdict.ruling);
                    }
                    done
                }));
            }
            Command::Exchange => return Some(self.exchange()),
            Command::WriteAnswer(note) => return Some(self.write_answer(note)),
            Command::CommitOwn(commit) => return Some(self.commit_own(commit)),
            Command::CommitFound(commit) => return Some(self.commit_found(commit)),
            Command::Sleep { until, or_news } => return Some(self.sleep(until, or_news)),
        }
        None
    }

    fn read_shelf(&self) -> Work {
        let (instance, account) = self.both();
        let provider = Arc::clone(&self.provider);
        Box::pin(async move {
            let Some(cache) = instance.cache() else { return Event::Shelf(None).into() };
            let asked = instance.asking();
            match cache.read(&account).await {
                Ok(shelf) => shelf_done(&instance, &account, &provider, shelf, asked),
                Err(error) => {
                    tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "shelf away");
                    Event::Shelf(None).into()
                }
            }
        })
    }

    fn load(&self) -> Work {
        self.change(Event::Loaded, |instance, account| async move { instance.store().load(&account).await })
    }

    /// A store operation under a deadline; what it says of the row comes into stock.
    fn change<F, R>(&self, event: fn(StoreReply) -> Event, operation: F) -> Work
    where
        F: FnOnce(Arc<Instance>, Account) -> R + Send + 'static,
        R: Future<Output = Result<Loaded, StoreError>> + Send + 'static,
    {
        let (instance, account) = self.both();
        let provider = Arc::clone(&self.provider);
        let deadline = self.store_deadline();
        Box::pin(async move {
            let asked = instance.asking();
            let before = instance.now();
            let work = operation(Arc::clone(&instance), account.clone());
            let outcome = tokio::time::timeout(deadline, work)
                .await
                .unwrap_or_else(|_| Err(StoreError::unknown("the store did not answer in time")));
            let (reply, loaded) = reply(outcome, before, &account);
            let keep = loaded.map_or(Keep::Nothing, |loaded| {
                let stocked = loaded
                    .record
                    .map(|record| instance.stock_row(&account, &provider, record, loaded.now, asked));
                Keep::Row(stocked.map(Box::new))
            });
            Done { event: event(reply), keep }
        })
    }

    fn read_answers(&self) -> Work {
        let (instance, account) = self.both();
        let deadline = self.store_deadline();
        Box::pin(async move {
            let answers = tokio::time::timeout(deadline, instance.answers().newest(&account)).await;
            match answers {
                Ok(Ok(Found { newest, kept_since })) => {
                    let note = newest.as_ref().map(|answer| answer.note);
                    let event = Event::Answers(AnswersView::Read { newest: note, kept_since });
                    Done { event, keep: Keep::Found(newest) }
                }
                Ok(Err(error)) => {
                    tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "answers unreadable");
                    instance.enrolment_in_question();
                    Event::Answers(AnswersView::Unreadable).into()
                }
                Err(_) => Event::Answers(AnswersView::Unreadable).into(),
            }
        })
    }

    fn take_lease(&mut self, floor: Option<solekey_core::Fence>) -> Work {
        self.lease = ClaimId::new(Uuid::new_v4());
        let (instance, account) = self.both();
        let (lease, ttl) = (self.lease, self.provider.policy().lease_ttl());
        Box::pin(async move {
            let Some(door) = instance.lease() else { return Event::Lease(LeaseView::Away).into() };
            let (view, door) = match door.acquire(&account, lease, ttl, floor).await {
                Ok(LeaseReply::Granted { fence }) => (LeaseView::Granted(fence), Door::Granted),
                Ok(LeaseReply::Busy { .. }) => (LeaseView::Busy, Door::Busy),
                Err(error) => {
                    tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "lease away");
                    (LeaseView::Away, Door::Unreachable)
                }
            };
            instance.observe(&observer::Event::Leased { account: &account, door });
            Event::Lease(view).into()
        })
    }

    fn write_answer(&self, note: solekey_core::AnswerNote) -> Work {
        let (instance, account) = self.both();
        let payload = self.stock.own.as_ref().map(|own| own.sealed.clone()).unwrap_or_default();
        let deadline = self.store_deadline();
        Box::pin(async move {
            let answer = Answer { note, payload };
            if mutant("answer_is_not_written") {
                return Event::AnswerWritten(true).into();
            }
            let written = tokio::time::timeout(deadline, instance.answers().write(&account, &answer)).await;
            if let Ok(Err(error)) = &written {
                tracing::debug!(account = %account.key(), error = error as &dyn std::error::Error, "answer not written");
            }
            Event::AnswerWritten(matches!(written, Ok(Ok(())))).into()
        })
    }

    fn commit_own(&self, commit: solekey_core::Commit) -> Work {
        let payload = self.stock.own.as_ref().map(|own| own.sealed.clone()).unwrap_or_default();
        self.change(Event::Committed, move |instance, account| async move {
            let done = instance.store().commit(&account, &commit, &payload).await;
            if done.is_ok() {
                let generation = commit.note.attempt;
                instance.observe(&observer::Event::Committed { account: &account, generation });
            }
            done
        })
    }

    fn commit_found(&self, commit: solekey_core::Commit) -> Work {
        let payload = self.stock.found.as_ref().map(|answer| answer.payload.clone()).unwrap_or_default();
        self.change(Event::Committed, move |instance, account| async move {
            let done = instance.store().commit(&account, &commit, &payload).await;
            if done.is_ok() {
                let generation = commit.note.attempt;
                tracing::info!(account = %account.key(), %generation, "recovered a rotated pair from the answers");
                instance.observe(&observer::Event::Recovered { account: &account, generation });
            }
            done
        })
    }

    /// The registration goes into the sleep: whoever wakes registers anew before it looks.
    fn sleep(&mut self, until: Moment, or_news: bool) -> Work {
        let instance = Arc::clone(&self.instance);
        let waiting = self.waiting.take().filter(|_| or_news);
        Box::pin(async move {
            match waiting {
                None => instance.sleep_until(until).await,
                Some(mut waiting) => {
                    tokio::select! {
                        biased;
                        _ = waiting.woken() => {}
                        () = instance.sleep_until(until) => {}
                    }
                }
            }
            Event::Woken.into()
        })
    }

    async fn leave_door(&self) {
        let Some(lease) = self.instance.lease() else { return };
        if let Err(error) = lease.release(&self.account, self.lease).await {
            tracing::debug!(account = %self.account.key(), error = &error as &dyn std::error::Error, "lease left to its end");
        }
    }

    /// Whether the shelf has taken the mark.
    async fn mark(&self, generation: Generation) -> bool {
        self.instance.entries().reject(self.account.key(), generation, self.instance.now());
        let Some(cache) = self.instance.cache() else { return false };
        let marked = cache.reject(&self.account, generation).await;
        if let Err(error) = &marked {
            tracing::debug!(account = %self.account.key(), error = error as &dyn std::error::Error, "rejection not shared");
        }
        marked.is_ok()
    }

    async fn unmark(&self, generation: Generation) {
        self.instance.entries().absolve(self.account.key(), generation);
        if let Some(cache) = self.instance.cache()
            && let Err(error) = cache.absolve(&self.account, generation).await
        {
            tracing::debug!(account = %self.account.key(), error = &error as &dyn std::error::Error, "rejection not taken back");
        }
    }

    async fn erase_answers(&self, before: Generation) {
        if let Err(error) = self.instance.answers().erase(&self.account, before).await {
            tracing::debug!(account = %self.account.key(), error = &error as &dyn std::error::Error, "answers not erased");
        }
    }

    async fn publish(&mut self, notice: Notice) {
        let announcement = match notice {
            Notice::Token(source) => {
                let Some(held) = self.stock.token(source) else { return };
                self.serve(Some(held));
                let generation = held.data.generation;
                self.announcement(generation, Some(held), None)
            }
            Notice::Verdict(verdict) => {
                let generation = verdict.generation;
                let row = self.stock.token(Source::Row);
                let current = row.filter(|held| held.data.generation == generation);
                self.announcement(generation, current, Some(verdict))
            }
            Notice::Gone(generation) => {
                self.instance.entries().remove_older(self.account.key(), generation);
                Announcement::gone(generation)
            }
        };
        if self.instance.publish(&self.account, announcement).await {
            self.untold = None;
        }
    }

    fn announcement(
        &self,
        generation: Generation,
        token: Option<&Held>,
        verdict: Option<Verdict<Moment>>,
    ) -> Announcement {
        let replaces = self.stock.is_login(generation);
        Announcement { generation, token: token.cloned(), verdict, gone: false, replaces }
    }

    fn deliver(&self, delivery: Delivery) {
        let told = match delivery {
            Delivery::Token { source, .. } => match self.stock.token(source) {
                Some(held) => {
                    self.serve(Some(held));
                    Told::Token(held.clone())
                }
                None => self.without_token(),
            },
            Delivery::Unknown => Told::Unknown,
            Delivery::LogIn { generation, why } => {
                self.tell_unwritten(generation, why);
                Told::LogIn { generation, why }
            }
            Delivery::RetryAt { at, why } => Told::RetryAt { at, why },
            Delivery::RejectedAgain { at } => Told::RejectedAgain { at },
        };
        // Whoever asked may have stopped waiting: what was learnt must not go with the last caller.
        self.instance.remember(&self.account, self.flight.need(), &told);
        self.told.tell(Progress::Told(told));
    }

    /// What no row says is told by each process that finds it.
    fn tell_unwritten(&self, generation: Generation, why: Revocation) {
        let found = !why.is_written() && !matches!(self.flight.need(), Need::Now { .. });
        if found && (self.memory.lock().ends(generation) || mutant("end_is_told_again_and_again")) {
            self.instance.tell_ruling(&self.account, generation, Ruling::LogIn { why });
        }
    }

    /// A token the machine counts on is not in stock: the credential does not open, or holds no access token yet.
    fn without_token(&self) -> Told {
        let sealed = self.stock.row.as_ref().is_some_and(|row| row.credential.is_err());
        if sealed {
            tracing::error!(account = %self.account.key(), "the stored credential does not open with the seal keys given");
            return Told::Misconfigured { field: "seal.key", expected: "the key that sealed this account" };
        }
        Told::RetryAt {
            at: self.instance.now() + Duration::from_secs(1),
            why: solekey_core::Delay::JustRefreshed,
        }
    }

    pub(super) fn both(&self) -> (Arc<Instance>, Account) {
        (Arc::clone(&self.instance), self.account.clone())
    }

    /// A quarter of an attempt's span: an owner must be able to try again within it.
    fn store_deadline(&self) -> Duration {
        (self.provider.policy().span() / 4).clamp(MIN_STORE_DEADLINE, MAX_STORE_DEADLINE)
    }
}

impl Instance {
    fn tell_ruling(&self, account: &Account, generation: Generation, ruling: Ruling<Duration>) {
        match ruling {
            Ruling::LogIn { why } => {
                let (provider, reason) = (account.provider(), why.name());
                tracing::warn!(provider, account = %account.key(), %generation, reason, "login needed: {why}");
                self.observe(&observer::Event::LoginNeeded { account, generation, why });
            }
            Ruling::NotBefore { at: span, why } => {
                self.observe(&observer::Event::CoolingDown { account, generation, span, why });
            }
        }
    }
}

fn shelf_done(
    instance: &Instance,
    account: &Account,
    provider: &crate::Provider,
    shelf: Shelf,
    asked: solekey_cache::Asked,
) -> Done {
    let Shelf { known, token, verdict, rejected, gone } = shelf;
    // What was left when it was read: the process may have been stopped since.
    let passed = instance.now().since(asked.at());
    let verdict = verdict.map(|verdict| verdict.map(|left| left.saturating_sub(passed)));
    let shelved = token.and_then(|shelved| {
        let held = instance.take_from_shelf(account, provider, &shelved, asked)?;
        Some((shelved, held))
    });
    let view = shelved.as_ref().map(|(shelved, held)| TokenView {
        generation: shelved.generation,
        access: instance.fingerprints().of(&held.data.secret),
        valid: shelved.valid.saturating_sub(passed),
        good: shelved.good.saturating_sub(passed),
        lifetime: held.data.lifetime,
    });
    let held = shelved.map(|(_, held)| held).filter(|held| rejected < Some(held.data.generation));
    let event = Event::Shelf(Some(ShelfView { known, token: view, verdict, rejected, gone }));
    Done { event, keep: Keep::Shelf(held) }
}

fn reply(
    outcome: Result<Loaded, StoreError>,
    asked: Moment,
    account: &Account,
) -> (StoreReply, Option<Loaded>) {
    let view = |loaded: &Loaded| RowView {
        row: loaded.record.as_ref().map(|record| record.row.clone()),
        now: loaded.now,
        asked,
    };
    match outcome {
        Ok(loaded) => (StoreReply::Done(view(&loaded)), Some(loaded)),
        Err(StoreError::Moved(loaded)) => (StoreReply::Moved(view(&loaded)), Some(*loaded)),
        Err(StoreError::Late) => (StoreReply::Late, None),
        Err(StoreError::UnreadableFormat { found }) => {
            tracing::warn!(account = %account.key(), found, "row of a newer version: served, not refreshed");
            (StoreReply::UnreadableFormat, None)
        }
        Err(StoreError::Unavailable(solekey_core::ports::Trouble::NotApplied(error))) => {
            tracing::debug!(account = %account.key(), error = &*error as &dyn std::error::Error, "store away");
            (StoreReply::NotApplied, None)
        }
        Err(error) => {
            tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "store in doubt");
            (StoreReply::Unknown, None)
        }
    }
}

const MIN_STORE_DEADLINE: Duration = Duration::from_secs(1);
const MAX_STORE_DEADLINE: Duration = Duration::from_secs(5);
