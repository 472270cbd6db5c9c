//! What the tests of the watcher share: places to watch, children, and the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use recoup_source::files::watch::{Batch, Capture, FileId, Settle, WatchOptions, Watcher};
use tempfile::TempDir;
use testkit::Picture;

const ROLE: &str = "RECOUP_WATCH_ROLE";

/// Long enough for a machine that does other work too; nothing depends on it when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A command that runs this program in a role, with arguments in the environment.
pub(crate) fn child(role: &str, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture", "--quiet"]);
    command.env(ROLE, role);
    for (at, arg) in args.iter().enumerate() {
        command.env(format!("{ROLE}_{at}"), arg);
    }
    command
}

fn arg(at: usize) -> OsString {
    std::env::var_os(format!("{ROLE}_{at}")).expect("an argument of the role")
}

/// What a child does.
pub(crate) fn play_role() {
    let text = |at| arg(at).into_string().unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("churn") => {
            let (seed, count) = (text(0).parse().unwrap(), text(1).parse().unwrap());
            let (root, outside) = (arg(2), arg(3));
            let links = text(4) == "links";
            let done =
                super::churn::churn(seed, count, links, Path::new(&root), Path::new(&outside));
            println!("done {done}");
        }
        Ok("watch") => super::overflow::watch_until_end(Path::new(&arg(0)), best(&text(1))),
        Ok("probe") => super::refusals::probe(Path::new(&arg(0))),
        Ok("delete") => super::actors::delete_all(Path::new(&arg(0))),
        other => println!("no role to play: {other:?}"),
    }
}

fn best(word: &str) -> Capture {
    [Capture::Fanotify, Capture::Inotify]
        .into_iter()
        .find(|capture| capture.word() == word)
        .unwrap()
}

/// Runs a child to its end.
pub(crate) fn run(mut command: Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: signal {:?}",
        output.status.signal()
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a shell script in a directory.
pub(crate) fn shell(directory: &Path, script: &str) {
    let mut command = Command::new("bash");
    command.current_dir(directory).args(["-euc", script]);
    run(command);
}

/// A directory `root` to watch, and one beside it on the same file system.
pub(crate) struct Place {
    pub(crate) what: &'static str,
    _temp: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) outside: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::below("temporary directory", &std::env::temp_dir())
    }

    pub(crate) fn below(what: &'static str, directory: &Path) -> Self {
        let temp = TempDir::new_in(directory).unwrap();
        let (root, outside) = (temp.path().join("root"), temp.path().join("outside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        Self {
            what,
            _temp: temp,
            root,
            outside,
        }
    }
}

/// A file system of its own in a file, while this lives.
pub(crate) struct Disk {
    at: PathBuf,
    _temp: TempDir,
}

