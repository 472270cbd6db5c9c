//! What is said when a snapshot is damaged or gone: never an older state under the name of the newest.

use std::path::PathBuf;

use crate::home::{Home, files_below};

/// Two snapshots of one tree; the object of the second, and the id of the first.
fn two() -> (Home, PathBuf, String) {
    let home = Home::with_backup();
    let first = home.list(&["snapshots"], 0)[0]["id"].clone();
    home.write("tree/report.odt", "second\n");
    let made = home.summary(&["backup", "tree"], 0);
    let newest = made["snapshot"].as_str().unwrap().to_owned();
    let objects = files_below(&home.repository().join("snapshots"));
    let named = |path: &PathBuf| path.to_string_lossy().ends_with(&newest);
    let newest = objects.into_iter().find(named).unwrap();
    (home, newest, first.as_str().unwrap().to_owned())
}

fn relative_names_are_refused(home: &Home, first: &str) {
    for arguments in [
        &["ls", "latest"][..],
        &["ls", "latest~1"],
        &["ls", "@now"],
        &["diff", first, "latest"],
        &["diff", "latest"],
        &["restore", "latest", "--to", "out"],
        &["find", "*.odt"],
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, 15, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr.contains("the newest snapshot may be one"),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    assert!(!home.path("out").exists());
    // Explicit ids go on, with a warning.
    let ran = home.run(&["ls", first]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("warning"), "{}", ran.stderr);
    home.ok(&["restore", first, "--to", "out"]);
    assert_eq!(home.read("out/report.odt"), "first\n");
    // What looks at all of them says that it did not.
    assert_eq!(home.run(&["find", "--all-snapshots", "*.odt"]).code, 15);
    assert_eq!(home.run(&["log", "tree/report.odt"]).code, 15);
}

#[test]
fn latest_is_no_older_snapshot_when_the_newest_is_damaged() {
    let (home, newest, first) = two();
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&newest).unwrap();
    std::fs::write(&newest, bytes).unwrap();
    relative_names_are_refused(&home, &first);
}

#[test]
fn latest_is_no_older_snapshot_when_the_newest_is_gone() {
    let (home, newest, first) = two();
    std::fs::remove_file(&newest).unwrap();
    relative_names_are_refused(&home, &first);
    for arguments in [&["snapshots"][..], &["backup", "tree"]] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("but it is gone"), "{}", ran.stderr);
    }
}

#[test]
fn a_safety_snapshot_of_a_part_is_listed() {
    let home = Home::with_backup();
    home.write("tree/letters/2026/a.odt", "another\n");
    let made = home.summary(&["restore", "latest:letters/2026/a.odt"], 0);
    let safety = made["safety_snapshot"].as_str().unwrap();
    let list = home.list(&["ls", "-r", safety], 0);
    let has =
        |list: &[serde_json::Value]| list.iter().any(|line| line["path"] == "letters/2026/a.odt");
    assert!(has(&list), "{list:?}");
    let list = home.list(&["ls", "-r", &format!("{safety}:letters")], 0);
    assert!(has(&list), "{list:?}");
}
