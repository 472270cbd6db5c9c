//! What a restore must never take away.

use crate::home::{Home, files_below};

#[test]
fn delete_below_home_keeps_the_repository_and_keys() {
    let home = Home::new();
    home.write("letter", "one");
    home.write("old/x", "x");
    home.ok(&["backup", "old"]);
    let all = files_below(&home.repository()).len();
    let keys = files_below(&home.path(".config/recoup"));
    let to = home.path("").to_str().unwrap().to_owned();
    let summary = home.summary(&["restore", "latest", "--to", &to, "--delete"], 0);
    let safety = summary["safety_snapshot"].as_str().unwrap().to_owned();
    assert!(home.path("x").exists() && !home.path("letter").exists());
    assert!(files_below(&home.repository()).len() >= all);
    assert_eq!(files_below(&home.path(".config/recoup")), keys);
    // Way back, from the safety snapshot: nothing was lost.
    home.ok(&["restore", &safety]);
    assert_eq!(home.read("letter"), "one");
    let repository = home.repository();
    let ran = home.run(&["restore", "latest", "--to", repository.to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("Recoup keeps its repository"),
        "{}",
        ran.stderr
    );
    home.ok(&["check", "--read-data"]);
}

#[test]
fn a_link_as_target_is_followed_by_the_safety_snapshot_too() {
    let home = Home::with_backup();
    home.write("real/report.odt", "mine");
    std::os::unix::fs::symlink(home.path("real"), home.path("link")).unwrap();
    let summary = home.summary(&["restore", "latest", "--to", "link"], 0);
    let safety = summary["safety_snapshot"].as_str().unwrap().to_owned();
    assert_eq!(home.read("real/report.odt"), "first\n");
    home.ok(&["restore", &safety, "--to", "back"]);
    assert_eq!(home.read("back/report.odt"), "mine");
}

#[test]
fn the_safety_snapshot_of_a_part_is_restored_whole() {
    let home = Home::with_backup();
    home.write("tree/letters/2026/a.odt", "mine");
    let summary = home.summary(&["restore", "latest:letters/2026"], 0);
    let safety = summary["safety_snapshot"].as_str().unwrap().to_owned();
    home.ok(&["restore", &safety, "--to", "back"]);
    assert_eq!(home.read("back/letters/2026/a.odt"), "mine");
}

#[test]
fn nothing_is_kept_where_nothing_differs() {
    let home = Home::with_backup();
    let summary = home.summary(&["restore", "latest"], 0);
    assert!(summary["safety_snapshot"].is_null(), "{summary}");
}

#[test]
fn what_is_in_the_way_is_not_called_damage() {
    let home = Home::with_backup();
    home.write("new/report.odt/inside", "x");
    let ran = home.run(&["restore", "latest", "--to", "new"]);
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("in the way"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("--read-data"), "{}", ran.stderr);
}

#[test]
fn what_the_config_excludes_is_kept() {
    let home = Home::new();
    home.make_tree();
    home.write(".config/recoup/config.toml", "exclude = [\"*.o\"]\n");
    home.write("tree/kept.o", "x");
    home.ok(&["backup", "tree"]);
    home.write("tree/extra", "x");
    home.ok(&["restore", "latest", "--delete"]);
    assert!(home.path("tree/kept.o").exists() && !home.path("tree/extra").exists());
}
