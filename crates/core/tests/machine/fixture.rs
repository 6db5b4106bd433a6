//! A flight with a row and a clock, and the shortest ways into each phase.

use std::time::Duration;

use solekey_core::{
    AnswerNote, Claim, ClaimId, Commit, Content, Facts, Fence, Fingerprint, Generation, Login, Moment, Need,
    NewFacts, Outcome, Policy, PolicySettings, Replay, Row, Settle, StoreTime,
    flight::{
        AnswersView, CacheView, Command, Commands, Context, Event, Flight, Knowledge, LeaseView, Notice,
        Presentation, RowView, Source, StoreReply,
    },
};
use uuid::Uuid;

/// Seconds.
pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The store's clock and the process' clock run alike but have nothing else in common.
pub(crate) fn store_at(since_start: Duration) -> StoreTime {
    StoreTime::from_micros(1_000_000_000_000_000) + since_start
}

pub(crate) fn moment_at(since_start: Duration) -> Moment {
    Moment::from_micros(7_000_000) + since_start
}

pub(crate) fn id(number: u128) -> ClaimId {
    ClaimId::new(Uuid::from_u128(number))
}

pub(crate) fn fingerprint(number: u8) -> Fingerprint {
    Fingerprint::new([number; 16])
}

/// A credential with access token `number` and refresh token `number + 100`.
pub(crate) fn facts(number: u8, expires_in: Option<Duration>) -> NewFacts {
    NewFacts {
        access: fingerprint(number),
        refresh: Some(fingerprint(number + 100)),
        expires_in,
        refresh_expires_in: None,
    }
}

/// A policy whose attempts last for a minute: exchanges of 10 s, 2 s for writing the answer.
pub(crate) fn policy(replay: Replay) -> Policy {
    PolicySettings { replay, quarantine: Some(secs(60)), ..PolicySettings::default() }.build().unwrap()
}

/// A row logged in an hour before the start whose token ended just then.
pub(crate) fn overdue_row() -> Row {
    row_with(facts(1, Some(secs(3600))), secs(3600))
}

/// A row logged in with these facts so long before the start.
pub(crate) fn row_with(facts: NewFacts, age: Duration) -> Row {
    let mut row = Row::empty();
    row.login(
        &Login {
            id: id(1),
            facts,
            accept_spent: false,
            accept_lesser: false,
            amends: None,
            due_in: None,
            as_of: None,
        },
        false,
        store_at(Duration::ZERO) - age,
    )
    .unwrap();
    row
}

/// A row whose token was rotated so long before the start, and lives for so long from then.
pub(crate) fn rotated_row(age: Duration, life: Duration) -> Row {
    let mut row = row_with(facts(9, Some(secs(3600))), secs(7200));
    let at = store_at(Duration::ZERO) - age;
    row.commit(&commit(rotation(&row, 2, facts(1, Some(life)), at)), at).unwrap();
    row
}

/// The note of a rotation of `row` at `at`.
pub(crate) fn rotation(row: &Row, claim: u128, facts: NewFacts, at: StoreTime) -> AnswerNote {
    AnswerNote {
        attempt: Generation::mint(row.minted, None, at),
        claim: id(claim),
        made_from: row.generation,
        content: Content::Rotated(facts),
        access_ends: None,
    }
}

pub(crate) fn commit(note: AnswerNote) -> Commit {
    Commit { note, seen: None, evidence: None, due_in: None, as_of: None, forgotten: None }
}

/// The answers, readable, and nothing in them.
pub(crate) const NO_ANSWERS: AnswersView =
    AnswersView::Read { newest: None, unread: None, kept_since: StoreTime::from_micros(0) };

pub(crate) fn answered(note: AnswerNote) -> AnswersView {
    AnswersView::Read { newest: Some(note), unread: None, kept_since: StoreTime::from_micros(0) }
}

/// A claim by somebody else.
pub(crate) fn open(row: &mut Row, number: u128, at: Duration) {
    let seen = row.open.map(|open| open.id);
    row.claim(&claim_of(row, number, seen, at), store_at(at)).unwrap();
}

