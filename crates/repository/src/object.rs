//! Sealed objects: a header that carries or names the key, a commitment to it, sealed parts.

use std::sync::{Arc, Mutex, PoisonError};

use codec::{Keyset, SealKey};
use format::{Header, ObjectType, Part};
use model::{Entropy, LogId};

use crate::error::{RepositoryError, Result};

/// The key of one object, with what ties its parts to it.
pub struct ObjectKey {
    header: Header,
    key: SealKey,
}

impl std::fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectKey")
            .field("object", &self.header.object)
            .finish_non_exhaustive()
    }
}

/// Begins the information that the key of an object is wrapped with.
const WRAP_CONTEXT: &[u8] = b"recoup v1 object key";

/// Context from which each key of a chain of log records leads to the next.
const CHAIN_CONTEXT: &str = "recoup v1 log chain";

/// Context from which the key of a chained log record is derived.
const CHAINED_CONTEXT: &str = "recoup v1 log record key";

/// Records that may hang on one wrapped key: a reader goes from one key to the next.
const CHAIN_MAX: u64 = 1 << 20;

/// What the keys of log records follow from: that of one record with a wrapped key leads to the key of
/// the next record, and never back, so a machine that is stolen gives away no record that was written
/// before.
#[derive(Clone)]
pub struct ChainKey {
    /// The number of the record whose key is wrapped.
    first: u64,
    /// The number of the record that the key is for.
    number: u64,
    key: zeroize::Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainKey")
            .field("first", &self.first)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl ChainKey {
    fn begin(first: u64, key: &[u8; 32]) -> Self {
        Self {
            first,
            number: first + 1,
            key: codec::derive_key(CHAIN_CONTEXT, key),
        }
    }

    /// The number of the record whose key is wrapped.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number of the record that the key is for.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Goes on to the record with this number; `false` if that lies before, or too far away.
    #[must_use]
    pub fn advance(&mut self, number: u64) -> bool {
        if number < self.number || number - self.first > CHAIN_MAX {
            return false;
        }
        while self.number < number {
            self.key = codec::derive_key(CHAIN_CONTEXT, &*self.key);
            self.number += 1;
        }
        true
    }

    fn record_key(&self, header: &Header) -> zeroize::Zeroizing<[u8; 32]> {
        let mut material = zeroize::Zeroizing::new([0; 64]);
        material[..32].copy_from_slice(&*self.key);
        material[32..].copy_from_slice(&header.id);
        codec::derive_key(CHAINED_CONTEXT, &*material)
    }
}

/// The chain key that was used last, and of which log it is.
#[derive(Debug, Default)]
pub(crate) struct LastChain(Mutex<Option<(LogId, ChainKey)>>);

impl LastChain {
    pub(crate) fn get(&self) -> Option<(LogId, ChainKey)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, last: (LogId, ChainKey)) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }
}

/// The record whose key the key of this one follows from, if it does.
pub fn chained_to(header: &Header) -> Option<u64> {
    let first = header.wrapped.as_slice().try_into().ok()?;
    Some(u64::from_le_bytes(first))
}

/// Context from which the keys of index runs are derived.
const RUN_CONTEXT: &str = "recoup v1 index run key";

impl ObjectKey {
    /// A new object with a random key, wrapped to the repository's public key. Also gives the bytes of
    /// its header.
    pub fn wrapped(
        object: ObjectType,
        id: &[u8],
        keyset: &Keyset,
        entropy: &dyn Entropy,
    ) -> (Arc<Self>, Vec<u8>) {
        let key = new_key(entropy);
        Self::wrapped_with(&key, object, id, keyset, entropy)
    }

    fn wrapped_with(
        key: &[u8; 32],
        object: ObjectType,
        id: &[u8],
        keyset: &Keyset,
        entropy: &dyn Entropy,
    ) -> (Arc<Self>, Vec<u8>) {
        let mut header = Header::new(object, keyset.repository(), id, Vec::new());
        header.wrapped = keyset.wrap(key, &wrap_info(&header), entropy);
        Self::opened(header, key, keyset)
    }

