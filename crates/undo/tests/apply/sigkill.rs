//! The same with a real process and a real signal: nothing of the run survives but the disk.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::Cancel;
use recoup_undo::apply::{Hooks, Job, Seen, Work, apply, resume};
use rustix::process::{Signal, getpid, kill_process};

use crate::chance::{Chance, draw};
use crate::killed::contents;
use crate::kit::{
    Bytes, Counter, Fixture, OPERATION, fast_directory, is_long, not_done, options, plan, read,
    same, timeless,
};

/// What the child is to do: directory, seed, call at which it ends, and whether it resumes.
const ORDER: &str = "RECOUP_TEST_KILLED_RUN";

struct Die(AtomicUsize);

impl Hooks for Die {
    fn after_call(&self, _call: &'static str) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
            kill_process(getpid(), Signal::KILL).unwrap();
            // The signal is on its way: do nothing more.
            std::thread::sleep(Duration::from_secs(60));
        }
    }
}

/// Not a test of its own: the child of the one below.
#[test]
fn child() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let [base, seed, call, again] = order.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{order}");
    };
    let base = Path::new(base);
    let root = base.join("tree");
    let plan = plan(draw(seed.parse().unwrap()).steps);
    let work = Work::open_in(base, OPERATION).unwrap().unwrap();
    let mut options = options();
    options.workers = 2;
    let hooks = Die(AtomicUsize::new(call.parse().unwrap()));
    let seen = if again == "again" {
        Seen::new()
    } else {
        crate::kit::look(&root, &plan)
    };
    let job = Job {
        root: &root,
        plan: &plan,
        work: &work,
        seen: &seen,
        judge: &Bytes,
        options: &options,
        hooks: &hooks,
        cancel: &Cancel::default(),
    };
    let way = if again == "again" { resume } else { apply };
    way(&job).unwrap();
}

/// Whether a run in a process of its own was killed.
fn run_and_die(base: &Path, seed: u64, call: usize, again: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sigkill::child", "--test-threads", "1"])
        .env(ORDER, format!("{} {seed} {call} {again}", base.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    match status.signal() {
        Some(signal) => {
            assert_eq!(signal, Signal::KILL.as_raw());
            true
        }
        None => {
            assert!(
                status.success(),
                "the child failed: seed {seed}, call {call}, {again}"
            );
            false
        }
    }
}

#[test]
fn killed_by_a_signal() {
    let temp = fast_directory();
    let runs = if is_long() { 1500 } else { 60 };
    let mut chance = Chance::new(4711);
    let (mut killed, mut twice) = (0, 0);
    for run in 0..runs {
        let seed = 3000 + run / 3;
        let drawn = draw(seed);
        let temp = tempfile::tempdir_in(temp.path()).unwrap();
        let whole = Fixture::new(temp.path(), &drawn.live, drawn.steps.clone());
        let counter = Counter::default();
        apply(&whole.job(&counter)).unwrap();
        let kept = contents(&whole.quarantined());

        let temp = tempfile::tempdir_in(temp.path()).unwrap();
        let mut fixture = Fixture::new(temp.path(), &drawn.live, drawn.steps);
        let call = chance.below(counter.all());
        killed += usize::from(run_and_die(temp.path(), seed, call, "first"));
        if chance.one_in(3) {
            let call = chance.below(counter.all());
            twice += usize::from(run_and_die(temp.path(), seed, call, "again"));
        }
        let what = format!("seed {seed}, killed at call {call}");
        let outcome = fixture.resume();
        assert!(
            !outcome.leaves_open(),
            "{what}: {}",
            not_done(&fixture.plan, &outcome)
        );
        same(&fixture.live(), &timeless(&drawn.wanted), &what);
        assert_eq!(
            contents(&read(fixture.work.quarantine())),
            kept,
            "{what}: quarantine"
        );
    }
    println!("{runs} runs in processes of their own: {killed} killed, {twice} killed again");
    assert!(killed * 2 > runs as usize);
}