pub(crate) fn claim_of(row: &Row, number: u128, seen: Option<ClaimId>, at: Duration) -> Claim {
    Claim {
        id: id(number),
        from: row.generation,
        seen,
        fence: None,
        span: secs(60),
        not_after: store_at(at),
        cause: solekey_core::Cause::Due,
        presents: row.facts.and_then(|facts| facts.refresh).unwrap(),
    }
}

/// A flight and its clock.
#[derive(Clone)]
pub(crate) struct Pilot {
    pub(crate) policy: Policy,
    pub(crate) flight: Flight,
    /// Since the start.
    pub(crate) clock: Duration,
    pub(crate) jitter: u16,
    ids: u128,
}

impl Pilot {
    /// For a provider that revokes families.
    pub(crate) fn new(need: Need) -> Self {
        Self::with(policy(Replay::STRICT_FAMILY), need, Knowledge::default(), Duration::ZERO)
    }

    pub(crate) fn patient(need: Need, patience: Duration) -> Self {
        Self::with(policy(Replay::STRICT_FAMILY), need, Knowledge::default(), patience)
    }

    pub(crate) fn of(replay: Replay) -> Self {
        Self::with(policy(replay), Need::Valid, Knowledge::default(), Duration::ZERO)
    }

    pub(crate) fn with(policy: Policy, need: Need, knowledge: Knowledge, patience: Duration) -> Self {
        let clock = Duration::ZERO;
        let flight = Flight::new(need, knowledge, 0, moment_at(clock), patience);
        Self { policy, flight, clock, jitter: 0, ids: 100 }
    }

    /// The next flight of the same process, for the same account.
    pub(crate) fn again(&self, need: Need) -> Self {
        let knowledge = self.flight.knowledge().clone();
        self.in_its_place(Flight::new(need, knowledge, 0, self.now(), Duration::ZERO))
    }

    /// Another flight of the same process.
    pub(crate) fn in_its_place(&self, flight: Flight) -> Self {
        Self { flight, ..self.clone() }
    }

    pub(crate) fn now(&self) -> Moment {
        moment_at(self.clock)
    }

    pub(crate) fn store_now(&self) -> StoreTime {
        store_at(self.clock)
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.clock += span;
    }

    pub(crate) fn start(&mut self) -> Vec<Command> {
        self.fly(Flight::start)
    }

    pub(crate) fn hear(&mut self, event: Event) -> Vec<Command> {
        self.fly(|flight, cx| flight.step(cx, event))
    }

