//! Inert simulators of attacks: what ransomware and wipers do to files, with nothing else of them. A
//! keystream that anybody can take back stands for encryption.
//!
//! They work only in a tree that the harness has made: its folder holds a mark with the tree's own path,
//! links are not followed, and anything else is refused.

use super::super::random::Random;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::fs::{self, File, FileTimes, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Beside the tree; holds the tree's path.
pub(super) const MARK_NAME: &str = "scratch-tree-of-the-harness";

#[derive(Args, Debug)]
pub(crate) struct Attack {
    #[arg(value_enum)]
    kind: Kind,
    /// The harness's tree
    #[arg(long)]
    tree: PathBuf,
    /// Of the files, only every STEP-th
    #[arg(long, default_value_t = 1)]
    step: usize,
    /// Beginning with this one
    #[arg(long, default_value_t = 0)]
    offset: usize,
    /// Seconds between two files, in tenths
    #[arg(long, default_value_t = 0)]
    pause: u64,
    /// So many files at most
    #[arg(long, default_value_t = usize::MAX)]
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Every byte, in place
    InPlace,
    /// In place, and the times put back
    ForgedTimes,
    /// Written to a new file with another extension, the old one removed
    NewFile,
    /// The same with a note in every directory
    Notes,
    /// One piece of a twenty-fifth of the file, a third into it
    Partial,
    /// Every fourth block of 1 KiB, in place
    EveryFourthBlock,
    /// The first 4 KiB, in place
    Head,
    /// Keystream, then Base64, in place
    Base64,
    /// Only another extension
    Renamed,
    /// Random names
    RandomNames,
    /// Overwritten with zeros of the same length
    Zeros,
    /// The last six tenths cut off
    Cut,
    /// Removed
    Removed,
    /// 6.8 % of them removed, at random
    RandomRemoved,
    /// Removed and made again, empty
    Recreated,
    /// 50,000 files made and removed, then all removed
    FloodThenRemoved,
}

pub(crate) fn run(attack: &Attack) -> Result<()> {
    let tree = permitted(&attack.tree)?;
    let mut files = Vec::new();
    list(&tree, &mut files)?;
    files.sort();
    if attack.kind == Kind::FloodThenRemoved {
        flood(&tree)?;
        // The damage begins only now.
        if let Some(mark) = std::env::var_os("MARK") {
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
            fs::write(mark, format!("{nanos}\n{}\n", std::process::id()))?;
        }
    }
    let mut random = Random::new(7);
    let chosen = files.iter().skip(attack.offset).step_by(attack.step);
    for file in chosen.take(attack.most) {
        if attack.kind == Kind::RandomRemoved && random.below(1_000) >= 68 {
            continue;
        }
        strike(attack.kind, file).with_context(|| format!("attack {}", file.display()))?;
        thread::sleep(Duration::from_millis(100 * attack.pause));
    }
    Ok(())
}

/// The tree, if the harness has marked it as its own.
fn permitted(tree: &Path) -> Result<PathBuf> {
    let tree = tree.canonicalize()?;
    let mark = tree.parent().context("the tree is a root")?.join(MARK_NAME);
    let marked = fs::read_to_string(&mark).unwrap_or_default();
    if Path::new(marked.trim()) != tree {
        bail!("{} is no scratch tree of the harness", tree.display());
    }
    Ok(tree)
}

/// All regular files but those of the desk, where the bystander works.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && entry.file_name() != "desk" && entry.file_name() != ".git" {
            list(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "an attack does not care what a crash leaves"
)]
fn strike(kind: Kind, file: &Path) -> Result<()> {
    let length = fs::metadata(file)?.len();
    match kind {
        Kind::InPlace => scramble(file, 0, length),
        Kind::ForgedTimes => {
            let metadata = fs::metadata(file)?;
            let times = FileTimes::new()
                .set_modified(metadata.modified()?)
                .set_accessed(metadata.accessed()?);
            scramble(file, 0, length)?;
            Ok(OpenOptions::new()
                .write(true)
                .open(file)?
                .set_times(times)?)
        }
        Kind::NewFile | Kind::Notes => {
            fs::write(
                with_extension(file, "locked"),
                keyed(&fs::read(file)?, file),
            )?;
            fs::remove_file(file)?;
            if kind == Kind::Notes {
                let note = file.with_file_name("READ_ME_TO_GET_FILES_BACK.txt");
                fs::write(note, "This is a simulation. Nothing is asked of you.\n")?;
            }
            Ok(())
        }
        Kind::Partial => scramble(file, length / 3, (length / 25).max(64)),
        Kind::EveryFourthBlock => (0..length)
            .step_by(4096)
            .try_for_each(|at| scramble(file, at, 1024)),
        Kind::Head => scramble(file, 0, length.min(4096)),
        Kind::Base64 => Ok(fs::write(file, base64(&keyed(&fs::read(file)?, file)))?),
        Kind::Renamed => Ok(fs::rename(file, with_extension(file, "locked"))?),
        Kind::RandomNames => {
            let name = format!("{:016x}", Random::new(seed(file)).next());
            Ok(fs::rename(file, file.with_file_name(name))?)
        }
        Kind::Zeros => {
            let open = OpenOptions::new().write(true).open(file)?;
            Ok(open.write_all_at(&vec![0; length as usize], 0)?)
        }
        Kind::Cut => Ok(OpenOptions::new()
            .write(true)
            .open(file)?
            .set_len(length * 4 / 10)?),
        Kind::Removed | Kind::RandomRemoved | Kind::FloodThenRemoved => Ok(fs::remove_file(file)?),
        Kind::Recreated => {
            fs::remove_file(file)?;
            File::create(file)?;
            Ok(())
        }
    }
}

