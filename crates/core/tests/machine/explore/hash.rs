//! A 128-bit hash of a world: wide enough that two worlds of one exploration never share it by chance.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Two lanes of multiply and rotate, with different constants.
#[derive(Clone, Copy)]
pub(crate) struct Wide(u64, u64);

impl Wide {
    pub(crate) fn of(value: &impl Hash) -> u128 {
        let mut wide = Self(0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f);
        value.hash(&mut wide);
        (u128::from(avalanche(wide.0)) << 64) | u128::from(avalanche(wide.1))
    }

    fn take(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
        self.1 = (self.1.rotate_left(23) ^ word).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    }
}

fn avalanche(mut word: u64) -> u64 {
    word = (word ^ (word >> 33)).wrapping_mul(0x9fb2_1c65_1e98_df25);
    word = (word ^ (word >> 29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^ (word >> 32)
}

impl Hasher for Wide {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.take(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.take(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.take(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.take(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.take(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.take(word as u64);
    }

    fn finish(&self) -> u64 {
        avalanche(self.0)
    }
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
