//! A map with a cap.

use std::collections::HashMap;

/// Keeps the values put in last; once it is full, the one that has been there longest is removed.
#[derive(Debug)]
pub(crate) struct Bounded<V> {
    values: HashMap<Box<str>, (u64, V)>,
    puts: u64,
    most: usize,
}

impl<V> Bounded<V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { values: HashMap::new(), puts: 0, most }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    pub(crate) fn put(&mut self, key: &str, value: V) {
        if self.values.len() >= self.most && !self.values.contains_key(key) {
            self.forget_the_oldest();
        }
        self.puts += 1;
        self.values.insert(key.into(), (self.puts, value));
    }

    /// Searches all of them, which a full map pays for each newcomer.
    fn forget_the_oldest(&mut self) {
        let oldest = self.values.iter().min_by_key(|(_, (put, _))| *put).map(|(key, _)| key.clone());
        oldest.and_then(|key| self.values.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_is_evicted_and_one_put_in_again_counts_as_new() {
        let mut map = Bounded::new(2);
        map.put("a", 1);
        map.put("b", 2);
        map.put("a", 3);
        map.put("c", 4);
        assert_eq!(["a", "b", "c"].map(|key| map.get(key).copied()), [Some(3), None, Some(4)]);
    }
}
