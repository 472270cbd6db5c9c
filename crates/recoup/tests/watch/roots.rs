//! The watched directory itself goes: removed, renamed, replaced, unmounted. The watcher stays.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::Picture;

use crate::home::Home;
use crate::schema;
use crate::troubles::catches_up;
use crate::watching::{PATIENCE, Watching};

const FILES: usize = 80;

fn home_with_files() -> Home {
    let home = Home::with_repository();
    home.shell(&format!(
        "mkdir d; for i in $(seq {FILES}); do echo content $i of its own > d/f$i; done; echo top > top"
    ));
    home
}

/// Waits for what is said of the root after so many lines about it.
#[track_caller]
fn root_is(watching: &mut Watching, state: &str, more_than: usize) -> Value {
    watching.wait_for("root", more_than);
    let line = watching.lines("root")[more_than].clone();
    assert_eq!(line["state"], state, "{line}");
    line
}

#[track_caller]
fn ends_well(home: &Home, watching: Watching) {
    let said = watching.said();
    let (code, text) = watching.stop();
    assert_eq!(code, 0, "{text}");
    said.iter().for_each(|(_, line)| schema::check(line));
    assert!(!text.contains("panicked"), "{text}");
    home.ok(&["check"], "afterwards");
}

/// Looks again and again for a while in which something must not happen.
#[track_caller]
fn stays(watching: &mut Watching, kind: &str, count: usize) {
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert!(!watching.has_ended(), "{:?}", watching.said());
        assert_eq!(watching.lines(kind).len(), count, "{:?}", watching.said());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The times of a root that was made again are those of its making.
#[track_caller]
fn same_but_root(one: &Picture, other: &Picture) {
    let (mut one, mut other) = (one.clone(), other.clone());
    assert!(one.0.remove(&b""[..]).is_some() && other.0.remove(&b""[..]).is_some());
    one.assert_same(&other, "beneath the root");
}

fn removed_is_an_alarm(home: &Home, runner: &[&str]) {
    let mut watching = home.watch_by(runner, &[]);
    let capture = watching.ready()["capture"].clone();
    let before = home.live();
    home.shell("rm -rf ../tree");
    root_is(&mut watching, "removed", 0);
    let incident = watching.wait_for("incident", 0);
    assert_eq!(incident["level"], "alarm", "{incident}");
    assert!(
        incident["keys"].as_u64().unwrap() > FILES as u64,
        "{incident}"
    );
    if capture == "fanotify" {
        let actor = &incident["actor"];
        // On a busy machine so short a program may be gone before anybody can ask for its name.
        let is_gone = actor.is_null() || actor["gone"] == true;
        assert!(actor["comm"] == "rm" || is_gone, "{incident}");
        println!("removed by {actor}");
    }
    let point = watching.lines("point").last().unwrap().clone();
    assert_eq!(point["blurred"], false, "{point}");
    let id = point["id"].as_str().unwrap();
    home.ok(&["ls", id], "a state without a root");
    let restored = home.run(&["restore", id, "--to", "nothing"]);
    let text = String::from_utf8(restored.stderr).unwrap();
    assert!(text.contains("it was gone"), "{text}");
    assert_eq!(home.run(&["status"]).status.code(), Some(1));
    // The last good point is whole, and the undo makes the root again.
    let good = incident["before"].as_str().unwrap();
    before.assert_same(&home.restored(good, "last good"), "last good");
    let mut undo = home.command_by(runner, &["undo", "--incident", "1", "--yes"]);
    assert!(undo.output().unwrap().status.success());
    root_is(&mut watching, "back", 1);
    same_but_root(&before, &home.live());
    watching.wait_for("checkpoint", 1);
    home.write("tree/new/file", "watched on");
    catches_up(home, &mut watching, "after it came back");
    home.ok(&["status"], "taken back, and watched");
    ends_well(home, watching);
}

#[test]
fn a_removed_root_is_an_alarm_and_comes_back() {
    let home = home_with_files();
    removed_is_an_alarm(&home, &[]);
}

#[test]
fn a_removed_root_is_an_alarm_by_inotify_too() {
    let home = home_with_files();
    let Some(runner) = home.as_nobody() else {
        return;
    };
    removed_is_an_alarm(&home, &runner);
}

#[test]
fn a_root_that_is_made_again_at_once_was_gone_all_the_same() {
    let home = home_with_files();
    let mut watching = home.watch(&[]);
    watching.ready();
    home.shell("rm -rf ../tree; mkdir ../tree; echo other > ../tree/other");
    root_is(&mut watching, "back", 1);
    let incident = watching.wait_for("incident", 0);
    assert_eq!(incident["level"], "alarm", "{incident}");
    // The first is that of the start.
    watching.wait_for("checkpoint", 1);
    catches_up(&home, &mut watching, "the new root");
    ends_well(&home, watching);
}

#[test]
fn a_renamed_root_is_no_loss_until_it_is_removed_there() {
    let home = home_with_files();
    let mut watching = home.watch(&[]);
    watching.ready();
    home.shell("mv ../tree ../elsewhere");
    let line = root_is(&mut watching, "renamed", 0);
    assert_eq!(line["replaced"], false, "{line}");
    let to = line["to"]["path"].as_str().unwrap();
    assert!(to.ends_with("/elsewhere"), "{line}");
    stays(&mut watching, "point", 0);
    std::fs::write(home.path("elsewhere/meanwhile"), "1").unwrap();
    let mut back = Command::new("mv");
    back.arg(home.path("elsewhere")).arg(home.path("tree"));
    assert!(back.status().unwrap().success());
    root_is(&mut watching, "back", 1);
    catches_up(&home, &mut watching, "renamed back");
    assert!(watching.lines("incident").is_empty());
    home.shell("mv ../tree ../elsewhere");
    root_is(&mut watching, "renamed", 2);
    std::fs::remove_dir_all(home.path("elsewhere")).unwrap();
    root_is(&mut watching, "removed", 3);
    assert_eq!(watching.wait_for("incident", 0)["level"], "alarm");
    ends_well(&home, watching);
}

#[test]
fn another_directory_in_its_place_is_watched() {
    let home = home_with_files();
    home.shell("cp -r ../tree ../new; echo of the new one > ../new/more; rm ../new/top");
    let mut watching = home.watch(&[]);
    watching.ready();
    home.shell("mv ../tree ../old; mv ../new ../tree");
    root_is(&mut watching, "back", 1);
    catches_up(&home, &mut watching, "the new one");
    assert!(
        watching.lines("incident").is_empty(),
        "{:?}",
        watching.lines("incident")
    );
    home.write("tree/later", "is watched");
    catches_up(&home, &mut watching, "later");
    // What happens to the old one is nobody's concern any more.
    std::fs::remove_dir_all(home.path("old")).unwrap();
    home.write("tree/last", "is watched");
    catches_up(&home, &mut watching, "last");
    assert!(watching.lines("incident").is_empty());
    ends_well(&home, watching);
}

fn mount(arguments: &[&str]) -> bool {
    let output = Command::new("mount").args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// Mounts that are taken away with the test, however it ends.
struct Mounts<'h>(&'h Home);

impl Mounts<'_> {
    fn unmount(&self, inner: &str) {
        let mut umount = Command::new("umount");
        let _ = umount.arg("-l").arg(self.0.path(inner)).output();
    }
}

