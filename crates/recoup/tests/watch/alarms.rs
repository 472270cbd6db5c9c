//! What becomes of an alarm: it is taken back, or dismissed, and then all is well again.

use crate::home::Home;
use crate::watching::Watching;

/// A home whose watcher has just told of an alarm: all files of `a` went.
fn with_alarm() -> (Home, Watching) {
    let home = Home::with_repository();
    home.shell("mkdir a b; for i in $(seq 80); do echo a $i > a/f$i; echo b $i > b/f$i; done");
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    home.shell("rm -f a/f*");
    let incident = watching.wait_for("incident", 0);
    assert_eq!(incident["level"], "alarm", "{incident}");
    assert_eq!(status(&home), 1);
    (home, watching)
}

fn status(home: &Home) -> i32 {
    home.run(&["status"]).status.code().unwrap()
}

#[test]
fn a_dismissed_alarm_is_closed() {
    let (home, watching) = with_alarm();
    let lines = home.json(&["incidents", "dismiss", "1", "--reason", "it was me"]);
    assert_eq!(lines[0]["dismissed"]["reason"], "it was me", "{lines:?}");
    assert_eq!(status(&home), 0);
    let source = &home.json(&["status"])[0];
    assert_eq!(source["open_incidents"].as_array().unwrap().len(), 0);
    let listed = home.json(&["incidents"]);
    assert_eq!(listed[0]["dismissed"]["reason"], "it was me", "{listed:?}");
    let text = home.ok(&["incidents"], "the list");
    assert!(text.contains("dismissed by") && text.contains("it was me"));
    assert!(
        home.ok(&["incidents", "show", "1"], "one")
            .contains("it was me")
    );
    let timeline = home.json(&["timeline", "tree"]);
    let count = |kind: &str| timeline.iter().filter(|line| line["type"] == kind).count();
    assert_eq!(count("dismissed"), 1);
    // Said twice it is recorded once, and it can be taken back all the same.
    home.ok(&["incidents", "dismiss", "1", "tree"], "again");
    let timeline = home.json(&["timeline", "tree"]);
    assert_eq!(
        timeline
            .iter()
            .filter(|line| line["type"] == "dismissed")
            .count(),
        1
    );
    home.ok(&["undo", "--incident", "1", "--yes"], "undo");
    assert!(home.path("tree/a/f80").exists());
    assert_eq!(
        home.run(&["incidents", "dismiss", "2"]).status.code(),
        Some(1)
    );
    assert_eq!(watching.stop().0, 0);
    home.ok(&["check"], "afterwards");
}

#[test]
fn a_dismissed_alarm_that_goes_on_is_open_again() {
    let (home, mut watching) = with_alarm();
    home.ok(&["incidents", "dismiss", "1"], "dismissed");
    assert_eq!(status(&home), 0);
    home.shell("rm -f b/f*");
    watching.wait_for("incident", 1);
    assert_eq!(status(&home), 1, "{:?}", watching.lines("incident"));
    assert_eq!(watching.stop().0, 0);
}

#[test]
fn an_alarm_is_over_as_long_as_its_undo_holds() {
    let (home, watching) = with_alarm();
    home.ok(&["undo", "--incident", "1", "--yes"], "undo");
    assert_eq!(status(&home), 0);
    home.ok(&["undo", "--op", "1", "--yes"], "the undo is taken back");
    assert_eq!(status(&home), 1);
    home.ok(&["undo", "--op", "2", "--yes"], "and that, too");
    assert_eq!(status(&home), 0);
    assert_eq!(watching.stop().0, 0);
}

/// A home of a hundred files, watched; what 20 of them going is, is an alarm, and 12 are none.
fn with_hundred() -> Home {
    let home = Home::with_repository();
    home.shell("mkdir d; for i in $(seq 100); do echo content $i > d/f$i; done");
    home
}

