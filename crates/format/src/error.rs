//! What can be wrong with stored bytes.

use thiserror::Error;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end too early, or a field has a value that it can't have.
    #[error("{what} is malformed")]
    Malformed {
        /// Which object or field.
        what: &'static str,
    },
    /// The object was written by a newer program.
    #[error("{what} has format version {found}, and this program reads up to version {known}")]
    Newer {
        /// Which object.
        what: &'static str,
        /// Its version.
        found: u64,
        /// Newest version known here.
        known: u16,
    },
    /// The record has a field that must be known to read it: a newer program wrote it.
    #[error("{what} was written by a newer Recoup: its field {field} is not known here")]
    NewerField {
        /// Which record.
        what: &'static str,
        /// Number of the field.
        field: u64,
    },
    /// The object is not what its place says.
    #[error("{what} is not what its name says")]
    Misplaced {
        /// Which object.
        what: &'static str,
    },
}

impl FormatError {
    /// A field or object that can't be decoded.
    pub(crate) fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }
}
