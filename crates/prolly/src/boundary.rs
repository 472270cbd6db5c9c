//! Where nodes end: decided by keys alone, in integers, so that every machine gets the same tree.
//!
//! # Rule
//!
//! The weight of an entry is `w = 48 + length of its key`, at every level. Let `acc` be the weight of
//! the entries that the node holds already. The node ends after the entry iff
//!
//! ```text
//! (level = 0 or the entry is not the first of its node)
//! and acc + w >= min
//! and ( acc + w >= max  or  h * L^4 < ((acc + w)^4 - acc^4) * 2^32 )
//! ```
//!
//! in 128-bit integers, with `L = floor(target * 10000 / 9064)` (a Weibull law of shape 4 whose mean is
//! the target: 0.9064 = Gamma(1.25)). The first line makes every level have at most half the nodes of
//! the one below, however long the keys are.
//!
//! `h` is the first four bytes, little-endian, of keyed BLAKE3 of the entry's key. The 32-byte key of
//! that hash is `derive_key("recoup v1 map node boundary", salt (16) | level (1))` of BLAKE3: names
//! chosen by an attacker who does not know the salt cannot shape the tree.

use crate::node::KEY_BYTES_MAX;

/// Weight of an entry besides its key: about what a small value takes.
pub const ENTRY_WEIGHT: u64 = 48;
/// Largest weight that parameters may allow a node. Keeps the products of the rule below 2^128 and, with
/// the limits on keys and values, nodes below the longest node.
pub const WEIGHT_MAX: u32 = 64 << 10;

const CONTEXT: &str = "recoup v1 map node boundary";

/// What shapes the trees of a repository; never changes once the first node is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Random per repository.
    pub salt: [u8; 16],
    /// Mean weight of a node.
    pub target: u32,
    /// A node ends at no lower weight, unless it is the last of its level.
    pub min: u32,
    /// A node ends when it reaches this weight.
    pub max: u32,
}

/// Parameters that no tree can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "map parameters are not 1 <= min {min} <= target {target} <= max {max} <= {limit}",
    limit = WEIGHT_MAX
)]
pub struct ParamsError {
    /// Least weight.
    pub min: u32,
    /// Mean weight.
    pub target: u32,
    /// Greatest weight.
    pub max: u32,
}

impl Params {
    /// The parameters of new repositories: 8 KiB on average, between 2 and 32.
    pub const fn new(salt: [u8; 16]) -> Self {
        Self {
            salt,
            target: 8 << 10,
            min: 2 << 10,
            max: 32 << 10,
        }
    }

    /// Whether the parameters are within their limits.
    pub fn check(&self) -> Result<(), ParamsError> {
        let &Self {
            target, min, max, ..
        } = self;
        if 1 <= min && min <= target && target <= max && max <= WEIGHT_MAX {
            Ok(())
        } else {
            Err(ParamsError { min, target, max })
        }
    }
}

/// The weight of an entry with this key.
pub(crate) fn weight(key: &[u8]) -> u64 {
    ENTRY_WEIGHT + key.len() as u64
}

/// Decides the ends of the nodes of one level.
#[derive(Debug)]
pub(crate) struct Boundary {
    hash_key: [u8; 32],
    scale4: u128,
    min: u64,
    max: u64,
    entries_min: u32,
}

impl Boundary {
    pub(crate) fn new(params: &Params, level: u8) -> Result<Self, ParamsError> {
        params.check()?;
        let mut material = [0; 17];
        material[..16].copy_from_slice(&params.salt);
        material[16] = level;
        Ok(Self {
            hash_key: blake3::derive_key(CONTEXT, &material),
            scale4: (u128::from(params.target) * 10_000 / 9_064).pow(4),
            min: params.min.into(),
            max: params.max.into(),
            entries_min: if level == 0 { 1 } else { 2 },
        })
    }

    /// Whether a node of weight `acc` that becomes `entries` long with `key` ends after it.
    pub(crate) fn ends(&self, acc: u64, entries: u32, key: &[u8]) -> bool {
        debug_assert!(key.len() <= KEY_BYTES_MAX);
        let sum = acc + weight(key);
        if sum < self.min || entries < self.entries_min {
            return false;
        }
        if sum >= self.max {
            return true;
        }
        let hash = blake3::keyed_hash(&self.hash_key, key);
        let [b0, b1, b2, b3, ..] = *hash.as_bytes();
        let draw = u128::from(u32::from_le_bytes([b0, b1, b2, b3]));
        let hazard = u128::from(sum).pow(4) - u128::from(acc).pow(4);
        draw * self.scale4 < hazard << 32
    }
}