/// Removes some of the hundred by one program that can still be looked at when it is done: it waits to be
/// told of one more, which stays. On a busy machine a short-lived one is often nameless.
fn remove(home: &Home, from: u32, to: u32) {
    let answers = to - from + 1;
    home.shell(&format!(
        "cd d; (yes | head -n {answers}; sleep 0.5) | rm -i $(seq -f f%g {from} {to}) f100 2>&1"
    ));
}

fn alarms(home: &Home) -> Vec<serde_json::Value> {
    let mut lines = home.json(&["incidents"]);
    lines.retain(|line| line["level"] == "alarm");
    lines
}

#[test]
fn damage_on_both_sides_of_a_restart_is_one_alarm() {
    let home = with_hundred();
    let mut watching = home.watch(&["--every", "1"]);
    let good = watching.ready()["id"].clone();
    remove(&home, 1, 12);
    watching.wait_for("point", 0);
    assert_eq!(watching.stop().0, 0);
    assert!(alarms(&home).is_empty());
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    remove(&home, 13, 24);
    let mut lines = 0;
    let incident = loop {
        let line = watching.wait_for("incident", lines);
        lines += 1;
        if line["level"] == "alarm" {
            break line;
        }
    };
    assert!(incident["keys"].as_u64() >= Some(24), "{incident}");
    assert_eq!(incident["before"], good, "{incident}");
    assert_eq!(watching.stop().0, 0);
    // It goes on after another restart: the same incident, with all of its keys.
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    remove(&home, 25, 40);
    watching.wait_for("incident", 0);
    assert_eq!(watching.stop().0, 0);
    let found = alarms(&home);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["id"], incident["id"], "{found:?}");
    assert!(found[0]["keys"].as_u64() >= Some(40), "{found:?}");
    let number = found[0]["id"].to_string();
    home.ok(&["undo", "--incident", &number, "--yes"], "undo");
    let is_missing = |file: &u32| !home.path(&format!("tree/d/f{file}")).exists();
    let missing: Vec<u32> = (1..=40).filter(is_missing).collect();
    assert!(missing.is_empty(), "{missing:?}: {found:?}");
}

#[test]
fn what_went_while_nobody_watched_is_judged() {
    let home = with_hundred();
    let mut watching = home.watch(&["--every", "1"]);
    let good = watching.ready()["id"].clone();
    assert_eq!(watching.stop().0, 0);
    home.shell("rm -f d/f*");
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    let incident = watching.wait_for("incident", 0);
    assert_eq!(incident["level"], "alarm", "{incident}");
    assert_eq!(incident["before"], good, "{incident}");
    assert!(incident["actor"].is_null(), "{incident}");
    assert_eq!(watching.stop().0, 0);
    // It is told once.
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    home.write("tree/new", "1");
    watching.wait_for("point", 0);
    let said = watching.lines("incident");
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(watching.stop().0, 0);
    assert_eq!(alarms(&home).len(), 1);
}

#[test]
fn packing_a_git_repository_is_no_alarm() {
    let home = Home::with_repository();
    let git = "export PATH=$PATH:/usr/local/bin GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a \
               GIT_COMMITTER_EMAIL=a; ";
    let mut look = std::process::Command::new("sh");
    look.args(["-c", "PATH=$PATH:/usr/local/bin git --version"]);
    if !look.output().is_ok_and(|output| output.status.success()) {
        println!("SKIP: there is no git");
        return;
    }
    home.shell(&format!(
        "{git} git init -q .; git config gc.auto 0
         for i in $(seq 60); do echo content $i > f$i; git add -A; git commit -qm $i; done"
    ));
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    home.shell(&format!("{git} git gc -q"));
    watching.wait_for("point", 0);
    assert_eq!(watching.stop().0, 0);
    let said = home.json(&["timeline", "tree"]);
    let said = said.iter().filter(|line| line["type"] == "incident");
    let alarms: Vec<_> = said.filter(|line| line["level"] == "alarm").collect();
    assert!(alarms.is_empty(), "{alarms:?}");
}
