//! An undo is killed at random moments, then finished or taken back: the tree is then what it would be
//! without the kill, or what it was before. `RECOUP_LONG=1` kills ten times as often.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use tempfile::TempDir;
use testkit::{Random, is_long};

const KILLS: usize = 24;
const FILES: usize = 600;

/// Path to text.
type Tree = BTreeMap<String, String>;

struct Home(TempDir);

impl Home {
    fn path(&self, inner: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(inner)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.0.path());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], codes: &[i32]) -> Output {
        let output = self.command(arguments).output().unwrap();
        let code = output.status.code().unwrap_or(-1);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(codes.contains(&code), "{arguments:?}: {code}: {text}");
        output
    }

    fn snapshots(&self) -> Vec<String> {
        let output = self.run(&["snapshots", "--json"], &[0]);
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["type"] == "snapshot" && line["safety"] == false)
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        read(&self.path("tree"), "", &mut tree);
        tree
    }

    fn lay(&self, tree: &Tree) {
        let root = self.path("tree");
        if root.exists() {
            std::fs::remove_dir_all(&root).unwrap();
        }
        std::fs::create_dir(&root).unwrap();
        for (path, text) in tree {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
}

fn read(directory: &Path, prefix: &str, tree: &mut Tree) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{name}/"), tree);
        } else {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            tree.insert(name, text);
        }
    }
}

/// Before, just after the event, live, and what undoing should give.
fn states(random: &mut Random) -> [Tree; 4] {
    let mut before = Tree::new();
    for n in 0..FILES {
        let path = format!("d{}/e{}/f{n}", n % 7, n % 3);
        before.insert(path, format!("file {n} as it was, {}", random.below(1000)));
    }
    let mut after = before.clone();
    for (path, text) in &before {
        match random.below(4) {
            0 => _ = after.remove(path),
            1 => _ = after.insert(path.clone(), format!("damaged {}", text.len())),
            _ => {}
        }
    }
    for n in 0..40 {
        after.insert(format!("d1/made{n}"), "by the event".to_owned());
    }
    let (mut live, mut expected) = (after.clone(), before.clone());
    for n in 0..30 {
        let path = format!("d2/later{n}");
        live.insert(path.clone(), format!("later work {n}"));
        expected.insert(path, format!("later work {n}"));
    }
    [before, after, live, expected]
}

#[test]
fn a_killed_undo_is_finished_or_taken_back() {
    let kills = if is_long() { 10 * KILLS } else { KILLS };
    let mut random = Random::new(7);
    let [before, after, live, expected] = states(&mut random);
    let home = Home(tempfile::tempdir().unwrap());
    home.lay(&before);
    home.run(&["backup", "tree"], &[0]);
    home.lay(&after);
    home.run(&["backup", "tree"], &[0]);
    let ids = home.snapshots();
    let undo = [
        "undo", "tree", "--before", &ids[0], "--after", &ids[1], "--yes",
    ];
    home.lay(&live);
    let started = Instant::now();
    home.run(&undo, &[0]);
    let whole = started.elapsed();
    assert_eq!(home.tree(), expected, "without a kill");
    let (mut early, mut during, mut late, mut again) = (0, 0, 0, 0);
    for round in 0..kills {
        home.lay(&live);
        // Most of the time goes before the first step: the later half is where it matters.
        let share = 55 + random.below(50);
        let mut child = home
            .command(&undo)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * share as u32 / 100);
        child.kill().unwrap();
        child.wait().unwrap();
        let found = home.tree();
        if found == live {
            early += 1;
        } else if found == expected {
            late += 1;
        } else {
            during += 1;
        }
        let abort = round % 2 == 1;
        if round % 5 == 0 {
            again += 1;
            let mut child = home.command(&["undo", "--resume"]).spawn().unwrap();
            std::thread::sleep(whole * random.below(60) as u32 / 100);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let settle: &[&str] = if abort {
            &["undo", "--resume", "--abort"]
        } else {
            &["undo", "--resume"]
        };
        home.run(settle, &[0, 8]);
        settled(&home, [&live, &expected], abort, round);
    }
    home.run(&["check"], &[0]);
    println!(
        "{kills} kills of an undo: {early} before its first step, {during} between, {late} after its last; \
         {again} killed again while resuming; all as expected"
    );
}

fn settled(home: &Home, [live, expected]: [&Tree; 2], abort: bool, round: usize) {
    let found = home.tree();
    // Where nothing had been begun, or all had been ended, there was nothing to resume or to take back.
    let fine = found == *live || found == *expected;
    let differs = |wanted: &Tree| {
        let mut odd: Vec<String> = Vec::new();
        for (path, text) in wanted {
            if found.get(path) != Some(text) {
                odd.push(format!("{path}: {:?} instead of {text:?}", found.get(path)));
            }
        }
        odd.extend(
            found
                .keys()
                .filter(|path| !wanted.contains_key(*path))
                .cloned(),
        );
        odd.truncate(5);
        odd
    };
    let wanted = if abort { live } else { expected };
    assert!(fine, "round {round}, abort {abort}: {:?}", differs(wanted));
}
