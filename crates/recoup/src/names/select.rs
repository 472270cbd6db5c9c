//! Which snapshots are meant: by source, tag and host, then by name.

use std::path::{Path, PathBuf};

use clap::Args;
use model::{PathKey, Timestamp};
use repository::{Repository, Stored};

use crate::exit::{Exit, Failure, Result};
use crate::names::live;
use crate::names::place::{Place, SnapshotName};
use crate::names::points;
use crate::names::store;
use crate::output::text;

/// Candidates that a message lists.
const CANDIDATES_SHOWN_MAX: usize = 8;

/// Which snapshots are meant, where there are several sources.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only snapshots of this source
    #[arg(long, value_name = "PATH", help_heading = "Which snapshots")]
    pub(crate) source: Option<PathBuf>,
    /// Only snapshots with this tag (again: with all of them)
    #[arg(long, value_name = "TAG", help_heading = "Which snapshots")]
    pub(crate) tag: Vec<String>,
    /// Only snapshots of this machine
    #[arg(long, value_name = "NAME", help_heading = "Which snapshots")]
    pub(crate) host: Option<String>,
}

/// A place inside a snapshot, found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) stored: Stored,
    /// The place; the root when no path was typed.
    pub(crate) key: PathKey,
}

/// All snapshots that can be read, oldest first, and why there may be more of them.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    stored: Vec<Stored>,
    doubts: Vec<String>,
    /// What may settle the doubts.
    hint: String,
}

impl Listing {
    /// `doubts` tell of snapshots that are damaged, or gone.
    pub(crate) fn new(stored: Vec<Stored>, doubts: Vec<String>, hint: String) -> Self {
        Self {
            stored,
            doubts,
            hint,
        }
    }

    /// What `latest` is can't be known when any snapshot may be missing here: an older state would be
    /// taken for the newest, and nobody would notice.
    pub(crate) fn require_all(&self, action: &str) -> Result<()> {
        let Some(first) = self.doubts.first() else {
            return Ok(());
        };
        let more = match self.doubts.len() {
            1 => String::new(),
            count => format!(" (and {} more)", text::count(count as u64 - 1)),
        };
        let message =
            format!("{action}: the newest snapshot may be one that can't be read: {first}{more}");
        Err(Failure::new(Exit::RepositoryDamaged, message).hint(&self.hint))
    }

    /// How a command ends that looked at all of them.
    pub(crate) fn exit(&self) -> Exit {
        if self.doubts.is_empty() {
            Exit::Ok
        } else {
            Exit::RepositoryDamaged
        }
    }
}

impl std::ops::Deref for Listing {
    type Target = [Stored];

    fn deref(&self) -> &[Stored] {
        &self.stored
    }
}

impl Selection {
    /// Whether a snapshot is one of those meant.
    pub(crate) fn admits(&self, stored: &Stored) -> Result<bool> {
        let snapshot = &stored.snapshot;
        let source = match &self.source {
            None => true,
            Some(path) if store::is_store(path.as_os_str().as_encoded_bytes()) => {
                let address = store::source_of(path)?;
                address.is_some_and(|it| it.to_string().as_bytes() == snapshot.source)
            }
            Some(path) => {
                use std::os::unix::ffi::OsStrExt;
                // The source may be gone here, or be of another machine: as typed will do too.
                let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                let typed = snapshot.source == path.as_os_str().as_bytes();
                typed
                    || snapshot.source == real.as_os_str().as_bytes()
                    || snapshot.source == live::absolute(path)?.as_os_str().as_bytes()
            }
        };
        let tags = self.tag.iter().all(|tag| snapshot.tags.contains(tag));
        let host = self.host.as_ref().is_none_or(|host| snapshot.host == *host);
        Ok(source && tags && host)
    }

    /// Those meant, oldest first.
    pub(crate) fn filter(&self, all: &Listing) -> Result<Vec<Stored>> {
        let mut kept = Vec::new();
        for stored in all.iter() {
            if self.admits(stored)? {
                kept.push(stored.clone());
            }
        }
        Ok(kept)
    }

    /// Finds a place, in a snapshot or in a point of a watched source. A relative name needs every
    /// snapshot.
    pub(crate) fn find(
        &self,
        all: &Listing,
        place: &Place,
        repository: &Repository,
    ) -> Result<Found> {
        let path = place.path.as_deref().unwrap_or_default();
        if let SnapshotName::Id(digits) = &place.snapshot {
            let stored = match by_id(all, digits)? {
                Some(stored) => stored.clone(),
                None => points::by_id(repository, all, digits)?.ok_or_else(|| no_such(digits))?,
            };
            let key = key_in(&stored, path)?.ok_or_else(|| elsewhere(&stored, path))?;
            return Ok(Found { stored, key });
        }
        all.require_all(&format!("find snapshot {}", place.typed))?;
        let mut candidates = Vec::new();
        for stored in all.iter() {
            // Safety snapshots hold only what a restore was about to change.
            if stored.snapshot.safety || !self.admits(stored)? {
                continue;
            }
            if let Some(key) = key_in(stored, path)? {
                candidates.push((stored, key));
            }
        }
        let count = candidates.len();
        let found = match place.snapshot {
            SnapshotName::Latest(back) => candidates.into_iter().rev().nth(back),
            SnapshotName::At(moment) => candidates
                .into_iter()
                .rev()
                .find(|(stored, _)| stored.snapshot.time <= moment),
            SnapshotName::Revision(revision) => candidates.into_iter().rev().find(|(stored, _)| {
                keyspace::revision_of(&stored.snapshot) <= Some(revision)
                    && keyspace::revision_of(&stored.snapshot).is_some()
            }),
            SnapshotName::Id(_) => None,
        };
        let found = found.map(|(stored, key)| Found {
            stored: stored.clone(),
            key,
        });
        let later = match place.snapshot {
            SnapshotName::Latest(0) => self.point(all, path, None, &found, repository)?,
            SnapshotName::At(moment) => self.point(all, path, Some(moment), &found, repository)?,
            SnapshotName::Revision(revision) => {
                self.revision(all, path, revision, &found, repository)?
            }
            _ => None,
        };
        later.or(found).ok_or_else(|| nothing(place, all, count))
    }
}

