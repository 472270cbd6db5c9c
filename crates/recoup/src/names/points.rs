//! Points of watched sources, found like snapshots.

use std::collections::BTreeSet;

use model::Timestamp;
use repository::{Repository, Stored, TimelineEntry};

use crate::exit::Result;

/// A state of a timeline that may be what is meant: read, but not yet made readable as a map.
#[derive(Debug)]
pub(super) struct Candidate {
    host: String,
    source: Vec<u8>,
    entry: TimelineEntry,
}

impl Candidate {
    /// The moment whose state it is.
    pub(super) fn time(&self) -> Timestamp {
        self.entry.state().map_or(self.entry.time, |(time, _)| time)
    }

    /// The state as a snapshot whose map can be read.
    pub(super) fn open(&self, repository: &Repository) -> Result<Stored> {
        let timeline = repository.timeline(&self.host, &self.source)?;
        Ok(timeline.open(&self.entry)?)
    }
}

/// One snapshot of each source that may have a timeline.
pub(super) fn watched(all: &[Stored]) -> Vec<&Stored> {
    let mut seen = BTreeSet::new();
    let first = |stored: &&Stored| {
        let snapshot = &stored.snapshot;
        !snapshot.safety && seen.insert((snapshot.host.clone(), snapshot.source.clone()))
    };
    all.iter().filter(first).collect()
}

/// The last state of the source of a snapshot, at or before a moment.
pub(super) fn last(
    repository: &Repository,
    of: &Stored,
    moment: Option<Timestamp>,
) -> Result<Option<Candidate>> {
    let (host, source) = (&of.snapshot.host, &of.snapshot.source);
    let timeline = repository.timeline(host, source)?;
    let entry = match moment {
        Some(moment) => timeline.at(moment)?,
        None => timeline.last()?,
    };
    Ok(entry.map(|entry| Candidate {
        host: host.clone(),
        source: source.clone(),
        entry,
    }))
}

/// The last state of the source of a snapshot at or before a revision, and the revision that it has.
pub(super) fn at_revision(
    repository: &Repository,
    of: &Stored,
    revision: u64,
) -> Result<Option<(u64, Stored)>> {
    let (host, source) = (&of.snapshot.host, &of.snapshot.source);
    let timeline = repository.timeline(host, source)?;
    let Some(entry) = timeline.at_revision(revision)? else {
        return Ok(None);
    };
    let at = entry.revision().unwrap_or(0);
    Ok(Some((at, timeline.open(&entry)?)))
}

/// The point whose name begins with these digits, if there is just one.
pub(crate) fn by_id(
    repository: &Repository,
    all: &[Stored],
    digits: &str,
) -> Result<Option<Stored>> {
    let mut found = None;
    for stored in watched(all) {
        let (host, source) = (&stored.snapshot.host, &stored.snapshot.source);
        let timeline = repository.timeline(host, source)?;
        for entry in timeline.by_id(digits)? {
            if found.is_some() {
                return Ok(None);
            }
            found = Some(timeline.open(&entry)?);
        }
    }
    Ok(found)
}
