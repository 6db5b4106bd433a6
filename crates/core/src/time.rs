//! The two clocks of the protocol.
//!
//! A [`Moment`] is read from the process' own most pessimistic clock, a [`StoreTime`] from the store's. They are
//! never compared with each other; what crosses between them is a [`Duration`]: time left or time passed.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// An instant on this process' clock, in microseconds since an arbitrary origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

/// An instant on the store's clock, in microseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreTime(u64);

macro_rules! clock {
    ($name:ident) => {
        impl $name {
            /// From a count of microseconds.
            pub const fn from_micros(micros: u64) -> Self {
                Self(micros)
            }

            /// As a count of microseconds.
            pub const fn as_micros(self) -> u64 {
                self.0
            }

            /// The time from `earlier` to this; zero when it is not after it.
            pub const fn since(self, earlier: Self) -> Duration {
                Duration::from_micros(self.0.saturating_sub(earlier.0))
            }
        }

        impl Add<Duration> for $name {
            type Output = Self;

            fn add(self, span: Duration) -> Self {
                Self(self.0.saturating_add(micros(span)))
            }
        }

        impl Sub<Duration> for $name {
            type Output = Self;

            fn sub(self, span: Duration) -> Self {
                Self(self.0.saturating_sub(micros(span)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}us)", stringify!($name), self.0)
            }
        }
    };
}

clock!(Moment);
clock!(StoreTime);

/// The span in whole microseconds; spans beyond half a million years saturate.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Spans as whole microseconds in stored documents.
pub(crate) mod as_micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(super::micros(*span))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}
