//! From what was seen to happen to what is there: the dirty keys of a batch are looked at and stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use backup::{BackupError, BackupOptions, Looked, Selection};
use model::{Cancel, Entry, Kind, Monitor, PathKey, Timestamp};
use repository::{MapReader, Session};
use source::SourceError;
use source::files::Stat;
use source::files::watch::{Batch, Dirty, What};

use crate::error::{Result, TimelineError};

/// Keys that have to be looked at, with what is known of who touched them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting {
    /// Key to whether everything beneath counts too, and the number of its actor.
    keys: BTreeMap<PathKey, Wanted>,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    subtree: bool,
    actor: Option<u64>,
    /// It is, or was, a directory.
    directory: bool,
}

/// What a look came to: key to what is there now, and who touched it.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    pub(crate) found: BTreeMap<PathKey, Option<Entry>>,
    pub(crate) actors: HashMap<PathKey, u64>,
    /// Files of several names, by device and inode: how many names each has, and which were seen.
    pub(crate) links: HashMap<(u64, u64), (u64, Vec<PathKey>)>,
    /// What could not be read: to be tried again.
    pub(crate) unknown: Vec<PathKey>,
}

impl Waiting {
    /// Takes what a batch says.
    pub(crate) fn take(&mut self, batch: &Batch) {
        for dirty in &batch.dirty {
            let Ok(key) = PathKey::from_bytes(dirty.key.clone()) else {
                continue;
            };
            let wanted = self.keys.entry(key).or_insert(Wanted {
                subtree: false,
                actor: None,
                directory: false,
            });
            wanted.directory |= dirty.what.has(What::DIRECTORY) || dirty.what.has(What::ENTRIES);
            wanted.subtree |= dirty.subtree || is_new_directory(dirty);
            wanted.actor = dirty.actor.map(|actor| actor.0).or(wanted.actor);
        }
    }

    /// Takes everything up that waited elsewhere.
    pub(crate) fn join(&mut self, other: Self) {
        for (key, more) in other.keys {
            let wanted = self.keys.entry(key).or_insert(more);
            wanted.subtree |= more.subtree;
            wanted.directory |= more.directory;
            wanted.actor = wanted.actor.or(more.actor);
        }
    }

    /// Of what waited before a look, that which it could not read goes on waiting.
    pub(crate) fn only(mut self, unknown: &[PathKey]) -> Self {
        let mut left = Self::default();
        for key in unknown {
            match self.keys.remove(key) {
                Some(wanted) => _ = left.keys.insert(key.clone(), wanted),
                None => left.again(key.clone()),
            }
        }
        left
    }

    /// Puts a key back that could not be looked at.
    pub(crate) fn again(&mut self, key: PathKey) {
        self.keys.entry(key).or_insert(Wanted {
            subtree: false,
            actor: None,
            directory: false,
        });
    }

    /// Who touched these keys, or removed what they were in.
    pub(crate) fn actors_of<'k>(
        &self,
        keys: impl Iterator<Item = &'k PathKey>,
    ) -> HashMap<PathKey, u64> {
        let known = self.keys.iter();
        let mut actors = known
            .filter_map(|(key, wanted)| Some((key.clone(), wanted.actor?)))
            .collect();
        inherit(&mut actors, keys);
        actors
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes out the keys for which `later` says so; directories stay.
    pub(crate) fn split_off(&mut self, later: impl Fn(&PathKey) -> bool) -> Self {
        let (taken, left) = std::mem::take(&mut self.keys)
            .into_iter()
            .partition(|(key, wanted)| !wanted.directory && later(key));
        self.keys = left;
        Self { keys: taken }
    }
}

fn is_new_directory(dirty: &Dirty) -> bool {
    let made = dirty.what.has(What::CREATED) || dirty.what.has(What::RENAMED_TO);
    made && dirty.what.has(What::DIRECTORY)
}

/// What a look needs.
pub(crate) struct Looker<'a, 'r> {
    pub(crate) session: &'a Session<'r>,
    pub(crate) options: &'a BackupOptions,
    pub(crate) root: Option<model::BlobId>,
    pub(crate) began: Timestamp,
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) cancel: &'a Cancel,
}

impl Looker<'_, '_> {
    /// Looks at everything that waits.
    pub(crate) fn look(&self, waiting: &Waiting) -> Result<Sight> {
        let mut sight = Sight::default();
        let keys = self.wanted(waiting);
        self.keys(&keys, &mut sight)?;
        for (key, wanted) in &waiting.keys {
            let is_directory = matches!(
                sight.found.get(key),
                Some(Some(entry)) if entry.kind == Kind::Directory
            );
            if wanted.subtree && is_directory {
                self.beneath(key, &mut sight)?;
            } else if !is_directory && sight.found.contains_key(key) {
                self.gone_beneath(key, &mut sight)?;
            }
            if let Some(actor) = wanted.actor {
                sight.actors.insert(key.clone(), actor);
            }
        }
        for key in &sight.unknown {
            sight.found.remove(key);
        }
        // Who removed or moved a directory did so to everything in it.
        inherit(&mut sight.actors, sight.found.keys());
        Ok(sight)
    }

