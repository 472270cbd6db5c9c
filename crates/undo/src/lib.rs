//! Undo: plan and apply a reverted change set on a live source, and keep a record that can be undone.
//!
//! Modules are listed in reading order and import only earlier ones.

pub mod error;
pub mod apply;

pub use error::{Result, UndoError};
