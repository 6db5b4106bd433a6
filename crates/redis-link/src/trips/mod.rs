//! Calls of many callers, sent together.

mod load;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::error::LinkError;
use crate::link::RedisLink;
use crate::mutant::mutant;
use crate::reply::decode;
use crate::script::{Script, ScriptArgs};
use crate::state::DownReason;

use load::{Call, CallReply, Load, Share};

/// Calls over a link whose callers come in crowds: a call made while others are under way shares the next round trip
/// with all that do the same.
///
/// A call is sent at once, by its caller, as long as there are few. Others take one of two lanes in turn, and gather
/// while a round trip of their lane is under way: so the server works on some of them while the threads of this process
/// work on others. Made by [`RedisLink::trips`]; clones travel together.
#[derive(Clone, Debug)]
pub struct Trips {
    lanes: [mpsc::Sender<Passenger>; LANES],
    /// Whose turn it is.
    turn: Arc<AtomicUsize>,
    under_way: Arc<AtomicUsize>,
    link: RedisLink,
}

/// The value that was read, and the server's time after it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The string under the key, if there is one.
    pub value: Option<Vec<u8>>,
    /// The server's time, in microseconds since 1970.
    pub now_us: u64,
}

/// A call that waits for the next round trip.
#[derive(Debug)]
struct Passenger {
    call: Call,
    since: Instant,
    /// The moment after which it has waited for too long to be sent.
    late: Instant,
    answer: oneshot::Sender<Result<CallReply, LinkError>>,
}

/// One round trip, counted for as long as it is under way.
struct Trip(Arc<AtomicUsize>);

impl Trip {
    fn new(under_way: &Arc<AtomicUsize>) -> Self {
        under_way.fetch_add(1, Relaxed);
        Self(Arc::clone(under_way))
    }

    /// If there are few.
    fn among_few(under_way: &Arc<AtomicUsize>) -> Option<Self> {
        let one_more = |trips| (trips < FEW).then_some(trips + 1);
        under_way.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Self(Arc::clone(under_way)))
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Trips {
    pub(crate) fn new(link: &RedisLink) -> (Self, [Conductor; LANES]) {
        let under_way = Arc::<AtomicUsize>::default();
        let lanes = [(); LANES].map(|()| mpsc::channel(WAITING));
        let passengers = lanes.each_ref().map(|(lane, _)| lane.clone());
        let conductors = lanes.map(|(_, queue)| Conductor {
            queue,
            under_way: Arc::clone(&under_way),
            link: link.clone(),
        });
        (Self { lanes: passengers, turn: Arc::default(), under_way, link: link.clone() }, conductors)
    }

    /// Reads a string; anything else under the key counts as none.
    ///
    /// # Errors
    ///
    /// As [`RedisLink::query`], within the same time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for others.
    pub async fn get(&self, key: String) -> Result<Seen, LinkError> {
        let deadline = Instant::now() + self.link.timeout();
        match self.send(Call::Get(key.clone()), self.link.timeout()).await {
            Ok(CallReply::Value(seen)) => Ok(seen),
            Ok(_) => Err(SHORT),
            Err(error) if must_go_alone(&error) => self.get_alone(key, deadline).await,
            Err(error) => Err(error),
        }
    }

    async fn get_alone(&self, key: String, deadline: Instant) -> Result<Seen, LinkError> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.send_alone(Call::Get(key), left).await? {
            CallReply::Value(seen) => Ok(seen),
            _ => Err(SHORT),
        }
    }

