//! Somebody works on the tree while a plan is run: at every call of the executor, something else.
//!
//! Whatever happens, every path holds what it held, what somebody wrote, or what the plan says; and no
//! content is lost that nobody destroyed on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use model::{Action, Kind};
use recoup_undo::apply::{Hooks, StepResult, apply};

use crate::chance::{Chance, draw, within};
use crate::killed::contents;
use crate::kit::{Counter, Fixture, Node, Tree, fast_directory, is_long, not_done, path_of, read};

/// Works on the tree at one call, and remembers what it did.
struct Writer {
    root: PathBuf,
    call: usize,
    paths: Vec<String>,
    state: Mutex<State>,
}

struct State {
    calls: usize,
    chance: Chance,
    /// Held open since before the run.
    open: Option<(String, File)>,
    log: Vec<String>,
    /// What was written, by path; `None` for what was taken away.
    written: BTreeMap<String, Vec<Option<Node>>>,
    /// Old and new names of directories that were renamed.
    renamed: Vec<String>,
    destroyed: BTreeSet<Vec<u8>>,
    made: BTreeSet<Vec<u8>>,
}

impl Hooks for Writer {
    fn after_call(&self, _call: &'static str) {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        if state.calls == self.call + 1 {
            // Two things at once: a second writer may come before the executor has seen the first.
            for _ in 0..1 + state.chance.below(2) {
                self.work(&mut state);
            }
        }
    }
}

impl Writer {
    fn new(fixture: &Fixture, call: usize, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let mut paths: Vec<String> = Vec::new();
        for step in &fixture.plan.steps {
            paths.push(path_of(&step.key));
            if let Action::Move { from } = &step.action {
                paths.push(path_of(from));
            }
        }
        let open = chance.pick(&paths).and_then(|path| {
            let place = fixture.root.join(path);
            // Opening a pipe would wait for somebody at its other end.
            let is_file = place.symlink_metadata().is_ok_and(|it| it.is_file());
            let file = is_file.then(|| File::options().append(true).open(place).unwrap());
            file.map(|file| (path.clone(), file))
        });
        Self {
            root: fixture.root.clone(),
            call,
            paths,
            state: Mutex::new(State {
                calls: 0,
                chance,
                open,
                log: Vec::new(),
                written: BTreeMap::new(),
                renamed: Vec::new(),
                destroyed: BTreeSet::new(),
                made: BTreeSet::new(),
            }),
        }
    }

    fn work(&self, state: &mut State) {
        let Some(path) = state.chance.pick(&self.paths).cloned() else {
            return;
        };
        let text = format!("somebody's {}", state.made.len());
        let place = self.root.join(&path);
        let before = at(&place);
        let kind = before.as_ref().map(|node| node.kind);
        let action = state.chance.below(8);
        let done = match (action, kind) {
            (0, Some(Kind::File)) => fs::write(&place, &text).is_ok(),
            (1, None | Some(Kind::File | Kind::Symlink | Kind::Fifo)) => {
                let near = self.root.join("somebody's temporary");
                fs::write(&near, &text).unwrap();
                let done = rustix::fs::rename(&near, &place).is_ok();
                let _ = fs::remove_file(&near);
                done
            }
            (2, Some(Kind::Directory)) => {
                state.destroyed.extend(fs::read(place.join("somebody's")));
                fs::write(place.join("somebody's"), &text).is_ok()
            }
            (3, Some(kind)) if kind != Kind::Directory => fs::remove_file(&place).is_ok(),
            (4, None) => fs::create_dir(&place).is_ok(),
            (5, Some(Kind::File | Kind::Directory)) => {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o701);
                fs::set_permissions(&place, mode).is_ok()
            }
            (6, _) => return self.append(state, &text),
            (7, Some(Kind::Directory)) => {
                let away = format!("{path}, renamed");
                state.renamed.push(path.clone());
                state.renamed.push(away.clone());
                rustix::fs::rename(&place, self.root.join(away)).is_ok()
            }
            _ => false,
        };
        if !done {
            return;
        }
        state
            .log
            .push(format!("{action} at {path}, which was {kind:?}"));
        let changed = if action == 2 {
            format!("{path}/somebody's")
        } else {
            path
        };
        let after = at(&self.root.join(&changed));
        if matches!(action, 0..=2) {
            state.made.insert(text.into_bytes());
        }
        if let Some(node) = before.filter(|_| matches!(action, 0 | 1 | 3)) {
            state.destroyed.insert(node.bytes);
        }
        state.written.entry(changed).or_default().push(after);
    }

    /// Writes through a descriptor that was opened before the run, wherever the file is now.
    fn append(&self, state: &mut State, text: &str) {
        let Some((path, file)) = state.open.as_mut() else {
            return;
        };
        // Whoever has taken its last name has destroyed it, with what comes.
        if std::os::unix::fs::MetadataExt::nlink(&file.metadata().unwrap()) == 0 {
            return;
        }
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
        let old = fs::read(&link).unwrap();
        if write!(file, "{text}").is_err() {
            return;
        }
        let path = path.clone();
        let new = [&old[..], text.as_bytes()].concat();
        state.log.push(format!("late write to {path}"));
        state.destroyed.insert(old);
        state.made.insert(new);
        let node = at(Path::new(&link));
        state.written.entry(path).or_default().push(node);
    }
}

