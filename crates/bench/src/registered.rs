//! Accounts that are in a store.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use solekey_core::{ClaimId, Fingerprint, Login, NewFacts, Sealed, ports::Store};
use uuid::Uuid;

use crate::{load::per_trip, replica::account};

/// Logs accounts in, past any replica. Each is due after `due_in`.
pub(crate) async fn register(store: &Arc<dyn Store>, accounts: usize, due_in: Duration) -> Result<()> {
    let store = Arc::clone(store);
    let log_in = move |number: usize| {
        let store = Arc::clone(&store);
        async move {
            store.login(&account(number), &login(number, due_in), &Sealed::new(vec![0; 128])).await?;
            Ok(())
        }
    };
    per_trip(128, accounts, log_in).await.map(drop)
}

fn login(number: usize, due_in: Duration) -> Login {
    let print = |kind: u64| Fingerprint::new(*Uuid::from_u64_pair(kind, number as u64).as_bytes());
    let facts = NewFacts {
        access: print(1),
        refresh: Some(print(2)),
        expires_in: Some(Duration::from_hours(1)),
        refresh_expires_in: None,
    };
    let id = ClaimId::new(Uuid::new_v4());
    Login {
        id,
        facts,
        accept_spent: false,
        accept_lesser: false,
        amends: None,
        due_in: Some(due_in),
        as_of: None,
    }
}