    /// A new log record with a random key, from which those of the records behind it follow.
    pub fn first_of_chain(
        number: u64,
        id: &[u8],
        keyset: &Keyset,
        entropy: &dyn Entropy,
    ) -> (Arc<Self>, Vec<u8>, ChainKey) {
        let key = new_key(entropy);
        let (object, bytes) = Self::wrapped_with(&key, ObjectType::LogRecord, id, keyset, entropy);
        (object, bytes, ChainKey::begin(number, &key))
    }

    /// A new log record whose key follows from that of an earlier one.
    pub fn chained(chain: &ChainKey, id: &[u8], keyset: &Keyset) -> (Arc<Self>, Vec<u8>) {
        let first = chain.first.to_le_bytes().to_vec();
        let header = Header::new(ObjectType::LogRecord, keyset.repository(), id, first);
        let key = chain.record_key(&header);
        Self::opened(header, &key, keyset)
    }

    /// A new index run, whose key every holder of the index key can derive.
    pub fn derived(id: &[u8], keyset: &Keyset) -> (Arc<Self>, Vec<u8>) {
        let header = Header::new(ObjectType::IndexRun, keyset.repository(), id, Vec::new());
        let key = run_key(keyset, &header);
        Self::opened(header, &key, keyset)
    }

    fn opened(header: Header, key: &[u8; 32], keyset: &Keyset) -> (Arc<Self>, Vec<u8>) {
        let mut bytes = header.encode();
        let commitment = keyset.commit(key, &bytes);
        bytes.extend_from_slice(&commitment);
        (
            Arc::new(Self {
                header,
                key: SealKey::new(key),
            }),
            bytes,
        )
    }

    /// Opens the header of a stored object, refusing one that is not `object` with `id`.
    pub fn open(
        bytes: &[u8],
        object: ObjectType,
        id: &[u8],
        keyset: &Keyset,
        name: &dyn ToString,
    ) -> Result<Arc<Self>> {
        let (header, commitment) = read_header(bytes, object, id, keyset, name)?;
        let key = if object == ObjectType::IndexRun {
            run_key(keyset, &header)
        } else {
            unwrap(&header, keyset, name)?
        };
        Self::verified(header, &commitment, &key, keyset, name)
    }

    /// Opens the header of a log record. `chain` gives the key that the record with the first number
    /// leads to for the second.
    pub fn open_record(
        bytes: &[u8],
        (id, number): (&[u8], u64),
        keyset: &Keyset,
        name: &dyn ToString,
        chain: impl FnOnce(u64) -> Result<ChainKey>,
    ) -> Result<Arc<Self>> {
        let (header, commitment) = read_header(bytes, ObjectType::LogRecord, id, keyset, name)?;
        let key = match chained_to(&header) {
            Some(first) if first < number => chain(first)?.record_key(&header),
            Some(_) => {
                let why = "its key follows from that of a later record";
                return Err(RepositoryError::damaged(name.to_string(), why));
            }
            None => unwrap(&header, keyset, name)?,
        };
        Self::verified(header, &commitment, &key, keyset, name)
    }

    /// What the keys behind a log record follow from.
    pub fn chain_from(
        bytes: &[u8],
        (id, number): (&[u8], u64),
        keyset: &Keyset,
        name: &dyn ToString,
    ) -> Result<ChainKey> {
        let (header, commitment) = read_header(bytes, ObjectType::LogRecord, id, keyset, name)?;
        let key = unwrap(&header, keyset, name)?;
        Self::verified(header, &commitment, &key, keyset, name)?;
        Ok(ChainKey::begin(number, &key))
    }

    fn verified(
        header: Header,
        commitment: &[u8; codec::COMMITMENT_BYTES],
        key: &[u8; 32],
        keyset: &Keyset,
        name: &dyn ToString,
    ) -> Result<Arc<Self>> {
        keyset
            .verify_commitment(key, &header.encode(), commitment)
            .map_err(|_| {
                RepositoryError::damaged(
                    name.to_string(),
                    "no key of this repository wrote its header",
                )
            })?;
        Ok(Arc::new(Self {
            header,
            key: SealKey::new(key),
        }))
    }

