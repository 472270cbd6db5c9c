//! Why the repository could not do what it was asked. Messages fit after "failed to".

use std::fmt::Display;

use codec::CodecError;
use format::FormatError;
use model::BlobId;
use storage::StorageError;
use thiserror::Error;

/// What repository operations return.
pub type Result<T, E = RepositoryError> = std::result::Result<T, E>;

/// Why the repository could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The storage refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An object's bytes are not what was written.
    #[error("read {object}: it is damaged ({why})")]
    Damaged {
        /// Which object.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// An object was written by a newer program.
    #[error("read {object}: it was written by a newer Recoup (format {found}, known is {known})")]
    Newer {
        /// Which object.
        object: String,
        /// Its format.
        found: u64,
        /// The newest format known here.
        known: u16,
    },
    /// A record has a field of a newer program, without which it can't be read.
    #[error(
        "read {object}: it was written by a newer Recoup (its field {field} is not known here)"
    )]
    NewerField {
        /// Which object.
        object: String,
        /// Number of the field.
        field: u64,
    },
    /// No index run lists the blob.
    #[error("read blob {id}: no pack is known to hold it")]
    BlobMissing {
        /// The blob.
        id: BlobId,
    },
    /// The secret opens no key slot.
    #[error("open the repository: the password or key fits none of its {slots} keys")]
    WrongKey {
        /// How many slots were tried.
        slots: usize,
    },
    /// The key can write but not read.
    #[error("read the repository: this key can back up only, not read what is stored")]
    WriteOnlyKey,
    /// The operation needs a key that it did not get.
    #[error("{action}: {why}")]
    Key {
        /// What was to be done.
        action: &'static str,
        /// Why not.
        why: String,
    },
    /// The config is not the one that the key set was made with.
    #[error(
        "open the repository: its config was altered ({why}); `recoup repair config` restores it from the key"
    )]
    ConfigAltered {
        /// What differs.
        why: &'static str,
    },
    /// An object would be longer than any reader takes.
    #[error("write {object}: it would be {len} bytes long, and at most {max} can be read again")]
    TooLong {
        /// Which object.
        object: String,
        /// How long it would be.
        len: u64,
        /// How long it may be.
        max: u64,
    },
    /// Somebody asked to stop.
    #[error("finish: interrupted")]
    Cancelled,
    /// A background thread ended.
    #[error("write the repository: an earlier write failed")]
    Poisoned,
}

impl RepositoryError {
    /// An object whose bytes are not what was written.
    pub(crate) fn damaged(object: impl Display, why: impl Display) -> Self {
        Self::Damaged {
            object: object.to_string(),
            why: why.to_string(),
        }
    }

    /// Refuses to write an object that could not be read again.
    pub(crate) fn within(object: impl Display, len: u64, max: u64) -> Result<()> {
        if len <= max {
            return Ok(());
        }
        Err(Self::TooLong {
            object: object.to_string(),
            len,
            max,
        })
    }

    /// What a format error in `object` means.
    pub(crate) fn format(object: impl Display, error: &FormatError) -> Self {
        match *error {
            FormatError::Newer { found, known, .. } => Self::Newer {
                object: object.to_string(),
                found,
                known,
            },
            FormatError::NewerField { field, .. } => Self::NewerField {
                object: object.to_string(),
                field,
            },
            _ => Self::damaged(object, error),
        }
    }

    /// What a codec error in `object` means.
    pub(crate) fn codec(object: impl Display, error: &CodecError) -> Self {
        match error {
            CodecError::WriteOnlyKey => Self::WriteOnlyKey,
            _ => Self::damaged(object, error),
        }
    }

    /// Whether trying again later may help: a disk that is full or away, a network that is down.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Storage(_)) && !self.is_damage()
    }

    /// Whether the error says that stored bytes are wrong or gone, so that other objects may still be
    /// readable.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Newer { .. }
                | Self::NewerField { .. }
                | Self::BlobMissing { .. }
                | Self::Storage(
                    StorageError::Missing { .. }
                        | StorageError::Truncated { .. }
                        | StorageError::TooLarge { .. }
                )
        )
    }
}
