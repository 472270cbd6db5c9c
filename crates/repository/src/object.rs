//! Sealed objects: a header that carries or names the key, a commitment to it, sealed parts.

use std::sync::Arc;

use codec::{Keyset, SealKey};
use format::{Header, ObjectType, Part};
use model::Entropy;

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
        let mut key = zeroize::Zeroizing::new([0; 32]);
        entropy.fill(&mut *key);
        let mut header = Header::new(object, keyset.repository(), id, Vec::new());
        header.wrapped = keyset.wrap(&key, &wrap_info(&header), entropy);
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
        let (header, commitment) = Header::decode(bytes)
            .map_err(|error| RepositoryError::format(name.to_string(), &error))?;
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
        let key = if object == ObjectType::IndexRun {
            run_key(keyset, &header)
        } else {
            keyset
                .unwrap(&header.wrapped, &wrap_info(&header))
                .map_err(|error| RepositoryError::codec(name.to_string(), &error))?
        };
        keyset
            .verify_commitment(&key, &header.encode(), &commitment)
            .map_err(|_| {
                RepositoryError::damaged(
                    name.to_string(),
                    "no key of this repository wrote its header",
                )
            })?;
        Ok(Arc::new(Self {
            header,
            key: SealKey::new(&key),
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
