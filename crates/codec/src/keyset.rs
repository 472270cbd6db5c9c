//! The keys of a repository, and what may be done with them.
//!
//! Pack keys are random and wrapped to a public key, so that a machine can be given a key set that
//! writes but cannot read: the same set without its private key. No key here encrypts a pack.

use std::convert::Infallible;
use std::fmt;

use minicbor::{Decoder, Encoder};
use model::{Entropy, RepositoryId, Timestamp};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::chunk::{ChunkParams, Chunker};
use crate::error::{CodecError, check_range};
use crate::hash::IdKey;
use crate::wrap::{PrivateKey, PublicKey};

/// Length of what [`Keyset::commit`] makes.
pub const COMMITMENT_BYTES: usize = 32;

const VERSION: u64 = 1;
const WHAT: &str = "key set";

/// A record has 1.5 KB; room for all of it from the start keeps secrets from being left behind when
/// a buffer grows.
const RECORD_BYTES_MAX: usize = 2048;

/// Separates commitments from other uses of the same key. Part of the format: never change.
const COMMITMENT_LABEL: &[u8] = b"recoup v1 key commitment\0";

/// Weights of map nodes: 48 and the length of the key for each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MapParams {
    /// Weight that nodes have on average.
    pub target: u32,
    /// No node is lighter, except the last of a level.
    pub min: u32,
    /// Nodes are cut here where nothing else cuts them.
    pub max: u32,
}

impl Default for MapParams {
    /// 8 KiB: fewest bytes rewritten per change, and the same total size as longer nodes (measured).
    fn default() -> Self {
        Self {
            target: 8 << 10,
            min: 2 << 10,
            max: 32 << 10,
        }
    }
}

impl MapParams {
    /// Heaviest node that a repository may ask for: what maps accept.
    pub const WEIGHT_MAX: u32 = 64 << 10;

    /// Refuses weights in the wrong order or beyond what a node may take.
    pub fn validate(&self) -> Result<(), CodecError> {
        check_range("maximum node weight", self.max, 256, Self::WEIGHT_MAX)?;
        check_range("target node weight", self.target, 64, self.max)?;
        check_range("minimum node weight", self.min, 1, self.target)
    }
}

/// The keys and the parameters of a repository.
#[derive(Clone)]
pub struct Keyset {
    repository: RepositoryId,
    created: Timestamp,
    secrets: Secrets,
    public_key: PublicKey,
    private_key: Option<PrivateKey>,
    chunk_params: ChunkParams,
    map_params: MapParams,
}

/// What a machine needs to write.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
struct Secrets {
    id_key: [u8; 32],
    chunk_secret: [u8; 32],
    index_key: [u8; 32],
    auth_key: [u8; 32],
    map_salt: [u8; 16],
}

impl Keyset {
    /// New random keys for a new repository.
    pub fn generate(
        repository: RepositoryId,
        created: Timestamp,
        chunk_params: ChunkParams,
        map_params: MapParams,
        entropy: &dyn Entropy,
    ) -> Result<Self, CodecError> {
        chunk_params.validate()?;
        map_params.validate()?;
        let mut secrets = Secrets::default();
        entropy.fill(&mut secrets.id_key);
        entropy.fill(&mut secrets.chunk_secret);
        entropy.fill(&mut secrets.index_key);
        entropy.fill(&mut secrets.auth_key);
        entropy.fill(&mut secrets.map_salt);
        let private_key = PrivateKey::generate(entropy);
        Ok(Self {
            repository,
            created,
            secrets,
            public_key: private_key.public_key(),
            private_key: Some(private_key),
            chunk_params,
            map_params,
        })
    }

    /// The same keys without the one that reads.
    pub fn write_only(&self) -> Self {
        Self {
            private_key: None,
            ..self.clone()
        }
    }

    /// Whether these keys open what was stored.
    pub fn can_read(&self) -> bool {
        self.private_key.is_some()
    }

    /// Which repository they belong to.
    pub fn repository(&self) -> RepositoryId {
        self.repository
    }

    /// The public key to which the keys of packs and snapshots are wrapped.
    pub fn public_key_bytes(&self) -> Vec<u8> {
        self.public_key.to_bytes()
    }