impl Selection {
    /// The last point at or before a moment, if it is younger than the snapshot that was found.
    fn point(
        &self,
        all: &Listing,
        path: &[u8],
        moment: Option<Timestamp>,
        found: &Option<Found>,
        repository: &Repository,
    ) -> Result<Option<Found>> {
        let mut best: Option<(points::Candidate, PathKey)> = None;
        let than = found.as_ref().map(|found| found.stored.snapshot.time);
        for stored in points::watched(all) {
            if !self.admits(stored)? {
                continue;
            }
            let Some(key) = key_in(stored, path)? else {
                continue;
            };
            let candidate = points::last(repository, stored, moment)?;
            let younger = |time: Timestamp| {
                than.is_none_or(|than| time > than)
                    && best.as_ref().is_none_or(|(best, _)| time > best.time())
            };
            if let Some(candidate) = candidate.filter(|candidate| younger(candidate.time())) {
                best = Some((candidate, key));
            }
        }
        let Some((candidate, key)) = best else {
            return Ok(None);
        };
        let stored = candidate.open(repository)?;
        Ok(Some(Found { stored, key }))
    }
}

impl Selection {
    /// The last point at or before a revision, if it is of a later one than the snapshot that was found.
    fn revision(
        &self,
        all: &Listing,
        path: &[u8],
        revision: u64,
        found: &Option<Found>,
        repository: &Repository,
    ) -> Result<Option<Found>> {
        let than = found
            .as_ref()
            .and_then(|found| keyspace::revision_of(&found.stored.snapshot));
        for stored in points::watched(all) {
            if !self.admits(stored)? {
                continue;
            }
            let Some(key) = key_in(stored, path)? else {
                continue;
            };
            if let Some((at, stored)) = points::at_revision(repository, stored, revision)?
                && than.is_none_or(|than| at > than)
            {
                return Ok(Some(Found { stored, key }));
            }
        }
        Ok(None)
    }
}

/// Where a typed path lies in a snapshot: relative to its root, or absolute and below its source.
fn key_in(stored: &Stored, path: &[u8]) -> Result<Option<PathKey>> {
    use std::os::unix::ffi::OsStrExt;
    if path.first() != Some(&b'/') {
        let key = PathKey::from_path(path).map_err(|error| {
            Failure::usage(format!("`{}` is not a path: {error}", text::path(path)))
        })?;
        return Ok(Some(key));
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let source = &stored.snapshot.source;
    if let Some(key) = store::key_of(source, path) {
        return Ok(Some(key));
    }
    Ok(live::key_below(source, &live::absolute(path)?))
}

/// The snapshot whose id begins with these digits, if there is one and no other.
fn by_id<'a>(all: &'a [Stored], digits: &str) -> Result<Option<&'a Stored>> {
    let mut matching = all
        .iter()
        .filter(|stored| stored.id.to_hex().starts_with(digits));
    let Some(first) = matching.next() else {
        return Ok(None);
    };
    let others: Vec<&Stored> = matching.collect();
    if others.is_empty() {
        return Ok(Some(first));
    }
    let mut list = String::new();
    for stored in std::iter::once(first)
        .chain(others)
        .take(CANDIDATES_SHOWN_MAX)
    {
        let snapshot = &stored.snapshot;
        let (time, source) = (text::local(snapshot.time), text::path(&snapshot.source));
        let mut id = stored.id.to_hex();
        id.truncate(16);
        list.push_str(&format!("\n  {id}  {time}  {source}"));
    }
    Err(Failure::failed(format!(
        "find snapshot {digits}: several have ids that begin so:{list}"
    ))
    .hint("type more digits"))
}

fn no_such(digits: &str) -> Failure {
    Failure::failed(format!("find snapshot {digits}: there is no such snapshot"))
        .hint("`recoup snapshots` lists them; `recoup timeline PATH` lists points")
}

fn elsewhere(stored: &Stored, path: &[u8]) -> Failure {
    Failure::failed(format!(
        "find {}: snapshot {} is of {}",
        text::path(path),
        stored.id.short(),
        text::path(&stored.snapshot.source)
    ))
    .hint("a path behind the colon is relative to that, or absolute and below it")
}

fn nothing(place: &Place, all: &[Stored], candidates: usize) -> Failure {
    let typed = &place.typed;
    if all.iter().all(|stored| stored.snapshot.safety) {
        return Failure::failed(format!("find snapshot {typed}: there are no snapshots yet"))
            .hint("`recoup backup PATH` makes one");
    }
    let why = match (candidates, &place.path) {
        (0, Some(path)) if path.starts_with(b"/") => {
            format!("no source holds {}", text::path(path))
        }
        (0, _) => "no snapshot is of that source, tag and host".to_owned(),
        (count, _) => match place.snapshot {
            SnapshotName::At(_) => "all snapshots are younger".to_owned(),
            SnapshotName::Revision(at) => {
                format!("no state of it is known at or before revision {at}")
            }
            _ => format!("there are only {}", text::count(count as u64)),
        },
    };
    Failure::failed(format!("find snapshot {typed}: {why}"))
        .hint("`recoup snapshots` lists times and sources")
}
