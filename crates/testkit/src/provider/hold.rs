use std::net::SocketAddr;

use tokio::sync::oneshot;

/// A request that a fault holds at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldRequest {
    /// Its number in the referee's log.
    pub seq: u64,
    /// Whose token it presents.
    pub account: Option<String>,
    /// The label in the URL it came through.
    pub via: Option<String>,
    /// The client's end of the connection.
    pub peer: SocketAddr,
    /// True if the token has been processed: `true` while the answer is held, `false` while the request is.
    pub processed: bool,
}

/// Requests being held, oldest first. As many as there are open connections.
#[derive(Debug, Default)]
pub(super) struct Holds(Vec<(HeldRequest, oneshot::Sender<()>)>);

impl Holds {
    /// Holds a request; the receiver resolves when it is released, and never by itself.
    pub(super) fn hold(&mut self, held: HeldRequest) -> oneshot::Receiver<()> {
        let (release, released) = oneshot::channel();
        self.0.push((held, release));
        released
    }

    pub(super) fn first_of(&self, account: &str) -> Option<HeldRequest> {
        self.0.iter().map(|(held, _)| held).find(|held| held.account.as_deref() == Some(account)).cloned()
    }

    /// Lets the requests of this account go on and returns how many there were.
    pub(super) fn release(&mut self, account: &str) -> usize {
        let of_account = |(held, _): &mut (HeldRequest, _)| held.account.as_deref() == Some(account);
        let released = self.0.extract_if(.., of_account).filter_map(|(_, release)| release.send(()).ok());
        released.count()
    }

    pub(super) fn release_all(&mut self) -> usize {
        self.0.drain(..).filter_map(|(_, release)| release.send(()).ok()).count()
    }

    /// Forgets a request whose client has gone.
    pub(super) fn forget(&mut self, seq: u64) {
        self.0.retain(|(held, _)| held.seq != seq);
    }
}
