//! What can go wrong with a source as a whole.
//!
//! Trouble with one path among many is not an error of the work: it is handed on as a problem and
//! counted, so that one unreadable file does not end a backup.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use model::key;

/// Why a source can't be scanned, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The place exists but can't be read.
    #[error("can't read {}: {source}", .path.display())]
    Unreadable {
        /// The place.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing at this path.
    #[error("{} does not exist", .path.display())]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// The path leads out of the tree.
    #[error("{} lies outside of the tree", .path.display())]
    Outside {
        /// The path.
        path: PathBuf,
    },
    /// A symbolic link stands where a directory or file was expected.
    #[error("{} is, or leads through, a symbolic link", .path.display())]
    Symlink {
        /// The path.
        path: PathBuf,
    },
    /// The thing at this path is of another kind than it was, or than the work needs.
    #[error("{} is not {expected}", .path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What was expected, with its article: `a regular file`.
        expected: &'static str,
    },
    /// A pattern that can't be understood.
    #[error("can't understand the pattern {pattern:?}: {reason}")]
    Pattern {
        /// The pattern, or the file that holds it.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No room left, or a quota is used up.
    #[error("no space left to {action} {}", .path.display())]
    Full {
        /// What was being done, as `write`.
        action: &'static str,
        /// To what.
        path: PathBuf,
    },
    /// Any other refusal of the system.
    #[error("can't {action} {}: {source}", .path.display())]
    Io {
        /// What was being done, as `read`.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The work was asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

impl SourceError {
    /// The error for `source`, with the variant that says most about it.
    pub fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        let (path, source) = (path.into(), source.into());
        let errno = rustix::io::Errno::from_io_error(&source);
        match errno {
            Some(rustix::io::Errno::NOENT) => Self::NotFound { path },
            Some(rustix::io::Errno::LOOP) => Self::Symlink { path },
            Some(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => {
                Self::Full { action, path }
            }
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }
}

/// The path of the stored key `key` beneath `root`, for messages.
pub fn path_of(root: &Path, key: &[u8]) -> PathBuf {
    if key.is_empty() {
        return root.to_path_buf();
    }
    root.join(OsString::from_vec(key::to_path(key)))
}
