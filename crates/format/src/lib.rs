//! The bytes of every stored object; `FORMAT.md` is its documentation.
//!
//! Encoding and decoding only: this crate knows no disk, no cipher and no compression. Decoders take
//! hostile bytes: they never panic, and check every length before they allocate. Modules are listed in
//! reading order and import only earlier ones.

pub mod error;
pub mod bytes;
pub mod header;
pub mod pack;
pub mod index;
pub mod extents;
pub mod fields;
pub mod entry;
pub mod snapshot;
pub mod log;
pub mod plan;
pub mod operation;
pub mod timeline;
pub mod config;
pub mod slot;

pub use config::Config;
pub use error::FormatError;
pub use header::{Header, ObjectType, Part};
pub use slot::{KeySlot, Role, SlotKdf};

/// Version of the format that this program writes.
pub const VERSION: u16 = 1;
