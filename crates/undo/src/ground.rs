//! What an undo stands on: a live source that can be looked at, kept and changed.
//!
//! The engine, the record and the order of an operation are the same for every kind of source; what
//! differs is behind [`Ground`].

use std::collections::HashMap;
use std::sync::Arc;

use merge::Choice;
use model::{Conflict, Entry, PathKey, Plan, SnapshotId};

use crate::error::Result;
use crate::event::Event;
use crate::needs::Needs;
use crate::outcome::Outcome;

/// A plan made of a live source, with what the source was like.
#[derive(Debug, Default)]
pub struct Proposal {
    /// The plan.
    pub plan: Plan,
    /// Contents that merging made, under the keys of their steps: stored before the operation begins.
    pub merged: HashMap<PathKey, Vec<u8>>,
    /// Merges that could be made if they were asked for: key, before and after as one would see them.
    pub proposed: Vec<Proposed>,
    /// Bytes that have to be written, and things that have to be made.
    pub needs: Needs,
}

/// A merge that is proposed for a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The file.
    pub key: PathKey,
    /// What kind of merge it is.
    pub how: &'static str,
    /// The live content with the event's change taken back.
    pub bytes: Vec<u8>,
    /// The live content.
    pub live: Vec<u8>,
    /// What the entry would be.
    pub entry: Entry,
}

/// How content that was edited since is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentMerge {
    /// It is a conflict.
    Off,
    /// It is a conflict, and a merge is proposed where one is possible.
    #[default]
    Propose,
    /// It is merged where that is possible.
    Auto,
}

/// A live source.
pub trait Ground {
    /// The name of the source.
    fn source(&self) -> &[u8];

    /// Makes the plan that takes an event back, changing nothing.
    fn propose(&self, event: &Event, contents: ContentMerge) -> Result<Proposal>;

    /// Makes the plan that decides conflicts of an earlier operation. The event says which, and holds no
    /// changes of its own.
    fn resolve(&self, event: &Event, conflicts: &[Conflict], choice: Choice) -> Result<Proposal>;

    /// Stores a snapshot of just these keys as they are now, durably.
    fn keep(&self, keys: Arc<[PathKey]>) -> Result<SnapshotId>;

    /// The directory for what is staged and displaced, if the source needs one.
    fn work(&self, number: u64) -> Result<Option<std::path::PathBuf>>;

    /// Runs a plan, or goes on with one that was interrupted.
    fn run(&self, number: u64, plan: &Plan, how: Way) -> Result<Outcome>;

    /// The operation is over and recorded: what only resuming it needed may go.
    /// Most sources keep nothing of the kind.
    fn tidy(&self, _number: u64) -> Result<()> {
        Ok(())
    }
}

/// How a plan is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the beginning, on what was looked at for the plan.
    Fresh,
    /// After an interruption: whatever is still to be done.
    Resume,
    /// After an interruption: back to what was there before.
    RollBack,
}