impl Disk {
    /// `None`, saying why, where it can't be made.
    pub(crate) fn new(kind: &str) -> Option<Self> {
        let temp = TempDir::new().unwrap();
        let (image, at) = (temp.path().join("image"), temp.path().join("at"));
        fs::create_dir(&at).unwrap();
        // The least that mkfs.xfs takes is 300 MB; the file is sparse.
        fs::File::create(&image)
            .unwrap()
            .set_len(320 << 20)
            .unwrap();
        let works = |command: &mut Command| {
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let mut make = Command::new(format!("mkfs.{kind}"));
        if kind == "ext4" {
            // Small file systems get small blocks otherwise, too small for the tree's attributes.
            make.args(["-b", "4096"]);
        }
        let made = works(make.arg("-q").arg(&image))
            && works(
                Command::new("mount")
                    .args(["-o", "loop"])
                    .arg(&image)
                    .arg(&at),
            );
        if !made {
            println!("SKIP {kind}: no mkfs.{kind}, or not allowed to mount");
            return None;
        }
        Some(Self { at, _temp: temp })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
    }
}

/// A watcher of this very kind; `None`, saying why, where it can't be.
pub(crate) fn watch(root: &Path, best: Capture) -> Option<Watcher> {
    watch_with(
        root,
        &WatchOptions {
            best,
            ..WatchOptions::default()
        },
    )
}

pub(crate) fn watch_with(root: &Path, options: &WatchOptions) -> Option<Watcher> {
    let (watcher, info) = Watcher::open(root, options).unwrap();
    if info.capture == options.best {
        return Some(watcher);
    }
    println!(
        "SKIP {} on {}: {:?}",
        options.best.word(),
        root.display(),
        info.refusals
    );
    None
}

/// Everything until now.
pub(crate) fn settled(watcher: &Watcher) -> Batch {
    assert!(watcher.catch_up(PATIENCE), "the watcher doesn't catch up");
    watcher.drain(Duration::ZERO, Settle::AT_ONCE)
}

/// A tree at one moment, seen without the watcher's code.
pub(crate) struct Seen {
    picture: Picture,
    files: BTreeMap<Vec<u8>, FileId>,
}

impl Seen {
    pub(crate) fn take(root: &Path) -> Self {
        let picture = Picture::take(root).unwrap();
        let mut files = BTreeMap::new();
        let things = picture.0.iter().filter(|(_, shot)| shot.kind != "dir");
        for key in things.map(|(key, _)| key) {
            let path = root.join(path_of(key));
            let data = fs::symlink_metadata(&path).unwrap();
            let dev = data.dev();
            let dev = u64::from(rustix::fs::major(dev)) << 32 | u64::from(rustix::fs::minor(dev));
            files.insert(
                key.clone(),
                FileId {
                    dev,
                    ino: data.ino(),
                },
            );
        }
        Self { picture, files }
    }
}

fn path_of(key: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(model::key::to_path(key)).into()
}

/// What the judge found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Keys whose state differs.
    pub(crate) changed: usize,
    /// Of those, keys that are told themselves.
    pub(crate) exactly: usize,
    /// Of those, keys found only by their inode.
    pub(crate) by_file: usize,
    /// Keys whose change nothing tells of.
    pub(crate) missed: Vec<String>,
}

/// Compares what changed with what was told. Does what a caller of the watcher does: looks beneath
/// subtrees, and at the other names of a file.
pub(crate) fn judge(before: &Seen, after: &Seen, batches: &[Batch]) -> Verdict {
    let mut told: BTreeMap<&[u8], bool> = BTreeMap::new();
    for dirty in batches.iter().flat_map(|batch| &batch.dirty) {
        *told.entry(&dirty.key).or_default() |= dirty.subtree;
    }
    let covered = |key: &[u8]| {
        let mut above = model::key::parent(key);
        while let Some(at) = above {
            if told.get(at) == Some(&true) {
                return true;
            }
            above = model::key::parent(at);
        }
        told.contains_key(key)
    };
    let mut files: BTreeSet<FileId> = batches
        .iter()
        .flat_map(|batch| batch.files.clone())
        .collect();
    for (key, file) in before.files.iter().chain(&after.files) {
        if covered(key) {
            files.insert(*file);
        }
    }
    let all_linked = batches.iter().any(|batch| batch.all_linked);
    let linked = |seen: &Seen, key: &[u8]| {
        let file = seen.files.get(key);
        file.is_some_and(|file| files.contains(file))
            || all_linked
                && seen
                    .picture
                    .0
                    .get(key)
                    .is_some_and(|shot| shot.twin_of.is_some())
    };
    let mut verdict = Verdict::default();
    let keys: BTreeSet<&Vec<u8>> = before
        .picture
        .0
        .keys()
        .chain(after.picture.0.keys())
        .collect();
    for key in keys {
        let (was, is) = (before.picture.0.get(key), after.picture.0.get(key));
        if was == is {
            continue;
        }
        verdict.changed += 1;
        verdict.exactly += usize::from(told.contains_key(key.as_slice()));
        if covered(key) {
            continue;
        }
        if linked(before, key) || linked(after, key) {
            verdict.by_file += 1;
        } else {
            let short = |shot: Option<&testkit::Shot>| {
                shot.map(|shot| {
                    (
                        shot.kind,
                        shot.mode,
                        shot.mtime,
                        shot.bytes.len(),
                        shot.twin_of.clone(),
                    )
                })
            };
            let name = String::from_utf8_lossy(key).replace('\0', "/");
            verdict
                .missed
                .push(format!("{name:?}: {:?} -> {:?}", short(was), short(is)));
        }
    }
    verdict
}
