//! A live etcd: range, watch, apply by transactions.
//!
//! Calls block; the runtime that carries the connections is inside. This crate knows nothing of
//! repositories, of merging or of the terminal: it yields what is there and what happens, and writes what
//! it is told where that is still what was expected. Modules are listed in reading order.

pub mod error;
pub mod keys;
pub mod address;
pub mod settings;
mod wire;
mod wire_watch;
mod connection;
pub mod value;
pub mod client;
pub mod upkeep;
mod stride;
pub mod pages;
pub mod event;
pub mod watch;
pub mod write;
pub mod batch;
mod pace;
mod doubt;
pub mod apply;
#[cfg(feature = "testing")]
pub mod testing;

pub use address::{Address, Endpoint};
pub use apply::{Applied, Applier, Mismatch};
pub use batch::Limits;
pub use client::Client;
pub use error::EtcdError;
pub use event::{Event, Gap, Revision, Seen};
pub use pages::{Page, Pages};
pub use settings::{Identity, Login, Settings, Tls};
pub use upkeep::{KeysHash, Status};
pub use value::KeyValue;
pub use watch::Watch;
pub use write::{Expect, Lease, Outcome, Write};
