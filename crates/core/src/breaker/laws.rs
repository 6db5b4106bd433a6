//! Laws of the breaker, over random complaints, answers and waits.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::Account;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// This account is refreshed, if it is let through, and the provider does not accept our client.
    Accused(u8),
    /// It is refreshed, if it is let through, and nothing comes back for now.
    Silent,
    /// It is refreshed, if it is let through, and the provider accepts our client.
    Accepted,
    Wait(Duration),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0_u8..4).prop_map(Event::Accused),
        2 => Just(Event::Silent),
        1 => Just(Event::Accepted),
        3 => (0_u64..400_000).prop_map(|millis| Event::Wait(Duration::from_millis(millis))),
    ];
    proptest::collection::vec(event, 0..40)
}

fn key(number: u8) -> AccountKey {
    Account::new("p", &number.to_string()).unwrap().key()
}

/// The history of a breaker.
#[derive(Default)]
struct Story {
    /// The accounts that complained since the client was accepted last.
    accusers: BTreeSet<u8>,
    /// True if somebody was let through since it closed, and nothing is known of that yet.
    trying: Option<Moment>,
}

proptest! {
    #![proptest_config(crate::laws::config(512))]

    #[test]
    fn fewer_than_three_accounts_stop_nobody_and_three_stop_all_but_one_in_turn(events in events(), jitter in 0_u16..1000) {
        let (mut breaker, mut story) = (Breaker::default(), Story::default());
        let mut now = Moment::from_micros(1_000_000_000);
        for event in events {
            if let Event::Wait(span) = event {
                now = now + span;
                continue;
            }
            let closed = story.accusers.len() >= 3;
            let admitted = breaker.admits(now, jitter);
            prop_assert!(admitted || closed, "stopped by {:?}", story.accusers);
            // One that tries is waited for, as long as a cooldown lasts at the least.
            let tries = story.trying.is_some_and(|since| now.since(since) < LEAST);
            prop_assert!(!(admitted && closed && tries), "two at once try");
            if !admitted {
                continue;
            }
            match event {
                Event::Accused(account) => {
                    breaker.accuse(key(account), now, jitter);
                    story.accusers.insert(account);
                    story.trying = (story.accusers.len() >= 3).then_some(now);
                }
                Event::Silent => story.trying = closed.then_some(now),
                Event::Accepted => {
                    breaker.clear();
                    story = Story::default();
                }
                Event::Wait(_) => {}
            }
            let closed = story.accusers.len() >= 3;
            prop_assert_eq!(breaker.hold(now).is_some(), closed, "after {:?}", event);
        }
    }
}

/// The shortest cooldown.
const LEAST: Duration = Duration::from_secs(1);
