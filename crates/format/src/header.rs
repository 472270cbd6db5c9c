//! The header that opens every sealed object, and what ties its parts to their places.

use model::RepositoryId;

use crate::VERSION;
use crate::bytes::Reader;
use crate::error::FormatError;

/// First bytes of every sealed object: a byte that no text has, the name, and a line end that a
/// transfer in text mode would damage.
pub const MAGIC: [u8; 8] = *b"\x89RECOUP\n";

/// Longest wrapped key that a header may carry: an X-Wing encapsulation with a sealed key is 1,168.
pub const WRAPPED_BYTES_MAX: usize = 4096;

/// Bytes of the header before the wrapped key.
const FIXED_BYTES: usize = 64;

/// Bytes of the commitment that ends a header.
pub const COMMITMENT_BYTES: usize = 32;

/// What a sealed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ObjectType {
    /// A pack of file data.
    DataPack = 1,
    /// A pack of map nodes and lists.
    MapPack = 2,
    /// A snapshot record.
    Snapshot = 3,
    /// A run of the index.
    IndexRun = 4,
    /// A record of a log.
    LogRecord = 5,
}

impl ObjectType {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::DataPack,
            2 => Self::MapPack,
            3 => Self::Snapshot,
            4 => Self::IndexRun,
            5 => Self::LogRecord,
            _ => return None,
        })
    }
}

/// Which part of an object is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// A segment of a pack.
    Segment = 1,
    /// The footer of a pack.
    Footer = 2,
    /// A whole record.
    Record = 3,
    /// A block of an index run.
    Block = 4,
    /// The directory of an index run.
    Directory = 5,
}

/// The header of a sealed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub object: ObjectType,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// Its id; shorter ids are followed by zeros.
    pub id: [u8; 32],
    /// The key of the object, wrapped to the repository's public key; empty where the key is derived.
    pub wrapped: Vec<u8>,
}

impl Header {
    /// A header for the object with these id bytes (at most 32).
    pub fn new(object: ObjectType, repository: RepositoryId, id: &[u8], wrapped: Vec<u8>) -> Self {
        let mut padded = [0; 32];
        padded[..id.len()].copy_from_slice(id);
        Self {
            object,
            repository,
            id: padded,
            wrapped,
        }
    }

    /// The bytes before the commitment: what the commitment covers.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.push(self.object as u8);
        out.push(0);
        out.extend_from_slice(&(self.wrapped.len() as u32).to_le_bytes());
        out.extend_from_slice(self.repository.as_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.wrapped);
        out
    }

    /// Length of the whole header with its commitment: where the body begins.
    pub fn encoded_len(&self) -> usize {
        FIXED_BYTES + self.wrapped.len() + COMMITMENT_BYTES
    }

    /// Longest header there can be: enough to read of an object to have its header.
    pub const BYTES_MAX: usize = FIXED_BYTES + WRAPPED_BYTES_MAX + COMMITMENT_BYTES;

    /// Decodes a header from the front of an object; also gives its commitment.
    pub fn decode(bytes: &[u8]) -> Result<(Self, [u8; COMMITMENT_BYTES]), FormatError> {
        const WHAT: &str = "object header";
        let mut reader = Reader::new(bytes, WHAT);
        if reader.array::<8>()? != MAGIC {
            return Err(reader.malformed());
        }
        let version = reader.u16()?;
        if version > VERSION {
            return Err(FormatError::Newer {
                what: WHAT,
                found: version.into(),
                known: VERSION,
            });
        }
        let object = ObjectType::from_code(reader.u8()?);
        let reserved = reader.u8()?;
        let wrapped_len = reader.u32()? as usize;
        let (Some(object), 1, 0, ..=WRAPPED_BYTES_MAX) = (object, version, reserved, wrapped_len)
        else {
            return Err(reader.malformed());
        };
        let repository = RepositoryId(reader.array()?);
        let id = reader.array()?;
        let wrapped = reader.take(wrapped_len)?.to_vec();
        let commitment = reader.array()?;
        Ok((
            Self {
                object,
                repository,
                id,
                wrapped,
            },
            commitment,
        ))
    }

    /// Additional data that ties a sealed part to its repository, object and role. Its position is
    /// tied by the nonce, which is its offset in the object.
    pub fn additional_data(&self, part: Part) -> [u8; 50] {
        let mut out = [0; 50];
        out[0] = self.object as u8;
        out[1] = part as u8;
        out[2..18].copy_from_slice(self.repository.as_bytes());
        out[18..].copy_from_slice(&self.id);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header::new(
            ObjectType::MapPack,
            RepositoryId([7; 16]),
            &[9; 16],
            vec![1, 2, 3],
        )
    }

    #[test]
    fn a_header_round_trips() {
        let mut bytes = sample().encode();
        bytes.extend_from_slice(&[5; COMMITMENT_BYTES]);
        assert_eq!(bytes.len(), sample().encoded_len());
        assert_eq!(Header::decode(&bytes), Ok((sample(), [5; 32])));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut good = sample().encode();
        good.extend_from_slice(&[5; COMMITMENT_BYTES]);
        for len in 0..good.len() {
            assert!(Header::decode(&good[..len]).is_err(), "{len} bytes");
        }
        let mut newer = good.clone();
        newer[8] = 2;
        assert!(matches!(
            Header::decode(&newer),
            Err(FormatError::Newer { found: 2, .. })
        ));
        let mut huge = good;
        huge[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Header::decode(&huge).is_err());
    }
}
