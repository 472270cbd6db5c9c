//! The ordered Merkle map: keys to values in a tree of nodes whose boundaries depend on the keys alone,
//! so that equal contents give equal trees whatever their history was.
//!
//! Knows nothing of disks, clocks, encryption or what keys and values mean: nodes come from a
//! [`NodeStore`] and go to a [`NodeSink`]. Modules are in reading order and import only earlier ones
//! (the blank lines between them keep the formatter from sorting across).

mod varint;

mod node;

mod boundary;
mod store;
mod writer;

mod builder;
mod map;

mod cursor;
mod diff;
mod edit;
mod walk;

pub use boundary::{ENTRY_WEIGHT, Params, ParamsError, WEIGHT_MAX};
pub use builder::{BuildError, Builder};
pub use cursor::Cursor;
pub use diff::{Diff, Difference, diff};
pub use edit::{EditError, edit};
pub use map::{Map, MapError, Totals};
pub use node::{
    Child, DECODED_BYTES_MAX, FORMAT_VERSION, KEY_BYTES_MAX, LEVEL_MAX, MAGIC, NODE_BYTES_MAX,
    Node, NodeError, VALUE_BYTES_MAX,
};
pub use store::{Measure, NodeSink, NodeStore};
pub use walk::{node_ids, walk};
