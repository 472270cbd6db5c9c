//! Chunking, hashing, compression, sealing and keys.
//!
//! Functions over bytes: this crate knows no disk, no clock, no threads and no randomness of its own
//! (callers hand in an [`Entropy`](model::Entropy)). It knows nothing of packs, maps or snapshots
//! either, only of their bytes. Modules are listed in reading order and import only earlier ones.

#![forbid(unsafe_code)]

pub mod error;
pub mod hash;

pub mod chunk;
pub mod compress;
pub mod recovery;
pub mod seal;
mod wrap;

pub mod keyset;
pub mod slot;

pub use chunk::{ChunkParams, Chunker};
pub use compress::{Compressor, Decompressor, Encoding};
pub use error::CodecError;
pub use hash::{IdKey, derive_key};
pub use keyset::{COMMITMENT_BYTES, Keyset, MapParams};
pub use seal::{SealKey, TAG_BYTES};
pub use slot::{Kdf, LockedKeyset, Secret};
pub use wrap::{INFO_BYTES_MAX, WRAPPED_KEY_BYTES};
