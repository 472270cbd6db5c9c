//! A small seeded generator (splitmix64): the same seed makes the same data on every machine.

use std::io::{self, Write};

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`; the bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            piece.copy_from_slice(&word[..piece.len()]);
        }
    }

    /// Writes `length` incompressible bytes.
    pub(crate) fn write(&mut self, out: &mut impl Write, length: u64) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        let mut left = length;
        while left > 0 {
            let size = left.min(buffer.len() as u64) as usize;
            self.fill(&mut buffer[..size]);
            out.write_all(&buffer[..size])?;
            left -= size as u64;
        }
        Ok(())
    }
}
