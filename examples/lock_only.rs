//! The lease by itself, without accounts and tokens: one process makes the nightly report.
//!
//! ```sh
//! redis-server --port 6380 --save '' &                # or: docker compose up --wait, which gives one on 6379
//! cargo run -p solekey-examples --bin lock_only -- redis://127.0.0.1:6380
//! ```
//!
//! Without an argument it uses `REDIS_URL`. The only key is a random one.

use std::{env, error::Error, time::Duration};

use solekey_redis_lock::{
    AcquireError, AcquireOptions, Fence, RedisLock,
    solekey_redis_link::{LinkOptions, RedisLink},
};

const TTL: Duration = Duration::from_secs(20);
/// The longest time that one page may take.
const PAGE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).or_else(|| env::var("REDIS_URL").ok()).ok_or(USAGE)?;
    let link = RedisLink::connect(&url, LinkOptions::default()).await?;
    let lock = RedisLock::new(link.clone());
    let key = format!("solekey-example-{}:report", uuid::Uuid::new_v4().simple());
    let mut archive = Archive::default();

    let mut guard = lock.acquire(&key, TTL, Duration::from_secs(5), AcquireOptions::default()).await?;
    println!("ours, with a fence");

    // Somebody else, meanwhile.
    match lock.try_acquire(&key, TTL, AcquireOptions::default()).await {
        Err(AcquireError::Busy { remaining }) => println!("busy, for at most {TTL:?}: {}", remaining <= TTL),
        other => println!("unexpected: {other:?}"),
    }

    // Long work renews in the background, and checks the lease before every step that must fit into it.
    guard.keep_alive();
    for page in 1..=3 {
        guard.ensure(PAGE)?;
        archive.write(guard.fence(), page)?;
    }
    // Or by hand, where the rhythm is the work's own.
    guard.renew().await?;
    let old = guard.fence();
    guard.release().await?;

    // The next holder has a greater fence, whatever happened to the lease in between.
    let guard = lock.acquire(&key, TTL, Duration::from_secs(5), AcquireOptions::default()).await?;
    println!("the next fence is greater: {}", guard.fence() > old);
    archive.write(guard.fence(), 4)?;

    // A holder that was asleep all the while wakes up and goes on. The lease cannot stop it: this does.
    match archive.write(old, 5) {
        Ok(()) => println!("unexpected: the old holder wrote"),
        Err(error) => println!("the old holder: {error}"),
    }
    println!("pages: {:?}", archive.pages);

    guard.release().await?;
    lock.shutdown().await;
    link.close().await;
    Ok(())
}

/// Whatever the lease guards keeps the greatest fence it has seen, and refuses smaller ones. In a database that is one
/// condition: `UPDATE report SET …, fence = $1 WHERE fence <= $1`.
#[derive(Default)]
struct Archive {
    newest: Option<Fence>,
    pages: Vec<u32>,
}

impl Archive {
    fn write(&mut self, fence: Fence, page: u32) -> Result<(), &'static str> {
        if self.newest > Some(fence) {
            return Err("refused, a later holder has written");
        }
        self.newest = Some(fence);
        self.pages.push(page);
        Ok(())
    }
}

const USAGE: &str = "no Redis: give its URL as the argument or in REDIS_URL. `redis-server --port 6380 --save ''` starts one, \
                     so does `docker compose up --wait`, and scripts/with-redis fetches the binary";
