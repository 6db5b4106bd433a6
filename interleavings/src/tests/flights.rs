//! The single flight.

use std::{pin::pin, time::Duration};

use shuttle::{future::block_on, thread};
use solekey_core::Need;

use crate::{
    explore::{every, sample},
    flights::Boarding,
    instance::Instance,
    provider::Provider,
    sync::Arc,
    tests::fixture::{account, give_up_somewhere, join},
    told::Told,
};

impl Instance {
    fn come_aboard(self: &Arc<Self>) -> Boarding {
        let boarding = self.board(&account(), &Arc::new(Provider), Need::Valid, Duration::ZERO);
        self.boarded.send_modify(|boarded| *boarded += 1);
        boarding.expect("far below the bound of flights")
    }

    /// The generation that the flight brings.
    async fn fly_along(self: &Arc<Self>) -> u64 {
        delivered(&self.come_aboard().delivery().await)
    }

    fn assert_quiet(&self) {
        block_on(self.tracker.wait());
        assert_eq!(self.flights.len(), 0, "a flight that is over is still in the table");
    }
}

fn delivered(told: &Told) -> u64 {
    let Told::Token(held) = told else { panic!("no token: {told:?}") };
    held.0.get()
}

#[test]
fn callers_at_once_share_one_flight() {
    sample(|| {
        let instance = Instance::boarding(3);
        let callers = [(); 3].map(|()| {
            let instance = Arc::clone(&instance);
            thread::spawn(move || block_on(instance.fly_along()))
        });
        assert_eq!(join(callers), [1, 1, 1]);
        instance.assert_quiet();
        assert_eq!(instance.rotations(), 1);
    });
}

#[test]
fn one_caller_after_the_other_never_has_two_flights_at_once() {
    sample(|| {
        let instance = Instance::boarding(1);
        let callers = [(); 3].map(|()| {
            let instance = Arc::clone(&instance);
            thread::spawn(move || {
                block_on(async {
                    let boarding = instance.come_aboard();
                    let first = delivered(&boarding.delivery().await);
                    // As a caller whom this flight does not serve: it waits for the end, and boards the next one.
                    boarding.landing().await;
                    assert!(instance.fly_along().await > first, "a flight that was over was boarded");
                });
            })
        });
        join(callers);
        instance.assert_quiet();
    });
}

#[test]
fn a_caller_dropped_at_any_await_takes_nobody_with_it() {
    sample(|| {
        let instance = Instance::boarding(2);
        let leaver = Arc::clone(&instance);
        let leaver = thread::spawn(move || {
            give_up_somewhere(pin!(async {
                let boarding = leaver.come_aboard();
                shuttle::future::yield_now().await;
                boarding.delivery().await;
                boarding.landing().await;
            }));
        });
        let stayer = Arc::clone(&instance);
        let stayer = thread::spawn(move || block_on(stayer.fly_along()));
        leaver.join().unwrap();
        // It may not have come at all.
        instance.boarded.send_modify(|boarded| *boarded += 1);
        assert!(stayer.join().unwrap() > 0);
        instance.assert_quiet();
    });
}

#[test]
fn a_flight_that_all_callers_left_lands_nevertheless() {
    every(|| {
        let instance = Instance::boarding(1);
        let leaver = Arc::clone(&instance);
        let leaver = thread::spawn(move || drop(leaver.come_aboard()));
        leaver.join().unwrap();
        instance.assert_quiet();
        assert_eq!(instance.rotations(), 1);
    });
}

#[test]
fn a_landing_takes_out_no_flight_but_its_own() {
    sample(|| {
        let instance = Instance::boarding(0);
        let first = instance.come_aboard();
        block_on(first.landing());
        // The first is over, and perhaps not yet out of the table: its place is the second's now.
        let second = instance.come_aboard();
        let third = instance.come_aboard();
        drop((first, second, third));
        instance.assert_quiet();
    });
}