    /// When they were made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Lengths of chunks.
    pub fn chunk_params(&self) -> ChunkParams {
        self.chunk_params
    }

    /// Lengths of map nodes.
    pub fn map_params(&self) -> MapParams {
        self.map_params
    }

    /// What names blobs and snapshots.
    pub fn id_key(&self) -> IdKey {
        IdKey::new(self.secrets.id_key)
    }

    /// What cuts files into chunks.
    pub fn chunker(&self) -> Chunker {
        Chunker::new(&self.secrets.chunk_secret, self.chunk_params)
    }

    /// From which keys for index runs are derived: writers read the index too.
    pub fn index_key(&self) -> &[u8; 32] {
        &self.secrets.index_key
    }

    /// What makes the boundaries of map nodes differ between repositories.
    pub fn map_salt(&self) -> &[u8; 16] {
        &self.secrets.map_salt
    }

    /// Wraps a key so that only the holder of the private key gets it back; always
    /// [`WRAPPED_KEY_BYTES`](crate::WRAPPED_KEY_BYTES) long. `info` says what the key is for.
    ///
    /// # Panics
    /// If `info` is longer than [`INFO_BYTES_MAX`](crate::INFO_BYTES_MAX).
    pub fn wrap(&self, key: &[u8; 32], info: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        self.public_key.wrap(key, info, entropy)
    }

    /// Gets a wrapped key back. `info` must be what it was wrapped with.
    pub fn unwrap(&self, wrapped: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, CodecError> {
        self.private_key
            .as_ref()
            .ok_or(CodecError::WriteOnlyKey)?
            .unwrap(wrapped, info)
    }

    /// Commits to a key and to the header that names its use, and shows that a holder of these keys
    /// wrote it: AES-GCM by itself does neither.
    pub fn commit(&self, key: &[u8; 32], header: &[u8]) -> [u8; COMMITMENT_BYTES] {
        *self.commitment(key, header).as_bytes()
    }

    /// Checks what [`Keyset::commit`] made, in constant time.
    pub fn verify_commitment(
        &self,
        key: &[u8; 32],
        header: &[u8],
        commitment: &[u8; COMMITMENT_BYTES],
    ) -> Result<(), CodecError> {
        // Comparing BLAKE3's own hash type takes the same time wherever the first difference is.
        if self.commitment(key, header) == blake3::Hash::from_bytes(*commitment) {
            return Ok(());
        }
        Err(CodecError::Damaged {
            what: "key commitment",
        })
    }

    fn commitment(&self, key: &[u8; 32], header: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secrets.auth_key);
        hasher
            .update(COMMITMENT_LABEL)
            .update(key)
            .update(header)
            .finalize()
    }

    /// The record: a CBOR map with integer keys in ascending order.
    pub fn to_cbor(&self) -> Zeroizing<Vec<u8>> {
        let mut record = Zeroizing::new(Vec::with_capacity(RECORD_BYTES_MAX));
        self.encode(&mut record)
            .expect("writing to memory does not fail");
        assert!(record.len() <= RECORD_BYTES_MAX);
        record
    }

    fn encode(&self, record: &mut Vec<u8>) -> Result<(), minicbor::encode::Error<Infallible>> {
        let secrets = &self.secrets;
        let mut to = Encoder::new(record);
        to.map(11 + u64::from(self.private_key.is_some()))?;
        to.u8(0)?.u64(VERSION)?;
        to.u8(1)?.bytes(self.repository.as_bytes())?;
        to.u8(2)?
            .array(2)?
            .i64(self.created.secs)?
            .u32(self.created.nanos)?;
        to.u8(3)?.bytes(&secrets.id_key)?;
        to.u8(4)?.bytes(&secrets.chunk_secret)?;
        to.u8(5)?.bytes(&secrets.index_key)?;
        to.u8(6)?.bytes(&secrets.auth_key)?;
        to.u8(7)?.bytes(&secrets.map_salt)?;
        to.u8(8)?.bytes(&self.public_key.to_bytes())?;
        let ChunkParams { min, avg, max } = self.chunk_params;
        to.u8(9)?.array(3)?.u32(min)?.u32(avg)?.u32(max)?;
        let MapParams { target, min, max } = self.map_params;
        to.u8(10)?.array(3)?.u32(target)?.u32(min)?.u32(max)?;
        if let Some(private_key) = &self.private_key {
            to.u8(11)?.bytes(private_key.as_bytes())?;
        }
        Ok(())
    }