    fn fly(&mut self, step: impl FnOnce(&mut Flight, &Context<'_>) -> Commands) -> Vec<Command> {
        self.ids += 1;
        let cx = Context {
            now: moment_at(self.clock),
            policy: &self.policy,
            id: id(self.ids),
            jitter: self.jitter,
        };
        step(&mut self.flight, &cx).into_iter().collect()
    }

    pub(crate) fn view(&self, row: &Row) -> RowView {
        RowView { row: Some(row.clone()), now: self.store_now(), asked: self.now() }
    }

    pub(crate) fn done(&self, row: &Row) -> StoreReply {
        StoreReply::Done(self.view(row))
    }

    /// Starts, and reads row and answers under the lease: the shared cache does not know the account.
    pub(crate) fn decide(&mut self, row: &Row, answers: AnswersView) -> Vec<Command> {
        self.reach_load(row);
        self.read_again(row, answers)
    }

    /// As [`decide`](Self::decide), with a lease of this fence.
    pub(crate) fn decide_with_fence(
        &mut self,
        row: &Row,
        answers: AnswersView,
        fence: Fence,
    ) -> Vec<Command> {
        self.reach_load_with(row, fence);
        self.read_again(row, answers)
    }

    /// Starts, and reads the row before the lease: the shared cache does not know the account.
    pub(crate) fn first_read(&mut self, row: &Row) -> Vec<Command> {
        self.start();
        self.hear(Event::SharedCache(Some(CacheView::default())));
        self.hear(Event::Loaded(self.done(row)))
    }

    /// Starts and takes the lease; the next command reads the row.
    pub(crate) fn reach_load(&mut self, row: &Row) {
        self.reach_load_with(row, LEASE);
    }

    fn reach_load_with(&mut self, row: &Row, fence: Fence) {
        self.start();
        assert_eq!(self.hear(Event::SharedCache(Some(CacheView::default()))), [Command::Load]);
        let lease = self.hear(Event::Loaded(self.done(row)));
        assert!(matches!(lease[..], [Command::TakeLease { .. }]), "{lease:?}");
        assert_eq!(self.hear(Event::Lease(LeaseView::Granted(fence))), [Command::Load]);
    }

    /// Reads row and answers, as the last event of this flight made it do.
    pub(crate) fn read_again(&mut self, row: &Row, answers: AnswersView) -> Vec<Command> {
        assert_eq!(self.hear(Event::Loaded(self.done(row))), [Command::ReadAnswers]);
        self.hear(Event::Answers(answers))
    }

    /// Decides, expects a claim and makes it.
    pub(crate) fn claim(&mut self, row: &mut Row) -> Vec<Command> {
        let claim = claimed(&self.decide(row, NO_ANSWERS));
        row.claim(&claim, self.store_now()).unwrap();
        self.hear(Event::Claimed(self.done(row)))
    }

    /// Claims and sends.
    pub(crate) fn exchange(&mut self, row: &mut Row) {
        assert_eq!(self.claim(row), [exchange(row)]);
    }

    pub(crate) fn hear_outcome(&mut self, outcome: Outcome<NewFacts>) -> Vec<Command> {
        self.hear(Event::Exchanged(outcome))
    }

    /// Claims, sends, and reads a new pair; returns the two copies that are to be written.
    pub(crate) fn record(&mut self, row: &mut Row) -> (AnswerNote, Commit) {
        self.exchange(row);
        match self.hear_outcome(Outcome::Success(facts(2, Some(secs(3600)))))[..] {
            [Command::WriteAnswer(note), Command::CommitOwn(commit)] => (note, commit),
            ref other => panic!("{other:?}"),
        }
    }
}

/// The fence of the lease that flights hold here.
const LEASE: Fence = Fence::new(1);

pub(crate) fn claimed(commands: &[Command]) -> Claim {
    match commands {
        [Command::Claim(claim)] => *claim,
        other => panic!("expected a claim: {other:?}"),
    }
}

pub(crate) fn settled(commands: &[Command]) -> Settle {
    match commands {
        [Command::Settle(settle)] => *settle,
        other => panic!("expected a settling: {other:?}"),
    }
}

pub(crate) fn slept(commands: &[Command]) -> Moment {
    match commands {
        [.., Command::Sleep { until, .. }] => *until,
        other => panic!("expected a sleep: {other:?}"),
    }
}

/// The delay that the flight ended with.
pub(crate) fn delay(commands: &[Command]) -> (Moment, solekey_core::Delay) {
    let delivered = commands.iter().find_map(|command| match command {
        Command::Deliver(solekey_core::flight::Delivery::RetryAt { at, why }) => Some((*at, *why)),
        _ => None,
    });
    delivered.unwrap_or_else(|| panic!("expected a delay: {commands:?}"))
}

/// Returns true if any of these presents a token or opens an attempt.
pub(crate) fn presents(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::Claim(_) | Command::Exchange(_)))
}

/// The command that presents the token of this row for the attempt open in it, under the lease.
pub(crate) fn exchange(row: &Row) -> Command {
    let open = row.open.unwrap();
    let fence = Some(LEASE);
    Command::Exchange(Presentation { from: row.generation, attempt: open.attempt, claim: open.id, fence })
}

/// The publication of this row's token.
pub(crate) fn publish_row(row: &Row) -> Command {
    Command::Publish(Notice::Token { generation: row.generation, source: Source::Row })
}

/// The publication of the flight's own token.
pub(crate) fn publish_own(note: AnswerNote) -> Command {
    Command::Publish(Notice::Token { generation: note.attempt, source: Source::Own })
}

/// The facts of a row that holds a credential.
pub(crate) fn facts_of(row: &Row) -> Facts {
    row.facts.unwrap()
}
