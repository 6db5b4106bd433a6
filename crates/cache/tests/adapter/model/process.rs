//! The level of this process compared with a plain model of what it promises: fills under way while others come,
//! removals, notifications, rejections, gaps, and a clock that goes on by leaps.

use std::{fmt, time::Duration};

use fastrand::Rng;
use solekey_cache::{Absence, BELIEVE_ABSENCE, CONFIRM_EVERY, Entry, ProcessCache, ReadStart, Times};
use solekey_conformance::model::{self, Divergence, Outcome, Pairs, Plan};
use solekey_core::{AccountKey, Generation, Moment, Revocation};

use crate::fixture::account;

#[tokio::test]
async fn the_level_of_this_process_does_what_a_plain_account_of_it_says() {
    println!("{}", model::run("memory", Plan::from_env(), async || ProcessPairs::new()).await);
}

struct ProcessPairs {
    cache: ProcessCache<u64>,
    places: [Position; PLACES],
    now: Moment,
    gaps: u64,
    /// Questions whose answers are under way.
    questions: Vec<Question>,
    filled: u64,
}

/// The model of an account.
#[derive(Clone, Debug, Default)]
struct Position {
    /// The newest generation that was put in or kept out.
    newest: Option<u64>,
    token: Option<Token>,
    absence: Option<(Absence, Moment)>,
}

#[derive(Clone, Debug)]
struct Token {
    value: u64,
    /// The moment of the last read that returned it.
    asked: Moment,
    /// The number of gaps before.
    gaps: u64,
    read_at: Moment,
    /// The newest generation heard of, and when that was.
    change_feed: Option<(u64, Moment)>,
    rejected: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    asked: ReadStart,
    gaps: u64,
}

/// An operation; a generation is given by its distance from the newest that the place has seen.
#[derive(Clone, Debug)]
enum ProcessOperation {
    Ask,
    Fill { place: usize, distance: i64, question: usize },
    Remove { place: usize, distance: i64 },
    Hear { place: usize, distance: i64 },
    Reject { place: usize, distance: i64 },
    ClearRejection { place: usize, distance: i64 },
    Confirm { place: usize, question: usize },
    TakeConfirmation { place: usize },
    Absent { place: usize, about: Option<i64> },
    Gap,
    Wait(Duration),
}

use ProcessOperation as Operation;

impl ProcessPairs {
    fn new() -> Self {
        let now = Moment::from_micros(FIRST_MOMENT);
        let cache = ProcessCache::new(CAPACITY);
        Self { cache, places: Default::default(), now, gaps: 0, questions: Vec::new(), filled: 0 }
    }

    fn ask(&mut self) {
        let asked = self.cache.begin_read(self.now);
        self.under_way(asked);
    }

    fn under_way(&mut self, asked: ReadStart) {
        self.questions.insert(0, Question { asked, gaps: self.gaps });
        self.questions.truncate(UNDER_WAY);
    }

    /// A question that was asked a while ago, or now.
    fn question(&self, back: usize) -> Question {
        let now = Question { asked: self.cache.begin_read(self.now), gaps: self.gaps };
        back.checked_sub(1).and_then(|at| self.questions.get(at)).copied().unwrap_or(now)
    }

    fn near(&self, place: usize, distance: i64) -> u64 {
        self.places[place].newest.unwrap_or(FIRST).saturating_add_signed(distance)
    }

    fn fill(&mut self, place: usize, generation: u64, question: Question) -> Result<Outcome, Divergence> {
        self.filled += 1;
        let times = Times { ahead_from: self.now, good_until: self.now, valid_until: self.now };
        let entry = Entry::new(Generation::new(generation), self.filled, times, question.asked);
        let actual = self.cache.fill(key(place), entry);
        let expected = self.places[place].fill(generation, self.filled, question);
        agree(&actual, &expected)?;
        Ok(if expected { "filled" } else { "too old to fill" })
    }

    fn take_confirmation(&mut self, place: usize) -> Result<Outcome, Divergence> {
        let now = self.now;
        let Some(entry) = self.cache.get(key(place)) else { return Ok("nothing to read for") };
        let actual = self.cache.take_confirmation(&entry, now);
        let generation = entry.generation.get();
        let wanted = self.places[place].wants_confirmation(now, self.gaps);
        let token = self.places[place].token.as_mut();
        let expected = token.is_some_and(|token| {
            wanted && now.since(token.read_at) >= READ_PAUSE && {
                token.read_at = now;
                true
            }
        });
        agree(&(actual.is_some(), actual.map(ReadStart::at)), &(expected, expected.then_some(now)))?;
        if let Some(asked) = actual {
            self.under_way(asked);
        }
        agree(&Some(generation), &self.places[place].newest)?;
        Ok(if expected { "one reads" } else { "nobody reads" })
    }

