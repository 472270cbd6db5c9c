//! The laws of undo: change sets, the three-way merge of before, after and live, tree closure,
//! conflicts as values, and the merge of contents.
//!
//! Pure: no disk, no clock, no randomness, no threads. Modules are listed in reading order and import
//! only earlier ones.

pub mod content;
