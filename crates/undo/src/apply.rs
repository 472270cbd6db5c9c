//! The executor: runs a plan on a file tree that people go on using.
//!
//! Owns the order of the steps and compare-and-swap: whatever it moves out of the way is compared, after
//! the move, with what the plan expected, and put back if it is something else. What it displaces goes
//! to a quarantine on the same file system. There is no recursive delete here, and nothing of a user's is
//! unlinked: directories go only when the system itself says that they are empty.
//!
//! Where an operation stands is never written down. Whoever resumes one looks at the tree, the staged
//! content and the quarantine, and does what is still to be done. Knows nothing of repositories: what a
//! path is worth is asked of a [`Judge`].

mod judge;
mod place;
mod work;
mod names;
mod order;
mod hands;
mod site;
mod quarantine;
mod step;
mod late;
mod reverse;
mod run;

pub use crate::outcome::{LateWrite, Outcome, StepResult};
pub use judge::{Hooks, Judge, NoHooks, Options, Seen};
pub use run::{Job, apply, resume, rollback};
pub use work::{OldWork, Work};
