//! What every command is given.

use std::sync::Arc;

use jiff::Zoned;
use model::{Snapshot, Timestamp};
use repository::Stored;

use crate::access::open::{self, Opened};
use crate::alerts::Alerts;
use crate::exit::Result;
use crate::names::select::Listing;
use crate::output::sink::Sink;
use crate::output::terminal::Terminal;
use crate::output::text;
use crate::settings::{Global, Settings};
use crate::signals;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) sink: Sink,
    pub(crate) terminal: Arc<Terminal>,
    /// Who is told of incidents, and what is on its way to them.
    pub(crate) alerts: Option<Alerts>,
    /// Questions are answered with yes.
    pub(crate) yes: bool,
}

impl Context {
    pub(crate) fn new(global: &Global, terminal: Arc<Terminal>) -> Result<Self> {
        Ok(Self {
            settings: Settings::resolve(global)?,
            sink: Sink::new(global.json, global.quiet),
            terminal,
            alerts: None,
            yes: global.yes,
        })
    }

    /// Asks whether to go on; `None` where it was said beforehand, or where there is nobody to ask.
    pub(crate) fn asks_to_apply(&mut self) -> Result<Option<bool>> {
        if self.yes {
            return Ok(None);
        }
        self.sink.flush()?;
        Ok(signals::while_asking(|| self.terminal.ask("Apply?")))
    }

    /// Opens the repository.
    pub(crate) fn open(&self) -> Result<Opened> {
        open::open(&self.settings, &self.terminal)
    }

    /// Opens the repository with a key that can read.
    pub(crate) fn open_to_read(&self) -> Result<Opened> {
        let opened = self.open()?;
        opened.repository.require_read()?;
        Ok(opened)
    }

    /// All snapshots, oldest first; damaged ones are told of, and remembered ones kept in mind.
    pub(crate) fn snapshots(&self, opened: &Opened) -> Result<Listing> {
        let (stored, damaged) = opened.repository.snapshots()?;
        let mut doubts: Vec<String> = damaged.iter().map(chain_of).collect();
        let mut hint = "name one by its id, as `recoup snapshots` shows it; `recoup check` lists \
                        what is damaged"
            .to_owned();
        let gone = self.gone(opened)?;
        if !gone.is_empty() {
            let path = opened.memory(&self.settings).path().display().to_string();
            hint.push_str(&format!(" (if it was removed on purpose: delete {path})"));
        }
        doubts.extend(gone);
        for doubt in &doubts {
            self.terminal.warn(doubt);
        }
        Ok(Listing::new(stored, doubts, hint))
    }

    /// Snapshots that this machine has seen and that are there no more, in words.
    pub(crate) fn gone(&self, opened: &Opened) -> Result<Vec<String>> {
        let present = opened.repository.snapshot_ids()?;
        let gone = opened.memory(&self.settings).missing_snapshots(&present);
        let word = |id: model::SnapshotId| {
            format!("this machine knows snapshot {}, but it is gone", id.short())
        };
        Ok(gone.into_iter().map(word).collect())
    }

    /// This machine, as snapshots name it.
    pub(crate) fn host(&self) -> String {
        self.settings.config.host.clone().unwrap_or_else(|| {
            let name = rustix::system::uname();
            name.nodename().to_string_lossy().into_owned()
        })
    }
}

fn chain_of(error: &repository::RepositoryError) -> String {
    format!("failed to {}", crate::exit::chain(error))
}

/// What snapshots remember as their maker.
pub(crate) const PROGRAM: &str = concat!("recoup ", env!("CARGO_PKG_VERSION"));

/// Who runs the program.
pub(crate) fn user() -> String {
    let number = rustix::process::getuid().as_raw();
    let names = source::files::owner_names([number], []);
    let named = names.users.into_iter().next().map(|(_, name)| name);
    named.unwrap_or_else(|| format!("uid {number}"))
}

/// Now, in local time.
pub(crate) fn now() -> Zoned {
    Zoned::now()
}

/// Now, as snapshots record it.
pub(crate) fn timestamp() -> Timestamp {
    text::timestamp(jiff::Timestamp::now())
}

/// A snapshot in a few words, for messages.
pub(crate) fn describe(stored: &Stored) -> String {
    let Snapshot { time, source, .. } = &stored.snapshot;
    format!(
        "{} of {} from {}",
        stored.id.short(),
        text::path(source),
        text::local(*time)
    )
}
