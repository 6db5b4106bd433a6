//! A run: lanes that go on at the same time, each with twins of its own.

use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Debug, Write as _},
};

use async_trait::async_trait;
use fastrand::Rng;
use tokio::task::JoinSet;

use super::shrink::shrink;

/// An adapter and the port in memory, which are asked the same.
#[async_trait]
pub trait Twins: Send + 'static {
    /// What they can be asked. Its arguments are relative to what is there when it is carried out, so that a sequence
    /// means the same when it is repeated.
    type Operation: Clone + Debug + Send + Sync + 'static;

    /// The port, for people.
    const PORT: &'static str;

    /// What operations may come to: each of them has to be met.
    const OUTCOMES: &'static [Outcome];

    /// Draws an operation.
    fn draw(rng: &mut Rng) -> Self::Operation;

    /// The account that it is about.
    fn about(operation: &Self::Operation) -> Option<usize>;

    /// Carries it out on both and compares.
    async fn carry_out(&mut self, operation: &Self::Operation) -> Result<Outcome, Divergence>;

    /// Compares all that they hold.
    async fn look(&mut self) -> Result<(), Divergence>;

    /// Empties both.
    async fn start_over(&mut self);
}

/// What an operation came to, in a word.
pub type Outcome = &'static str;

/// The twins disagree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// What the adapter said.
    pub adapter: String,
    /// What the memory said.
    pub memory: String,
}

impl Divergence {
    /// Both answers, shown.
    pub fn of(adapter: &impl Debug, memory: &impl Debug) -> Self {
        Self { adapter: format!("{adapter:?}"), memory: format!("{memory:?}") }
    }
}

/// How much to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// How many operations, over all lanes.
    pub operations: u64,
    /// What they are drawn from.
    pub seed: u64,
}

impl Plan {
    /// What the environment asks for: `SOLEKEY_MODEL_OPS`, else 5 000; `SOLEKEY_MODEL_SEED`, else always the same.
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
    /// How often each outcome was met.
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

/// Carries a plan out on twins that `build` makes, a pair for each lane.
///
/// # Panics
/// When the twins disagree; and when an outcome was hardly ever met, because then the run says nothing about it.
pub async fn run<T: Twins>(server: &str, plan: Plan, build: impl AsyncFn() -> T) -> Tally {
    let Plan { operations, seed } = plan;
    println!("SOLEKEY_MODEL_SEED={seed} SOLEKEY_MODEL_OPS={operations}: {} on {server}", T::PORT);
    let mut lanes = JoinSet::new();
    for number in 0..LANES {
        let rng = Rng::with_seed(seed.wrapping_mul(LANES).wrapping_add(number));
        let lane = Lane { number, rng, twins: build().await, history: Vec::new(), met: BTreeMap::new() };
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

fn rarely<T: Twins>(met: &BTreeMap<Outcome, u64>, operations: u64) {
    for outcome in T::OUTCOMES {
        let count = met.get(outcome).copied().unwrap_or_default();
        assert!(count >= operations / RARE, "{}: {outcome}: met only {count} times", T::PORT);
    }
    let unknown = met.keys().find(|outcome| !T::OUTCOMES.contains(outcome));
    assert_eq!(unknown, None, "{}: an outcome that nobody asks for", T::PORT);
}

struct Lane<T: Twins> {
    number: u64,
    rng: Rng,
    twins: T,
    history: Vec<T::Operation>,
    met: BTreeMap<Outcome, u64>,
}

impl<T: Twins> Lane<T> {
    async fn go(mut self, operations: u64) -> Result<BTreeMap<Outcome, u64>, String> {
        self.twins.start_over().await;
        for step in 1..=operations {
            if let Err(divergence) = self.step(step).await {
                return Err(self.story(&divergence).await);
            }
        }
        match self.twins.look().await {
            Ok(()) => Ok(self.met),
            Err(divergence) => Err(self.story(&divergence).await),
        }
    }

    async fn step(&mut self, step: u64) -> Result<(), Divergence> {
        let operation = T::draw(&mut self.rng);
        self.history.push(operation.clone());
        let outcome = self.twins.carry_out(&operation).await?;
        *self.met.entry(outcome).or_default() += 1;
        if step.is_multiple_of(LOOK_EVERY) { self.twins.look().await } else { Ok(()) }
    }

    /// What people want to know of a divergence.
    async fn story(mut self, divergence: &Divergence) -> String {
        let mut story = format!("lane {}, step {}\n", self.number, self.history.len());
        tell(&mut story, divergence);
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
        match shrink(&mut self.twins, &self.history).await {
            None => story.push_str(
                "it does not come again from the start: time has a part in it, or a long history\n",
            ),
            Some((shortest, divergence)) => {
                let _ = writeln!(story, "from the start, {} operations show it:", shortest.len());
                for operation in &shortest {
                    let _ = writeln!(story, "          {operation:?}");
                }
                tell(&mut story, &divergence);
            }
        }
        story
    }
}

fn tell(story: &mut String, Divergence { adapter, memory }: &Divergence) {
    let _ = writeln!(story, "adapter: {adapter}\nmemory:  {memory}");
}

/// A server answers one lane while the others think.
const LANES: u64 = 3;

/// Operations between two looks at everything.
const LOOK_EVERY: u64 = 64;

/// One operation in so many has to come to each of the outcomes, at the least; short runs may miss the rarest.
const RARE: u64 = 10_000;

/// How far back people look.
const SHOWN: usize = 12;