    /// Runs a script within `timeout`, or within the link's where that is less.
    ///
    /// # Errors
    ///
    /// As [`ScriptCall::run`](crate::ScriptCall::run). A call that waited in vain for its round trip was
    /// [not applied](LinkError::is_not_applied).
    ///
    /// # Cancel safety
    ///
    /// As [`ScriptCall::run`](crate::ScriptCall::run): the script may run although the future was dropped.
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        args: ScriptArgs,
        timeout: Duration,
    ) -> Result<T, LinkError> {
        let deadline = Instant::now() + timeout;
        let call = Call::Script(args.command("EVALSHA", script.hash()));
        let value = match self.send(call, timeout).await {
            Ok(CallReply::Reply(value)) => value,
            Ok(_) => return Err(SHORT),
            Err(error) if must_go_alone(&error) => {
                self.alone(&args.command("EVAL", script.text()), deadline).await?
            }
            Err(error) => return Err(error),
        };
        decode(value)
    }

    /// As [`run`](Self::run), for a script that takes many keys at once and answers with a line for each: crowds run it
    /// once for all who call it with the same `common` arguments. Those come first, then the arguments of each key in
    /// turn.
    ///
    /// If the server refuses such a script, because keys are spread over a cluster or one of them is not allowed,
    /// everybody travels alone.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); an error of the script is everybody's, so its lines hold what concerns one.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_together(
        &self,
        script: &'static Script,
        common: &Arc<ScriptArgs>,
        own: impl Fn() -> ScriptArgs,
        timeout: Duration,
    ) -> Result<String, LinkError> {
        let deadline = Instant::now() + timeout;
        let share = Share { script, common: Arc::clone(common), own: own() };
        match self.send(Call::Share(share), timeout).await {
            Ok(CallReply::Line(line)) => Ok(line),
            Ok(_) => Err(SHORT),
            Err(error) if must_go_alone(&error) => {
                let call = ScriptArgs::together(common, &[own()], "EVAL", script.text());
                decode(self.alone(&call, deadline).await?)
            }
            Err(error) => Err(error),
        }
    }

    async fn alone(&self, call: &Cmd, deadline: Instant) -> Result<Value, LinkError> {
        let left = deadline.saturating_duration_since(Instant::now()).min(self.link.timeout());
        self.link.with_timeout(left).query(call).await
    }

    async fn send(&self, call: Call, timeout: Duration) -> Result<CallReply, LinkError> {
        let timeout = timeout.min(self.link.timeout());
        if let Some(_trip) = Trip::among_few(&self.under_way) {
            return self.send_alone(call, timeout).await;
        }
        let (answer, reply) = oneshot::channel();
        let since = Instant::now();
        let late = since + timeout.min(self.link.timeout() / 2);
        match self.lane().try_send(Passenger { call, since, late, answer }) {
            // A passenger whose lane is gone may have been on its way already.
            Ok(()) => match timeout_at(since + timeout, reply).await {
                Ok(Err(_)) if mutant("call_of_a_closed_lane_did_nothing") => Err(CLOSED),
                Ok(reply) => reply.unwrap_or_else(|_| Err(LinkError::left_behind())),
                Err(_) => Err(LinkError::timed_out()),
            },
            // Nobody waits for a place: whoever finds none travels alone.
            Err(mpsc::error::TrySendError::Full(passenger)) => self.send_alone(passenger.call, timeout).await,
            Err(mpsc::error::TrySendError::Closed(_)) => Err(CLOSED),
        }
    }

    fn lane(&self) -> &mpsc::Sender<Passenger> {
        &self.lanes[self.turn.fetch_add(1, Relaxed) % LANES]
    }

    async fn send_alone(&self, call: Call, timeout: Duration) -> Result<CallReply, LinkError> {
        let mut replies = travel(&self.link.with_timeout(timeout), vec![call]).await?;
        replies.pop().unwrap_or(Err(CLOSED))
    }
}

/// The task of a lane; ends with the last of the [`Trips`], or with the link.
pub(crate) struct Conductor {
    queue: mpsc::Receiver<Passenger>,
    under_way: Arc<AtomicUsize>,
    link: RedisLink,
}

impl Conductor {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.drive()).await;
    }

    async fn drive(&mut self) {
        let mut gathered = Vec::new();
        while self.queue.recv_many(&mut gathered, TOGETHER).await > 0 {
            let trip = Trip::new(&self.under_way);
            carry(&self.link, std::mem::take(&mut gathered), trip).await;
        }
    }
}

/// Travels, and replies to everybody who still waits.
async fn carry(link: &RedisLink, mut passengers: Vec<Passenger>, _trip: Trip) {
    let now = Instant::now();
    let late = passengers.extract_if(.., |passenger| passenger.late <= now);
    late.for_each(|passenger| drop(passenger.answer.send(Err(LinkError::no_turn_in_time()))));
    // A dropped future may have wanted its script to run, but nobody can rely on that.
    passengers.retain(|passenger| !passenger.answer.is_closed());
    let Some(longest) = passengers.iter().map(|passenger| now - passenger.since).max() else { return };
    let (calls, listeners): (Vec<_>, Vec<_>) =
        passengers.into_iter().map(|passenger| (passenger.call, passenger.answer)).unzip();
    // Nobody has waited for more than half of its time; the rest is the way's.
    let replies = match travel(&link.with_timeout(link.timeout().saturating_sub(longest)), calls).await {
        Ok(replies) => replies,
        Err(error) => vec![Err(error); listeners.len()],
    };
    for (listener, reply) in listeners.into_iter().zip(replies) {
        // Whoever does not listen any more has dropped its future.
        let _ = listener.send(reply);
    }
}

/// One round trip.
async fn travel(link: &RedisLink, calls: Vec<Call>) -> Result<Vec<Result<CallReply, LinkError>>, LinkError> {
    let mut load = Load::default();
    let places: Vec<_> = calls.into_iter().map(|call| load.take(call)).collect();
    let mut unloaded = load.travel(link).await?;
    Ok(places.into_iter().map(|place| unloaded.at(place)).collect())
}

/// Refused before anything was run, and perhaps because of others: the server has lost its scripts, keeps these keys in
/// different places, is moving some of them, or does not allow one of them.
pub(crate) fn must_go_alone(error: &LinkError) -> bool {
    match error {
        LinkError::Refused { code, .. } => {
            ["NOSCRIPT", "CROSSSLOT", "NOPERM"].contains(&code.as_str()) && error.is_not_applied()
        }
        LinkError::NotApplied { why } => why.starts_with("TRYAGAIN"),
        _ => false,
    }
}

const CLOSED: LinkError = LinkError::Down { why: DownReason::Closed };
const SHORT: LinkError = LinkError::Shape { expected: "one reply per command" };
/// A crowd is more than two: whoever gives a lease back, and whoever was woken by that, need not wait for each other.
const FEW: usize = 2;
/// One is on its way while the other gathers, and two tasks keep two threads busy. More lanes, or more round trips of a
/// lane at once, would be smaller ones, whose start costs the server as much as a few calls.
const LANES: usize = 2;
/// Calls of one round trip: some 600 kB of tokens, a millisecond of the server's time.
const TOGETHER: usize = 256;
/// Calls that wait for a lane's next round trips; who comes later travels alone.
const WAITING: usize = 4 * TOGETHER;
