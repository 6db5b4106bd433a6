//! Questions of many callers, asked together.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{Cmd, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::LinkError;
use crate::link::{RedisLink, decode};
use crate::pipeline::Pipeline;
use crate::state::DownReason;

/// Reads over a link, each with the server's time: those of callers who ask at the same moment share a round trip.
///
/// A read alone is sent at once. While two round trips are under way, further reads gather for the next one. Made by
/// [`RedisLink::looks`]; clones ask together.
#[derive(Clone, Debug)]
pub struct Looks {
    questions: mpsc::Sender<Question>,
    link: RedisLink,
}

/// What was read, and the server's time after it was, in microseconds since 1970.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// One reply per command.
    pub replies: Vec<Value>,
    /// The server's time.
    pub now_us: u64,
}

#[derive(Debug)]
struct Question {
    commands: Vec<Cmd>,
    /// When it has waited for too long to be asked.
    late: Instant,
    answer: oneshot::Sender<Result<Seen, LinkError>>,
}

impl Looks {
    pub(crate) fn new(link: &RedisLink) -> (Self, Asker) {
        let (questions, queue) = mpsc::channel(WAITING);
        let looks = Self { questions, link: link.clone() };
        (looks, Asker { queue, link: link.clone() })
    }

    /// Sends commands that only read, and `TIME` behind them.
    ///
    /// # Errors
    ///
    /// As [`RedisLink::pipeline`], within the same time; the error of one command is that of the whole question.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for others.
    pub async fn ask(&self, commands: Vec<Cmd>) -> Result<Seen, LinkError> {
        let (answer, seen) = oneshot::channel();
        let late = Instant::now() + half(&self.link);
        match self.questions.try_send(Question { commands, late, answer }) {
            Ok(()) => seen.await.unwrap_or(Err(CLOSED)),
            // Nobody waits for a place: whoever finds none asks by itself.
            Err(mpsc::error::TrySendError::Full(question)) => {
                let mut seen = ask(&self.link, self.link.timeout(), vec![question.commands]).await?;
                seen.pop().unwrap_or(Err(CLOSED))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(CLOSED),
        }
    }
}

/// The task behind [`Looks`]; ends with the last of them, or with the link.
pub(crate) struct Asker {
    queue: mpsc::Receiver<Question>,
    link: RedisLink,
}

impl Asker {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut under_way = FuturesUnordered::new();
        let mut gathered = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(()) = under_way.next() => {}
                taken = self.queue.recv_many(&mut gathered, TOGETHER), if under_way.len() < UNDER_WAY => {
                    if taken == 0 {
                        break;
                    }
                    under_way.push(answer(&self.link, std::mem::take(&mut gathered)));
                }
            }
        }
        let _ = stop.run_until_cancelled(under_way.collect::<()>()).await;
    }
}

/// Asks, and tells everybody who still wants to know.
async fn answer(link: &RedisLink, mut questions: Vec<Question>) {
    let now = Instant::now();
    let late = questions.extract_if(.., |question| question.late <= now);
    late.for_each(|question| drop(question.answer.send(Err(LinkError::no_connection_in_time()))));
    questions.retain(|question| !question.answer.is_closed());
    if questions.is_empty() {
        return;
    }
    let (commands, listeners): (Vec<_>, Vec<_>) =
        questions.into_iter().map(|question| (question.commands, question.answer)).unzip();
    let told = match ask(link, half(link), commands).await {
        Ok(told) => told,
        Err(error) => vec![Err(error); listeners.len()],
    };
    for (listener, told) in listeners.into_iter().zip(told) {
        // Whoever does not listen any more has dropped its future.
        let _ = listener.send(told);
    }
}

async fn ask(
    link: &RedisLink,
    timeout: Duration,
    questions: Vec<Vec<Cmd>>,
) -> Result<Vec<Result<Seen, LinkError>>, LinkError> {
    let lengths: Vec<usize> = questions.iter().map(Vec::len).collect();
    let pipeline = questions.into_iter().flatten().fold(Pipeline::new(), Pipeline::cmd);
    let mut replies = link.with_timeout(timeout).pipeline(&pipeline.cmd(redis::cmd("TIME"))).await?;
    let (secs, micros): (u64, u64) = decode(replies.pop().ok_or(SHORT)??)?;
    let now_us = secs * 1_000_000 + micros;
    let mut replies = replies.into_iter();
    let one = |length: usize| {
        // All of them are taken, for the next question begins behind them.
        let mut own = Vec::with_capacity(length);
        let mut failed = None;
        for reply in replies.by_ref().take(length) {
            match reply {
                Ok(value) => own.push(value),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None if own.len() < length => Err(SHORT),
            None => Ok(Seen { replies: own, now_us }),
        }
    };
    Ok(lengths.into_iter().map(one).collect())
}

/// A question may wait for half of the link's timeout and be under way for the other half.
fn half(link: &RedisLink) -> Duration {
    link.timeout() / 2
}

const CLOSED: LinkError = LinkError::Down { why: DownReason::Closed };
const SHORT: LinkError = LinkError::Shape { expected: "one reply per command" };
/// Enough for the next round trip to leave before the last one is back; more of them would be smaller ones.
const UNDER_WAY: usize = 2;
/// Questions of one round trip: some 600 kB of tokens, a millisecond of the server's time.
const TOGETHER: usize = 256;
/// Questions that wait for the next round trips; who comes later asks alone.
const WAITING: usize = 4 * TOGETHER;