    /// Compares what callers see of an account.
    fn compare(&self, place: usize) -> Result<(), Divergence> {
        let (key, now) = (key(place), self.now);
        let actual = self.cache.get(key).map(|entry| Seen {
            generation: entry.generation.get(),
            value: entry.value,
            asked: entry.confirmed_at(),
            rejected: entry.is_rejected(),
            behind: entry.is_behind(),
            wants_confirmation: self.cache.needs_confirmation(&entry, now),
        });
        let expected = self.places[place].seen(now, self.gaps);
        agree(&actual, &expected)?;
        let absence = self.places[place].absence.filter(|(_, until)| now < *until);
        agree(&self.cache.absence(key, now), &absence.map(|(absence, _)| absence))
    }
}

#[derive(PartialEq, Eq, Debug)]
struct Seen {
    generation: u64,
    value: u64,
    asked: Moment,
    rejected: bool,
    behind: bool,
    wants_confirmation: bool,
}

impl Position {
    fn fill(&mut self, generation: u64, value: u64, question: Question) -> bool {
        self.end_absence(generation);
        let asked = question.asked.at();
        let same = self.token.as_ref().filter(|_| self.newest == Some(generation));
        if self.newest > Some(generation) || same.is_some_and(|token| asked < token.asked) {
            return false;
        }
        // A mark that may be newer than the answer goes on, and so does what was heard.
        let rejected = same.and_then(|token| token.rejected).filter(|at| *at >= asked);
        let change_feed = self.token.as_ref().and_then(|token| token.change_feed);
        self.newest = Some(generation);
        let change_feed = change_feed.filter(|(of, _)| *of >= generation);
        self.token = Some(Token { value, asked, gaps: question.gaps, read_at: asked, change_feed, rejected });
        true
    }

    fn remove_older(&mut self, generation: u64) -> bool {
        self.end_absence(generation);
        let older = self.newest < Some(generation);
        if older {
            (self.newest, self.token) = (Some(generation), None);
        }
        older
    }

    fn hear(&mut self, generation: u64, now: Moment) -> bool {
        self.end_absence(generation);
        let Some(token) = &mut self.token else { return false };
        if Some(generation) < self.newest {
            return false;
        }
        let newest = token.change_feed.map_or(generation, |(newest, _)| newest.max(generation));
        token.change_feed = Some((newest, now));
        true
    }

    fn marked(&mut self, generation: u64) -> Option<&mut Token> {
        self.token.as_mut().filter(|_| self.newest == Some(generation))
    }

    fn end_absence(&mut self, generation: u64) {
        self.absence = self.absence.filter(|(absence, _)| match absence {
            Absence::Unknown => false,
            Absence::LogIn { generation: about, .. } => about.get() >= generation,
        });
    }

    fn wants_confirmation(&self, now: Moment, gaps: u64) -> bool {
        let Some(token) = &self.token else { return false };
        let change_feed =
            token.change_feed.is_some_and(|(of, at)| Some(of) > self.newest || at >= token.asked);
        change_feed || token.gaps < gaps || now.since(token.asked) >= CONFIRM_EVERY
    }

    fn seen(&self, now: Moment, gaps: u64) -> Option<Seen> {
        let token = self.token.as_ref()?;
        Some(Seen {
            generation: self.newest?,
            value: token.value,
            asked: token.asked,
            rejected: token.rejected.is_some(),
            behind: token.change_feed.is_some_and(|(of, _)| Some(of) > self.newest),
            wants_confirmation: self.wants_confirmation(now, gaps),
        })
    }
}

#[async_trait::async_trait]
impl Pairs for ProcessPairs {
    type Operation = Operation;

    const PORT: &'static str = "process";

