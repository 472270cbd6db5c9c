//! A live tree as the engine asks for it: answered from one look at all keys of the event.

use std::collections::BTreeMap;
use std::sync::Arc;

use backup::Looked;
use merge::{Live, LiveTree};
use model::{Content, Entry, Kind, PathKey};
use repository::{MapReader, Stored};
use source::SourceError;
use source::files::Stat;
use source::files::write::TreeWriter;

use super::ground::Files;
use crate::error::{Result, UndoError};
use crate::event::Event;
use crate::verify::Verifier;

/// What was found at the keys of an event and at the directories around them.
pub(super) struct LiveFiles<'f, 'a> {
    files: &'f Files<'a>,
    tree: TreeWriter,
    /// All keys that were asked for; one that is not in `found` is absent.
    asked: Arc<[PathKey]>,
    found: BTreeMap<PathKey, Looked>,
    /// Where to look up what a directory was that is gone now.
    remembered: Vec<Stored>,
}

impl<'f, 'a> LiveFiles<'f, 'a> {
    /// Looks at everything that the event touched, and at the directories above.
    pub(super) fn look(files: &'f Files<'a>, event: &Event) -> Result<Self> {
        let changes = event.changes.changes();
        let keys: Vec<PathKey> = changes.iter().map(|change| change.key.clone()).collect();
        Self::look_at(files, &keys, event)
    }

    /// The same for just these keys, in ascending order.
    pub(super) fn look_at(files: &'f Files<'a>, keys: &[PathKey], event: &Event) -> Result<Self> {
        let asked: Arc<[PathKey]> = with_parents(keys).into();
        let found = files.look(Arc::clone(&asked))?;
        let remembered = [&event.after, &event.before];
        let mut live = Self {
            files,
            tree: TreeWriter::open(&files.options.backup.root)?,
            asked,
            found,
            remembered: remembered.into_iter().flatten().cloned().collect(),
        };
        live.recognise(event)?;
        Ok(live)
    }

    /// The very things that were looked at.
    pub(super) fn stats(&self) -> impl Iterator<Item = (&PathKey, Stat)> {
        self.found.iter().filter_map(|(key, looked)| match looked {
            Looked::Found { stat, .. } => Some((key, *stat)),
            Looked::Unknown(_) => None,
        })
    }

    /// Equal bytes can be cut into other chunks where holes lie elsewhere: a file of the same length
    /// that seems to differ is compared byte by byte before it counts as edited.
    fn recognise(&mut self, event: &Event) -> Result<()> {
        let verifier = Verifier::new(self.files.repository);
        for change in event.changes.changes() {
            let Some(Looked::Found { entry, .. }) = self.found.get_mut(&change.key) else {
                continue;
            };
            for side in [&change.after, &change.before].into_iter().flatten() {
                if !is_doubtful(entry, side) {
                    continue;
                }
                let Ok((directory, name)) = parent(&self.tree, &change.key) else {
                    continue;
                };
                let Ok(file) = directory.open_existing(name, false) else {
                    continue;
                };
                if verifier.same_bytes(&file, side).unwrap_or(false) {
                    entry.content = side.content.clone();
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Whether both may hold the same bytes although their content does not say so.
fn is_doubtful(one: &Entry, two: &Entry) -> bool {
    let in_pieces =
        |content: &Content| matches!(content, Content::Extents(_) | Content::ExtentList(_));
    one.kind == Kind::File
        && two.kind == Kind::File
        && one.size == two.size
        && (in_pieces(&one.content) || in_pieces(&two.content))
        && !one.content.same_bytes(&two.content)
}

/// The open directory that holds a key, and the name in it. The root has neither.
pub(super) fn parent<'k>(
    tree: &TreeWriter,
    key: &'k PathKey,
) -> Result<(Arc<source::files::write::Directory>, &'k [u8]), SourceError> {
    let parent = model::key::parent(key.as_bytes()).unwrap_or_default();
    Ok((tree.directory(parent)?, key.name()))
}

/// The keys and all directories above them, in order, each once.
fn with_parents(keys: &[PathKey]) -> Vec<PathKey> {
    let mut all: Vec<PathKey> = Vec::new();
    for key in keys {
        let mut above = key.parent();
        let mut chain = vec![key.clone()];
        // Keys come in order: a parent that the key before has too is there already, mostly.
        let last = all.last().cloned();
        while let Some(parent) = above {
            if last
                .as_ref()
                .is_some_and(|last| parent.contains(last.as_bytes()))
            {
                break;
            }
            above = parent.parent();
            chain.push(parent);
        }
        all.extend(chain.into_iter().rev());
    }
    all.sort();
    all.dedup();
    all
}

impl LiveTree for LiveFiles<'_, '_> {
    type Error = UndoError;

    fn state(&mut self, key: &PathKey) -> Result<Live> {
        if self.asked.binary_search(key).is_err() && !self.found.contains_key(key) {
            let found = self.files.look([key.clone()].into())?;
            if found.is_empty() {
                return Ok(Live::Absent);
            }
            self.found.extend(found);
        }
        Ok(match self.found.get(key) {
            None => Live::Absent,
            Some(Looked::Found { entry, .. }) => Live::Present(entry.clone()),
            Some(Looked::Unknown(why)) => Live::Unknown(why.clone()),
        })
    }

    fn names(&mut self, key: &PathKey) -> Result<Vec<Vec<u8>>> {
        match self.tree.directory(key.as_bytes()) {
            Ok(directory) => Ok(directory.names()?),
            Err(SourceError::NotFound { .. } | SourceError::WrongKind { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn remembered(&mut self, key: &PathKey) -> Result<Option<Entry>> {
        let reader = MapReader::new(self.files.repository);
        for stored in &self.remembered {
            if let Some(entry) = reader.entry(stored.snapshot.root, key)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}
