//! What all parts of a run share.

use model::{Cancel, Monitor, Timestamp};
use repository::Repository;

use crate::options::BackupOptions;

/// One run.
pub(crate) struct Context<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) options: &'a BackupOptions,
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) cancel: &'a Cancel,
    pub(crate) began: Timestamp,
}
