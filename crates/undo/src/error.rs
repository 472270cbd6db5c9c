//! Why an undo ended early. Messages fit after "failed to".
//!
//! Trouble with one path among many is no error of the whole: it is the result of its step.

use std::path::PathBuf;

use source::SourceError;

/// What the work returns.
pub type Result<T, E = UndoError> = std::result::Result<T, E>;

/// Why an undo ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// The live tree, or the work directory, refused.
    #[error("work on the tree: {0}")]
    Tree(#[from] SourceError),
    /// No directory on the file system of the tree takes the work directory.
    #[error("make a work directory for {} on its file system: {why}", .root.display())]
    NoPlace {
        /// The root of the tree.
        root: PathBuf,
        /// What the last place tried said.
        why: String,
    },
    /// A work directory that somebody else could have made, or could write to.
    #[error("use {}: {why}", .path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An operation of this name has left its work directory behind.
    #[error("begin: {} is there already, resume or abort that operation first", .path.display())]
    Begun {
        /// The work directory.
        path: PathBuf,
    },
    /// The plan is not one that could be run.
    #[error("run the plan: {why}")]
    Plan {
        /// What is wrong with it.
        why: &'static str,
    },
}
