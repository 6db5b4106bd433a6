//! Accounts and numbers.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use shuttle::{
    rand::{Rng, thread_rng},
    thread::JoinHandle,
};
use solekey_core::{Account, AccountKey, Generation, Moment};

pub(crate) fn account() -> Account {
    Account::new("acme", "alice").unwrap()
}

pub(crate) fn key() -> AccountKey {
    account().key()
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation::new(number)
}

pub(crate) fn moment(secs: u64) -> Moment {
    Moment::from_micros(secs * 1_000_000)
}

/// Polls a future some times, lets others run between, and drops it: a caller that gave up at one of its awaits.
pub(crate) fn give_up_somewhere<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..thread_rng().gen_range(0..3) {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        shuttle::thread::yield_now();
    }
    None
}

/// Waits for all of them.
pub(crate) fn join<T, const N: usize>(threads: [JoinHandle<T>; N]) -> [T; N] {
    threads.map(|thread| thread.join().unwrap())
}
