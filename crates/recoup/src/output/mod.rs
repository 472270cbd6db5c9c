//! What is shown: text for people, lines for scripts, a line of progress.
//!
//! Knows nothing of repositories.

pub(crate) mod text;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod progress;
pub(crate) mod json;
pub(crate) mod sink;