    /// The keys that are part of the source.
    fn wanted(&self, waiting: &Waiting) -> Vec<PathKey> {
        let mut out: HashMap<Option<PathKey>, bool> = HashMap::new();
        let root = &self.options.root;
        let exclude = &self.options.exclude;
        let mut keys = Vec::with_capacity(waiting.keys.len());
        for key in waiting.keys.keys() {
            let above = key.parent();
            let is_out = *out.entry(above.clone()).or_insert_with(|| {
                above.is_some_and(|above| exclude.explain(root, above.as_bytes()).is_some())
            });
            if !is_out && exclude.explain(root, key.as_bytes()).is_none() {
                keys.push(key.clone());
            }
        }
        keys
    }

    fn keys(&self, keys: &[PathKey], sight: &mut Sight) -> Result<()> {
        for key in keys {
            sight.found.insert(key.clone(), None);
        }
        self.select(Selection::Keys(keys.into()), sight)
    }

    fn select(&self, selection: Selection, sight: &mut Sight) -> Result<()> {
        let options = BackupOptions {
            selection,
            ..self.options.clone()
        };
        let mut found: Vec<(PathKey, Entry, Stat)> = Vec::new();
        let unknown = &mut sight.unknown;
        backup::look_and_store(
            self.session,
            &options,
            self.began,
            self.monitor,
            self.cancel,
            &mut |key, looked| match looked {
                Looked::Found { entry, stat } => found.push((key, entry, stat)),
                Looked::Unknown(_) => unknown.push(key),
            },
        )?;
        for (key, mut entry, stat) in found {
            if stat.nlink > 1 && stat.kind != Kind::Directory {
                entry.link = self.link_of(&key, entry.link)?;
                let names = sight.links.entry((stat.dev, stat.ino)).or_default();
                names.0 = u64::from(stat.nlink);
                names.1.push(key.clone());
            }
            sight.found.insert(key, Some(entry));
        }
        Ok(())
    }

    /// The group of hard links that the path is known to be in: from a few names of it no scan can
    /// tell which is the first.
    fn link_of(&self, key: &PathKey, link: Option<model::LinkId>) -> Result<Option<model::LinkId>> {
        let reader = MapReader::new(self.session.repository());
        let known = reader.entry(self.root, key)?.and_then(|entry| entry.link);
        Ok(known.or(link))
    }

    /// A directory that came as a whole: everything in it.
    fn beneath(&self, key: &PathKey, sight: &mut Sight) -> Result<()> {
        let known = self.known_beneath(key)?;
        match self.select(Selection::Below(key.clone()), sight) {
            // It went between the look at itself and the look into it, as caches of programs do.
            Err(TimelineError::Backup(BackupError::Source(SourceError::NotFound { .. }))) => {
                sight.found.insert(key.clone(), None);
            }
            done => done?,
        }
        for key in known {
            sight.found.entry(key).or_insert(None);
        }
        Ok(())
    }

    /// What is no directory has nothing beneath it.
    fn gone_beneath(&self, key: &PathKey, sight: &mut Sight) -> Result<()> {
        for key in self.known_beneath(key)? {
            sight.found.insert(key, None);
        }
        Ok(())
    }

    /// The keys beneath one in the last known state.
    fn known_beneath(&self, key: &PathKey) -> Result<BTreeSet<PathKey>> {
        let reader = MapReader::new(self.session.repository());
        let mut entries = reader.entries(self.root, key);
        let mut known = BTreeSet::new();
        while let Some((inner, _)) = entries.next()? {
            if inner != *key {
                known.insert(inner);
            }
        }
        Ok(known)
    }
}

/// Whoever did something to a directory as a whole did so to those of these keys that lie in it.
fn inherit<'k>(actors: &mut HashMap<PathKey, u64>, keys: impl Iterator<Item = &'k PathKey>) {
    let inherited: Vec<(PathKey, u64)> = keys
        .filter(|key| !actors.contains_key(*key))
        .filter_map(|key| Some((key.clone(), actor_above(key, actors)?)))
        .collect();
    actors.extend(inherited);
}

fn actor_above(key: &PathKey, actors: &HashMap<PathKey, u64>) -> Option<u64> {
    let mut above = key.parent();
    while let Some(key) = above {
        if let Some(actor) = actors.get(&key) {
            return Some(*actor);
        }
        above = key.parent();
    }
    None
}
