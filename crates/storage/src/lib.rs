//! Where the bytes of a repository lie.
//!
//! A [`Storage`] holds named objects that are written once and read in parts. It knows nothing of what
//! the bytes mean, nothing of keys and nothing of sources. Modules are listed in reading order and
//! import only earlier ones.

mod name;
mod error;
mod storage;
mod memory;
mod local;
mod count;
mod fault;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;

pub use count::{Counters, CountingStorage, Verb};
pub use error::{Result, StorageError};
pub use fault::{FaultKind, FaultyStorage};
pub use local::LocalStorage;
pub use memory::MemoryStorage;
pub use name::{ObjectKind, ObjectName, ObjectNameError};
pub use storage::{ObjectWriter, Storage};
