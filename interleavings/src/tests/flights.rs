//! The single flight.

use std::{pin::pin, time::Duration};

use shuttle::{future::block_on, thread};
use solekey_core::Need;

use crate::{
    engine::Engine,
    explore::{every, sample},
    flight::{outcome::FlightOutcome, table::FlightHandle},
    sync::Arc,
    tests::fixture::{account, give_up_somewhere, join},
};

impl Engine {
    fn join_flight(self: &Arc<Self>) -> FlightHandle {
        let handle = self.join(account().key(), Need::Valid, Duration::ZERO);
        self.joined.send_modify(|joined| *joined += 1);
        handle.expect("far below the bound of flights")
    }

    /// The generation that the flight brings.
    async fn joined_generation(self: &Arc<Self>) -> u64 {
        delivered(&self.join_flight().delivery().await)
    }

    fn assert_quiet(&self) {
        block_on(self.tracker.wait());
        assert_eq!(self.flights.len(), 0, "a flight that is over is still in the table");
    }
}

fn delivered(outcome: &FlightOutcome) -> u64 {
    let FlightOutcome::Token(token) = outcome else { panic!("no token: {outcome:?}") };
    token.0.get()
}

#[test]
fn callers_at_once_share_one_flight() {
    sample(|| {
        let engine = Engine::with_callers(3);
        let callers = [(); 3].map(|()| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || block_on(engine.joined_generation()))
        });
        assert_eq!(join(callers), [1, 1, 1]);
        engine.assert_quiet();
        assert_eq!(engine.rotations(), 1);
    });
}

#[test]
fn one_caller_after_the_other_never_has_two_flights_at_once() {
    sample(|| {
        let engine = Engine::with_callers(1);
        let callers = [(); 3].map(|()| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                block_on(async {
                    let handle = engine.join_flight();
                    let first = delivered(&handle.delivery().await);
                    // As a caller whom this flight does not serve: it waits for the end, and joins the next one.
                    handle.finished().await;
                    assert!(engine.joined_generation().await > first, "a flight that was over was joined");
                });
            })
        });
        join(callers);
        engine.assert_quiet();
    });
}

#[test]
fn a_caller_dropped_at_any_await_takes_nobody_with_it() {
    sample(|| {
        let engine = Engine::with_callers(2);
        let leaver = Arc::clone(&engine);
        let leaver = thread::spawn(move || {
            give_up_somewhere(pin!(async {
                let handle = leaver.join_flight();
                shuttle::future::yield_now().await;
                handle.delivery().await;
                handle.finished().await;
            }));
        });
        let stayer = Arc::clone(&engine);
        let stayer = thread::spawn(move || block_on(stayer.joined_generation()));
        leaver.join().unwrap();
        // It may not have come at all.
        engine.joined.send_modify(|joined| *joined += 1);
        assert!(stayer.join().unwrap() > 0);
        engine.assert_quiet();
    });
}

#[test]
fn a_flight_that_all_callers_left_lands_nevertheless() {
    every(|| {
        let engine = Engine::with_callers(1);
        let leaver = Arc::clone(&engine);
        let leaver = thread::spawn(move || drop(leaver.join_flight()));
        leaver.join().unwrap();
        engine.assert_quiet();
        assert_eq!(engine.rotations(), 1);
    });
}

#[test]
fn a_finished_flight_removes_no_flight_but_itself() {
    sample(|| {
        let engine = Engine::with_callers(0);
        let first = engine.join_flight();
        block_on(first.finished());
        // The first is over, and perhaps not yet out of the table: its place is the second's now.
        let second = engine.join_flight();
        let third = engine.join_flight();
        drop((first, second, third));
        engine.assert_quiet();
    });
}
