//! Undo: plan and apply a reverted change set on a live source, and keep a record that can be undone.
//!
//! Modules are listed in reading order and import only earlier ones.

pub mod needs;
pub mod error;
pub mod outcome;
pub mod apply;
pub mod amounts;
pub mod estimate;
pub mod event;
pub mod ground;
pub mod conflicts;
pub mod verify;
pub mod files;
pub mod run;

pub use amounts::amounts_of;
pub use error::{Result, UndoError};
pub use estimate::{Estimate, estimate};
pub use event::Event;
pub use files::{Files, FilesOptions};
pub use ground::{ContentMerge, Ground, Proposal, Proposed, Way};
pub use needs::Needs;
pub use run::{Report, Who, Work};
