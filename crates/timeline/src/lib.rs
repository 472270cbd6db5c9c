//! Continuous protection: a source is watched, and every few seconds its state becomes a point.
//!
//! Modules are listed in reading order and import only earlier ones.

pub mod error;
pub mod thin;
pub mod options;
mod names;
mod sight;
pub mod state;
mod contents;
mod observe;
pub mod incidents;
mod replay;
mod run;
mod away;
mod watch;

pub use error::{Result, TimelineError};
pub use options::{Event, RootEvent, WatchOptions};
pub use thin::{ThinOptions, Thinning, thin};
pub use watch::watch;
