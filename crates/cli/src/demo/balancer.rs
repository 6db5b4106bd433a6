//! The state that a load balancer has of the replicas behind it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Round robin over the replicas that answer.
#[derive(Debug)]
pub(super) struct Balancer {
    backends: Vec<Backend>,
    turn: AtomicUsize,
}

/// One replica, seen from outside.
#[derive(Debug)]
pub(super) struct Backend {
    name: String,
    address: SocketAddr,
    /// The demo has killed it; the balancer learns of that by its connections only.
    killed: AtomicBool,
    /// A connection to it was cut or refused: it gets no more requests.
    out: AtomicBool,
}

impl Balancer {
    pub(super) fn new(replicas: impl IntoIterator<Item = (String, SocketAddr)>) -> Self {
        let backend = |(name, address)| Backend {
            name,
            address,
            killed: AtomicBool::new(false),
            out: AtomicBool::new(false),
        };
        Self { backends: replicas.into_iter().map(backend).collect(), turn: AtomicUsize::new(0) }
    }

    pub(super) fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// The next one that is not out.
    pub(super) fn next(&self) -> Option<&Backend> {
        let turn = self.turn.fetch_add(1, Relaxed);
        let count = self.backends.len();
        (0..count).map(|step| &self.backends[(turn + step) % count]).find(|backend| !backend.is_out())
    }

    pub(super) fn named(&self, name: &str) -> Option<&Backend> {
        self.backends.iter().find(|backend| backend.name == name)
    }
}

impl Backend {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// To be called right before the kill: connections may be cut from then on.
    pub(super) fn note_kill(&self) {
        self.killed.store(true, Relaxed);
    }

    pub(super) fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    pub(super) fn take_out(&self) {
        self.out.store(true, Relaxed);
    }

    pub(super) fn is_out(&self) -> bool {
        self.out.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn turns(balancer: &Balancer, count: usize) -> String {
        (0..count).filter_map(|_| balancer.next()).map(Backend::name).collect()
    }

    #[test]
    fn replicas_take_turns_until_one_is_out() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let balancer = Balancer::new(["a", "b", "c"].map(|name| (name.to_owned(), address)));
        assert_eq!(turns(&balancer, 6), "abcabc");
        balancer.named("b").unwrap().take_out();
        assert_eq!(turns(&balancer, 6), "accacc");
        balancer.backends().iter().for_each(Backend::take_out);
        assert!(balancer.next().is_none());
    }
}
