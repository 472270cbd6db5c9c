//! Trees as values, plans made by hand or by chance, and a judge that compares bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::plan::Step;
use model::{Action, Cancel, Content, Entry, Kind, PathKey, Plan, Timestamp, Xattr, Xattrs};
use recoup_undo::apply::{
    Hooks, Job, Judge, NoHooks, Options, Outcome, Seen, StepResult, Work, apply, resume, rollback,
};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use source::SourceError;
use source::files::Stat;
use source::files::attributes::Rights;
use source::files::write::Directory;

/// One path of a tree: kind, permission bits, bytes or target, and a time in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) secs: i64,
}

pub(crate) type Tree = BTreeMap<String, Node>;

/// A time long ago, so that nothing passes for changed just now.
pub(crate) const LONG_AGO: i64 = 1_000_000_000;

pub(crate) fn file(text: &str) -> Node {
    node(Kind::File, 0o644, text)
}

pub(crate) fn dir() -> Node {
    node(Kind::Directory, 0o755, "")
}

pub(crate) fn link(target: &str) -> Node {
    node(Kind::Symlink, 0o777, target)
}

pub(crate) fn fifo() -> Node {
    node(Kind::Fifo, 0o640, "")
}

fn node(kind: Kind, mode: u32, text: &str) -> Node {
    Node {
        kind,
        mode,
        bytes: text.into(),
        secs: LONG_AGO,
    }
}

pub(crate) fn tree<const N: usize>(nodes: [(&str, Node); N]) -> Tree {
    nodes
        .into_iter()
        .map(|(path, node)| (path.to_string(), node))
        .collect()
}

pub(crate) fn key(path: &str) -> PathKey {
    PathKey::from_path(path.as_bytes()).unwrap()
}

pub(crate) fn path_of(key: &PathKey) -> String {
    String::from_utf8(key.to_path()).unwrap()
}

/// The entry that stands for a node.
pub(crate) fn entry(node: &Node) -> Entry {
    let mut entry = Entry::new(node.kind);
    entry.mode = node.mode;
    entry.uid = rustix::process::geteuid().as_raw();
    entry.gid = rustix::process::getegid().as_raw();
    entry.mtime = Timestamp::new(node.secs, 0);
    match node.kind {
        Kind::File => {
            entry.size = node.bytes.len() as u64;
            entry.content = Content::Inline(node.bytes.clone());
        }
        Kind::Symlink => entry.target = node.bytes.clone(),
        _ => {}
    }
    entry
}

/// Makes one node.
pub(crate) fn make(path: &Path, node: &Node) {
    let text = || std::ffi::OsStr::from_bytes(&node.bytes);
    match node.kind {
        Kind::File => fs::write(path, &node.bytes).unwrap(),
        Kind::Directory => fs::create_dir(path).unwrap(),
        Kind::Symlink => symlink(text(), path).unwrap(),
        Kind::Fifo => {
            let fifo = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(CWD, path, fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
        kind => panic!("{kind:?} is not made here"),
    }
    if node.kind != Kind::Symlink {
        fs::set_permissions(path, fs::Permissions::from_mode(node.mode)).unwrap();
    }
}

pub(crate) fn set_time(path: &Path, secs: i64) {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: secs,
            tv_nsec: 0,
        },
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Makes all nodes, parents first, times last.
pub(crate) fn build(root: &Path, tree: &Tree) {
    for (path, node) in tree {
        make(&root.join(path), node);
    }
    for (path, node) in tree.iter().rev() {
        set_time(&root.join(path), node.secs);
    }
}

/// What is beneath a directory; times of directories are left out (zero).
pub(crate) fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for found in fs::read_dir(&directory).unwrap() {
            let path = found.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let raw = rustix::fs::FileType::from_raw_mode(meta.mode());
            let (kind, bytes) = match raw {
                rustix::fs::FileType::RegularFile => (Kind::File, fs::read(&path).unwrap()),
                rustix::fs::FileType::Directory => (Kind::Directory, Vec::new()),
                rustix::fs::FileType::Symlink => {
                    let target = fs::read_link(&path).unwrap();
                    (Kind::Symlink, target.as_os_str().as_bytes().to_vec())
                }
                _ => (Kind::Fifo, Vec::new()),
            };
            let secs = if kind == Kind::Directory {
                0
            } else {
                meta.mtime()
            };
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_string();
            let mode = meta.mode() & 0o7777;
            if kind == Kind::Directory {
                todo.push(path);
            }
            tree.insert(
                name,
                Node {
                    kind,
                    mode,
                    bytes,
                    secs,
                },
            );
        }
    }
    tree
}

