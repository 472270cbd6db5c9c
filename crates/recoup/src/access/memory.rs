//! What this machine has seen of a repository: a store that loses snapshots or keys, or shows an older
//! state of itself, is noticed by `check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model::{KeyId, RepositoryId, SnapshotId};
use serde::{Deserialize, Serialize};

use crate::exit::Result;
use crate::settings::directories;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Seen {
    v: u8,
    snapshots: BTreeSet<String>,
    keys: BTreeSet<String>,
}

/// The memory of one repository.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    seen: Seen,
    changed: bool,
}

impl Memory {
    /// Reads it; one that can't be read is begun anew, it only helps to notice.
    pub(crate) fn open(state: &Path, repository: RepositoryId) -> Self {
        let path = state.join(format!("{repository}.json"));
        let text = std::fs::read(&path).ok();
        let seen = text.and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            path,
            seen: seen.unwrap_or_default(),
            changed: false,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn saw_snapshots(&mut self, ids: impl IntoIterator<Item = SnapshotId>) {
        for id in ids {
            self.changed |= self.seen.snapshots.insert(id.to_hex());
        }
    }

    pub(crate) fn saw_keys(&mut self, ids: impl IntoIterator<Item = KeyId>) {
        for id in ids {
            self.changed |= self.seen.keys.insert(id.to_hex());
        }
    }

    /// A key that was removed on purpose is not missed.
    pub(crate) fn forget_key(&mut self, id: KeyId) {
        self.changed |= self.seen.keys.remove(&id.to_hex());
    }

    /// Snapshots that were there and are not among these.
    pub(crate) fn missing_snapshots(&self, present: &[SnapshotId]) -> Vec<SnapshotId> {
        let known = self.seen.snapshots.iter().filter_map(|id| id.parse().ok());
        known.filter(|id| !present.contains(id)).collect()
    }

    /// Keys that were there and are not among these.
    pub(crate) fn missing_keys(&self, present: &[KeyId]) -> Vec<KeyId> {
        let known = self.seen.keys.iter().filter_map(|id| id.parse().ok());
        known.filter(|id| !present.contains(id)).collect()
    }

    /// Writes it, if there is anything new.
    pub(crate) fn save(&mut self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.seen.v = 1;
        let text = serde_json::to_vec(&self.seen).map_err(std::io::Error::from)?;
        directories::replace(&self.path, &text)?;
        self.changed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let repository = RepositoryId([1; 16]);
        let mut memory = Memory::open(dir.path(), repository);
        memory.saw_snapshots([SnapshotId([1; 32]), SnapshotId([2; 32])]);
        memory.saw_keys([KeyId([3; 16]), KeyId([4; 16])]);
        memory.save().unwrap();
        let mut memory = Memory::open(dir.path(), repository);
        let present = [SnapshotId([2; 32])];
        assert_eq!(memory.missing_snapshots(&present), [SnapshotId([1; 32])]);
        memory.forget_key(KeyId([3; 16]));
        assert_eq!(memory.missing_keys(&[]), [KeyId([4; 16])]);
    }
}
