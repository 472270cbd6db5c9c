//! What the rules must know of the tree beside the changes.

use model::{BlobId, PathKey};

/// Answers from whoever holds the tree. Asked for directories with damage and for contents that
/// changed, never for a whole tree.
pub trait Stock {
    /// How many files lie under this key *before* the point that is being looked at, and their bytes.
    /// Of a file: itself. Of what is not there: (0, 0).
    fn count(&self, key: &PathKey) -> (u64, u64);

    /// Whether some key holds this content *after* the point. It may also answer yes for content that is
    /// held in another sure place, such as the object store of a version control system.
    fn is_live(&self, content: &BlobId) -> bool;

    /// Whether this content had been seen *before* the point.
    fn was_seen(&self, content: &BlobId) -> bool;

    /// Whether what lies here can be made again by a program: damage of it is at most a notice.
    fn regenerable(&self, key: &PathKey) -> bool {
        regenerable_by_name(key, |witness| self.count(witness).0 > 0)
    }
}

/// Directories that only programs fill.
const ALWAYS: [&[u8]; 4] = [b"node_modules", b"__pycache__", b".cache", b".tox"];
/// Directories that are regenerable beside, or with, one of the files after them.
const WITNESSED: [(&[u8], &[&[u8]]); 2] = [
    (b"target", &[b"Cargo.toml", b"pom.xml", b"build.sbt"]),
    (
        b"build",
        &[
            b"CMakeLists.txt",
            b"build.gradle",
            b"build.gradle.kts",
            b"meson.build",
            b"setup.py",
            b"package.json",
            b"Makefile",
        ],
    ),
];
/// Says of the directory that it lies in that all of it can be made again.
const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";

/// Whether a directory above this key is regenerable by its name. `exists` is asked for the files that
/// vouch for names which people use too, such as `build`, and for cache tags in them.
pub fn regenerable_by_name(key: &PathKey, exists: impl Fn(&PathKey) -> bool) -> bool {
    let mut above = PathKey::root();
    for name in key.names() {
        if ALWAYS.contains(&name) {
            return true;
        }
        let Ok(here) = above.child(name) else {
            return false;
        };
        for (_, witnesses) in WITNESSED.iter().filter(|(dir, _)| *dir == name) {
            let beside = witnesses.iter().filter_map(|file| above.child(file).ok());
            let tag = here.child(CACHE_TAG).ok();
            if beside.chain(tag).any(|file| exists(&file)) {
                return true;
            }
        }
        above = here;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> PathKey {
        PathKey::from_path(path.as_bytes()).unwrap()
    }

    #[test]
    fn a_name_that_people_use_needs_a_witness() {
        let cargo = |file: &PathKey| *file == key("app/Cargo.toml");
        assert!(regenerable_by_name(&key("app/target/debug/x"), cargo));
        assert!(!regenerable_by_name(&key("sales/target/2024.ods"), cargo));
        assert!(regenerable_by_name(&key("a/node_modules/b/c.js"), |_| {
            false
        }));
        assert!(!regenerable_by_name(&key("a/node_modules.txt"), |_| false));
    }
}
