//! What a scan leaves out.
//!
//! Patterns have the syntax of gitignore and are anchored at the root of the source. A directory that
//! is left out is not entered. A directory that marks itself as a cache, or holds one of the marker
//! names, is kept together with its marker and without the rest, as tar does.

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use model::{Kind, key};
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};

use crate::SourceError;
use crate::files::beneath::open_beneath;
use crate::files::stat::Stat;

/// The name of the file that marks a cache directory.
const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";

/// How the content of that file begins, by the Cache Directory Tagging Specification.
const CACHE_SIGNATURE: &[u8; 43] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Characters of a refused pattern that a message shows.
const PATTERN_CHARS_MAX: usize = 60;

/// Characters that a message gives to the reason.
const REASON_CHARS_MAX: usize = 300;

/// What to leave out, as the user says it.
#[derive(Debug, Clone, Default)]
pub struct ExcludeOptions {
    /// Patterns with the syntax of gitignore; a later one wins over an earlier one.
    pub patterns: Vec<String>,
    /// Files that hold such patterns, one a line; they come after `patterns`.
    pub pattern_files: Vec<PathBuf>,
    /// Leave out what is in directories that are marked as caches.
    pub caches: bool,
    /// Leave out what is beside a file with one of these names.
    pub if_present: Vec<Vec<u8>>,
    /// Leave out regular files of more bytes.
    pub larger_than: Option<u64>,
    /// Absolute paths of directories that are never entered, as the repository itself.
    pub paths: Vec<PathBuf>,
}

/// Why a path is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// This pattern names it or a directory above it.
    Pattern(String),
    /// It lies in a directory that is marked as a cache.
    Cache,
    /// It lies beside a file of this name.
    Present(Vec<u8>),
    /// It is a larger file than wanted.
    Large,
    /// It lies in a directory that is never entered.
    Never,
    /// It is, or lies in, the directory where undo keeps what it displaced and is about to place.
    Own,
}

/// Name of the directory that undo works in.
pub const OWN_HOME: &[u8] = b".recoup";

/// What the `CACHEDIR.TAG` in it holds. Not every directory of that name is ours.
pub const OWN_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
# This directory belongs to Recoup: what its undo has displaced or is about to place.\n";

/// Whether `name` in an open directory is the directory that undo works in. Backups leave it out: what
/// it holds is in safety snapshots too, and it comes and goes with each undo.
pub(crate) fn is_own_home(directory: impl AsFd, name: &[u8]) -> bool {
    if name != OWN_HOME {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let tag = [OWN_HOME, b"\0CACHEDIR.TAG"].concat();
    let Ok(tag) = open_beneath(directory.as_fd(), &tag, flags, Mode::empty()) else {
        return false;
    };
    let mut found = [0; OWN_TAG.len()];
    rustix::io::read(&tag, &mut found) == Ok(OWN_TAG.len()) && found == OWN_TAG
}

/// What to leave out of one source, ready to be asked a million times.
#[derive(Debug, Clone, Default)]
pub struct Excludes {
    patterns: Option<Gitignore>,
    caches: bool,
    if_present: Vec<Vec<u8>>,
    larger_than: Option<u64>,
    never: Vec<Never>,
}

#[derive(Debug, Clone)]
struct Never {
    /// Where it is, when beneath the root.
    key: Option<Vec<u8>>,
    /// Which directory it is, when it exists: finds it behind a bind mount too.
    identity: Option<(u64, u64)>,
}

impl Excludes {
    /// Leaves nothing out.
    pub fn none() -> Self {
        Self::default()
    }

    /// Prepares the options for the source at `root`.
    pub fn new(root: &Path, options: &ExcludeOptions) -> Result<Self, SourceError> {
        let never = options
            .paths
            .iter()
            .map(|path| Never::new(root, path))
            .collect();
        Ok(Self {
            patterns: compile(options)?,
            caches: options.caches,
            if_present: options.if_present.clone(),
            larger_than: options.larger_than,
            never,
        })
    }

    /// Why the entry itself is left out, its directory being kept.
    pub fn entry(&self, key: &[u8], stat: &Stat) -> Option<Reason> {
        if self
            .larger_than
            .is_some_and(|most| stat.kind == Kind::File && stat.size > most)
        {
            return Some(Reason::Large);
        }
        let patterns = self.patterns.as_ref()?;
        if key.is_empty() {
            return None;
        }
        let path = key::to_path(key);
        match patterns.matched(as_path(&path), stat.kind == Kind::Directory) {
            ignore::Match::Ignore(glob) => Some(Reason::Pattern(glob.original().to_owned())),
            _ => None,
        }
    }

    /// Whether `entry` can ever give a reason: callers skip making keys when it can't.
    pub fn asks_per_entry(&self) -> bool {
        self.patterns.is_some() || self.larger_than.is_some()
    }

    /// Whether the directory is kept but never entered.
    pub fn never_enters(&self, key: &[u8], stat: &Stat) -> bool {
        self.never.iter().any(|never| {
            never.identity == Some((stat.dev, stat.ino)) || never.key.as_deref() == Some(key)
        })
    }

    /// Whether `never_enters` can ever be true.
    pub(crate) fn asks_per_directory(&self) -> bool {
        !self.never.is_empty()
    }

    /// The marker because of which everything else in an open directory is left out. `has` tells
    /// whether the directory holds a name.
    pub(crate) fn marker(
        &self,
        directory: impl AsFd,
        has: impl Fn(&[u8]) -> bool,
    ) -> Option<(&[u8], Reason)> {
        if self.caches && has(CACHE_TAG) && is_cache_tag(directory) {
            return Some((CACHE_TAG, Reason::Cache));
        }
        let present = self.if_present.iter().find(|name| has(name))?;
        Some((present, Reason::Present(present.clone())))
    }

    /// Why the path (stored key) is not part of a scan of `root`, looking at every directory above it.
    pub fn explain(&self, root: &Path, path: &[u8]) -> Option<Reason> {
        let mut end = 0;
        loop {
            let key = &path[..end];
            let stat = lstat(&crate::error::path_of(root, key))?;
            if let Some(reason) = self.entry(key, &stat) {
                return Some(reason);
            }
            if end == path.len() {
                return None;
            }
            if self.never_enters(key, &stat) {
                return Some(Reason::Never);
            }
            let from = if end == 0 { 0 } else { end + 1 };
            end = path[from..]
                .iter()
                .position(|&b| b == 0)
                .map_or(path.len(), |at| from + at);
            let name = &path[from..end];
            if is_own_at(&crate::error::path_of(root, key), name) {
                return Some(Reason::Own);
            }
            if let Some(reason) = self.explain_marker(&crate::error::path_of(root, key), name) {
                return Some(reason);
            }
        }
    }

    fn explain_marker(&self, directory: &Path, name: &[u8]) -> Option<Reason> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(directory, flags, Mode::empty()).ok()?;
        let has = |name: &[u8]| lstat(&directory.join(as_path(name))).is_some();
        let (marker, reason) = self.marker(&open, has)?;
        (marker != name).then_some(reason)
    }
}

