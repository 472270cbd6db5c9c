//! Why watching ended. Messages fit after "failed to".

use backup::BackupError;
use repository::RepositoryError;
use source::SourceError;

/// What watching returns.
pub type Result<T, E = TimelineError> = std::result::Result<T, E>;

/// Why watching ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimelineError {
    /// The repository refused.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The live tree could not be read at all.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The directory that is watched is there no more.
    #[error("watch {}: it is gone, or another directory is in its place; what is stored stays", .0.display())]
    RootGone(std::path::PathBuf),
    /// The live tree can't be watched.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl TimelineError {
    /// Whether somebody asked to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Backup(BackupError::Cancelled))
    }

    /// Whether it is the live tree that could not be read.
    pub(crate) fn is_of_source(&self) -> bool {
        matches!(self, Self::Source(_) | Self::Backup(BackupError::Source(_)))
    }

    /// Whether trying again later may help: a disk that is full or away, a network that is down.
    /// What was seen meanwhile is kept in mind, and becomes a point then.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Repository(error) | Self::Backup(BackupError::Repository(error)) => {
                error.may_pass()
            }
            _ => false,
        }
    }
}
