use std::time::Duration;

/// The reaction of the server to a refresh token that it has already replaced.
///
/// The names are those of the configuration (`replay = "strict_family"`). Where published behaviour is
/// ambiguous, the harsher reading is taken: a client that survives here survives there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The refresh token never changes; each exchange gives a new access token.
    NonRotating,
    /// Each exchange gives a new refresh token, and every older one goes on working.
    OldStaysValid,
    /// The value changes only once it is older than the [timer period]; old values go on working and are
    /// answered with the current one.
    ///
    /// [timer period]: super::AuthorizationServerBuilder::timer_period
    Timer,
    /// A replaced token is accepted again for this long, counted from its first exchange, while its successor
    /// has not been presented. Each such replay mints a sibling, and only the newest sibling works; an older one
    /// is refused. Later replays revoke the family.
    Grace(Duration),
    /// A replaced token is accepted until its successor, or the access token that came with it, is first used.
    /// Siblings as in [`Replay::Grace`]. Later replays revoke the family.
    UntilUsed,
    /// A replaced token is refused; the family lives on.
    Strict,
    /// A replaced token is refused and its whole family revoked, access tokens included.
    StrictFamily,
}

/// The effect of presenting a replaced token at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leniency {
    /// Accepted once more.
    Accepted,
    /// Refused, nothing else happens.
    Refused,
    /// Refused, and the family is revoked.
    Revokes,
}

impl Replay {
    /// Decides about a replaced token: `age` is the time since it was replaced, and `successor_used` is true if its
    /// successor has been used.
    pub(super) fn leniency(self, age: Duration, successor_used: bool) -> Leniency {
        let open = match self {
            Self::NonRotating | Self::OldStaysValid | Self::Timer => true,
            Self::Grace(window) => age < window && !successor_used,
            Self::UntilUsed => !successor_used,
            Self::Strict => return Leniency::Refused,
            Self::StrictFamily => false,
        };
        if open { Leniency::Accepted } else { Leniency::Revokes }
    }

    /// Returns whether a replay mints a sibling that takes the place of the earlier one.
    pub(super) fn newest_sibling_only(self) -> bool {
        matches!(self, Self::Grace(_) | Self::UntilUsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leniency_follows_the_class_its_window_and_the_successor() {
        const T: Duration = Duration::from_secs(30);
        let early = T.checked_sub(Duration::from_millis(1)).unwrap_or_default();
        for (replay, age, successor_used, expected) in [
            (Replay::NonRotating, T * 9, true, Leniency::Accepted),
            (Replay::OldStaysValid, T * 9, true, Leniency::Accepted),
            (Replay::Timer, T * 9, true, Leniency::Accepted),
            (Replay::Grace(T), early, false, Leniency::Accepted),
            (Replay::Grace(T), T, false, Leniency::Revokes),
            (Replay::Grace(T), early, true, Leniency::Revokes),
            (Replay::UntilUsed, T * 9, false, Leniency::Accepted),
            (Replay::UntilUsed, Duration::ZERO, true, Leniency::Revokes),
            (Replay::Strict, Duration::ZERO, false, Leniency::Refused),
            (Replay::StrictFamily, Duration::ZERO, false, Leniency::Revokes),
        ] {
            assert_eq!(replay.leniency(age, successor_used), expected, "{replay:?} at {age:?}");
        }
    }
}
