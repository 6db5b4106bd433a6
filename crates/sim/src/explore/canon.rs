//! The keys of worlds: worlds that will behave alike have the same key.
//!
//! A world does not care when it began, which process is which, nor, beyond the scene's memory, how long ago something
//! was. So instants and generations are hashed by their distance from now, old ones by their order, claims by the
//! order of their making, and processes as a set. Without this there would be no end of worlds, as time goes on; with
//! it there are only so many.
//!
//! Numbers are distinguished by their ranges, since the machine's own state is private: see [`STORE_TIMES`],
//! [`MOMENTS`] and [`FIRST_CLAIM`].

use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::{
    scene::{FIRST_CLAIM, Scene},
    tick::{MOMENTS, STORE_TIMES, moment},
    world::{World, Written},
};

impl World {
    /// The same for worlds that will behave alike. `found` is taken from world to world: this runs for every step of
    /// an exploration.
    pub(crate) fn key(&self, scene: &Scene, found: &mut Found) -> u128 {
        found.restart(self, scene);
        self.visit(found, Hash::hash);
        found.sort();
        let mut canon = Canon { wide: Wide::NEW, names: found };
        let mut workers = [0; MOST_WORKERS];
        for (key, worker) in workers.iter_mut().zip(&self.workers) {
            *key = canon.apart(worker);
        }
        workers.sort_unstable();
        workers.hash(&mut canon);
        self.visit(&mut canon, |_, _| {});
        canon.wide.done()
    }

    /// Everything that may still matter.
    fn visit<H: Hasher>(&self, hasher: &mut H, mut worker: impl FnMut(&super::worker::Worker, &mut H)) {
        let Self {
            tick: _,
            step,
            row,
            answers,
            store,
            place,
            kept_since,
            provider,
            workers,
            orphans,
            hung,
            backup,
            went_back,
            came_late,
            forgotten,
            family,
            claims: _,
            logins,
            left,
        } = self;
        for one in workers {
            worker(one, hasher);
        }
        let change_feed = |written: &&Written| self.may_go_back() || written.note.attempt > row.generation;
        answers.iter().filter(change_feed).count().hash(hasher);
        answers.iter().filter(change_feed).for_each(|answer| answer.hash(hasher));
        (*step != 0, row, store, place, kept_since, provider, orphans).hash(hasher);
        (hung.map(|claim| (claim.id, claim.not_after)), backup, went_back, family, logins, left).hash(hasher);
        (came_late, forgotten).hash(hasher);
    }
}

/// Now, and what is too old to have a distance from it.
#[derive(Default)]
pub(crate) struct Found {
    store_now: u64,
    now: u64,
    memory: u64,
    old: Vec<u64>,
    claims: Vec<u128>,
}

impl Found {
    fn restart(&mut self, world: &World, scene: &Scene) {
        self.store_now = world.store_now().as_micros();
        self.now = moment(world.tick).as_micros();
        self.memory = u64::from(scene.memory) * 1_000_000;
        self.old.clear();
        self.claims.clear();
    }

    fn sort(&mut self) {
        self.old.sort_unstable();
        self.old.dedup();
        self.claims.sort_unstable();
        self.claims.dedup();
    }

    /// The clock an instant is on, read now; `None` for other numbers.
    fn clock_of(&self, number: u64) -> Option<u64> {
        if MOMENTS.contains(&number) {
            return Some(self.now);
        }
        STORE_TIMES.contains(&number).then_some(self.store_now)
    }

    fn is_old(&self, number: u64, now: u64) -> bool {
        number + self.memory < now
    }
}

impl Hasher for Found {
    fn write(&mut self, bytes: &[u8]) {
        self.claims.extend(claim_of(bytes));
    }

    fn write_u64(&mut self, number: u64) {
        if self.clock_of(number).is_some_and(|now| self.is_old(number, now)) {
            self.old.push(number);
        }
    }

    // Everything narrower is no instant.
    fn write_u8(&mut self, _: u8) {}
    fn write_u16(&mut self, _: u16) {}
    fn write_u32(&mut self, _: u32) {}
    fn write_usize(&mut self, _: usize) {}
    fn write_isize(&mut self, _: isize) {}

    fn finish(&self) -> u64 {
        0
    }
}

/// The largest number of processes, and so of their keys; processes that do not exist have none.
const MOST_WORKERS: usize = 4;

/// The number of a claim's id; `None` for other bytes.
fn claim_of(bytes: &[u8]) -> Option<u128> {
    let id = u128::from_be_bytes(bytes.try_into().ok()?);
    (FIRST_CLAIM..=u64::MAX.into()).contains(&id).then_some(id)
}

/// Hashes under names that do not depend on when and by whom.
#[derive(Clone, Copy)]
struct Canon<'a> {
    wide: Wide,
    names: &'a Found,
}

impl Canon<'_> {
    fn apart(&self, value: &impl Hash) -> u128 {
        let mut canon = Self { wide: Wide::NEW, ..*self };
        value.hash(&mut canon);
        canon.wide.done()
    }
}

impl Hasher for Canon<'_> {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(id) = claim_of(bytes) {
            let name = self.names.claims.binary_search(&id).expect("found before");
            return self.wide.take(name as u64 | 0xC1A1_0000_0000);
        }
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.wide.take(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    fn write_u64(&mut self, number: u64) {
        let Some(now) = self.names.clock_of(number) else { return self.wide.take(number) };
        if self.names.is_old(number, now) {
            let name = self.names.old.binary_search(&number).expect("found before");
            self.wide.take(name as u64 | 0x01D_0000_0000);
        } else {
            self.wide.take(number.wrapping_sub(now));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.wide.take(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.wide.take(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.wide.take(number.into());
    }

    fn write_u128(&mut self, number: u128) {
        self.wide.take(number as u64);
        self.wide.take((number >> 64) as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.wide.take(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.wide.take(number.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        self.wide.0
    }
}

/// Two lanes of multiply and rotate, with different constants: 128 bits, so that two worlds of one exploration never
/// share a key by chance.
#[derive(Clone, Copy)]
struct Wide(u64, u64);

impl Wide {
    const NEW: Self = Self(0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f);

    fn take(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
        self.1 = (self.1.rotate_left(23) ^ word).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    }

    fn done(self) -> u128 {
        (u128::from(avalanche(self.0)) << 64) | u128::from(avalanche(self.1))
    }
}

fn avalanche(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0x9fb2_1c65_1e98_df25);
    word = (word ^ (word >> 29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^ (word >> 32)
}

/// For maps whose keys are hashes already.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given(u64);

pub(crate) type GivenKeys = BuildHasherDefault<Given>;

impl Hasher for Given {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u128");
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
