//! The demo, small: its own books say whether everything is there; nothing of it is left behind.

use std::path::PathBuf;

use serde_json::Value;

use crate::home::{Home, files_below};

/// A home, and the directory in which the demo makes its own.
fn with_scratch() -> (Home, PathBuf) {
    let mut home = Home::new();
    let scratch = home.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    home.set("TMPDIR", scratch.to_str().unwrap());
    (home, scratch)
}

fn steps(lines: &[Value]) -> Vec<&str> {
    let steps = lines.iter().filter(|line| line["type"] == "demo-step");
    steps.map(|line| line["step"].as_str().unwrap()).collect()
}

#[test]
fn the_night_ends_well_and_leaves_nothing() {
    let (mut home, scratch) = with_scratch();
    // What belongs to the user plays no part.
    home.set("RECOUP_REPO", home.path("elsewhere").to_str().unwrap());
    let lines = home.json(&["demo", "--files", "2000"], 0);
    assert_eq!(
        steps(&lines),
        [
            "build",
            "protect",
            "mistake",
            "know",
            "meanwhile",
            "undo",
            "check",
            "redo"
        ]
    );
    let summary = lines.last().unwrap();
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["files"], 2000);
    assert_eq!(summary["deleted"], 136);
    assert_eq!(summary["damaged"], 10);
    for nothing in ["lost", "later_changes_lost", "unexpected"] {
        assert_eq!(summary[nothing], 0, "{summary}");
    }
    assert_eq!(summary["exact_back"], true, "{summary}");
    assert_eq!(summary["exact_again"], true, "{summary}");
    assert_eq!(summary["differences"], serde_json::json!([]));
    assert_eq!(summary["kept"], Value::Null);
    let touched = summary["restored"].as_u64().unwrap() + summary["conflicts"].as_u64().unwrap();
    assert!(touched >= 146, "{summary}");
    assert_eq!(files_below(&home.path("")), [] as [PathBuf; 0]);
    assert!(std::fs::read_dir(&scratch).unwrap().next().is_none());
}

/// On a real etcd, with the books of a control plane that goes on all the time.
#[test]
fn the_outage_loses_nothing_of_what_came_later() {
    let (home, scratch) = with_scratch();
    let lines = home.json(&["demo", "outage", "--keys", "5000"], 0);
    assert_eq!(
        steps(&lines),
        [
            "build",
            "protect",
            "mistake",
            "know",
            "meanwhile",
            "plan",
            "undo",
            "back",
            "check"
        ]
    );
    let summary = lines.last().unwrap();
    println!("{summary}");
    assert_eq!(
        (&summary["keys"], &summary["deleted"]),
        (&5000.into(), &340.into())
    );
    for nothing in ["lost", "wrong", "later_changes_lost"] {
        assert_eq!(summary[nothing], 0, "{summary}");
    }
    assert!(summary["later_changes"].as_u64() >= Some(50), "{summary}");
    let back = lines.iter().find(|line| line["step"] == "back").unwrap();
    assert_eq!(back["refused"], 0, "{back}");
    assert!(std::fs::read_dir(&scratch).unwrap().next().is_none());
}

#[test]
fn the_outage_says_what_it_needs() {
    let (mut home, scratch) = with_scratch();
    home.set("PATH", "/nowhere");
    let ran = home.run(&["demo", "outage"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("apt-get install etcd-server"),
        "{}",
        ran.stderr
    );
    assert!(std::fs::read_dir(&scratch).unwrap().next().is_none());
    assert_eq!(home.run(&["demo", "outage", "--keys", "7"]).code, 2);
    assert_eq!(home.run(&["demo", "--keep", "outage"]).code, 2);
}

#[test]
fn what_is_kept_can_be_played_with() {
    let (home, scratch) = with_scratch();
    let summary = home.summary(&["demo", "--files", "1000", "--keep"], 0);
    let kept = PathBuf::from(summary["kept"].as_str().unwrap());
    assert!(kept.starts_with(&scratch));
    let mut command = std::process::Command::new(kept.join("recoup"));
    let ran = command.args(["ops", "--json"]).output().unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(
        stdout.matches(r#""type":"operation""#).count(),
        3,
        "{stdout}"
    );
    // What undo displaced lies at the top of the file system: it goes, too.
    for number in ["1", "2", "3"] {
        let mut command = std::process::Command::new(kept.join("recoup"));
        let ran = command.args(["ops", "show", number]).output().unwrap();
        let shown = String::from_utf8(ran.stdout).unwrap();
        let mut lines = shown.lines().map(str::trim);
        if let Some(place) = lines.find_map(|line| line.strip_prefix("displaced ")) {
            let work = std::path::Path::new(place.trim()).parent().unwrap();
            std::fs::remove_dir_all(work).unwrap();
        }
    }
}
