//! What the executor meets around it: file systems, mounts, processes, attackers, other users.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use model::{ConflictKind, PathKey};
use recoup_undo::UndoError;
use recoup_undo::apply::{Hooks, StepResult, Work, apply};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::chance::draw;
use crate::kit::{
    Counter, Fixture, OPERATION, Tree, dir, fast_directory, file, is_long, key, not_done, read,
    same, steps_between, timeless, tree,
};
use crate::places;

#[test]
fn on_every_file_system() {
    let mut tried = Vec::new();
    for place in places::all() {
        let seeds = if is_long() { 100 } else { 8 };
        for seed in 500..500 + seeds {
            let drawn = draw(seed);
            let temp = tempfile::tempdir_in(&place.path).unwrap();
            let mut fixture = Fixture::new(temp.path(), &drawn.live, drawn.steps);
            fixture.options.workers = 2;
            let what = format!("{}, seed {seed}", place.name);
            let outcome = fixture.apply();
            assert!(!outcome.weaker, "{what}");
            assert!(
                !outcome.leaves_open(),
                "{what}: {}",
                not_done(&fixture.plan, &outcome)
            );
            same(&fixture.live(), &timeless(&drawn.wanted), &what);
            fixture.rollback();
            same(
                &fixture.live(),
                &timeless(&drawn.live),
                &format!("{what}, taken back"),
            );
        }
        tried.push(place.name);
    }
    println!("file systems tried: {}", tried.join(", "));
}

#[test]
fn what_is_mounted_beneath_is_left_for_later() {
    let temp = tempfile::tempdir().unwrap();
    let live = tree([("m", dir()), ("f", file("bad"))]);
    let wanted = tree([("m", dir()), ("f", file("good")), ("m/new", file("new"))]);
    let fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
    let inside = fixture.root.join("m");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&inside)
        .output();
    if !mounted.is_ok_and(|done| done.status.success()) {
        println!("SKIP a mount beneath the root: this user may not mount");
        return;
    }
    fs::write(inside.join("gone"), "x").unwrap();
    let outcome = fixture.apply();
    // The root can't be unmounted while the fixture holds it: nothing does by now.
    assert!(
        Command::new("umount")
            .arg(&inside)
            .status()
            .unwrap()
            .success()
    );
    assert!(matches!(fixture.result(&outcome, "f"), StepResult::Done));
    match fixture.result(&outcome, "m/new") {
        StepResult::Deferred(why) => assert_eq!(why, "on another file system"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_work_directory_has_its_place() {
    let Ok(place) = places::memory() else {
        println!("SKIP the place of the work directory: this user may not mount");
        return;
    };
    let root = place.path.join("home/tree");
    fs::create_dir_all(&root).unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o755)).unwrap();
    let work = Work::create(&root, "op-1").unwrap();
    assert_eq!(work.path(), place.path.join(".recoup/op-1"));
    let home = place.path.join(".recoup");
    assert_eq!(fs::metadata(&home).unwrap().mode() & 0o7777, 0o700);
    let tag = fs::read_to_string(home.join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55"));
    assert!(matches!(
        Work::create(&root, "op-1"),
        Err(UndoError::Begun { .. })
    ));
    assert!(Work::open(&root, "op-2").unwrap().is_none());
    let again = Work::open(&root, "op-1").unwrap().unwrap();
    assert_eq!(Work::list(&root).unwrap().len(), 1);

    fs::write(again.quarantine().join("x"), "kept").unwrap();
    fs::create_dir_all(again.staged().join("a/b")).unwrap();
    assert!(!again.remove_when_empty().unwrap());
    assert_eq!(read(&work.path().join("quarantine")).len(), 1);
    assert!(!work.staged().exists());
    fs::remove_file(work.quarantine().join("x")).unwrap();
    let again = Work::open(&root, "op-1").unwrap().unwrap();
    assert!(again.remove_when_empty().unwrap());
    assert!(!home.exists());

    // Where the better places are somebody's trap, the next is taken; the tree itself is the last.
    symlink("/etc", &home).unwrap();
    fs::create_dir(place.path.join("home/.recoup")).unwrap();
    fs::set_permissions(
        place.path.join("home/.recoup"),
        fs::Permissions::from_mode(0o777),
    )
    .unwrap();
    let work = Work::create(&root, "op-1").unwrap();
    assert_eq!(work.path(), root.join(".recoup/op-1"));
    assert!(!Path::new("/etc/op-1").exists());
    for name in ["", ".", "..", "a/b", "CACHEDIR.TAG", "a b", ".x"] {
        assert!(Work::create(&root, name).is_err(), "{name:?}");
    }
}

/// Holds a file open in another process, which writes when it is told to.
struct OtherProcess {
    child: std::process::Child,
}

impl OtherProcess {
    fn with_open(path: &Path) -> Self {
        let script = "exec 9>>\"$0\"; echo ready; read line; printf late >&9; echo done; read line";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&mut child);
        Self { child }
    }

    fn write(&mut self) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"now\n")
            .unwrap();
        wait_for(&mut self.child);
    }
}

