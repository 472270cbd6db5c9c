//! What a tool is for the benchmark: a name, a version, and the command for each kind of work.

use super::run::Step;
use super::{ours, peers};
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Recoup,
    Bupstash,
    Rustic,
    Restic,
    Borg,
    /// Floors: no encryption, no history.
    Tar,
    Copy,
}

#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

/// Where a tool works during one group of rows.
pub(crate) struct Place {
    /// The tree that is backed up.
    pub(crate) source: PathBuf,
    pub(crate) repository: PathBuf,
    /// Keys, caches and logs of the tool.
    pub(crate) home: PathBuf,
    /// The name of the newest snapshot, for tools that name them.
    pub(crate) snapshot: String,
}

pub(crate) enum Work<'a> {
    Init,
    Backup,
    Restore {
        target: &'a Path,
    },
    /// One file, named relative to the source, back into the folder `target`.
    File {
        path: &'a Path,
        target: &'a Path,
    },
    List,
    Log {
        path: &'a Path,
    },
    Check,
}

impl Tool {
    /// A floor shows what the machine can do; it is no peer that could be best.
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.kind, Kind::Tar | Kind::Copy)
    }

    /// The commands that do `work`; none if the tool can't do it.
    pub(crate) fn steps(&self, work: &Work<'_>, place: &Place) -> Vec<Step> {
        match self.kind {
            Kind::Recoup => ours::steps(self, work, place),
            Kind::Bupstash => peers::bupstash(self, work, place),
            Kind::Rustic => peers::rustic(self, work, place),
            Kind::Restic => peers::restic(self, work, place),
            Kind::Borg => peers::borg(self, work, place),
            Kind::Tar => peers::tar(work, place),
            Kind::Copy => peers::copy(work, place),
        }
    }

    /// Where the source's content lies below `target` after a full restore.
    pub(crate) fn restored(&self, target: &Path, place: &Place) -> PathBuf {
        let inside = place.source.strip_prefix("/").unwrap_or(&place.source);
        match self.kind {
            Kind::Restic | Kind::Borg => target.join(inside),
            Kind::Copy => target.join(place.source.file_name().unwrap_or_default()),
            _ => target.to_owned(),
        }
    }
}
