//! What a check is asked, and what it found.

use model::{PackId, SnapshotId};
use storage::StorageError;

use crate::error::{RepositoryError, Result};

/// How much to check.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CheckOptions {
    /// Read all data, not only maps and lists.
    pub read_data: bool,
    /// Of the packs, read only this share, between 0 and 1.
    pub sample: Option<f64>,
    /// Chooses the sample.
    pub seed: u64,
    /// Threads that read data.
    pub threads: usize,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which object or blob.
    pub object: String,
    /// What is wrong.
    pub message: String,
    /// Which snapshot suffers, where it is known.
    pub snapshot: Option<SnapshotId>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What is damaged or missing.
    pub damaged: Vec<Finding>,
    /// Packs that no index run lists: left behind by an interrupted backup, or an index run is lost.
    pub unindexed: Vec<PackId>,
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Packs looked at.
    pub packs: u64,
    /// Map nodes looked at.
    pub nodes: u64,
    /// Blobs whose bytes were read and compared with their ids.
    pub blobs_read: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
}

impl CheckReport {
    pub(crate) fn find(&mut self, error: &RepositoryError, snapshot: Option<SnapshotId>) {
        let object = match error {
            RepositoryError::Damaged { object, .. }
            | RepositoryError::Newer { object, .. }
            | RepositoryError::NewerField { object, .. } => object.clone(),
            RepositoryError::BlobMissing { id } => format!("blob {id}"),
            RepositoryError::Storage(
                StorageError::Missing { name }
                | StorageError::Truncated { name, .. }
                | StorageError::TooLarge { name, .. },
            ) => name.to_string(),
            _ => "repository".to_owned(),
        };
        let finding = Finding {
            object,
            message: error.to_string(),
            snapshot,
        };
        if !self.damaged.contains(&finding) {
            self.damaged.push(finding);
        }
    }

    /// Takes damage as a finding and lets every other error end the check.
    pub(crate) fn note<T>(
        &mut self,
        result: Result<T>,
        snapshot: Option<SnapshotId>,
    ) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_damage() => {
                self.find(&error, snapshot);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
