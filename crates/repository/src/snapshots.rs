//! Snapshot records at rest.

use format::snapshot::{SNAPSHOT_BYTES_MAX, decode_snapshot, encode_snapshot};
use format::{ObjectType, Part};
use model::{Snapshot, SnapshotId};
use storage::{ObjectKind, ObjectName};

use crate::error::{RepositoryError, Result};
use crate::object::ObjectKey;
use crate::repository::Repository;

/// A snapshot with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: SnapshotId,
    /// Its record.
    pub snapshot: Snapshot,
}

impl Repository {
    /// Stores a record, durably. The last step of a backup: everything it names is durable already.
    pub fn put_snapshot(&self, snapshot: &Snapshot) -> Result<SnapshotId> {
        let mut record = encode_snapshot(snapshot);
        let id = self.id_key().snapshot_id(&record);
        let name = ObjectName::Snapshot(id);
        RepositoryError::within(name, record.len() as u64, SNAPSHOT_BYTES_MAX)?;
        let (key, mut bytes) = ObjectKey::wrapped(
            ObjectType::Snapshot,
            id.as_bytes(),
            self.keyset(),
            self.entropy(),
        );
        let offset = bytes.len() as u64;
        key.seal(Part::Record, offset, &mut record, 0);
        bytes.extend_from_slice(&record);
        self.storage().put_new(&name, &bytes)?;
        Ok(id)
    }

    /// Reads a record.
    pub fn snapshot(&self, id: SnapshotId) -> Result<Snapshot> {
        let name = ObjectName::Snapshot(id);
        let mut bytes = self.storage().read(&name)?;
        let key = ObjectKey::open(
            &bytes,
            ObjectType::Snapshot,
            id.as_bytes(),
            self.keyset(),
            &name,
        )?;
        let offset = key.header_len();
        let record = key.unseal(Part::Record, offset as u64, &mut bytes[offset..], &name)?;
        if self.id_key().snapshot_id(record) != id {
            return Err(RepositoryError::damaged(
                name,
                "its record belongs to another id",
            ));
        }
        decode_snapshot(record).map_err(|error| RepositoryError::format(name, &error))
    }

    /// All snapshots, oldest first, and what is wrong with those that can't be read.
    pub fn snapshots(&self) -> Result<(Vec<Stored>, Vec<RepositoryError>)> {
        let mut stored = Vec::new();
        let mut damaged = Vec::new();
        for id in self.snapshot_ids()? {
            match self.snapshot(id) {
                Ok(snapshot) => stored.push(Stored { id, snapshot }),
                Err(error) if error.is_damage() => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        stored.sort_by_key(|stored| (stored.snapshot.time, stored.id));
        Ok((stored, damaged))
    }

    /// Ids of all snapshots, without reading them.
    pub fn snapshot_ids(&self) -> Result<Vec<SnapshotId>> {
        let names = self.storage().list(ObjectKind::Snapshot)?;
        Ok(names
            .into_iter()
            .filter_map(|(name, _)| match name {
                ObjectName::Snapshot(id) => Some(id),
                _ => None,
            })
            .collect())
    }
}
