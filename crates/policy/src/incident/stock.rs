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
/// Names that people give to environments of Python, which hold [`ENVIRONMENT`].
const ENVIRONMENTS: [&[u8]; 4] = [b"venv", b".venv", b"env", b"virtualenv"];
const ENVIRONMENT: &[u8] = b"pyvenv.cfg";
/// What compilers write beside the source of the same name, and the source's extensions.
const DERIVED: [(&[u8], &[&[u8]]); 4] = [
    (
        b"o",
        &[b"c", b"cc", b"cpp", b"cxx", b"s", b"S", b"f90", b"m"],
    ),
    (b"lo", &[b"c", b"cc", b"cpp"]),
    (b"pyc", &[b"py"]),
    (b"class", &[b"java"]),
];
/// Says of the directory that it lies in that all of it can be made again.
const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";

/// Whether this key or a directory above it is regenerable by its name. `exists` is asked for the files
/// that vouch for names which people use too, such as `build`, and for cache tags in them.
fn regenerable_by_name(key: &PathKey, exists: impl Fn(&PathKey) -> bool) -> bool {
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
        let environment = here.child(ENVIRONMENT).ok();
        if ENVIRONMENTS.contains(&name) && environment.is_some_and(|file| exists(&file)) {
            return true;
        }
        above = here;
    }
    false
}

/// Whether a file was made from the source that lies beside it.
pub(super) fn is_derived(key: &PathKey, exists: impl Fn(&PathKey) -> bool) -> bool {
    let name = key.name();
    let Some(dot) = name.iter().rposition(|&byte| byte == b'.') else {
        return false;
    };
    let Some(above) = key.parent() else {
        return false;
    };
    DERIVED
        .iter()
        .filter(|(made, _)| *made == &name[dot + 1..])
        .flat_map(|(_, sources)| sources.iter())
        .filter_map(|source| above.child(&[&name[..=dot], source].concat()).ok())
        .any(|source| exists(&source))
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
        let python = |file: &PathKey| *file == key("app/venv/pyvenv.cfg");
        assert!(regenerable_by_name(&key("app/venv/lib/x.py"), python));
        assert!(!regenerable_by_name(&key("app/venv2/lib/x.py"), python));
    }

    #[test]
    fn an_object_file_needs_its_source() {
        let source = |file: &PathKey| *file == key("app/a.c");
        assert!(is_derived(&key("app/a.o"), source));
        assert!(!is_derived(&key("app/b.o"), source));
        assert!(!is_derived(&key("app/a.txt"), source));
    }
}
