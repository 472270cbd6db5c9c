//! File trees: a source whose keys are paths.
//!
//! Paths are stored keys (components joined by a zero byte) relative to a root that is held open;
//! symbolic links are never followed. Modules are listed in reading order.

pub mod stat;
pub mod busy;
pub mod beneath;
pub mod exclude;
mod walk_list;
mod walk;
pub mod scan;
pub mod read;
pub mod link;
pub mod attributes;
pub mod write;
pub mod watch;

pub use busy::{FileId, Writer, writers_of};
pub use exclude::{ExcludeOptions, Excludes, Reason};
pub use link::{LinkTable, owner_names};
pub use read::{Extents, Look, Stretch, TreeReader, xattrs_at, xattrs_of};
pub use scan::{ScanOptions, ScanSummary, Scanned, scan};
pub use stat::Stat;
