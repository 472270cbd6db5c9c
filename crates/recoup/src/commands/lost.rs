//! Entries that a listing could not read: said as they are met, and in the exit code.

use std::sync::Arc;

use repository::{Gap, RepositoryError};

use crate::exit::Exit;
use crate::output::terminal::Terminal;
use crate::output::text;

/// Counts what was lost on the way.
#[derive(Debug)]
pub(crate) struct Lost {
    terminal: Arc<Terminal>,
    entries: u64,
}

impl Lost {
    pub(crate) fn new(terminal: &Arc<Terminal>) -> Self {
        Self {
            terminal: Arc::clone(terminal),
            entries: 0,
        }
    }

    /// Says that these entries are lost.
    pub(crate) fn tell(&mut self, gap: &Gap, error: &RepositoryError) {
        self.entries += gap.entries;
        let last = text::path(&model::key::to_path(&gap.last));
        let count = text::count(gap.entries);
        self.terminal.warn(&format!(
            "{count} entries up to {last} are lost: failed to {error}"
        ));
    }

    /// Whether anything was lost.
    pub(crate) fn any(&self) -> bool {
        self.entries > 0
    }

    /// How a command ends that otherwise did what it should.
    pub(crate) fn exit(&self) -> Exit {
        if self.any() {
            Exit::RepositoryDamaged
        } else {
            Exit::Ok
        }
    }
}
