//! A run: concurrent lanes, each with its own pair of adapter and memory.

use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Debug, Write as _},
};

use async_trait::async_trait;
use fastrand::Rng;
use tokio::task::JoinSet;

use super::shrink::shrink;

/// An adapter and the port in memory, which get the same operations.
#[async_trait]
pub trait Pairs: Send + 'static {
    /// An operation on both. Its arguments are relative to the state in which it is carried out, so that a sequence
    /// means the same when it is repeated.
    type Operation: Clone + Debug + Send + Sync + 'static;

    /// The name of the port, for reports.
    const PORT: &'static str;

    /// The possible outcomes: a run has to meet each of them.
    const OUTCOMES: &'static [Outcome];

    /// Draws an operation.
    fn draw(rng: &mut Rng) -> Self::Operation;

    /// Returns the number of the account that the operation is about.
    fn about(operation: &Self::Operation) -> Option<usize>;

    /// Carries it out on both and compares.
    async fn carry_out(&mut self, operation: &Self::Operation) -> Result<Outcome, Divergence>;

    /// Compares all that they hold.
    async fn read(&mut self) -> Result<(), Divergence>;

    /// Empties both.
    async fn start_over(&mut self);
}

/// The outcome of an operation, in a word.
pub type Outcome = &'static str;

/// A difference between the adapter and the memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The reply of the adapter.
    pub adapter: String,
    /// The reply of the memory.
    pub memory: String,
}

impl Divergence {
    /// Both answers, shown.
    pub fn of(adapter: &impl Debug, memory: &impl Debug) -> Self {
        Self { adapter: format!("{adapter:?}"), memory: format!("{memory:?}") }
    }
}

/// The size and the seed of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The number of operations, over all lanes.
    pub operations: u64,
    /// The seed from which they are drawn.
    pub seed: u64,
}

impl Plan {
    /// The plan that the environment sets: `SOLEKEY_MODEL_OPS`, else 5 000; `SOLEKEY_MODEL_SEED`, else always the same.
    ///
    /// # Panics
    /// When one of them is not a number.
    pub fn from_env() -> Self {
        Self {
            operations: number("SOLEKEY_MODEL_OPS").unwrap_or(5_000),
            seed: number("SOLEKEY_MODEL_SEED").unwrap_or(20_261_122),
        }
    }

    /// The same with a fraction of the operations, where each is slow.
    #[must_use]
    pub fn shortened(self, by: u64) -> Self {
        Self { operations: self.operations / by.max(1), ..self }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name}: expected a number")))
}

/// A run without a divergence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// The port.
    pub port: &'static str,
    /// The server, as given to the run.
    pub server: String,
    /// The plan that was carried out.
    pub plan: Plan,
    /// The number of times that each outcome was met.
    pub met: BTreeMap<Outcome, u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, server, plan: Plan { operations, seed }, met } = self;
        write!(
            f,
            "model {port:<7} | {server:<12} | {operations} operations | 0 divergences | seed {seed}\n "
        )?;
        met.iter().try_for_each(|(outcome, count)| write!(f, " {outcome}: {count}"))
    }
}

/// Carries a plan out on pairs that `build` makes, one for each lane.
///
/// # Panics
/// When the adapter and the memory differ; and when an outcome was hardly ever met, because then the run does not test
/// it.
pub async fn run<T: Pairs>(server: &str, plan: Plan, build: impl AsyncFn() -> T) -> Tally {
    let Plan { operations, seed } = plan;
    println!("SOLEKEY_MODEL_SEED={seed} SOLEKEY_MODEL_OPS={operations}: {} on {server}", T::PORT);
    let mut lanes = JoinSet::new();
    for number in 0..LANES {
        let rng = Rng::with_seed(seed.wrapping_mul(LANES).wrapping_add(number));
        let lane = Lane { number, rng, pairs: build().await, history: Vec::new(), met: BTreeMap::new() };
        lanes.spawn(lane.go((operations + LANES - 1 - number) / LANES));
    }
    let mut met = BTreeMap::new();
    while let Some(lane) = lanes.join_next().await {
        match lane.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic())) {
            Ok(lane) => {
                for (outcome, count) in lane {
                    *met.entry(outcome).or_default() += count;
                }
            }
            Err(why) => panic!("model {} | {server} | seed {seed} | {why}", T::PORT),
        }
    }
    rarely::<T>(&met, operations);
    Tally { port: T::PORT, server: server.to_owned(), plan, met }
}