    /// Reads a record back; anything but the one canonical encoding is refused.
    pub fn from_cbor(record: &[u8]) -> Result<Self, CodecError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(malformed("too long"));
        }
        let mut from = Decoder::new(record);
        let fields = from
            .map()
            .map_err(not_cbor)?
            .ok_or(malformed("no definite length"))?;
        if from.u8().map_err(not_cbor)? != 0 {
            return Err(malformed("no version"));
        }
        let version = from.u64().map_err(not_cbor)?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion {
                what: WHAT,
                version,
            });
        }
        let keyset = Self::decode(&mut from, fields == 12)?;
        // Order, widths, missing and further fields: all said by comparing with what we would write.
        if keyset.to_cbor().as_slice() != record {
            return Err(malformed("not in canonical form"));
        }
        Ok(keyset)
    }

    fn decode(from: &mut Decoder<'_>, readable: bool) -> Result<Self, CodecError> {
        let mut secrets = Secrets::default();
        let repository = RepositoryId(bytes(from)?);
        list::<2>(from)?;
        let secs = from.i64().map_err(not_cbor)?;
        let created = Timestamp::new(secs, from.u32().map_err(not_cbor)?);
        secrets.id_key = bytes(from)?;
        secrets.chunk_secret = bytes(from)?;
        secrets.index_key = bytes(from)?;
        secrets.auth_key = bytes(from)?;
        secrets.map_salt = bytes(from)?;
        from.u8().map_err(not_cbor)?;
        let public_key = from.bytes().map_err(not_cbor)?;
        let public_key = PublicKey::from_bytes(public_key).ok_or(malformed("not a public key"))?;
        let [min, avg, max] = numbers(from)?;
        let chunk_params = ChunkParams { min, avg, max };
        chunk_params.validate()?;
        let [target, min, max] = numbers(from)?;
        let map_params = MapParams { target, min, max };
        map_params.validate()?;
        let private_key = if readable {
            Some(PrivateKey::new(bytes(from)?))
        } else {
            None
        };
        if let Some(private_key) = &private_key
            && private_key.public_key() != public_key
        {
            return Err(malformed("private and public key don't belong together"));
        }
        Ok(Self {
            repository,
            created,
            secrets,
            public_key,
            private_key,
            chunk_params,
            map_params,
        })
    }
}

impl fmt::Debug for Keyset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyset")
            .field("repository", &self.repository)
            .field("can_read", &self.can_read())
            .finish_non_exhaustive()
    }
}

fn malformed(reason: &'static str) -> CodecError {
    CodecError::Malformed { what: WHAT, reason }
}

// The CBOR error's own text could quote bytes of the record: it is dropped.
fn not_cbor(_: minicbor::decode::Error) -> CodecError {
    malformed("not the CBOR that is expected")
}

/// A key number, then a byte string of this length. Which number it was, comparing with the canonical
/// form tells.
fn bytes<const N: usize>(from: &mut Decoder<'_>) -> Result<[u8; N], CodecError> {
    from.u8().map_err(not_cbor)?;
    let bytes = from.bytes().map_err(not_cbor)?;
    bytes
        .try_into()
        .map_err(|_| malformed("a key of the wrong length"))
}

/// A key number, then the head of an array of this length.
fn list<const N: usize>(from: &mut Decoder<'_>) -> Result<(), CodecError> {
    from.u8().map_err(not_cbor)?;
    if from.array().map_err(not_cbor)? != Some(N as u64) {
        return Err(malformed("a list of the wrong length"));
    }
    Ok(())
}

fn numbers<const N: usize>(from: &mut Decoder<'_>) -> Result<[u32; N], CodecError> {
    list::<N>(from)?;
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = from.u32().map_err(not_cbor)?;
    }
    Ok(numbers)
}
