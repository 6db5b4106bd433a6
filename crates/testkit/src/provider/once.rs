use std::collections::{HashSet, VecDeque};

/// Names that are good for one use.
#[derive(Debug, Default)]
pub(super) struct Once {
    used: HashSet<String>,
    order: VecDeque<String>,
}

impl Once {
    /// Returns whether this is the first time.
    pub(super) fn is_first(&mut self, name: &str) -> bool {
        if !self.used.insert(name.to_owned()) {
            return false;
        }
        self.order.push_back(name.to_owned());
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.used.remove(&oldest);
        }
        true
    }
}

/// The number of names to remember. Anything older has long been refused for its age.
const MOST: usize = 65_536;
