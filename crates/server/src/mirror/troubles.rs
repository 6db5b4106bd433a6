//! The mirrored files that are not kept fresh, and why.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The troubles of all mirrors by now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles(Arc<Mutex<BTreeMap<String, Trouble>>>);

#[derive(Debug)]
struct Trouble {
    provider: String,
    reason: String,
}

impl Troubles {
    /// Sets or clears the trouble of a file, by its name for people.
    pub(super) fn report(&self, provider: &str, file: &str, reason: Option<&str>) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) => {
                let trouble = Trouble { provider: provider.to_owned(), reason: reason.to_owned() };
                troubles.insert(file.to_owned(), trouble);
            }
            None => drop(troubles.remove(file)),
        }
    }

    /// A sentence for each file.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sentence = |(file, trouble): (&String, &Trouble)| {
            format!("the mirrored file {file} is not kept fresh: {}", trouble.reason)
        };
        troubles.iter().map(sentence).collect()
    }

    /// How many files of this provider.
    pub(crate) fn of(&self, provider: &str) -> usize {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.values().filter(|trouble| trouble.provider == provider).count()
    }
}
