//! Orderly work that removes or empties files: version control, package managers, log rotation, stores
//! that write new files for old ones. Told by the trace that such work always leaves beside, by the same
//! program; a name alone excuses nobody. What is excused is at most a notice.

use std::collections::{BTreeMap, BTreeSet};

use model::incident::Looks;
use model::key::parent;

use super::actors::Actors;
use super::limits::QUIET;
use super::mark::{self, Deed, Mark};
use super::pairs::extension;

/// Files below `.git` that every command writes that moves a work tree; their locks come first.
const MOVERS: [&[u8]; 7] = [
    b"index",
    b"index.lock",
    b"HEAD",
    b"HEAD.lock",
    b"ORIG_HEAD",
    b"gc.pid",
    b"packed-refs.lock",
];
/// Programs that put a file into an archive of its own and remove it.
const COMPRESSORS: [&str; 6] = ["gzip", "pigz", "xz", "bzip2", "zstd", "lz4"];
/// What they add to its name.
const COMPRESSED: [&[u8]; 5] = [b"gz", b"xz", b"bz2", b"zst", b"lz4"];
/// Without knowing who: only what moves the head.
const HEADS: [&[u8]; 3] = [b"HEAD", b"HEAD.lock", b"ORIG_HEAD"];
/// Where package managers keep what is installed.
const PACKAGE_DATABASES: [&[&[u8]]; 5] = [
    &[b"var", b"lib", b"dpkg"],
    &[b"var", b"lib", b"rpm"],
    &[b"usr", b"lib", b"sysimage", b"rpm"],
    &[b"var", b"lib", b"pacman"],
    &[b"lib", b"apk", b"db"],
];
/// Where packages have no business.
const PEOPLES: [&[u8]; 3] = [b"home", b"root", b"srv"];

/// When a program left its trace.
#[derive(Debug, Clone, Copy)]
struct Span(i64, i64);

impl Span {
    fn add(span: Option<&Self>, at: i64) -> Self {
        span.map_or(Self(at, at), |span| Self(span.0.min(at), span.1.max(at)))
    }

    fn is_near(self, at: i64) -> bool {
        at >= self.0 - QUIET && at <= self.1 + QUIET
    }
}

type Programs = BTreeMap<Option<u32>, Span>;

#[derive(Debug, Default)]
struct WorkTree {
    movers: Programs,
    packers: Programs,
}

/// The traces that the marks of the last hour hold.
#[derive(Debug, Default)]
pub(super) struct Traces<'a> {
    work_trees: BTreeMap<&'a [u8], WorkTree>,
    packages: Programs,
    /// Names without what rotation adds, of sound files that were written.
    rotated: BTreeSet<(&'a [u8], &'a [u8])>,
    /// Files for which a compressor wrote an archive.
    compressed: BTreeSet<(&'a [u8], &'a [u8])>,
    /// Bytes that a program wrote, and those that it removed, of one kind in one directory.
    turned: BTreeMap<Kind<'a>, (u64, u64)>,
}

type Kind<'a> = (&'a [u8], &'a [u8], Option<u32>, u8);

impl<'a> Traces<'a> {
    pub(super) fn read(marks: impl Iterator<Item = &'a Mark>, actors: &Actors) -> Self {
        let mut traces = Self::default();
        for mark in marks {
            traces.read_one(mark, actors);
        }
        traces
    }

    fn read_one(&mut self, mark: &'a Mark, actors: &Actors) {
        let key = mark.key.as_bytes();
        let program = actors.program(mark.who);
        if let Some((tree, inside)) = version_control(key) {
            let tree = self.work_trees.entry(tree).or_default();
            // Who removes the files of version control uses none; its own locks it may.
            let works = mark.deed != Deed::Removed
                || mark
                    .born
                    .is_some_and(|(_, who)| actors.program(who) == program);
            let mover = program.is_some() && MOVERS.contains(&inside);
            if works && (mover || HEADS.contains(&inside)) {
                let span = Span::add(tree.movers.get(&program), mark.at);
                tree.movers.insert(program, span);
            }
            if mark.deed == Deed::Created && inside.starts_with(b"objects\0pack\0") {
                let span = Span::add(tree.packers.get(&program), mark.at);
                tree.packers.insert(program, span);
            }
        }
        if !mark.deed.harms() && program.is_some() && is_package_database(mark) {
            let span = Span::add(self.packages.get(&program), mark.at);
            self.packages.insert(program, span);
        }
        let Some(dir) = parent(key) else { return };
        let written = matches!(mark.deed, Deed::Created | Deed::Rewritten);
        match mark
            .after
            .filter(|facts| written && mark::is_sound(facts) && facts.magic_ok != Some(false))
        {
            Some(facts) => {
                self.rotated.insert((dir, unrotated(mark.key.name())));
                let added = extension(mark.key.name());
                if facts.looks == Looks::KnownPacked
                    && COMPRESSED.contains(&added)
                    && is_compressor(mark, actors)
                {
                    let whole = &mark.key.name()[..mark.key.name().len() - added.len() - 1];
                    self.compressed.insert((dir, whole));
                }
                if mark.deed == Deed::Created && is_numbered(mark.key.name()) {
                    let kind = (dir, extension(mark.key.name()), program, looks(facts.looks));
                    let turned = self.turned.entry(kind).or_default();
                    turned.0 = turned.0.saturating_add(facts.size);
                }
            }
            None if mark.deed == Deed::Removed && is_numbered(mark.key.name()) => {
                let before = mark.before.map_or(Looks::Unknown, |facts| facts.looks);
                let kind = (dir, extension(mark.key.name()), program, looks(before));
                let turned = self.turned.entry(kind).or_default();
                turned.1 = turned.1.saturating_add(mark.size());
            }
            None => {}
        }
    }