/// So that the queue of events runs over: three times its default length, and the events of each file.
fn flood(tree: &Path) -> Result<()> {
    let folder = tree.join("flood");
    fs::create_dir_all(&folder)?;
    for number in 0..50_000 {
        let path = folder.join(format!("{number}"));
        File::create(&path)?;
        fs::remove_file(&path)?;
    }
    Ok(fs::remove_dir(&folder)?)
}

fn scramble(file: &Path, at: u64, length: u64) -> Result<()> {
    let open = OpenOptions::new().read(true).write(true).open(file)?;
    let end = (at + length).min(open.metadata()?.len());
    let mut bytes = vec![0; end.saturating_sub(at) as usize];
    open.read_exact_at(&mut bytes, at)?;
    Ok(open.write_all_at(&keyed(&bytes, file), at)?)
}

fn seed(file: &Path) -> u64 {
    let bytes = file.as_os_str().as_encoded_bytes();
    bytes.iter().fold(99, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    })
}

fn keyed(bytes: &[u8], file: &Path) -> Vec<u8> {
    let mut stream = vec![0; bytes.len()];
    Random::new(seed(file)).fill(&mut stream);
    bytes
        .iter()
        .zip(stream)
        .map(|(byte, key)| byte ^ key)
        .collect()
}

fn with_extension(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(bytes.len() * 4 / 3 + 4);
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        out.extend((0..4).map(|sextet| ALPHABET[(word >> (18 - 6 * sextet) & 63) as usize]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_the_mark_is_refused() {
        let folder = std::env::temp_dir().join(format!("harness-refusal-{}", std::process::id()));
        let tree = folder.join("tree");
        fs::create_dir_all(&tree).unwrap();
        assert!(permitted(&tree).is_err());
        let own = tree.canonicalize().unwrap();
        fs::write(folder.join(MARK_NAME), own.display().to_string()).unwrap();
        assert!(permitted(&tree).is_ok());
        fs::create_dir(tree.join("inner")).unwrap();
        assert!(permitted(&tree.join("inner")).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn base64_of_a_known_text() {
        // Bytes that are missing in the last group count as zero.
        assert_eq!(base64(b"undo it"), b"dW5kbyBpdAAA");
    }
}
