//! Groups of files that are one thing to the program that owns them: taken back whole or not at all.
//!
//! Half a repository from before and half from now is no repository. Groups are told by their keys
//! alone: contents are not at hand here.

use std::collections::BTreeMap;

use model::{Change, Entry, Kind, PathKey};

use crate::change_set::ChangeSet;

/// What follows the name of an SQLite database in the names of the files beside it.
/// From <https://www.sqlite.org/tempfiles.html>.
const SQLITE_SIDECARS: [&[u8]; 3] = [b"-wal", b"-shm", b"-journal"];

/// How SQLite databases are usually called; any other file is taken for one when a sidecar changed too.
const SQLITE_ENDINGS: [&[u8]; 4] = [b".db", b".db3", b".sqlite", b".sqlite3"];

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKind {
    /// A `.git` directory.
    Git,
    /// An SQLite database with its write-ahead log, its index and its journal.
    Sqlite,
    /// A PostgreSQL data directory.
    Postgres,
}

/// A group that a change set touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where: the directory, or the database file.
    pub root: PathKey,
    /// What.
    pub kind: GroupKind,
    /// Which changes of the set belong to it, as places in [`ChangeSet::changes`], ascending.
    pub members: Vec<usize>,
}

impl Group {
    /// Whether a key belongs to it.
    pub fn contains(&self, key: &PathKey) -> bool {
        match self.kind {
            GroupKind::Git | GroupKind::Postgres => self.root.contains(key.as_bytes()),
            GroupKind::Sqlite => {
                let rest = key.as_bytes().strip_prefix(self.root.as_bytes());
                rest.is_some_and(|rest| rest.is_empty() || SQLITE_SIDECARS.contains(&rest))
            }
        }
    }
}

/// The groups that a change set touches, in the order of their roots; each key is in one at most, and of
/// groups within groups the outermost counts.
///
/// A `.git` directory is told by its name, a database file by its name or by a sidecar that changed too,
/// a PostgreSQL data directory by its `PG_VERSION` file, where that changed.
pub fn detect(changes: &ChangeSet) -> Vec<Group> {
    let changes = changes.changes();
    let mut groups = directories(changes);
    let mut loose = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        let next = groups.partition_point(|group| group.root <= change.key);
        let group = next.checked_sub(1).map(|at| &mut groups[at]);
        match group.filter(|group| group.root.contains(change.key.as_bytes())) {
            Some(group) => group.members.push(place),
            None if is_file(change) => loose.push(place),
            None => {}
        }
    }
    groups.extend(databases(changes, &loose));
    groups.retain(|group| !group.members.is_empty());
    groups.sort_by(|one, two| one.root.cmp(&two.root));
    groups
}

/// The outermost directories that are groups, without members yet.
fn directories(changes: &[Change]) -> Vec<Group> {
    let mut roots: Vec<(PathKey, GroupKind)> = Vec::new();
    for change in changes {
        let last = roots.last();
        if last.is_some_and(|(root, _)| root.contains(change.key.as_bytes())) {
            continue;
        }
        roots.extend(git_root(change).map(|root| (root, GroupKind::Git)));
        roots.extend(data_root(&change.key).map(|root| (root, GroupKind::Postgres)));
    }
    roots.sort();
    let mut groups: Vec<Group> = Vec::new();
    for (root, kind) in roots {
        let is_inside = |outer: &Group| outer.root.contains(root.as_bytes());
        if !groups.last().is_some_and(is_inside) {
            groups.push(Group {
                root,
                kind,
                members: Vec::new(),
            });
        }
    }
    groups
}

/// The outermost `.git` directory that the key is or lies in. A `.git` file, as work trees have it, is
/// an ordinary file.
fn git_root(change: &Change) -> Option<PathKey> {
    let bytes = change.key.as_bytes();
    let mut end = 0;
    for name in bytes.split(|&byte| byte == 0) {
        end += name.len();
        if name == b".git" && (end < bytes.len() || is_directory(change)) {
            return PathKey::from_bytes(bytes[..end].to_vec()).ok();
        }
        end += 1;
    }
    None
}

/// The data directory that a `PG_VERSION` file marks; each database beneath `base` has one as well.
fn data_root(key: &PathKey) -> Option<PathKey> {
    if key.name() != b"PG_VERSION" {
        return None;
    }
    let root = key.parent()?;
    if let Some(base) = root.parent()
        && base.name() == b"base"
        && root.name().iter().all(u8::is_ascii_digit)
    {
        return base.parent();
    }
    Some(root)
}

/// Groups of files that lie side by side.
fn databases(changes: &[Change], loose: &[usize]) -> Vec<Group> {
    let mut bases: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for &place in loose {
        let key = &changes[place].key;
        if let Some(base) = sidecar_of(key) {
            bases.entry(base).or_default().push(place);
        } else if SQLITE_ENDINGS.iter().any(|end| key.name().ends_with(end)) {
            bases.entry(key.as_bytes()).or_default();
        }
    }
    for &place in loose {
        if let Some(members) = bases.get_mut(changes[place].key.as_bytes()) {
            members.push(place);
        }
    }
    let groups = bases.into_iter().filter_map(|(base, mut members)| {
        members.sort_unstable();
        members.dedup();
        Some(Group {
            root: PathKey::from_bytes(base.to_vec()).ok()?,
            kind: GroupKind::Sqlite,
            members,
        })
    });
    groups.collect()
}

/// The key of the database that a file of this name goes with.
fn sidecar_of(key: &PathKey) -> Option<&[u8]> {
    let ending = SQLITE_SIDECARS
        .iter()
        .find(|ending| key.name().len() > ending.len() && key.name().ends_with(ending))?;
    key.as_bytes().strip_suffix(*ending)
}

fn sides(change: &Change) -> impl Iterator<Item = &Entry> {
    change.before.iter().chain(&change.after)
}

fn is_directory(change: &Change) -> bool {
    sides(change).any(|entry| entry.kind == Kind::Directory)
}

fn is_file(change: &Change) -> bool {
    sides(change).all(|entry| entry.kind == Kind::File)
}
