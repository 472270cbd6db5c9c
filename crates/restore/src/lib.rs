//! Writes a snapshot, or a part of one, out onto a tree of files: fast, exact, and never outside of it.
//!
//! Knows nothing of how a backup is made, nor of the terminal. Modules are listed in reading order and
//! import only earlier ones.

pub mod error;
pub mod options;
pub mod report;
mod ledger;
mod guard;
mod context;
mod content;
mod output;
mod job;
mod remove;
mod compare;
pub mod gap;
mod gather;
mod prepare;
mod finish;
mod write;
mod links;
pub mod plan;
pub mod run;

#[cfg(test)]
mod tests;

pub use error::RestoreError;
pub use gap::kind_at;
pub use options::RestoreOptions;
pub use plan::{Action, Plan, Step, plan, plan_each};
pub use report::{Problem, Report};
pub use run::run;