    const OUTCOMES: &'static [Outcome] = &[
        "asked",
        "filled",
        "too old to fill",
        "removed",
        "nothing to remove",
        "heard",
        "not notified",
        "rejected",
        "rejection cleared",
        "nothing to mark",
        "confirmed",
        "nothing to confirm",
        "one reads",
        "nobody reads",
        "nothing to read for",
        "absent",
        "gap",
        "time passed",
    ];

    fn draw(rng: &mut Rng) -> Operation {
        let place = rng.usize(..PLACES);
        let distance = [-2, -1, 0, 0, 0, 1, 1, 2][rng.usize(..8)];
        let question = rng.usize(..=UNDER_WAY);
        match rng.u8(..100) {
            0..10 => Operation::Ask,
            10..38 => Operation::Fill { place, distance, question },
            38..44 => Operation::Remove { place, distance },
            44..54 => Operation::Hear { place, distance },
            54..62 => Operation::Reject { place, distance },
            62..68 => Operation::ClearRejection { place, distance },
            68..76 => Operation::Confirm { place, question },
            76..84 => Operation::TakeConfirmation { place },
            84..88 => Operation::Absent { place, about: rng.bool().then_some(distance) },
            88..92 => Operation::Gap,
            _ => Operation::Wait(Duration::from_micros(
                [1, 400_000, 1_000_000, 2_000_000, 9_000_000, 30_000_000][rng.usize(..6)],
            )),
        }
    }

    fn about(operation: &Operation) -> Option<usize> {
        match operation {
            Operation::Fill { place, .. }
            | Operation::Remove { place, .. }
            | Operation::Hear { place, .. }
            | Operation::Reject { place, .. }
            | Operation::ClearRejection { place, .. }
            | Operation::Confirm { place, .. }
            | Operation::TakeConfirmation { place }
            | Operation::Absent { place, .. } => Some(*place),
            Operation::Ask | Operation::Gap | Operation::Wait(_) => None,
        }
    }

    async fn carry_out(&mut self, operation: &Operation) -> Result<Outcome, Divergence> {
        let now = self.now;
        let outcome = match *operation {
            Operation::Ask => {
                self.ask();
                "asked"
            }
            Operation::Fill { place, distance, question } => {
                let (generation, question) = (self.near(place, distance), self.question(question));
                self.fill(place, generation, question)?
            }
            Operation::Remove { place, distance } => {
                let generation = self.near(place, distance);
                self.cache.remove_older(key(place), Generation::new(generation));
                if self.places[place].remove_older(generation) { "removed" } else { "nothing to remove" }
            }
            Operation::Hear { place, distance } => {
                let generation = self.near(place, distance);
                self.cache.heard(key(place), Generation::new(generation), now);
                if self.places[place].hear(generation, now) { "heard" } else { "not notified" }
            }
            Operation::Reject { place, distance } => {
                let generation = self.near(place, distance);
                self.cache.reject(key(place), Generation::new(generation), now);
                match self.places[place].marked(generation) {
                    None => "nothing to mark",
                    Some(token) => {
                        token.rejected = Some(now);
                        "rejected"
                    }
                }
            }
            Operation::ClearRejection { place, distance } => {
                let generation = self.near(place, distance);
                self.cache.clear_rejection(key(place), Generation::new(generation));
                match self.places[place].marked(generation) {
                    None => "nothing to mark",
                    Some(token) => {
                        token.rejected = None;
                        "rejection cleared"
                    }
                }
            }
            Operation::Confirm { place, question } => {
                let question = self.question(question);
                let entry = self.cache.get(key(place));
                match (entry, &mut self.places[place].token) {
                    (Some(entry), Some(token)) => {
                        entry.confirm(question.asked);
                        token.asked = token.asked.max(question.asked.at());
                        token.gaps = token.gaps.max(question.gaps);
                        "confirmed"
                    }
                    _ => "nothing to confirm",
                }
            }
            Operation::TakeConfirmation { place } => self.take_confirmation(place)?,
            Operation::Absent { place, about } => {
                let absence = match about.map(|distance| self.near(place, distance)) {
                    None => Absence::Unknown,
                    Some(generation) => {
                        let generation = Generation::new(generation);
                        Absence::LogIn { generation, why: Revocation::Reused }
                    }
                };
                self.cache.fill_absence(key(place), absence, now);
                self.places[place].absence = Some((absence, now + BELIEVE_ABSENCE));
                "absent"
            }
            Operation::Gap => {
                self.cache.mark_unconfirmed_all();
                self.gaps += 1;
                for place in &mut self.places {
                    place.absence = None;
                }
                "gap"
            }
            Operation::Wait(span) => {
                self.now = self.now + span;
                "time passed"
            }
        };
        for place in 0..PLACES {
            self.compare(place)?;
        }
        Ok(outcome)
    }

    async fn read(&mut self) -> Result<(), Divergence> {
        (0..PLACES).try_for_each(|place| self.compare(place))
    }

    async fn start_over(&mut self) {
        *self = Self::new();
    }
}

fn agree<T: PartialEq + fmt::Debug>(actual: &T, expected: &T) -> Result<(), Divergence> {
    if actual == expected { Ok(()) } else { Err(Divergence::of(actual, expected)) }
}

fn key(place: usize) -> AccountKey {
    account(["a", "b", "c"][place]).key()
}

const PLACES: usize = 3;
/// Answers that are under way at the same time.
const UNDER_WAY: usize = 4;
/// Such that nothing has to give way.
const CAPACITY: usize = 1_000;
const READ_PAUSE: Duration = Duration::from_secs(1);
const FIRST: u64 = 10;
const FIRST_MOMENT: u64 = 1_000_000_000;
