//! Backing up a file tree: scan, read what changed, chunk, seal, pack, and build the map.
//!
//! One thread walks the scan and the change cache side by side; workers read and store what the cache
//! does not vouch for; the results come back in key order and become the map and the next cache.
//! Modules are listed in reading order and import only earlier ones.

pub mod error;
pub mod options;
pub mod cache;
mod sink;
mod context;
mod batch;
mod content;
mod worker;
mod large;
mod pipeline;
mod assemble;
mod run;
mod live;
mod look;
mod bytes;

pub use bytes::{content_of_bytes, store_bytes};
pub use error::BackupError;
pub use live::compare_live;
pub use look::{Looked, look, look_and_store};
pub use options::{BackupOptions, Counts, Problem, Report, Selection};
pub use run::{backup, dry_run};