    /// Whether this damage is part of such work.
    pub(super) fn excuses(&self, mark: &Mark, actors: &Actors) -> bool {
        let program = actors.program(mark.who);
        self.by_version_control(mark, program)
            || self.by_packages(mark, program)
            || self.by_rotation(mark, program)
            || self.by_compression(mark, actors)
    }

    fn by_version_control(&self, mark: &Mark, program: Option<u32>) -> bool {
        if self.work_trees.is_empty() {
            return false;
        }
        let near = |programs: &Programs| {
            programs
                .get(&program)
                .is_some_and(|span| span.is_near(mark.at))
        };
        // `git prune-packed` is gone before anybody can look who it was.
        let packs = |programs: &Programs| {
            near(programs)
                || (program.is_none() && programs.values().any(|span| span.is_near(mark.at)))
        };
        if let Some((tree, _)) = version_control(mark.key.as_bytes()) {
            return self
                .work_trees
                .get(tree)
                .is_some_and(|tree| packs(&tree.packers));
        }
        let mut above = parent(mark.key.as_bytes());
        while let Some(dir) = above {
            if self
                .work_trees
                .get(dir)
                .is_some_and(|tree| near(&tree.movers))
            {
                return true;
            }
            above = parent(dir);
        }
        false
    }

    /// The archive of the same name lies beside, and both were done by a program that does just this.
    fn by_compression(&self, mark: &Mark, actors: &Actors) -> bool {
        mark.deed == Deed::Removed
            && is_compressor(mark, actors)
            && parent(mark.key.as_bytes())
                .is_some_and(|dir| self.compressed.contains(&(dir, mark.key.name())))
    }

    fn by_packages(&self, mark: &Mark, program: Option<u32>) -> bool {
        self.packages
            .get(&program)
            .is_some_and(|span| span.is_near(mark.at))
            && !mark
                .key
                .names()
                .next()
                .is_some_and(|first| PEOPLES.contains(&first))
    }

    /// A log was turned over, or a store wrote new files for old ones: the same program, the same kind of
    /// bytes, the same extension and directory, names that are numbers.
    fn by_rotation(&self, mark: &Mark, program: Option<u32>) -> bool {
        let (Some(dir), Some(before)) = (parent(mark.key.as_bytes()), mark.before) else {
            return false;
        };
        if mark.deed != Deed::Removed {
            return false;
        }
        let name = mark.key.name();
        let bare = unrotated(name);
        if bare != name && self.rotated.contains(&(dir, bare)) {
            return true;
        }
        let kind = (dir, extension(name), program, looks(before.looks));
        // At least a fifth comes back: stores merge files that hold the same keys, but not to nothing.
        program.is_some()
            && is_numbered(name)
            && self.turned.get(&kind).is_some_and(|(written, removed)| {
                *written > 0 && written.saturating_mul(5) >= *removed
            })
    }
}

fn is_compressor(mark: &Mark, actors: &Actors) -> bool {
    let actor = actors.get(mark.who);
    actor.is_none_or(|actor| actor.comm.is_empty() || COMPRESSORS.contains(&actor.comm.as_str()))
}

fn looks(looks: Looks) -> u8 {
    match looks {
        Looks::Unknown => 0,
        Looks::Compressible => 1,
        Looks::KnownPacked => 2,
        Looks::Random => 3,
        Looks::Zeros => 4,
    }
}

/// The work tree that this key is about, and what follows `.git` in it.
fn version_control(key: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(inside) = key.strip_prefix(b".git\0") {
        return Some((b"", inside));
    }
    let at = key.windows(6).position(|part| part == b"\0.git\0")?;
    Some((&key[..at], &key[at + 6..]))
}

/// Whether a store named it: digits of a number, such as `000123.sst`. People name files in words.
fn is_numbered(name: &[u8]) -> bool {
    let end = extension(name);
    let stem = &name[..name.len() - end.len()];
    let stem = stem.strip_suffix(b".").unwrap_or(stem);
    stem.len() >= 4 && stem.iter().all(u8::is_ascii_hexdigit) && stem.iter().any(u8::is_ascii_digit)
}

fn is_package_database(mark: &Mark) -> bool {
    let names: Vec<&[u8]> = mark.key.names().take(6).collect();
    PACKAGE_DATABASES
        .iter()
        .any(|database| names.windows(database.len()).any(|part| part == *database))
}

/// The name without the numbers, dates and compression that log rotation adds: `x.log.3.gz` to `x.log`.
fn unrotated(mut name: &[u8]) -> &[u8] {
    const PACKED: [&[u8]; 4] = [b"gz", b"xz", b"bz2", b"zst"];
    loop {
        let end = extension(name);
        let number = !end.is_empty() && end.iter().all(u8::is_ascii_digit);
        if end.is_empty() || !(number || PACKED.contains(&end)) {
            break;
        }
        name = &name[..name.len() - end.len() - 1];
    }
    // `messages-20240131`
    match name.iter().rposition(|&byte| byte == b'-') {
        Some(at)
            if at > 0 && name.len() - at == 9 && name[at + 1..].iter().all(u8::is_ascii_digit) =>
        {
            &name[..at]
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_taken_off_a_name() {
        for (name, bare) in [
            ("x.log.3.gz", "x.log"),
            ("x.log", "x.log"),
            ("messages-20240131.xz", "messages"),
            ("report-2024.docx", "report-2024.docx"),
            (".1", ".1"),
        ] {
            assert_eq!(unrotated(name.as_bytes()), bare.as_bytes(), "{name}");
        }
    }
}
