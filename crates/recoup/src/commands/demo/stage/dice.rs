//! Numbers that look random and are the same in every run with the same seed.

/// SplitMix64, as Steele, Lea and Flood published it (OOPSLA 2014): enough to scatter things, no more.
#[derive(Debug, Clone)]
pub(in crate::commands::demo) struct Dice(u64);

/// The step of the sequence: 2^64 divided by the golden ratio, odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    /// A sequence of its own for each pair of a seed and a stream.
    pub(in crate::commands::demo) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(STEP));
        dice.next();
        dice
    }

    pub(in crate::commands::demo) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0. The low ones are likelier by less than one in 2^40.
    pub(in crate::commands::demo) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Puts everything in another order.
    pub(in crate::commands::demo) fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            let other = self.below(at as u64 + 1) as usize;
            things.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // First value for the seed 0 in the reference implementation.
        assert_eq!(Dice(0).next(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn shuffling_keeps_everything() {
        let mut things: Vec<u64> = (0..1000).collect();
        Dice::new(1, 2).shuffle(&mut things);
        assert_ne!(things, (0..1000).collect::<Vec<_>>());
        things.sort_unstable();
        assert_eq!(things, (0..1000).collect::<Vec<_>>());
    }
}
