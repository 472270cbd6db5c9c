//! Where protected data lives: scan it, read it, write it.
//!
//! A source is an ordered map from keys to values that lives somewhere else; here are the kinds of
//! place that Recoup knows. This crate knows nothing of repositories, storage or the terminal: it
//! yields what is there and writes what it is told. Modules are listed in reading order.

pub mod error;
pub mod files;

pub use error::SourceError;
