//! Names of stored things: keyed BLAKE3, so that nobody without the key can test for known content.

use std::fmt;

use model::{BlobId, LogId, SnapshotId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Separates snapshot ids from blob ids. Part of the format: never change.
const SNAPSHOT_CONTEXT: &str = "recoup v1 snapshot id";

/// Separates names and links of logs from everything else. Part of the format: never change.
const LOG_CONTEXT: &str = "recoup v1 log";

/// Makes blob and snapshot ids, and what names and links logs.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct IdKey {
    blob: [u8; 32],
    snapshot: [u8; 32],
    log: [u8; 32],
}

impl IdKey {
    /// The key with these bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            blob: key,
            snapshot: blake3::derive_key(SNAPSHOT_CONTEXT, &key),
            log: blake3::derive_key(LOG_CONTEXT, &key),
        }
    }

    /// The id of a blob.
    pub fn blob_id(&self, plain: &[u8]) -> BlobId {
        BlobId(*blake3::keyed_hash(&self.blob, plain).as_bytes())
    }

    /// The id of a snapshot record; never the id of a blob with the same bytes.
    pub fn snapshot_id(&self, record: &[u8]) -> SnapshotId {
        SnapshotId(*blake3::keyed_hash(&self.snapshot, record).as_bytes())
    }

    /// The id of the log of this: of `operations`, or of the points of a source.
    pub fn log_id(&self, of: &[u8]) -> LogId {
        let mut id = LogId([0; 16]);
        id.0.copy_from_slice(&self.log_hash(of)[..16]);
        id
    }

    /// What links a record of a log to the record before it, and what names a plan.
    pub fn log_hash(&self, record: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.log, record).as_bytes()
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(..)")
    }
}

/// A key made from key material that has its full entropy (never from a password). `context` is a
/// hard-coded sentence that no other use shares.
pub fn derive_key(context: &'static str, material: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(blake3::derive_key(context, material))
}
