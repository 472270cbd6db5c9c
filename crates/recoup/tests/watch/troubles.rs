//! What goes wrong around a watcher: no space, a repository that is away, a root that is gone, others
//! that write at the same time, less privilege.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::watching::{PATIENCE, Watching};

/// Waits until the live tree is what the last point restores to.
#[track_caller]
pub(crate) fn catches_up(home: &Home, watching: &mut Watching, what: &str) -> String {
    let began = Instant::now();
    let live = home.live();
    loop {
        let last = watching.last_point().unwrap();
        let restored = home.restored(&last, what);
        if restored == live {
            return last;
        }
        assert!(
            !watching.has_ended(),
            "{what}: it ended: {:?}",
            watching.said()
        );
        if began.elapsed() > PATIENCE {
            live.assert_same(&restored, what);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A repository on a file system of its own.
struct Disk(PathBuf);

impl Disk {
    fn mount(home: &Home, options: &str) -> Option<Self> {
        let at = home.path("repository");
        std::fs::create_dir(&at).unwrap();
        let disk = Self(at);
        if !disk.run(&["-t", "tmpfs", "-o", options, "tmpfs"]) {
            println!("SKIP: mounting a small file system needs root");
            return None;
        }
        home.ok(&["init"], "a new repository");
        Some(disk)
    }

    fn run(&self, arguments: &[&str]) -> bool {
        let mut mount = Command::new("mount");
        mount.args(arguments).arg(&self.0);
        mount.output().is_ok_and(|output| output.status.success())
    }

    fn set(&self, options: &str) {
        assert!(
            self.run(&["-o", &format!("remount,{options}")]),
            "{options}"
        );
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_repository_that_refuses_for_a_while_loses_nothing() {
    let home = Home::new();
    let Some(disk) = Disk::mount(&home, "size=64m") else {
        return;
    };
    home.write("tree/a", "1");
    let mut watching = home.watch(&[]);
    watching.ready();
    disk.set("ro");
    home.write("tree/a", "meanwhile");
    home.write("tree/new/b", vec![b'x'; 100_000]);
    watching.wait_for("trouble", 0);
    home.shell("rm -rf new; mkdir other; echo c > other/c");
    std::thread::sleep(Duration::from_secs(3));
    disk.set("rw");
    catches_up(&home, &mut watching, "after it came back");
    home.write("tree/later", "exact again");
    catches_up(&home, &mut watching, "later");
    let points = watching.lines("point");
    assert!(points.iter().all(|line| line["blurred"] == false));
    watching.stop();
    home.ok(&["check"], "afterwards");
}

#[test]
fn a_repository_that_is_renamed_goes_on() {
    let home = Home::with_repository();
    home.write("tree/a", "1");
    let mut watching = home.watch(&[]);
    watching.ready();
    home.shell("mv ../repository ../away");
    home.write("tree/a", "meanwhile");
    std::thread::sleep(Duration::from_secs(4));
    home.shell("mv ../away ../repository");
    catches_up(&home, &mut watching, "after it came back");
    watching.stop();
    home.ok(&["check"], "afterwards");
}

#[test]
fn no_space_loses_nothing() {
    let home = Home::new();
    let Some(disk) = Disk::mount(&home, "size=8m") else {
        return;
    };
    home.write("tree/a", "1");
    let mut watching = home.watch(&[]);
    watching.ready();
    home.shell("for i in 1 2 3; do head -c 4000000 /dev/urandom > much$i; sleep 2.2; done");
    let trouble = watching.wait_for("trouble", 0);
    let message = trouble["message"].as_str().unwrap();
    assert!(message.contains("full"), "{trouble}");
    home.write("tree/b", "while it is full");
    disk.set("size=64m");
    catches_up(&home, &mut watching, "with room");
    watching.stop();
    home.ok(&["check"], "afterwards");
}

#[test]
fn others_write_at_the_same_time() {
    let home = Home::with_repository();
    home.shell("mkdir d; for i in $(seq 50); do echo $i > d/f$i; done");
    let mut watching = home.watch(&[]);
    watching.ready();
    home.write("tree/a", "1");
    let first = catches_up(&home, &mut watching, "first");
    // A pin takes the number that the watcher's next record was to get.
    home.ok(&["pin", &first, "tree"], "pin");
    home.ok(&["backup", "tree"], "a backup beside it");
    home.write("tree/a", "2");
    catches_up(&home, &mut watching, "behind a pin");
    home.ok(&["pin", "latest", "tree"], "pin again");
    home.shell("rm -rf d");
    catches_up(&home, &mut watching, "removed");
    home.ok(&["undo", "tree", "--since", &first, "--yes"], "undo");
    catches_up(&home, &mut watching, "after an undo");
    assert!(home.path("tree/d/f7").exists());
    assert!(
        watching.lines("trouble").is_empty(),
        "{:?}",
        watching.lines("trouble")
    );
    watching.stop();
    home.ok(&["check"], "afterwards");
}

#[test]
fn names_that_pass_and_what_is_excluded() {
    let home = Home::with_repository();
    home.write(".config/recoup/config.toml", "exclude = [\"*.log\"]\n");
    home.write("tree/a", "1");
    let mut watching = home.watch(&[]);
    watching.ready();
    home.shell("echo x > noise.log; echo swap > .a.swp; echo 4 > 4913; rm 4913; sleep 3; rm .a.swp; echo 2 > a");
    watching.wait_for("point", 0);
    std::thread::sleep(Duration::from_secs(13));
    let rows = home.json(&["log", "tree/.a.swp"]);
    assert!(!rows.iter().any(|row| row["type"] == "version"), "{rows:?}");
    let last = watching.last_point().unwrap();
    let restored = home.restored(&last, "excluded");
    assert!(!restored.0.contains_key(&b"noise.log"[..]));
    // A file that keeps such a name is no passing one.
    home.write("tree/kept.tmp", "kept");
    home.shell("for i in $(seq 12); do echo $i >> kept.tmp; sleep 1; done");
    let began = Instant::now();
    loop {
        let last = watching.last_point().unwrap();
        if home
            .restored(&last, "kept")
            .0
            .contains_key(&b"kept.tmp"[..])
        {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "kept.tmp is never in a point"
        );
        std::thread::sleep(Duration::from_millis(300));
    }
    watching.stop();
}

#[test]
fn without_the_privilege_it_is_inotify() {
    let home = Home::with_repository();
    home.write("tree/a", "1");
    let Some(runner) = home.as_nobody() else {
        return;
    };
    let mut watching = home.watch_by(&runner, &[]);
    let ready = watching.ready();
    assert_eq!(ready["capture"], "inotify", "{ready}");
    assert!(!ready["refusals"].as_array().unwrap().is_empty(), "{ready}");
    home.shell("mkdir -p deep/er; echo 1 > deep/er/f; mv deep moved; echo 2 > a");
    catches_up(&home, &mut watching, "by inotify");
    watching.stop();
}