/// The same without times of directories, for comparing with what [`read`] gives.
pub(crate) fn timeless(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    for node in tree
        .values_mut()
        .filter(|node| node.kind == Kind::Directory)
    {
        node.secs = 0;
    }
    tree
}

pub(crate) fn same(found: &Tree, expected: &Tree, what: &str) {
    if let Some(difference) = difference(found, expected) {
        panic!("{what}: {difference}");
    }
}

pub(crate) fn difference(found: &Tree, expected: &Tree) -> Option<String> {
    let paths = found.keys().chain(expected.keys());
    let mut lines = Vec::new();
    for path in paths {
        let (one, two) = (found.get(path), expected.get(path));
        if one != two {
            lines.push(format!(
                "\n  {path}: found {}, expected {}",
                show(one),
                show(two)
            ));
        }
    }
    lines.sort();
    lines.dedup();
    (!lines.is_empty()).then(|| lines.concat())
}

fn show(node: Option<&Node>) -> String {
    node.map_or("nothing".into(), |node| {
        let text = String::from_utf8_lossy(&node.bytes);
        format!(
            "{} {:o} {text:?} at {}",
            node.kind.word(),
            node.mode,
            node.secs
        )
    })
}

/// Compares bytes.
pub(crate) struct Bytes;

impl Judge for Bytes {
    fn holds(&self, at: &Directory, name: &[u8], entry: &Entry) -> Result<bool, SourceError> {
        let Some(stat) = at.stat(name)? else {
            return Ok(false);
        };
        if stat.kind != entry.kind || (stat.uid, stat.gid) != (entry.uid, entry.gid) {
            return Ok(false);
        }
        if stat.kind != Kind::Symlink && stat.mode != entry.mode {
            return Ok(false);
        }
        match stat.kind {
            Kind::File => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let Ok(fd) = rustix::fs::openat(at, name, flags, Mode::empty()) else {
                    return Ok(false);
                };
                let mut bytes = Vec::new();
                fs::File::from(fd).read_to_end(&mut bytes).unwrap();
                Ok(entry.content == Content::Inline(bytes))
            }
            Kind::Symlink => {
                let target = rustix::fs::readlinkat(at, name, Vec::new());
                Ok(target.is_ok_and(|target| target.as_bytes() == entry.target))
            }
            _ => Ok(true),
        }
    }

    fn xattrs(&self, entry: &Entry) -> Result<Vec<Xattr>, SourceError> {
        match &entry.xattrs {
            Xattrs::Inline(xattrs) => Ok(xattrs.clone()),
            Xattrs::Blob(_) => unreachable!("test entries hold their attributes"),
        }
    }
}

/// The steps that lead from one tree to another, found by comparing both.
pub(crate) fn steps_between(live: &Tree, wanted: &Tree) -> Vec<Step> {
    let mut steps = Vec::new();
    let paths: std::collections::BTreeSet<&String> = live.keys().chain(wanted.keys()).collect();
    for path in paths {
        let (old, new) = (live.get(path), wanted.get(path));
        let action = match (old, new) {
            (None, _) => Action::Create,
            (_, None) => Action::Remove,
            (Some(old), Some(new)) if old == new => continue,
            (Some(old), Some(new)) if old.kind == new.kind && old.bytes == new.bytes => {
                Action::Metadata
            }
            _ => Action::Replace,
        };
        steps.push(Step {
            key: key(path),
            action,
            expects: old.map(entry),
            leaves: new.map(entry),
        });
    }
    steps.sort_by(|one, two| one.key.cmp(&two.key));
    steps
}

pub(crate) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        steps,
        ..Plan::default()
    }
}

/// A live tree, a plan for it, and what the plan needs.
pub(crate) struct Fixture {
    pub(crate) base: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) plan: Plan,
    pub(crate) work: Work,
    pub(crate) seen: Seen,
    pub(crate) options: Options,
    pub(crate) cancel: Cancel,
}

pub(crate) const OPERATION: &str = "op-7";

impl Fixture {
    /// Builds the tree, stages what the steps place, looks at what they touch. `base` must be empty.
    pub(crate) fn new(base: &Path, live: &Tree, steps: Vec<Step>) -> Self {
        let root = base.join("tree");
        fs::create_dir(&root).unwrap();
        build(&root, live);
        let work = Work::create_in(base, &root, OPERATION).unwrap();
        let plan = plan(steps);
        stage(work.staged(), &plan);
        let seen = look(&root, &plan);
        Self {
            base: base.to_path_buf(),
            root,
            plan,
            work,
            seen,
            options: options(),
            cancel: Cancel::default(),
        }
    }

