//! Why a backup could not be made. Messages fit after "failed to".

use repository::RepositoryError;
use source::SourceError;
use thiserror::Error;

/// What backup operations return.
pub type Result<T, E = BackupError> = std::result::Result<T, E>;

/// Why a backup could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The repository refused.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The source as a whole can't be read.
    #[error(transparent)]
    Source(SourceError),
    /// Somebody asked to stop.
    #[error("finish the backup: interrupted")]
    Cancelled,
    /// A worker ended without a result.
    #[error("finish the backup: a worker thread panicked")]
    WorkerLost,
    /// The map could not be built: keys came in the wrong order or were too long.
    #[error("build the map: {why}")]
    Map {
        /// What was wrong.
        why: String,
    },
}

impl From<SourceError> for BackupError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Cancelled => Self::Cancelled,
            error => Self::Source(error),
        }
    }
}
