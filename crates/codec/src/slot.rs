//! Key slots: a key set locked with a password, a key file or a recovery code.
//!
//! Knows the cryptography, not the file: the stored form of a slot belongs to the format crate.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use model::Entropy;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{CodecError, check_range};
use crate::hash::derive_key;
use crate::keyset::Keyset;
use crate::seal::{SealKey, TAG_BYTES};

/// Length of the salts: RFC 9106, section 4.
pub const SALT_BYTES: usize = 16;

/// Most memory that a slot may ask for. Checked before use: a slot file may come from a hostile
/// storage, and must not make us allocate a terabyte.
pub const MEMORY_KIB_MAX: u32 = 1 << 20;

/// Most passes that a slot may ask for; with the most memory this is half a minute.
pub const PASSES_MAX: u32 = 20;

/// Most lanes that a slot may ask for.
pub const LANES_MAX: u32 = 8;

/// Names of the uses of derived keys. Part of the format: never change.
const RAW_CONTEXT: &str = "recoup v1 slot raw key";
const SEAL_CONTEXT: &str = "recoup v1 slot seal";
const COMMITMENT_CONTEXT: &str = "recoup v1 slot commitment";

/// Length of the commitment in front of the sealed key set.
const COMMITMENT_BYTES: usize = 32;

/// What a person or a machine holds to open a slot.
#[derive(Clone)]
pub enum Secret {
    /// A password: guessable, so guessing is made slow.
    Password(Zeroizing<String>),
    /// 256 random bits, from a key file or a recovery code: nobody guesses those.
    Raw(Zeroizing<[u8; 32]>),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Secret::Password(..)",
            Self::Raw(_) => "Secret::Raw(..)",
        })
    }
}

/// How the key of a slot is made from the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kdf {
    /// For passwords: Argon2id, version 1.3.
    Argon2id {
        /// Memory.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes of the memory.
        lanes: u32,
        /// Makes equal passwords give different keys.
        salt: [u8; SALT_BYTES],
    },
    /// For secrets that have 256 bits of entropy: BLAKE3 in key derivation mode.
    Blake3 {
        /// Makes equal secrets give different keys.
        salt: [u8; SALT_BYTES],
    },
}

impl Kdf {
    /// Argon2id as RFC 9106 recommends second, for machines of any size: 64 MiB, three passes, four
    /// lanes.
    pub fn argon2id(salt: [u8; SALT_BYTES]) -> Self {
        Self::Argon2id {
            memory_kib: 64 << 10,
            passes: 3,
            lanes: 4,
            salt,
        }
    }

    /// Refuses parameters that Argon2 doesn't have or that would take too much memory or time.
    pub fn validate(&self) -> Result<(), CodecError> {
        let Self::Argon2id {
            memory_kib,
            passes,
            lanes,
            ..
        } = *self
        else {
            return Ok(());
        };
        check_range("number of Argon2 lanes", lanes, 1, LANES_MAX)?;
        check_range("number of Argon2 passes", passes, 1, PASSES_MAX)?;
        check_range(
            "Argon2 memory in KiB",
            memory_kib,
            8 * lanes,
            MEMORY_KIB_MAX,
        )
    }

    /// The key that this secret makes. Takes about a tenth of a second for passwords.
    fn derive(&self, secret: &Secret) -> Result<Zeroizing<[u8; 32]>, CodecError> {
        self.validate()?;
        match (self, secret) {
            (
                &Self::Argon2id {
                    memory_kib,
                    passes,
                    lanes,
                    salt,
                },
                Secret::Password(password),
            ) => {
                let params = Params::new(memory_kib, passes, lanes, Some(32))
                    .expect("validated parameters are within Argon2's bounds");
                let no_memory = CodecError::NoMemory { memory_kib };
                let mut blocks = Vec::new();
                blocks
                    .try_reserve_exact(params.block_count())
                    .map_err(|_| no_memory.clone())?;
                blocks.resize(params.block_count(), Block::new());
                let mut key = Zeroizing::new([0; 32]);
                let derived = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into_with_memory(
                        password.as_bytes(),
                        &salt,
                        key.as_mut_slice(),
                        &mut blocks,
                    );
                // What the password left in memory would make guessing it fast.
                blocks.zeroize();
                derived.map_err(|_| no_memory)?;
                Ok(key)
            }
            (Self::Blake3 { salt }, Secret::Raw(raw)) => {
                let mut material = Zeroizing::new([0; SALT_BYTES + 32]);
                material[..SALT_BYTES].copy_from_slice(salt);
                material[SALT_BYTES..].copy_from_slice(raw.as_slice());
                Ok(derive_key(RAW_CONTEXT, material.as_slice()))
            }
            (Self::Argon2id { .. }, Secret::Raw(_)) => Err(CodecError::WrongKindOfSecret {
                expected: "a password",
            }),
            (Self::Blake3 { .. }, Secret::Password(_)) => Err(CodecError::WrongKindOfSecret {
                expected: "a key file or a recovery code",
            }),
        }
    }
}

/// A key set that only its secret opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedKeyset {
    /// How the key is made from the secret.
    pub kdf: Kdf,
    /// A commitment to the key, then the sealed record.
    pub sealed: Vec<u8>,
}

impl LockedKeyset {
    /// Locks with the key derivation that fits the secret. `aad` says where the slot stands;
    /// unlocking needs the same.
    pub fn lock(secret: &Secret, keyset: &Keyset, aad: &[u8], entropy: &dyn Entropy) -> Self {
        let mut salt = [0; SALT_BYTES];
        entropy.fill(&mut salt);
        let kdf = match secret {
            Secret::Password(_) => Kdf::argon2id(salt),
            Secret::Raw(_) => Kdf::Blake3 { salt },
        };
        Self::lock_with(kdf, secret, keyset, aad).expect("the defaults fit the secret")
    }

    /// Locks with this key derivation, whose salt must never have been used before.
    pub fn lock_with(
        kdf: Kdf,
        secret: &Secret,
        keyset: &Keyset,
        aad: &[u8],
    ) -> Result<Self, CodecError> {
        let key = kdf.derive(secret)?;
        let record = keyset.to_cbor();
        // Room for everything at once: the record is secret until it is sealed in place.
        let mut sealed = Vec::with_capacity(COMMITMENT_BYTES + record.len() + TAG_BYTES);
        sealed.extend_from_slice(derive_key(COMMITMENT_CONTEXT, key.as_slice()).as_slice());
        sealed.extend_from_slice(&record);
        // A fresh salt makes a fresh key: nonce 0 is used once.
        SealKey::new(&derive_key(SEAL_CONTEXT, key.as_slice())).seal(
            0,
            aad,
            &mut sealed,
            COMMITMENT_BYTES,
        );
        Ok(Self { kdf, sealed })
    }

    /// Gets the key set back. The commitment tells a wrong secret from a damaged slot.
    pub fn unlock(&self, secret: &Secret, aad: &[u8]) -> Result<Keyset, CodecError> {
        let damaged = || CodecError::Damaged { what: "key slot" };
        let (commitment, sealed) = self
            .sealed
            .split_at_checked(COMMITMENT_BYTES)
            .ok_or_else(damaged)?;
        let key = self.kdf.derive(secret)?;
        let expected = derive_key(COMMITMENT_CONTEXT, key.as_slice());
        verify_slices_are_equal(expected.as_slice(), commitment)
            .map_err(|_| CodecError::WrongSecret)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let record = SealKey::new(&derive_key(SEAL_CONTEXT, key.as_slice()))
            .open(0, aad, &mut buffer)
            .map_err(|_| damaged())?;
        Keyset::from_cbor(record)
    }
}