    pub(crate) fn job<'a>(&'a self, hooks: &'a dyn Hooks) -> Job<'a> {
        Job {
            root: &self.root,
            plan: &self.plan,
            work: &self.work,
            seen: &self.seen,
            judge: &Bytes,
            options: &self.options,
            hooks,
            cancel: &self.cancel,
        }
    }

    pub(crate) fn apply(&self) -> Outcome {
        apply(&self.job(&NoHooks)).unwrap()
    }

    /// Resumes as a new process would: nothing is known but the plan.
    pub(crate) fn resume(&mut self) -> Outcome {
        self.reopen();
        resume(&self.job(&NoHooks)).unwrap()
    }

    pub(crate) fn rollback(&mut self) -> Outcome {
        self.reopen();
        rollback(&self.job(&NoHooks)).unwrap()
    }

    pub(crate) fn reopen(&mut self) {
        self.work = Work::open_in(&self.base, OPERATION).unwrap().unwrap();
        self.seen = Seen::new();
    }

    pub(crate) fn live(&self) -> Tree {
        read(&self.root)
    }

    pub(crate) fn quarantined(&self) -> Tree {
        read(self.work.quarantine())
    }

    /// The result of the step at a path.
    pub(crate) fn result<'o>(&self, outcome: &'o Outcome, path: &str) -> &'o StepResult {
        let wanted = key(path);
        let index = self
            .plan
            .steps
            .iter()
            .position(|step| step.key == wanted)
            .unwrap();
        &outcome.results[index]
    }
}

pub(crate) fn options() -> Options {
    let root = rustix::process::geteuid().is_root();
    // Far in the future: nothing counts as changed just before.
    let seen_at = Timestamp::new(4_000_000_000, 0);
    let mut options = Options::new("7", Rights::for_user(root, false), seen_at);
    options.late_wait = Duration::ZERO;
    options.workers = 1;
    options
}

/// Stages what the steps place, as a restore would.
pub(crate) fn stage(staged: &Path, plan: &Plan) {
    let mut times = Vec::new();
    for step in &plan.steps {
        if !step.action.writes() {
            continue;
        }
        let path = staged.join(path_of(&step.key));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let entry = step.leaves.as_ref().unwrap();
        let bytes = match &entry.content {
            Content::Inline(bytes) => bytes.clone(),
            _ => entry.target.clone(),
        };
        let node = Node {
            kind: entry.kind,
            mode: entry.mode,
            bytes,
            secs: entry.mtime.secs,
        };
        make(&path, &node);
        times.push((path, node.secs));
    }
    for (path, secs) in times.into_iter().rev() {
        set_time(&path, secs);
    }
}

pub(crate) fn look(root: &Path, plan: &Plan) -> Seen {
    let mut seen = Seen::new();
    let keys = plan.steps.iter().flat_map(|step| match &step.action {
        Action::Move { from } => vec![step.key.clone(), from.clone()],
        _ => vec![step.key.clone()],
    });
    for key in keys {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if let Ok(fd) = rustix::fs::open(root.join(path_of(&key)), flags, Mode::empty()) {
            seen.insert(key, Stat::of(fd).unwrap());
        }
    }
    seen
}

/// Counts calls by name.
#[derive(Default)]
pub(crate) struct Counter(std::sync::Mutex<BTreeMap<&'static str, usize>>);

impl Counter {
    pub(crate) fn of(&self, call: &str) -> usize {
        self.0.lock().unwrap().get(call).copied().unwrap_or(0)
    }

    pub(crate) fn all(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

impl Hooks for Counter {
    fn after_call(&self, call: &'static str) {
        *self.0.lock().unwrap().entry(call).or_default() += 1;
    }
}

/// A directory in memory where the system has one, since the sweeps sync thousands of times.
pub(crate) fn fast_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Whether the long form of the tests is asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("RECOUP_LONG").is_some_and(|value| value != "0")
}

/// The steps that were not done, for messages.
pub(crate) fn not_done(plan: &Plan, outcome: &Outcome) -> String {
    let steps = plan.steps.iter().zip(&outcome.results);
    steps
        .filter(|(_, result)| !result.is_done())
        .map(|(step, result)| {
            let kind = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.kind);
            let (expects, leaves) = (kind(&step.expects), kind(&step.leaves));
            let path = path_of(&step.key);
            format!(
                "\n  {path} {:?} {expects:?} to {leaves:?}: {result:?}",
                step.action
            )
        })
        .collect()
}
