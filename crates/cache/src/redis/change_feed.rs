//! The messages on the channel, and their listeners.

use async_trait::async_trait;
use solekey_core::{
    AccountKey, Generation,
    ports::{Heard, Listen},
};
use solekey_redis_link::{Event, Subscription};

/// One line per change: the account's key and the generation.
pub(crate) fn write(key: AccountKey, generation: Generation) -> String {
    format!("{key} {generation}")
}

/// Anybody may publish on the channel, newer versions too: what cannot be read is ignored. Words after the second are
/// left to those.
fn read(payload: &[u8]) -> Option<Heard> {
    let mut words = std::str::from_utf8(payload).ok()?.split(' ');
    let key = AccountKey::parse(words.next()?)?;
    let generation = Generation::new(words.next()?.parse().ok()?);
    Some(Heard::Changed { key, generation })
}

/// A listener on the process' one subscriber connection.
#[derive(Debug)]
pub(crate) struct RedisListener(pub(crate) Subscription);

#[async_trait]
impl Listen for RedisListener {
    async fn next(&mut self) -> Option<Heard> {
        loop {
            match self.0.next().await? {
                Event::Gap => return Some(Heard::Gap),
                Event::Notification(notification) => {
                    if let Some(heard) = read(&notification.payload) {
                        return Some(heard);
                    }
                    tracing::debug!(
                        bytes = notification.payload.len(),
                        "an unreadable notification is ignored"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use solekey_core::Account;

    use super::*;

    #[test]
    fn notifications_read_back_as_written_and_garbage_is_none() {
        let key = Account::new("p", "x").unwrap().key();
        let generation = Generation::new(12);
        assert_eq!(read(write(key, generation).as_bytes()), Some(Heard::Changed { key, generation }));
        for garbage in
            [&b""[..], b"x 1", b"\xff\xfe", key.to_string().as_bytes(), format!("{key} -1").as_bytes()]
        {
            assert_eq!(read(garbage), None);
        }
    }
}
