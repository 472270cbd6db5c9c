//! Which paths are names of one and the same file, and what the owners of files are called.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use model::{Kind, Names};

use crate::files::stat::Stat;

/// The groups of hard links met so far. Feed it in key order: the first key leads its group.
#[derive(Debug, Default)]
pub struct LinkTable {
    leaders: HashMap<(u64, u64), Box<[u8]>>,
}

impl LinkTable {
    /// A table without groups.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first key of the group that `key` belongs to: `key` itself when it is the first. `None`
    /// for a file with one name, and for directories.
    pub fn leader(&mut self, stat: &Stat, key: &[u8]) -> Option<&[u8]> {
        if stat.nlink <= 1 || stat.kind == Kind::Directory {
            return None;
        }
        Some(match self.leaders.entry((stat.dev, stat.ino)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(key.into()),
        })
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        self.leaders.len()
    }
}

/// What this machine's own tables call these users and groups; numbers without a name are left out.
///
/// Only `/etc/passwd` and `/etc/group` are read: asking directory services takes foreign code into the
/// process and may wait for a network. The numbers are what counts; names are for people.
pub fn owner_names(
    uids: impl IntoIterator<Item = u32>,
    gids: impl IntoIterator<Item = u32>,
) -> Names {
    Names {
        users: names_in(Path::new("/etc/passwd"), uids),
        groups: names_in(Path::new("/etc/group"), gids),
    }
}

fn names_in(table: &Path, ids: impl IntoIterator<Item = u32>) -> Vec<(u32, String)> {
    let table = std::fs::read(table).unwrap_or_default();
    let mut names: HashMap<u32, String> = HashMap::new();
    for line in table.split(|&byte| byte == b'\n') {
        if let Some((id, name)) = parse_line(line) {
            // The first line with a number is the one that counts.
            names.entry(id).or_insert(name);
        }
    }
    let mut found: Vec<(u32, String)> = ids
        .into_iter()
        .filter_map(|id| Some((id, names.get(&id)?.clone())))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Name and number of a line `name:password:number:...`.
fn parse_line(line: &[u8]) -> Option<(u32, String)> {
    let mut fields = line.split(|&byte| byte == b':');
    let name = std::str::from_utf8(fields.next()?).ok()?;
    let id = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
    (!name.is_empty() && !name.starts_with('#')).then(|| (id, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_not_owners_are_passed_over() {
        assert_eq!(
            parse_line(b"root:x:0:0:root:/root:/bin/sh"),
            Some((0, "root".to_owned()))
        );
        for line in [
            &b""[..],
            b"#x:x:1",
            b"+::::",
            b"name",
            b"name:x:many",
            b":x:3",
        ] {
            assert_eq!(parse_line(line), None);
        }
        assert_eq!(
            owner_names([0, 0, 4_000_000_000], [0]).users,
            [(0, "root".to_owned())]
        );
    }
}
