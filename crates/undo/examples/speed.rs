//! How fast the executor is: `cargo run -p recoup-undo --example speed -- DIRECTORY [FILES [THREADS]]`.
//!
//! Makes files of 4 KiB, a hundred to a directory, and puts as many others in their place; then takes
//! all away, brings all back into directories that exist, and brings back whole directories. Writing
//! the files out, which is what a restore does, is the measure.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use model::plan::Step;
use model::{Action, Cancel, Entry, Kind, PathKey, Plan, Timestamp, Xattr};
use recoup_undo::apply::{Hooks, Job, Judge, NoHooks, Options, Seen, Work, apply};
use source::SourceError;
use source::files::Stat;
use source::files::attributes::Rights;
use source::files::write::{Directory, TreeWriter};

const PER_DIRECTORY: usize = 100;

/// Nothing has changed since the plan: nobody should ask.
struct NotAsked;

impl Judge for NotAsked {
    fn holds(&self, _: &Directory, _: &[u8], _: &Entry) -> Result<bool, SourceError> {
        Ok(false)
    }

    fn xattrs(&self, _: &Entry) -> Result<Vec<Xattr>, SourceError> {
        Ok(Vec::new())
    }
}

#[derive(Default)]
struct Calls(Mutex<BTreeMap<&'static str, usize>>);

impl Hooks for Calls {
    fn after_call(&self, call: &'static str) {
        *self.0.lock().unwrap().entry(call).or_default() += 1;
    }
}

fn directory(index: usize) -> String {
    format!("d{:05}", index / PER_DIRECTORY)
}

fn name(index: usize) -> String {
    format!("{}/f{index:07}", directory(index))
}

fn write_out(root: &Path, count: usize, byte: u8) {
    let bytes = [byte; 4096];
    for index in 0..count {
        if index % PER_DIRECTORY == 0 {
            fs::create_dir_all(root.join(directory(index))).unwrap();
        }
        fs::write(root.join(name(index)), bytes).unwrap();
    }
}

fn entry(kind: Kind) -> Entry {
    let mut entry = Entry::new(kind);
    entry.size = if kind == Kind::File { 4096 } else { 0 };
    entry
}

fn plan(count: usize, action: &Action, before: Option<Kind>, after: Option<Kind>) -> Plan {
    let step = |index| Step {
        key: PathKey::from_path(name(index).as_bytes()).unwrap(),
        action: action.clone(),
        expects: before.map(entry),
        leaves: after.map(entry),
    };
    Plan {
        steps: (0..count).map(step).collect(),
        ..Plan::default()
    }
}

/// The steps that make the directories, before those that fill them.
fn with_directories(mut plan: Plan) -> Plan {
    let directories = (0..plan.steps.len())
        .step_by(PER_DIRECTORY)
        .map(|index| Step {
            key: PathKey::from_path(directory(index).as_bytes()).unwrap(),
            action: Action::Create,
            expects: None,
            leaves: Some(entry(Kind::Directory)),
        });
    let directories: Vec<Step> = directories.collect();
    plan.steps.extend(directories);
    plan.steps.sort_by(|one, two| one.key.cmp(&two.key));
    plan
}

fn look(root: &Path, plan: &Plan) -> Seen {
    let tree = TreeWriter::open(root).unwrap();
    let mut seen = Seen::new();
    for step in &plan.steps {
        let parent = model::key::parent(step.key.as_bytes()).unwrap();
        let stat: Option<Stat> = tree
            .directory(parent)
            .ok()
            .and_then(|at| at.stat(step.key.name()).unwrap());
        seen.extend(stat.map(|stat| (step.key.clone(), stat)));
    }
    seen
}

/// Files, threads, and what counts the calls, which itself takes time.
struct Lab {
    count: usize,
    workers: usize,
    calls: Option<Calls>,
}

impl Lab {
    fn measure(&self, what: &str, root: &Path, work: &Work, plan: &Plan) {
        let seen = look(root, plan);
        let rights = Rights::for_user(rustix::process::geteuid().is_root(), false);
        let mut options = Options::new("1", rights, Timestamp::new(4_000_000_000, 0));
        options.workers = self.workers;
        let begin = Instant::now();
        let job = Job {
            root,
            plan,
            work,
            seen: &seen,
            judge: &NotAsked,
            options: &options,
            hooks: self
                .calls
                .as_ref()
                .map_or(&NoHooks as &dyn Hooks, |calls| calls),
            cancel: &Cancel::default(),
        };
        let outcome = apply(&job).unwrap();
        self.tell(what, begin);
        assert_eq!(outcome.count("done"), plan.steps.len(), "{what}");
        if let Some(calls) = &self.calls {
            let calls = std::mem::take(&mut *calls.0.lock().unwrap());
            for (call, times) in calls {
                println!(
                    "    {call} {:.2} per file",
                    times as f64 / self.count as f64
                );
            }
        }
    }

    fn tell(&self, what: &str, begin: Instant) {
        let secs = begin.elapsed().as_secs_f64();
        println!(
            "{what:40} {secs:7.2} s {:9.0} files/s",
            self.count as f64 / secs
        );
    }

    fn run(&self, place: &str) {
        let temp = tempfile::tempdir_in(place).unwrap();
        let root = temp.path().join("tree");
        let empty = temp.path().join("empty");
        fs::create_dir(&root).unwrap();
        fs::create_dir(&empty).unwrap();
        write_out(&root, self.count, 1);
        let file = Some(Kind::File);

        let work = Work::create_in(temp.path(), &root, "replace").unwrap();
        let begin = Instant::now();
        write_out(work.staged(), self.count, 2);
        rustix::fs::syncfs(fs::File::open(work.staged()).unwrap()).unwrap();
        self.tell("written out and synced", begin);
        let replace = plan(self.count, &Action::Replace, file, file);
        self.measure("replaced", &root, &work, &replace);

        let work = Work::create_in(temp.path(), &root, "remove").unwrap();
        let remove = plan(self.count, &Action::Remove, file, None);
        self.measure("removed", &root, &work, &remove);

        let work = Work::create_in(temp.path(), &root, "create").unwrap();
        write_out(work.staged(), self.count, 3);
        let create = plan(self.count, &Action::Create, None, file);
        self.measure("created in directories that exist", &root, &work, &create);

        let work = Work::create_in(temp.path(), &empty, "subtrees").unwrap();
        write_out(work.staged(), self.count, 4);
        let whole = with_directories(create);
        self.measure("created as whole directories", &empty, &work, &whole);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().expect("a directory to work in");
    let mut number = |otherwise| {
        arguments
            .next()
            .map_or(otherwise, |text| text.parse().unwrap())
    };
    let (count, workers) = (number(100_000), number(2));
    for calls in [None, Some(Calls::default())] {
        let lab = Lab {
            count,
            workers,
            calls,
        };
        lab.run(&place);
    }
}
