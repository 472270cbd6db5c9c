//! Checking a repository: that everything a snapshot needs is there and is what was written.

use std::collections::{HashMap, HashSet};

use format::entry::{decode_entry, decode_xattrs};
use format::extents::decode_extents;
use model::{BlobId, Cancel, Content, Extent, Monitor, PackId, SnapshotId, Step, Xattrs};
use prolly::MapError;
use storage::{ObjectKind, ObjectName};

use crate::check_report::{CheckOptions, CheckReport, Finding};
use crate::error::{RepositoryError, Result};
use crate::nodes::MapReader;
use crate::pack::{open_any, read_footer};
use crate::repository::Repository;
use crate::snapshots::Stored;

impl Repository {
    /// Checks the repository.
    pub fn check(
        &self,
        options: &CheckOptions,
        monitor: &dyn Monitor,
        cancel: &Cancel,
    ) -> Result<CheckReport> {
        self.require_read()?;
        monitor.step(Step::Checking);
        let mut report = CheckReport::default();
        self.check_keys(&mut report)?;
        self.check_runs(&mut report)?;
        let packs = self.check_packs(&mut report)?;
        self.check_snapshots(&mut report, cancel)?;
        self.check_logs(&mut report)?;
        if options.read_data {
            self.read_packs(&packs, options, &mut report, monitor, cancel)?;
        }
        if cancel.requested() {
            Err(RepositoryError::Cancelled)
        } else {
            Ok(report)
        }
    }

    fn check_keys(&self, report: &mut CheckReport) -> Result<()> {
        if let Err(error) = crate::keys::check_config(self.storage(), self.keyset()) {
            match error {
                RepositoryError::ConfigAltered { .. } => report.damaged.push(Finding {
                    object: "config".to_owned(),
                    message: error.to_string(),
                    snapshot: None,
                }),
                other => _ = report.note::<()>(Err(other), None)?,
            }
        }
        let damaged = crate::keys::check_slots(self.storage(), self.keyset())?;
        damaged.iter().for_each(|error| report.find(error, None));
        Ok(())
    }

    /// Opens every run anew and every block of it.
    fn check_runs(&self, report: &mut CheckReport) -> Result<()> {
        for (name, len) in self.storage().list(ObjectKind::Index)? {
            let ObjectName::Index(id) = name else {
                continue;
            };
            let opened = crate::run::Run::open(self.storage(), id, len, self.keyset());
            let Some(run) = report.note(opened, None)? else {
                continue;
            };
            for at in 0..run.directory.blocks.len() {
                report.note(run.read_block(at, self.storage()), None)?;
            }
        }
        Ok(())
    }

    /// Compares the packs there are with those that the index lists.
    fn check_packs(&self, report: &mut CheckReport) -> Result<Vec<(PackId, u64)>> {
        let present: HashMap<PackId, u64> = self
            .storage()
            .list(ObjectKind::Pack)?
            .into_iter()
            .filter_map(|(name, len)| match name {
                ObjectName::Pack(id) => Some((id, len)),
                _ => None,
            })
            .collect();
        let mut listed = HashMap::new();
        for run in self.index().runs() {
            listed.extend(run.directory.packs.iter().map(|pack| (pack.id, *pack)));
        }
        for (id, pack) in &listed {
            let name = ObjectName::Pack(*id);
            match present.get(id) {
                None => report.find(
                    &RepositoryError::damaged(name, "the index lists it, but it is gone"),
                    None,
                ),
                Some(len) if *len != pack.len => {
                    let why = format!("it has {len} bytes and should have {}", pack.len);
                    report.find(&RepositoryError::damaged(name, why), None);
                }
                Some(_) => {}
            }
        }
        report.unindexed = present
            .keys()
            .filter(|id| !listed.contains_key(id))
            .copied()
            .collect();
        report.unindexed.sort_unstable();
        let mut packs: Vec<_> = present
            .into_iter()
            .filter(|(id, _)| listed.contains_key(id))
            .collect();
        packs.sort_unstable();
        for (id, len) in &packs {
            report.packs += 1;
            let opened = open_any(self.storage(), *id, *len, self.keyset())
                .and_then(|(key, _)| read_footer(self.storage(), *id, *len, &key));
            report.note(opened, None)?;
        }
        Ok(packs)
    }

    /// Walks the map of every snapshot and asks the index for every blob.
    fn check_snapshots(&self, report: &mut CheckReport, cancel: &Cancel) -> Result<()> {
        let (snapshots, damaged) = self.snapshots()?;
        damaged.iter().for_each(|error| report.find(error, None));
        let ids: HashSet<SnapshotId> = self.snapshot_ids()?.into_iter().collect();
        let mut seen = HashSet::new();
        for stored in &snapshots {
            if cancel.requested() {
                return Err(RepositoryError::Cancelled);
            }
            report.snapshots += 1;
            if let Some(parent) = stored.snapshot.parent
                && !ids.contains(&parent)
            {
                report.find(
                    &RepositoryError::damaged(
                        ObjectName::Snapshot(parent),
                        "a later snapshot names it, but it is gone",
                    ),
                    Some(parent),
                );
            }
            self.check_map(stored, &mut seen, report)?;
        }
        Ok(())
    }

    fn check_map(
        &self,
        stored: &Stored,
        seen: &mut HashSet<BlobId>,
        report: &mut CheckReport,
    ) -> Result<()> {
        let reader = MapReader::new(self);
        let map = reader.map(stored.snapshot.root);
        let mut wrong: Vec<RepositoryError> = Vec::new();
        let mut nodes = 0;
        let walked = prolly::walk(
            &map,
            |id| seen.insert(*id),
            |id, node| {
                nodes += 1;
                for at in (0..node.len()).filter(|_| node.is_leaf()) {
                    if let Err(error) = self.check_entry(node.value(at), id) {
                        wrong.push(error);
                    }
                }
            },
        );
        report.nodes += nodes;
        for error in wrong {
            report.note::<()>(Err(error), Some(stored.id))?;
        }
        match walked {
            Ok(()) => Ok(()),
            Err(MapError::Store { source: error, .. }) => {
                report.note::<()>(Err(error), Some(stored.id)).map(drop)
            }
            Err(error) => {
                let object = format!("map of snapshot {}", stored.id.short());
                report.find(&RepositoryError::damaged(object, error), Some(stored.id));
                Ok(())
            }
        }
    }

    /// Whether every blob of an entry is there; lists are read.
    fn check_entry(&self, value: &[u8], node: &BlobId) -> Result<()> {
        let object = || format!("map node {node}");
        let entry =
            decode_entry(value).map_err(|error| RepositoryError::format(object(), &error))?;
        let require = |id: &BlobId| self.locate(id).map(drop);
        let require_all = |extents: &[Extent]| {
            extents.iter().try_for_each(|extent| match extent {
                Extent::Data { id, .. } => require(id),
                _ => Ok(()),
            })
        };
        match &entry.content {
            Content::Empty | Content::Inline(_) => {}
            Content::Blob(id) => require(id)?,
            Content::Extents(extents) => require_all(extents)?,
            Content::ExtentList(id) => {
                let list = decode_extents(&self.read_blob(id)?).map_err(|error| {
                    RepositoryError::format(format!("extent list {id}"), &error)
                })?;
                require_all(&list)?;
            }
        }
        if let Xattrs::Blob(id) = &entry.xattrs {
            decode_xattrs(&self.read_blob(id)?)
                .map_err(|error| RepositoryError::format(format!("attributes {id}"), &error))?;
        }
        Ok(())
    }
}
