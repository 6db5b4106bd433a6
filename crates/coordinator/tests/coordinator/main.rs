//! The coordinator over ports in memory, in virtual time.

#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod answered;
mod attacks;
mod callers;
mod change_feed;
mod doubts;
mod dropped;
mod elsewhere;
mod emptied;
mod entry;
mod explained;
mod exported;
mod failed_over;
mod fixture;
mod guards;
mod hooked;
mod in_hand;
mod keys;
mod killed;
mod late;
mod mortal;
mod observed;
#[cfg(feature = "sqlite")]
mod one_file;
mod outages;
mod readiness;
mod readings;
mod recovery;
mod refresher;
mod rejections;
mod secrets;
mod shared_caches;
mod shutdown;
mod tampered;
mod unread;
mod waste;
