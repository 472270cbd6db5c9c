//! Why storage could not do what it was asked. Messages fit after "failed to".

use crate::name::ObjectName;
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What storage operations return.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Why storage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is no object of this name.
    #[error("find {name}: there is no such object")]
    Missing {
        /// Which object.
        name: ObjectName,
    },
    /// The name is taken; the object that has it is durable.
    #[error("create {name}: it exists already")]
    AlreadyExists {
        /// Which object.
        name: ObjectName,
    },
    /// The object ends before the bytes that were asked for.
    #[error("read {name}: it ends after {have} bytes where {wanted} are needed")]
    Truncated {
        /// Which object.
        name: ObjectName,
        /// Where the wanted bytes end.
        wanted: u64,
        /// Where the object ends.
        have: u64,
    },
    /// The object is larger than any genuine one of its kind, and was not read into memory.
    #[error(
        "read {name}: {have} bytes are more than the {limit} that an object of its kind can have"
    )]
    TooLarge {
        /// Which object.
        name: ObjectName,
        /// Its length.
        have: u64,
        /// The longest allowed.
        limit: u64,
    },
    /// No space is left, or the quota is used up.
    #[error("{action} {what}: the storage is full")]
    Full {
        /// Which verb.
        action: &'static str,
        /// Object or path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// No repository is at this place.
    #[error("open {}: there is no repository (it has no file \"config\")", path.display())]
    NotARepository {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A repository can't be made here: the directory holds something else.
    #[error("create a repository in {}: the directory is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The place can't be reached: a network mount is gone, a device was pulled.
    #[error("{action} {what}: the storage can't be reached")]
    Unreachable {
        /// Which verb.
        action: &'static str,
        /// Object or path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The place can be read but not written.
    #[error("{action} {what}: the storage is read-only")]
    ReadOnly {
        /// Which verb.
        action: &'static str,
        /// Object or path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The user that runs the program may not do this.
    #[error("{action} {what}: permission denied")]
    PermissionDenied {
        /// Which verb.
        action: &'static str,
        /// Object or path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused for another reason.
    #[error("{action} {what}")]
    Io {
        /// Which verb.
        action: &'static str,
        /// Object or path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl StorageError {
    /// Sorts what the system said into the kinds that callers tell apart.
    pub fn from_io(
        action: &'static str,
        what: impl fmt::Display,
        source: impl Into<io::Error>,
    ) -> Self {
        let source = source.into();
        let what = what.to_string();
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full {
                action,
                what,
                source,
            },
            Some(Errno::ROFS) => Self::ReadOnly {
                action,
                what,
                source,
            },
            Some(Errno::ACCESS | Errno::PERM) => Self::PermissionDenied {
                action,
                what,
                source,
            },
            Some(
                Errno::STALE
                | Errno::NOTCONN
                | Errno::TIMEDOUT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::NODEV
                | Errno::NXIO
                | Errno::REMOTEIO,
            ) => Self::Unreachable {
                action,
                what,
                source,
            },
            _ => Self::Io {
                action,
                what,
                source,
            },
        }
    }

    /// Whether the object is not there, as opposed to not readable.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// Whether the name was taken.
    pub fn already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists { .. })
    }

    /// Whether no space was left.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}
