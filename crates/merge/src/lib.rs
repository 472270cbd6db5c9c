//! The laws of undo: change sets, the three-way merge of before, after and live, tree closure,
//! conflicts as values, and the merge of contents.
//!
//! An event took keys from *before* to *after*; people went on, and the keys are *live* now. Undo is the
//! three-way merge with base = after, ours = live, theirs = before: where live is still as the event
//! left it, before comes back; where somebody changed it since, live stays and the key is a conflict.
//! After == before always gives live, so only the keys of the change set are ever looked up: the cost is
//! that of the event, not of the source.
//!
//! ```text
//!   ChangeSet ─┐
//!   LiveTree  ─┼─ plan ─> Plan ── (whoever runs it) ──> record: (live then, live afterwards)
//!   Rules     ─┘              \
//!                              conflicts ── resolve + a choice ──> Plan
//! ```
//!
//! **An undo is undone by its record**, never by swapping before and after: the record of an operation
//! is what the keys that it touched held when it began (`L`) and when it had ended (`M`), and taking it
//! back is `plan(ChangeSet::between(&L, &M), M)`, which gives `L` without a conflict whatever the merge
//! decided. The swapped pair would damage again what somebody had repaired by hand. **Several events are
//! composed into one change set first**, collected from the changes of all: undone one by one in the
//! order in which they happened they would meet each other as later work.
//!
//! Pure: no disk, no clock, no randomness, no threads. Modules are listed in reading order and import
//! only earlier ones.

pub mod equality;
pub mod change_set;
pub mod live;
pub mod groups;
pub mod rules;
mod table;
mod node;
mod fate;
mod renames;
mod closure;
mod folding;
mod engine;
pub mod beside;
pub mod resolve;
pub mod content;

pub use beside::besides;
pub use change_set::ChangeSet;
pub use engine::plan;
pub use groups::{Group, GroupKind};
pub use live::{Live, LiveTree, MemoryTree};
pub use resolve::{Choice, merge_contents, resolve};
pub use rules::Rules;