fn rarely<T: Pairs>(met: &BTreeMap<Outcome, u64>, operations: u64) {
    for outcome in T::OUTCOMES {
        let count = met.get(outcome).copied().unwrap_or_default();
        assert!(count >= operations / RARE, "{}: {outcome}: met only {count} times", T::PORT);
    }
    let unknown = met.keys().find(|outcome| !T::OUTCOMES.contains(outcome));
    assert_eq!(unknown, None, "{}: an outcome that nobody asks for", T::PORT);
}

struct Lane<T: Pairs> {
    number: u64,
    rng: Rng,
    pairs: T,
    history: Vec<T::Operation>,
    met: BTreeMap<Outcome, u64>,
}

impl<T: Pairs> Lane<T> {
    async fn go(mut self, operations: u64) -> Result<BTreeMap<Outcome, u64>, String> {
        self.pairs.start_over().await;
        for step in 1..=operations {
            if let Err(divergence) = self.step(step).await {
                return Err(self.story(&divergence).await);
            }
        }
        match self.pairs.read().await {
            Ok(()) => Ok(self.met),
            Err(divergence) => Err(self.story(&divergence).await),
        }
    }

    async fn step(&mut self, step: u64) -> Result<(), Divergence> {
        let operation = T::draw(&mut self.rng);
        self.history.push(operation.clone());
        let outcome = self.pairs.carry_out(&operation).await?;
        *self.met.entry(outcome).or_default() += 1;
        if step.is_multiple_of(READ_EVERY) { self.pairs.read().await } else { Ok(()) }
    }

    /// Describes a divergence and the operations that led to it.
    async fn story(mut self, divergence: &Divergence) -> String {
        let mut story = format!("lane {}, step {}\n", self.number, self.history.len());
        describe(&mut story, divergence);
        let account = self.history.last().and_then(T::about);
        let _ = writeln!(story, "last operations on account {account:?}, and on all:");
        let on_it =
            |operation: &T::Operation| T::about(operation).is_none() || T::about(operation) == account;
        let steps = (1..).zip(&self.history).filter(|(_, operation)| on_it(operation));
        let steps: Vec<(u32, &T::Operation)> = steps.collect();
        for (step, operation) in steps.iter().skip(steps.len().saturating_sub(SHOWN)) {
            let _ = writeln!(story, "{step:>8}  {operation:?}");
        }
        // At once, in case that the search below is not waited for.
        println!("model {} | {story}", T::PORT);
        match shrink(&mut self.pairs, &self.history).await {
            None => story.push_str(
                "it does not come again from the start: time has a part in it, or a long history\n",
            ),
            Some((shortest, divergence)) => {
                let _ = writeln!(story, "from the start, {} operations show it:", shortest.len());
                for operation in &shortest {
                    let _ = writeln!(story, "          {operation:?}");
                }
                describe(&mut story, &divergence);
            }
        }
        story
    }
}

fn describe(story: &mut String, Divergence { adapter, memory }: &Divergence) {
    let _ = writeln!(story, "adapter: {adapter}\nmemory:  {memory}");
}

/// A server answers one lane while the others think.
const LANES: u64 = 3;

/// The number of operations between two comparisons of everything.
const READ_EVERY: u64 = 64;

/// One operation in so many has to come to each of the outcomes, at the least; short runs may miss the rarest.
const RARE: u64 = 10_000;

/// The number of operations shown before a divergence.
const SHOWN: usize = 12;
