//! Continuous protection: watching, and what came of it.

mod incident_line;
mod alert;
mod trial;
pub(crate) mod incidents;
pub(super) mod tell;
pub(crate) mod watch;
pub(crate) mod timeline;
pub(crate) mod pin;
mod service;
pub(crate) mod protect;
pub(crate) mod status;

/// What is locked while a source is watched.
pub(super) fn watched_lock(source: &[u8]) -> Vec<u8> {
    [b"watch:", source].concat()
}