fn at(path: &Path) -> Option<Node> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let meta = if path.starts_with("/proc") {
        path.metadata().ok()?
    } else {
        path.symlink_metadata().ok()?
    };
    let kind = match meta.file_type() {
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Symlink,
        kind if kind.is_file() => Kind::File,
        _ => Kind::Fifo,
    };
    let bytes = match kind {
        Kind::File => fs::read(path).ok()?,
        Kind::Symlink => fs::read_link(path).ok()?.as_os_str().as_bytes().to_vec(),
        _ => Vec::new(),
    };
    Some(Node {
        kind,
        mode: meta.mode() & 0o7777,
        bytes,
        secs: 0,
    })
}

/// What a path may hold in the end: kind and bytes, or nothing.
fn is_allowed(path: &str, found: Option<&Node>, trees: [&Tree; 2], writer: &State) -> bool {
    let is = |node: Option<&Node>| match (node, found) {
        (Some(node), Some(found)) => node.kind == found.kind && node.bytes == found.bytes,
        (None, None) => true,
        _ => false,
    };
    let written = writer
        .written
        .iter()
        .filter(|(at, _)| within(path, at) || within(at, path));
    let by_writer = written.flat_map(|(_, nodes)| nodes);
    let mut nodes = by_writer
        .map(Option::as_ref)
        .chain(trees.map(|tree| tree.get(path)));
    // Beside a path that somebody took; or, where somebody took the place of a directory, beneath it.
    let beside = || path.split('/').any(|name| name.contains(".recoup-7"));
    nodes.any(is)
        || beside()
            && found.is_some_and(|found| trees[1].values().any(|it| it.bytes == found.bytes))
}

struct Counts {
    runs: usize,
    conflicts: usize,
    late: usize,
}

fn check(fixture: &Fixture, writer: Writer, trees: [&Tree; 2], what: &str, counts: &mut Counts) {
    let outcome = apply(&fixture.job(&writer)).unwrap();
    let state = writer.state.into_inner().unwrap();
    let live = fixture.live();
    let log = state.log.join(", ");
    let context = || format!("{what}: {log}{}", not_done(&fixture.plan, &outcome));
    for path in live.keys().chain(trees[0].keys()).chain(trees[1].keys()) {
        let found = live.get(path);
        // What was moved may have been worked on before or after: its bytes are looked for below.
        let moved = fixture.plan.steps.iter().any(|step| match &step.action {
            Action::Move { from } => {
                within(path, &path_of(from)) || within(path, &path_of(&step.key))
            }
            _ => false,
        });
        let moved = moved || state.renamed.iter().any(|above| within(path, above));
        let allowed = moved || is_allowed(path, found, trees, &state);
        assert!(allowed, "{path} holds {found:?}\n{}", context());
    }
    let mut alive = contents(&live);
    alive.extend(contents(&read(fixture.work.path())));
    let mut owed: BTreeSet<Vec<u8>> = contents(trees[0]);
    owed.extend(contents(trees[1]));
    owed.extend(state.made.iter().cloned());
    for lost in owed.difference(&alive) {
        let text = String::from_utf8_lossy(lost);
        assert!(
            state.destroyed.contains(lost),
            "{text:?} is lost\n{}",
            context()
        );
    }
    let is_late = |result: &&StepResult| matches!(result, StepResult::Conflict(_));
    counts.runs += 1;
    counts.conflicts += usize::from(outcome.results.iter().any(|it| is_late(&it)));
    counts.late += outcome.late_writes.len();
}

#[test]
fn somebody_writes_at_every_call() {
    let temp = fast_directory();
    let seeds = if is_long() { 400 } else { 16 };
    let mut counts = Counts {
        runs: 0,
        conflicts: 0,
        late: 0,
    };
    // One that found a name unlinked behind a writer's back, where moves are not guarded.
    for seed in (0..seeds).chain([247]) {
        let drawn = draw(seed);
        let weaker = seed % 4 == 3;
        let fresh = || {
            let temp = tempfile::tempdir_in(temp.path()).unwrap();
            let mut fixture = Fixture::new(temp.path(), &drawn.live, drawn.steps.clone());
            fixture.options.weaker = weaker;
            (temp, fixture)
        };
        let (_temp, whole) = fresh();
        let counter = Counter::default();
        apply(&whole.job(&counter)).unwrap();
        for call in 0..counter.all() {
            for round in 0..2 {
                let (_temp, fixture) = fresh();
                let chance = seed * 1_000_003 + call as u64 * 17 + round;
                let writer = Writer::new(&fixture, call, chance);
                let what = format!("seed {seed}, at call {call}, round {round}");
                check(
                    &fixture,
                    writer,
                    [&drawn.live, &drawn.wanted],
                    &what,
                    &mut counts,
                );
            }
        }
    }
    let Counts {
        runs,
        conflicts,
        late,
    } = counts;
    println!("{runs} runs with writers: {conflicts} met a conflict, {late} late writes were seen");
    assert!(conflicts > runs / 50 && late > 0);
}
