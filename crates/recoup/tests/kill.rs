//! The program itself is killed at random moments, and runs out of space at every step.
//!
//! Afterwards, with no repair: what was acknowledged comes back whole, the check finds nothing, the next
//! backup works. `RECOUP_LONG=1` kills ten times as often.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::time::Duration;
use std::time::Instant;

use tempfile::TempDir;
use testkit::Picture;
use testkit::Random;
use testkit::Tree;
use testkit::build;
use testkit::is_long;
use testkit::mutate;

const KILLS: usize = 100;
const STEP_BYTES: u64 = 64 << 10;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path("tree")).unwrap();
        build(&home.path("tree"), &Tree::small(5)).unwrap();
        home
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(inner)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("RECOUP_REPO", self.path("repository"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], what: &str) -> Output {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {arguments:?}: {text}");
        output
    }

    fn live(&self) -> Picture {
        self.picture("tree")
    }

    /// Holes are compared in the sparse file only: zeros that were allocated come back as holes.
    fn picture(&self, inner: &str) -> Picture {
        let mut picture = Picture::take(&self.path(inner)).unwrap();
        let dense = picture
            .0
            .iter_mut()
            .filter(|(key, _)| !key.ends_with(b"sparse"));
        dense.for_each(|(_, shot)| shot.holes.clear());
        picture
    }

    /// What a snapshot restores to.
    fn restored(&self, snapshot: &str, what: &str) -> Picture {
        self.ok(&["restore", snapshot, "--to", "restored"], what);
        let picture = self.picture("restored");
        std::fs::remove_dir_all(self.path("restored")).unwrap();
        picture
    }
}

#[test]
fn killed_at_any_moment() {
    let home = Home::new();
    home.ok(&["init"], "a new repository");
    let began = Instant::now();
    home.ok(&["backup", "tree"], "first");
    let whole = began.elapsed();
    let mut random = Random::new(77);
    let mut last = home.live();
    let kills = if is_long() { 10 * KILLS } else { KILLS };
    let (mut killed, mut done, mut stored) = (0, 0, 0);
    for round in 0..kills {
        let what = format!("round {round}");
        let bytes = random.bytes(400_000);
        std::fs::write(home.path(&format!("tree/fresh {}", round % 7)), bytes).unwrap();
        if round % 10 == 0 {
            mutate(&home.path("tree"), round as u64).unwrap();
        }
        let live = home.live();
        let mut child = home
            .command(&["backup", "tree", "--json"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole.mul_f64(random.below(1200) as f64 / 1000.0));
        child.kill().unwrap();
        let is_acknowledged = child.wait().unwrap().success();
        home.ok(&["check"], &what);
        let latest = home.restored("latest", &what);
        if is_acknowledged {
            live.assert_same(&latest, &what);
            done += 1;
        } else if latest != live {
            last.assert_same(&latest, &what);
            killed += 1;
        } else {
            stored += 1;
        }
        last = latest;
    }
    home.ok(&["backup", "tree"], "the next backup");
    home.live()
        .assert_same(&home.restored("latest", "the last"), "the last");
    home.ok(&["check", "--read-data"], "the last check");
    println!(
        "killed: {kills} runs: {killed} before the snapshot was there, {stored} after it, {done} were done; \
         {:.0} s",
        began.elapsed().as_secs_f64()
    );
}

struct Mounted(PathBuf);

impl Mounted {
    fn mount(at: &Path, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at);
        mount
            .output()
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }

    fn resize(&self, bytes: u64) {
        let mut mount = Command::new("mount");
        mount
            .args(["-o", &format!("remount,size={bytes}")])
            .arg(&self.0);
        assert!(mount.status().unwrap().success());
    }

    fn used_bytes(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Backs up a second version into a file system that is so much larger than the first needs. Whether
/// it fitted.
fn backup_into(extra: u64) -> Option<bool> {
    let what = format!("{extra} bytes of room");
    let home = Home::new();
    let disk = Mounted::mount(&home.path("repository"), 64 << 20)?;
    home.ok(&["init"], &what);
    home.ok(&["backup", "tree"], &what);
    let first = home.live();
    disk.resize(disk.used_bytes() + extra);
    mutate(&home.path("tree"), 3).unwrap();
    std::fs::write(home.path("tree/much"), Random::new(8).bytes(2 << 20)).unwrap();
    let output = home.run(&["backup", "tree"]);
    let fitted = output.status.success();
    if !fitted {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(14), "{what}: {text}");
        assert!(text.contains("space"), "{what}: unclear: {text}");
        home.ok(&["check", "--read-data"], &what);
        first.assert_same(&home.restored("latest", &what), &what);
        disk.resize(64 << 20);
        home.ok(&["backup", "tree"], &what);
    }
    home.live()
        .assert_same(&home.restored("latest", &what), &what);
    home.ok(&["check", "--read-data"], &what);
    Some(fitted)
}

#[test]
fn no_space_at_every_step() {
    let (began, mut full) = (Instant::now(), 0);
    loop {
        match backup_into(full * STEP_BYTES) {
            None => {
                println!("SKIP: disk full: mounting a small file system needs root");
                return;
            }
            Some(true) => break,
            Some(false) => full += 1,
        }
        assert!(began.elapsed() < Duration::from_secs(600), "it never fits");
    }
    assert!(full > 0, "it always fitted");
    println!(
        "disk full: {full} sizes in steps of 64 KiB, then it fitted; {:.0} s",
        began.elapsed().as_secs_f64()
    );
}
