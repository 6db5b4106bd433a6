//! Two clients, of which an account's refresh token belongs to one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use solekey_core::{
    Account, AccountKey, mutant,
    ports::{TokenEndpoint, Wire},
};

/// The client of each account, of two, as far as this process has found out. An exchange is one request by one client:
/// only another attempt can find out the reply to the other one.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<HashMap<AccountKey, Known>>);

/// The state of one account; all others begin with the first client.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// It belongs to the second client.
    second: bool,
    /// The other client has just been refused.
    other_refused: bool,
}

impl Clients {
    /// Returns whether the second client presents for this account.
    pub(crate) fn is_second(&self, account: &Account) -> bool {
        self.lock().get(&account.key()).is_some_and(|known| known.second)
    }

    /// Learns from an answer, and says so where the other client is to be tried before anybody is blamed.
    pub(crate) fn learn(&self, account: &Account, endpoint: &dyn TokenEndpoint, wire: Wire) -> Wire {
        let Wire::Reply { status, headers, body } = &wire else { return wire };
        let (mut known, key) = (self.lock(), account.key());
        let body = endpoint.decoded(headers, body);
        if !endpoint.dialect().wants_another_client(*status, headers, &body) {
            if let Some(known) = known.get_mut(&key) {
                known.other_refused = false;
            }
            return wire;
        }
        if known.len() >= MOST && !known.contains_key(&key) {
            // Whoever is forgotten is refused once more.
            let any = known.keys().next().copied();
            any.and_then(|any| known.remove(&any));
        }
        let entry = known.entry(key).or_default();
        if entry.other_refused && !mutant("other_client_is_tried_for_ever") {
            known.remove(&key);
            return wire;
        }
        *entry = Known { second: !entry.second, other_refused: true };
        Wire::OtherClient { status: *status }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountKey, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some tens of bytes each.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::{EndpointSettings, HttpEndpoint};

    fn reply(status: u16, body: &str) -> Wire {
        let status = StatusCode::from_u16(status).unwrap();
        Wire::Reply { status, headers: HeaderMap::new(), body: body.to_owned().into() }
    }

    fn endpoint() -> HttpEndpoint {
        let settings = EndpointSettings {
            token_url: "https://acme.example/token".to_owned(),
            client_id: "gateway".to_owned(),
            ..EndpointSettings::default()
        };
        settings.build().unwrap()
    }

    fn alice() -> Account {
        Account::new("gemini", "alice").unwrap()
    }

    /// Returns whether the other client is to be tried, and whether the second client is next.
    fn next(clients: &Clients, wire: Wire) -> (bool, bool) {
        let wire = clients.learn(&alice(), &endpoint(), wire);
        (matches!(wire, Wire::OtherClient { .. }), clients.is_second(&alice()))
    }

    const UNAUTHORIZED: &str = r#"{"error":"unauthorized_client","error_description":"Unauthorized"}"#;
    const TOKEN: &str = r#"{"access_token":"ya29"}"#;

    #[test]
    fn the_client_that_worked_presents_from_then_on() {
        let clients = Clients::default();
        assert!(!clients.is_second(&alice()));
        assert_eq!(next(&clients, reply(401, UNAUTHORIZED)), (true, true));
        assert_eq!(next(&clients, reply(200, TOKEN)), (false, true));
        assert_eq!(
            next(&clients, reply(401, UNAUTHORIZED)),
            (true, false),
            "and when that changes, the other"
        );
        assert!(!clients.is_second(&Account::new("gemini", "bob").unwrap()));
    }

    #[test]
    fn when_both_are_refused_it_is_our_fault_and_begins_with_the_first() {
        let clients = Clients::default();
        for _ in 0..3 {
            assert_eq!(next(&clients, reply(401, UNAUTHORIZED)), (true, true));
            assert_eq!(next(&clients, reply(401, UNAUTHORIZED)), (false, false));
        }
    }

    #[test]
    fn nothing_else_changes_the_client() {
        let clients = Clients::default();
        for wire in [
            reply(400, r#"{"error":"invalid_grant"}"#),
            reply(401, r#"{"error":"invalid_client"}"#),
            reply(500, UNAUTHORIZED),
            Wire::Lost { why: "unauthorized_client".to_owned() },
            Wire::NotSent { why: "unauthorized_client".to_owned() },
        ] {
            assert_eq!(next(&clients, wire), (false, false));
        }
    }
}