impl Drop for Mounts<'_> {
    fn drop(&mut self) {
        self.unmount("tree");
        self.unmount("disk");
    }
}

#[test]
fn an_unmounted_root_is_not_taken_for_removed() {
    let home = Home::with_repository();
    std::fs::create_dir(home.path("disk")).unwrap();
    let (disk, tree) = (home.path("disk"), home.path("tree"));
    let (disk, tree) = (disk.to_str().unwrap(), tree.to_str().unwrap());
    let mounts = Mounts(&home);
    if !mount(&["-t", "tmpfs", "tmpfs", disk]) || !mount(&["--bind", disk, tree]) {
        println!("SKIP: mounting needs root");
        return;
    }
    home.shell(&format!(
        "for i in $(seq {FILES}); do echo content $i > f$i; done"
    ));
    let mut watching = home.watch(&[]);
    watching.ready();
    home.write("tree/more", "1");
    catches_up(&home, &mut watching, "mounted");
    let points = watching.lines("point").len();
    let checkpoints = watching.lines("checkpoint").len();
    mounts.unmount("tree");
    root_is(&mut watching, "hidden", 0);
    assert_eq!(std::fs::read_dir(home.path("tree")).unwrap().count(), 0);
    // Another file system in its place is not it.
    assert!(mount(&["-t", "tmpfs", "tmpfs", tree]));
    stays(&mut watching, "point", points);
    mounts.unmount("tree");
    home.write("disk/meanwhile", "2");
    assert!(mount(&["--bind", disk, tree]));
    root_is(&mut watching, "back", 1);
    catches_up(&home, &mut watching, "mounted again");
    assert!(watching.lines("checkpoint").len() > checkpoints);
    assert!(watching.lines("incident").is_empty());
    assert_eq!(watching.wait_for("root", 1)["state"], "back");
    home.write("tree/later", "is watched");
    catches_up(&home, &mut watching, "later");
    let began = Instant::now();
    while watching.lines("point").len() < points + 2 {
        assert!(began.elapsed() < PATIENCE, "{:?}", watching.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    ends_well(&home, watching);
}
