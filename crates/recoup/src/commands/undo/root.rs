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

/// What was made so that there is a root.
pub(super) enum Root {
    /// Nothing: it is there.
    Present,
    /// The root itself.
    Made(PathBuf),
    /// An empty directory elsewhere: a dry run changes nothing.
    StandIn(TempDir),
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
            return Ok(Self::Present);
        }
        let (Some(was), Some(name)) = (&event.before, spot.root.file_name()) else {
            return Ok(Self::Present);
        };
        if dry_run {
            let error =
                |error| Failure::failed(format!("make a directory for the dry run: {error}"));
            let directory = TempDir::new().map_err(error)?;
            let root = directory.path().join(name);
            make(&root, was, opened)?;
            spot.root = root;
            return Ok(Self::StandIn(directory));
        }
        make(&spot.root, was, opened)?;
        context.terminal.note(&format!(
            "{} was gone: made again, empty, as in {}",
            text::path(&spot.source),
            was.id.short()
        ));
        Ok(Self::Made(spot.root.clone()))
    }

    /// Takes it away again. What is not empty stays.
    pub(super) fn remove(self) {
        match self {
            Self::Present => {}
            Self::Made(root) => drop(std::fs::remove_dir(root)),
            Self::StandIn(directory) => drop(directory.close()),
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
