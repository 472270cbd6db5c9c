//! Where the root of a source is gone itself: everything that comes back is beneath it, so an empty one is
//! made first, as it was.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::{Kind, PathKey};
use repository::{MapReader, Stored};
use source::files::attributes::{Attributes, Rights};
use source::files::write::TreeWriter;
use tempfile::TempDir;
use undo::Event;

use super::place::Spot;
use crate::access::open::Opened;
use crate::context::Context;
use crate::exit::{Failure, Result};
use crate::output::text;

/// What was made so that there is a root. It is taken away again unless it is kept.
#[derive(Default)]
pub(super) struct Root {
    made: Option<PathBuf>,
    /// An empty directory elsewhere: a dry run changes nothing.
    _stand_in: Option<TempDir>,
}

impl Root {
    /// Sees to it that `spot` has a root.
    pub(super) fn provide(
        spot: &mut Spot,
        event: &Event,
        dry_run: bool,
        opened: &Opened,
        context: &Context,
    ) -> Result<Self> {
        if spot.is_store() || spot.root.symlink_metadata().is_ok() {
            return Ok(Self::default());
        }
        let (Some(was), Some(name)) = (&event.before, spot.root.file_name()) else {
            return Ok(Self::default());
        };
        if dry_run {
            let error =
                |error| Failure::failed(format!("make a directory for the dry run: {error}"));
            let directory = TempDir::new().map_err(error)?;
            let root = directory.path().join(name);
            make(&root, was, opened)?;
            spot.root = root;
            return Ok(Self {
                made: None,
                _stand_in: Some(directory),
            });
        }
        make(&spot.root, was, opened)?;
        context.terminal.note(&format!(
            "{} was gone: made again, empty, as in {}",
            text::path(&spot.source),
            was.id.short()
        ));
        Ok(Self {
            made: Some(spot.root.clone()),
            _stand_in: None,
        })
    }

    /// Something is about to come back into it, or its operation may have to be finished later.
    pub(super) fn keep(&mut self) {
        self.made = None;
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // What is not empty stays.
        if let Some(root) = &self.made {
            let _ = std::fs::remove_dir(root);
        }
    }
}

/// Makes `root`, empty, with the attributes that it had in `was`.
fn make(root: &Path, was: &Stored, opened: &Opened) -> Result<()> {
    let (Some(above), Some(name)) = (root.parent(), root.file_name()) else {
        return Ok(());
    };
    let directory = TreeWriter::create(above)?.directory(b"")?;
    directory.make_directory(name.as_bytes(), 0o700)?;
    let reader = MapReader::new(&opened.repository);
    if let Some(entry) = reader.entry(was.snapshot.root, &PathKey::root())? {
        let xattrs = opened.repository.xattrs(&entry)?;
        let attributes = Attributes {
            kind: Kind::Directory,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: &xattrs,
        };
        let root = rustix::process::geteuid().is_root();
        directory.apply(name.as_bytes(), &attributes, &Rights::for_user(root, false))?;
    }
    Ok(())
}
