//! Key-value stores as sources: what a person can do with a tree of files they can do with an etcd.
//!
//! A store is a map like any other: its keys become paths, its values entries of the kind `value`. The
//! engine of undo, its plans, records and conflicts, the log of points and the way content is cut are those
//! of files; what is here is how a store is looked at, followed and written. Modules are listed in reading
//! order and import only earlier ones.

pub mod error;
pub mod value;
mod gather;
mod capture;
pub mod backup;
pub mod restore;
mod ground;
mod propose;
pub mod options;
mod waiting;
mod watch;

pub use backup::{Options, Report, backup, revision_of};
pub use capture::{compare_live, look};
pub use error::{KeyspaceError, Result};
pub use ground::Keyspace;
pub use options::{Event, WatchOptions};
pub use restore::{Restored, restorable, restore};
pub use watch::watch;