    /// Length of the header with its commitment.
    pub fn header_len(&self) -> usize {
        self.header.encoded_len()
    }

    /// Seals `buffer[from..]` as the part that lies at `offset`.
    pub fn seal(&self, part: Part, offset: u64, buffer: &mut Vec<u8>, from: usize) {
        self.key
            .seal(offset, &self.header.additional_data(part), buffer, from);
    }

    /// Opens the part that lies at `offset`.
    pub fn unseal<'b>(
        &self,
        part: Part,
        offset: u64,
        buffer: &'b mut [u8],
        name: &dyn ToString,
    ) -> Result<&'b mut [u8]> {
        self.key
            .open(offset, &self.header.additional_data(part), buffer)
            .map_err(|error| RepositoryError::codec(name.to_string(), &error))
    }
}

fn new_key(entropy: &dyn Entropy) -> zeroize::Zeroizing<[u8; 32]> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    entropy.fill(&mut *key);
    key
}

fn read_header(
    bytes: &[u8],
    object: ObjectType,
    id: &[u8],
    keyset: &Keyset,
    name: &dyn ToString,
) -> Result<(Header, [u8; codec::COMMITMENT_BYTES])> {
    let (header, commitment) =
        Header::decode(bytes).map_err(|error| RepositoryError::format(name.to_string(), &error))?;
    let misplaced = header.object != object
        || header.repository != keyset.repository()
        || header.id[..id.len()] != *id
        || header.id[id.len()..].iter().any(|&byte| byte != 0);
    if misplaced {
        return Err(RepositoryError::damaged(
            name.to_string(),
            "its header names another object",
        ));
    }
    Ok((header, commitment))
}

fn unwrap(
    header: &Header,
    keyset: &Keyset,
    name: &dyn ToString,
) -> Result<zeroize::Zeroizing<[u8; 32]>> {
    keyset
        .unwrap(&header.wrapped, &wrap_info(header))
        .map_err(|error| RepositoryError::codec(name.to_string(), &error))
}

/// Ties a wrapped key to its object: moved into another header it does not unwrap.
fn wrap_info(header: &Header) -> Vec<u8> {
    let object = [header.object as u8];
    [
        WRAP_CONTEXT,
        header.repository.as_bytes(),
        &object,
        &header.id,
    ]
    .concat()
}

fn run_key(keyset: &Keyset, header: &Header) -> zeroize::Zeroizing<[u8; 32]> {
    let mut material = zeroize::Zeroizing::new([0; 64]);
    material[..32].copy_from_slice(keyset.index_key());
    material[32..].copy_from_slice(&header.id);
    codec::derive_key(RUN_CONTEXT, &*material)
}

#[cfg(test)]
mod tests {
    use model::{RepositoryId, Timestamp};

    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            let next = || self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            buffer.iter_mut().for_each(|byte| *byte = next());
        }
    }

    #[test]
    fn a_wrapped_key_opens_nothing_but_its_object() {
        let entropy = Counting(0.into());
        let keyset = Keyset::generate(
            RepositoryId([7; 16]),
            Timestamp::default(),
            codec::ChunkParams::default(),
            codec::MapParams::default(),
            &entropy,
        )
        .unwrap();
        let (_, bytes) = ObjectKey::wrapped(ObjectType::MapPack, &[5; 16], &keyset, &entropy);
        let (header, _) = Header::decode(&bytes).unwrap();
        let unwraps = |header: &Header| keyset.unwrap(&header.wrapped, &wrap_info(header)).is_ok();
        assert!(unwraps(&header));
        let moved = |object, repository, id: [u8; 16]| {
            unwraps(&Header::new(
                object,
                repository,
                &id,
                header.wrapped.clone(),
            ))
        };
        let own = header.repository;
        assert!(moved(ObjectType::MapPack, own, [5; 16]));
        assert!(!moved(ObjectType::DataPack, own, [5; 16]));
        assert!(!moved(ObjectType::MapPack, RepositoryId([8; 16]), [5; 16]));
        assert!(!moved(ObjectType::MapPack, own, [6; 16]));
    }
}
