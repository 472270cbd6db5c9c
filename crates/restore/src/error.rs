//! Why a restore ended early. Messages fit after "failed to".
//!
//! Trouble with one path among many is no error of the whole: it is listed in the report.

use std::path::PathBuf;

use repository::RepositoryError;
use source::SourceError;

/// What the work returns.
pub type Result<T, E = RestoreError> = std::result::Result<T, E>;

/// Why a restore ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The repository could not be read.
    #[error(transparent)]
    Repository(RepositoryError),
    /// The target could not be written to.
    #[error("write the target: {0}")]
    Target(SourceError),
    /// The snapshot has nothing at this path.
    #[error("find {path} in the snapshot: it holds no such path")]
    NotFound {
        /// Relative to the root, with slashes.
        path: String,
    },
    /// The target can't be what is asked for.
    #[error("restore to {}: {why}", .path.display())]
    Unusable {
        /// The target.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// What the snapshot lacks can't be told from what could not be read when it was made.
    #[error(
        "remove what the snapshot does not hold: it is partial, {unread} paths could not be read \
         when it was made"
    )]
    Partial {
        /// How many.
        unread: u64,
    },
    /// There is not enough room; found before anything was written.
    #[error(
        "restore to {}: {needed} bytes are needed and {available} are free", .path.display()
    )]
    NoRoom {
        /// The target.
        path: PathBuf,
        /// Bytes that would be written.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// The room ran out, or the quota was used up, while writing. No half file was left.
    #[error("write {}: no space left", .path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// Somebody asked to stop. No half file was left.
    #[error("finish: interrupted")]
    Cancelled,
}

impl From<RepositoryError> for RestoreError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Cancelled => Self::Cancelled,
            error => Self::Repository(error),
        }
    }
}

impl From<SourceError> for RestoreError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Full { path, .. } => Self::Full { path },
            SourceError::Cancelled => Self::Cancelled,
            error => Self::Target(error),
        }
    }
}

impl RestoreError {
    /// Whether there was or would be no room for it.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::NoRoom { .. } | Self::Full { .. })
    }
}
