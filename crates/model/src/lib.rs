//! The nouns of Recoup: what the other crates talk about.
//!
//! Values only: this crate knows no disk, no clock, no cipher and no terminal. Modules are listed in
//! reading order and import only earlier ones.

pub mod id;
pub mod time;
pub mod key;
pub mod entry;
pub mod snapshot;
pub mod change;
pub mod plan;
pub mod incident;
pub mod operation;
pub mod point;
pub mod monitor;

pub use change::{Change, ChangeKind};
pub use entry::{Content, Device, Entry, Extent, Kind, LinkId, Xattr, Xattrs};
pub use id::{BlobId, IdParseError, KeyId, LogId, PackId, RepositoryId, RunId, SnapshotId};
pub use incident::{Actor, Incident, Level};
pub use key::{KeyError, PathKey};
pub use monitor::{Cancel, Entropy, Monitor, Silent, Step};
pub use operation::{Amounts, Operation};
pub use plan::{Action, Conflict, ConflictKind, Deferred, Kept, Plan};
pub use snapshot::{Names, Snapshot, Totals};
pub use time::Timestamp;