impl Never {
    fn new(root: &Path, path: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let key = real(path)
            .strip_prefix(real(root))
            .ok()
            .and_then(|inner| model::PathKey::from_path(inner.as_os_str().as_bytes()).ok());
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let open = rustix::fs::open(path, flags, Mode::empty()).ok();
        let stat = open.and_then(|open| Stat::of(open).ok());
        Self {
            key: key.map(model::PathKey::into_bytes),
            identity: stat.map(|stat| (stat.dev, stat.ino)),
        }
    }
}

fn compile(options: &ExcludeOptions) -> Result<Option<Gitignore>, SourceError> {
    if options.patterns.is_empty() && options.pattern_files.is_empty() {
        return Ok(None);
    }
    // Paths are handed in relative to the root of the source, so the matcher's own root is empty.
    let mut builder = GitignoreBuilder::new("");
    let patterns = all_patterns(options)?;
    for (pattern, from) in &patterns {
        builder
            .add_line(None, pattern)
            .map_err(|error| refused(pattern, from.as_deref(), &error))?;
    }
    let built = builder.build().map_err(|error| {
        // It does not say which one it means: that which alone is refused, too.
        let guilty = patterns.iter().find(|(pattern, _)| {
            let mut alone = GitignoreBuilder::new("");
            alone.add_line(None, pattern).is_err() || alone.build().is_err()
        });
        match guilty {
            Some((pattern, from)) => refused(pattern, from.as_deref(), &error),
            None => refused("", Some("all patterns together"), &error),
        }
    })?;
    Ok((!built.is_empty()).then_some(built))
}

/// Every pattern, with the file and line that it is from.
fn all_patterns(options: &ExcludeOptions) -> Result<Vec<(String, Option<String>)>, SourceError> {
    let given = options.patterns.iter();
    let mut patterns: Vec<_> = given.map(|pattern| (pattern.clone(), None)).collect();
    for file in &options.pattern_files {
        let text = std::fs::read(file).map_err(|source| SourceError::Unreadable {
            path: file.clone(),
            source,
        })?;
        // As git does with files that begin with a byte order mark.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        for (line, pattern) in text.split(|&byte| byte == b'\n').enumerate() {
            let from = format!("line {} of {}", line + 1, file.display());
            let pattern = pattern.strip_suffix(b"\r").unwrap_or(pattern);
            let Ok(pattern) = std::str::from_utf8(pattern) else {
                return Err(SourceError::Pattern {
                    pattern: beginning(&String::from_utf8_lossy(pattern)),
                    reason: format!("{from} is not UTF-8"),
                });
            };
            patterns.push((pattern.to_owned(), Some(from)));
        }
    }
    Ok(patterns)
}

fn refused(pattern: &str, from: Option<&str>, error: &ignore::Error) -> SourceError {
    // Errors repeat the whole pattern.
    let why = error.to_string();
    let why = match pattern {
        "" => why,
        pattern => why.replace(pattern, &beginning(pattern)),
    };
    SourceError::Pattern {
        pattern: beginning(pattern),
        reason: match from {
            Some(from) => format!("{from}: {}", shortened(&why, REASON_CHARS_MAX)),
            None => shortened(&why, REASON_CHARS_MAX),
        },
    }
}

/// So much of a pattern as fits into a message.
fn beginning(pattern: &str) -> String {
    shortened(pattern, PATTERN_CHARS_MAX)
}

fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn is_own_at(directory: &Path, name: &[u8]) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    name == OWN_HOME
        && rustix::fs::open(directory, flags, Mode::empty())
            .is_ok_and(|open| is_own_home(open, name))
}

fn is_cache_tag(directory: impl AsFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(tag) = rustix::fs::openat(directory, "CACHEDIR.TAG", flags, Mode::empty()) else {
        return false;
    };
    let mut head = [0; CACHE_SIGNATURE.len()];
    matches!(rustix::io::read(&tag, &mut head), Ok(43)) && &head == CACHE_SIGNATURE
}

fn lstat(path: &Path) -> Option<Stat> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Stat::of(rustix::fs::open(path, flags, Mode::empty()).ok()?).ok()
}

fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}
