//! Lifetimes over the whole range of what a provider may state.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::TokenAnswer;

const DAY: u64 = 24 * 3600;

/// A second, a minute, an hour, a day, a month, years; and what lies on both sides of a unit.
const STATED: [u64; 14] = [
    1,
    59,
    60,
    61,
    3_599,
    3_600,
    DAY - 1,
    DAY,
    DAY + 1,
    30 * DAY,
    90 * DAY,
    365 * DAY,
    3_650 * DAY,
    u32::MAX as u64,
];

#[test]
fn a_stated_life_is_of_so_many_seconds_however_it_is_written() {
    for seconds in STATED {
        for written in [seconds.to_string(), format!("\"{seconds}\""), format!("{seconds}.0")] {
            let body = format!(
                r#"{{"access_token":"a","expires_in":{written},"refresh_token":"r","refresh_token_expires_in":{written}}}"#
            );
            let answer = TokenAnswer::read(body.as_bytes()).unwrap();
            // A century is as good as any longer life.
            let life = Some(Duration::from_secs(seconds.min(36_500 * DAY)));
            assert_eq!((answer.expires_in, answer.refresh_expires_in), (life, life), "{written}");
        }
    }
}
