//! A file, link or special file that is being made, and how it comes to stand under its name.
//!
//! Owns the promise that nothing unfinished stays: what was not published is removed when dropped.

use std::fs::File;
use std::sync::Arc;

use source::files::attributes::{Attributes, NotSet, Rights, apply_to_file};
use source::files::write::{Directory, Removal, Temporary};

use crate::context::SourceResult;

/// How far a job has come.
#[derive(Default)]
pub(crate) enum Progress {
    /// Nothing of it is there.
    #[default]
    Waiting,
    /// Its pieces are being written.
    Open(Arc<Output>),
    /// It is finished, or failed.
    Ended,
}

/// What is being made.
pub(crate) struct Output {
    directory: Arc<Directory>,
    name: Vec<u8>,
    kind: Kind,
}

enum Kind {
    /// Under its own name, where nothing stood. `true` once it may stay.
    New(Option<File>, bool),
    /// Under a hidden name.
    Hidden(Temporary),
    /// Changed where it stands.
    Live(File),
}

impl Output {
    /// A file where nothing stands.
    pub(crate) fn create(directory: Arc<Directory>, name: &[u8]) -> SourceResult<Self> {
        let file = directory.create_file(name)?;
        Ok(Self::new(directory, name, Kind::New(Some(file), false)))
    }

    /// Something other than a file, made by `make`, where nothing stands.
    pub(crate) fn make(
        directory: Arc<Directory>,
        name: &[u8],
        make: impl FnOnce(&Directory) -> SourceResult<()>,
    ) -> SourceResult<Self> {
        make(&directory)?;
        Ok(Self::new(directory, name, Kind::New(None, false)))
    }

    /// Something made under a hidden name, to stand at `name`.
    pub(crate) fn hidden(temporary: Temporary, name: &[u8]) -> Self {
        let directory = Arc::clone(temporary.directory());
        Self::new(directory, name, Kind::Hidden(temporary))
    }

    /// A file that is changed where it stands.
    pub(crate) fn live(directory: Arc<Directory>, name: &[u8]) -> SourceResult<Self> {
        let file = directory.open_existing(name, true)?;
        Ok(Self::new(directory, name, Kind::Live(file)))
    }

    fn new(directory: Arc<Directory>, name: &[u8], kind: Kind) -> Self {
        Self {
            directory,
            name: name.to_vec(),
            kind,
        }
    }

    /// The file to write to; an error for what is no file.
    pub(crate) fn file(&self) -> SourceResult<&File> {
        match &self.kind {
            Kind::New(Some(file), _) | Kind::Live(file) => Some(file),
            Kind::New(None, _) => None,
            Kind::Hidden(temporary) => temporary.file(),
        }
        .ok_or_else(|| self.error("write", rustix::io::Errno::BADF.into()))
    }

    /// The same bytes, opened for reading.
    pub(crate) fn open_for_reading(&self) -> SourceResult<File> {
        self.directory.open_existing(self.current_name(), false)
    }

    /// Sets attributes. To be called when all bytes are written.
    pub(crate) fn apply(
        &self,
        attributes: &Attributes<'_>,
        rights: &Rights,
    ) -> SourceResult<Vec<NotSet>> {
        use std::os::fd::AsFd;
        match self.file() {
            Ok(file) => apply_to_file(file.as_fd(), attributes, rights)
                .map_err(|errno| self.error("set the attributes of", errno.into())),
            Err(_) => self
                .directory
                .apply(self.current_name(), attributes, rights),
        }
    }

    /// Puts it under its name for good.
    pub(crate) fn publish(self) -> SourceResult<()> {
        let mut output = self;
        let kind = std::mem::replace(&mut output.kind, Kind::New(None, true));
        match kind {
            Kind::New(file, _) => drop(file),
            Kind::Hidden(temporary) => drop(temporary.publish(&output.name)?),
            Kind::Live(file) => drop(file),
        }
        Ok(())
    }

    /// The error for something that was done to it.
    pub(crate) fn error(&self, action: &'static str, error: std::io::Error) -> source::SourceError {
        self.directory.error(action, &self.name, error)
    }

    fn current_name(&self) -> &[u8] {
        match &self.kind {
            Kind::Hidden(temporary) => temporary.name(),
            Kind::New(..) | Kind::Live(_) => &self.name,
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Kind::New(_, false) = self.kind {
            // There is nobody to tell; the report names the path already.
            let _ = self.directory.remove(&self.name, Removal::File);
        }
    }
}
