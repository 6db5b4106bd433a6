//! Laws of names.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// Two accounts, often with names that are one text cut at two places.
fn two() -> impl Strategy<Value = [(String, String); 2]> {
    let names = || ("[a-c:/]{1,6}", "[a-c:/]{1,6}");
    let cut = ("[a-c:/]{3,8}", 1_usize..3, 1_usize..3)
        .prop_map(|(text, one, other)| [one, other].map(|at| (text[..at].to_owned(), text[at..].to_owned())));
    prop_oneof![cut, (names(), names()).prop_map(|(one, other)| [one, other])]
}

proptest! {
    #![proptest_config(crate::laws::config(1024))]

    /// M-T1.
    #[test]
    fn accounts_have_one_key_where_they_have_one_name_and_nowhere_else(names in two()) {
        let [one, other] = names.map(|(provider, id)| Account::new(&provider, &id).unwrap());
        prop_assert_eq!(one.key() == other.key(), one == other, "{} {}", one, other);
    }

    #[test]
    fn a_key_is_read_back_from_what_is_written(provider in "\\PC{1,40}", id in "\\PC{1,40}") {
        let Ok(account) = Account::new(&provider, &id) else { return Ok(()) };
        prop_assert_eq!(AccountKey::parse(&account.key().to_string()), Some(account.key()));
    }
}