fn wait_for(child: &mut std::process::Child) {
    use std::io::Read;
    let mut line = [0; 6];
    let stdout = child.stdout.as_mut().unwrap();
    for byte in &mut line {
        stdout.read_exact(std::slice::from_mut(byte)).unwrap();
        if *byte == b'\n' {
            return;
        }
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_file_being_written_is_left_for_later() {
    let temp = tempfile::tempdir().unwrap();
    let live = tree([("f", file("bad")), ("g", file("bad too"))]);
    let wanted = tree([("f", file("good")), ("g", file("good too"))]);
    let mut fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
    let mut writer = OtherProcess::with_open(&fixture.root.join("f"));
    writer.write();
    fixture.seen = crate::kit::look(&fixture.root, &fixture.plan);
    let outcome = fixture.apply();
    match fixture.result(&outcome, "f") {
        StepResult::Deferred(why) => {
            assert_eq!(
                *why,
                format!("open for writing by pid {} (sh)", writer.child.id())
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(fixture.result(&outcome, "g"), StepResult::Done));
}

/// Lets the other process write once the file has been displaced.
struct Late(Mutex<OtherProcess>, AtomicBool);

impl Hooks for Late {
    fn after_call(&self, call: &'static str) {
        if call == "put" && !self.1.swap(true, Ordering::Relaxed) {
            self.0.lock().unwrap().write();
        }
    }
}

#[test]
fn late_writes_are_found_and_their_writer_named() {
    let temp = tempfile::tempdir().unwrap();
    let live = tree([("d", dir()), ("d/f", file("bad"))]);
    let wanted = tree([("d", dir()), ("d/f", file("good"))]);
    let mut fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
    fixture.options.late_wait = Duration::from_millis(120);
    let writer = OtherProcess::with_open(&fixture.root.join("d/f"));
    let pid = writer.child.id();
    let late = Late(Mutex::new(writer), AtomicBool::new(false));
    let outcome = apply(&fixture.job(&late)).unwrap();
    let result = fixture.result(&outcome, "d/f");
    assert!(
        matches!(result, StepResult::Conflict(ConflictKind::LateWrite)),
        "{result:?}"
    );
    let [found] = &outcome.late_writes[..] else {
        panic!("{:?}", outcome.late_writes);
    };
    assert_eq!(
        (&found.key, &found.writer),
        (&key("d/f"), &Some((pid, "sh".into())))
    );
    assert_eq!(fs::read(&found.quarantined).unwrap(), b"badlate");
    assert_eq!(fs::read(fixture.root.join("d/f")).unwrap(), b"good");
}

/// Swaps a directory and a symbolic link to a place outside, forth and back.
struct Attacker {
    calls: AtomicUsize,
    at: usize,
    root: std::path::PathBuf,
}

impl Hooks for Attacker {
    fn after_call(&self, _call: &'static str) {
        if self.calls.fetch_add(1, Ordering::Relaxed) >= self.at {
            let (one, two) = (self.root.join("d"), self.root.join("trap"));
            let _ = renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE);
        }
    }
}

#[test]
fn links_in_place_of_directories_lead_nowhere() {
    let temp = fast_directory();
    let live = tree([
        ("d", dir()),
        ("d/s", dir()),
        ("d/s/changed", file("bad")),
        ("d/s/made", file("made")),
        ("d/s/mode", file("mode")),
    ]);
    let mut wanted = live.clone();
    wanted.remove("d/s/made");
    wanted.insert("d/s/changed".into(), file("good"));
    wanted.insert("d/s/gone".into(), file("gone"));
    wanted.get_mut("d/s/mode").unwrap().mode = 0o777;
    let outside = tree([
        ("s", dir()),
        ("s/changed", file("bad")),
        ("s/made", file("made")),
        ("s/mode", file("mode")),
    ]);
    let mut runs = 0;
    for at in 0..60 {
        let temp = tempfile::tempdir_in(temp.path()).unwrap();
        let fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
        let canary = temp.path().join("outside");
        fs::create_dir(&canary).unwrap();
        crate::kit::build(&canary, &outside);
        symlink(&canary, fixture.root.join("trap")).unwrap();
        let attacker = Attacker {
            calls: AtomicUsize::new(0),
            at,
            root: fixture.root.clone(),
        };
        apply(&fixture.job(&attacker)).unwrap();
        same(
            &read(&canary),
            &timeless(&outside),
            &format!("outside, attacked from call {at}"),
        );
        runs += 1;
    }
    println!("{runs} runs with a link swapped in: nothing outside was touched");
}

#[test]
fn a_hard_link_to_a_foreign_file_gets_no_attributes() {
    let temp = tempfile::tempdir().unwrap();
    let live = tree([("f", file("f"))]);
    let wanted = tree([(
        "f",
        crate::kit::Node {
            mode: 0o777,
            ..file("f")
        },
    )]);
    let fixture = Fixture::new(temp.path(), &live, steps_between(&live, &wanted));
    let secret = temp.path().join("secret");
    fs::write(&secret, "f").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    struct Swap(std::path::PathBuf, std::path::PathBuf, AtomicBool);
    impl Hooks for Swap {
        fn after_call(&self, call: &'static str) {
            if call == "stat" && !self.2.swap(true, Ordering::Relaxed) {
                fs::remove_file(&self.0).unwrap();
                fs::hard_link(&self.1, &self.0).unwrap();
            }
        }
    }
    let swap = Swap(
        fixture.root.join("f"),
        secret.clone(),
        AtomicBool::new(false),
    );
    let outcome = apply(&fixture.job(&swap)).unwrap();
    let result = fixture.result(&outcome, "f");
    assert!(
        matches!(result, StepResult::Conflict(ConflictKind::ChangedMeanwhile)),
        "{result:?}"
    );
    assert_eq!(fs::metadata(secret).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn without_guarded_moves_it_says_so() {
    let temp = fast_directory();
    for seed in 700..760 {
        let drawn = draw(seed);
        let temp = tempfile::tempdir_in(temp.path()).unwrap();
        let mut fixture = Fixture::new(temp.path(), &drawn.live, drawn.steps);
        fixture.options.weaker = true;
        let outcome = fixture.apply();
        assert!(outcome.weaker);
        same(
            &fixture.live(),
            &timeless(&drawn.wanted),
            &format!("seed {seed}"),
        );
    }
}

#[test]
fn a_wish_to_stop_leaves_a_run_that_can_be_resumed() {
    let live = tree([("a", file("1")), ("b", file("2")), ("c", file("3"))]);
    let temp = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(temp.path(), &live, steps_between(&live, &Tree::new()));
    struct Stop<'a>(&'a model::Cancel, Counter);
    impl Hooks for Stop<'_> {
        fn after_call(&self, call: &'static str) {
            self.1.after_call(call);
            if self.1.of("put") == 1 {
                self.0.request();
            }
        }
    }
    let outcome = apply(&fixture.job(&Stop(&fixture.cancel, Counter::default()))).unwrap();
    assert!(outcome.cancelled && outcome.leaves_open());
    assert_eq!(
        (outcome.count("done"), outcome.count("not-reached")),
        (1, 2)
    );
    fixture.cancel = model::Cancel::default();
    let outcome = fixture.resume();
    assert_eq!(
        (outcome.count("done"), outcome.count("already-done")),
        (2, 1)
    );
    assert_eq!(fixture.live(), Tree::new());
}

#[test]
fn plans_that_can_not_be_run_are_refused() {
    let live = tree([("a", file("1")), ("b", file("2"))]);
    let temp = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(temp.path(), &live, steps_between(&live, &Tree::new()));
    let refused = |fixture: &Fixture| {
        let done = apply(&fixture.job(&recoup_undo::apply::NoHooks));
        assert!(matches!(done, Err(UndoError::Plan { .. })), "{done:?}");
        assert_eq!(fixture.live().len(), 2);
    };
    fixture.plan.steps.reverse();
    refused(&fixture);
    fixture.plan.steps.reverse();
    let key = std::mem::replace(&mut fixture.plan.steps[0].key, PathKey::root());
    refused(&fixture);
    fixture.plan.steps[0].key = key;
    fixture.plan.steps[0].expects = None;
    refused(&fixture);
    assert!(File::open(fixture.root.join("a")).is_ok());
    assert_eq!(OPERATION, fixture.work.name());
}
