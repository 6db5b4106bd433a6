//! The mirrored files that are not kept fresh, and why.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use solekey::core::{Account, AccountKey};

/// The troubles of all mirrors by now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles(Arc<Mutex<BTreeMap<Mirrored, String>>>);

/// One account's part of a file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mirrored {
    /// By its name for people.
    file: String,
    provider: String,
    account: AccountKey,
}

impl Troubles {
    /// Sets or clears the trouble that an account has with a file, by its name for people.
    pub(super) fn report(&self, account: &Account, file: &str, reason: Option<&str>) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, provider) = (file.to_owned(), account.provider().to_owned());
        let mirrored = Mirrored { file, provider, account: account.key() };
        match reason {
            Some(reason) => drop(troubles.insert(mirrored, reason.to_owned())),
            None => drop(troubles.remove(&mirrored)),
        }
    }

    /// A sentence for each file and account.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sentence = |(Mirrored { file, .. }, reason): (&Mirrored, &String)| {
            format!("the mirrored file {file} is not kept fresh: {reason}")
        };
        let mut sentences: Vec<_> = troubles.iter().map(sentence).collect();
        sentences.dedup();
        sentences
    }

    /// How many files of this provider.
    pub(crate) fn of(&self, provider: &str) -> usize {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let files = troubles.keys().filter(|mirrored| mirrored.provider == provider);
        files.map(|mirrored| &mirrored.file).collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_accounts_in_one_file_have_troubles_of_their_own() {
        let troubles = Troubles::default();
        let [one, other] = ["one", "other"].map(|provider| Account::new(provider, "me").expect("a name"));
        troubles.report(&one, "auth.json", Some("no field a"));
        troubles.report(&other, "auth.json", Some("no field b"));
        assert_eq!((troubles.of("one"), troubles.of("other"), troubles.warnings().len()), (1, 1, 2));
        troubles.report(&other, "auth.json", None);
        assert_eq!((troubles.of("one"), troubles.of("other")), (1, 0));
        assert_eq!(troubles.warnings(), ["the mirrored file auth.json is not kept fresh: no field a"]);
    }
}
