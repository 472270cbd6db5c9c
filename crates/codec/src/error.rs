//! What can go wrong while coding and decoding; no message contains a secret.

use thiserror::Error;

/// Why bytes could not be decoded, or a key not be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Bytes were changed, cut short, or sealed with another key or for another place.
    #[error("{what}: damaged, or sealed with another key")]
    Damaged {
        /// What was being opened.
        what: &'static str,
    },
    /// The bytes are not the encoding that they should be.
    #[error("{what}: {reason}")]
    Malformed {
        /// What was being decoded.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A record of a version that this program does not know.
    #[error("{what}: version {version} is unknown to this program; a newer one is needed")]
    UnknownVersion {
        /// What was being decoded.
        what: &'static str,
        /// The version found.
        version: u64,
    },
    /// Data expand to another length than they should.
    #[error("compressed data hold {found:?} bytes instead of {expected}")]
    WrongLength {
        /// Length that the data must have.
        expected: usize,
        /// Length that they claim or have, where known.
        found: Option<u64>,
    },
    /// A parameter lies outside the range that is safe to use.
    #[error("{name} of {value} is outside {min} to {max}")]
    OutOfRange {
        /// Which parameter.
        name: &'static str,
        /// Its value.
        value: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// The password, key file or recovery code does not fit this key slot.
    #[error("wrong password or key")]
    WrongSecret,
    /// The key slot is locked with another kind of secret than the one given.
    #[error("this key slot takes {expected}")]
    WrongKindOfSecret {
        /// What the slot is locked with.
        expected: &'static str,
    },
    /// The key set can write but not read.
    #[error("this key can write but not read")]
    WriteOnlyKey,
    /// There is not enough memory to derive a key from a password.
    #[error("not enough memory to derive a key: {memory_kib} KiB are needed")]
    NoMemory {
        /// How much the derivation needs.
        memory_kib: u32,
    },
    /// A recovery code has too many or too few characters.
    #[error("the recovery code has {found} characters instead of {expected}")]
    RecoveryCodeLength {
        /// Number of characters without prefix, spaces and dashes.
        expected: usize,
        /// Number found.
        found: usize,
    },
    /// A group of a recovery code was mistyped.
    #[error("group {group} of the recovery code has a typing error")]
    RecoveryCodeGroup {
        /// Which group, counted from 1.
        group: usize,
    },
    /// Every group of a recovery code fits, the code as a whole does not.
    #[error("the recovery code has a typing error")]
    RecoveryCodeChecksum,
}

/// Refuses a parameter outside of what is safe to use.
pub(crate) fn check_range(
    name: &'static str,
    value: u32,
    min: u32,
    max: u32,
) -> Result<(), CodecError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let (value, min, max) = (value.into(), min.into(), max.into());
    Err(CodecError::OutOfRange {
        name,
        value,
        min,
        max,
    })
}
