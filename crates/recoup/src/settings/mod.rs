//! What was asked for: flags, then the environment, then the config file, then what is usual.

pub(crate) mod directories;
mod nearest;
pub(crate) mod on_incident;
pub(crate) mod config;
pub(crate) mod global;
pub(crate) mod resolved;

pub(crate) use global::Global;
pub(crate) use resolved::{SecretSource, Settings};
