//! What every command is given.

use std::sync::Arc;

use jiff::Zoned;
use model::{Snapshot, Timestamp};
use repository::Stored;

use crate::access::open::{self, Opened};
use crate::exit::Result;
use crate::output::sink::Sink;
use crate::output::terminal::Terminal;
use crate::output::text;
use crate::settings::{Global, Settings};

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) sink: Sink,
    pub(crate) terminal: Arc<Terminal>,
    /// Questions are answered with yes.
    pub(crate) yes: bool,
}

impl Context {
    pub(crate) fn new(global: &Global, terminal: Arc<Terminal>) -> Result<Self> {
        Ok(Self {
            settings: Settings::resolve(global)?,
            sink: Sink::new(global.json, global.quiet),
            terminal,
            yes: global.yes,
        })
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
    pub(crate) fn snapshots(&self, opened: &Opened) -> Result<Vec<Stored>> {
        let (stored, damaged) = opened.repository.snapshots()?;
        for error in &damaged {
            self.terminal.warn(&format!("failed to {error}"));
        }
        Ok(stored)
    }

    /// This machine, as snapshots name it.
    pub(crate) fn host(&self) -> String {
        self.settings.config.host.clone().unwrap_or_else(|| {
            let name = rustix::system::uname();
            name.nodename().to_string_lossy().into_owned()
        })
    }
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
