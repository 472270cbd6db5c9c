//! Who works on a live source at the moment: one operation at a time.
//!
//! The lock is the system's own on a file of this machine: it ends with the process, however that ends.

use std::fs::File;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::exit::{Exit, Failure, Result};
use crate::output::text;
use crate::settings::directories::make_private;

/// Held while live data is changed.
#[derive(Debug)]
pub(crate) struct Busy {
    _file: File,
}

impl Busy {
    /// Takes the lock of a source; `None` if another process has it.
    pub(crate) fn try_take(state: &Path, source: &[u8]) -> Result<Option<Self>> {
        let directory = state.join("locks");
        make_private(&directory)?;
        let name = blake3::hash(source).to_hex();
        let path = directory.join(format!("{}.lock", &name[..32]));
        let failed =
            |error: &std::io::Error| Failure::io(format!("lock {}", path.display()), error);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| failed(&error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(failed(&errno.into())),
        }
    }

    /// Takes the lock of a source, or says that it is taken.
    pub(crate) fn take(state: &Path, source: &[u8]) -> Result<Self> {
        Self::try_take(state, source)?.ok_or_else(|| {
            let message = format!(
                "change {}: another operation is running there",
                text::path(source)
            );
            Failure::new(Exit::Busy, message).hint("wait for it; `recoup ops` shows what it does")
        })
    }
}
