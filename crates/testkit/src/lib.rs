//! Fixtures for tests: trees of every odd kind, pictures of trees and snapshots that can be compared,
//! repositories on any storage, repeatable randomness, a server that remembers what it was asked.
//!
//! A dev-dependency only. Pictures are taken with code of their own: neither the scan nor the restore
//! that they judge has a part in them. Modules are listed in reading order.

pub mod random;
pub mod tree;
pub mod picture;
pub mod snapshot;
pub mod lab;
pub mod receiver;

pub use lab::{Lab, options};
pub use picture::{Picture, Shot};
pub use random::{Random, SeededEntropy};
pub use snapshot::picture_of;
pub use tree::{Tree, build, mutate};

/// Whether the long form of the tests is asked for.
pub fn is_long() -> bool {
    std::env::var_os("RECOUP_LONG").is_some_and(|value| value != "0")
}
