//! The coordinator over ports in memory, in virtual time.

#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod attacks;
mod callers;
mod doubts;
mod dropped;
mod elsewhere;
mod entry;
mod explained;
mod fixture;
mod guards;
mod hooked;
mod keys;
mod killed;
mod late;
mod leftovers;
mod mirrored;
mod mortal;
mod news;
mod observed;
mod outages;
mod refresher;
mod rejections;
mod secrets;
mod shelves;
mod shutdown;
mod waste;
