//! Why a key-value store could not be protected or brought back. Messages fit after "failed to".

use backup::BackupError;
use etcd::EtcdError;
use repository::RepositoryError;
use timeline::TimelineError;
use undo::UndoError;

/// What this crate returns.
pub type Result<T, E = KeyspaceError> = std::result::Result<T, E>;

/// Why the work ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyspaceError {
    /// The live store refused.
    #[error("work on etcd: {0}")]
    Etcd(#[from] EtcdError),
    /// The repository refused.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A value could not be stored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The timeline refused.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// The map could not be built.
    #[error("build the map: {why}")]
    Map {
        /// What was wrong.
        why: String,
    },
    /// A map holds what is no key or value of such a store.
    #[error("read {}: it is no key of a key-value store", String::from_utf8_lossy(.path))]
    Foreign {
        /// The path.
        path: Vec<u8>,
    },
    /// Keys stand where a whole state is to be restored.
    #[error("restore to {target}: it holds {keys} keys, and a restore goes where there are none")]
    NotEmpty {
        /// Where.
        target: String,
        /// How many.
        keys: u64,
    },
    /// A key keeps its name, and has none there.
    #[error("restore to {target}: the key {key} lies outside of it")]
    Outside {
        /// Where.
        target: String,
        /// Such a key.
        key: String,
    },
    /// Somebody wrote to the target while it was being filled.
    #[error("restore to {target}: {keys} keys were not written or are something else now")]
    NotRestored {
        /// Where.
        target: String,
        /// How many.
        keys: u64,
    },
    /// A worker ended without a result.
    #[error("finish: a worker thread panicked")]
    WorkerLost,
    /// Somebody asked to stop.
    #[error("finish: interrupted")]
    Cancelled,
}

impl KeyspaceError {
    /// Whether trying again later may help: the disk of the repository is full or away, or the store is.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Repository(error) | Self::Backup(BackupError::Repository(error)) => {
                error.may_pass()
            }
            Self::Timeline(error) => error.may_pass(),
            Self::Etcd(EtcdError::Unreachable { .. } | EtcdError::Overloaded { .. }) => true,
            _ => false,
        }
    }
}

/// For an undo, before its first step.
impl From<KeyspaceError> for UndoError {
    fn from(error: KeyspaceError) -> Self {
        match error {
            KeyspaceError::Repository(error) => Self::Repository(error),
            KeyspaceError::Backup(error) => Self::Backup(error),
            other => Self::Live {
                source: Box::new(other),
                untouched: true,
            },
        }
    }
}
