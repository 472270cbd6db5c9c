//! The repository: packs, index, maps at rest, keys, check and repair. The only writer of stored data.
//!
//! Knows nothing of sources, file systems or the terminal. Modules are listed in reading order and
//! import only earlier ones.

pub mod error;
pub mod recent;
mod memory;
pub mod object;
pub mod pack;
pub mod run;
pub mod index;
pub mod keys;
pub mod location;
pub mod repository;
pub mod blobs;
pub mod snapshots;
pub mod compact;
pub mod session;
pub mod packer;
pub mod nodes;
pub mod maps;
pub mod log;
pub mod operations;
mod overlay;
pub mod timeline;
pub mod incidents;
pub mod check_report;
mod check_data;
mod check_logs;
pub mod check;
pub mod repair;

pub use check_report::{CheckOptions, CheckReport, Finding};
pub use error::RepositoryError;
pub use incidents::{KnownIncident, KnownIncidents};
pub use keys::{KeyInfo, NewKey};
pub use location::{Location, Segment};
pub use log::{LogEnd, Numbered};
pub use maps::{Changes, Entries, Gap};
pub use nodes::{MapReader, MapWriter};
pub use packer::Packer;
pub use repair::{Rebuilt, RepairOptions};
pub use repository::{Repository, Warning};
pub use session::{Session, Written};
pub use snapshots::Stored;
pub use timeline::{Appended, Timeline, TimelineEntry};
